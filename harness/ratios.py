"""What two samples of one block say of each other: the log ratios of their values, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from harness import stats
from harness.gauge import Best
from harness.journal import Sample
from harness.model import Case, Measure, Seat
from harness.stats import Series


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio that every block of a group measures anew."""

    under: Seat
    """The baseline, or the fewest threads."""
    over: Seat
    case: Case
    """Of `over`."""
    is_speedup: bool

    @property
    def is_gauged(self) -> bool:
        """Whether only undisturbed turns count."""
        return self.is_speedup and self.case.measure is Measure.TIME

    def pairs(self, samples: Mapping[Seat, Sample], best: Best) -> Series:
        """Log ratios of one block, empty where a side is missing or all of it was disturbed.

        Of builds, the time (or memory) of `over` relative to `under`: above 0 it is slower.  Of threads, how much more
        `over` gets done: above 0 it gains.
        """
        under, over = samples.get(self.under), samples.get(self.over)
        if under is None or over is None:
            return ()
        if not self.is_speedup:
            return builds(under, over, self.case.measure)
        if self.case.measure is Measure.CAPACITY:
            return stats.round_logs(under.values, over.values, len(self.case.cpus))
        return completion(under, over, best, jobs=self.case.jobs)


def builds(under: Sample, over: Sample, measure: Measure) -> Series:
    """Turn k of one against turn k of the other; what one has more is left out."""
    match measure:
        case Measure.TIME | Measure.CAPACITY:
            turns = min(len(under.values), len(over.values))
            return stats.pair_logs(under.values[:turns], over.values[:turns])
        case Measure.MEMORY:
            return stats.pair_logs((under.evidence.max_rss,), (over.evidence.max_rss,))
        case _:
            assert_never(measure)


def completion(under: Sample, over: Sample, best: Best, *, jobs: float = 1) -> Series:
    """How many times as fast `over` completes a job, in the turns that were undisturbed; it does `jobs` at a time."""
    turns = best.undisturbed(under, over)
    return stats.pair_logs([over.values[turn] for turn in turns], [jobs * under.values[turn] for turn in turns])


def gain(slow: Case, fast: Case, under: Sample, over: Sample, best: Best) -> Series:
    """How many times as fast (or frugal) `over`, a sample of `fast`, does a job as `under`, one of `slow`.

    Between different numbers of threads only undisturbed turns count.
    """
    if slow.threads == fast.threads:
        return builds(over, under, slow.measure)
    return completion(under, over, best, jobs=fast.jobs / slow.jobs)


def ratios(cases: Sequence[Case], names: Sequence[str]) -> Iterator[Ratio]:
    """All that the blocks of a group of cases tell: each build against the first, more threads against the fewest."""
    baseline, *contenders = names
    fewest, *more = sorted(cases, key=lambda case: case.threads)
    if fewest.measure is not Measure.CAPACITY:
        for case in cases:
            for build in contenders:
                yield Ratio((case.id, baseline), (case.id, build), case, is_speedup=False)
    if fewest.measure is not Measure.MEMORY:
        for case in (case for case in more if case.threads > fewest.threads):
            for build in names:
                yield Ratio((fewest.id, build), (case.id, build), case, is_speedup=True)
