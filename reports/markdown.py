"""Markdown as code hosts show it: tables, and text in which nothing is markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reports.words import printable


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the cells of `rows` are text."""
    lines = [header, ["---"] * len(header), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escaped(text: str) -> str:
    """Text in which nothing is markup, a link or a mention, on one line."""
    plain_text = printable(" ".join(text.split()))
    harmless = plain_text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
    return re.sub(r"(?<!&)#(?!64;)|[\\`*_\[\]|~!:]", r"\\\g<0>", harmless)
