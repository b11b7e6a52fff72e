"""An outlook for a terminal, as Markdown and as JSON."""

from __future__ import annotations

from typing import Any

from reports import audit_text, markdown, outlook
from reports.outlook import Outlook
from reports.summary import columns, wrapped
from reports.words import printable

_HEADER = ("package", "version", "answer", "what to do")


def text(found: Outlook) -> str:
    """For a terminal."""
    parts = [wrapped(outlook.headline(found)), columns(_HEADER, _rows(found))]
    parts += [wrapped(f"{one.evidence.package}: {one.because}.") for one in found.blocked]
    parts += [wrapped(sentence) for sentence in _gains(found)]
    return printable("\n\n".join([*parts, wrapped(audit_text.NOTE)]))


def markdown_of(found: Outlook) -> str:
    """For a pull request or a ticket."""
    parts = [f"**{markdown.escaped(outlook.headline(found))}**", markdown.table(_HEADER, _rows(found))]
    parts += [f"- {markdown.escaped(f'{one.evidence.package}: {one.because}.')}" for one in found.blocked]
    parts += [markdown.escaped(sentence) for sentence in _gains(found)]
    return "\n\n".join([*parts, f"<sub>{markdown.escaped(audit_text.NOTE)}</sub>"])


def data(found: Outlook) -> dict[str, Any]:
    """For programs: docs/formats.md."""
    return {
        "schema": 1,
        "build": found.build,
        "release": found.release,
        "headline": outlook.headline(found),
        "packages": [
            {
                "package": one.evidence.package,
                "asked": one.evidence.asked,
                "version": one.version or None,
                "answer": one.answer.value,
                "because": one.because,
                "do": outlook.what_to_do(one, remedy),
                "newest_ready": remedy.newest or None if remedy else None,
                "oldest_ready": remedy.oldest or None if remedy else None,
                "settled": remedy.settled if remedy else None,
                "tried": list(remedy.tried) if remedy else [],
            }
            for one in found.findings
            for remedy in (found.remedies.get(one.evidence.package),)
        ],
        "run": found.measured.run.id if found.measured else None,
        "gains": [{"of": what, "sentence": sentence} for what, sentence in outlook.gains(found)],
        "not_measured": outlook.not_measured(found) or None,
    }


def _rows(found: Outlook) -> list[tuple[str, ...]]:
    """What stands in the way first."""
    ordered = sorted(found.findings, key=lambda one: (audit_text.ORDER.index(one.answer), one.evidence.package))
    return [
        (*audit_text.row(one)[:3], outlook.what_to_do(one, found.remedies.get(one.evidence.package))) for one in ordered
    ]


def _gains(found: Outlook) -> list[str]:
    run = f"Measured by {found.measured.run.id}, of " if found.measured else ""
    told = [f"{run}{what}: {sentence}" for what, sentence in outlook.gains(found)]
    return [*told, *filter(None, [outlook.not_measured(found)])]
