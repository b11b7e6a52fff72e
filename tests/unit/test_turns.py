"""benchmarks/turns.py: schedules, and what it reads out of turns whose truth is known; once with real workers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks import turns
from benchmarks._laboratory import Laboratory
from benchmarks.turns import RUNS, Cost, Found, Step
from harness import stats
from harness.errors import MeasurementError
from harness.host_engine import HostEngine
from harness.lockstep import back_and_forth
from harness.progress import Silent
from harness.workbench import workbench
from tests.toys import facts, write_toys

LENGTHS = [5, 7, 6, 5, 6, 7, 7, 5, 6, 6, 7, 5]
RNG = np.random.default_rng(7)


def played(schedule: Sequence[str], seconds: Callable[[str, str], float], warmups: int = 1) -> list[Step]:
    """Turns by `schedule`, the first `warmups` of a seat no values; `seconds` is of a seat and the one before it."""
    seen: Counter[str] = Counter()
    taken, now = [], 0.0
    for before, seat in zip(["", *schedule], schedule, strict=False):
        timed = seconds(seat, before)
        taken.append(Step(seat, now, now + timed + 2e-4, timed, seen[seat] >= warmups, own=5e-5))
        seen[seat] += 1
        now += timed + 3e-4
    return taken


def in_runs() -> list[str]:
    return ["a", "b", *turns.runs(["a", "b"], LENGTHS)]


def test_each_worker_has_as_many_runs() -> None:
    schedule = turns.runs(["a", "b"], LENGTHS)
    each = [(seat, length) for length in LENGTHS for seat in "ab"]
    assert [(seat, len([*group])) for seat, group in groupby(schedule)] == each


def test_costs_are_what_a_turn_takes_beyond_its_value() -> None:
    taken = played(back_and_forth(["a", "b"], 4), lambda *_: 0.02)
    found = list(turns.costs(taken))
    assert len(found) == 5  # of 8 turns 2 are warm-ups, and no turn follows the last
    for cost in found:
        assert cost == pytest.approx(Cost(own=5e-5, hand_over=1.5e-4, gap=1e-4, turn=2.5e-4))


def test_where_turns_change_nothing_they_show_the_ratio() -> None:
    found = Found()
    found.add(played(in_runs(), lambda seat, _: {"a": 0.02, "b": 0.03}[seat]), "a", "b")
    assert found.long == [pytest.approx(math.log(1.5))]
    assert found.settled == found.unsettled == [pytest.approx(0)]
    for letter in "AB":
        assert found.firsts[letter] == found.seconds[letter] == [pytest.approx(0)]


def test_a_worker_that_suffers_from_the_other_one_shows_in_its_first_turns() -> None:
    def seconds(seat: str, before: str) -> float:
        return {"a": 0.02, "b": 0.03}[seat] * (1.06 if seat == "b" and before != "b" else 1.0)

    found = Found()
    found.add(played(in_runs(), seconds), "a", "b")
    assert found.firsts == {"A": [pytest.approx(0)], "B": [pytest.approx(math.log(1.06))]}
    assert found.unsettled == [pytest.approx(math.log(1.06))]
    assert found.settled == [pytest.approx(0)]
    assert found.long == [pytest.approx(math.log(1.5))]


def test_runs_that_were_not_quiet_do_not_count() -> None:
    found = Found()
    between = 2 + 2 * sum(LENGTHS[:4]) + LENGTHS[4]
    moods = iter(np.where(np.arange(1000) < between, 1.0, 2.0))
    found.add(played(in_runs(), lambda *_: 0.02 * next(moods)), "a", "b")
    assert found.pairs == len(LENGTHS)  # between two runs, inside a pair: each is quiet for itself
    for inside, quiet in ((1, True), (2, False), (LENGTHS[4] - 2, False), (LENGTHS[4] - 1, True)):
        # The first turn may be as different as it likes, and one of the others may be slower.
        moods = iter(np.where(np.arange(1000) < between + inside, 1.0, 2.0))
        counted = found.pairs
        found.add(played(in_runs(), lambda *_, moods=moods: 0.02 * next(moods)), "a", "b")
        assert found.pairs == counted + len(LENGTHS) - (not quiet)


@pytest.mark.parametrize(("period", "slower"), [(4, 1.08), (5, 1.08), (17, 1.3)])
def test_what_a_worker_does_now_and_then_is_no_effect_of_turns(period: int, slower: float) -> None:
    """Such as a full collection of garbage; one worker alone does it."""
    found = Found()
    for _ in range(12):
        passes = iter(range(10**6))
        schedule = ["a", "b", *turns.runs(["a", "b"], RNG.choice(RUNS, 100).tolist())]

        def seconds(seat: str, before: str, passes: Iterator[int] = passes) -> float:
            more = slower if seat == "b" and next(passes) % period == 0 else 1.0
            return 0.02 * more * math.exp(RNG.normal(0, 0.01))

        found.add(played(schedule, seconds), "a", "b")
    assert stats.effect(found.settled).ratio == pytest.approx(1, abs=turns.SAME / 2)
    assert stats.effect(found.seconds["B"]).ratio == pytest.approx(1, abs=turns.SAME / 2)


def test_the_mood_of_the_machine_cancels() -> None:
    found = Found()
    for _ in range(12):
        moods = iter(np.where(np.cumsum(RNG.random(2000) < 0.01) % 2, 2.0, 1.0))

        def seconds(seat: str, before: str, moods: Iterator[float] = moods) -> float:
            return {"a": 0.02, "b": 0.03}[seat] * next(moods) * math.exp(RNG.normal(0, 0.01))

        found.add(played(in_runs(), seconds), "a", "b")
    for logs in (found.settled, found.unsettled, *found.firsts.values(), *found.seconds.values()):
        effect = stats.effect(logs)
        assert effect.ratio == pytest.approx(1, abs=0.01)
        assert effect.half_width < 0.015


@pytest.mark.parametrize(("logs", "bold"), [([0.0, 0.001, -0.001] * 6, False), ([0.01, 0.012, 0.011] * 6, True)])
def test_a_change_that_is_not_small_for_sure_is_bold(logs: list[float], bold: bool) -> None:
    assert turns.change(logs).startswith("**") is bold


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Laboratory]:
    """Toys, and this very interpreter under two names."""
    with workbench(write_toys(tmp_path / "w", "good", "wrong")) as bench:
        turns.watch(bench)
        yield Laboratory({"a": facts("a"), "b": facts("b")}, HostEngine(bench), bench, Silent(), keeps=["stops"])


def test_steps_are_the_turns_of_all_seats_in_order(lab: Laboratory) -> None:
    (block,) = lab.blocks(turns.every_turn(lab.plan(["a", "b"], "toy/good", blocks=1, seed=1)))
    taken = turns.steps(list(block.samples.values()))
    assert all(before.returned <= after.granted for before, after in pairwise(taken))
    assert all(0 < step.timed < step.timed + step.own < step.returned - step.granted for step in taken)
    for build, sample in block.samples.items():
        own = [step for step in taken if step.build == build]
        assert [step.value for step in own] == [False] * len(sample.warmups) + [True] * len(sample.values)
        assert [step.timed for step in own if step.value] == [sample.loops * value for value in sample.values]


def test_real_workers_take_their_turns_in_runs(lab: Laboratory) -> None:
    found = Found()
    plan = turns.every_turn(lab.plan(["a", "b"], "toy/good", blocks=2, seed=1))
    for block in turns.measured(lab, plan, pairs=2):
        assert 4 * min(RUNS) <= sum(step.value for step in block) <= 4 * max(RUNS)
        found.add(block, "a", "b")
    assert found.pairs <= 4  # of two blocks, and not every machine is quiet
    logs = [found.long, found.settled, found.unsettled, *found.firsts.values(), *found.seconds.values()]
    assert {len(one) for one in logs} <= {len(found.long)}
    assert all(math.isfinite(log) for one in logs for log in one)


def test_without_blocks_that_count_there_is_no_table(lab: Laboratory) -> None:
    with pytest.raises(MeasurementError, match="0 blocks count"):
        turns.measured(lab, lab.plan(["a", "b"], "toy/wrong", blocks=2, seed=1), pairs=1)
