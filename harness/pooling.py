"""What several hosts say of one case together: a random-effects summary of their log ratios.

Seconds of two machines have nothing in common; their ratios may, and how much they differ between hosts is an answer
itself.  Between-host variance after Paule and Mandel (1982), the interval of the mean after Hartung and Knapp (2001),
the interval of the next host's ratio after Higgins, Thompson and Spiegelhalter (2009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import optimize, stats

from harness.ranks import t_quantile


@dataclass(frozen=True, slots=True)
class Pooled:
    """The mean of hosts' log ratios, all figures on the scale of logs."""

    mean: float
    low: float
    high: float
    """Ends of its interval."""
    error: float
    """Of the mean, a standard error."""
    p: float
    """Two-sided, against a ratio of 1."""
    tau: float
    """Standard deviation between hosts: what is left of their differences when each one's own noise is taken away."""
    expected: tuple[float, float]
    """Where another host of the kind would lie; nan with two hosts."""
    n: int
    """Hosts."""


def pooled(logs: Sequence[float], variances: Sequence[float], confidence: float = 0.95) -> Pooled:
    """A summary of estimates that are independent.

    Args:
        logs: one per host, at least two.
        variances: of these estimates, each above 0.

    Raises:
        ValueError: fewer than two hosts, or a variance that is not above 0.
    """
    if len(logs) < 2 or len(logs) != len(variances) or not all(one > 0 for one in variances):
        raise ValueError("it takes two hosts, each with a variance above 0")
    between = _between(logs, variances)
    weights = [1 / (one + between) for one in variances]
    whole, n = math.fsum(weights), len(logs)
    mean = _mean(logs, weights)
    spread = math.fsum(weight * (log - mean) ** 2 for log, weight in zip(logs, weights, strict=True))
    # Hosts that agree better than their noise allows would make it narrower than that noise.
    error = math.sqrt(max(1.0, spread / (n - 1)) / whole)
    reach = t_quantile((1 - confidence) / 2, n - 1) * error
    away = t_quantile((1 - confidence) / 2, n - 2) * math.hypot(math.sqrt(between), error) if n > 2 else math.nan
    return Pooled(
        mean=mean,
        low=mean - reach,
        high=mean + reach,
        error=error,
        p=2 * float(stats.t.sf(abs(mean) / error, n - 1)),
        tau=math.sqrt(between),
        expected=(mean - away, mean + away),
        n=n,
    )


def _between(logs: Sequence[float], variances: Sequence[float]) -> float:
    """The variance that makes the weighted squares what they are expected to be: one for each degree of freedom."""

    def excess(between: float) -> float:
        weights = [1 / (one + between) for one in variances]
        mean = _mean(logs, weights)
        squares = math.fsum(weight * (log - mean) ** 2 for log, weight in zip(logs, weights, strict=True))
        return squares - (len(logs) - 1)

    if excess(0.0) <= 0:
        return 0.0
    most = math.fsum((log - logs[0]) ** 2 for log in logs)
    while excess(most) > 0:
        most *= 2
    return float(optimize.brentq(excess, 0.0, most, xtol=1e-15))


def _mean(logs: Sequence[float], weights: Sequence[float]) -> float:
    return math.fsum(weight * log for log, weight in zip(logs, weights, strict=True)) / math.fsum(weights)
