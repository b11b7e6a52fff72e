"""What blocks say about an effect: estimate, interval, verdict.

Blocks are independent of each other and values inside a block are not, so everything here counts blocks.  A block's
estimate is the median of its pairs' log ratios (`block_estimate`).  Over blocks the effect is the Hodges-Lehmann
estimate with the interval of Wilcoxon's signed-rank test (`harness.ranks`), which is exact for every distribution that
is symmetric about the effect.  Under "no effect" that is not assumed but made: who goes first is drawn at random.
Against mean and t (benchmarks/simulate.py): the same coverage, 2 % wider on normal data, and with 32 blocks 30 %
narrower where one block in ten is disturbed.

All effects are time ratios, candidate over baseline: above 1 the candidate is slower.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

from harness.ranks import Array, hodges_lehmann, rank_sum, signed_rank, t_quantile

Series = Sequence[float] | Array


@dataclass(frozen=True, slots=True)
class Effect:
    """A time ratio, candidate over baseline, with its interval."""

    ratio: float
    low: float
    high: float
    """Ends of the interval on the ratio's scale; nan with fewer than two blocks."""
    n: int
    """Blocks; for a suite those of the case with the fewest."""
    sd: float
    """Standard deviation of the blocks' log ratios; nan with fewer than two blocks."""
    p: float
    """Two-sided, against a ratio of 1; below 1 - confidence exactly where the interval excludes 1."""
    logs: tuple[float, ...] = ()
    """The blocks' log ratios; empty where the effect was not estimated from one series of blocks."""
    sides: tuple[tuple[float, ...], ...] = ()
    """Of two series that were not measured together the logs of each, baseline first; empty of all other effects."""

    @property
    def log(self) -> float:
        """Natural logarithm of the ratio."""
        return math.log(self.ratio)

    @property
    def half_width(self) -> float:
        """Half the interval's width, relative: 0.02 is ±2 %."""
        return _half_width(self.low, self.high)

    @property
    def change(self) -> float:
        """Relative change: 0.02 is 2 % slower."""
        return self.ratio - 1

    @property
    def size(self) -> float:
        """Relative change without its sign: 0.02 is 2 % slower, or that the baseline is 2 % slower."""
        return math.expm1(abs(self.log))


class Verdict(StrEnum):
    """What a run says of a case."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"

    @property
    def is_different(self) -> bool:
        """Whether a difference is known."""
        return self in (Verdict.FASTER, Verdict.SLOWER)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one case, corrected for the number of cases that were looked at."""

    verdict: Verdict
    effect: Effect
    """As estimated from this case alone."""
    low: float
    high: float
    """The corrected interval, on the ratio's scale."""
    mde: float
    """Minimum detectable effect at the corrected level and 80 % power, a relative change; nan where unknown."""


# -- one case ----------------------------------------------------------------------------------------------------------


def pair_logs(a: Series, b: Series) -> Array:
    """Log ratio of candidate `b` to baseline `a`, value by value.

    Raises:
        ValueError: not the same number of values on both sides.
    """
    if len(a) != len(b):
        raise ValueError(f"a block pairs values: {len(a)} against {len(b)}")
    return np.asarray(np.log(np.asarray(b, float)) - np.log(np.asarray(a, float)), float)


def round_logs(alone: Series, together: Series, cpus: int) -> Array:
    """Log of how many times the work that threads get done together exceeds that of one of them, round by round.

    Both are times per piece of work in windows that follow one another, window k of `alone` on CPU k modulo `cpus`.  A
    round is as many windows as CPUs: rates add up, so the rates of a round are averaged, not its times, and a CPU that
    is slow for a while counts on both sides.

    Raises:
        ValueError: not the same number of values on both sides, or no whole round.
    """
    if len(alone) != len(together):
        raise ValueError(f"a round pairs windows: {len(alone)} against {len(together)}")
    rounds = len(alone) // cpus
    if not rounds:
        raise ValueError(f"{len(alone)} windows are no round over {cpus} CPUs")
    rates = 1 / np.asarray((alone, together), float)[:, : rounds * cpus].reshape(2, rounds, cpus)
    return np.asarray(np.log(rates[1].mean(axis=1)) - np.log(rates[0].mean(axis=1)), float)


