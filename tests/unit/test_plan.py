"""The plan is a pure function of the request."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.errors import RequestError
from harness.model import Measure, Placement, Plan, Profile, Size, Split, Strategy, Workload
from harness.plan import (
    EFFORTS,
    MEMORY_VALUES,
    Request,
    estimate_seconds,
    first_look_seconds,
    make_plan,
    turn_order,
    turn_seconds,
)
from harness.planning import LOOKS
from tests.toys import facts


def workload(name: str, *, threaded: bool = True, needs: tuple[str, ...] = ()) -> Workload:
    strategies = (Strategy.THREADS,) if threaded else ()
    return Workload(name=name, path=f"{name}.py", sha256="", strategies=strategies, dependencies=needs)


PURE = workload("pure/loop")
SINGLE = workload("pure/single", threaded=False)
PARSER = workload("web/lxml", needs=("lxml",))


def request(*workloads: Workload, cpus: int = 4, threads: tuple[int, ...] | None = None, seed: int = 1) -> Request:
    return Request(
        builds=("gil", "free"), workloads=workloads, cpu_sets=(tuple(range(cpus)),), threads=threads, seed=seed
    )


@pytest.mark.parametrize(("cpus", "threads"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (6, [1, 2, 4, 6])])
def test_thread_counts_are_the_powers_of_two_and_the_size_of_the_set(cpus: int, threads: list[int]) -> None:
    assert [case.threads for case in make_plan(request(PURE, cpus=cpus), ()).cases] == threads


def test_thread_counts_can_be_named() -> None:
    assert [case.threads for case in make_plan(request(PURE, threads=(3, 8)), ()).cases] == [3, 8]


def test_a_workload_without_threads_has_one_case() -> None:
    assert [case.threads for case in make_plan(request(SINGLE), ()).cases] == [1]


def test_case_ids_are_readable_and_distinct() -> None:
    plan = make_plan(request(PURE, SINGLE), ())
    assert plan.cases[0].id == "pure/loop threads=1 cpus=0-3"
    assert len({case.id for case in plan.cases}) == len(plan.cases)


def test_rounds_are_outermost() -> None:
    plan = make_plan(request(PURE, SINGLE), ())
    names = [block.workload for block in plan.blocks]
    rounds = [names[start : start + 2] for start in range(0, len(names), 2)]
    assert len(rounds) == EFFORTS[Profile.QUICK].blocks
    assert all(sorted(one) == ["pure/loop", "pure/single"] for one in rounds)
    assert len({tuple(one) for one in rounds}) == 2, "the order within rounds is shuffled"


def test_the_home_cpu_rotates_through_the_set() -> None:
    homes = Counter(block.home for block in make_plan(request(SINGLE, cpus=2), ()).blocks)
    assert homes == {0: 8, 1: 8}


def test_the_same_seed_gives_the_same_plan_and_another_seed_another_order() -> None:
    assert make_plan(request(PURE, SINGLE), ()) == make_plan(request(PURE, SINGLE), ())
    assert make_plan(request(PURE, SINGLE), ()).blocks != make_plan(request(PURE, SINGLE, seed=2), ()).blocks


def test_hash_seeds_all_have_the_same_length() -> None:
    assert {len(str(block.hash_seed)) for block in make_plan(request(PURE), ()).blocks} == {10}


def test_a_workload_that_one_build_cannot_execute_is_skipped_with_the_reason() -> None:
    plan = make_plan(request(PURE, PARSER), [facts("gil", packages={"lxml": "6.1"}), facts("free")])
    assert {case.workload for case in plan.cases} == {"pure/loop"}
    assert {skip.reason for skip in plan.skipped} == {"free has no lxml"}
    assert len(plan.skipped) == 3
    assert [w.name for w in plan.workloads] == ["pure/loop"]


def test_a_workload_that_would_turn_the_gil_on_is_skipped_with_the_module() -> None:
    lxml = {"lxml": "6.1"}
    free = facts("free", packages=lxml, turns_gil_on={"lxml": "lxml.etree"})
    plan = make_plan(request(PURE, PARSER), [facts("gil", packages=lxml), free])
    assert {skip.reason for skip in plan.skipped} == {"lxml.etree of lxml 6.1 turns the GIL back on in free"}


SHARED = msgspec.structs.replace(PURE, strategies=(Strategy.THREADS, Strategy.PROCESSES, Strategy.INTERPRETERS))


def test_a_job_is_shared_in_each_way_that_is_asked_for_and_makes_sense() -> None:
    asked = replace(request(SHARED, cpus=2), strategies=(Strategy.POOL, Strategy.PROCESSES, Strategy.THREADS))
    plan = make_plan(replace(asked, measures=(Measure.TIME,)), ())
    assert [(case.strategy, case.threads, case.id) for case in plan.cases] == [
        (Strategy.SERIAL, 1, "pure/loop threads=1 cpus=0-1"),
        (Strategy.THREADS, 2, "pure/loop threads=2 cpus=0-1"),
        (Strategy.PROCESSES, 2, "pure/loop processes=2 cpus=0-1"),
    ]
    assert {block.cases for block in plan.blocks} == {tuple(case.id for case in plan.cases)}, "they share their blocks"


def test_whole_jobs_are_for_more_threads_than_one() -> None:
    plan = make_plan(replace(request(SHARED, cpus=2), split=Split.WHOLE, measures=(Measure.TIME,)), ())
    assert [(case.id, case.jobs) for case in plan.cases] == [
        ("pure/loop threads=1 cpus=0-1", 1),
        ("pure/loop threads=2 split=whole cpus=0-1", 2),
    ]


def test_a_workload_whose_parts_share_what_they_change_has_no_whole_jobs() -> None:
    sharing = msgspec.structs.replace(SHARED, splits=(Split.SHARE,))
    plan = make_plan(replace(request(sharing, cpus=2), split=Split.WHOLE, measures=(Measure.TIME,)), ())
    assert [case.threads for case in plan.cases] == [1]
    assert [skip.reason for skip in plan.skipped] == ["what the parts of pure/loop share is not there for whole jobs"]


def test_capacity_and_memory_are_of_threads() -> None:
    able = msgspec.structs.replace(SHARED, capacity=True)
    asked = replace(request(able, cpus=2), strategies=(Strategy.PROCESSES,))
    cases = make_plan(replace(asked, measures=tuple(Measure)), ()).cases
    assert {case.measure for case in cases if case.strategy is Strategy.PROCESSES} == {Measure.TIME}
    assert Measure.CAPACITY not in {case.measure for case in cases}


def test_only_the_way_that_a_build_cannot_go_is_skipped() -> None:
    refused = {"numpy": "does not support loading in subinterpreters"}
    builds = [
        facts("old", packages={"numpy": "2.4"}, release="3.13.5"),
        facts("new", packages={"numpy": "2.4"}, release="3.14.6", no_subinterpreters=refused),
    ]
    arrays = msgspec.structs.replace(SHARED, dependencies=("numpy",))
    asked = replace(request(arrays, cpus=2), strategies=(Strategy.THREADS, Strategy.INTERPRETERS))
    plan = make_plan(replace(asked, measures=(Measure.TIME,)), builds)
    assert [case.strategy for case in plan.cases] == [Strategy.SERIAL, Strategy.THREADS]
    (skip,) = plan.skipped
    assert skip.reason == (
        "old has no InterpreterPoolExecutor, which came with 3.14, "
        "numpy 2.4 cannot be imported in a subinterpreter of new"
    )


def test_nothing_left_to_measure_is_an_error() -> None:
    with pytest.raises(RequestError, match="gil has no lxml"):
        make_plan(request(PARSER), [facts("gil")])


def test_thread_counts_of_a_build_are_neighbours_where_capacity_is_measured() -> None:
    able = msgspec.structs.replace(PURE, capacity=True)
    plan = make_plan(replace(request(able, cpus=2), measures=(Measure.CAPACITY,)), ())
    orders = {turn_order(block, plan.builds) for block in plan.blocks}
    assert all(order[0][1] == order[1][1] != order[2][1] == order[3][1] for order in orders)
    assert len(orders) > 1


def test_builds_of_a_case_are_neighbours_in_every_turn() -> None:
    plan = make_plan(request(PURE), ())
    orders = set()
    for block in plan.blocks:
        order = turn_order(block, plan.builds)
        assert sorted(order) == sorted((case, build) for case in block.cases for build in plan.builds)
        assert all(order[i][0] == order[i + 1][0] for i in range(0, len(order), 2))
        orders.add(order)
    assert len(orders) > 1


def test_more_blocks_take_longer() -> None:
    assert estimate_seconds(make_plan(request(PURE, SINGLE), ())) > estimate_seconds(make_plan(request(SINGLE), ()))


def test_capacity_is_measured_in_blocks_of_its_own_with_whole_rounds_over_the_cpus() -> None:
    able = msgspec.structs.replace(PURE, capacity=True)
    plan = make_plan(request(able, cpus=3), ())
    by_measure = {measure: [case for case in plan.cases if case.measure is measure] for measure in Measure}
    assert [case.threads for case in by_measure[Measure.CAPACITY]] == [1, 2, 3]
    assert by_measure[Measure.CAPACITY][0].id == "pure/loop capacity threads=1 cpus=0-2"
    for block in plan.blocks:
        measures = {case.measure for case in plan.cases if case.id in block.cases}
        assert len(measures) == 1
        assert measures == {Measure.TIME} or block.values % 3 == 0


def test_one_thread_alone_has_no_capacity_to_compare() -> None:
    able = msgspec.structs.replace(PURE, capacity=True)
    assert {case.measure for case in make_plan(request(able, cpus=1), ()).cases} == {Measure.TIME}


def test_a_profile_has_a_target_a_cap_that_is_a_look_and_a_budget() -> None:
    plan = make_plan(request(PURE), ())
    assert (plan.target, plan.budget_seconds, len(plan.blocks)) == (0.05, 240, 16)
    assert all(effort.blocks in LOOKS for effort in EFFORTS.values())
    assert [EFFORTS[profile].target for profile in Profile] == [0.05, 0.02, 0.01]


def test_a_fixed_number_of_blocks_has_neither() -> None:
    plan = make_plan(replace(request(PURE), blocks=3), ())
    assert (plan.target, plan.budget_seconds, len(plan.blocks)) == (None, None, 3)


ABLE = msgspec.structs.replace(PURE, capacity=True)


def test_a_budget_bounds_the_estimate_but_not_below_the_first_look() -> None:
    whole = estimate_seconds(make_plan(replace(request(PURE, SINGLE), blocks=16), ()))
    half = estimate_seconds(make_plan(replace(request(PURE, SINGLE), budget_seconds=0.75 * whole), ()))
    short = make_plan(replace(request(PURE, SINGLE), budget_seconds=1), ())
    assert half == 0.75 * whole
    assert estimate_seconds(short) == first_look_seconds(short)
    assert 0.4 * whole < first_look_seconds(short) < 0.6 * whole


def test_where_the_budget_has_room_little_of_a_block_is_anything_but_values() -> None:
    def values(**options: Any) -> dict[Measure, int]:
        plan = make_plan(replace(request(ABLE, cpus=2), measures=tuple(Measure), **options), ())
        return {block.measure: block.values for block in plan.blocks}

    tight, roomy, endless = values(budget_seconds=60), values(budget_seconds=600), values(budget_seconds=1e6)
    assert tight == values(blocks=4), "what a few blocks need"
    assert tight[Measure.TIME] < roomy[Measure.TIME] <= endless[Measure.TIME]
    assert tight[Measure.CAPACITY] < endless[Measure.CAPACITY]
    assert {one[Measure.MEMORY] for one in (tight, roomy, endless)} == {MEMORY_VALUES}
    assert endless == values(budget_seconds=1e9), "more would save nothing"


def test_values_before_the_first_look_balance_costs() -> None:
    """The longer a turn, the fewer of them: a worker's start is paid with a few, or with many."""
    short = make_plan(request(SINGLE), ()).blocks[0]
    full = msgspec.structs.replace(SINGLE, full_seconds=8.0)
    long = make_plan(replace(request(full), size=Size.FULL), ()).blocks[0]
    assert short.values > long.values
    assert short.values % 2 == long.values % 2 == 0, "no seat is first more often"
    assert (short.settling, long.settling) == (1, 0), "caches are filled in milliseconds"


