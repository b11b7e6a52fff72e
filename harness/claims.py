"""Published numbers as data: who claims what, of which cases, and how it was rounded.  reports/published/*.toml.

A claim is about how many times as fast one seat is as another, or how much less memory it takes.  Seconds are never
compared: they do not carry over from one machine to another.  Of a set of workloads it is their geometric mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import RequestError
from harness.model import Case, Measure, Question, Seat, Split, Strategy, Struct

_NUMBER = re.compile(r"\d+(?:\.(\d+))?")


class Place(Struct, frozen=True, kw_only=True):
    """One side of a claim."""

    build: str
    """As --builds names it, such as 3.14t."""
    threads: int = 1
    """Threads (processes, tasks, ...) that share the job."""
    strategy: Strategy = Strategy.THREADS


class Reading(Struct, frozen=True, kw_only=True):
    """How work is given to threads, in one of the ways in which a claim can be read."""

    says: str
    """In a few words."""
    split: Split = Split.SHARE
    strategy: Strategy = Strategy.THREADS
    """Of both places."""


@dataclass(frozen=True, slots=True)
class Range:
    """A ratio as it was published, with what its rounding leaves open."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        return math.sqrt(self.low * self.high)

    def widened(self, tolerance: float) -> Range:
        """With `tolerance` more on either side, relative."""
        return Range(self.low / (1 + tolerance), self.high * (1 + tolerance))


class Claim(Struct, frozen=True, kw_only=True):
    """One published number."""

    id: str
    says: str
    """In a sentence of our own."""
    workload: str
    """What stands for the claim's code: a name or a set, as --workloads takes it; of a set the geometric mean."""
    slow: Place
    fast: Place
    """The claim is how many times as fast this is as `slow`."""
    measure: Measure = Measure.TIME
    split: Split = Split.SHARE
    """Whether threads share one job, or do a whole one each; as the source's code has it."""
    seconds: tuple[str, ...] = ()
    """Of `slow` and `fast`, as printed."""
    unit: str = "s"
    """What they are printed in."""
    jobs: tuple[int, int] = (1, 1)
    """How many jobs they are the time of."""
    ratio: tuple[str, ...] = ()
    """As printed, where there are no seconds: one number, or the ends of a range."""
    tolerance: float | None = None
    """Instead of the source's; None: that."""
    reading: str = ""
    """What the source leaves open, and how it is read here."""
    beside: Reading | None = None
    """Another reading, which is measured too and shown beside this one; it decides nothing."""
    contradicts: tuple[str, ...] = ()
    """Ids of claims that cannot hold beside this one."""

    @property
    def published(self) -> Range:
        """The ratio, and what it may have been before it was rounded."""
        if self.seconds:
            slow, fast = map(_rounded, self.seconds)
            share = self.jobs[1] / self.jobs[0]
            return Range(share * slow.low / fast.high, share * slow.high / fast.low)
        ends = [_rounded(text) for text in self.ratio]
        return Range(ends[0].low, ends[-1].high)

    @property
    def places(self) -> tuple[Place, Place]:
        return self.slow, self.fast

    @property
    def threads(self) -> int:
        """Of the place that has more of them."""
        return max(place.threads for place in self.places)

    def read(self, reading: Reading) -> Claim:
        """The same claim, read in another way."""
        slow, fast = (msgspec.structs.replace(place, strategy=reading.strategy) for place in self.places)
        return msgspec.structs.replace(self, slow=slow, fast=fast, split=reading.split, beside=None)

    @property
    def readings(self) -> Iterator[Claim]:
        """The claim, and what stands beside it."""
        yield self
        if self.beside:
            yield self.read(self.beside)


class Correction(Struct, frozen=True, kw_only=True):
    """What a source tells its readers to do that does not work, and what does."""

    id: str
    says: str
    """What the source does, in a sentence of our own."""
    because: str
    """Why that is wrong."""
    instead: str
    """Code that works."""
    checks: tuple[str, ...] = ()
    """Python expressions that show it; every build that is measured answers them.  `sys` is there."""


class Publication(Struct, frozen=True, kw_only=True):
    """A source of claims: one file."""

    title: str
    author: str
    about: str
    """What it is, in a sentence or two."""
    conditions: str
    """Machines, releases and platform, as far as it tells."""
    tolerance: float
    """Relative; a measurement that is as far from the published range as this still reproduces it."""
    because: str
    """Why so much."""
    url: str = ""
    claims: tuple[Claim, ...]
    corrections: tuple[Correction, ...] = ()

    def accepts(self, claim: Claim) -> Range:
        """What reproduces a claim: what was published with its rounding, and the tolerance on either side."""
        return claim.published.widened(self.tolerance if claim.tolerance is None else claim.tolerance)


REPRODUCTION = 1
"""Schema of a reproduction.  History: 1, the first (0.1.0)."""


class Measured(Struct, frozen=True, kw_only=True):
    """A run that was made for some of the claims."""

    run: str
    """Its directory, relative to that of the reproduction."""
    claims: tuple[str, ...]
    """Ids of the claims that it was made for."""


