"""Scaling laws on speedups whose truth is known, and on published ones."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from harness import ranks, scaling
from harness.scaling import LEAST_BLOCKS, Fit, Law, Unfitted, fit

Logs = dict[int, np.ndarray]


def speedup(workers: float, sigma: float, kappa: float = 0.0) -> float:
    return workers / (1 + sigma * (workers - 1) + kappa * workers * (workers - 1))


def exact(speedups: Mapping[int, float], blocks: int = LEAST_BLOCKS) -> Logs:
    """Blocks without any noise."""
    return {workers: np.full(blocks, math.log(gain)) for workers, gain in speedups.items()}


def noisy(
    rng: np.random.Generator,
    counts: Sequence[int],
    sigma: float,
    kappa: float = 0.0,
    *,
    blocks: int = 8,
    own: float = 0.02,
    shared: float = 0.015,
) -> Logs:
    """Log speedups; the noise of the one worker is shared by all counts of a block."""
    one = rng.normal(0, shared, blocks)
    return {n: math.log(speedup(n, sigma, kappa)) + one + rng.normal(0, own, blocks) for n in counts}


def fitted(law: Law, logs: Logs, confidence: float = 0.95) -> Fit:
    found = fit(law, logs, confidence)
    assert isinstance(found, Fit)
    return found


# -- known answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.0, 0.041, 0.5, 1.0])
def test_amdahls_law_is_found_again(sigma: float) -> None:
    found = fitted(Law.AMDAHL, exact({n: speedup(n, sigma) for n in (2, 4, 8)}))
    assert found.sigma.value == pytest.approx(sigma, abs=1e-12)
    assert (found.kappa.value, found.kappa.high) == (0, 0)
    assert found.best is None
    assert found.speedup(64).value == pytest.approx(speedup(64, sigma))


@pytest.mark.parametrize(("sigma", "kappa"), [(0.04, 0.002), (0.0, 0.01), (0.3, 0.0001), (1.0, 0.05)])
def test_the_universal_law_is_found_again(sigma: float, kappa: float) -> None:
    found = fitted(Law.USL, exact({n: speedup(n, sigma, kappa) for n in (2, 4, 8, 16)}))
    assert (found.sigma.value, found.kappa.value) == pytest.approx((sigma, kappa), abs=1e-12)
    assert found.speedup(32).value == pytest.approx(speedup(32, sigma, kappa))
    assert found.best is not None
    assert found.best.value == pytest.approx(max(1, math.sqrt((1 - sigma) / kappa)), rel=1e-6)
    assert not any(point.leaves for point in found.points if abs(point.residual) > 1e-12)


def test_the_best_number_of_workers_is_where_the_curve_is_highest() -> None:
    found = fitted(Law.USL, exact({n: speedup(n, 0.04, 0.002) for n in (2, 4, 8, 16)}))
    assert found.best is not None
    top = found.speedup(found.best.value).value
    assert top > max(found.speedup(found.best.value + step).value for step in (-1, -0.1, 0.1, 1))


def test_without_coherency_the_universal_law_is_amdahls() -> None:
    logs = noisy(np.random.default_rng(2), (2, 4, 8, 16), 0.05, own=0.005, shared=0.005)
    bent = {n: series + 0.006 * n for n, series in logs.items()}  # kappa would have to be below 0
    one, two = fitted(Law.AMDAHL, bent), fitted(Law.USL, bent)
    assert two.kappa.value == 0
    assert two.sigma.value == pytest.approx(one.sigma.value)
    assert [point.fitted for point in two.points] == pytest.approx([point.fitted for point in one.points])
    assert two.best is None


SPEC_SDM91 = dict(
    zip((1, 18, 36, 72, 108, 144, 216), (64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2), strict=True)
)
"""Scripts per hour of a Sun SPARCcenter 2000 in the SPEC SDM 91 benchmark, by users: the data set `specsdm91` of the R
package usl (Möding), which names Gunther, Guerrilla Capacity Planning (2007), as its source."""


def test_a_published_fit_is_met_within_its_errors() -> None:
    """The README of the package's version 1.8.0: sigma 1.705e-2 (standard error 3.318e-3), kappa 7.892e-5 (2.492e-5), 5
    degrees of freedom.  As in the book, the residuals that it squares are those of n / S, and not those of ln S."""
    found = fitted(Law.USL, exact({n: rate / SPEC_SDM91[1] for n, rate in SPEC_SDM91.items() if n > 1}))
    reach = scipy_stats.t.isf(0.025, 5)
    assert found.sigma.value == pytest.approx(1.705e-2, abs=reach * 3.318e-3)
    assert found.kappa.value == pytest.approx(7.892e-5, abs=reach * 2.492e-5)
    # tests/peak-scalability.R of its version 3, which fits the rate of one user as well.
    assert found.best is not None
    assert found.best.value == pytest.approx(96.51956, rel=0.1)


def test_published_coefficients_are_found_again() -> None:
    """tests/coef.R of the package's version 3: alpha and beta (here sigma and kappa) are 0.02."""
    rates = {2: 1.8868, 4: 3.0769, 6: 3.5294, 8: 3.5398, 10: 3.3557}
    found = fitted(Law.USL, exact(rates))
    assert (found.sigma.value, found.kappa.value) == pytest.approx((0.02, 0.02), rel=0.001)
    assert found.best is not None
    assert found.best.value == pytest.approx(7, rel=0.001)


