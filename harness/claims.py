"""Published numbers as data: who claims what, of which cases, and how it was rounded.  reports/published/*.toml.

A claim is about how many times as fast one seat is as another, or how much less memory it takes.  Seconds are never
compared: they do not carry over from one machine to another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import RequestError
from harness.model import Measure, Split, Strategy, Struct

_NUMBER = re.compile(r"\d+(?:\.(\d+))?")


class Place(Struct, frozen=True, kw_only=True):
    """One side of a claim."""

    build: str
    """As --builds names it, such as 3.14t."""
    threads: int = 1
    """Threads (processes, tasks, ...) that share the job."""
    strategy: Strategy = Strategy.THREADS


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
    """Whether threads share one job, or do a whole one each."""
    seconds: tuple[str, ...] = ()
    """Of `slow` and `fast`, as printed."""
    ratio: tuple[str, ...] = ()
    """As printed, where there are no seconds: one number, or the ends of a range."""
    reading: str = ""
    """What the source leaves open, and how it is read here."""
    contradicts: tuple[str, ...] = ()
    """Ids of claims that cannot hold beside this one."""

    @property
    def published(self) -> Range:
        """The ratio, and what it may have been before it was rounded."""
        if self.seconds:
            slow, fast = map(_rounded, self.seconds)
            return Range(slow.low / fast.high, slow.high / fast.low)
        ends = [_rounded(text) for text in self.ratio]
        return Range(ends[0].low, ends[-1].high)

    @property
    def places(self) -> tuple[Place, Place]:
        return self.slow, self.fast


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
        if unknown := [one for one in claim.contradicts if one not in ids]:
            return f"claim {claim.id} contradicts {unknown[0]}, which there is not"
        if (len(claim.seconds), len(claim.ratio)) not in ((2, 0), (0, 1), (0, 2)):
            return f"claim {claim.id} needs either two seconds or a ratio of one or two numbers"
        if bad := [one for one in (*claim.seconds, *claim.ratio) if not _NUMBER.fullmatch(one) or not float(one)]:
            return f'claim {claim.id}: "{bad[0]}" is not a number as it is printed'
        if claim.slow == claim.fast:
            return f"claim {claim.id} compares a place with itself"
    return ""


def _rounded(text: str) -> Range:
    """All numbers that are printed like this."""
    match = _NUMBER.fullmatch(text)
    assert match is not None
    half = 0.5 * 10.0 ** -len(match[1] or "")
    return Range(float(text) - half, float(text) + half)


# -- what they need ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Part:
    """Claims that are measured in one run: all of them are about the same builds."""

    builds: tuple[str, ...]
    claims: tuple[Claim, ...]

    @property
    def seats(self) -> frozenset[tuple[str, int]]:
        """Workload and number of threads of every case that a claim needs."""
        return frozenset((claim.workload, place.threads) for claim in self.claims for place in claim.places)


def parts(claims: Iterable[Claim]) -> list[Part]:
    """The claims by their builds; one that needs a build less joins those that have it anyway."""
    wanted = [(_builds(claim), claim) for claim in claims]
    sets = sorted({builds for builds, _ in wanted}, key=lambda builds: (-len(builds), builds))
    kept: list[tuple[str, ...]] = []
    for builds in sets:
        if not any(set(builds) <= set(other) for other in kept):
            kept.append(builds)
    homes: dict[tuple[str, ...], list[Claim]] = {builds: [] for builds in kept}
    for builds, claim in wanted:
        homes[next(home for home in kept if set(builds) <= set(home))].append(claim)
    return [Part(builds, tuple(found)) for builds, found in homes.items()]


def _builds(claim: Claim) -> tuple[str, ...]:
    """Its builds, in the order of their names: the oldest first, the free-threaded one of a series last."""
    return tuple(sorted({place.build for place in claim.places}))


def fitting(claims: Sequence[Claim], cpus: int) -> tuple[list[Claim], list[Claim]]:
    """Those that a machine with so many CPUs can test, and those that need more."""
    small = [claim for claim in claims if max(place.threads for place in claim.places) <= cpus]
    return small, [claim for claim in claims if claim not in small]
