"""What the hosts of a fleet say together: per case a random-effects summary of their ratios, never of their seconds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.model import Run
from harness.planning import CONFIDENCE
from harness.pooling import Pooled, pooled
from reports.findings import Comparison, Findings, case_name
from reports.summary import columns, wrapped
from reports.words import count

_HEADER = ("case", "build", "hosts", "ratio", "interval", "between hosts", "another host")


@dataclass(frozen=True, slots=True)
class Together:
    """A case that several hosts have measured with the same images."""

    case: str
    build: str
    hosts: tuple[str, ...]
    found: Pooled


def together(shares: Mapping[str, Findings]) -> list[Together]:
    """Of a fleet's shares by name; images that differ are never pooled."""
    seen: dict[tuple[str, ...], dict[str, Comparison]] = defaultdict(dict)
    for share, findings in shares.items():
        for one in findings.comparisons:
            if one.judgement and one.judgement.effect.n > 1 and one.judgement.effect.sd > 0:
                seen[_key(one, findings.run)][share] = one
    return [_pool(key, found) for key, found in seen.items() if len(found) > 1]


def _key(one: Comparison, run: Run) -> tuple[str, ...]:
    """What has to be the same: what is measured, on as many CPUs, and by which images."""
    images = {fact.build.name: fact.image or fact.version for fact in run.builds}
    case = one.case
    what = (case_name(case, with_cpus=False), str(case.measure), str(len(case.cpus)))
    return *what, one.build, one.baseline, images[one.build], images[one.baseline]


def _pool(key: tuple[str, ...], found: Mapping[str, Comparison]) -> Together:
    effects = [one.judgement.effect for one in found.values() if one.judgement]
    summary = pooled([one.log for one in effects], [one.sd**2 / one.n for one in effects], CONFIDENCE)
    case, measure, cpus, build, *_ = key
    return Together(f"{case}, {measure}, {count(int(cpus), 'CPU')}", build, tuple(found), summary)


def text(rows: list[Together]) -> str:
    """A table for a terminal; empty where nothing was measured by two hosts."""
    if not rows:
        return ""
    note = (
        "Ratios of hosts that measured with the same images, each weighed by its own precision and by what hosts "
        f"differ by (Paule and Mandel; {CONFIDENCE * 100:.0f} % intervals after Hartung and Knapp). Between hosts: the "
        "standard deviation that is left. Another host: where the next one is expected. Not corrected for the number "
        "of cases."
    )
    return f"All hosts together:\n{columns(_HEADER, [_row(one) for one in rows])}\n\n{wrapped(note)}"


def _row(one: Together) -> tuple[str, ...]:
    found = one.found
    return (
        one.case,
        one.build,
        str(found.n),
        f"{math.exp(found.mean):.3f}",
        _span(found.low, found.high),
        f"±{math.expm1(found.tau) * 100:.1f} %",
        "–" if math.isnan(found.expected[0]) else _span(*found.expected),
    )


def _span(low: float, high: float) -> str:
    return f"{math.exp(low):.3f} – {math.exp(high):.3f}"


def data(rows: list[Together]) -> Iterator[dict[str, Any]]:
    """The same for JSON; what is unknown is null."""
    for one in rows:
        low, high = one.found.expected
        yield {
            "case": one.case,
            "build": one.build,
            "hosts": list(one.hosts),
            "ratio": math.exp(one.found.mean),
            "low": math.exp(one.found.low),
            "high": math.exp(one.found.high),
            "between": math.expm1(one.found.tau),
            "another_host": None if math.isnan(low) else {"low": math.exp(low), "high": math.exp(high)},
        }