@pytest.mark.parametrize("seed", range(8))
def test_the_curve_is_scipys(seed: int) -> None:
    """Among curves of a real workload's kind, and among points that no curve comes near."""
    rng = np.random.default_rng(seed)
    workers = np.array([2, 4, 8, 16])

    def curve(n: np.ndarray, sigma: float, kappa: float) -> np.ndarray:
        return np.asarray(np.log(n / (1 + sigma * (n - 1) + kappa * n * (n - 1))))

    points = curve(workers, 0.05, 0.002) if seed < 4 else np.log(workers) * rng.uniform(0, 1.2, 4)
    points = points + rng.normal(0, 0.02, 4)
    found = fitted(Law.USL, {int(n): np.full(6, point) for n, point in zip(workers, points, strict=True)})

    starts = itertools.product((0.01, 0.3, 0.9), (1e-4, 1e-2, 0.3))
    fits = [
        optimize.curve_fit(curve, workers, points, start, bounds=([0, 0], [1, np.inf]), ftol=1e-14, xtol=1e-14)[0]
        for start in starts
    ]
    best = min(fits, key=lambda parameters: np.sum((curve(workers, *parameters) - points) ** 2))
    assert (found.sigma.value, found.kappa.value) == pytest.approx(best, abs=1e-5)


def test_steps_that_would_go_back_and_forth_arrive() -> None:
    """Four points of which no curve comes near the third and best known one."""
    workers, weights = np.array([2.0, 4, 8, 16]), np.array([0.38, 0.37, 0.88, 0.14])
    points = np.log([1.02, 1.54, 6.28, 1.37])

    def residuals(parameters: np.ndarray) -> np.ndarray:
        return np.asarray(weights * (points - np.log(scaling._speedups(parameters[None], workers)[0])))

    found = scaling._least_squares(Law.USL, workers, points, weights)
    best = optimize.least_squares(residuals, (0.05, 0.003), bounds=([0, 0], [1, np.inf]), ftol=1e-14, xtol=1e-14)
    assert found == pytest.approx(best.x, abs=1e-5)


def test_more_than_workers_could_do_and_less_than_one_does_stay_within_the_bounds() -> None:
    above = exact({n: 1.2 * n for n in (2, 4, 8)})
    below = exact(dict.fromkeys((2, 4, 8), 0.9))
    for law in Law:
        found = fitted(law, above)
        assert (found.sigma.value, found.sigma.low, found.kappa.value) == (0, 0, 0)
        assert [point.fitted for point in found.points] == [2, 4, 8]
        assert all(point.leaves and point.residual > 0 for point in found.points)
    assert fitted(Law.AMDAHL, below).sigma.value == 1
    slower = fitted(Law.USL, below)
    assert slower.best is not None
    assert (slower.best.low, slower.best.high) == (1, 1)


# -- weights -----------------------------------------------------------------------------------------------------------


def test_a_point_that_is_known_well_counts_for_more() -> None:
    rng = np.random.default_rng(4)
    logs = {n: math.log(speedup(n, 0.05)) + rng.normal(0, 0.005, 12) for n in (2, 4, 8)}
    logs[8] = math.log(speedup(8, 0.15)) + rng.normal(0, 0.3, 12)
    sure = logs | {8: math.log(speedup(8, 0.15)) + rng.normal(0, 0.005, 12)}
    assert fitted(Law.AMDAHL, logs).sigma.value == pytest.approx(0.05, abs=0.01)
    assert fitted(Law.AMDAHL, sure).sigma.value > 0.1