def block_estimate(logs: Series) -> float:
    """What a block says, from the log ratios of its pairs or rounds: their median.

    The median, because a change of the machine's speed inside the block spoils the pair that it falls into.

    Raises:
        ValueError: no log ratios.
    """
    if not len(logs):
        raise ValueError("a block without values")
    return statistics.median(map(float, logs))  # numpy takes ten times as long for a few values


def block_effect(a: Series, b: Series) -> float:
    """Estimate of one block of paired values: `block_estimate` of their `pair_logs`, and their errors."""
    return block_estimate(pair_logs(a, b))


def effect(d: Series, confidence: float = 0.95) -> Effect:
    """Effect from the log ratios `d` of independent blocks: Hodges-Lehmann estimate and signed-rank interval.

    With one block ends, sd and p are nan.

    Raises:
        ValueError: no blocks.
    """
    logs = np.asarray(d, float)
    if not logs.size:
        raise ValueError("an effect needs at least one block")
    found = signed_rank(logs)
    low, high = found.interval(1 - confidence)
    return Effect(
        ratio=math.exp(found.centre),
        low=math.exp(low),
        high=math.exp(high),
        n=logs.size,
        sd=float(logs.std(ddof=1)) if logs.size > 1 else math.nan,
        p=found.p(),
        logs=tuple(logs.tolist()),
    )


def half_width(d: Series, confidence: float = 0.95) -> float:
    """That of `effect(d, confidence)` without all the rest: stopping asks for it at every look.  nan for one block."""
    low, high = signed_rank(np.asarray(d, float)).interval(1 - confidence)
    return _half_width(math.exp(low), math.exp(high))


def _half_width(low: float, high: float) -> float:
    """Of an interval on the ratio's scale."""
    return math.expm1((math.log(high) - math.log(low)) / 2)


def unpaired(a: Series, b: Series, confidence: float = 0.95) -> Effect:
    """Effect between two series of processes that were not measured together, such as two runs of different days.

    A process counts once, with one log, such as that of its median: its values are not independent.  Between the two
    sets of processes the shift is the median of all differences with the interval of the Wilcoxon-Mann-Whitney rank-sum
    test, as exact for equal shapes as the signed-rank interval is for pairs.  Resampling processes and then values
    (Kalibera & Jones 2013) covers 93 % to 99 % in simulation (benchmarks/simulate.py), depending on where the variance
    lies.  No interval knows what else changed between two days.

    Args:
        a, b: one log per process.

    Raises:
        ValueError: a side without processes.
    """
    left, right = np.asarray(a, float), np.asarray(b, float)
    if not (left.size and right.size):
        raise ValueError("an unpaired comparison needs processes on both sides")
    fewest = min(left.size, right.size)
    found = rank_sum(left, right)
    low, high = found.interval(1 - confidence)
    return Effect(
        ratio=math.exp(found.centre),
        low=math.exp(low),
        high=math.exp(high),
        n=fewest,
        sd=found.error * math.sqrt(fewest),
        p=found.p(),
        sides=(tuple(left.tolist()), tuple(right.tolist())),
    )


