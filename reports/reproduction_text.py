"""What became of published numbers, without a page: text for a terminal, Markdown, and data for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from harness.claims import Claim, Publication, Range
from harness.planning import CONFIDENCE
from harness.stats import Effect
from reports import markdown, plain
from reports.reproduction import Outcome, Result
from reports.summary import columns, wrapped
from reports.words import count, listed, printable

SCHEMA = 1
"""Version of what `data` returns.  History: 1, the first (0.1.0)."""

_HEADER = ("claim", "published", "accepted", "measured", "verdict")


def headline(publication: Publication, results: Sequence[Result]) -> str:
    """How many of the claims became what."""
    found = Counter(one.outcome for one in results)
    parts = [f"{found[outcome]} {outcome}" for outcome in Outcome if found[outcome]]
    return f"{publication.title}: of {count(len(results), 'claim')} {listed(parts)}."


def text(publication: Publication, results: Sequence[Result]) -> str:
    """The verdict, a table of all claims, and what is to be known of them; nothing that a terminal would obey."""
    paragraphs = [
        wrapped(headline(publication, results)),
        columns(_HEADER, [row(one) for one in results]),
        "\n".join(wrapped(one, "  ") for one in remarks(results)),
        wrapped(note(publication)),
    ]
    return printable("\n\n".join(filter(None, paragraphs)))


def comment(publication: Publication, results: Sequence[Result]) -> str:
    """The same in Markdown."""
    parts = [
        f"**{markdown.escaped(headline(publication, results))}**",
        markdown.table(_HEADER, [row(one) for one in results]),
        "\n".join(f"- {markdown.escaped(one)}" for one in remarks(results)),
        f"<sub>{markdown.escaped(note(publication))}</sub>",
    ]
    return "\n\n".join(filter(None, parts))


def row(one: Result) -> tuple[str, ...]:
    """The cells of a claim, in the order of the header."""
    if one.effect:
        measured = _interval(one.effect)
    else:
        measured = f"predicted {_interval(one.prediction)}" if one.prediction else "–"
    return one.claim.id, published(one.claim), _range(one.accepted), measured, str(one.outcome)


def published(claim: Claim) -> str:
    """As the source printed it."""
    if claim.seconds:
        slow, fast = (f"{seconds} {claim.unit}" for seconds in claim.seconds)
        jobs = f", {claim.jobs[0]} and {claim.jobs[1]} jobs" if claim.jobs[0] != claim.jobs[1] else ""
        return f"{claim.published.middle:.2f} ({slow} to {fast}{jobs})"
    return " to ".join(claim.ratio)


def remarks(results: Sequence[Result]) -> Iterator[str]:
    """Why a claim was not decided, what stands for what, and which claims contradict each other."""
    for one in results:
        if one.why:
            yield f"{one.claim.id}: {one.why}."
        if one.prediction:
            yield f"{one.claim.id}: predicted by Amdahl's law from fewer threads; a prediction reproduces nothing."
        if one.beside and one.claim.beside:
            yield f"{one.claim.id}: as {one.claim.beside.says}, which decides nothing, {_interval(one.beside)}."
        if one.claim.contradicts:
            yield f"{one.claim.id}: contradicts {listed(list(one.claim.contradicts))}, so not all of them can hold."


def note(publication: Publication) -> str:
    """How verdicts come about."""
    confidence, tolerance = f"{CONFIDENCE * 100:.0f} %", f"{publication.tolerance * 100:g} %"
    own = [f"{claim.tolerance * 100:g} % for {claim.id}" for claim in publication.claims if claim.tolerance is not None]
    others = f" ({listed(own)})" if own else ""
    return (
        f"Figures say how many times as fast the second of two ways is. Measured intervals hold at {confidence} each. "
        f"Accepted is what was published with its rounding and {tolerance} on either side{others}. "
        f"{publication.because}"
    )


def data(publication: Publication, results: Sequence[Result], runs: Sequence[str]) -> dict[str, Any]:
    """Everything, as plain data for JSON; docs/formats.md explains it."""
    return {
        "schema": SCHEMA,
        "title": publication.title,
        "conditions": publication.conditions,
        "tolerance": publication.tolerance,
        "runs": list(runs),
        "verdict": headline(publication, results),
        "claims": [
            {
                "id": one.claim.id,
                "says": one.claim.says,
                "reading": one.claim.reading,
                "published": _ends(one.claim.published),
                "accepted": _ends(one.accepted),
                "measured": _effect(one.effect),
                "predicted": _effect(one.prediction),
                "beside": {"says": one.claim.beside.says, **(_effect(one.beside) or {})} if one.claim.beside else None,
                "verdict": one.outcome.value,
                "why": one.why,
                "contradicts": list(one.claim.contradicts),
            }
            for one in results
        ],
    }


def _ends(range_: Range) -> dict[str, float]:
    return {"low": range_.low, "high": range_.high}


def _effect(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    return {"ratio": effect.ratio, "low": plain.known(effect.low), "high": plain.known(effect.high), "blocks": effect.n}


def _range(range_: Range) -> str:
    return f"{range_.low:.2f} – {range_.high:.2f}"


def _interval(effect: Effect) -> str:
    return f"{effect.ratio:.3f} ({effect.low:.3f} – {effect.high:.3f})"
