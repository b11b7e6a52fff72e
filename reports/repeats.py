"""Ratios that two runs found, held against each other.

A ratio is taken within blocks, between builds or between numbers of threads, so that it carries over from one day to
another, and to a host that is faster or slower as a whole: it is what a run says, and what making it again has to
find again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness import stats
from harness.model import Case
from harness.stats import Judgement, Verdict, judge
from reports import words
from reports.findings import MARGIN, Comparison, Findings, Speedup


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A ratio in both runs."""

    case: Case
    build: str
    against: str
    """What it is a ratio to: another build, or fewer threads of the same one."""
    a: float
    b: float
    """Of times or memory, `build` over `against`; of threads, how many times as fast or as much work."""
    blocks: tuple[int, int]
    judgement: Judgement
    """Of B over A."""

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


@dataclass(frozen=True, slots=True)
class _Found:
    """A ratio in one run."""

    case: Case
    ratio: float
    logs: Sequence[float]
    """One for each block."""
    floor: float


_Key = tuple[str, str, str]
"""A case's id, a build, and what the ratio is to."""


def repeats(a: Findings, b: Findings, level: float) -> Iterator[Repeat]:
    """Ratios that both runs found, in the order of run A, compared by blocks that are not paired.

    That one differs is judged of all together, since among many one does by chance.  That one is the same to within
    `MARGIN` is judged of each by itself: where all of them have to be, a test of each at a level is one of all at that
    level (Berger 1982).
    """
    left, right = dict(_found(a)), dict(_found(b))
    shared = [key for key in left if key in right]
    effects = [stats.unpaired(left[key].logs, right[key].logs, level) for key in shared]
    floors = [max(left[key].floor, right[key].floor) for key in shared]
    judged = judge(effects, margin=MARGIN, noise_floors=floors, confidence=level)
    for key, judgement in zip(shared, judged, strict=True):
        _, build, against = key
        here, there = left[key], right[key]
        yield Repeat(
            case=here.case,
            build=build,
            against=against,
            a=here.ratio,
            b=there.ratio,
            blocks=(len(here.logs), len(there.logs)),
            judgement=judgement if judgement.verdict.is_different else _by_itself(judgement),
        )


def _by_itself(judgement: Judgement) -> Judgement:
    """Of a ratio that is not known to differ: with the interval that it has alone."""
    low, high = judgement.effect.low, judgement.effect.high
    same = low > 1 / (1 + MARGIN) and high < 1 + MARGIN
    return replace(judgement, verdict=Verdict.SAME if same else Verdict.UNDECIDED, low=low, high=high)


def _found(findings: Findings) -> Iterator[tuple[_Key, _Found]]:
    floors = {floor.case: floor.change for floor in findings.run.noise_floors}
    for one in (*findings.comparisons, *findings.memories):
        if found := _of_builds(one):
            yield (one.case.id, one.build, one.baseline), found
    for gain in (*findings.speedups, *findings.capacities):
        if found := _of_threads(gain, floors):
            yield (gain.case.id, gain.build, words.sharing(gain.base)), found


def _of_builds(one: Comparison) -> _Found | None:
    effect = one.judgement.effect if one.judgement else None
    return _Found(one.case, effect.ratio, effect.logs, one.noise_floor) if effect and effect.logs else None


def _of_threads(one: Speedup, floors: Mapping[str, float]) -> _Found | None:
    effect = one.answer
    floor = max(floors.get(case.id, 0.0) for case in (one.case, one.base))
    return _Found(one.case, effect.ratio, effect.logs, floor) if effect and effect.logs else None


def unrepeated(a: Findings, b: Findings) -> tuple[tuple[str, str, str], ...]:
    """Case, build and what against of the ratios that run A found and run B did not."""
    again = dict(_found(b))
    return tuple(key for key, _ in _found(a) if key not in again)
