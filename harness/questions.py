"""What blocks say of a question, and whether that decides it.

A plan that is made for published numbers measures until they are decided, and a report says how: both by what stands
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import ratios, stats
from harness.gauge import LEAST_BLOCKS, Best
from harness.journal import Sample
from harness.model import Case, Question, Seat
from harness.stats import Effect

Samples = Mapping[Seat, Mapping[int, Sample]]
"""Of each seat, by block."""


def effect(
    question: Question, cases: Mapping[str, Case], samples: Samples, best: Best, confidence: float
) -> Effect | None:
    """How many times as fast (or frugal), of several workloads the geometric mean of those that have both sides.

    None where no workload has, or where one has too few blocks with undisturbed turns.
    """
    series: list[Sequence[float]] = []
    for slow, fast in zip(question.slow, question.fast, strict=True):
        if has_both(samples, slow, fast):
            found = logs(slow, fast, cases, samples, best)
            if not found:
                return None
            series.append(list(found.values()))
    return stats.geometric_mean(series, confidence) if series else None


def has_both(samples: Samples, slow: Seat, fast: Seat) -> bool:
    """Whether any block has both seats."""
    return not samples.get(slow, {}).keys().isdisjoint(samples.get(fast, {}))


def logs(slow: Seat, fast: Seat, cases: Mapping[str, Case], samples: Samples, best: Best) -> dict[int, float]:
    """Log of how many times as fast one seat is as another, by block; empty where too few blocks say anything."""
    one, other = cases[slow[0]], cases[fast[0]]
    under, over = samples.get(slow, {}), samples.get(fast, {})
    both = [block for block in under if block in over]
    pairs = {block: ratios.gain(one, other, under[block], over[block], best) for block in both}
    found = {block: stats.block_estimate(values) for block, values in pairs.items() if len(values)}
    is_gauged = one.threads != other.threads
    return found if not is_gauged or len(found) >= min(LEAST_BLOCKS, len(both)) else {}


def contains(found: Effect, low: float, high: float) -> bool | None:
    """Whether the interval lies inside of these ends: False where it lies outside, None where it reaches over one.

    An interval without ends says nothing.
    """
    if low <= found.low and found.high <= high:
        return True
    return False if found.high < low or found.low > high else None
