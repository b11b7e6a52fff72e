"""Estimates, intervals and verdicts on data whose truth is known."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats as scipy_stats

from harness.stats import (
    Effect,
    Verdict,
    block_effect,
    block_estimate,
    effect,
    geometric_mean,
    judge,
    minimum_detectable,
    round_logs,
    share_interval,
    unpaired,
)

Draw = Callable[[np.random.Generator, int], np.ndarray]
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 0.017, n),
    "heavy tails": lambda rng, n: 0.01 * rng.standard_t(2, n),
    "disturbed": lambda rng, n: rng.normal(0, 0.017, n) * np.where(rng.random(n) < 0.1, 8, 1),
    "two speeds": lambda rng, n: rng.normal(0, 0.005, n) + rng.choice([-0.02, 0.02], n),
    "uneven": lambda rng, n: rng.normal(0, 0.017, n) * np.exp(0.7 * rng.standard_normal(n)),
}


def binomial(successes: int, trials: int, share: float) -> float:
    """p of seeing so many where each happens with probability `share`."""
    return float(scipy_stats.binomtest(successes, trials, share).pvalue)


# -- one block, one case -----------------------------------------------------------------------------------------------


def test_a_block_is_the_median_of_its_pairs_log_ratios() -> None:
    assert block_effect([1, 1, 1], [1.1, 1.2, 5.0]) == pytest.approx(math.log(1.2))


def test_a_change_of_speed_that_hits_both_sides_of_a_pair_leaves_the_block_alone() -> None:
    slow = np.array([1, 1, 2, 2, 1])
    assert block_effect((0.4 * slow).tolist(), (0.5 * slow).tolist()) == pytest.approx(math.log(1.25))


def test_a_block_without_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="2 against 1"):
        block_effect([1, 2], [1])
    with pytest.raises(ValueError, match="without values"):
        block_effect([], [])


def test_an_effect_tells_ratio_width_spread_and_blocks() -> None:
    logs = [math.log(1.1) + step for step in (-0.02, -0.01, 0, 0.01, 0.02, -0.015, 0.015, 0)]
    found = effect(logs)
    assert found.ratio == pytest.approx(1.1)
    assert found.log == pytest.approx(math.log(1.1))
    assert found.change == pytest.approx(0.1)
    assert found.n == 8
    assert found.sd == pytest.approx(np.std(logs, ddof=1))
    assert found.half_width == pytest.approx(math.sqrt(found.high / found.low) - 1)
    assert found.low < 1.1 < found.high
    assert found.p < 0.05
    assert found.logs == pytest.approx(logs)


def test_one_block_has_a_ratio_and_nothing_else() -> None:
    found = effect([math.log(2)])
    assert found.ratio == pytest.approx(2)
    assert np.isnan([found.low, found.high, found.sd, found.p, found.half_width]).all()
    with pytest.raises(ValueError, match="at least one block"):
        effect([])


def test_swapping_the_builds_turns_the_ratio_over() -> None:
    logs = np.random.default_rng(1).normal(0.03, 0.02, 13)
    there, back = effect(logs), effect(-logs)
    assert (back.ratio, back.low, back.high) == pytest.approx((1 / there.ratio, 1 / there.high, 1 / there.low))
    assert back.p == pytest.approx(there.p)


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("n", [8, 20])
def test_95_percent_intervals_cover_in_95_percent_of_runs(name: str, n: int) -> None:
    rng = np.random.default_rng(7)
    truth, runs = math.log(1.01), 1_000
    covered = sum(
        found.low <= 1.01 <= found.high for found in (effect(truth + DRAWS[name](rng, n)) for _ in range(runs))
    )
    assert binomial(covered, runs, 0.95) > 0.01


def test_one_disturbed_block_hardly_moves_the_estimate() -> None:
    logs = np.random.default_rng(3).normal(0.05, 0.01, 16)
    spoiled = np.concatenate([logs[:-1], [1.0]])
    assert effect(spoiled).ratio == pytest.approx(effect(logs).ratio, rel=0.01)
    assert effect(spoiled).half_width < 0.02


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0000, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_a_share_has_the_exact_interval_of_newcombes_table(found: int, of: int, low: float, high: float) -> None:
    """Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 5."""
    assert share_interval(found, of) == pytest.approx((low, high), abs=5e-5)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        share_interval(0, 0)
    with pytest.raises(ValueError, match="k"):
        share_interval(3, 2)


# -- several cases -----------------------------------------------------------------------------------------------------


def sure(change: float, n: int = 16, sd: float = 0.005) -> Effect:
    """An effect whose blocks lie symmetrically about 1 + change."""
    quantiles = scipy_stats.norm.ppf((np.arange(n) + 0.5) / n)
    return effect(math.log1p(change) + sd * quantiles)


@pytest.mark.parametrize(
    ("change", "sd", "verdict"),
    [
        (0.10, 0.005, Verdict.SLOWER),
        (-0.10, 0.005, Verdict.FASTER),
        (0.0, 0.005, Verdict.SAME),
        (0.0, 0.05, Verdict.UNDECIDED),
        (0.015, 0.04, Verdict.UNDECIDED),
    ],
)
def test_verdicts(change: float, sd: float, verdict: Verdict) -> None:
    (judged,) = judge([sure(change, sd=sd)], margin=0.02)
    assert judged.verdict is verdict
    assert judged.low < judged.effect.ratio < judged.high


def test_one_case_alone_is_not_corrected() -> None:
    found = sure(0.03)
    (judged,) = judge([found], margin=0.02)
    assert (judged.low, judged.high) == pytest.approx((found.low, found.high))


def test_an_effect_below_the_noise_floor_is_no_finding() -> None:
    found = sure(0.03)
    assert judge([found], margin=0.01, noise_floors=[0.02])[0].verdict is Verdict.SLOWER
    assert judge([found], margin=0.01, noise_floors=[0.04])[0].verdict is Verdict.UNDECIDED
    assert judge([found], margin=0.10, noise_floors=[0.04])[0].verdict is Verdict.SAME
    with pytest.raises(ValueError, match="1 effects with 2 noise floors"):
        judge([found], margin=0.01, noise_floors=[0.01, 0.01])


def test_corrected_intervals_exclude_1_for_what_benjamini_and_hochberg_reject_and_nothing_else() -> None:
    rng = np.random.default_rng(11)
    for real in (0, 3, 10):
        effects = [effect(rng.normal(0.02 * (k < real), 0.017, 12)) for k in range(10)]
        rejected = scipy_stats.false_discovery_control([found.p for found in effects]) < 0.05
        judged = judge(effects, margin=0.001)
        assert [not (j.low <= 1 <= j.high) for j in judged] == rejected.tolist()
        assert all(j.low <= j.effect.low and j.effect.high <= j.high for j in judged)


@pytest.mark.parametrize("cases", [8, 30])
def test_runs_in_which_nothing_differs_have_a_finding_in_at_most_5_percent(cases: int) -> None:
    rng = np.random.default_rng(13)
    runs = 100
    false = 0
    for _ in range(runs):
        judged = judge([effect(rng.normal(0, 0.017, 10)) for _ in range(cases)], margin=0.02)
        false += any(j.verdict in (Verdict.FASTER, Verdict.SLOWER) for j in judged)
    assert scipy_stats.binomtest(false, runs, 0.05, alternative="greater").pvalue > 0.01


def test_same_is_wrong_in_at_most_5_percent_where_the_truth_is_the_margin() -> None:
    rng = np.random.default_rng(17)
    runs = 1_000
    wrong = sum(
        judge([effect(rng.normal(math.log(1.02), 0.017, 12))], margin=0.02)[0].verdict is Verdict.SAME
        for _ in range(runs)
    )
    assert wrong > 0
    assert scipy_stats.binomtest(wrong, runs, 0.05, alternative="greater").pvalue > 0.01


def test_cases_that_have_one_block_are_undecided_and_do_not_count() -> None:
    alone, found = judge([effect([0.5]), sure(0.03)], margin=0.02)
    assert alone.verdict is Verdict.UNDECIDED
    assert np.isnan([alone.low, alone.high, alone.mde]).all()
    assert found.low == pytest.approx(found.effect.low)
    assert judge([effect([0.5])], margin=0.02)[0].verdict is Verdict.UNDECIDED
    assert judge([], margin=0.02) == []


def test_an_effect_without_blocks_of_its_own_widens_as_a_t_interval_does() -> None:
    rng = np.random.default_rng(5)
    suite = geometric_mean([rng.normal(0, 0.01, 8) for _ in range(4)])
    judged = judge([suite, sure(0.0)], margin=0.001)[0]
    stretch = scipy_stats.t.isf(0.0125, 7) / scipy_stats.t.isf(0.025, 7)
    assert math.log(judged.high / suite.ratio) == pytest.approx(stretch * math.log(suite.high / suite.ratio))


# -- what could be detected --------------------------------------------------------------------------------------------


def test_minimum_detectable_effect_by_hand() -> None:
    # t(0.975, 15) = 2.1314, t(0.8, 15) = 0.8662: 2.9976 x 0.017 / 4 = 0.01274
    assert minimum_detectable(0.017, 16) == pytest.approx(math.expm1(0.01274), rel=1e-3)
    assert minimum_detectable(0.017, 60) == pytest.approx(0.0063, abs=5e-5)
    assert math.isnan(minimum_detectable(0.017, 1))


def test_the_minimum_detectable_effect_is_found_in_80_percent_of_runs() -> None:
    rng = np.random.default_rng(19)
    size = math.log1p(minimum_detectable(0.017, 16))
    found = sum(effect(rng.normal(size, 0.017, 16)).p < 0.05 for _ in range(1_000))
    assert 770 < found < 830


def test_beside_a_verdict_it_grows_with_the_correction_and_is_never_below_the_noise_floor() -> None:
    found = sure(0.0, sd=0.017)
    (alone,) = judge([found], margin=0.001)
    among_many = judge([found] * 20, margin=0.001)[0]
    assert alone.mde == pytest.approx(minimum_detectable(found.sd, 16), rel=0.15)
    assert among_many.mde > 1.3 * alone.mde
    assert judge([found], margin=0.001, noise_floors=[0.2])[0].mde == 0.2


# -- suites ------------------------------------------------------------------------------------------------------------


def test_a_suite_is_the_geometric_mean_of_its_cases() -> None:
    cases = [[math.log(ratio)] * 8 for ratio in (1.0, 2.0, 4.0)]
    suite = geometric_mean(cases)
    assert (suite.ratio, suite.low, suite.high) == pytest.approx((2, 2, 2))
    assert geometric_mean([[0.1, 0.2, 0.3]]) == effect([0.1, 0.2, 0.3])


def test_what_disturbs_all_cases_together_is_not_averaged_away() -> None:
    rng = np.random.default_rng(23)
    shared = rng.normal(0, 0.02, 48)
    together = geometric_mean([shared + rng.normal(0, 0.002, 48) for _ in range(10)])
    apart = geometric_mean([rng.normal(0, 0.02, 48) for _ in range(10)])
    assert together.half_width > 2 * apart.half_width
    assert together.half_width == pytest.approx(effect(shared).half_width, rel=0.2)


@pytest.mark.parametrize("counts", [(8,) * 5, (16,) * 3, (8, 8, 12, 24)])
def test_suite_intervals_cover_in_about_95_percent_of_runs(counts: tuple[int, ...]) -> None:
    rng = np.random.default_rng(29)
    runs = 300
    suites = (geometric_mean([rng.normal(0.01, 0.02, n) for n in counts]) for _ in range(runs))
    covered = sum(suite.low <= math.exp(0.01) <= suite.high for suite in suites)
    assert binomial(covered, runs, 0.95) > 0.01


def test_a_suite_with_a_case_of_one_block_has_no_interval_and_one_without_blocks_is_refused() -> None:
    suite = geometric_mean([[0.1, 0.1], [0.3]])
    assert suite.log == pytest.approx(0.2)
    assert math.isnan(suite.low)
    for cases in ([], [[0.1], []]):
        with pytest.raises(ValueError, match="a suite needs cases"):
            geometric_mean(cases)


# -- runs of different days --------------------------------------------------------------------------------------------


def test_unpaired_processes_are_as_many_as_the_smaller_side_has() -> None:
    rng = np.random.default_rng(31)
    found = unpaired(rng.normal(0, 0.02, 12), rng.normal(0.05, 0.02, 9))
    assert found.n == 9
    assert found.low < math.exp(0.05) < found.high


def test_intervals_of_unpaired_processes_are_corrected_by_their_ranks() -> None:
    rng = np.random.default_rng(5)
    effects = [unpaired(rng.normal(0, 0.02, 12), rng.normal(0, 0.02, 15)) for _ in range(40)]
    effects.append(unpaired(rng.normal(0, 0.02, 12), rng.normal(0.2, 0.02, 15)))

    judged = judge(effects, margin=0.05)

    found = [one.low > 1 or one.high < 1 for one in judged]
    assert found[-1]
    assert judged[-1].verdict is Verdict.SLOWER
    assert all(one.low <= one.effect.low and one.effect.high <= one.high for one in judged)
    # What Benjamini and Hochberg find and what the corrected intervals exclude are the same cases.
    p = sorted(one.p for one in effects)
    called = max((rank for rank, value in enumerate(p, start=1) if value <= 0.05 * rank / len(p)), default=0)
    assert sum(found) == called


def test_unpaired_intervals_cover_in_95_percent_of_runs() -> None:
    rng = np.random.default_rng(37)
    runs, covered = 500, 0
    for _ in range(runs):
        a, b = (np.exp(rng.normal(0, 0.03, (n, 1)) + rng.normal(0, 0.03, (n, 5))) for n in (10, 14))
        found = unpaired(*(np.log(np.median(side, axis=1)) for side in (a, 1.02 * b)))
        covered += found.low <= 1.02 <= found.high
    assert binomial(covered, runs, 0.95) > 0.01


def test_unpaired_needs_processes_on_both_sides() -> None:
    assert math.isnan(unpaired([0.1], [0.1, 0.2]).low)
    with pytest.raises(ValueError, match="processes on both sides"):
        unpaired([], [0.1])


# -- capacity ----------------------------------------------------------------------------------------------------------


def windows(speeds: np.ndarray, threads: int) -> np.ndarray:
    """Times per piece of `threads` threads on CPUs of these speeds (window, CPU), moving on from window to window."""
    count, cpus = speeds.shape
    rates = [sum(speeds[k, (thread + k) % cpus] for thread in range(threads)) for k in range(count)]
    return 1 / np.array(rates)


def block_capacity(alone: Sequence[float] | np.ndarray, together: Sequence[float] | np.ndarray, cpus: int) -> float:
    return block_estimate(round_logs(alone, together, cpus))


def test_capacity_of_unequal_cpus_is_what_they_add_up_to() -> None:
    speeds = np.tile([1.0, 0.5, 0.25, 0.25], (8, 1))
    found = block_capacity(windows(speeds, 1), windows(speeds, 4), cpus=4)
    assert math.exp(found) == pytest.approx(4.0)


def test_capacity_survives_cpus_that_change_speed_between_rounds() -> None:
    rng = np.random.default_rng(7)
    speeds = np.repeat(rng.choice([0.5, 1.0], size=(40, 2)), 2, axis=0)
    found = block_capacity(windows(speeds, 1), windows(speeds, 2), cpus=2)
    assert math.exp(found) == pytest.approx(2.0)


def test_a_build_that_gains_nothing_has_capacity_one() -> None:
    speeds = np.ones((8, 2))
    assert block_capacity(windows(speeds, 1), windows(speeds, 1), cpus=2) == pytest.approx(0.0)


def test_changes_of_speed_favour_neither_side_of_a_capacity() -> None:
    """CPUs flip between windows, each for itself: the median over blocks stays within 1 % of the truth."""
    rng = np.random.default_rng(11)
    blocks = []
    for _ in range(2000):
        regime = np.where(np.cumsum(rng.random((32, 2)) < 0.1, axis=0) % 2, 0.5, 1.0)
        alone, together = windows(regime[0::2], 1), windows(regime[1::2], 2)
        blocks.append(block_capacity(alone, together, cpus=2))
    assert math.exp(float(np.median(blocks))) == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(("alone", "together", "cpus"), [([1.0], [1.0, 1.0], 1), ([1.0], [1.0], 2), ([], [], 1)])
def test_capacity_needs_whole_rounds_on_both_sides(alone: list[float], together: list[float], cpus: int) -> None:
    with pytest.raises(ValueError, match="window"):
        block_capacity(alone, together, cpus)
