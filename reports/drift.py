"""How the machine changed while a run went on, and what of that reached the ratios."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

from reports.evidence import Moment
from reports.findings import Findings
from reports.words import duration, share


def moments(findings: Findings) -> tuple[Moment, ...]:
    """The blocks that have times of the baseline, in the order in which they were measured."""
    return tuple(sorted(_moments(findings), key=lambda moment: moment.started))


def _moments(findings: Findings) -> Iterator[Moment]:
    speeds: defaultdict[int, list[float]] = defaultdict(list)
    for series in findings.series:
        if series.build == findings.baseline:
            for block, median in zip(series.blocks, series.medians, strict=True):
                speeds[block].append(math.log(median / series.median))
    ratios: defaultdict[int, list[float]] = defaultdict(list)
    for comparison in findings.comparisons:
        if comparison.judgement:
            effect = comparison.judgement.effect
            for block, log in zip(comparison.blocks, effect.logs, strict=True):
                ratios[block].append(log - effect.log)
    began = {block.block: block.started for block in findings.ledger.blocks if not block.invalid}
    first = min(began.values(), default=0.0)
    for block, logs in speeds.items():
        ratio = statistics.median(ratios[block]) if block in ratios else math.nan
        yield Moment(started=began[block] - first, speed=statistics.median(logs), ratio=ratio)


def sentence(findings: Findings, course: Sequence[Moment]) -> str:
    """How much slower or faster the same work was in the course of the run, and how much the ratios moved."""
    if len(course) < 2:
        return ""
    speeds = [moment.speed for moment in course]
    ratios = [moment.ratio for moment in course if not math.isnan(moment.ratio)]
    told = (
        f"In {duration(course[-1].started)} the same work on {findings.baseline} took from "
        f"{share(_below(min(speeds)))} less to {share(math.expm1(max(speeds)))} more time than usual, "
        f"block by block{_trend(speeds)}."
    )
    if len(ratios) < 2:
        return told
    spread, rest = statistics.stdev(speeds), statistics.stdev(ratios)
    return (
        f"{told} Times of blocks have a standard deviation of {share(spread)}, ratios taken inside blocks one of "
        f"{share(rest)}{_trend(ratios)}."
    )


def _below(log: float) -> float:
    return -math.expm1(min(0.0, log))


def _trend(logs: Sequence[float]) -> str:
    """What changed from the first third to the last, as a clause, where there are enough blocks to say so."""
    third = len(logs) // 3
    if third < 3:
        return ""
    change = statistics.median(logs[-third:]) - statistics.median(logs[:third])
    return f", in the last third {share(math.expm1(abs(change)))} {'more' if change > 0 else 'less'} than in the first"
