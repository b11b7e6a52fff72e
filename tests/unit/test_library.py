"""What scripts may import: a plain function becomes a workload whose answers are checked, in real worker processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import specs
from harness.model import WRONG_ANSWER_STATUS, Strategy

WORKLOADS = Path(__file__).parents[2] / "workloads"
HEAD = "from gilometer import bench\n"
TAIL = '\nif __name__ == "__main__":\n    bench({})\n'


def execute(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A worker with a warm-up and two values, as the harness starts it."""
    how = ["--worker", "--worker-task=0", "-w", "1", "-l", "1", "-n", "2", "-q", "-o", str(path.with_suffix(".json"))]
    return subprocess.run(
        [sys.executable, "-W", "error", str(path), *how, *arguments],
        env=os.environ | {"PYTHONPATH": str(WORKLOADS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def script(tmp_path: Path, functions: str, call: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(HEAD + functions + TAIL.format(call))
    return path


@pytest.mark.parametrize("threads", ["1", "2", "3"])
def test_a_function_is_called_once_for_each_item_whatever_the_threads(tmp_path: Path, threads: str) -> None:
    note = "import os\ndef note(item):\n    os.write(2, b'%d' % item)\n    return -item\n"
    path = script(tmp_path, note, "note, (n for n in range(5))")
    ended = execute(path, "--threads", threads)
    assert ended.returncode == 0
    # For the warm-up and both values, and once in the main thread for the answer to compare with.
    assert sorted(ended.stderr) == sorted("01234" * 4)
    assert json.loads(path.with_suffix(".json").read_text())["metadata"]["name"] == "mine"


def test_a_function_without_an_argument_is_called_as_often_as_is_said(tmp_path: Path) -> None:
    tick = "import os\ndef tick():\n    os.write(2, b'.')\n"
    ended = execute(script(tmp_path, tick, "tick, calls=7"), "--threads", "2")
    assert (ended.returncode, ended.stderr) == (0, "." * (7 * 4))


@pytest.mark.parametrize("strategy", ["pool", "processes"])
def test_a_function_can_be_shared_out_in_every_way(tmp_path: Path, strategy: str) -> None:
    path = script(tmp_path, "def negative(item):\n    return -item\n", "negative, range(10)")
    ended = execute(path, "--threads", "2", "--strategy", strategy)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(path.with_suffix(".json").read_text())["metadata"]["strategy"] == strategy


COUNTER = "import threading\ndef work(item):\n    return threading.current_thread() is threading.main_thread()\n"


@pytest.mark.parametrize(("threads", "status"), [("1", 0), ("2", WRONG_ANSWER_STATUS)])
def test_a_result_that_differs_from_the_main_threads_is_a_wrong_answer(
    tmp_path: Path, threads: str, status: int
) -> None:
    ended = execute(script(tmp_path, COUNTER, "work, range(9)"), "--threads", threads)
    assert ended.returncode == status
    assert ended.stderr == ("wrong answer: expected True, got False\n" if status else "")


@pytest.mark.parametrize(
    "functions",
    [
        "import random\ndef work(item):\n    return random.random()\n",
        "def work(item):\n    return object()\n",
        "class Array:\n"
        "    def __eq__(self, other):\n        raise ValueError('ambiguous')\n"
        "def work(item):\n    return Array()\n",
    ],
)
@pytest.mark.parametrize("arguments", [("--threads", "2"), ("--threads", "2", "--measure", "capacity")])
def test_results_that_cannot_be_compared_are_not(tmp_path: Path, functions: str, arguments: tuple[str, ...]) -> None:
    ended = execute(script(tmp_path, functions, "work, range(96)"), *arguments)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_where_capacity_is_measured_each_piece_is_checked_too(tmp_path: Path) -> None:
    ended = execute(script(tmp_path, COUNTER, "work, range(96)"), "--threads", "2", "--measure", "capacity")
    assert ended.returncode == WRONG_ANSWER_STATUS
    assert ended.stderr.startswith("wrong answer: expected [True, True], got [False, False]")


def test_what_the_function_raises_ends_the_worker(tmp_path: Path) -> None:
    ended = execute(script(tmp_path, "def work(item):\n    return 1 // item\n", "work, [1, 0]"), "--threads", "2")
    assert ended.returncode == 1
    assert ended.stderr.rstrip().endswith("ZeroDivisionError: integer division or modulo by zero")


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_of_the_documentation_work(tmp_path: Path, number: int) -> None:
    text = (WORKLOADS.parent / "docs" / "adding-a-workload.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    path = tmp_path / "example.py"
    path.write_text(examples[number])
    (workload,) = specs.select_workloads(str(path), ())
    assert Strategy.INTERPRETERS in workload.strategies
    ended = execute(path, "--threads", "2")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_plain_function_takes_a_file_of_four_lines() -> None:
    text = (WORKLOADS.parent / "docs" / "adding-a-workload.md").read_text()
    (example, _) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(list(filter(None, example.splitlines()))) == 4
