"""Many runs: what each case showed from run to run, where it changed, and what else changed there."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness import steps
from reports.digest import Broken, Digest, Machine, Result

_LEAST_ERROR = 1e-6
"""Blocks that agree to the last bit have an interval without width, and no estimate is that sure."""


@dataclass(frozen=True, slots=True)
class Point:
    """What one run says of a case."""

    digest: Digest
    result: Result

    @property
    def log(self) -> float:
        return math.log(self.result.ratio)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a run records and the one before has otherwise."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Shift:
    """A step of a case, told of its runs."""

    step: steps.Step
    last: Point
    """Before it."""
    first: Point
    """Behind it."""
    seconds: tuple[float, float] | None
    """Medians of the build's own times (or bytes) over the stretches before and behind; None where one is unknown."""
    baseline_seconds: tuple[float, float] | None
    changes: tuple[Change, ...]
    """Between these two runs, in what can reach the case."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One build against the baseline in one case, over runs on machines that are alike."""

    case: str
    name: str
    points: tuple[Point, ...]
    shifts: tuple[Shift, ...] = ()

    @property
    def last(self) -> Result:
        return self.points[-1].result


@dataclass(frozen=True, slots=True)
class Family:
    """What may be compared over time: machines that are alike, jobs of one size, and one pair of builds."""

    machine: Machine
    size: str
    baseline: str
    build: str
    runs: tuple[str, ...]
    """Those that have a point in any of the trends."""
    trends: tuple[Trend, ...]
    """Of cases that two runs measured at least."""
    once: int
    """Cases that one run measured."""


@dataclass(frozen=True, slots=True)
class History:
    """All runs."""

    runs: tuple[Digest, ...]
    """The oldest first."""
    broken: tuple[Broken, ...]
    families: tuple[Family, ...]

    @property
    def trends(self) -> int:
        return sum(len(family.trends) for family in self.families)

    @property
    def shifts(self) -> list[tuple[Family, Trend, Shift]]:
        """The latest first."""
        found = [(f, trend, shift) for f in self.families for trend in f.trends for shift in trend.shifts]
        return sorted(found, key=lambda one: _when(one[2].first.digest), reverse=True)


def history(read: Iterable[Digest | Broken]) -> History:
    """The trends of some runs, in whatever order these come; all trends are searched for steps together."""
    every = list(read)
    runs = sorted((one for one in every if isinstance(one, Digest)), key=_when)
    families = list(_families(runs))
    found = iter(steps.find([_series(trend) for family in families for trend in family.trends]))
    return History(
        runs=tuple(runs),
        broken=tuple(sorted((one for one in every if isinstance(one, Broken)), key=lambda one: one.run)),
        families=tuple(
            Family(
                machine=family.machine,
                size=family.size,
                baseline=family.baseline,
                build=family.build,
                runs=family.runs,
                trends=tuple(_with_shifts(trend, next(found)) for trend in family.trends),
                once=family.once,
            )
            for family in families
        ),
    )


def _when(digest: Digest) -> tuple[str, str]:
    return digest.created, digest.run


def _families(runs: Sequence[Digest]) -> Iterator[Family]:
    alike: defaultdict[tuple[Machine, str, str, str], defaultdict[str, list[Point]]]
    alike = defaultdict(lambda: defaultdict(list))
    for run in runs:
        labels = dict(zip(run.builds, run.labels, strict=True))
        for result in run.results:
            pair = labels[run.builds[0]], labels[result.build]
            alike[run.machine, run.size, *pair][result.case].append(Point(run, result))
    for (machine, size, baseline, build), cases in alike.items():
        names = {point.digest.run: None for points in cases.values() if len(points) > 1 for point in points}
        order = [run.run for run in runs if run.run in names]
        yield Family(
            machine=machine,
            size=size,
            baseline=baseline,
            build=build,
            runs=tuple(order),
            trends=tuple(
                Trend(case, points[-1].result.name, tuple(points)) for case, points in cases.items() if len(points) > 1
            ),
            once=sum(len(points) == 1 for points in cases.values()),
        )


def _sure(trend: Trend) -> list[Point]:
    """Points with an interval: the others cannot say how far they may be off."""
    return [point for point in trend.points if point.result.error is not None]


def _series(trend: Trend) -> steps.Trend:
    points = _sure(trend)
    return steps.Trend(
        logs=tuple(point.log for point in points),
        errors=tuple(max(point.result.error or 0.0, _LEAST_ERROR) for point in points),
    )


def _with_shifts(trend: Trend, found: Sequence[steps.Step]) -> Trend:
    points = _sure(trend)
    ends = [0, *(step.at for step in found), len(points)]
    stretches = [points[low:high] for low, high in pairwise(ends)]
    shifts = (_shift(step, before, behind) for step, (before, behind) in zip(found, pairwise(stretches), strict=True))
    return Trend(trend.case, trend.name, trend.points, tuple(shifts))


def _shift(step: steps.Step, before: Sequence[Point], behind: Sequence[Point]) -> Shift:
    last, first = before[-1], behind[0]
    return Shift(
        step=step,
        last=last,
        first=first,
        seconds=_medians([[point.result.seconds for point in side] for side in (before, behind)]),
        baseline_seconds=_medians([[point.result.baseline_seconds for point in side] for side in (before, behind)]),
        changes=tuple(_changes(last, first)),
    )


def _medians(sides: Sequence[Sequence[float | None]]) -> tuple[float, float] | None:
    before, behind = ([value for value in side if value is not None] for side in sides)
    return (statistics.median(before), statistics.median(behind)) if before and behind else None


def _changes(last: Point, first: Point) -> Iterator[Change]:
    """What is recorded otherwise: of the case's own two builds, of its workload, and of the machine."""
    others = {f"{name}: " for digest in (last.digest, first.digest) for name in digest.builds[1:]}
    others -= {f"{last.result.build}: ", f"{first.result.build}: "}
    workload = first.result.workload
    before, after = (
        digest.circumstances | {f"workload {workload}": digest.workloads.get(workload, "")[:12]}
        for digest in (last.digest, first.digest)
    )
    for what in dict.fromkeys((*before, *after)):
        old, new = before.get(what, "none"), after.get(what, "none")
        if old != new and not any(what.startswith(other) for other in others):
            yield Change(what, old, new)
