"""Whole runs of scripts that lie elsewhere, on the host engine: measured, resumed, and their mistakes shown."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import runs, store
from harness.errors import RequestError
from harness.journal import BlockRecord, Calibration, Failure, Sample
from harness.model import Run
from harness.request import BenchOptions
from tests.toys import write_toys

CPUS = len(os.sched_getaffinity(0))

TWO = """\
import pyperf
from helper import work

runner = pyperf.Runner()
runner.bench_func("small", work, 100)
runner.bench_func("large", work, 1000)
"""
HELPER = "def work(n):\n    return sum(range(n))\n"
FUNCTION = (
    'from gilometer import bench\nfrom helper import work\nif __name__ == "__main__":\n    bench(work, [100] * 50)\n'
)
BROKEN = "import pyperf\nimport no_such_module\n"
LATE = """\
import pyperf
calls = 0

def work():
    global calls
    calls += 1
    if calls > 3:
        share(calls)

def share(n):
    return n / 0

pyperf.Runner().bench_func("late", work)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with scripts of every kind; we are in it, and nobody else measures."""
    folder = tmp_path / "project"
    folder.mkdir()
    scripts = {"two": TWO, "helper": HELPER, "function": FUNCTION, "broken": BROKEN, "late": LATE}
    for name, text in scripts.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(runs, "WORKLOADS", write_toys(tmp_path / "workloads", "good"))
    monkeypatch.setattr(runs, "measuring", _unlocked)
    return folder


@contextlib.contextmanager
def _unlocked(*_: object, **__: object) -> Iterator[None]:
    yield


def bench(workloads: str, **more: str) -> int:
    options = {"threads": "1", "measures": "time", "cores": "1", "blocks": "1"} | more
    builds = f"{sys.executable},{sys.executable}"
    return runs.bench(BenchOptions(engine="host", builds=builds, workloads=workloads, **options))  # type: ignore[arg-type]


def the_run() -> tuple[Path, Run, list[Sample | Failure]]:
    (directory,) = (path.parent for path in runs.RESULTS.glob(f"*/{store.RUN}"))
    run, journal = store.load(directory)
    return directory, run, [one for line in journal if isinstance(line, BlockRecord) for one in line.outcomes]


@pytest.mark.usefixtures("project")
def test_scripts_are_measured_beside_our_own_and_each_benchmark_is_a_case() -> None:
    assert bench("toy/good,./two.py,./function.py", threads="2", cores="2" if CPUS > 1 else "1") == 0
    _, run, outcomes = the_run()
    assert {(one.workload, one.threads) for one in run.plan.cases} == {
        ("toy/good", 1),
        ("project/two:small", 1),
        ("project/two:large", 1),
        ("project/function", 2),
    }
    assert all(isinstance(one, Sample) for one in outcomes)
    names = {one.case.partition(" ")[0]: one.metadata["name"] for one in outcomes if isinstance(one, Sample)}
    assert (names["project/two:small"], names["project/two:large"]) == ("small", "large")


def test_the_command_of_a_run_names_scripts_from_anywhere(project: Path) -> None:
    (project / "broken.py").unlink()
    assert bench("good,two.py,.") == 4, "one fails late"
    words = shlex.split(the_run()[1].command)
    assert words[words.index("--workloads") + 1] == f"good,{project}/two.py,{project}"


def test_a_broken_script_is_named_and_the_others_are_measured(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("./two.py,./broken.py") == 4
    _, run, outcomes = the_run()
    assert len(outcomes) == 4
    assert all(isinstance(one, Sample) for one in outcomes)
    (skipped,) = run.plan.skipped
    assert skipped.case == "project/broken"
    assert skipped.reason.endswith("ModuleNotFoundError: No module named 'no_such_module'")
    shown = capsys.readouterr().err
    assert f'  |   File "{project}/broken.py", line 2, in <module>' in shown
    assert "/pyperf/" not in shown
    assert "gilometer-" not in shown


@pytest.mark.usefixtures("project")
def test_where_no_script_can_be_measured_the_request_was_wrong_and_nothing_is_left() -> None:
    with pytest.raises(RequestError) as caught:
        bench("./broken.py")
    assert "project/broken cannot be measured" in caught.value.message
    assert 'broken.py", line 2, in <module>' in caught.value.message
    assert not runs.RESULTS.exists()


def test_what_a_script_raises_while_it_is_measured_is_shown_as_its_author_wants_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("./late.py") == 4
    directory, _, outcomes = the_run()
    failures = [one.failure for one in store.load_journal(directory) if isinstance(one, Calibration) and one.failure]
    assert [one.message for one in failures] == ["ZeroDivisionError: division by zero"]
    assert all(isinstance(one, Failure) for one in outcomes)
    places = [line for line in failures[0].output.splitlines() if line.startswith("  File ")]
    assert places == [
        f'  File "{project}/late.py", line 13, in <module>',
        f'  File "{project}/late.py", line 8, in work',
        f'  File "{project}/late.py", line 11, in share',
    ]
    assert capsys.readouterr().err.count(f'  |   File "{project}/late.py", line 11, in share') == 1


def test_a_run_of_scripts_is_resumed_while_they_are_the_same(project: Path) -> None:
    bench("./two.py")
    directory, run, _ = the_run()
    path = directory / store.OUTCOMES
    lines = path.read_bytes().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if b'"type":"block"' in line) + 1
    path.write_bytes(b"".join(lines[:cut]))
    assert runs.resume(str(directory)) == 0
    assert len(the_run()[2]) == 2 * len(run.plan.blocks)
    (project / "helper.py").write_text(HELPER.replace("sum", "max"))
    with pytest.raises(RequestError, match=r"workload project/two:small: [0-9a-f]{12} then, [0-9a-f]{12} now"):
        runs.resume(str(directory))
    (project / "two.py").unlink()
    with pytest.raises(RequestError, match="then, gone now"):
        runs.resume(str(directory))
