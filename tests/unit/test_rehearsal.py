"""The rehearsal, with real interpreters on the host: what a script has to measure, and what is wrong with it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from harness import specs
from harness.host_engine import HostEngine
from harness.model import BuildFacts, Environment
from harness.progress import Silent
from harness.rehearsal import Rehearsal, Trouble, rehearse
from harness.workbench import workbench
from tests.toys import facts, write_toys


def rehearsal(
    tmp_path: Path, text: str, *, timeout: float = 20, builds: Sequence[BuildFacts] = (facts("a"), facts("b"))
) -> Rehearsal:
    """Of one script, proj/mine."""
    (tmp_path / "proj").mkdir()
    script = tmp_path / "proj" / "mine.py"
    script.write_text(textwrap.dedent(text))
    toys = write_toys(tmp_path / "workloads", "good")
    chosen = specs.select_workloads(f"toy/good,{script}", specs.load_workloads(toys))
    with workbench(toys, chosen) as bench:
        return rehearse(
            chosen,
            builds,
            HostEngine(bench),
            bench,
            cpus=(0,),
            timeout_seconds=timeout,
            progress=Silent(),
        )


def trouble(tmp_path: Path, text: str, *, timeout: float = 20) -> Trouble:
    """What is wrong with one script; nothing with the others."""
    found = rehearsal(tmp_path, text, timeout=timeout)
    assert [workload.name for workload in found.workloads] == ["toy/good"]
    (one,) = found.troubles
    assert one.workload == "proj/mine"
    return one


def test_a_script_with_one_benchmark_keeps_its_name_and_nothing_is_timed(tmp_path: Path) -> None:
    found = rehearsal(
        tmp_path,
        """\
        import pyperf

        def never():
            raise AssertionError("this is not the time")

        if __name__ == "__main__":
            bench = pyperf.Runner().bench_func("whatever", never)
            print(bench.get_name(), bench.mean())
        """,
    )
    assert [(one.name, one.task) for one in found.workloads] == [("toy/good", 0), ("proj/mine", 0)]
    assert found.troubles == ()


def test_a_script_may_replace_what_is_built_in_as_one_of_pyperformance_does(tmp_path: Path) -> None:
    found = rehearsal(
        tmp_path,
        """\
        import pyperf
        __builtins__.open = open
        pyperf.Runner().bench_func("whatever", int)
        """,
    )
    assert found.troubles == ()


def test_each_benchmark_of_a_script_is_a_workload(tmp_path: Path) -> None:
    found = rehearsal(
        tmp_path,
        """\
        import pyperf
        runner = pyperf.Runner()
        for size in (10, 20):
            runner.bench_func(f"sum of {size}", sum, range(size))
        runner.timeit("join", "','.join('abc')")
        runner.bench_command("start", ["true"])
        """,
    )
    assert [(one.name, one.task) for one in found.workloads[1:]] == [
        ("proj/mine:sum of 10", 0),
        ("proj/mine:sum of 20", 1),
        ("proj/mine:join", 2),
        ("proj/mine:start", 3),
    ]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("import pyperf\ndef x(:\n    pass\n", "SyntaxError: invalid syntax", 2),
        ("import pyperf\n\nimport no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'", 3),
        ("import pyperf\npyperf.Runner()\n1 / 0\n", "ZeroDivisionError: division by zero", 3),
        ("import pyperf\npyperf.Runner().bench_func('x')\n", "TypeError: ", 2),
    ],
)
def test_what_a_script_raises_is_shown_with_the_authors_own_file_and_line(
    tmp_path: Path, text: str, message: str, line: int
) -> None:
    found = trouble(tmp_path, text)
    assert message in found.message
    assert found.build == "a"
    assert f'  File "{tmp_path}/proj/mine.py", line {line}' in found.output
    assert found.output.count('  File "') == 1
    assert found.output.endswith(found.message)
    assert f"proj/mine cannot be measured: on a: {found.message}\n  | " in str(found)
    assert found.skipped.case == "proj/mine"
    assert ("docs/adding-a-workload.md" in found.hint) is message.startswith("ModuleNotFoundError")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import pyperf\n", "it has no pyperf benchmark, such as runner.bench_func makes"),
        ("import pyperf, sys\nsys.exit('give me a file')\n", "give me a file"),
        ("import pyperf, os, sys\nos._exit(3)\n", "it ended with exit status 3"),
        ("import pyperf, os, sys\nos._exit(0)\n", "its process ended before the script did"),
        ("import pyperf, os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "it was killed by SIGKILL"),
        ("import pyperf, sys\npyperf.Runner().argparser.error('what?')\n", "mine.py: error: what?"),
    ],
)
def test_a_script_that_comes_to_no_benchmark_is_named(tmp_path: Path, text: str, message: str) -> None:
    assert trouble(tmp_path, text).message == message


def test_a_script_that_does_not_come_to_its_benchmarks_is_stopped(tmp_path: Path) -> None:
    found = trouble(tmp_path, "import pyperf, time\nprint('waiting', flush=True)\ntime.sleep(600)\n", timeout=1)
    assert found.message == "it had not come to its benchmarks after 1 s"
    assert found.output == "waiting"


def test_a_script_whose_benchmarks_differ_between_builds_is_not_compared(tmp_path: Path) -> None:
    text = """\
        import pyperf, pathlib
        mark = pathlib.Path({mark!r})
        pyperf.Runner().bench_func("second" if mark.exists() else "first", len, ())
        mark.touch()
        """
    found = trouble(tmp_path, text.format(mark=str(tmp_path / "mark")))
    assert (found.build, found.message) == ("b", "its benchmarks are not those that it has on a")


NEEDS = '# /// script\n# dependencies = ["pyperf", "six"]\n# ///\nimport pyperf, six\n'


def test_a_script_whose_packages_a_build_lacks_is_left_to_the_plan(tmp_path: Path) -> None:
    builds = (facts("a", packages={"pyperf": "2", "six": "1"}), facts("b", packages={"pyperf": "2"}))
    found = rehearsal(tmp_path, NEEDS, builds=builds)
    assert [one.name for one in found.workloads] == ["toy/good", "proj/mine"]
    assert found.troubles == ()


def test_a_script_finds_what_was_installed_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "six.py").write_text("import pyperf\nNAME = 'installed'\n")
    (tmp_path / "proj").mkdir()
    script = tmp_path / "proj" / "mine.py"
    script.write_text(f"{NEEDS}pyperf.Runner().bench_func(six.NAME, len, ())\npyperf.Runner\n")
    lock = tmp_path / "proj" / "requirements.txt"
    lock.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    (workload,) = specs.select_workloads(str(script), ())
    environments = {workload.requirements: Environment(folder=str(folder), packages={"six": "1.17.0"})}
    builds = [
        msgspec.structs.replace(facts(name, packages={"pyperf": "2"}), environments=environments) for name in "ab"
    ]
    with workbench(tmp_path / "proj", [workload]) as bench:
        engine = HostEngine(bench)
        assert all(engine.has(build) for build in builds)
        found = rehearse([workload], builds, engine, bench, cpus=(0,), timeout_seconds=20, progress=Silent())
        assert not engine.has(
            msgspec.structs.replace(builds[0], environments={"x": Environment(folder="/nowhere", packages={})})
        )
    assert found.troubles == ()
    assert [one.name for one in found.workloads] == ["proj/mine"]
