"""Releases side by side: every build of a run against the base, its predecessor, and its twin with the GIL.

Builds of one kind, with the GIL or free-threaded, are a line through releases.  All of a run's builds take turns in the
same blocks, so any two of them are a pair, and are compared as a run's builds are with its baseline: of two builds a
comparison corrects for all its cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from packaging.version import Version

from harness.journal import JournalLine
from harness.model import BuildFacts, Run
from harness.planning import level
from harness.stats import Verdict
from reports import effects, parity
from reports.findings import Comparison, Parity, Suite
from reports.records import Records, needed, sort

MOVERS = 5
"""Cases that are named in either direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One build against another one of the same run."""

    build: BuildFacts
    against: BuildFacts
    parity: Parity
    comparisons: tuple[Comparison, ...]
    """Times of all cases, in the order of the plan."""
    suites: tuple[Suite, ...]
    """Geometric means over all workloads, and over each category."""

    def overall(self, cpus: tuple[int, ...], threads: int) -> Suite | None:
        """Of all workloads on so many threads; None where none was measured."""
        return self.of_category(None, cpus, threads)

    def of_category(self, category: str | None, cpus: tuple[int, ...], threads: int) -> Suite | None:
        """The same of one category; None is all of them."""
        found = (one for one in self.suites if (one.category, one.cpus, one.threads) == (category, cpus, threads))
        return next(found, None)

    def movers(self, verdict: Verdict) -> tuple[Comparison, ...]:
        """Cases with this verdict, those that changed most first."""
        found = [one for one in self.comparisons if one.judgement and one.verdict is verdict]
        return tuple(sorted(found, key=lambda one: -abs(one.judgement.effect.log) if one.judgement else 0.0)[:MOVERS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """What a run says of releases."""

    run: Run
    base: BuildFacts
    lines: tuple[tuple[BuildFacts, ...], ...]
    """Builds with the GIL, then free-threaded ones, by release; a kind that was not measured is left out."""
    against_base: tuple[Contrast, ...]
    """Of every build but the base, line by line."""
    against_predecessor: tuple[Contrast, ...]
    """Of every build that has one: the newest older release in its line, made alike where there is a choice."""
    against_gil: tuple[Contrast, ...]
    """Of every free-threaded build with a twin of the same release that has the GIL."""
    across: tuple[Contrast, ...]
    """The last build of each line against its first one."""

    @property
    def builds(self) -> tuple[BuildFacts, ...]:
        return tuple(build for line in self.lines for build in line)

    @property
    def threads(self) -> tuple[tuple[tuple[int, ...], int], ...]:
        """CPU sets and thread counts of which there is a mean."""
        found = {(one.cpus, one.threads) for contrast in self.against_base for one in contrast.suites}
        return tuple(sorted(found, key=lambda one: (len(one[0]), one)))


def spans(run: Run) -> bool:
    """Whether any line of a run has more than one release."""
    return any(len({build.release for build in line}) > 1 for line in _lines(run))


def compare(run: Run, journal: Iterable[JournalLine]) -> Releases:
    """What a run that `spans` releases says of them."""
    records = sort(journal)
    lines = tuple(_lines(run))
    builds = [build for line in lines for build in line]
    base = next(build for build in builds if build.build.name == run.plan.builds[0])
    contrast = _Contrasts(run, records)
    return Releases(
        run=run,
        base=base,
        lines=lines,
        against_base=tuple(contrast(build, base) for build in builds if build is not base),
        against_predecessor=tuple(
            contrast(build, before) for line in lines for build in line if (before := _predecessor(build, line))
        ),
        against_gil=tuple(
            contrast(build, twin) for build in builds if build.free_threaded and (twin := _twin(build, builds))
        ),
        across=tuple(contrast(line[-1], line[0]) for line in lines if line[0].release != line[-1].release),
    )


def version(release: str) -> Version:
    """What releases are ordered by: "3.15.0a2" comes before "3.15.0", and "3.15.0a2+", of a tree, is that."""
    return Version(release.rstrip("+"))


class _Contrasts:
    """Makes contrasts of one run."""

    def __init__(self, run: Run, records: Records) -> None:
        self._run = run
        self._records = records
        self._planned = Counter(case for block in needed(run, records) for case in block.cases)

    def __call__(self, build: BuildFacts, against: BuildFacts) -> Contrast:
        plan = msgspec.structs.replace(self._run.plan, builds=(against.build.name, build.build.name))
        pair = msgspec.structs.replace(self._run, plan=plan)
        alike = parity.parity(against, build, plan.workloads)
        comparisons = tuple(effects.of_times(pair, self._records, self._planned, [alike]))
        suites = tuple(effects.suites(comparisons, level(plan)))
        return Contrast(build=build, against=against, parity=alike, comparisons=comparisons, suites=suites)


def _lines(run: Run) -> Iterator[tuple[BuildFacts, ...]]:
    known = {facts.build.name: facts for facts in run.builds}
    builds = [known[name] for name in run.plan.builds if name in known]
    for free_threaded in (False, True):
        line = [one for one in builds if one.free_threaded is free_threaded]
        if line:
            yield tuple(sorted(line, key=lambda one: version(one.release)))


def _predecessor(build: BuildFacts, line: Sequence[BuildFacts]) -> BuildFacts | None:
    older = [one for one in line if version(one.release) < version(build.release)]
    return max(older, key=lambda one: (version(one.release), _alike(one, build)), default=None)


def _twin(build: BuildFacts, builds: Sequence[BuildFacts]) -> BuildFacts | None:
    same = [one for one in builds if not one.free_threaded and one.release == build.release]
    return max(same, key=lambda one: _alike(one, build), default=None)


def _alike(one: BuildFacts, other: BuildFacts) -> int:
    """How many of the things that matter most two builds share."""
    return (one.build.source == other.build.source) + (one.optimize == other.optimize)
