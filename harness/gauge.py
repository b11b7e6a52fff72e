"""Which turns were disturbed, by gauges: how long a short fixed loop took on each CPU right before and after the turn.

A CPU can be slow for seconds without any count that tells (docs/method.md).  Threads that share a job then wait for the
one on the slow CPU, and a speedup looks smaller than it is.  The rule is the same for every seat: all of a turn's
readings within `TOLERANCE` of the best that the same build ever took on the same CPU.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.journal import Sample

LEAST_BLOCKS = 6
"""Blocks with an undisturbed turn on both sides that a speedup needs: of fewer, ranks alone can exclude nothing."""

TOLERANCE = 0.2
"""Relative: processes of one build differ by a few per cent, the two speeds of such a CPU by a factor."""


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

    def undisturbed(self, sample: Sample) -> frozenset[int]:
        """Values (from 0) of a sample whose turns were undisturbed; all of a sample without gauges."""
        if not sample.gauges:
            return frozenset(range(len(sample.values)))
        best = [self._seconds.get((sample.build, cpu), 0.0) for cpu in sample.evidence.cpus_allowed]
        gauges = sample.gauges[len(sample.warmups) :]
        return frozenset(
            number
            for number, gauge in enumerate(gauges)
            if _is_near(gauge.before, best) and _is_near(gauge.after, best)
        )


def _is_near(readings: Sequence[float], best: Sequence[float]) -> bool:
    """Whether there is a reading of every CPU, and each near its best."""
    if len(readings) != len(best):
        return False
    return all(seconds <= (1 + TOLERANCE) * least for seconds, least in zip(readings, best, strict=True))
