"""Gauges: which turns were disturbed, and that leaving those out favours no side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from harness import ratios
from harness.gauge import TOLERANCE, WAITING, Best
from harness.journal import Gauge, Sample
from harness.stats import block_estimate, effect
from tests import made_up

RUN = made_up.run(workloads=made_up.WORKLOADS[:1])
ONE, TWO = RUN.plan.cases


def sample(threads: int, values: Sequence[float], gauges: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Sample:
    """A sample on the build with the GIL and its gauges, the first of which belongs to the warm-up."""
    made = made_up.sample(ONE if threads == 1 else TWO, RUN.builds[0], RUN.plan.blocks[0], values)
    readings = tuple(Gauge(before=tuple(before), after=tuple(after)) for before, after in gauges)
    return msgspec.structs.replace(made, gauges=readings)


def test_a_pair_of_turns_is_undisturbed_where_all_cpus_are_equally_slow() -> None:
    fast, near, slow = 0.001, 0.001 * (1 + TOLERANCE), 0.001 * (1 + TOLERANCE) + 1e-6
    pairs = {
        "all at their best": (((fast,), (fast,)), ((fast, 2 * fast), (fast, 2 * fast))),
        "nearly": (((fast,), (fast,)), ((fast, 2 * fast), (near, 2 * near))),
        "one slow before": (((fast,), (fast,)), ((slow, 2 * fast), (fast, 2 * fast))),
        "the other slow after": (((fast,), (fast,)), ((fast, 2 * fast), (fast, 2 * slow))),
        "all slow": (((slow,), (slow,)), ((slow, 2 * slow), (slow, 2 * slow))),
        "one side slow": (((fast,), (fast,)), ((slow, 2 * slow), (slow, 2 * slow))),
        "a CPU taken away": (((fast,), (fast,)), ((fast,), (fast,))),
    }
    one = sample(1, [1.0] * len(pairs), [((slow,), (slow,)), *(under for under, _ in pairs.values())])
    two = sample(2, [1.0] * len(pairs), [((slow, 2 * slow), (slow, 2 * slow)), *(over for _, over in pairs.values())])
    best = Best()
    best.note(one)
    best.note(two)
    kept = {name for number, name in enumerate(pairs) if number in best.undisturbed(one, two)}
    assert kept == {"all at their best", "nearly", "all slow"}


def test_a_turn_in_which_threads_waited_for_a_cpu_is_disturbed_on_either_side() -> None:
    quiet, quiet2 = ((0.001,), (0.001,)), ((0.001, 0.001), (0.001, 0.001))
    one, two = sample(1, [2.0] * 4, [quiet] * 5), sample(2, [1.0] * 4, [quiet2] * 5)

    def waiting(of: Sample, turn: int, share: float) -> Sample:
        seconds = share * of.loops * of.values[turn]
        gauges = [*of.gauges]
        gauges[turn + 1] = msgspec.structs.replace(gauges[turn + 1], waited=seconds)
        return msgspec.structs.replace(of, gauges=tuple(gauges))

    best = Best()
    best.note(one)
    best.note(two)
    one, two = waiting(one, 0, WAITING + 0.01), waiting(waiting(two, 1, WAITING + 0.01), 2, WAITING - 0.01)
    assert best.undisturbed(one, two) == [2, 3]


def test_builds_have_bests_of_their_own_and_cpus_too() -> None:
    best = Best()
    best.note(sample(1, [1.0], [((0.001,), (0.001,))] * 2))
    other = msgspec.structs.replace(sample(1, [1.0], [((0.002,), (0.002,))] * 2), build="another")
    best.note(other)
    one = sample(1, [1.0], [((0.001,), (0.001,))] * 2)
    assert best.undisturbed(one, other) == [0]


def test_without_gauges_every_turn_counts() -> None:
    assert Best().undisturbed(sample(1, [1.0, 2.0], []), sample(2, [1.0, 2.0, 3.0], [])) == [0, 1]


def test_the_time_to_completion_comes_from_undisturbed_turns() -> None:
    quiet, noisy = ((0.001,), (0.001,)), ((0.003,), (0.001,))
    quiet2, noisy2 = ((0.001, 0.001), (0.001, 0.001)), ((0.001, 0.001), (0.001, 0.004))
    one = sample(1, [2.0, 9.0, 2.0, 2.2], [quiet, quiet, noisy, quiet, quiet])
    two = sample(2, [1.0, 1.0, 9.0, 1.0], [quiet2, quiet2, quiet2, noisy2, quiet2])
    best = Best()
    best.note(one)
    best.note(two)
    assert ratios.completion(one, two, best) == pytest.approx([math.log(2.0), math.log(2.2)])


def flipping(rng: np.random.Generator, turns: int) -> np.ndarray:
    """Slowness of two CPUs at the ends of consecutive turns: each flips between full and half speed by itself."""
    return np.where(np.cumsum(rng.random((turns + 1, 2)) < 0.08, axis=0) % 2, 2.0, 1.0)


@pytest.mark.parametrize("gain", [1.0, 1.9])
def test_setting_disturbed_turns_aside_favours_neither_side(gain: float) -> None:
    """A job on two CPUs waits for the slower one, so from all turns a speedup looks smaller than it is."""
    rng = np.random.default_rng(3)
    undisturbed, every = [], []
    for _ in range(80):
        slow = flipping(rng, 34)
        before, after = slow[:-1], slow[1:]
        during = np.maximum(before, after) * np.exp(rng.normal(0, 0.01, (34, 1)))
        one = sample(
            1,
            (2.0 * during[2::2, 0]).tolist(),
            [((0.001 * b[0],), (0.001 * a[0],)) for b, a in zip(before[0::2], after[0::2], strict=True)],
        )
        two = sample(
            2,
            (2.0 / gain * during[3::2].max(axis=1)).tolist(),
            [(0.001 * b, 0.001 * a) for b, a in zip(before[1::2], after[1::2], strict=True)],
        )
        best = Best()
        best.note(one)
        best.note(two)
        every.append(float(np.mean(np.log(one.values) - np.log(two.values))))
        if len(found := ratios.completion(one, two, best)):
            undisturbed.append(block_estimate(found))
    assert len(undisturbed) > 40
    assert effect(undisturbed).low <= gain <= effect(undisturbed).high
    assert effect(undisturbed).half_width < 0.01
    assert effect(every).high < 0.95 * gain
