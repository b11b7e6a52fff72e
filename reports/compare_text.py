"""Two runs side by side without a page: text for a terminal, Markdown for a pull request, CSV, and data for JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import Any, assert_never

from harness.model import Measure
from harness.planning import CONFIDENCE
from harness.stats import Judgement
from reports import compare_prose as prose
from reports import markdown, plain
from reports.compare import Change, Contrast, Question
from reports.findings import MARGIN, case_name
from reports.repeats import Repeat
from reports.summary import columns, wrapped
from reports.words import count, printable, seconds, size, times

SCHEMA = 1
"""Version of what `data` returns.  History: 1, the first (0.1.0)."""

RATIO_HEADER = ("case", "build", "against", "run A", "run B", "B / A", "interval", "verdict", "blocks")
_HEADER = ("case", "build", "run A", "run B", "B / A", "interval", "verdict", "blocks", "against")


# -- terminal ----------------------------------------------------------------------------------------------------------


def text(contrast: Contrast) -> str:
    """What differs, the verdict, and a table of all cases; no colours, and nothing that a terminal would obey."""
    paragraphs = [
        columns(("", "run A", "run B"), _heads(contrast)),
        _environment(contrast),
        "\n".join(wrapped(f"! {one}", "  ") for one in prose.reservations(contrast)),
        "\n".join(wrapped(line) for line in (str(prose.headline(contrast)),)),
        *_ordered(contrast),
        "\n".join(wrapped(one, "  ") for one in prose.absences(contrast)),
        wrapped(note(contrast)),
    ]
    return printable("\n\n".join(filter(None, paragraphs)))


def _heads(contrast: Contrast) -> list[tuple[str, str, str]]:
    a, b = contrast.a, contrast.b
    return [("run", a.id, b.id), ("measured", a.created[:16], b.created[:16])]


def _environment(contrast: Contrast) -> str:
    if not contrast.unlike:
        return f"{prose.differences(contrast)}."
    rows = [(f"{one.where}, {one.what}", one.a, one.b) for one in contrast.unlike]
    title = f"What differs, besides {count(contrast.alike, 'thing')} that are the same:"
    return f"{title}\n" + columns(("what", "run A", "run B"), [tuple(map(_short, row)) for row in rows])


def _short(cell: str) -> str:
    return cell if len(cell) <= 48 else f"{cell[:47]}…"


def _ordered(contrast: Contrast) -> list[str]:
    """The tables, those that answer the question first."""
    tables, ratios = list(_tables(contrast)), _ratios(contrast)
    return [ratios, *tables] if contrast.question is Question.REPEATED else [*tables, ratios]


def _ratios(contrast: Contrast) -> str:
    if not contrast.repeats:
        return ""
    return f"{prose.RATIOS}\n" + columns(RATIO_HEADER, [*map(ratio_row, contrast.repeats)])


def _tables(contrast: Contrast) -> Iterator[str]:
    for measure in Measure:
        if rows := [row(one) for one in contrast.changes if one.case.measure is measure]:
            yield f"{prose.MEASURED[measure]}\n" + columns(_HEADER, rows)


def row(one: Change) -> tuple[str, ...]:
    """The cells of a case, in the order of the header."""
    return (
        case_name(one.case, with_cpus=False),
        one.build,
        *(amount(one, value) for value in (one.a, one.b)),
        f"{one.judgement.effect.ratio:.3f}",
        interval(one.judgement),
        verdict(one),
        " and ".join(map(str, dict.fromkeys(one.blocks))),
        one.yardstick.value,
    )


def ratio_row(one: Repeat) -> tuple[str, ...]:
    """The cells of a ratio, in the order of `RATIO_HEADER`."""
    return (
        prose.measured(one.case),
        one.build,
        one.against,
        f"{one.a:.3f}",
        f"{one.b:.3f}",
        f"{one.judgement.effect.ratio:.3f}",
        interval(one.judgement),
        prose.AGAIN[one.verdict],
        " and ".join(map(str, dict.fromkeys(one.blocks))),
    )


def amount(one: Change, value: float) -> str:
    """Of time, memory or capacity."""
    match one.case.measure:
        case Measure.TIME:
            return seconds(value)
        case Measure.CAPACITY:
            return times(value)
        case Measure.MEMORY:
            return size(value)
        case _:
            assert_never(one.case.measure)


def verdict(one: Change) -> str:
    """The verdict in a word, and what else could explain it."""
    script, build = ", other script" * one.script_differs, ", other build" * one.build_differs
    return f"{prose.WORDS[one.verdict]}{script}{build}"


def interval(judgement: Judgement) -> str:
    """The corrected interval as figures."""
    return "–" if math.isnan(judgement.low) else f"{judgement.low:.3f} – {judgement.high:.3f}"


def note(contrast: Contrast) -> str:
    """How the figures came about, and what they do not know."""
    level = "" if contrast.level == CONFIDENCE else f", computed at {contrast.level * 100:.3g} %"
    return (
        f"Intervals hold at {CONFIDENCE * 100:.0f} % for all cases of a measure together{level}; a process counts once."
        " The runs were not measured together, and a host that was slower on one of the days is no regression:"
        " “against” says what a case was measured against in the same moments of each run, the gauge loops around its"
        " turns or one thread. Where that is “none”, times hold the speed of the day. Ratios, taken within blocks,"
        " carry over from one day to another."
    )


# -- Markdown ----------------------------------------------------------------------------------------------------------


def comment(contrast: Contrast) -> str:
    """A comment on a pull request: the verdict, what changed, and the rest folded away."""
    changed = [one for one in contrast.changes if one.verdict.is_different]
    parts = [
        f"**{markdown.escaped(prose.headline(contrast).claim)}.**",
        *(f"> {markdown.escaped(one)}" for one in prose.reservations(contrast)),
        markdown.table(_HEADER, [row(one) for one in changed]) if changed else "",
        _folded(f"All {count(len(contrast.changes), 'case')}", markdown.table(_HEADER, [*map(row, contrast.changes)])),
        _folded(
            f"What each run says: {count(len(contrast.repeats), 'ratio')}",
            markdown.table(RATIO_HEADER, [*map(ratio_row, contrast.repeats)]),
        )
        if contrast.repeats
        else "",
        _folded(
            f"What differs between the runs ({len(contrast.unlike)})",
            markdown.table(
                ("what", "run A", "run B"),
                [*_heads(contrast), *((f"{one.where}, {one.what}", one.a, one.b) for one in contrast.unlike)],
            ),
        ),
        "\n".join(f"- {markdown.escaped(one)}" for one in prose.absences(contrast)),
        f"<sub>{markdown.escaped(note(contrast))}</sub>",
    ]
    return "\n\n".join(filter(None, parts))


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{markdown.escaped(summary)}</summary>\n\n{body}\n\n</details>"


# -- CSV and JSON ------------------------------------------------------------------------------------------------------


def table(contrast: Contrast) -> str:
    """CSV: one line per case and build; docs/formats.md explains the columns, which are the fields of `data`."""
    written = io.StringIO()
    writer = csv.DictWriter(written, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(data(contrast)["changes"])
    return written.getvalue().rstrip("\n")


_COLUMNS = (
    *("case", "workload", "strategy", "threads", "placement", "split", "cpus", "measure", "build", "a", "b"),
    *("a_blocks", "b_blocks", "against", "ratio", "low", "high", "detectable", "verdict"),
    *("script_differs", "build_differs"),
)


def data(contrast: Contrast, threshold: float | None = None) -> dict[str, Any]:
    """Everything, as plain data for JSON; docs/formats.md explains it."""
    statement = prose.headline(contrast)
    return {
        "schema": SCHEMA,
        "a": {"run": contrast.a.id, "created": contrast.a.created},
        "b": {"run": contrast.b.id, "created": contrast.b.created},
        "outcome": contrast.outcome.value,
        "verdict": str(statement),
        "reservations": list(prose.reservations(contrast)),
        "confidence": CONFIDENCE,
        "level": contrast.level,
        "margin": MARGIN,
        "threshold": threshold,
        "regressions": None
        if threshold is None
        else [{"case": one.case.id, "build": one.build} for one in contrast.regressions(threshold)],
        "environment": [{"where": one.where, "what": one.what, "a": one.a, "b": one.b} for one in contrast.unlike],
        "alike": contrast.alike,
        "changes": [_change(one) for one in contrast.changes],
        "ratios": [_ratio(one) for one in contrast.repeats],
        "unrepeated": [
            {"case": case, "build": build, "against": against} for case, build, against in contrast.unrepeated
        ],
        "absent": [{"case": one.case, "build": one.build, "why": one.why} for one in contrast.absent],
    }


def _change(one: Change) -> dict[str, Any]:
    judgement = one.judgement
    return {
        **plain.case(one.case),
        "measure": one.case.measure.value,
        "build": one.build,
        "a": one.a,
        "b": one.b,
        "a_blocks": one.blocks[0],
        "b_blocks": one.blocks[1],
        "against": one.yardstick.value,
        "ratio": judgement.effect.ratio,
        "low": plain.known(judgement.low),
        "high": plain.known(judgement.high),
        "detectable": plain.known(judgement.mde),
        "verdict": prose.WORDS[judgement.verdict],
        "script_differs": one.script_differs,
        "build_differs": one.build_differs,
    }


def _ratio(one: Repeat) -> dict[str, Any]:
    judgement = one.judgement
    return {
        **plain.case(one.case),
        "measure": one.case.measure.value,
        "build": one.build,
        "against": one.against,
        "a": one.a,
        "b": one.b,
        "a_blocks": one.blocks[0],
        "b_blocks": one.blocks[1],
        "ratio": judgement.effect.ratio,
        "low": plain.known(judgement.low),
        "high": plain.known(judgement.high),
        "detectable": plain.known(judgement.mde),
        "verdict": prose.AGAIN[judgement.verdict],
    }
