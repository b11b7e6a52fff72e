"""The findings without a page: text for a terminal, plain data for `--json`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from harness.model import Case, cpu_list
from harness.planning import CONFIDENCE
from harness.stats import Effect
from reports import prose, verdict
from reports.findings import MARGIN, Comparison, Findings, Speedup, case_name

SCHEMA = 1
"""Version of what `data` returns.  History: 1, the first (0.1.0)."""

_WIDTH = 100


def text(findings: Findings) -> str:
    """Reservations, verdict and a table of all cases; no colours, and nothing that a terminal would obey."""
    paragraphs = [_wrapped(str(statement)) for statement in verdict.verdict(findings)]
    if reservations := verdict.reservations(findings):
        paragraphs.insert(0, "\n".join(_wrapped(f"! {reservation}", "  ") for reservation in reservations))
    if findings.comparisons:
        paragraphs.append(_table(findings))
    elif findings.speedups:
        paragraphs.append(_speedups("Speedup against the fewest threads:", findings, findings.speedups))
    if findings.capacities:
        paragraphs.append(_speedups("Capacity: work done, against the fewest threads:", findings, findings.capacities))
    if precision := prose.precision_sentences(findings):
        paragraphs.append("\n".join(_wrapped(sentence, "  ") for sentence in precision))
    whole = "\n\n".join([*paragraphs, _wrapped(prose.outcomes_sentence(findings))])
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in whole
    )


def _wrapped(sentence: str, indent: str = "") -> str:
    return textwrap.fill(sentence, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _table(findings: Findings) -> str:
    several_sets, several = len(findings.cpu_sets) > 1, len(findings.contenders) > 1
    header = ["case", *(["build"] if several else []), "ratio", "interval", "verdict", "blocks"]
    rows = [
        [case_name(c.case, with_cpus=several_sets), *([c.build] if several else []), *_figures(c)]
        for c in findings.comparisons
    ]
    return f"Time relative to {findings.baseline}, below 1 is faster:\n" + _columns(header, rows)


def _figures(comparison: Comparison) -> list[str]:
    blocks = f"{len(comparison.blocks)} of {comparison.planned}"
    if (judgement := comparison.judgement) is None:
        return ["", "", "no figure", blocks]
    interval = "" if math.isnan(judgement.low) else f"{judgement.low:.3f} – {judgement.high:.3f}"
    confounded = ", confounded" * bool(comparison.confounders)
    return [f"{judgement.effect.ratio:.3f}", interval, f"{judgement.verdict}{confounded}", blocks]


def _speedups(title: str, findings: Findings, speedups: Sequence[Speedup]) -> str:
    rows = [
        [case_name(s.case, with_cpus=len(findings.cpu_sets) > 1), s.build, f"{s.effect.ratio:.3f}", _ends(s.effect)]
        for s in speedups
        if s.effect
    ]
    return f"{title}\n" + _columns(["case", "build", "speedup", "interval"], rows)


def _ends(effect: Effect) -> str:
    return "" if math.isnan(effect.low) else f"{effect.low:.3f} – {effect.high:.3f}"


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows))
    return "\n".join(f"  {line}".rstrip() for line in lines)


def data(findings: Findings) -> dict[str, Any]:
    """What the page says, as plain data for JSON.

    Ratios are times relative to the baseline, speedups are times relative to more threads; intervals of comparisons
    are corrected for the number of comparisons.  They hold at `confidence` and are computed at `level`; `half_width`
    is that of the interval before that correction, which `target` is about.  Seconds are per loop.  What is unknown is
    None.
    """
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
            {
                **_case(comparison.case),
                "build": comparison.build,
                "seconds": medians.get((comparison.case.id, comparison.build)),
                "baseline_seconds": medians.get((comparison.case.id, comparison.baseline)),
                "ratio": judgement.effect.ratio if (judgement := comparison.judgement) else None,
                "low": _known(judgement.low) if judgement else None,
                "high": _known(judgement.high) if judgement else None,
                "half_width": _known(judgement.effect.half_width) if judgement else None,
                "verdict": judgement.verdict.value if judgement else None,
                "detectable": _known(judgement.mde) if judgement else None,
                "blocks": len(comparison.blocks),
                "planned_blocks": comparison.planned,
                "confounders": list(comparison.confounders),
            }
            for comparison in findings.comparisons
        ],
        "suites": [
            {
                "build": suite.build,
                "category": suite.category,
                "threads": suite.threads,
                "cpus": cpu_list(suite.cpus),
                "workloads": len(suite.cases),
                "verdict": suite.judgement.verdict.value,
                **_effect(suite.judgement.effect, "ratio"),
            }
            for suite in findings.suites
        ],
        "speedups": [
            {
                **_case(speedup.case),
                "build": speedup.build,
                "from_threads": speedup.base.threads,
                **_effect(speedup.effect, "speedup"),
            }
            for speedup in findings.speedups
        ],
        "capacities": [
            {
                **_case(capacity.case),
                "build": capacity.build,
                "from_threads": capacity.base.threads,
                **_effect(capacity.effect, "capacity"),
            }
            for capacity in findings.capacities
        ],
        "precisions": [
            {
                "workload": precision.workload,
                "measure": precision.measure.value,
                "cpus": cpu_list(precision.cpus),
                "blocks": precision.blocks,
                "half_width": precision.half_width,
                "reason": precision.reason.value,
                "needed_blocks": precision.needed,
                "needed_seconds": precision.seconds,
            }
            for precision in findings.precisions
        ],
        "parity": [
            {
                "build": pair.build,
                "baseline": pair.baseline,
                "compared": pair.compared,
                "confounded_by": [
                    {"what": difference.what, "baseline": difference.baseline, "build": difference.build}
                    for difference in pair.differences
                ],
            }
            for pair in findings.parity
        ],
        "failures": [
            {
                "case": failure.case,
                "build": failure.build,
                "reason": failure.reason.value,
                "message": failure.message,
                "blocks": list(failure.blocks),
            }
            for failure in findings.failures
        ],
        "irregularities": [
            {"kind": one.kind.value, "subject": one.subject, "text": one.text, "blocks": list(one.blocks)}
            for one in findings.irregularities
        ],
        "skipped": [{"case": skipped.case, "reason": skipped.reason} for skipped in run.plan.skipped],
        "samples": coverage.samples,
        "planned_samples": coverage.planned_samples,
        "complete": coverage.complete,
        "efficiency": coverage.efficiency,
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "case": case.id,
        "workload": case.workload,
        "strategy": case.strategy.value if case.strategy else None,
        "threads": case.threads,
        "cpus": cpu_list(case.cpus),
    }


def _effect(effect: Effect | None, name: str) -> dict[str, float | int | None]:
    if effect is None:
        return {name: None, "low": None, "high": None, "blocks": 0}
    return {name: effect.ratio, "low": _known(effect.low), "high": _known(effect.high), "blocks": effect.n}


def _known(value: float) -> float | None:
    """JSON has no nan."""
    return None if math.isnan(value) else value
