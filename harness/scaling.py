"""Scaling laws: what speedups on several worker counts say together.

S(n) is the speedup of n workers over one:

    Amdahl (1967)   S(n) = n / (1 + sigma (n - 1))
    Gunther (2007)  S(n) = n / (1 + sigma (n - 1) + kappa n (n - 1))

Sigma is the share of the work that workers do not share: the serial fraction, or contention.  Kappa is coherency: what
every pair of workers costs.  With a kappa of 0 the second law is the first.

The point at each worker count is what reports show: the Hodges-Lehmann estimate over blocks.  The curve is the one of
least squared log residuals with sigma in [0, 1] and kappa >= 0.  Blocks are independent of each other, and the speedups
inside a block are not, since all of them rest on the same values of one worker: intervals resample whole blocks.  How
often they cover stands in docs/method.md (benchmarks/laws.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from harness.ranks import Array, signed_rank
from harness.stats import Series

Counts = npt.NDArray[np.int32]

LEAST_BLOCKS = 6
"""Blocks that a worker count needs to count: of fewer, resampling sees too little of how much blocks differ."""

_RESAMPLES = 4_000
_SEED = 1967
_FINEST = 1e-6
"""Standard error below which points count alike: no speedup is known better, whatever its blocks say."""
_STEPS, _FULL_STEPS = 200, 20
_ARRIVED = 1e-12
"""Change of a parameter below which a fit has arrived."""


class Law(StrEnum):
    """How speedup depends on workers."""

    AMDAHL = "Amdahl’s law"
    USL = "Universal Scalability Law"

    @property
    def parameters(self) -> int:
        return 1 if self is Law.AMDAHL else 2

    @property
    def least_counts(self) -> int:
        """Worker counts above 1 that a fit needs: one more than it has parameters, or nothing could contradict it."""
        return self.parameters + 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured with so many workers, and what the law says of it."""

    workers: int
    blocks: int
    speedup: Estimate
    """As measured, with the interval of these blocks alone (Wilcoxon's signed ranks)."""
    fitted: float
    """The law's speedup."""

    @property
    def residual(self) -> float:
        """Log of the measured speedup over the law's: above 0 more was measured than the law says."""
        return math.log(self.speedup.value / self.fitted)

    @property
    def leaves(self) -> bool:
        """Whether the point's own interval excludes the curve.

        By chance that happens less often than the interval's level says: the curve was drawn through this point too.
        """
        return not self.speedup.low <= self.fitted <= self.speedup.high


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A law that was fitted to speedups of one build on one workload."""

    law: Law
    sigma: Estimate
    """Share of the work, 0 to 1, that workers do not share."""
    kappa: Estimate
    """Cost of every pair of workers, as a share of the work; exactly 0 in Amdahl's law."""
    points: tuple[Point, ...]
    """In the order of their worker counts."""
    _tail: float = field(repr=False)
    """Share of resamples beyond each end of an interval."""
    _resampled: Array = field(repr=False)
    """Sigma and kappa of every resample, (resamples, 2), not held to their bounds."""

    @property
    def most(self) -> int:
        """The most workers that the fit rests on."""
        return self.points[-1].workers

    @property
    def best(self) -> Estimate | None:
        """Workers at which the law's speedup is highest, sqrt((1 - sigma) / kappa), from 1; not rounded.

        None where more workers help without end, as far as is known: kappa's interval reaches 0, and sigma is not 1.
        """
        value, *resampled = _best(self._parameters)
        best = _estimate(value, np.array(resampled), self._tail)
        return best if math.isfinite(best.high) else None

    def speedup(self, workers: float) -> Estimate:
        """The law's speedup of so many workers, 1 or more; the interval is that of the curve, not of a measurement.

        Beyond the counts that were measured it is an extrapolation: the interval holds where the law does.
        """
        value, *resampled = _speedups(self._parameters, np.array([workers], float))[:, 0]
        return _estimate(value, np.array(resampled), self._tail)

    @property
    def _parameters(self) -> Array:
        """Those of the fit, and below them those of every resample."""
        return np.vstack([(self.sigma.value, self.kappa.value), self._resampled])


