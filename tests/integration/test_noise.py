"""What disturbs a measurement on real containers, and what is made of it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from pathlib import Path

import docker
import pytest

from harness import execution, floors, runs, store, validity
from harness.docker_client import LABEL
from harness.journal import ATTEMPTS, BlockRecord, Disturbance, Sample
from harness.model import BuildFacts
from harness.request import BenchOptions
from tests.toys import write_toys

Pair = tuple[str, str]

THIRD_PARTY = {
    "function": """
import pyperf
pyperf.Runner().bench_func("sum", sum, range(20_000))
""",
    "statement": """
import pyperf
pyperf.Runner().timeit("sorted", stmt="sorted(numbers)", setup="numbers = list(range(5_000))[::-1]")
""",
    "coroutine": """
import asyncio
import pyperf

async def pause():
    await asyncio.sleep(0)

pyperf.Runner().bench_async_func("pause", pause)
""",
    "command": """
import sys
import pyperf
pyperf.Runner().bench_command("start", [sys.executable, "-c", "pass"])
""",
}


def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(runs, "WORKLOADS", write_toys(tmp_path / "workloads", *names))


def only_run(results: Path) -> Path:
    (path,) = results.glob("*/run.json")
    return path.parent


def records(directory: Path) -> list[BlockRecord]:
    return [line for line in store.load_journal(directory) if isinstance(line, BlockRecord)]


def samples(directory: Path) -> list[Sample]:
    return [one for record in records(directory) for one in record.outcomes if isinstance(one, Sample)]


def test_scripts_that_know_nothing_of_gilometer_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair
) -> None:
    folder = tmp_path / "workloads"
    (folder / "theirs").mkdir(parents=True)
    for name, script in THIRD_PARTY.items():
        (folder / "theirs" / f"{name}.py").write_text(script)
    monkeypatch.setattr(runs, "WORKLOADS", folder)
    assert runs.bench(BenchOptions(builds=",".join(pair), blocks="1", seed="1")) == 0
    found = samples(only_run(results))
    assert {one.case.partition(" ")[0] for one in found} == {f"theirs/{name}" for name in THIRD_PARTY}
    for record in records(only_run(results)):
        seats = [one for one in record.outcomes if isinstance(one, Sample)]
        turns = sorted((turn.granted, turn.returned) for seat in seats for turn in seat.turns)
        assert len(turns) == sum(1 + len(seat.values) for seat in seats)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(turns)), "one at a time"


def test_a_block_whose_cpu_is_taken_is_invalid_and_measured_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    results: Path,
    pair: Pair,
    pair_facts: tuple[BuildFacts, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By other containers: the kernel shares CPUs out among them, whatever their processes are."""
    monkeypatch.setattr(execution, "disturbances", validity.disturbances)
    toys(tmp_path, monkeypatch, "good")
    with contextlib.closing(docker.from_env()) as client:
        busy = [
            client.containers.run(
                pair_facts[0].image,
                [pair_facts[0].executable, "-c", "while True: pass"],
                cpuset_cpus=str(cpu),
                labels={LABEL: "1"},
                detach=True,
            )
            for cpu in os.sched_getaffinity(0)
            for _ in range(4)
        ]
        try:
            status = runs.bench(BenchOptions(builds=",".join(pair), blocks="1", seed="1"))
        finally:
            for container in busy:
                container.remove(force=True)
    found = records(only_run(results))
    assert status == 4, "not one valid block"
    assert [record.index for record in found] == [0] * ATTEMPTS
    assert all(record.invalid == (Disturbance.CROWDED,) for record in found)
    assert "to be measured again: CPUs shared with other work" in capsys.readouterr().err


def test_memory_is_that_of_a_worker_in_a_container_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair
) -> None:
    toys(tmp_path, monkeypatch, "good", "hungry")
    options = BenchOptions(builds=",".join(pair), blocks="2", measures="memory", seed="1")
    assert runs.bench(options) == 0
    peaks = {
        name: [one.evidence for one in samples(only_run(results)) if f"/{name} " in one.case]
        for name in ("good", "hungry")
    }
    assert all(len(found) == 4 for found in peaks.values())
    for attribute in ("max_rss", "memory_peak"):
        modest = max(getattr(one, attribute) for one in peaks["good"])
        hungry = min(getattr(one, attribute) for one in peaks["hungry"])
        assert 60 << 20 < hungry - modest < 140 << 20, attribute


def test_a_build_against_itself_teaches_the_noise_floors_of_this_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair
) -> None:
    toys(tmp_path, monkeypatch, "good")
    assert runs.aa(BenchOptions(builds=pair[1], blocks="3", seed="1")) == 0
    run = store.load_run(only_run(results))
    assert run.plan.builds == (pair[1], f"{pair[1]}#2")
    assert run.noise_floors == (), "noise is not held against noise"
    (path,) = (results / floors.FOLDER).iterdir()
    (noise,) = json.loads(path.read_text())
    assert noise["case"] == run.plan.cases[0].id
    assert 0 <= noise["change"] < 1

    assert runs.bench(BenchOptions(builds=",".join(pair), blocks="1", seed="1")) == 0
    later = next(store.load_run(found.parent) for found in results.glob("*/run.json") if run.id not in str(found))
    assert [(floor.case, floor.change) for floor in later.noise_floors] == [(noise["case"], noise["change"])]
