"""The benchmarks against pyperf on real containers: they measure, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import msgspec
import pytest

from benchmarks.false_alarms import Record
from harness.model import BuildFacts
from tests.integration.processes import ROOT

FALSE_ALARMS = (
    "benchmarks.false_alarms", "--comparisons", "1", "--seconds", "1", "--workloads", "pure_python/cpu_bound",
)  # fmt: skip
POWER = ("benchmarks.power", "--pairs", "2", "--blocks", "6")

pytestmark = pytest.mark.usefixtures("pair_facts")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for temporary files, its name short enough for a socket's below it."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as name:
        yield Path(name)


@contextlib.contextmanager
def started(scratch: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def containers() -> int:
    with contextlib.closing(docker.from_env()) as client:
        return len(client.containers.list(all=True, filters={"label": "org.gilometer.worker"}))


def children_of(pid: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if stat.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(stat.parent.name)
    return found


def test_a_comparison_is_made_both_ways_and_all_of_it_is_kept(
    scratch: Path, tmp_path: Path, pair_facts: tuple[BuildFacts, ...]
) -> None:
    out = tmp_path / "out.json"
    with started(scratch, *FALSE_ALARMS, "--out", str(out)) as process:
        printed, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "| Gilometer | 1 |" in printed
    assert "| pyperf | 1 |" in printed
    record = msgspec.json.decode(out.read_bytes(), type=Record)
    (comparison,) = record.comparisons
    assert record.build.image == pair_facts[-1].image
    assert comparison.ours.logs
    runs = comparison.theirs.suites[1].benchmark.get_runs()
    assert [len(run.values) for run in runs] == [3] * comparison.theirs.processes
    assert containers() == 0
    assert [*scratch.iterdir()] == []


@pytest.mark.parametrize("arguments", [FALSE_ALARMS, POWER], ids=["false alarms", "power"])
def test_ctrl_c_leaves_no_container_no_process_and_no_folder(scratch: Path, arguments: tuple[str, ...]) -> None:
    with started(scratch, *arguments) as process:
        deadline = time.monotonic() + 300
        while not (containers() and [*scratch.iterdir()]):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert containers() == 0
    assert [*scratch.iterdir()] == []
    assert bool(children) == (arguments == FALSE_ALARMS), "the load is the only process that a benchmark keeps"
    assert not any(Path(f"/proc/{child}").exists() for child in children)
