"""Steps in the history of a case: between which runs its effect changed, and how sure that is.

The estimates of a case from one run to the next are normal about a level, with the variances that their intervals tell
up to a common factor: runs differ by more than their blocks do.  The likelihood ratio of one step against none (Worsley
1979) is the largest, over all places where it could be, of the squared difference of the weighted means on both sides
over the variance that is left.  Series that are normal and have no step give it the same distribution whatever their
level and factor are: drawing some tells how often chance does as well.  Where there is a step, both sides are searched
again (Scott & Knott 1974).

A step has two runs on each side at least: one run that is off is an outlier, and is not called a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.ranks import Array
from harness.stats import share_found

SIDE = 2
"""Fewest estimates on each side of a step."""
FEWEST = 2 * SIDE
"""Shorter series have no steps that could be found."""

RATE = 0.05
"""Share of series with a step that is expected to have none."""

_ENOUGH = 20
"""Draws that do as well as the series; more would only say more exactly how ordinary it is (Besag & Clifford 1991)."""
_CHUNK = 500
_SEED = 20_140


@dataclass(frozen=True, slots=True)
class Trend:
    """Estimates of one quantity in the order of time."""

    logs: tuple[float, ...]
    errors: tuple[float, ...]
    """Standard errors of the logs, as their intervals tell them, above 0."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change of level."""

    at: int
    """Index of the first estimate behind it."""
    before: float
    after: float
    """Levels of the stretches beside it: weighted means of logs."""
    p: float
    """How often chance does as well at the best place of the stretch that was searched."""

    @property
    def ratio(self) -> float:
        """What an effect was multiplied by."""
        return math.exp(self.after - self.before)


def find(trends: Sequence[Trend], rate: float = RATE) -> list[tuple[Step, ...]]:
    """The steps of each trend, in the order of time.

    All trends are judged together: Benjamini and Hochberg's procedure (1995) keeps the share of those that are said to
    have a step, and have none, at `rate`.  Further steps of a trend are searched at the level that results.

    Raises:
        ValueError: not one error above 0 per estimate.
    """
    draws = max(2_000, math.ceil(10 * len(trends) / rate))
    whole = [_Stretch.of(trend) for trend in trends]
    found = [stretch.best(draws) for stretch in whole]
    level = rate * share_found([p for _, p in found if not math.isnan(p)], rate)
    steps = []
    for stretch in whole:
        places = sorted(_search(stretch, draws, level))
        ends = [stretch.start, *(at for at, _ in places), stretch.stop]
        levels = [stretch.part(low, high).level for low, high in pairwise(ends)] if places else []
        beside = zip(places, pairwise(levels), strict=True)
        steps.append(tuple(Step(at, before, after, p) for (at, p), (before, after) in beside))
    return steps


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Estimates from `start` to before `stop` of a trend."""

    logs: Array
    variances: Array
    start: int
    stop: int

    @classmethod
    def of(cls, trend: Trend) -> _Stretch:
        """Each variance is averaged with the median of all: a run can have a narrow interval by chance."""
        logs, errors = np.asarray(trend.logs, float), np.asarray(trend.errors, float)
        if logs.shape != errors.shape or not (errors > 0).all():
            raise ValueError("a trend needs an error above 0 for every estimate")
        variances = errors**2
        return cls(logs, (variances + np.median(variances)) / 2 if variances.size else variances, 0, logs.size)

    def part(self, start: int, stop: int) -> _Stretch:
        return _Stretch(self.logs, self.variances, start, stop)

    @property
    def level(self) -> float:
        here = slice(self.start, self.stop)
        return float(np.average(self.logs[here], weights=1 / self.variances[here]))

    def best(self, draws: int) -> tuple[int, float]:
        """The likeliest place of a step, and how often chance does as well; nan where nothing can be found."""
        if self.stop - self.start < FEWEST:
            return self.start, math.nan
        logs, variances = self.logs[self.start : self.stop], self.variances[self.start : self.stop]
        gains, left = _scan(logs[None], variances)
        at = int(gains[0].argmax())
        observed = float(gains[0, at] / max(left[0, at], 1.0))  # never surer than the intervals are by themselves
        rng = np.random.default_rng(_SEED)
        drawn = as_well = 0
        while drawn < draws and as_well < _ENOUGH:
            gains, left = _scan(rng.normal(size=(_CHUNK, logs.size)) * np.sqrt(variances), variances)
            as_well += int(((gains / left).max(axis=1) >= observed).sum())
            drawn += _CHUNK
        return self.start + SIDE + at, (as_well + 1) / (drawn + 1)


def _search(stretch: _Stretch, draws: int, level: float) -> Iterator[tuple[int, float]]:
    at, p = stretch.best(draws)
    if p <= level:
        yield at, p
        yield from _search(stretch.part(stretch.start, at), draws, level)
        yield from _search(stretch.part(at, stretch.stop), draws, level)


def _scan(logs: Array, variances: Array) -> tuple[Array, Array]:
    """Of series of shape (series, n) and for every place of a step, shape (series, n - 2 SIDE + 1).

    Returns what the step explains of the weighted sum of squares about the mean, and the mean square that it leaves.
    """
    weights = 1 / variances
    total, n = weights.sum(), logs.shape[1]
    centred = logs - (logs @ weights / total)[:, None]
    inner = slice(SIDE - 1, n - SIDE)
    under = np.cumsum(weights)[inner]
    sums = np.cumsum(centred * weights, axis=1)[:, inner]
    gains = sums**2 * total / (under * (total - under))
    left = ((centred**2) @ weights)[:, None] - gains
    return gains, np.maximum(left, 1e-300) / max(1, n - 2)
