"""Which turns were disturbed, by gauges: how long a short fixed loop took on each CPU right before and after the turn.

A CPU can be slow for seconds without any count that tells (docs/method.md).  Threads that share a job then wait for the
one on the slow CPU, and a speedup looks smaller than it is.  Where all CPUs are equally slow, on both sides, it does
not.  So a pair of turns is undisturbed where all its readings, each relative to the best that the same build ever took
on the same CPU, lie within `TOLERANCE` of one another.  And no thread may have waited for a CPU in between: then
something else was executing on it, which readings at the ends of a turn need not show.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from harness.journal import Sample

LEAST_BLOCKS = 6
"""Blocks with an undisturbed pair of turns that a speedup needs: of fewer, ranks alone can exclude nothing."""

TOLERANCE = 0.2
"""Relative: processes of one build differ by a few per cent, the two speeds of such a CPU by a factor."""

WAITING = 0.05
"""Share of a turn for which threads may wait for a CPU: being woken takes some microseconds each time."""


class Best:
    """The shortest reading of each build on each CPU so far."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, int], float] = {}

    def note(self, sample: Sample) -> None:
        """Take a sample's readings into account."""
        for gauge in sample.gauges:
            for readings in (gauge.before, gauge.after):
                for cpu, seconds in zip(sample.evidence.cpus_allowed, readings, strict=False):
                    key = sample.build, cpu
                    self._seconds[key] = min(self._seconds.get(key, seconds), seconds)

    def undisturbed(self, one: Sample, other: Sample) -> list[int]:
        """Turns (from 0) in which all CPUs were equally slow, on both sides; all turns of samples without gauges."""
        turns = min(len(one.values), len(other.values))
        if not (one.gauges and other.gauges):
            return list(range(turns))
        pairs = zip(self._slowness(one), self._slowness(other), strict=False)
        equally = (a and b and max(*a, *b) <= (1 + TOLERANCE) * min(*a, *b) for a, b in pairs)
        waited = (a or b for a, b in zip(_waited(one), _waited(other), strict=False))
        return [turn for turn, (alike, late) in enumerate(zip(equally, waited, strict=False)) if alike and not late]

    def _slowness(self, sample: Sample) -> Iterator[list[float]]:
        """Of each value's turn all readings relative to the best of their CPU; none where a CPU was not read."""
        best = [self._seconds.get((sample.build, cpu), math.nan) for cpu in sample.evidence.cpus_allowed]
        for gauge in sample.gauges[len(sample.warmups) :]:
            complete = len(gauge.before) == len(gauge.after) == len(best)
            readings = (gauge.before, gauge.after) if complete else ()
            yield [seconds / least for reading in readings for seconds, least in zip(reading, best, strict=True)]


def _waited(sample: Sample) -> Iterator[bool]:
    """Of each value's turn, whether threads waited for a CPU."""
    for value, gauge in zip(sample.values, sample.gauges[len(sample.warmups) :], strict=False):
        yield gauge.waited > WAITING * sample.loops * value


def steadied(sample: Sample) -> tuple[float, ...]:
    """Each value in gauge loops: what slows a CPU slows the loop as well.  Empty where a turn was not gauged.

    A loop takes what its interpreter needs for it, so only samples of one and the same build can be compared.
    """
    gauges = sample.gauges[len(sample.warmups) :]
    if len(gauges) < len(sample.values) or not all(gauge.before and gauge.after for gauge in gauges):
        return ()
    return tuple(
        value / statistics.fmean((*gauge.before, *gauge.after))
        for value, gauge in zip(sample.values, gauges, strict=False)
    )
