"""The worker's side of lockstep: a pyperf hook that asks for its turn before each value.

pyperf enters a hook immediately before the code that it times and leaves it right after, so nothing here is ever
inside a value.  While a worker waits for its turn it blocks in recv and uses no CPU.

What is said, one byte each, over the Unix socket that GILOMETER_SOCKET names, after the seat's name and a newline:

    ?   worker: I am ready for my next turn (so my last turn is over, and I am blocked)
    =   worker: my warm-ups, or my values, are done (and I am blocked)
    !   harness: go on

This module executes inside the measured process and imports as little as it can.
"""

import os
import resource
import socket
import sys

from pyperf._hooks import HookBase

_harness: socket.socket | None = None
_throttled_before: int | None = None

# Where a container finds its own cgroup: version 2, and version 1.
_CPU_STAT = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")


def _connect() -> socket.socket:
    """One connection per process: pyperf makes a hook for the warm-ups and another one for the values."""
    global _harness, _throttled_before
    if _harness is None:
        _throttled_before = _throttled_periods()
        _harness = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _harness.connect(os.environ["GILOMETER_SOCKET"])
        _harness.sendall(os.environ["GILOMETER_SEAT"].encode() + b"\n")
    return _harness


class Lockstep(HookBase):
    """Takes turns with the other workers of a block."""

    def __init__(self) -> None:
        self._harness = _connect()

    def _wait(self, request: bytes) -> None:
        self._harness.sendall(request)
        if self._harness.recv(1) != b"!":
            sys.exit("gilometer: the harness has gone")

    def __enter__(self) -> None:
        self._wait(b"?")

    def __exit__(self, *exception: object) -> None:
        pass

    def teardown(self, metadata: dict[str, object]) -> None:
        """Wait until every worker of the block is done, then say what became of this process."""
        self._wait(b"=")
        metadata.update(_evidence())


def _throttled_periods() -> int | None:
    """Scheduler periods in which this process's cgroup was throttled; None where there is no such count."""
    for path in _CPU_STAT:
        try:
            with open(path) as lines:
                counts = dict(line.split() for line in lines)
        except OSError:
            continue
        if "nr_throttled" in counts:
            return int(counts["nr_throttled"])
    return None


def _evidence() -> dict[str, str | int]:
    with open("/proc/self/status") as lines:
        status = dict(line.split(":", 1) for line in lines)
    evidence: dict[str, str | int] = {
        "gilometer_cpus_allowed": status["Cpus_allowed_list"].strip(),
        "gilometer_involuntary_switches": int(status["nonvoluntary_ctxt_switches"]),
        "gilometer_max_rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    throttled = _throttled_periods()
    if throttled is not None and _throttled_before is not None:
        evidence["gilometer_throttled_periods"] = throttled - _throttled_before
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)  # 3.13 and later
    if is_gil_enabled is not None:
        evidence["gilometer_gil_enabled"] = int(is_gil_enabled())
    return evidence