def test_one_disturbed_block_hardly_moves_the_fit() -> None:
    logs = noisy(np.random.default_rng(3), (2, 4, 8), 0.05, blocks=16)
    spoiled = {n: np.concatenate([series[:-1], [series[-1] - 1]]) for n, series in logs.items()}
    there, back = fitted(Law.AMDAHL, logs).sigma, fitted(Law.AMDAHL, spoiled).sigma
    assert back.value == pytest.approx(there.value, abs=0.004)
    assert back.high - back.low < 2 * (there.high - there.low)


# -- intervals ---------------------------------------------------------------------------------------------------------


def test_resampled_centres_are_hodges_and_lehmanns_of_repeated_blocks() -> None:
    rng = np.random.default_rng(5)
    series = rng.normal(size=9)
    series[3] = math.nan
    times = rng.multinomial(9, np.full(9, 1 / 9), 40).T.astype(np.int32)
    each = [np.repeat(series, column) for column in times.T]
    known = [ranks.hodges_lehmann(row[~np.isnan(row)][None])[0] for row in each]
    assert scaling._repeated(series, times) == pytest.approx(known)


RUNS = 200


def share_of(successes: int, alternative: str = "two-sided", nominal: float = 0.95) -> float:
    """p of seeing so many of `RUNS` where each happens with the nominal probability."""
    return float(scipy_stats.binomtest(successes, RUNS, nominal, alternative).pvalue)


@pytest.mark.parametrize(("own", "shared"), [(0.02, 0.015), (0.01, 0.03)])
def test_95_percent_intervals_of_the_serial_fraction_cover_in_95_percent_of_runs(own: float, shared: float) -> None:
    """Also where most of the noise is the one worker's, which moves all points of a block together."""
    rng = np.random.default_rng(7)
    fits = [
        fitted(Law.AMDAHL, noisy(rng, (2, 4, 8), 0.05, blocks=8, own=own, shared=shared)).sigma for _ in range(RUNS)
    ]
    assert share_of(sum(sigma.low <= 0.05 <= sigma.high for sigma in fits)) > 0.01


def test_95_percent_intervals_of_the_universal_law_cover_in_95_percent_of_runs() -> None:
    rng = np.random.default_rng(8)
    sigma, kappa, best = 0.04, 0.002, math.sqrt(0.96 / 0.002)
    fits = [fitted(Law.USL, noisy(rng, (2, 4, 8, 16), sigma, kappa)) for _ in range(RUNS)]
    assert share_of(sum(one.sigma.low <= sigma <= one.sigma.high for one in fits)) > 0.01
    assert share_of(sum(one.kappa.low <= kappa <= one.kappa.high for one in fits)) > 0.01
    far = [one.speedup(32) for one in fits]
    assert share_of(sum(s.low <= speedup(32, sigma, kappa) <= s.high for s in far), "less") > 0.01
    assert share_of(sum(one.best is not None and one.best.low <= best <= one.best.high for one in fits), "less") > 0.01
    # Points of the law itself hardly ever leave it: of all four one does in fewer than 5 runs of 100.
    assert share_of(sum(any(point.leaves for point in one.points) for one in fits), "greater", 0.05) > 0.01


@pytest.mark.parametrize(("sigma", "kappa"), [(0.04, 0.0), (0.0, 0.002)])
def test_intervals_hold_where_the_truth_lies_on_a_bound(sigma: float, kappa: float) -> None:
    rng = np.random.default_rng(9)
    fits = [fitted(Law.USL, noisy(rng, (2, 4, 8), sigma, kappa)) for _ in range(RUNS)]
    assert share_of(sum(one.sigma.low <= sigma <= one.sigma.high for one in fits), "less") > 0.01
    assert share_of(sum(one.kappa.low <= kappa <= one.kappa.high for one in fits), "less") > 0.01
    far = [one.speedup(16) for one in fits]
    assert share_of(sum(s.low <= speedup(16, sigma, kappa) <= s.high for s in far), "less") > 0.01
    assert all(0 <= one.sigma.low <= one.sigma.value <= one.sigma.high <= 1 for one in fits)
    assert all(0 <= one.kappa.low <= one.kappa.value <= one.kappa.high for one in fits)
    if kappa == 0:
        assert share_of(sum(one.best is not None for one in fits), "greater", 0.05) > 0.01