def test_a_workload_can_ask_for_longer_turns_and_not_for_shorter_ones() -> None:
    able = msgspec.structs.replace(ABLE, turn_seconds=0.08)
    usual = make_plan(replace(request(ABLE), measures=tuple(Measure)), ())
    longer = make_plan(replace(request(able), measures=tuple(Measure)), ())
    shorter = make_plan(request(msgspec.structs.replace(SINGLE, turn_seconds=0.001)), ())

    def turns(plan: Plan) -> dict[Measure, float]:
        return {case.measure: turn_seconds(plan, case) for case in plan.cases}

    assert turns(longer) == turns(usual) | {Measure.TIME: 0.08, Measure.MEMORY: 0.08}
    assert turns(shorter) == {Measure.TIME: usual.turn_seconds}
    assert first_look_seconds(longer) > first_look_seconds(usual)
    assert next(b.settling for b in longer.blocks if b.measure is Measure.TIME) == 1, "they still fill caches"


def test_where_time_is_measured_turns_are_gauged() -> None:
    plan = make_plan(request(ABLE, SINGLE, cpus=2), ())
    assert {block.gauged for block in plan.blocks if block.measure is Measure.TIME} == {True}
    assert {block.gauged for block in plan.blocks if block.measure is not Measure.TIME} == {False}


def test_memory_is_measured_where_there_is_time_or_where_it_was_asked_for() -> None:
    def measures(**options: Any) -> set[Measure]:
        return {case.measure for case in make_plan(replace(request(ABLE), **options), ()).cases}

    assert measures() == {Measure.TIME, Measure.CAPACITY}
    assert measures(profile=Profile.STANDARD) == set(Measure)
    assert measures(measures=(Measure.MEMORY,)) == {Measure.MEMORY}
    with pytest.raises(RequestError, match="none of these workloads has a capacity"):
        make_plan(replace(request(SINGLE), measures=(Measure.CAPACITY,)), ())


def test_free_placement_is_in_the_case_and_its_name_where_there_is_a_choice() -> None:
    plan = make_plan(replace(request(ABLE, cpus=2), placement=Placement.FREE, measures=tuple(Measure)), ())
    free = {case.id for case in plan.cases if case.placement is Placement.FREE}
    assert free == {"pure/loop threads=2 placement=free cpus=0-1"}
