"""Rank intervals: against SciPy's exact tests, and against enumeration."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from harness.ranks import hodges_lehmann, rank_sum, signed_rank

RNG = np.random.default_rng(20)


def test_the_centre_is_the_median_of_walsh_averages() -> None:
    # Walsh averages of 1, 2, 10: 1, 1.5, 2, 5.5, 6, 10
    assert signed_rank(np.array([10.0, 1.0, 2.0])).centre == 3.75
    assert hodges_lehmann(np.array([[10.0, 1.0, 2.0], [1.0, 1.0, 1.0]])).tolist() == [3.75, 1.0]


@pytest.mark.parametrize("n", [2, 5, 8])
def test_signed_rank_levels_are_those_of_all_sign_patterns(n: int) -> None:
    sums = [sum(itertools.compress(range(1, n + 1), signs)) for signs in itertools.product((0, 1), repeat=n)]
    counted = np.cumsum(np.bincount(sums)) / 2**n
    assert signed_rank(RNG.normal(size=n)).cdf == pytest.approx(counted)


@pytest.mark.parametrize(("n", "m"), [(2, 3), (4, 4), (6, 3)])
def test_rank_sum_levels_are_those_of_all_orders(n: int, m: int) -> None:
    orders = itertools.combinations(range(n + m), m)
    wins = [sum(place - k for k, place in enumerate(second)) for second in orders]
    counted = np.cumsum(np.bincount(wins)) / math.comb(n + m, m)
    assert rank_sum(RNG.normal(size=n), RNG.normal(size=m)).cdf == pytest.approx(counted)


@pytest.mark.parametrize("n", [8, 13, 30, 64])
@pytest.mark.parametrize("shift", [0.3, -0.6])
def test_p_lies_between_the_two_levels_around_scipys_exact_p(n: int, shift: float) -> None:
    d = RNG.normal(shift, 1, n)
    ranks = signed_rank(d)
    against = int(min((ranks.points <= 0).sum(), (ranks.points > 0).sum()))
    assert ranks.p() <= stats.wilcoxon(d, method="exact").pvalue
    assert ranks.p() >= 2 * (ranks.cdf[against - 1] if against else 0)


@pytest.mark.parametrize(("n", "m"), [(8, 8), (20, 6), (60, 40)])
def test_rank_sum_p_lies_below_scipys_exact_p_by_less_than_a_level(n: int, m: int) -> None:
    a, b = RNG.normal(0, 1, n), RNG.normal(0.7, 2, m)
    ranks = rank_sum(a, b)
    exact = float(stats.mannwhitneyu(a, b, method="exact").pvalue)
    step = 2 * float(np.diff(ranks.cdf).max())
    assert exact - step <= ranks.p() <= exact + 1e-12


@pytest.mark.parametrize("n", [2, 5, 8, 20, 64])
@pytest.mark.parametrize("alpha", [0.2, 0.1, 0.05, 0.01, 0.001])
def test_p_is_below_alpha_exactly_where_the_interval_excludes_nothing(n: int, alpha: float) -> None:
    for shift in np.linspace(-1.5, 1.5, 31):
        ranks = signed_rank(RNG.normal(shift, 1, n))
        low, high = ranks.interval(alpha)
        assert (ranks.p() < alpha) == (low > 0 or high < 0)


def test_intervals_of_higher_confidence_contain_those_of_lower() -> None:
    ranks = signed_rank(RNG.normal(size=8))
    ends = [ranks.interval(alpha) for alpha in (0.5, 0.2, 0.1, 0.05, 0.01, 0.007, 0.001, 1e-6)]
    for (low, high), (lower, higher) in itertools.pairwise(ends):
        assert lower <= low <= ranks.centre <= high <= higher


def test_below_the_smallest_level_students_interval_counts_where_it_is_wider() -> None:
    d = RNG.normal(5, 1, 6)
    student = stats.ttest_1samp(d, 0).confidence_interval(0.999)
    assert signed_rank(d).interval(0.001) == pytest.approx((student.low, student.high))
    assert signed_rank(d).p() == pytest.approx(stats.ttest_1samp(d, 0).pvalue)


def test_all_on_one_side_is_never_surer_than_ranks_and_student_are_together() -> None:
    spread = np.array([0.001, 0.5, 1.0, 2.0, 4.0, 9.0])
    assert signed_rank(spread).p() == pytest.approx(2 / 2**6)
    assert stats.ttest_1samp(spread, 0).pvalue > 2 / 2**6


def test_p_does_not_depend_on_the_direction() -> None:
    d = RNG.normal(0.4, 1, 15)
    a, b = RNG.normal(0, 1, 9), RNG.normal(1, 1, 7)
    assert signed_rank(d).p() == pytest.approx(signed_rank(-d).p())
    assert rank_sum(a, b).p() == pytest.approx(rank_sum(b, a).p())


def test_values_that_are_all_alike() -> None:
    assert signed_rank(np.zeros(8)).p() == 1
    assert signed_rank(np.full(8, 0.5)).p() == 0
    assert signed_rank(np.full(8, 0.5)).interval(0.05) == (0.5, 0.5)
    assert rank_sum(np.ones(4), np.ones(5)).p() == 1
    assert rank_sum(np.ones(4), np.full(5, 2.0)).interval(1e-9) == (1, 1)


def test_one_value_has_a_centre_and_no_interval() -> None:
    alone = signed_rank(np.array([0.5]))
    assert alone.centre == 0.5
    assert np.isnan(alone.interval(0.05)).all()
    assert math.isnan(alone.p())
    assert math.isnan(rank_sum(np.array([1.0]), np.array([1.0, 2.0])).p())
