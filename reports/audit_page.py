"""An audit as a page that stands alone, with the templates and the style of a run's page."""

from __future__ import annotations

from harness.audit import Answer, Audit
from reports import audit_text, page

_KINDS = {Answer.READY: "faster", Answer.SOURCE_ONLY: "same", Answer.NO_BUILD: "same", Answer.UNKNOWN: "undecided"}
"""Answers in the colours of verdicts; all others are bad news."""


def render(audit: Audit) -> str:
    """The page as HTML.  The same audit gives the same bytes."""
    return page.shaped(
        "audit.html",
        "tables.js",
        audit=audit,
        headline=audit_text.headline(audit),
        findings={build.name: audit_text.worst_first(audit, build.name) for build in audit.builds},
        tally={build.name: audit_text.tally(audit, build.name) for build in audit.builds},
        account=audit_text.account,
        answers=audit_text.ORDER,
        kinds={answer: _KINDS.get(answer, "slower") for answer in Answer},
        signs=audit_text.SIGNS,
        meanings=audit_text.MEANINGS,
        note=audit_text.NOTE,
    )
