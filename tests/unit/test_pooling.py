"""Hosts together: against a published meta-analysis, and against simulated hosts whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.pooling import pooled

TRIALS = (
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
)  # fmt: skip
"""BCG against tuberculosis (Colditz and others, 1994): ill and well among the vaccinated, ill and well among others."""


def bcg() -> tuple[list[float], list[float]]:
    logs = [math.log(a / (a + b) / (c / (c + d))) for a, b, c, d in TRIALS]
    return logs, [1 / a - 1 / (a + b) + 1 / c - 1 / (c + d) for a, b, c, d in TRIALS]


def test_a_published_meta_analysis() -> None:
    """Viechtbauer, Conducting meta-analyses in R (2010), on the same data: 0.318 after Paule and Mandel."""
    found = pooled(*bcg())
    assert found.n == 13
    assert found.tau**2 == pytest.approx(0.318, abs=5e-4)
    assert found.mean == pytest.approx(-0.715, abs=2e-3)
    assert (found.low, found.high) == pytest.approx((-1.109, -0.321), abs=5e-3)


def test_hosts_that_agree_have_no_variance_between_them_and_keep_their_own_noise() -> None:
    found = pooled([0.1, 0.1, 0.1], [0.01, 0.01, 0.01])
    assert found.tau == 0
    assert found.mean == pytest.approx(0.1)
    assert found.high - found.mean == pytest.approx(4.3027 * 0.1 / math.sqrt(3), rel=1e-4)


def test_two_hosts_tell_nothing_of_a_third() -> None:
    assert all(map(math.isnan, pooled([0.1, 0.2], [1e-4, 1e-4]).expected))


@pytest.mark.parametrize(("logs", "variances"), [([0.1], [0.1]), ([0.1, 0.2], [0.1, 0.0]), ([0.1, 0.2], [0.1])])
def test_what_cannot_be_pooled(logs: list[float], variances: list[float]) -> None:
    with pytest.raises(ValueError, match="two hosts"):
        pooled(logs, variances)


@pytest.mark.parametrize("tau", [0.0, 0.05])
@pytest.mark.parametrize("hosts", [3, 8])
def test_intervals_hold_what_they_promise(tau: float, hosts: int) -> None:
    rng = np.random.default_rng(11)
    runs, inside, expected = 600, 0, 0
    for _ in range(runs):
        variances = rng.uniform(0.0002, 0.002, hosts)
        truths = rng.normal(0.1, tau, hosts + 1)
        found = pooled(list(rng.normal(truths[:-1], np.sqrt(variances))), list(variances))
        inside += found.low <= 0.1 <= found.high
        expected += found.expected[0] <= truths[-1] <= found.expected[1]
    assert inside / runs > 0.93
    assert expected / runs > 0.91
