"""What was typed reaches the plan, and the command of a run makes the same plan again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import request
from harness.errors import RequestError
from harness.model import Plan
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