class Reproduction(Struct, frozen=True, kw_only=True):
    """A source of claims, as it was, and the runs that were made for it."""

    schema: int
    created: str
    """ISO 8601, UTC."""
    gilometer: str
    command: str
    source: str
    """Name of the file in reports/published/, without its ending."""
    publication: Publication
    measured: tuple[Measured, ...]
    names: dict[str, str]
    """For each build that a claim names, the one that was measured in its place."""
    workloads: dict[str, tuple[str, ...]]
    """Names of what claims call their workload."""
    hindrances: dict[str, str]
    """Of the claims that nothing was measured for, by their ids: why."""
    answers: dict[str, dict[str, dict[str, str]]] = msgspec.field(default_factory=dict)
    """Of the corrections by their ids: what every build answered to every check."""


def load(folder: Path) -> dict[str, Publication]:
    """Every publication by the name of its file, in the order of names.

    RequestError, naming file and claim, where one is not what it should be.
    """
    found = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            publication = msgspec.toml.decode(path.read_bytes(), type=Publication)
        except (OSError, msgspec.DecodeError) as error:
            raise RequestError(f"{path.name} cannot be read: {error}") from None
        if wrong := _mistake(publication):
            raise RequestError(f"{path.name}: {wrong}")
        found[path.stem] = publication
    return found


def _mistake(publication: Publication) -> str:
    """What is wrong, empty where nothing is."""
    ids = [claim.id for claim in publication.claims]
    if twice := [one for one in ids if ids.count(one) > 1]:
        return f"there are two claims {twice[0]}"
    if not publication.tolerance > 0:
        return f"its tolerance is {publication.tolerance}, which is not above 0"
    for claim in publication.claims:
        if claim.tolerance is not None and not claim.tolerance > 0:
            return f"claim {claim.id} has a tolerance of {claim.tolerance}, which is not above 0"
        if unknown := [one for one in claim.contradicts if one not in ids]:
            return f"claim {claim.id} contradicts {unknown[0]}, which there is not"
        if (len(claim.seconds), len(claim.ratio)) not in ((2, 0), (0, 1), (0, 2)):
            return f"claim {claim.id} needs either two seconds or a ratio of one or two numbers"
        if bad := [one for one in (*claim.seconds, *claim.ratio) if not _NUMBER.fullmatch(one) or not float(one)]:
            return f'claim {claim.id}: "{bad[0]}" is not a number as it is printed'
        if claim.slow == claim.fast:
            return f"claim {claim.id} compares a place with itself"
        if claim.split is Split.WHOLE and claim.measure is not Measure.TIME:
            return f"claim {claim.id} is about {claim.measure}, of which there is one job only: no split"
        if min(claim.jobs) < 1:
            return f"claim {claim.id} has seconds of {min(claim.jobs)} jobs"
    return ""


def _rounded(text: str) -> Range:
    """All numbers that are printed like this."""
    match = _NUMBER.fullmatch(text)
    assert match is not None
    half = 0.5 * 10.0 ** -len(match[1] or "")
    return Range(float(text) - half, float(text) + half)


# -- what they need ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sought:
    """A claim, and what stands for its words where it is measured."""

    claim: Claim
    accepted: Range
    """What reproduces it."""
    workloads: tuple[str, ...]
    """Names of what its workload means."""
    builds: Mapping[str, str]
    """For each build that it names, the one that stands for it."""

    def question(self, cases: Sequence[Case]) -> Question | None:
        """What a plan with these cases has to decide; None where no workload has both sides."""
        slow, fast = (self.seats(cases, place) for place in self.claim.places)
        both = [name for name in slow if name in fast]
        if not both:
            return None
        return Question(
            claim=self.claim.id,
            slow=tuple(slow[name] for name in both),
            fast=tuple(fast[name] for name in both),
            low=self.accepted.low,
            high=self.accepted.high,
        )

    def seats(self, cases: Iterable[Case], place: Place) -> dict[str, Seat]:
        """Where a place is measured, by workload."""
        return {
            case.workload: (case.id, self.builds[place.build])
            for case in cases
            if case.workload.partition(":")[0] in self.workloads and self._is_of(case, place)
        }

    def _is_of(self, case: Case, place: Place) -> bool:
        shared = case.strategy is None or (case.strategy == place.strategy and case.split == self.claim.split)
        alike = (case.threads, case.measure) == (place.threads, self.claim.measure)
        return alike and (case.threads == 1 or shared)


@dataclass(frozen=True, slots=True)
class Part:
    """Claims that are measured in one run: all of them are about the same builds."""

    builds: tuple[str, ...]
    """What is measured."""
    claims: tuple[Claim, ...]


def parts(claims: Iterable[Claim], names: Mapping[str, str]) -> list[Part]:
    """The claims by the builds that stand for theirs; one that needs a build less joins those that have it anyway."""
    wanted = [(_builds(claim, names), claim) for claim in claims]
    sets = sorted({builds for builds, _ in wanted}, key=lambda builds: (-len(builds), builds))
    kept: list[tuple[str, ...]] = []
    for builds in sets:
        if not any(set(builds) <= set(other) for other in kept):
            kept.append(builds)
    homes: dict[tuple[str, ...], list[Claim]] = {builds: [] for builds in kept}
    for builds, claim in wanted:
        homes[next(home for home in kept if set(builds) <= set(home))].append(claim)
    return [Part(builds, tuple(found)) for builds, found in homes.items()]


def _builds(claim: Claim, names: Mapping[str, str]) -> tuple[str, ...]:
    """What it is measured on, in the order of names: the oldest first, the free-threaded one of a series last."""
    return tuple(sorted({names[place.build] for place in claim.places}))
