"""Planning, against figures worked out by hand and against the t interval itself."""

import math

import numpy as np
import pytest
from scipy import stats

from harness.planning import (
    LOOKS,
    Variances,
    blocks_for,
    blocks_to_reach,
    confidence_at_looks,
    confidence_where_deciding,
    enough,
    next_look,
    values_per_worker,
    variances,
)
from harness.stats import effect


def test_variances_by_hand() -> None:
    # Absolute deviations from the medians 2 and 10 have the medians 1 and 2; the two medians deviate by 4 from 6.
    found = variances([[1, 2, 3], [8, 10, 12]])
    scale = stats.norm.ppf(0.75)
    assert found.within == pytest.approx((1.5 / scale / (1 - 0.8 / 3)) ** 2)
    assert found.between == pytest.approx((4 / scale / (1 - 0.8 / 2)) ** 2 - math.pi / 2 * found.within / 3)


def test_variances_are_nearly_unbiased_on_normal_data() -> None:
    rng = np.random.default_rng(1)
    found = [variances((rng.normal(0, 2, (8, 1)) + rng.normal(0, 3, (8, 8))).tolist()) for _ in range(1_000)]
    assert np.mean([v.between for v in found]) == pytest.approx(4, rel=0.15)
    assert np.mean([v.within for v in found]) == pytest.approx(9, rel=0.1)


def test_variances_do_not_feel_a_disturbed_pair_in_a_block_nor_a_disturbed_block() -> None:
    rng = np.random.default_rng(1)
    processes = rng.normal(0, 2, (16, 1)) + rng.normal(0, 3, (16, 8))
    processes[:, 3] += 100
    processes[5] += 1_000
    found = variances(processes.tolist())
    assert 4 < found.within < 20
    assert found.between < 30


@pytest.mark.parametrize("processes", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0], [1.0]]])
def test_variances_need_processes_and_values(processes: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="variances need two processes"):
        variances(processes)


@pytest.mark.parametrize(
    ("found", "worker_cost", "value_cost", "values"),
    [
        (Variances(9, 4), 0.4, 0.1, 3),  # sqrt(4 x 2.25) = 3
        (Variances(9, 4), 0.41, 0.1, 4),  # a little more: rounded up
        (Variances(0.01, 4), 0.1, 0.1, 1),  # processes are all that differs
        (Variances(100, 0.1), 10, 0.1, 50),  # 316, capped
        (Variances(9, 0), 0.1, 0.1, 50),  # processes do not differ
        (Variances(9, -1), 0.1, 0.1, 50),
    ],
)
def test_values_per_worker_by_hand(found: Variances, worker_cost: float, value_cost: float, values: int) -> None:
    assert values_per_worker(found, worker_cost, value_cost, cap=50) == values


@pytest.mark.parametrize(("sd", "half_width"), [(0.017, 0.05), (0.017, 0.02), (0.017, 0.005), (0.2, 0.01), (0.0, 0.01)])
def test_blocks_for_a_target_reach_it_and_one_fewer_does_not(sd: float, half_width: float) -> None:
    def width(n: int) -> float:
        return math.expm1(stats.t.isf(0.025, n - 1) * sd / math.sqrt(n))

    blocks = blocks_for(sd, half_width)
    assert width(blocks) <= half_width
    assert blocks == 2 or width(blocks - 1) > half_width


@pytest.mark.parametrize(("sd", "half_width"), [(math.nan, 0.01), (math.inf, 0.01), (0.01, 0.0), (0.01, -1.0)])
def test_what_no_number_of_blocks_reaches_is_refused(sd: float, half_width: float) -> None:
    with pytest.raises(ValueError, match="no number of blocks"):
        blocks_for(sd, half_width)


def test_an_interval_that_is_too_wide_needs_more_blocks_and_their_expected_number() -> None:
    sd, confidence = 0.03, 0.965
    half_width = math.expm1(stats.t.isf((1 - confidence) / 2, 7) * sd / math.sqrt(8))
    assert blocks_to_reach(0.01, half_width, 8, confidence) == blocks_for(sd, 0.01, confidence)
    assert blocks_to_reach(half_width * 0.999, half_width, 8, confidence) == 9


@pytest.mark.parametrize("half_width", [math.nan, math.inf])
def test_without_an_interval_nobody_knows_how_many_blocks_are_missing(half_width: float) -> None:
    with pytest.raises(ValueError, match="no number of blocks"):
        blocks_to_reach(0.01, half_width, 1)


def test_looks_follow_one_another_up_to_the_cap() -> None:
    seen, look = [], next_look(0)
    while look is not None:
        seen.append(look)
        look = next_look(look)
    assert tuple(seen) == LOOKS
    assert next_look(9) == 12
    assert next_look(16, cap=20) == 20
    assert next_look(20, cap=20) is None
    assert next_look(0, cap=3) == 3
    assert next_look(64, cap=100) == 100


def test_enough_is_a_matter_of_width() -> None:
    assert enough(0.02, 0.02)
    assert not enough(0.021, 0.02)
    assert not enough(effect([0.1]).half_width, 1.0)


def test_deciding_at_looks_is_wrong_no_more_often_than_promised() -> None:
    """With the truth on the boundary, where an interval on either side of it is an error."""
    rng = np.random.default_rng(43)
    runs = 500

    def wrong(confidence: float) -> int:
        series = rng.normal(0, 0.03, (runs, LOOKS[-1]))
        found = ([effect(d[:look], confidence) for look in LOOKS] for d in series)
        return sum(any(not one.low <= 1 <= one.high for one in looks) for looks in found)

    assert stats.binomtest(wrong(confidence_where_deciding(0.95)), runs, 0.05, alternative="greater").pvalue > 0.01
    assert stats.binomtest(wrong(0.95), runs, 0.1, alternative="greater").pvalue < 0.01, "which is why"


def test_stopping_at_looks_keeps_the_promised_coverage() -> None:
    rng = np.random.default_rng(41)
    runs, covered = 1_000, 0
    for _ in range(runs):
        d = rng.normal(0, 0.017, LOOKS[-1])
        look = next_look(0)
        while look is not None:
            found = effect(d[:look], confidence_at_looks(0.95))
            look = None if enough(found.half_width, 0.01) else next_look(look)
        covered += found.low <= 1 <= found.high
    assert stats.binomtest(covered, runs, 0.95).pvalue > 0.01
