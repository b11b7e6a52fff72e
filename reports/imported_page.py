"""Two files of pyperf in words, as a page that stands alone, and for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import harness
from harness.model import Measure
from harness.stats import Verdict
from reports import page, words
from reports.imported import Change, Imported
from reports.summary import columns, wrapped
from reports.words import between, change_of, count, interval

_HEADER = ("benchmark", "before", "after", "after / before", "interval", "verdict", "processes")

NOTE = (
    "A process counts once, with the median of its values; intervals hold at 95 % for all benchmarks together. The "
    "files were not measured together: whatever else changed between them, such as the speed of the machine, is in "
    "these ratios."
)


def write(imported: Imported, path: Path) -> Path:
    """Write the page, and return its path.  HostError where it cannot be written."""
    return page.save(path.parent, render(imported), path.name)


def render(imported: Imported) -> str:
    """The page as HTML.  The same files give the same bytes."""
    return page.shaped(
        "imported.html",
        "tables.js",
        imported=imported,
        gilometer=harness.__version__,
        headline=headline(imported),
        evidence=evidence(imported),
        header=_HEADER,
        row=row,
        signs=page.SIGNS,
        note=NOTE,
    )


def headline(imported: Imported) -> str:
    """What became of all benchmarks together."""
    effect, benchmarks = imported.mean.effect, count(len(imported.changes), "benchmark")
    match imported.mean.verdict:
        case Verdict.FASTER | Verdict.SLOWER:
            told = f"is {change_of(effect)} than {imported.a}"
        case Verdict.SAME:
            told = f"is the same as {imported.a} to within 5 %"
        case _:
            told = f"is not known to differ from {imported.a}"
    return f"{imported.b} {told} over {benchmarks} ({interval(effect)})"


def evidence(imported: Imported) -> str:
    """How many benchmarks changed, and which ones most."""
    return "; ".join(_evidence(imported))


def _evidence(imported: Imported) -> Iterator[str]:
    for verdict in (Verdict.FASTER, Verdict.SLOWER):
        if found := imported.of(verdict):
            most = found[0].judgement
            amount = f"{change_of(most.effect)}, {between(most.low, most.high)}"
            yield f"{len(found)} {verdict.value}, most of all {found[0].name} ({amount})"
    for verdict in (Verdict.SAME, Verdict.UNDECIDED):
        if found := imported.of(verdict):
            yield f"{len(found)} {verdict.value}"


def row(one: Change) -> tuple[str, ...]:
    """The cells of a benchmark, in the order of the header."""
    amount = words.size if one.unit == "byte" else words.seconds
    low, high = one.judgement.low, one.judgement.high
    return (
        one.name,
        amount(one.a),
        amount(one.b),
        f"{one.judgement.effect.ratio:.3f}",
        "–" if math.isnan(low) else f"{low:.3f} – {high:.3f}",
        words.verdict_on(Measure.MEMORY if one.unit == "byte" else Measure.TIME, one.verdict),
        " and ".join(map(str, dict.fromkeys(one.processes))),
    )


def text(imported: Imported) -> str:
    """The same for a terminal, with nothing that it would obey."""
    paragraphs = [
        wrapped(f"{headline(imported)}."),
        wrapped(f"{evidence(imported)}."),
        columns(_HEADER, [row(one) for one in imported.changes]),
        "\n".join(wrapped(f"Differs: {name}, {a} and {b}.", "  ") for name, a, b in imported.unlike),
        "\n".join(f"Not compared: {name}, {why}." for name, why in imported.absent),
        wrapped(NOTE),
    ]
    return words.printable("\n\n".join(filter(None, paragraphs)))
