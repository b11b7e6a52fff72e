"""What disturbs measurements on this machine, and what would help.

`findings` judges what `harness.host.facts` read, and names what `harness.tuning` would change.  One thing has to be
tried instead: on virtual machines a CPU can change between full and half speed every few seconds, because of a
neighbour on the other hardware thread, and neither steal time nor load tells.  `probe_speeds` looks for about a second.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.model import HostFacts, cpu_list
from harness.tuning import Change

_GOOD_CLOCKS = ("tsc", "arch_sys_counter", "kvm-clock", "hyperv_clocksource_tsc_page")
_LOOP = 40_000


class State(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    text: str
    advice: str = ""
    """What to do about it; empty where there is nothing to do."""

    def __str__(self) -> str:
        line = f"{self.state:<4}  {self.subject}: {self.text}"
        return f"{line}\n      {self.advice}" if self.advice else line


def findings(facts: HostFacts, changes: Iterable[Change] = ()) -> tuple[Finding, ...]:
    """What the facts say about noise, in a fixed order; what could not be read is not judged.

    Args:
        changes: what tuning would change.  Settings that it leaves as they are need no word.
    """
    settings = facts.settings
    return (
        _cpus(facts),
        *(_tunable(change) for change in changes),
        *_cores(settings),
        *_sharing(settings, len(facts.cpus)),
        *_memory(settings, facts.memory),
        *_kernel(settings),
    )


def _cpus(facts: HostFacts) -> Finding:
    text = f"{len(facts.cpus)} ({cpu_list(facts.cpus)}) on {facts.cores} cores, {facts.cpu_model}"
    if len(facts.cpus) == 1:
        return Finding("CPUs", State.WARN, text, "Threads cannot be seen to scale on one CPU: use a larger machine.")
    if len(facts.cpus) < 4:
        few = "Measured on all of them, a workload shares its CPUs with the system: leave the machine alone meanwhile."
        return Finding("CPUs", State.NOTE, text, few)
    return Finding("CPUs", State.OK, text)


def _tunable(change: Change) -> Finding:
    state = State.WARN if change.setting == "governor" else State.NOTE
    text = f"{change.now}; once {change.then}, {change.gain}"
    advice = f"inv doctor --tune changes it until the next boot.  Cost: {change.cost}."
    return Finding(change.setting, state, text, advice)


def _cores(settings: Mapping[str, str]) -> Iterator[Finding]:
    if settings.get("SMT") == "on":
        text = "on: CPU sets leave the second thread of each core idle as long as there are cores"
        yield Finding("SMT", State.NOTE, text, "Sets larger than the number of cores measure SMT as well.")
    if isolated := settings.get("isolated CPUs"):
        text = f"{isolated}: good for sets of one; threads do not spread over isolated CPUs"
        yield Finding("isolated CPUs", State.NOTE, text)


def _sharing(settings: Mapping[str, str], cpus: int) -> Iterator[Finding]:
    if hypervisor := settings.get("hypervisor"):
        text = "yes" if hypervisor == "yes" else f"yes, {hypervisor}"
        advice = "Neighbours can slow a CPU unseen; lockstep cancels most of it.  A dedicated host or metal is quieter."
        yield Finding("virtual machine", State.NOTE, text, advice)
    if steal := settings.get("steal"):
        share = float(steal.rstrip("%"))
        state = State.WARN if share >= 1 else State.NOTE if share >= 0.2 else State.OK
        advice = "" if state is State.OK else "The hypervisor gives this machine's CPUs to others: use dedicated CPUs."
        yield Finding("steal", state, f"{steal} of the time since boot", advice)
    if load := settings.get("load"):
        busy = float(load.split()[0]) / cpus
        state = State.WARN if busy >= 0.5 else State.NOTE if busy >= 0.1 else State.OK
        advice = "" if state is State.OK else "Stop what else runs here: top names it."
        yield Finding("load", state, f"{load} over 1, 5 and 15 minutes, on {cpus} CPUs", advice)


def _memory(settings: Mapping[str, str], total: int) -> Iterator[Finding]:
    if available := settings.get("memory available"):
        text = f"{available} of {total >> 20} MiB available"
        if int(available.removesuffix(" MiB")) < 1024:
            advice = "A worker that is swapped out or killed measures nothing: free some memory."
            yield Finding("memory", State.WARN, text, advice)
        else:
            yield Finding("memory", State.OK, text)
    if (swap := settings.get("swap used", "0 MiB")) != "0 MiB":
        advice = "Pages that come back from disk are inside timed values: free memory, then as root swapoff -a."
        yield Finding("swap", State.NOTE, f"{swap} used", advice)


def _kernel(settings: Mapping[str, str]) -> Iterator[Finding]:
    clock = settings.get("clock source")
    if clock and clock not in _GOOD_CLOCKS:
        text = f"{clock}: reading the time is slow here, each reading a call into the kernel"
        yield Finding("clock source", State.WARN, text, "dmesg says why the kernel does not trust the CPU's counter.")


# -- what has to be tried ----------------------------------------------------------------------------------------------


def probe_speeds(cpus: Iterable[int], seconds: float = 1.0) -> dict[int, list[float]]:
    """Times of a fixed loop of about 2 ms on each CPU in turn, CPU seconds; the caller's affinity is restored.

    CPU time, so that a loop that has to wait for its CPU does not look slow.  Takes one loop longer than `seconds` at
    most; CPUs that it did not come to are left out.
    """
    times: dict[int, list[float]] = {}
    rounds, before = list(cpus), os.sched_getaffinity(0)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            for cpu in rounds:
                if time.monotonic() >= end:
                    break
                os.sched_setaffinity(0, {cpu})
                times.setdefault(cpu, []).append(_loop())
    finally:
        os.sched_setaffinity(0, before)
    return times


def _loop() -> float:
    start = time.thread_time()
    for i in range(_LOOP):
        i * i
    return time.thread_time() - start


def speeds(times: Mapping[int, Sequence[float]]) -> Finding:
    """What `probe_speeds` found on CPUs of one kind: do they all have one speed, and keep it?"""
    every = [value for values in times.values() for value in values]
    if not every:
        return Finding("CPU speed", State.NOTE, "not tried")
    best = min(every)
    slowest = max(times, key=lambda cpu: statistics.median(times[cpu]))
    median = statistics.median(times[slowest])
    slow = sum(value > 1.2 * best for value in every) / len(every)
    text = (
        f"a fixed loop takes {best * 1000:.2f} ms at best, {median * 1000:.2f} ms in the median on CPU {slowest}; "
        f"{slow:.0%} of {len(every)} loops took over 20 % longer than the best"
    )
    if median < 1.1 * best and slow < 0.1:
        return Finding("CPU speed", State.OK, text)
    advice = "CPUs change speed, or differ: compare only what was measured in lockstep, and allow for more blocks."
    return Finding("CPU speed", State.WARN, text, advice)
