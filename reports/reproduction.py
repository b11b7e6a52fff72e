"""Published numbers against measured ones: reproduced, not reproduced, undecided, or not testable here.

What was published has a range: its rounding, and a tolerance that its file states.  A measured interval inside it
reproduces the claim, one outside of it contradicts it, and one that reaches over an end of it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness import ratios, stats
from harness.claims import Claim, Place, Publication, Range
from harness.gauge import LEAST_BLOCKS
from harness.journal import JournalLine, Sample
from harness.model import BuildFacts, Case, Run
from harness.stats import Effect
from reports import parity
from reports.findings import level
from reports.records import Records, sort


class Outcome(StrEnum):
    """What a measurement says of a claim."""

    REPRODUCED = "reproduced"
    CONTRADICTED = "not reproduced"
    UNDECIDED = "undecided"
    UNTESTABLE = "not testable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A claim, and what became of it."""

    claim: Claim
    accepted: Range
    """Published, with rounding and tolerance."""
    outcome: Outcome
    effect: Effect | None = None
    """How many times as fast (or frugal), measured; None where nothing was."""
    why: str = ""
    """Of an outcome that no interval decided, and of a release that stands for another one."""
    prediction: Effect | None = None
    """Of more threads than there are CPUs: what Amdahl's law makes of the gain of those that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A run that was made for claims."""

    run: Run
    journal: Sequence[JournalLine]
    names: Mapping[str, str]
    """For each build that a claim names, the run's build that stands for it."""


def judge(effect: Effect, accepted: Range) -> Outcome:
    """By where the interval lies; one without ends decides nothing."""
    if accepted.low <= effect.low and effect.high <= accepted.high:
        return Outcome.REPRODUCED
    if effect.high < accepted.low or effect.low > accepted.high:
        return Outcome.CONTRADICTED
    return Outcome.UNDECIDED


def results(publication: Publication, claims: Iterable[Claim], measured: Measurement) -> Iterator[Result]:
    """One per claim, in their order."""
    records = sort(measured.journal)
    facts = {one.build.name: one for one in measured.run.builds}
    for claim in claims:
        accepted = claim.published.widened(publication.tolerance)
        yield _result(claim, accepted, _Case(claim, measured, records), facts)


def _result(claim: Claim, accepted: Range, found: _Case, facts: Mapping[str, BuildFacts]) -> Result:
    slow, fast = (facts[found.names[place.build]] for place in claim.places)
    instead = _instead(claim, (slow, fast))
    if unlike := _confounded(claim, slow, fast, found.run):
        return Result(claim=claim, accepted=accepted, outcome=Outcome.UNTESTABLE, why=unlike)
    if found.lacks_cpus:
        needed = max(place.threads for place in claim.places)
        why = f"it takes {needed} CPUs, and there are {found.cpus}"
        return Result(
            claim=claim, accepted=accepted, outcome=Outcome.UNTESTABLE, why=why, prediction=found.prediction()
        )
    effect = found.effect()
    if effect is None:
        return Result(claim=claim, accepted=accepted, outcome=Outcome.UNDECIDED, why=found.obstacle)
    return Result(claim=claim, accepted=accepted, outcome=judge(effect, accepted), effect=effect, why=instead)


def _instead(claim: Claim, facts: Sequence[BuildFacts]) -> str:
    """Which releases stand for those that the claim names; empty where they are the same."""
    named = {place.build.partition("-")[0]: one for place, one in zip(claim.places, facts, strict=True)}
    others = [
        f"on {one.build.series}{'t' * one.free_threaded}, {name} is not available here"
        for name, one in named.items()
        if name.rstrip("t") != one.build.series
    ]
    return "; ".join(others)


def _confounded(claim: Claim, slow: BuildFacts, fast: BuildFacts, run: Run) -> str:
    """What the two builds differ in besides what the claim compares; empty where they are a fair pair."""
    workloads = [one for one in run.plan.workloads if one.name == claim.workload]
    found = parity.parity(slow, fast, workloads)
    inherent = {"release", "origin"} if slow.build.series != fast.build.series else set()
    unlike = [one.what for one in found.differences if one.what not in inherent]
    return f"the builds also differ in {', '.join(unlike)}" if unlike else ""


