"""The worker's side of lockstep: a pyperf hook that asks for its turn before each value.

pyperf enters a hook immediately before the code that it times and leaves it right after, so nothing here is ever
inside a value.  While a worker waits for its turn it blocks in recv and uses no CPU.

What is said, one byte each, over the Unix socket that GILOMETER_SOCKET names, after the seat's name and a newline:

    ?   worker: I am ready for my next turn (so my last turn is over, and I am blocked)
    =   worker: my warm-ups, or my values, are done (and I am blocked)
    !   harness: go on

Where GILOMETER_GAUGE is n, from 1, each warm-up and every n-th turn after them begins and ends with a gauge: how long
a short loop takes on each CPU that this process may use.  It tells how fast the CPUs were.  In between it is counted
for how long threads waited for a CPU.

What a worker does while it is not its turn is done at the others' cost, so it is counted too.  A process that the
workload forks and that comes back from it ends here: it has no turn, and one worker is enough.

This module executes inside the measured process and imports as little as it can.
"""

import contextlib
import json
import os
import resource
import socket
import sys
from time import perf_counter_ns, process_time

from pyperf._hooks import HookBase

_FORKED_STATUS = 67
"""Exit status of a forked process that came back, and of the worker that it left: harness.model has it too."""

_harness: socket.socket | None = None
_forked = False
_began: dict[str, float] = {}
_faults = 0
_out_of_turn = 0.0
_threads: tuple[int, int] | None = None
"""After the first turn and after the last."""
_gauges: list[tuple[list[int], list[int], int]] = []

# Where a container finds its own cgroup: version 2, and version 1.
_CPU_STAT = ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")
_MEMORY_PEAK = ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")

_GAUGE_LOOP = 6_000
"""About a quarter of a millisecond of bytecode: what it feels is what the workloads feel."""


def _connect() -> socket.socket | None:
    """One connection per process: pyperf makes a hook for the warm-ups and another one for the values.

    None in a child of a worker: where a script times a command, pyperf loads its hooks there too, and the turn is the
    worker's.
    """
    global _harness, _began, _faults
    path = os.environ.pop("GILOMETER_SOCKET", "")
    if path:
        _harness = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _harness.connect(path)
        _harness.sendall(os.environ["GILOMETER_SEAT"].encode() + b"\n")
        _began = _counts()
        os.register_at_fork(after_in_child=_become_forked)
    _faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt  # the first turns may still read files
    return _harness


def _become_forked() -> None:
    """In a forked process: this connection is not its own, and would stay open for as long as it lives."""
    global _forked
    _forked = True
    if _harness is not None:
        _harness.close()


def _leave_if_forked() -> None:
    if _forked:
        os.write(2, b"gilometer: a process that the workload forked came back from it\n")
        os._exit(_FORKED_STATUS)


