"""Thread smoke tests: the part that all share, and the scripts whose packages are here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.requirements import canonical, names

FOLDER = Path(__file__).parents[2] / "workloads" / "audit"
SCRIPTS = sorted(FOLDER.glob("[a-z]*.py"))
RACE = """
counts = []
import threading
def work(share):
    counts.append(share)
    return len({threading.get_ident()} | {threading.main_thread().ident})
"""


def execute(path: Path) -> dict[str, object]:
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def own(folder: Path, text: str) -> dict[str, object]:
    """What a script of somebody's own finds, in a folder with the shared part."""
    (folder / "_threads.py").write_bytes((FOLDER / "_threads.py").read_bytes())
    script = folder / "toy.py"
    script.write_text(f"from _threads import compare, THREADS\n{text}\ncompare(work)\n")
    return execute(script)


def test_work_that_is_the_same_is_and_says_how_it_scaled(tmp_path: Path) -> None:
    found = own(tmp_path, "def work(share):\n    return sum(range(share + 1000))")

    assert (found["threads"], found["same"]) == (4, True)
    assert all(one > 0 for one in found["seconds"])  # type: ignore[attr-defined]
    assert "one look, no measurement" in str(found["said"])


def test_another_answer_in_a_thread_is_found(tmp_path: Path) -> None:
    found = own(tmp_path, RACE)

    assert found["same"] is False
    assert found["said"] == "one of 4 threads got 2 for share 0 instead of 1"


def test_an_error_in_a_thread_is_another_answer(tmp_path: Path) -> None:
    text = "import threading\ndef work(share):\n    assert threading.current_thread() is threading.main_thread(), 'no'"
    found = own(tmp_path, text)

    assert (found["same"], found["said"]) == (False, "one of 4 threads failed at share 0: AssertionError: no")


def test_work_that_never_repeats_itself_is_no_work_to_compare(tmp_path: Path) -> None:
    found = own(tmp_path, "def work(share, turn=iter(range(1000))):\n    return next(turn)")

    assert str(found["said"]).startswith("one thread, once more got ")


@pytest.mark.parametrize("package", ["lxml", "numpy", "selectolax"])
def test_a_script_imports_the_package_that_it_is_named_like(package: str) -> None:
    assert execute(FOLDER / f"{package}.py")["same"] is True


def test_every_script_is_of_a_package_that_is_audited() -> None:
    top = {canonical(name) for name in names(FOLDER / "top.txt")}

    assert {canonical(path.stem) for path in SCRIPTS} <= top