# -- what a run says of a claim ----------------------------------------------------------------------------------------


class _Case:
    """The seats of a claim in a run."""

    def __init__(self, claim: Claim, measured: Measurement, records: Records) -> None:
        self.run = measured.run
        self.names = measured.names
        self._claim = claim
        self._records = records

    @property
    def cpus(self) -> int:
        return max(len(case.cpus) for case in self.run.plan.cases)

    @property
    def lacks_cpus(self) -> bool:
        return max(place.threads for place in self._claim.places) > self.cpus

    @property
    def obstacle(self) -> str:
        """Why there is no effect."""
        wanted = {place.threads for place in self._claim.places}
        if len(wanted) > 1 and all(self._samples(place) for place in self._claim.places):
            return "too few turns in which all CPUs were equally fast"
        reasons = {failure.message for _, failure in self._records.failures if failure.case in self._ids()}
        skipped = {skip.reason for skip in self.run.plan.skipped if skip.case in self._ids()}
        return "; ".join(sorted(reasons | skipped)) or "it was not measured"

    def effect(self) -> Effect | None:
        logs = self._logs(self._claim.slow, self._claim.fast)
        return stats.effect(list(logs.values()), level(self.run.plan)) if logs else None

    def prediction(self) -> Effect | None:
        """From one thread and as many as there are CPUs, block by block."""
        slow, fast = self._claim.places
        alone = self._logs(_with(slow, 1), _with(fast, 1)) if slow.build != fast.build else None
        gains = [self._gain(place) for place in (slow, fast)]
        blocks = set.intersection(*(set(one) for one in (*gains, alone) if one is not None))
        logs = [(alone[block] if alone else 0.0) + gains[1][block] - gains[0][block] for block in sorted(blocks)]
        return stats.effect(logs, level(self.run.plan)) if len(logs) >= LEAST_BLOCKS else None

    def _gain(self, place: Place) -> dict[int, float]:
        """Log of what so many threads of a place are predicted to gain over one, by block."""
        found = self._logs(_with(place, 1), _with(place, self.cpus))
        if place.threads == 1:
            return dict.fromkeys(found, 0.0)
        return {block: extrapolated(log, self.cpus, place.threads) for block, log in found.items()}

    def _logs(self, slow: Place, fast: Place) -> dict[int, float]:
        """Log of how many times as fast, by block; empty where too few blocks say anything."""
        under, over = self._samples(slow), self._samples(fast)
        jobs = self._jobs(fast)
        logs = {
            block: stats.block_estimate(pairs)
            for block, sample in under.items()
            if block in over and len(pairs := self._pairs(slow, fast, sample, over[block], jobs))
        }
        both = len(under.keys() & over.keys())
        gauged = slow.threads != fast.threads
        return logs if not gauged or len(logs) >= min(LEAST_BLOCKS, both) else {}

    def _pairs(self, slow: Place, fast: Place, under: Sample, over: Sample, jobs: int) -> stats.Series:
        if slow.threads == fast.threads:
            return ratios.builds(over, under, self._claim.measure)
        return ratios.completion(under, over, self._records.best, jobs=jobs)

    def _samples(self, place: Place) -> dict[int, Sample]:
        case = self._case(place)
        return self._records.of(case, self.names[place.build]) if case else {}

    def _case(self, place: Place) -> Case | None:
        for case in self.run.plan.cases:
            shared = case.threads == 1 or case.strategy is None or case.strategy == place.strategy
            wanted = (self._claim.workload, place.threads, self._claim.measure)
            if shared and (case.workload, case.threads, case.measure) == wanted:
                return case
        return None

    def _jobs(self, place: Place) -> int:
        case = self._case(place)
        return case.jobs if case else 1

    def _ids(self) -> set[str]:
        return {case.id for place in self._claim.places if (case := self._case(place))}


def extrapolated(log: float, measured: int, threads: int) -> float:
    """Log of the speedup of `threads` by Amdahl's law, from that of `measured` threads (from 2)."""
    serial = max(0.0, (measured / math.exp(log) - 1) / (measured - 1))
    return math.log(threads / (1 + serial * (threads - 1)))


def _with(place: Place, threads: int) -> Place:
    return Place(build=place.build, threads=threads, strategy=place.strategy)