def unpaired_mean(effects: Sequence[Effect], confidence: float = 0.95) -> Effect:
    """Geometric mean of unpaired effects, all of equal weight and measured independently of one another.

    A t interval with Welch and Satterthwaite's degrees of freedom, from each effect's own standard error.

    Raises:
        ValueError: no effects.
    """
    if not effects:
        raise ValueError("a mean needs effects")
    if len(effects) == 1:
        return effects[0]
    centre = math.fsum(one.log for one in effects) / len(effects)
    fewest = min(one.n for one in effects)
    if fewest < 2:
        return Effect(math.exp(centre), math.nan, math.nan, fewest, math.nan, math.nan)
    variances = [(one.sd / len(effects)) ** 2 / one.n for one in effects]
    variance = math.fsum(variances)
    if not variance:
        return Effect(math.exp(centre), math.exp(centre), math.exp(centre), fewest, 0.0, float(centre == 0))
    df = variance**2 / math.fsum(v**2 / (one.n - 1) for v, one in zip(variances, effects, strict=True))
    error = math.sqrt(variance)
    reach = t_quantile((1 - confidence) / 2, df) * error
    return Effect(
        ratio=math.exp(centre),
        low=math.exp(centre - reach),
        high=math.exp(centre + reach),
        n=fewest,
        sd=error * math.sqrt(fewest),
        p=2 * float(stats.t.sf(abs(centre) / error, df)),
    )


