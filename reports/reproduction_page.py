"""Published numbers held against a machine, as a page that stands alone, with links to the raw data beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.claims import Correction, Range, Reproduction
from harness.model import Run
from harness.stats import Effect
from reports import charts, page
from reports import reproduction_prose as prose
from reports import reproduction_text as text
from reports.reproduction import Outcome, Result

SIGNS = {Outcome.REPRODUCED: "✓", Outcome.CONTRADICTED: "✗", Outcome.UNDECIDED: "?", Outcome.UNTESTABLE: "–"}


def write(directory: Path, reproduction: Reproduction, results: Sequence[Result], runs: Sequence[Run]) -> Path:
    """Write the page of a reproduction, and return its path.  HostError where it cannot be written."""
    return page.save(directory, render(reproduction, results, runs))


def render(reproduction: Reproduction, results: Sequence[Result], runs: Sequence[Run]) -> str:
    """The page as HTML.  The same results give the same bytes."""
    publication = reproduction.publication
    homes = {claim: one for one in reproduction.measured for claim in one.claims}
    return page.shaped(
        "reproduction.html",
        "tables.js",
        reproduction=reproduction,
        publication=publication,
        headline=text.headline(publication, results),
        reservations=tuple(_reservations(results)),
        chart=Markup(charts.agreement(tuple(_held(results)), description=text.headline(publication, results))),
        kinds=_KINDS,
        results=results,
        rows=[text.row(one) for one in results],
        signs=SIGNS,
        classes=_CLASSES,
        paragraphs={one.claim.id: prose.paragraph(one, text.published(one.claim)) for one in results},
        homes=homes,
        builds={one.claim.id: _builds(one, reproduction.names) for one in results},
        conditions=tuple(prose.conditions(runs)),
        corrections=[_Corrected(one, reproduction.answers.get(one.id, {})) for one in publication.corrections],
        note=text.note(publication),
    )


_CLASSES = {
    Outcome.REPRODUCED: "faster",
    Outcome.CONTRADICTED: "slower",
    Outcome.UNDECIDED: "undecided",
    Outcome.UNTESTABLE: "undecided",
}
"""Whose colours of verdicts they share."""
_KINDS = (
    ("●", "reproduced"),
    ("✚", "not reproduced"),
    ("○", "undecided"),
    ("◇", "predicted only, for more CPUs than there are here"),
)


@dataclass(frozen=True, slots=True)
class _Corrected:
    correction: Correction
    answers: Mapping[str, Mapping[str, str]]
    """Of every build, to every check."""


def _builds(one: Result, names: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(names.get(place.build, place.build) for place in one.claim.places))


def _reservations(results: Sequence[Result]) -> Iterator[str]:
    """What a reader has to know before the numbers; releases that stand for others come first."""
    yield from dict.fromkeys(f"Measured {one.why}." for one in results if one.effect and one.why)


def _held(results: Sequence[Result]) -> Iterator[charts.Held]:
    """The claims that have a place in the chart: those with an interval, measured or predicted."""
    for one in results:
        effect = one.effect or one.prediction
        if effect and not math.isnan(effect.low):
            kind = str(one.outcome) if one.effect else "predicted"
            yield charts.Held(
                name=one.claim.id,
                published=one.claim.published.middle,
                accepted=_pair(one.accepted),
                found=effect.ratio,
                interval=_pair(effect),
                kind=kind,
            )


def _pair(range_: Range | Effect) -> tuple[float, float]:
    return range_.low, range_.high
