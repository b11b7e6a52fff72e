"""Steps in a history: classic data, made-up series of known truth, and how often chance is taken for a step."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from harness.steps import FEWEST, Trend, find

NILE = (
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
)  # fmt: skip
"""Flow of the Nile at Aswan, 1871 to 1970, 10^8 m^3: the classic of step detection (Cobb 1978), with a step in 1898."""


def _trend(*levels: tuple[float, int], noise: float = 0.01, seed: int = 1) -> Trend:
    """Runs of some levels, each so many times, with that much noise."""
    logs = np.repeat([level for level, _ in levels], [times for _, times in levels]).astype(float)
    logs += np.random.default_rng(seed).normal(0, noise, logs.size)
    return Trend(tuple(logs.tolist()), (noise,) * logs.size)


def test_the_nile_has_its_one_step_in_1898() -> None:
    (steps,) = find([Trend(tuple(map(float, NILE)), (100.0,) * len(NILE))])

    (step,) = steps
    assert 1871 + step.at == 1899, "the first year of the new level"
    assert (step.before, step.after) == pytest.approx((1097.75, 849.97), abs=0.01)
    assert step.p < 0.001


def test_a_change_is_found_soon_after_it_happened() -> None:
    (steps,) = find([_trend((0.2, 8), (0.25, 2))])

    (step,) = steps
    assert step.at == 8
    assert step.ratio == pytest.approx(math.exp(0.05), rel=0.02)


def test_several_steps_of_a_trend_are_found_in_order() -> None:
    (steps,) = find([_trend((0.0, 10), (0.1, 10), (0.05, 10))])

    assert [step.at for step in steps] == [10, 20]
    assert steps[0].after == steps[1].before
    assert [step.after - step.before for step in steps] == pytest.approx([0.1, -0.05], abs=0.015)


@pytest.mark.parametrize("where", [0, 5, 11])
def test_one_run_that_is_off_is_no_step(where: int) -> None:
    steady = _trend((0.1, 12))
    logs = list(steady.logs)
    logs[where] += 0.5

    assert find([Trend(tuple(logs), steady.errors)]) == [()]


@pytest.mark.parametrize("length", [0, 1, FEWEST - 1])
def test_what_is_too_short_has_no_steps(length: int) -> None:
    assert find([_trend((0.0, length // 2), (9.0, length - length // 2))]) == [()]


def test_a_run_with_a_wide_interval_counts_for_less() -> None:
    logs = (0.0, 0.01, 0.0, 0.01, 0.0, 0.01, 0.3, 0.32)
    narrow, wide = (0.01,) * 8, (0.01,) * 6 + (0.3, 0.3)

    assert [step.at for step in find([Trend(logs, narrow)])[0]] == [6]
    assert find([Trend(logs, wide)]) == [()]


def test_differences_within_the_intervals_are_no_step_however_alike_runs_are() -> None:
    assert find([Trend((0.0,) * 5 + (1e-4,) * 5, (0.01,) * 10)]) == [()]
    assert find([Trend((0.1,) * 10, (0.01,) * 10)]) == [()]


def test_more_trends_that_are_looked_at_ask_for_more() -> None:
    alone = _trend((0.0, 6), (0.025, 4), seed=5)
    crowd = [_trend((0.0, 10), seed=seed) for seed in range(100, 300)]

    assert find([alone])[0]
    assert find([alone, *crowd])[0] == ()


def _normal(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, 1, 12)


def _heavy(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_t(4, 12)


@pytest.mark.parametrize("draw", [_normal, _heavy])
def test_chance_is_taken_for_a_step_as_rarely_as_it_should_be(
    draw: Callable[[np.random.Generator], np.ndarray],
) -> None:
    rng = np.random.default_rng(7)
    errors = rng.uniform(0.5, 1.5, (400, 12))

    # Each trend by itself, runs differing by twice as much as their intervals say.
    alarms = sum(bool(find([Trend(tuple(2 * e * draw(rng)), tuple(e))])[0]) for e in errors)

    assert alarms / len(errors) < 0.09, "5 % and what 400 series can be above it by chance"


def test_the_same_trends_have_the_same_steps() -> None:
    trends = [_trend((0.0, 6), (0.05, 6), seed=seed) for seed in range(5)]

    assert find(trends) == find(trends)


def test_an_error_for_every_estimate() -> None:
    with pytest.raises(ValueError, match="an error above 0 for every estimate"):
        find([Trend((0.1, 0.2), (0.01,))])
    with pytest.raises(ValueError, match="an error above 0 for every estimate"):
        find([Trend((0.1, 0.2), (0.01, 0.0))])
