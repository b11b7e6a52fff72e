"""Ctrl-C: everything finished is kept, nothing of ours is left, and --resume does the rest."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import docker
import pytest

from harness import runs, store
from harness.docker_client import find
from harness.docker_engine import DockerEngine
from harness.errors import RequestError
from harness.journal import BlockRecord, Ended
from harness.model import BuildFacts
from harness.workbench import workbench
from tests.integration.processes import start_bench
from tests.toys import write_toys

BLOCKS = 10


@pytest.fixture
def interrupted(tmp_path: Path, pair: tuple[str, str]) -> Path:
    """A run that got Ctrl-C after its second block."""
    folder = write_toys(tmp_path / "workloads", "good")
    process = start_bench(tmp_path / "results", folder, pair, BLOCKS)
    deadline = time.monotonic() + 120
    while _recorded(tmp_path) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "bench --resume" in said
    assert "Traceback" not in said
    (directory,) = (tmp_path / "results").iterdir()
    return directory


def _recorded(tmp_path: Path) -> int:
    return sum(path.read_text().count('"type":"block"') for path in tmp_path.glob("results/*/outcomes.jsonl"))


def test_finished_blocks_are_kept_reported_and_nothing_is_left(interrupted: Path) -> None:
    journal = store.load_journal(interrupted)
    blocks = [line.index for line in journal if isinstance(line, BlockRecord)]
    assert blocks == list(range(len(blocks)))
    assert 2 <= len(blocks) < BLOCKS
    assert [line.complete for line in journal if isinstance(line, Ended)] == [False]
    assert (interrupted / "index.html").exists()
    with contextlib.closing(docker.from_env()) as client:
        assert client.containers.list(all=True, filters={"label": "org.gilometer.worker"}) == []


def test_resuming_executes_what_is_missing_and_each_block_once(
    interrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "WORKLOADS", tmp_path / "workloads")
    assert runs.resume(str(interrupted)) == 0
    blocks = [line.index for line in store.load_journal(interrupted) if isinstance(line, BlockRecord)]
    assert sorted(blocks) == list(range(BLOCKS))


def test_a_changed_workload_refuses_to_resume_and_shows_the_difference(
    interrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "WORKLOADS", tmp_path / "workloads")
    script = tmp_path / "workloads" / "toy" / "good.py"
    script.write_text(script.read_text() + "# changed\n")
    before = (interrupted / store.OUTCOMES).read_bytes()
    with pytest.raises(RequestError, match=r"cannot be resumed.*workload toy/good: \w{12} then, \w{12} now"):
        runs.resume(str(interrupted))
    assert (interrupted / store.OUTCOMES).read_bytes() == before


def test_a_container_that_the_engine_makes_while_its_maker_is_interrupted_is_removed(
    pair_facts: tuple[BuildFacts, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with workbench(runs.WORKLOADS) as bench, contextlib.closing(DockerEngine(find(), bench)) as engine:
        collection = type(engine._client.containers)
        create = collection.create
        made = []

        def interrupted(self: Any, *arguments: Any, **options: Any) -> None:
            made.append(create(self, *arguments, **options))
            raise KeyboardInterrupt

        monkeypatch.setattr(collection, "create", interrupted)
        with pytest.raises(KeyboardInterrupt), engine.open(pair_facts[0], (0,)):
            raise AssertionError("it was never open")

        (container,) = made
        with pytest.raises(docker.errors.NotFound):
            container.reload()