@dataclass(frozen=True, slots=True)
class Unfitted:
    """A law that was not fitted, because too few worker counts were measured."""

    law: Law
    counts: tuple[int, ...]
    """Those above 1 that have `LEAST_BLOCKS` blocks: fewer than `law.least_counts`."""


def fit(law: Law, logs: Mapping[int, Series], confidence: float = 0.95) -> Fit | Unfitted:
    """Fit a law to log speedups over one worker, paired within blocks.

    Intervals are percentiles over jointly resampled blocks, at Hesterberg's expanded levels (2015), which reach as far
    as Student's t does where blocks are few.  A resample moves the parameters by one step of Gauss and Newton's method
    from the fit, and may move them past their bounds, at which only the interval is cut.  Where the truth lies on a
    bound, as a kappa of 0 does, percentiles of parameters that are held to it are wrong (Andrews 2000), in simulation
    too narrow.  The same blocks always give the same fit.

    Args:
        logs: per worker count above 1 the log speedup of every block, in one order of blocks; nan where a block has
            none.  Counts with fewer than `LEAST_BLOCKS` blocks do not count.

    Raises:
        ValueError: a worker count below 2, or not the same number of blocks for all counts.
    """
    if any(count < 2 for count in logs):
        raise ValueError(f"a speedup over one worker needs two or more, not {min(logs)}")
    if len({len(series) for series in logs.values()}) > 1:
        raise ValueError(f"worker counts of {' and '.join(str(len(series)) for series in logs.values())} blocks")
    measured = {count: np.asarray(series, float) for count, series in sorted(logs.items())}
    known = {count: series[~np.isnan(series)] for count, series in measured.items()}
    counts = tuple(count for count, series in known.items() if series.size >= LEAST_BLOCKS)
    if len(counts) < law.least_counts:
        return Unfitted(law, counts)
    workers = np.array(counts, float)
    centre, *resampled = _centres(np.stack([measured[count] for count in counts]))
    weights = _weights(np.array(resampled))
    found = _least_squares(law, workers, centre, weights)
    moved = _moved(law, workers, np.array(resampled), weights, found)
    tail = _expanded((1 - confidence) / 2, min(known[count].size for count in counts))
    fitted = _speedups(found[None], workers)[0]
    return Fit(
        law=law,
        sigma=_estimate(found[0], np.clip(moved[:, 0], 0, 1), tail),
        kappa=_estimate(found[1], np.maximum(moved[:, 1], 0), tail),
        points=tuple(_point(count, known[count], said, confidence) for count, said in zip(counts, fitted, strict=True)),
        _tail=tail,
        _resampled=moved,
    )


def _point(workers: int, logs: Array, fitted: float, confidence: float) -> Point:
    found = signed_rank(logs)
    low, high = found.interval(1 - confidence)
    return Point(workers, logs.size, Estimate(math.exp(found.centre), math.exp(low), math.exp(high)), float(fitted))


# -- the laws ----------------------------------------------------------------------------------------------------------


def _shares(workers: Array) -> Array:
    """What sigma and kappa are multiplied with, (counts, 2)."""
    return np.stack([workers - 1, workers * (workers - 1)], axis=-1)


def _speedups(parameters: Array, workers: Array) -> Array:
    """S(n) for every row of sigma and kappa, (rows, counts); never more than n."""
    return np.asarray(workers / np.maximum(1, 1 + parameters @ _shares(workers).T), float)


def _best(parameters: Array) -> Array:
    """Workers of the highest speedup for every row of sigma and kappa; infinite where kappa does not end its growth."""
    sigma, kappa = parameters.T
    best = np.where(sigma < 1, np.inf, 1.0)
    ends = (sigma < 1) & (kappa > 0)
    best[ends] = np.sqrt((1 - sigma[ends]) / kappa[ends])
    return np.maximum(1, best)


# -- least squares -----------------------------------------------------------------------------------------------------


def _weights(resampled: Array) -> Array:
    """What the residual of each point is multiplied with: the inverse of its standard error, up to a factor.

    A variance is averaged with the median of all: few blocks can agree by chance, and one point must not decide alone.
    """
    variances = np.maximum(np.var(resampled, axis=0), _FINEST**2)
    return np.asarray(np.sqrt(variances.min() / (variances + np.median(variances))), float)