def share_interval(found: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a share that was seen `found` times in `of` independent trials (Clopper & Pearson 1934).

    Raises:
        ValueError: no trials, or more found than there were.
    """
    if of < 1:
        raise ValueError("a share needs at least one trial")
    low, high = stats.binomtest(found, of).proportion_ci(confidence, method="exact")
    return float(low), float(high)


def minimum_detectable(sd: float, n: int, power: float = 0.8, confidence: float = 0.95) -> float:
    """Smallest relative change that `n` blocks with standard deviation `sd` find with probability `power`.

    The paired t approximation, exp((t_{1-alpha/2} + t_{power}) sd / sqrt(n)) - 1 with n - 1 degrees of freedom; nan
    with fewer than two blocks.
    """
    if n < 2:
        return math.nan
    quantiles = t_quantile((1 - confidence) / 2, n - 1) + t_quantile(1 - power, n - 1)
    return math.expm1(quantiles * sd / math.sqrt(n))


# -- the cases of a run ------------------------------------------------------------------------------------------------


def judge(
    effects: Sequence[Effect],
    *,
    margin: float,
    noise_floors: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> list[Judgement]:
    """Verdicts on all cases of a run together.

    Of m cases Benjamini and Hochberg's procedure (1995) finds R different from 1, so that at most the share
    1 - confidence of the findings is expected to be false.  The corrected intervals have the level that belongs to it,
    1 - R (1 - confidence) / m with R at least 1 (Benjamini & Yekutieli 2005): they exclude 1 for these R cases only.

    faster, slower
        the corrected interval excludes 1, and the effect exceeds the case's noise floor.
    same
        otherwise, where two one-sided tests at 1 - confidence each (Schuirmann 1987) put the ratio inside
        [1 / (1 + margin), 1 + margin].  Each such verdict is wrong with probability 1 - confidence at most.
    undecided
        otherwise.

    Args:
        effects: one per case, estimated at `confidence`.
        margin: relative change that does not matter; 0.01 is 1 %.
        noise_floors: per case, the relative change that this host shows between a build and itself.

    Raises:
        ValueError: not one noise floor per case.
    """
    floors = [0.0] * len(effects) if noise_floors is None else noise_floors
    if len(floors) != len(effects):
        raise ValueError(f"{len(effects)} effects with {len(floors)} noise floors")
    alpha = 1 - confidence
    corrected = alpha * share_found([e.p for e in effects if not math.isnan(e.p)], alpha)
    return [_judge_one(e, corrected, alpha, margin, floor) for e, floor in zip(effects, floors, strict=True)]


def share_found(p: Sequence[float], alpha: float) -> float:
    """R / m of Benjamini and Hochberg, with R at least 1."""
    if not p:
        return 1.0
    return max(1, int(np.sum(stats.false_discovery_control(p) <= alpha))) / len(p)


def _judge_one(found: Effect, corrected: float, alpha: float, margin: float, floor: float) -> Judgement:
    low, high = _interval_at(found, corrected, alpha)
    bound = math.log1p(margin)
    if (low > 0 or high < 0) and abs(found.log) > math.log1p(floor):
        verdict = Verdict.SLOWER if found.log > 0 else Verdict.FASTER
    elif -bound < low and high < bound:  # stricter than two one-sided tests: what is shown is what is meant
        verdict = Verdict.SAME
    else:
        verdict = Verdict.UNDECIDED
    # The interval's own width instead of sd: one disturbed block widens sd far more than what can be detected.
    mde = math.nan
    if found.n > 1:
        df = found.n - 1
        mde = math.expm1((high - low) / 2 * (1 + t_quantile(0.2, df) / t_quantile(corrected / 2, df)))
    return Judgement(verdict, found, math.exp(low), math.exp(high), max(mde, floor))


def _interval_at(found: Effect, alpha: float, estimated: float) -> tuple[float, float]:
    """Log interval at another level; where there are no blocks to ask, the ends move as those of a t interval do."""
    if found.n < 2:
        return math.nan, math.nan
    if found.logs:
        return signed_rank(np.asarray(found.logs)).interval(alpha)
    if found.sides:
        return rank_sum(*map(np.asarray, found.sides)).interval(alpha)
    stretch = t_quantile(alpha / 2, found.n - 1) / t_quantile(estimated / 2, found.n - 1)
    centre = found.log
    return centre + stretch * (math.log(found.low) - centre), centre + stretch * (math.log(found.high) - centre)


def geometric_mean(effects_by_case: Sequence[Series], confidence: float = 0.95) -> Effect:
    """Effect on a suite: exp of the mean of the cases' centres (Hodges-Lehmann), all cases of equal weight.

    The interval leaves out blocks jointly (the jackknife): a block index goes from all cases that have as many blocks,
    so that what disturbed them together counts as one disturbance; cases with other counts are left out in their own
    turn.  The standard error makes a t interval with Welch and Satterthwaite's degrees of freedom.  Resampling with
    replacement covered up to 99.9 % where blocks are disturbed, in twice the width: it repeats disturbed blocks.

    Args:
        effects_by_case: per case, the blocks' log ratios.

    Raises:
        ValueError: no cases, or a case without blocks.
    """
    cases = [np.asarray(case, float) for case in effects_by_case]
    if not cases or not all(case.size for case in cases):
        raise ValueError("a suite needs cases, and every case blocks")
    if len(cases) == 1:
        return effect(effects_by_case[0], confidence)
    centre = float(np.mean([hodges_lehmann(case[None]) for case in cases]))
    fewest = min(case.size for case in cases)
    if fewest < 2:
        return Effect(math.exp(centre), math.nan, math.nan, fewest, math.nan, math.nan)
    variances: list[tuple[float, int]] = []
    for n in {case.size for case in cases}:
        without = [hodges_lehmann(_leave_one_out(case)) for case in cases if case.size == n]
        means = np.sum(without, axis=0) / len(cases)
        variances.append((float(means.var()) * (n - 1), n - 1))
    variance = sum(v for v, _ in variances)
    if not variance:
        return Effect(math.exp(centre), math.exp(centre), math.exp(centre), fewest, 0.0, float(centre == 0))
    df = variance**2 / sum(v**2 / own for v, own in variances)
    error = math.sqrt(variance)
    reach = t_quantile((1 - confidence) / 2, df) * error
    return Effect(
        ratio=math.exp(centre),
        low=math.exp(centre - reach),
        high=math.exp(centre + reach),
        n=fewest,
        sd=error * math.sqrt(fewest),
        p=2 * float(stats.t.sf(abs(centre) / error, df)),
    )


def _leave_one_out(d: Array) -> Array:
    """One row per block: all the others."""
    return np.broadcast_to(d, (d.size, d.size))[~np.eye(d.size, dtype=bool)].reshape(d.size, d.size - 1)
