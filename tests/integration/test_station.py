"""What a host of a fleet executes, and what it refuses: on the real engine, without a network between."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from harness import fleets, request, runs
from harness.fleet import Answer, BlockTask, Setting
from harness.fleets import WorkerOptions
from harness.journal import BlockRecord, Sample
from harness.model import BuildFacts
from harness.plan import make_plan
from harness.request import BenchOptions
from harness.screen import Screen
from harness.station import Station
from tests.toys import write_toys


@pytest.fixture
def workloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_toys(tmp_path / "workloads", "good")
    monkeypatch.setattr(runs, "WORKLOADS", folder)
    return folder


@pytest.fixture
def task(workloads: Path, pair_facts: tuple[BuildFacts, ...], station: Station) -> BlockTask:
    """One block of a toy on both builds, as a client would ask for it."""
    names = tuple(fact.build.name for fact in pair_facts)
    options = BenchOptions(builds=",".join(names), threads="1", measures="time", blocks="1", seed="1")
    plan = make_plan(dataclasses.replace(request.resolve(options, workloads), builds=names), pair_facts)
    bare = msgspec.structs.replace(plan, blocks=())
    setting = Setting(plan=bare, builds=pair_facts, gilometer=station.offer.gilometer)
    return BlockTask(run="run", share="share", attempt=1, block=plan.blocks[0], loops={}, setting=setting)


@pytest.fixture
def station(workloads: Path, pair: tuple[str, str]) -> Iterator[Station]:
    offer = fleets.offer_of_this_host(WorkerOptions(name="here", builds=",".join(pair)), Screen())
    with closing(Station(offer, "docker", workloads, Screen())) as station:
        yield station


def asked(station: Station, task: BlockTask, **changes: object) -> Answer:
    """The answer to a task with some of its setting changed."""
    setting = msgspec.structs.replace(task.setting, **changes)
    changed = msgspec.structs.replace(task, setting=setting)
    return msgspec.json.decode(station.measure(msgspec.json.encode(changed)), type=Answer)


def test_other_images_workloads_and_code_are_refused_by_name_and_the_same_are_measured(
    station: Station, task: BlockTask
) -> None:
    first, second = task.setting.builds
    other = msgspec.structs.replace(second, image="sha256:" + "0" * 64)
    answer = asked(station, task, builds=(first, other))
    assert answer.refusal == f"the image of {second.build.name}, sha256:000000000000, is not here, or not the same"
    assert answer.lines == ()

    (good,) = task.setting.plan.workloads
    changed = msgspec.structs.replace(good, sha256="0" * 64)
    answer = asked(station, task, plan=msgspec.structs.replace(task.setting.plan, workloads=(changed,)))
    assert answer.refusal == f"the workload {good.name} is not here, or not the same"
    assert answer.lines == ()

    assert asked(station, task, gilometer="0" * 64).refusal == "here has another Gilometer than whoever asks"

    answer = asked(station, task)
    assert answer.refusal == ""
    (record,) = (line for line in answer.lines if isinstance(line, BlockRecord))
    assert [type(one) for one in record.outcomes] == [Sample, Sample]
