"""The benchmark suite of CPython's developers, as it is installed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import pyperformance, scripts, specs
from harness.errors import RequestError
from harness.model import Workload
from harness.plan import Request, make_plan
from harness.workbench import workbench
from tests.toys import facts

WORKLOADS = Path(__file__).parents[2] / "workloads"


def chosen(names: str) -> dict[str, Workload]:
    return {workload.name: workload for workload in specs.select_workloads(names, specs.load_workloads(WORKLOADS))}


def test_the_suite_is_a_set_of_workloads() -> None:
    found = chosen("pyperformance")
    assert len(found) > 90
    assert {workload.category for workload in found.values()} == {"pyperformance"}
    assert found["pyperformance/nbody"].arguments == ()
    assert Path(found["pyperformance/nbody"].source).name == "run_benchmark.py"


def test_names_after_one_of_the_suite_are_of_the_suite_where_they_can_be() -> None:
    assert list(chosen("pyperformance:nbody,json_loads,pyperformance/go")) == [
        "pyperformance/nbody",
        "pyperformance/json_loads",
        "pyperformance/go",
    ]
    assert list(chosen("nbody,pyperformance:go,nbody,matrix")) == [
        "pure_python/nbody",
        "pyperformance/go",
        "pyperformance/nbody",
        "numeric/matrix",
    ]


def test_benchmarks_that_share_a_script_are_told_apart_by_arguments() -> None:
    found = chosen("pyperformance:pickle,unpickle_pure_python")
    assert [workload.arguments for workload in found.values()] == [("pickle",), ("--pure-python", "unpickle")]
    assert len({workload.source for workload in found.values()}) == 1


def test_a_benchmark_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match='did you mean "pyperformance:nbody"'):
        chosen("pyperformance:nbdy")


def test_what_a_benchmark_needs_and_a_build_lacks_is_the_reason_to_leave_it_out() -> None:
    workloads = tuple(chosen("pyperformance:nbody,django_template").values())
    request = Request(builds=("gil", "free"), workloads=workloads, cpu_sets=((0,),))
    plan = make_plan(request, [facts("gil"), facts("free")])
    assert {case.workload for case in plan.cases} == {"pyperformance/nbody"}
    assert "gil has no django" in plan.skipped[0].reason


def test_a_benchmark_has_its_whole_folder_and_is_found_again() -> None:
    found = chosen("pyperformance:2to3,async_tree_io_tg")
    for workload in found.values():
        assert scripts.hash_now(workload) == workload.sha256
        assert scripts.again(workload).workload == workload
    with workbench(WORKLOADS, found.values()) as bench:
        for workload in found.values():
            assert (bench.tools / "workloads" / workload.path).read_bytes() == Path(workload.source).read_bytes()
        assert (bench.tools / "workloads" / found["pyperformance/2to3"].path).with_name("vendor").is_dir()


def test_every_benchmark_of_the_manifest_has_its_script() -> None:
    assert all(Path(workload.source).is_file() for workload in chosen("pyperformance").values())
    assert "pyperformance:json_dumps" in pyperformance.names()
