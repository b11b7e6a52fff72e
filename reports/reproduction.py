"""Published numbers against measured ones: reproduced, not reproduced, undecided, or not testable here.

What was published has a range: its rounding, and a tolerance that its file states.  A measured interval inside it
reproduces the claim, one outside of it contradicts it, and one that reaches over an end of it decides nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from harness import questions, stats
from harness.claims import Claim, Place, Publication, Range, Reproduction, Sought
from harness.gauge import LEAST_BLOCKS
from harness.journal import JournalLine
from harness.model import BuildFacts, Run, Seat
from harness.planning import level
from harness.stats import Effect
from reports import parity
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
    beside: Effect | None = None
    """Of the claim's other reading, where it has one and that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A run that was made for claims."""

    run: Run
    journal: Sequence[JournalLine]
    names: Mapping[str, str]
    """For each build that a claim names, the run's build that stands for it."""
    workloads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of what claims call their workload, where it is more than a name."""


def judge(effect: Effect, accepted: Range) -> Outcome:
    """By where the interval lies; one without ends decides nothing."""
    inside = questions.contains(effect, accepted.low, accepted.high)
    return {True: Outcome.REPRODUCED, False: Outcome.CONTRADICTED, None: Outcome.UNDECIDED}[inside]


def sought(publication: Publication, claim: Claim, names: Mapping[str, str], workloads: Sequence[str]) -> Sought:
    """A claim where it is measured."""
    accepted = publication.accepts(claim)
    return Sought(claim=claim, accepted=accepted, workloads=tuple(workloads), builds=names)


def untestable(publication: Publication, claim: Claim, why: str) -> Result:
    """Of a claim that nothing is measured for."""
    accepted = publication.accepts(claim)
    return Result(claim=claim, accepted=accepted, outcome=Outcome.UNTESTABLE, why=why)


def collected(reproduction: Reproduction, runs: Sequence[tuple[Run, Sequence[JournalLine]]]) -> list[Result]:
    """One per claim, in the order of the publication, from the runs that were made for them."""
    publication = reproduction.publication
    claims = {claim.id: claim for claim in publication.claims}
    found = {id_: untestable(publication, claims[id_], why) for id_, why in reproduction.hindrances.items()}
    for one, (run, journal) in zip(reproduction.measured, runs, strict=True):
        measured = Measurement(run=run, journal=journal, names=reproduction.names, workloads=reproduction.workloads)
        of_run = results(publication, [claims[id_] for id_ in one.claims], measured)
        found |= {result.claim.id: result for result in of_run}
    return [found[id_] for id_ in claims]


def results(publication: Publication, claims: Iterable[Claim], measured: Measurement) -> Iterator[Result]:
    """One per claim, in their order."""
    records = sort(measured.journal)
    facts = {one.build.name: one for one in measured.run.builds}
    for claim in claims:
        workloads = measured.workloads.get(claim.workload, (claim.workload,))
        ways = [sought(publication, one, measured.names, workloads) for one in claim.readings]
        yield _result(publication, [_Found(way, measured.run, records) for way in ways], facts)


def _result(publication: Publication, ways: Sequence[_Found], facts: Mapping[str, BuildFacts]) -> Result:
    found, *beside = ways
    claim, accepted = found.sought.claim, found.sought.accepted
    slow, fast = (facts[found.sought.builds[place.build]] for place in claim.places)
    if unlike := _confounded(found.sought.workloads, slow, fast, found.run):
        return untestable(publication, claim, unlike)
    other = beside[0].effect() if beside else None
    if claim.threads > found.cpus:
        why = f"it takes {claim.threads} CPUs, and there are {found.cpus}"
        prediction = found.prediction()
        why += "" if prediction else ", and too little is known for a prediction"
        return dataclasses.replace(untestable(publication, claim, why), prediction=prediction, beside=other)
    effect = found.effect()
    if effect is None:
        why = found.obstacle
        return Result(claim=claim, accepted=accepted, outcome=Outcome.UNDECIDED, why=why, beside=other)
    why = "; ".join(filter(None, (_instead(claim, (slow, fast)), found.left_out)))
    outcome = judge(effect, accepted)
    return Result(claim=claim, accepted=accepted, outcome=outcome, effect=effect, why=why, beside=other)


def _instead(claim: Claim, facts: Sequence[BuildFacts]) -> str:
    """Which releases stand for those that the claim names; empty where they are the same."""
    named = {place.build.partition("-")[0]: one for place, one in zip(claim.places, facts, strict=True)}
    others = [
        f"on {one.build.series}{'t' * one.free_threaded}, {name} is not available here"
        for name, one in named.items()
        if name.rstrip("t") != one.build.series
    ]
    return "; ".join(others)


def _confounded(names: Sequence[str], slow: BuildFacts, fast: BuildFacts, run: Run) -> str:
    """What the two builds differ in besides what the claim compares; empty where they are a fair pair."""
    workloads = [one for one in run.plan.workloads if one.name.partition(":")[0] in names]
    found = parity.parity(slow, fast, workloads)
    inherent = {"release", "origin"} if slow.build.series != fast.build.series else set()
    unlike = [one.what for one in found.differences if one.what not in inherent]
    return f"the builds also differ in {', '.join(unlike)}" if unlike else ""


# -- what a run says of a claim ----------------------------------------------------------------------------------------


class _Found:
    """The seats of a claim in a run."""

    def __init__(self, sought: Sought, run: Run, records: Records) -> None:
        self.sought = sought
        self.run = run
        self._records = records
        self._cases = {case.id: case for case in run.plan.cases}
        self._question = sought.question(run.plan.cases)

    @property
    def cpus(self) -> int:
        return max(len(case.cpus) for case in self.run.plan.cases)

    @property
    def obstacle(self) -> str:
        """Why there is no effect."""
        slow, fast = self.sought.claim.places
        if slow.threads != fast.threads and self._measured():
            return "too few turns in which all CPUs were equally fast"
        ids = {id_ for place in (slow, fast) for id_, _ in self.sought.seats(self.run.plan.cases, place).values()}
        reasons = {failure.message for _, failure in self._records.failures if failure.case in ids}
        named = tuple(f"{name} " for name in self.sought.workloads)
        skipped = {skip.reason for skip in self.run.plan.skipped if f"{skip.case} ".startswith(named)}
        disturbed = any(not ids.isdisjoint(self.run.plan.blocks[index].cases) for index in self._records.invalid)
        nothing = "every block of it was disturbed" if disturbed else "it was not measured"
        return "; ".join(sorted(reasons | skipped)) or nothing

    @property
    def left_out(self) -> str:
        """Which of a set of workloads the mean is not of; empty where it is of all."""
        measured = {self._cases[slow[0]].workload.partition(":")[0] for slow, _ in self._measured()}
        missing = [name for name in self.sought.workloads if name not in measured]
        if not missing:
            return ""
        names = ", ".join(name.rpartition("/")[2] for name in missing)
        return f"the mean is over {len(measured)} of {len(self.sought.workloads)} workloads, without {names}"

    def effect(self) -> Effect | None:
        if self._question is None:
            return None
        records = self._records
        return questions.effect(self._question, self._cases, records.samples, records.best, level(self.run.plan))

    def prediction(self) -> Effect | None:
        """From one thread and as many as there are CPUs, block by block; None of a set of workloads."""
        slow, fast = self.sought.claim.places
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
        """Log of how many times as fast one place is, by block; empty where that is not known of one workload."""
        under, over = (self.sought.seats(self.run.plan.cases, place) for place in (slow, fast))
        if len(self.sought.workloads) > 1 or not (under and over):
            return {}
        (one,), (other,) = under.values(), over.values()
        return questions.logs(one, other, self._cases, self._records.samples, self._records.best)

    def _measured(self) -> list[tuple[Seat, Seat]]:
        """Both sides of each workload that a block has both of."""
        if self._question is None:
            return []
        pairs = zip(self._question.slow, self._question.fast, strict=True)
        return [(slow, fast) for slow, fast in pairs if questions.has_both(self._records.samples, slow, fast)]


def extrapolated(log: float, measured: int, threads: int) -> float:
    """Log of the speedup of `threads` by Amdahl's law, from that of `measured` threads (from 2)."""
    serial = max(0.0, (measured / math.exp(log) - 1) / (measured - 1))
    return math.log(threads / (1 + serial * (threads - 1)))


def _with(place: Place, threads: int) -> Place:
    return msgspec.structs.replace(place, threads=threads)