def _fork_came_back() -> bool:
    """Whether a forked process ended in this hook, as far as nobody else has waited for it."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status == _FORKED_STATUS


class Lockstep(HookBase):
    """Takes turns with the other workers of a block."""

    def __init__(self) -> None:
        warms_up = _harness is None
        self._harness = _connect()
        gauge = int(os.environ["GILOMETER_GAUGE"]) if self._harness is not None else 0
        self._gauged_each = min(gauge, 1) if warms_up else gauge
        self._turns = 0
        self._before: list[int] = []
        self._waited = 0

    def _wait(self, request: bytes) -> None:
        global _out_of_turn
        _leave_if_forked()
        if self._harness is None:
            return
        before = process_time()
        self._harness.sendall(request)
        if self._harness.recv(1) != b"!":
            sys.exit("gilometer: the harness has gone")
        _out_of_turn += process_time() - before

    def __enter__(self) -> None:
        self._wait(b"?")
        self._turns += 1
        if self._is_gauged():
            self._before = _gauge()
            self._waited = _waited() or 0

    def __exit__(self, *exception: object) -> None:
        global _threads
        _leave_if_forked()
        if self._harness is not None:
            threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - no import for it
            _threads = (_threads[0] if _threads else threads, threads)
        if self._is_gauged():
            waited = (_waited() or 0) - self._waited
            _gauges.append((self._before, _gauge(), max(0, waited)))  # a thread that has ended takes its count along

    def _is_gauged(self) -> bool:
        return self._gauged_each > 0 and self._turns % self._gauged_each == 0

    def teardown(self, metadata: dict[str, object]) -> None:
        """Wait until every worker of the block is done, then say what became of this process."""
        self._wait(b"=")
        if _fork_came_back():
            sys.exit(_FORKED_STATUS)
        if self._harness is not None:
            metadata.update(_evidence())


def _gauge() -> list[int]:
    """Nanoseconds of a short loop on each CPU that this process may use, the better of two."""
    allowed = os.sched_getaffinity(0)
    readings = []
    with contextlib.suppress(OSError):  # CPUs that were taken away meanwhile show in the evidence
        for cpu in sorted(allowed):
            os.sched_setaffinity(0, {cpu})  # of this thread alone
            readings.append(min(_loop(), _loop()))
        os.sched_setaffinity(0, allowed)
    return readings


def _loop() -> int:
    start = perf_counter_ns()
    for i in range(_GAUGE_LOOP):
        i * i
    return perf_counter_ns() - start


def _counts() -> dict[str, float]:
    """What is counted from the first turn on; what cannot be read is left out."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = process_time() + _descendants_seconds()
    counts: dict[str, float] = {"cpu_seconds": seconds, "involuntary_switches": usage.ru_nivcsw}
    waited = _waited()
    if waited is not None:
        counts["waited_seconds"] = waited / 1e9
    throttled = _throttled_periods()
    if throttled is not None:
        counts["throttled_periods"] = throttled
    return counts


def _descendants_seconds() -> float:
    """CPU time of the processes that this one has started, and that those have: of pools, servers and commands."""
    me = os.getpid()
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - no import for it
        try:
            with open(f"/proc/{pid}/stat") as line:
                fields = line.read().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(pid)] = int(fields[1])
        # A process's own, and that of those which it has waited for; of this one only the latter.
        ticks[int(pid)] = sum(map(int, fields[13 if int(pid) == me else 11 : 15]))
    found = {me}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sum(ticks[pid] for pid in found) / os.sysconf("SC_CLK_TCK")


def _waited() -> int | None:
    """Nanoseconds that the threads of this process were ready to execute and had no CPU."""
    nanoseconds = 0
    try:
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - no import for it
            with open(f"/proc/self/task/{task}/schedstat") as line:
                nanoseconds += int(line.read().split()[1])
    except (OSError, IndexError):
        return None
    return nanoseconds


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


def _memory_peak() -> int | None:
    for path in _MEMORY_PEAK:
        try:
            with open(path) as line:
                return int(line.read())
        except (OSError, ValueError):
            continue
    return None


def _evidence() -> dict[str, str | int | float]:
    now = _counts()  # before anything below adds to it
    with open("/proc/self/status") as lines:
        status = dict(line.split(":", 1) for line in lines)
    evidence: dict[str, str | int | float] = {
        "gilometer_cpus_allowed": status["Cpus_allowed_list"].strip(),
        "gilometer_max_rss": _kibibytes(status["VmHWM"]),
        "gilometer_swapped": _kibibytes(status.get("VmSwap", "0 kB")),
        "gilometer_major_faults": resource.getrusage(resource.RUSAGE_SELF).ru_majflt - _faults,
        "gilometer_out_of_turn": _out_of_turn,
    }
    for name, before in _began.items():
        if name in now:
            evidence[f"gilometer_{name}"] = now[name] - before
    peak = _memory_peak()
    if peak is not None:
        evidence["gilometer_memory_peak"] = peak
    if _threads:
        evidence["gilometer_threads_first"], evidence["gilometer_threads_last"] = _threads
    if _gauges:
        evidence["gilometer_gauges"] = json.dumps(_gauges)
    is_gil_enabled = getattr(sys, "_is_gil_enabled", None)  # 3.13 and later
    if is_gil_enabled is not None:
        evidence["gilometer_gil_enabled"] = int(is_gil_enabled())
    return evidence


def _kibibytes(text: str) -> int:
    """Bytes of "1024 kB"."""
    return int(text.split()[0]) * 1024
