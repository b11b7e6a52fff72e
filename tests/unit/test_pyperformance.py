"""The benchmark suite of CPython's developers, as it is installed here."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from harness import pyperformance, scripts, specs
from harness.errors import RequestError
from harness.model import Environment, Workload
from harness.plan import Request, make_plan
from harness.requirements import canonical
from harness.workbench import workbench
from tests.toys import facts

WORKLOADS = Path(__file__).parents[2] / "workloads"
LOCKS = WORKLOADS.parent / "images" / "requirements" / "pyperformance"


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


def test_short_is_a_part_of_the_suite_that_needs_no_packages() -> None:
    found = chosen("pyperformance:short")
    assert len(found) == 20
    assert found.keys() < chosen("pyperformance").keys()
    assert not any(workload.dependencies or workload.requirements for workload in found.values())
    assert list(chosen("pyperformance/short,nbody")) == list(found), "nbody is one of them"


def test_benchmarks_that_share_a_script_are_told_apart_by_arguments() -> None:
    found = chosen("pyperformance:pickle,unpickle_pure_python")
    assert [workload.arguments for workload in found.values()] == [("pickle",), ("--pure-python", "unpickle")]
    assert len({workload.source for workload in found.values()}) == 1


def test_a_benchmark_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match='did you mean "pyperformance:nbody"'):
        chosen("pyperformance:nbdy")


def test_a_benchmark_is_left_out_where_its_lock_cannot_be_installed_with_that_reason() -> None:
    workloads = tuple(chosen("pyperformance:nbody,crypto_pyaes").values())
    refusal = {workloads[1].requirements: Environment(folder="", refusal="no wheel")}
    builds = [facts("gil"), msgspec.structs.replace(facts("free"), environments=refusal)]
    plan = make_plan(Request(builds=("gil", "free"), workloads=workloads, cpu_sets=((0,),)), builds)
    assert {case.workload for case in plan.cases} == {"pyperformance/nbody"}
    assert "free: no wheel" in plan.skipped[0].reason


def test_a_lock_pins_everything_that_its_benchmark_asks_for() -> None:
    """So an update of the suite that asks for another package is seen here."""
    asking = [workload for workload in chosen("pyperformance").values() if workload.dependencies]
    assert len(asking) > 20
    for workload in asking:
        lines = scripts.again(workload).requirements.lines
        pinned = {canonical(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in lines}
        assert pinned >= {*workload.dependencies}, workload.name


def test_no_lock_is_without_its_benchmark_or_its_source() -> None:
    locked = {path.stem for path in LOCKS.glob("*.txt")}
    asking = {Path(one.source).parent.name for one in chosen("pyperformance").values() if one.dependencies}
    assert locked == asking == {path.stem for path in LOCKS.glob("*.in")}


def test_benchmarks_that_need_the_same_share_a_lock() -> None:
    shared = scripts.locks(chosen("pyperformance:sqlalchemy_declarative,sqlalchemy_imperative").values())
    several = scripts.locks(chosen("pyperformance:sqlglot_v2,sqlglot_v2_parse,networkx,networkx_k_core").values())
    assert (len(shared), len(several)) == (1, 2)


@pytest.mark.parametrize("name", ["docutils", "dulwich_log", "html5lib", "networkx_k_core", "tomli_loads"])
def test_the_data_of_a_benchmark_come_along(name: str, tmp_path: Path) -> None:
    (workload,) = chosen(f"pyperformance:{name}").values()
    scripts.again(workload).copy(tmp_path)
    source, copy = Path(workload.source).with_name("data"), (tmp_path / workload.path).with_name("data")
    data = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    assert data
    assert {path: (copy / path).read_bytes() for path in data} == {path: (source / path).read_bytes() for path in data}


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
