"""What was typed reaches the plan, and the command of a run makes the same plan again."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import request
from harness.engine import DOCKER_AND_CHROOT
from harness.errors import RequestError
from harness.model import Measure, Placement, Plan, Size, Strategy
from harness.plan import make_plan
from harness.request import BenchOptions
from tests.toys import write_toys


def plan_of(options: BenchOptions, folder: Path) -> Plan:
    return make_plan(request.resolve(options, folder, ("3.14", "3.14t")), ())


@pytest.mark.parametrize(
    ("options", "target", "budget", "blocks"),
    [
        (BenchOptions(), 0.05, 240, 16),
        (BenchOptions(budget="10m"), 0.05, 600, 16),
        (BenchOptions(profile="standard", measures="time"), 0.02, 1200, 48),
        (BenchOptions(profile="rigorous", budget="90s"), 0.01, 90, 2 * 64),
        (BenchOptions(blocks="3"), None, None, 3),
    ],
)
def test_a_run_has_a_target_and_a_budget_or_a_number_of_blocks(
    tmp_path: Path, options: BenchOptions, target: float | None, budget: float | None, blocks: int
) -> None:
    plan = plan_of(options, write_toys(tmp_path, "good"))
    assert (plan.target, plan.budget_seconds, len(plan.blocks)) == (target, budget, blocks)


@pytest.mark.parametrize(
    "options",
    [BenchOptions(), BenchOptions(budget="10m", profile="standard"), BenchOptions(blocks="3", measures="memory,time")],
)
def test_the_command_of_a_run_makes_the_same_plan_again(tmp_path: Path, options: BenchOptions) -> None:
    folder = write_toys(tmp_path, "good")
    plan = plan_of(options, folder)
    words = shlex.split(request.command(options, plan))[2:]
    again: dict[str, Any] = {
        name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)
    }
    assert plan_of(BenchOptions(**again), folder) == plan


def test_a_hunt_for_races_has_more_threads_than_cpus_and_no_target(tmp_path: Path) -> None:
    folder = write_toys(tmp_path, "good", threaded=True)
    plan = plan_of(BenchOptions(stress=True, cores="1"), folder)
    assert (plan.stress, plan.target, plan.budget_seconds, len(plan.blocks)) == (True, None, None, 4)
    assert [(case.threads, case.placement, case.measure) for case in plan.cases] == [(4, Placement.FREE, Measure.TIME)]
    assert plan_of(BenchOptions(stress=True, cores="1", threads="3", blocks="7"), folder).cases[0].threads == 3
    assert "--stress" in request.command(BenchOptions(stress=True), plan)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (BenchOptions(stress=True, measures="time"), "leave out --measures"),
        (BenchOptions(stress=True, budget="10m"), "leave out --budget"),
        (BenchOptions(stress=True, strategies="processes"), "share nothing that could race"),
        (BenchOptions(strategies="fibres"), '--strategies: there is no "fibres"'),
        (BenchOptions(strategies="process"), 'did you mean "processes"'),
        (BenchOptions(split="half"), '--split: there is no "half"'),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, options: BenchOptions, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        request.resolve(options, write_toys(tmp_path, "good", threaded=True), ("3.14", "3.14t"))


def test_where_nothing_has_threads_there_is_nothing_to_hunt(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="toy/good has no threads, so nothing can race"):
        plan_of(BenchOptions(stress=True), write_toys(tmp_path, "good"))


def test_all_strategies_are_every_one_that_makes_sense(tmp_path: Path) -> None:
    folder = write_toys(tmp_path, "good", threaded=True)
    everything = request.resolve(BenchOptions(strategies="all"), folder, ("3.14", "3.14t"))
    assert everything.strategies == tuple(one for one in Strategy if one is not Strategy.SERIAL)
    two = request.resolve(BenchOptions(strategies="processes,threads"), folder, ("3.14", "3.14t"))
    assert two.strategies == (Strategy.THREADS, Strategy.PROCESSES)


def overhead_plan(options: BenchOptions, folder: Path) -> Plan:
    wanted = request.resolve_overhead(options, folder)
    return make_plan(dataclasses.replace(wanted, builds=("3.14t-source@host", "3.14t-source")), ())


@pytest.mark.parametrize(
    ("options", "target", "budget"),
    [
        (BenchOptions(builds="3.14t", threads="1", profile="standard"), 0.02, 240),
        (BenchOptions(threads="1", profile="rigorous", budget="20m", workloads="toy"), 0.01, 1200),
        (BenchOptions(threads="1", blocks="3"), None, None),
    ],
)
def test_what_a_container_costs_is_measured_in_minutes_and_its_command_makes_the_same_plan_again(
    tmp_path: Path, options: BenchOptions, target: float | None, budget: float | None
) -> None:
    folder = write_toys(tmp_path, "good", threaded=True)
    plan = overhead_plan(options, folder)
    assert (plan.size, plan.target, plan.budget_seconds) == (Size.QUICK, target, budget)
    assert [case.threads for case in plan.cases] == [1]
    command = request.command(dataclasses.replace(options, engine=DOCKER_AND_CHROOT), plan)
    verb, *words = shlex.split(command)[1:]
    assert verb == "overhead"
    again: dict[str, Any] = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    assert again.pop("build") == "3.14t-source"
    assert overhead_plan(BenchOptions(threads="1", **again), folder) == plan


def test_only_one_build_is_measured_in_its_container_and_outside_of_it(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="more than one build"):
        request.resolve_overhead(BenchOptions(builds="3.14,3.14t"), write_toys(tmp_path, "good"))


def test_a_fixed_number_of_blocks_has_no_budget(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="leave one of them out"):
        plan_of(BenchOptions(blocks="3", budget="10m"), write_toys(tmp_path, "good"))


@pytest.mark.parametrize("names", ["3.14-source-pgo,3.14t-source-pgo", "3.13-debian,3.14t-source"])
def test_builds_that_are_named_are_never_replaced(names: str) -> None:
    named = request.named_builds(BenchOptions(builds=names))
    assert named is not None
    assert ",".join(build.name for build in named) == names


def test_an_optimisation_that_is_asked_for_applies_to_short_names() -> None:
    named = request.named_builds(BenchOptions(builds="3.14,3.14t", optimize="pgo-lto"))
    assert named is not None
    assert [build.name for build in named] == ["3.14-source-pgo", "3.14t-source-pgo"]


def test_interpreters_of_the_host_are_not_looked_for_among_the_images(tmp_path: Path) -> None:
    options = BenchOptions(engine="host", builds=f"{sys.executable},/usr/bin/python3")
    folder = write_toys(tmp_path, "good")
    found = request.resolve(options, folder)
    assert found.builds == (sys.executable, "/usr/bin/python3")
    assert f"--builds {options.builds} " in request.command(options, make_plan(found, ()))
