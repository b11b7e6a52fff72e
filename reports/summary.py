"""The findings without a page: text for a terminal, plain data for `--json`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from harness.planning import CONFIDENCE
from reports import accounts, plain, prose, verdict
from reports.findings import MARGIN, Comparison, Findings, Speedup, case_name
from reports.words import printable, times, verdict_on

SCHEMA = 1
"""Version of what `data` returns.  History: 1, the first (0.1.0)."""

_WIDTH = 100


def text(findings: Findings) -> str:
    """Reservations, verdict and a table of all cases; no colours, and nothing that a terminal would obey."""
    paragraphs = [wrapped(str(statement)) for statement in verdict.verdict(findings)]
    if reservations := verdict.reservations(findings):
        paragraphs.insert(0, "\n".join(wrapped(f"! {reservation}", "  ") for reservation in reservations))
    if findings.comparisons:
        title = f"Time relative to {findings.baseline}, below 1 is faster:"
        paragraphs.append(_comparisons(title, findings, findings.comparisons))
    if findings.speedups:
        title = "Time to completion: how many times as fast as on the fewest threads:"
        paragraphs.append(_speedups(title, "speedup", findings, findings.speedups))
    if findings.capacities:
        title = "Capacity: how many times as much work gets done as on the fewest threads:"
        paragraphs.append(_speedups(title, "capacity", findings, findings.capacities))
    if findings.choices:
        paragraphs.append(_choices("Ways of sharing a job, the fastest first:", findings))
    if findings.memories:
        title = f"Peak memory of a process relative to {findings.baseline}, below 1 is less:"
        paragraphs.append(_comparisons(title, findings, findings.memories))
    paragraphs += ["\n".join(wrapped(sentence, "  ") for sentence in group) for group in _sentences(findings) if group]
    return printable("\n\n".join(paragraphs))


def _sentences(findings: Findings) -> Iterator[Sequence[str]]:
    """What stands below the tables, paragraph by paragraph."""
    yield accounts.precision_sentences(findings)
    yield [accounts.noise_sentence(findings)] if findings.ledger.invalid else []
    yield [floors] if (floors := prose.floors_sentence(findings)) else []
    yield [accounts.outcomes_sentence(findings)]


def wrapped(sentence: str, indent: str = "") -> str:
    """A sentence in lines that no terminal breaks; a number stays with its unit."""
    whole = sentence.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.fill(whole, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}%", " %")


def _comparisons(title: str, findings: Findings, comparisons: Sequence[Comparison]) -> str:
    several_sets, several = len(findings.cpu_sets) > 1, len(findings.contenders) > 1
    header = ["case", *(["build"] if several else []), "ratio", "interval", "verdict", "blocks"]
    rows = [
        [case_name(c.case, with_cpus=several_sets), *([c.build] if several else []), *_figures(c)] for c in comparisons
    ]
    return f"{title}\n" + columns(header, rows)


def _figures(comparison: Comparison) -> list[str]:
    blocks = f"{len(comparison.blocks)} of {comparison.planned}"
    if (judgement := comparison.judgement) is None:
        return ["", "", "no figure", blocks]
    verdict_ = verdict_on(comparison.case.measure, judgement.verdict)
    floor = ", below the noise floor" * comparison.is_below_floor
    confounded = ", confounded" * bool(comparison.confounders)
    interval = _ends(judgement.low, judgement.high)
    return [f"{judgement.effect.ratio:.3f}", interval, f"{verdict_}{floor}{confounded}", blocks]


def _speedups(title: str, name: str, findings: Findings, speedups: Sequence[Speedup]) -> str:
    gauged = any(s.gauged for s in speedups)
    rows = [
        [
            case_name(s.case, with_cpus=len(findings.cpu_sets) > 1),
            s.build,
            *_gain(s),
            *([f"{prose.turns(s)} turns"] if gauged else []),
        ]
        for s in speedups
        if s.effect or s.turns
    ]
    return f"{title}\n" + columns(["case", "build", name, "interval", *(["undisturbed"] if gauged else [])], rows)


def _choices(title: str, findings: Findings) -> str:
    rows = [
        [
            case_name(choice.best.case, with_cpus=len(findings.cpu_sets) > 1),
            choice.build,
            ", ".join(prose.behind(way) for way in choice.ways[1:]),
        ]
        for choice in findings.choices
    ]
    return f"{title}\n" + columns(["fastest", "build", "the others"], rows)


def _gain(speedup: Speedup) -> list[str]:
    if answer := speedup.answer:
        return [f"{answer.ratio:.3f}", _ends(answer.low, answer.high)]
    raw = f"measured {times(speedup.effect.ratio)}, disturbed" if speedup.effect else ""
    return ["undecided", raw]


def _ends(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:.3f} – {high:.3f}"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    return "\n".join(f"  {line}".rstrip() for line in lines)


def data(findings: Findings) -> dict[str, Any]:
    """What the page says, as plain data for JSON; docs/formats.md explains it."""
    run, coverage = findings.run, findings.coverage
    medians = {(series.case.id, series.build): series.median for series in findings.series}
    return {
        "schema": SCHEMA,
        "run": run.id,
        "created": run.created,
        "command": run.command,
        "builds": list(run.plan.builds),
        "baseline": findings.baseline,
        "confidence": CONFIDENCE,
        "level": findings.level,
        "target": run.plan.target,
        "margin": MARGIN,
        "verdict": [str(statement) for statement in verdict.verdict(findings)],
        "reservations": list(verdict.reservations(findings)),
        "comparisons": [
            plain.comparison(one)
            | {
                "seconds": medians.get((one.case.id, one.build)),
                "baseline_seconds": medians.get((one.case.id, one.baseline)),
            }
            for one in findings.comparisons
        ],
        "suites": [plain.suite(one) for one in findings.suites],
        "speedups": [plain.completion(one) for one in findings.speedups],
        "capacities": [plain.capacity(one) for one in findings.capacities],
        "laws": [plain.laws(one) for one in findings.laws],
        "advice": [plain.advice(one) for one in findings.advice],
        "choices": [plain.choice(one) for one in findings.choices],
        "memories": _memories(findings),
        "memory_suites": [plain.suite(one) for one in findings.memory_suites],
        "peaks": [plain.peak(one) for one in findings.peaks],
        "false_alarms": [plain.false_alarms(one) for one in findings.false_alarms],
        "precisions": [plain.precision(one) for one in findings.precisions],
        "values_per_worker": [plain.deepening(one) for one in findings.deepenings],
        "noise": plain.ledger(findings.ledger),
        "parity": [plain.parity(one) for one in findings.parity],
        "failures": [plain.failure(one) for one in findings.failures],
        "irregularities": [plain.irregularity(one) for one in findings.irregularities],
        "skipped": [{"case": skipped.case, "reason": skipped.reason} for skipped in run.plan.skipped],
        "samples": coverage.samples,
        "planned_samples": coverage.planned_samples,
        "complete": coverage.complete,
        "efficiency": coverage.efficiency,
        "timed": coverage.timed,
    }


def _memories(findings: Findings) -> list[dict[str, Any]]:
    """Comparisons of the peaks of processes with their bytes, and beside each that of the containers."""
    peaks = {(peak.case.id, peak.build): peak for peak in findings.peaks}
    containers = {(one.case.id, one.build): plain.judged(one) for one in findings.container_memories}
    found = []
    for one in findings.memories:
        over, under = (peaks.get((one.case.id, build)) for build in (one.build, one.baseline))
        process = {"bytes": over and over.process, "baseline_bytes": under and under.process}
        container = {"bytes": over and over.container, "baseline_bytes": under and under.container}
        beside = containers.get((one.case.id, one.build))
        found.append(plain.comparison(one) | process | {"container": beside and beside | container})
    return found