def _least_squares(law: Law, workers: Array, logs: Array, weights: Array) -> Array:
    """Sigma and kappa of the least squares of weighted log residuals, within their bounds.

    Gauss and Newton's method: each step is a bounded linear problem, whose answer can lie on a bound and not only near
    it.
    """
    bounds = [0.0, 0.0][: law.parameters], [1.0, np.inf][: law.parameters]
    shares, aim = _shares(workers)[:, : law.parameters], np.log(workers) - logs
    cost, found = np.exp(aim), np.full(law.parameters, np.inf)  # n / S, at first as measured
    for step in range(_STEPS):
        before = found
        slopes, rest = shares / cost[:, None], aim - np.log(cost) + 1 - 1 / cost
        found = optimize.lsq_linear(weights[:, None] * slopes, weights * rest, bounds, method="bvls", tol=1e-15).x
        if np.abs(found - before).max() < _ARRIVED:
            break
        if step >= _FULL_STEPS:  # where no curve comes near the points, full steps can go back and forth for ever
            found = (before + found) / 2
        cost = 1 + shares @ found
    return np.asarray(np.pad(found, (0, 2 - law.parameters)), float)


def _moved(law: Law, workers: Array, logs: Array, weights: Array, found: Array) -> Array:
    """Sigma and kappa for every row of log speedups, (rows, 2), by one unbounded step from those that were found."""
    shares, found = _shares(workers)[:, : law.parameters], found[: law.parameters]
    cost = 1 + shares @ found
    step = np.linalg.pinv(weights[:, None] * shares / cost[:, None])
    moved = found + weights * (np.log(workers) - logs - np.log(cost)) @ step.T
    return np.asarray(np.pad(moved, ((0, 0), (0, 2 - law.parameters))), float)


# -- resampling --------------------------------------------------------------------------------------------------------


def _centres(blocks: Array) -> Array:
    """Centre of every count, and below it those of jointly resampled blocks, (1 + resamples, counts).

    Resamples that lost all blocks of a count are left out.
    """
    size = blocks.shape[1]
    drawn = np.random.default_rng(_SEED).multinomial(size, np.full(size, 1 / size), _RESAMPLES)
    times = np.vstack([np.ones(size), drawn]).astype(np.int32)
    times = times[(times @ ~np.isnan(blocks).T > 0).all(axis=1)]
    return np.stack([_repeated(series, times.T) for series in blocks], axis=1)


def _repeated(series: Array, times: Counts) -> Array:
    """Hodges-Lehmann estimates of a series that has block k `times[k]` times, for every column of (blocks, resamples).

    The Walsh averages of a resample are those of the blocks themselves, each as often as its two blocks can be paired.
    """
    known = ~np.isnan(series)
    values, times = series[known], times[known]
    i, j = np.triu_indices(values.size)
    walsh = (values[i] + values[j]) / 2
    order = np.argsort(walsh)
    walsh, i, j = walsh[order], i[order], j[order]
    pairs, itself = times[i] * times[j], i == j
    pairs[itself] = (pairs[itself] + times[i[itself]]) // 2
    upto = np.cumsum(pairs, axis=0, dtype=np.int32)
    total = upto[-1]
    low, high = (np.count_nonzero(upto <= rank, axis=0) for rank in ((total - 1) // 2, total // 2))
    return np.asarray((walsh[low] + walsh[high]) / 2, float)


def _expanded(tail: float, blocks: int) -> float:
    """Share of resamples to leave out at each end so that the ends of a mean lie where Student's t puts them.

    Hesterberg (2015), "What Teachers Should Know About the Bootstrap": resampled means differ by sqrt((n - 1) / n) too
    little, and the normal quantile is smaller than that of t.
    """
    return float(stats.norm.sf(math.sqrt(blocks / (blocks - 1)) * stats.t.isf(tail, blocks - 1)))


def _estimate(value: float, resampled: Array, tail: float) -> Estimate:
    """The interval never excludes its own figure, not even where the data pull it to a bound."""
    # The nearest resample instead of a mean of two, which of infinite ones is none.
    low, high = np.quantile(resampled, (tail, 1 - tail), method="nearest")
    return Estimate(float(value), min(float(value), float(low)), max(float(value), float(high)))
