"""`inv new-workload` writes a workload that works, and never over anything."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import scaffold, specs
from harness.errors import HostError, RequestError

ROOT = Path(__file__).parents[2]


def test_what_is_written_is_a_workload_of_that_name_that_works(tmp_path: Path) -> None:
    path = scaffold.write("sort_lines", tmp_path)
    assert path == tmp_path / "sort_lines.py"
    (workload,) = specs.select_workloads(str(path), ())
    assert workload.name == f"{tmp_path.name}/sort_lines"
    assert workload.strategies
    assert workload.capacity
    assert workload.dependencies == ("pyperf",)
    text = path.read_text()
    assert "template" not in text
    assert "./inv bench --workloads ./sort_lines.py" in text
    ast.parse(text, feature_version=(3, 11))
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(path), "--worker", "--worker-task=0", "-w1", "-l1", "-n1", "--threads=2"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workloads")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_template_stands_in_the_catalogue_of_nobody() -> None:
    assert "template" not in {workload.name.rpartition("/")[2] for workload in specs.load_workloads(ROOT / "workloads")}


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("precious\n")
    with pytest.raises(RequestError, match=r"mine\.py is there already"):
        scaffold.write("mine", tmp_path)
    (tmp_path / "link.py").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RequestError, match=r"link\.py is there already"):
        scaffold.write("link", tmp_path)
    assert path.read_text() == "precious\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is no name of a module"),
        ("sort-lines", "is no name of a module"),
        ("mine.py", "is no name of a module"),
        ("../mine", "is no name of a module"),
        ("3d", "is no name of a module"),
        ("class", "a word of the language"),
        ("_mine", "begins with an underscore"),
        ("json", "would then not find"),
        ("pyperf", "would then not find"),
        ("gilometer", "would then not find"),
    ],
)
def test_a_name_that_no_script_can_have_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        scaffold.write(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot write"):
        scaffold.write("mine", tmp_path / "no" / "such")
