"""Ways of sharing a job, whole jobs and the hunt for races, in real containers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness import runs, store
from harness.journal import BlockRecord, Failure, Sample
from harness.model import Strategy
from harness.request import BenchOptions

Pair = tuple[str, str]
WORKLOADS = Path(__file__).parents[2] / "workloads"

COUNTER = """\
# /// script
# dependencies = ["pyperf"]
# [tool.gilometer]
# summary = "Threads increment one counter."
# strategies = ["threads"]
# ///
import sys
from pathlib import Path
from threading import Lock
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

LOCK = Lock()
counter = 0

def increment():
    global counter
    value = counter
    work(range(0))  # a call, in which another thread may take its turn
    counter = value + 1

def work(part):
    for _ in part:
        {increment}
    return len(part)

def combine(results):
    global counter
    found, counter = counter, 0
    return found

if __name__ == "__main__":
    sizes = {{"quick": Scale(steps=40_000, expected=40_000)}}
    run("race/{name}", sizes=sizes, job=lambda steps: range(steps), work=work, combine=combine)
"""


def outcomes(results: Path) -> list[Sample | Failure]:
    (directory,) = results.iterdir()
    return [o for line in store.load_journal(directory) if isinstance(line, BlockRecord) for o in line.outcomes]


@pytest.mark.parametrize("split", ["share", "whole"])
def test_a_job_is_shared_in_every_way_that_the_builds_know(results: Path, pair: Pair, split: str) -> None:
    options = BenchOptions(
        builds=",".join(pair),
        workloads="pure_python/cpu_bound",
        strategies="all",
        threads="1,2",
        split=split,
        measures="time",
        blocks="1",
    )
    assert runs.bench(options) == 0

    (directory,) = results.iterdir()
    run = store.load_run(directory)
    samples = [one for one in outcomes(results) if isinstance(one, Sample)]
    ways = {case.id: case.strategy for case in run.plan.cases}
    expected = {Strategy.SERIAL, Strategy.THREADS, Strategy.POOL, Strategy.PROCESSES}
    if all(build.release >= "3.14" for build in run.builds):
        expected.add(Strategy.INTERPRETERS)
    else:
        assert "InterpreterPoolExecutor" in run.plan.skipped[0].reason
    assert {ways[sample.case] for sample in samples} == expected
    assert len(samples) == len(expected) * len(pair)
    for sample in samples:
        assert sample.metadata["strategy"] == ways[sample.case]
        assert sample.metadata["split"] == ("share" if sample.metadata["threads"] == 1 else split)
    assert "Ways of sharing a job: which is the fastest?" in (directory / "index.html").read_text()


def hunt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair: Pair, name: str, increment: str) -> int:
    """Hunt races in a workloads folder with one counter; the exit status."""
    folder = tmp_path / "workloads" / "race"
    folder.mkdir(parents=True)
    (folder.parent / "_parallel.py").write_bytes((WORKLOADS / "_parallel.py").read_bytes())
    (folder / f"{name}.py").write_text(COUNTER.format(increment=increment, name=name))
    monkeypatch.setattr(runs, "WORKLOADS", folder.parent)
    return runs.bench(BenchOptions(builds=",".join(pair), workloads=f"race/{name}", stress=True, blocks="2"))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="1 CPU")
def test_a_seeded_race_is_found_on_both_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hunt(tmp_path, monkeypatch, pair, "lost", "increment()") == 4
    said = capsys.readouterr().out
    assert "There is a race, or something else that only shows under stress, in race/lost." in said
    assert "wrong answer: expected 40000, got" in said
    (directory,) = results.iterdir()
    assert not (directory / "index.html").exists(), "nothing was measured"


def test_where_there_is_no_race_none_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hunt(tmp_path, monkeypatch, pair, "kept", "with LOCK: increment()") == 0
    said = capsys.readouterr().out
    samples = [one for one in outcomes(results) if isinstance(one, Sample)]
    executions = sum(one.loops * (len(one.warmups) + len(one.settling) + len(one.values)) for one in samples)
    assert f"No race was found in {executions} executions under stress." in said
    assert {one.metadata["stress"] for one in samples} == {1}
    assert {one.metadata["placement"] for one in samples} == {"free"}
