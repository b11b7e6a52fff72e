"""Rank statistics: centres and intervals that are exact whatever the distribution is, as long as it is symmetric.

The intervals of Wilcoxon's signed-rank test and of the rank-sum test (Hollander, Wolfe & Chicken 2014, sections 3.1-3.3
and 4.1-4.3), interpolated between the levels that the discrete distributions attain.  Ranks of a few values cannot say
more than "all on one side", which n values are by chance with probability 2^(1-n); below that level the interval of
Student's t decides as well, and the wider end counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special, stats

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """A centre and its interval from a rank statistic: the number of `points` above 0."""

    points: Array
    """Means or differences of all pairs, ascending."""
    cdf: Array
    """P(statistic <= k) for k = 0 .. number of points, where the centre is 0."""
    mean: float
    error: float
    df: float
    """The same centre as Student sees it."""

    @property
    def centre(self) -> float:
        return float(np.median(self.points))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Ends that miss the centre with probability `alpha`."""
        points, cdf = self.points, self.cdf
        if math.isnan(self.error):
            return math.nan, math.nan
        if alpha / 2 < cdf[0]:
            reach = t_quantile(alpha / 2, self.df) * self.error
            return min(float(points[0]), self.mean - reach), max(float(points[-1]), self.mean + reach)
        # (points[k], points[-1 - k]) misses with probability 2 cdf[k]; alpha lies between two such levels.
        k = int(np.searchsorted(cdf, alpha / 2, side="right")) - 1
        part = (alpha / 2 - cdf[k]) / (cdf[k + 1] - cdf[k])
        low = points[k] + part * (points[k + 1] - points[k])
        high = points[-1 - k] - part * (points[-1 - k] - points[-2 - k])
        return float(low), float(high)

    def p(self) -> float:
        """The alpha at which an end of the interval is 0."""
        if math.isnan(self.error):
            return math.nan
        if self.centre == 0:
            return 1.0
        points = self.points if self.centre > 0 else -self.points[::-1]
        k = int(np.searchsorted(points, 0, side="right")) - 1
        if k < 0:
            student = 2 * float(stats.t.sf(abs(self.mean) / self.error, self.df)) if self.error else 0.0
            return min(2 * float(self.cdf[0]), student)
        part = -points[k] / (points[k + 1] - points[k])
        return min(1.0, 2 * float(self.cdf[k] + part * (self.cdf[k + 1] - self.cdf[k])))


def signed_rank(d: Array) -> Ranks:
    """One series: Walsh averages (means of all pairs, a value with itself included) and Student's t."""
    error = float(d.std(ddof=1)) / math.sqrt(d.size) if d.size > 1 else math.nan
    return Ranks(np.sort(_walsh(d[None])[0]), _signed_rank_cdf(d.size), float(d.mean()), error, d.size - 1)


def rank_sum(a: Array, b: Array) -> Ranks:
    """Two series: differences of all pairs and Welch's t."""
    error = df = math.nan
    if min(a.size, b.size) > 1:
        u, v = float(a.var(ddof=1)) / a.size, float(b.var(ddof=1)) / b.size
        error = math.sqrt(u + v)
        df = (u + v) ** 2 / (u**2 / (a.size - 1) + v**2 / (b.size - 1)) if error else 1.0
    points = np.sort((b[:, None] - a).ravel())
    return Ranks(points, _rank_sum_cdf(a.size, b.size), float(b.mean() - a.mean()), error, df)


@lru_cache(maxsize=1024)
def t_quantile(tail: float, df: float) -> float:
    """What Student's t exceeds with probability `tail`; scipy.stats checks its arguments for longer than that takes."""
    return -float(special.stdtrit(df, tail))


def hodges_lehmann(rows: Array) -> Array:
    """Centre of each row: the median of its Walsh averages."""
    return np.asarray(np.median(_walsh(rows), axis=1), float)


def _walsh(rows: Array) -> Array:
    i, j = np.triu_indices(rows.shape[1])
    return np.asarray((rows[:, i] + rows[:, j]) / 2, float)


@lru_cache(maxsize=256)
def _signed_rank_cdf(n: int) -> Array:
    """P(W <= k), W the sum of the positive ranks of n values that are symmetric about 0."""
    mass = np.ones(1)
    for rank in range(1, n + 1):
        mass = (np.pad(mass, (0, rank)) + np.pad(mass, (rank, 0))) / 2
    return np.cumsum(mass)


@lru_cache(maxsize=256)
def _rank_sum_cdf(n: int, m: int) -> Array:
    """P(U <= k), U the number of pairs in which the second of two like series has the larger value."""
    # The largest of all n + m values is the second series' with probability m / (n + m), and then wins n pairs.
    column = [np.ones(1)] * (n + 1)
    for j in range(1, m + 1):
        above = [np.ones(1)]
        for i in range(1, n + 1):
            mass = np.zeros(i * j + 1)
            mass[i:] += column[i] * j / (i + j)
            mass[: (i - 1) * j + 1] += above[i - 1] * i / (i + j)
            above.append(mass)
        column = above
    return np.cumsum(column[n])
