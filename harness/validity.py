"""The rules by which what happened beside a block makes it invalid.

A rule looks at the block as a whole, never at its values: it cannot favour a side.  What is not read here is not
judged: on a virtual machine a neighbour's load shows in none of these counts, and lockstep has to cope with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.journal import Disturbance, Noise, Sample
from harness.model import Case, Strategy

STOLEN_SHARE = 0.05
"""Of the CPU time of the block's CPUs: more than this stolen makes it invalid."""

WAITED_SHARE = 0.5
"""Of the time that a worker would have taken otherwise: one that waited longer than this for a CPU makes its block
invalid."""

READ_PAGES = 10
"""Pages that a worker read from a disk while it measured values; more make its block invalid."""

STRAY_SHARE = 0.05
"""Of the time of other turns: a worker that used the CPU for longer than this meanwhile worked at their cost."""

_LEAK_TURNS = 2
"""Threads that stay are a leak where each turn after the first adds one, this many turns or more."""

_LEAST_SECONDS = 0.1
"""The kernel counts in ticks of 4 or 10 ms: what is shorter counts as this long."""


def cpu_seconds(noise: Noise, cpus: int) -> float:
    """CPU time that the `cpus` CPUs of a block had while its turns were taken: what shares are of."""
    return max(noise.seconds, _LEAST_SECONDS) * cpus


def disturbances(noise: Noise, samples: Iterable[tuple[Case, Sample]], cpus: int) -> tuple[Disturbance, ...]:
    """The rules that a block on `cpus` CPUs broke, each once, in the order in which they are declared."""
    broken = set()
    if (noise.stolen or 0.0) > STOLEN_SHARE * cpu_seconds(noise, cpus):
        broken.add(Disturbance.STOLEN)
    for case, sample in samples:
        broken |= set(_of_worker(case, sample, cpus))
    return tuple(rule for rule in Disturbance if rule in broken)


def _of_worker(case: Case, sample: Sample, cpus: int) -> Iterator[Disturbance]:
    evidence = sample.evidence
    if evidence.throttled_periods:
        yield Disturbance.THROTTLED
    # More threads than CPUs wait for each other, and one that only hands out work to processes waits for them: it is
    # what is measured then.
    waits_for_its_own = case.threads > cpus or case.strategy is Strategy.PROCESSES
    waited = 0.0 if waits_for_its_own else evidence.waited_seconds or 0.0
    in_turns = sum(turn.returned - turn.granted for turn in sample.turns)  # what waits for I/O uses little CPU time
    if waited > WAITED_SHARE * max(evidence.cpu_seconds, in_turns - waited, _LEAST_SECONDS):
        yield Disturbance.CROWDED
    if evidence.swapped or evidence.major_faults > READ_PAGES:
        yield Disturbance.SWAPPED


def stray(sample: Sample) -> str:
    """What a worker did outside of its turns, one sentence without its subject; empty where nothing that matters."""
    evidence = sample.evidence
    turns = sample.turns
    others = turns[-1].returned - turns[0].granted - sum(turn.returned - turn.granted for turn in turns)
    if evidence.out_of_turn > STRAY_SHARE * max(others, _LEAST_SECONDS):
        return f"used the CPU for {evidence.out_of_turn:.2f} s while it was not its turn: its threads did not wait"
    more = evidence.threads_last - evidence.threads_first
    if more >= max(len(turns) - 1, _LEAK_TURNS):
        return f"leaks threads: {evidence.threads_first} after the first turn, {evidence.threads_last} after the last"
    return ""