def test_more_confidence_is_a_wider_interval() -> None:
    logs = noisy(np.random.default_rng(10), (2, 4, 8, 16), 0.04, 0.002)
    narrow, wide = fitted(Law.USL, logs, 0.9), fitted(Law.USL, logs, 0.99)
    for one, other in ((narrow.sigma, wide.sigma), (narrow.kappa, wide.kappa), (narrow.speedup(32), wide.speedup(32))):
        assert other.low < one.low < one.value == other.value < one.high < other.high


def test_one_worker_is_as_fast_as_one_worker() -> None:
    one = fitted(Law.USL, noisy(np.random.default_rng(11), (2, 4, 8), 0.04, 0.002)).speedup(1)
    assert (one.low, one.value, one.high) == (1, 1, 1)


def test_the_same_blocks_always_give_the_same_fit() -> None:
    logs = noisy(np.random.default_rng(12), (2, 4, 8), 0.04, 0.002)
    there, back = fitted(Law.USL, logs), fitted(Law.USL, dict(reversed(logs.items())))
    assert (there.sigma, there.kappa, there.best, there.points) == (back.sigma, back.kappa, back.best, back.points)


# -- where points leave the fit ----------------------------------------------------------------------------------------


def test_points_of_another_law_leave_the_curve() -> None:
    logs = noisy(np.random.default_rng(13), (2, 4, 8, 16), 0.02, 0.01, blocks=12)
    amdahl, usl = fitted(Law.AMDAHL, logs), fitted(Law.USL, logs)
    leaving = [point for point in amdahl.points if point.leaves]
    assert leaving[-1].workers == 16
    assert leaving[-1].residual < -0.1
    assert not any(point.leaves for point in usl.points)


def test_a_point_says_what_was_measured_and_how_far_from_the_curve_that_is() -> None:
    logs = noisy(np.random.default_rng(14), (2, 4, 8), 0.05)
    found = fitted(Law.AMDAHL, logs)
    for point in found.points:
        series = ranks.signed_rank(logs[point.workers])
        low, high = series.interval(0.05)
        assert point.blocks == 8
        assert (point.speedup.low, point.speedup.high) == pytest.approx((math.exp(low), math.exp(high)))
        assert point.fitted == pytest.approx(speedup(point.workers, found.sigma.value))
        assert point.residual == pytest.approx(series.centre - math.log(point.fitted))
    assert found.most == 8


# -- too little --------------------------------------------------------------------------------------------------------


def test_blocks_may_lack_counts() -> None:
    rng = np.random.default_rng(15)
    logs = noisy(rng, (2, 4, 8), 0.05, blocks=16)
    logs[8][:6] = math.nan
    logs[2][10:14] = math.nan
    found = fitted(Law.AMDAHL, logs)
    assert [point.blocks for point in found.points] == [12, 16, 10]
    assert found.sigma.low < 0.05 < found.sigma.high


def test_a_law_needs_one_count_more_than_it_has_parameters() -> None:
    logs = noisy(np.random.default_rng(16), (2, 4, 8), 0.05)
    assert fit(Law.AMDAHL, {2: logs[2]}) == Unfitted(Law.AMDAHL, (2,))
    assert fit(Law.USL, {2: logs[2], 4: logs[4]}) == Unfitted(Law.USL, (2, 4))
    assert fit(Law.AMDAHL, {}) == Unfitted(Law.AMDAHL, ())
    assert (Law.AMDAHL.least_counts, Law.USL.least_counts) == (2, 3)


def test_a_count_with_few_blocks_does_not_count() -> None:
    logs = noisy(np.random.default_rng(17), (2, 4, 8), 0.05)
    logs[8][LEAST_BLOCKS - 1 :] = math.nan
    assert fit(Law.USL, logs) == Unfitted(Law.USL, (2, 4))
    assert [point.workers for point in fitted(Law.AMDAHL, logs).points] == [2, 4]


def test_what_is_no_speedup_over_one_worker_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more, not 1"):
        fit(Law.AMDAHL, {1: [0.0] * 8, 2: [0.6] * 8})
    with pytest.raises(ValueError, match="8 and 7 blocks"):
        fit(Law.AMDAHL, {2: [0.6] * 8, 4: [1.2] * 7})
