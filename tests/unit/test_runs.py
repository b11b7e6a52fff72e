"""A whole run on the host engine: it stops at its target, and goes on where it was interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness import plan, runs, specs, store
from harness.host_engine import HostEngine
from harness.journal import BlockRecord, Calibration, Ended, Settled, Stop
from harness.model import SCHEMA, Run
from harness.workbench import workbench
from tests import made_up
from tests.toys import facts, write_toys


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of a toy that does well and one that only crashes, nothing of it executed yet; any width is enough."""
    folder = write_toys(tmp_path / "workloads", "good", "raises")
    monkeypatch.setattr(runs, "WORKLOADS", folder)
    monkeypatch.setattr(runs, "measuring", _unlocked)  # other tests may measure at the same time
    workloads = specs.load_workloads(folder)
    planned = plan.make_plan(plan.Request(builds=("a", "b"), workloads=workloads, cpu_sets=((0,),)), ())
    with workbench(folder) as bench:
        engine = HostEngine(bench).facts()
    made = made_up.run((facts("a"), facts("b")))
    run = msgspec.structs.replace(made, schema=SCHEMA, engine=engine, plan=msgspec.structs.replace(planned, target=1e6))
    return store.create(tmp_path / "results", run)


@contextlib.contextmanager
def _unlocked(*_: object, **__: object) -> Iterator[None]:
    yield


def _recorded(directory: Path) -> tuple[Run, list[int], list[Settled]]:
    run, journal = store.load(directory)
    blocks = [line.index for line in journal if isinstance(line, BlockRecord)]
    return run, blocks, [line for line in journal if isinstance(line, Settled)]


def test_blocks_of_a_settled_group_are_not_executed_and_a_killed_run_stops_where_the_whole_one_would_have(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs.resume(str(directory)) == 4, "one toy only crashes"
    run, blocks, settled = _recorded(directory)
    assert len(run.plan.blocks) == 32
    assert blocks == list(range(16)), "the first look at both, and nothing beyond it"
    assert {(one.cases, one.blocks, one.reason) for one in settled} == {
        (("toy/good threads=1 cpus=0",), 8, Stop.TARGET),
        (("toy/raises threads=1 cpus=0",), 8, Stop.NOTHING),
    }
    output = capsys.readouterr().out
    assert "1 of 2 workloads reached the target of this run" in output
    assert "toy/raises: nothing to compare after 8 blocks." in output
    assert "not executed" not in output

    path = directory / store.OUTCOMES
    lines = path.read_bytes().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if b'"type":"settled"' in line)
    path.write_bytes(b"".join(lines[:cut]))  # killed after the block, before what it settled was written
    runs.resume(str(directory))
    assert _recorded(directory)[1] == blocks
    assert set(_recorded(directory)[2]) >= {one for one in settled if one.reason is Stop.NOTHING}
    assert len(_recorded(directory)[2]) == 2
    journal = store.load_journal(directory)
    assert sum(isinstance(line, Calibration) for line in journal) == 2
    assert isinstance(journal[-1], Ended)
