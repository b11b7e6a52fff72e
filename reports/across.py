"""What the hosts of a fleet say together: per case a random-effects summary of their ratios, never of their seconds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.model import Run
from harness.planning import CONFIDENCE
from harness.pooling import Pooled
from reports import classes
from reports.findings import Comparison, Findings, case_name
from reports.summary import columns, wrapped
from reports.words import count

HEADER = ("case", "build", "hosts", "ratio", "interval", "between hosts", "another host")
NOTE = (
    "Ratios of hosts that measured with the same images, each weighed by its own precision and by what hosts differ by "
    f"(Paule and Mandel; {CONFIDENCE * 100:.0f} % intervals after Hartung and Knapp). Between hosts: the standard "
    "deviation that is left. Another host: where the next one is expected. Not corrected for the number of cases."
)


@dataclass(frozen=True, slots=True)
class Together:
    """A case that several hosts have measured with the same images."""

    case: str
    build: str
    hosts: tuple[str, ...]
    found: Pooled


def together(shares: Mapping[str, Findings], hosts: Mapping[str, str]) -> list[Together]:
    """Of a fleet's shares by name, and the host of each; images that differ are never pooled."""
    seen: dict[tuple[object, ...], list[tuple[str, Comparison]]] = defaultdict(list)
    for share, findings in shares.items():
        for one in findings.comparisons:
            if one.judgement and classes.knows_its_noise(one.judgement.effect):
                seen[_key(one, findings.run)].append((hosts[share], one))
    return [found for members in seen.values() if (found := _pool(members))]


def _key(one: Comparison, run: Run) -> tuple[object, ...]:
    """What has to be the same: what is measured, on as many CPUs, and by which images."""
    images = {name: rest for name, *rest in classes.images(run)}
    case = one.case
    what = (case_name(case, with_cpus=False), str(case.measure), len(case.cpus))
    return *what, one.build, one.baseline, *images[one.build], *images[one.baseline]


def _pool(members: Sequence[tuple[str, Comparison]]) -> Together | None:
    effects = [(host, one.judgement.effect) for host, one in members if one.judgement]
    if (summary := classes.together(effects, CONFIDENCE)) is None:
        return None
    _, first = members[0]
    name = f"{case_name(first.case, with_cpus=False)}, {first.case.measure}, {count(len(first.case.cpus), 'CPU')}"
    return Together(name, first.build, tuple(dict.fromkeys(host for host, _ in effects)), summary)


def text(rows: Sequence[Together]) -> str:
    """A table for a terminal; empty where nothing was measured by two hosts."""
    if not rows:
        return ""
    return f"All hosts together:\n{columns(HEADER, [row(one) for one in rows])}\n\n{wrapped(NOTE)}"


def row(one: Together) -> tuple[str, ...]:
    """Its figures, as the table has them."""
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


def data(rows: Sequence[Together]) -> Iterator[dict[str, Any]]:
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
