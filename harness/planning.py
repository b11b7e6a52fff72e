"""How many values a worker should measure, how many blocks a case needs, and when to look whether it has them.

Kalibera & Jones (2013), "Rigorous Benchmarking in Reasonable Time".  Their lowest level is here a pair's log ratio, the
level above it a block; the formulas hold for the values and processes of one build as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model import Measure, Plan

# NumPy and SciPy are imported where they are needed: whoever only asks for the looks need not wait a second for them.

CONFIDENCE = 0.95
"""What every interval of a run holds at."""

LOOKS = (8, 12, 16, 24, 32, 48, 64)
"""Block counts at which a case may stop.  Preset, because looking after every block would find a lucky width sooner."""

MEMORY_LOOK = 4
"""And where memory is measured: it hardly varies, and a block of it costs two containers for each value."""

REST = 0.06
"""Share of a block that may be anything but values: more values than leave that much save nearly nothing, and a block
should stay short against what changes on the machine."""


@dataclass(frozen=True, slots=True)
class Variances:
    """Where variation comes from; in squares of whatever was measured."""

    within: float
    """T1^2 = S1^2: between the values of one process (the pairs of one block)."""
    between: float
    """T2^2 = S2^2 - S1^2 / m: between processes (blocks); 0 or less where nothing was seen beyond the values' own."""


def variances(processes: Sequence[Sequence[float]]) -> Variances:
    """Kalibera and Jones' T1^2 and T2^2 of at least two processes with at least two values each.

    Robust, as a block's estimate is: a process counts with its median, and spreads are median absolute deviations
    scaled to the normal distribution's standard deviation.  A median's variance is pi / 2 times that of a mean.

    Raises:
        ValueError: fewer.
    """
    if len(processes) < 2 or min(map(len, processes)) < 2:
        raise ValueError("variances need two processes or more, each with two values or more")
    import numpy as np
    from scipy import stats

    medians = [float(np.median(values)) for values in processes]
    spreads = [float(stats.median_abs_deviation(values, scale="normal")) for values in processes]
    # The deviation from an own median is too small by chance: by about 1 - 0.8 / m (Croux & Rousseeuw 1992).
    corrected = [spread / (1 - 0.8 / len(values)) for spread, values in zip(spreads, processes, strict=True)]
    within = float(np.mean(corrected)) ** 2
    m = float(np.mean([len(values) for values in processes]))
    among = float(stats.median_abs_deviation(medians, scale="normal")) / (1 - 0.8 / len(medians))
    return Variances(within, among**2 - math.pi / 2 * within / m)


def values_per_worker(found: Variances, worker_cost: float, value_cost: float, cap: int) -> int:
    """m* = ceil(sqrt((c2 / c1) (T1^2 / T2^2))): values after which another worker tells more than another value.

    Args:
        worker_cost: c2, seconds before a worker's first value: start, imports, warm-up.
        value_cost: c1, seconds of one value.
        cap: the most values; the answer too where processes do not differ (T2^2 <= 0).
    """
    if found.between <= 0:
        return cap
    ideal = math.sqrt(worker_cost / value_cost * found.within / found.between)
    return max(1, min(cap, math.ceil(ideal)))


def most_values(worker_cost: float, value_cost: float) -> int:
    """Values of a worker, at least 2, that leave `REST` of a block to everything else."""
    return max(2, math.ceil((1 - REST) / REST * worker_cost / value_cost))


def even(values: int) -> int:
    """An even number, from 2: every second turn has the opposite order, so that no seat is first more often."""
    return 2 * max(1, values // 2)


def blocks_for(sd: float, half_width: float, confidence: float = 0.95) -> int:
    """Fewest blocks, at least 2, whose t interval is expected to reach `half_width`.

    Args:
        sd: standard deviation of the blocks' log ratios.
        half_width: relative; 0.02 is ±2 %.

    Raises:
        ValueError: `sd` is not a number, or `half_width` is not above 0.
    """
    if not (math.isfinite(sd) and half_width > 0):
        raise ValueError(f"no number of blocks for a standard deviation of {sd} and a half-width of {half_width}")
    from scipy import stats

    target, tail = math.log1p(half_width), (1 - confidence) / 2
    # With the normal quantile, which is the smaller one: never too many, and a few steps short at most.
    n = max(2, math.ceil((float(stats.norm.isf(tail)) * sd / target) ** 2))
    while float(stats.t.isf(tail, n - 1)) * sd > target * math.sqrt(n):
        n += 1
    return n


def blocks_to_reach(target: float, half_width: float, blocks: int, confidence: float = 0.95) -> int:
    """Blocks in all after which an interval of `half_width`, that `blocks` blocks gave, is expected to reach `target`.

    From the interval's own width, because one disturbed block raises the standard deviation far more.

    Raises:
        ValueError: `half_width` is not a number, as with one block, or `target` is not above 0.
    """
    if not math.isfinite(half_width):
        raise ValueError(f"no number of blocks from a half-width of {half_width}")
    from scipy import stats

    sd = math.log1p(half_width) * math.sqrt(blocks) / float(stats.t.isf((1 - confidence) / 2, blocks - 1))
    return blocks_for(sd, target, confidence)


def confidence_at_looks(confidence: float) -> float:
    """Confidence to estimate and judge with where blocks stop at a look, so that intervals cover as `confidence` says.

    Stopping on the width prefers blocks that happen to look alike: in simulation (benchmarks/simulate.py) intervals of
    95 % then cover 92.5 % to 95.5 %, and with seven tenths of alpha, 96.5 %, they cover 94.5 % to 97 %.
    """
    return 1 - 0.7 * (1 - confidence)


def confidence_where_deciding(confidence: float) -> float:
    """Confidence to estimate and judge with where blocks stop as soon as an interval lies on one side of a boundary.

    That prefers blocks that happen to lie there.  With the truth on the boundary, in simulation
    (benchmarks/simulate.py), intervals of 95 % come to lie on one side of it, at any of the looks, 18 % of the time,
    and with a fifth of alpha, 99 %, they do so 4 % to 5 % of the time.
    """
    return 1 - 0.2 * (1 - confidence)


def level(plan: Plan) -> float:
    """Confidence to compute with, so that intervals and verdicts of a run of this plan hold at `CONFIDENCE`."""
    if plan.questions:
        return confidence_where_deciding(CONFIDENCE)
    return CONFIDENCE if plan.target is None else confidence_at_looks(CONFIDENCE)


def first_look(measure: Measure) -> int:
    """The block count of the first look."""
    return MEMORY_LOOK if measure is Measure.MEMORY else LOOKS[0]


def next_look(blocks: int, cap: int = LOOKS[-1], first: int = LOOKS[0]) -> int | None:
    """The block count of the next look after `blocks`; the last one is at `cap`.  None where that is reached."""
    if blocks >= cap:
        return None
    return min(next((look for look in (first, *LOOKS) if look > blocks), cap), cap)


def enough(half_width: float, target: float) -> bool:
    """Whether an interval is as narrow as asked.  A width of nan (one block) never is.  The p-value has no say."""
    return half_width <= target
