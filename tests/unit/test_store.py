"""A run directory survives what happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import store
from harness.errors import HostError, RequestError
from harness.journal import ATTEMPTS, BlockRecord, Calibration, Disturbance, Ended, Failure, Reason, Settled, Stop
from harness.model import SCHEMA, EngineFacts, HostFacts, Run
from tests.toys import write_toys
from tests.unit.test_execution import make_plan


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(
        schema=SCHEMA,
        id="one",
        created="2026-01-01T00:00:00+00:00",
        command="./inv bench",
        gilometer="0",
        revision="",
        plan=make_plan(write_toys(tmp_path / "w", "good")),
        builds=(),
        host=HostFacts(name="", cpu_model="", cpus=(0,), cores=1, memory=1, kernel="", distribution="", settings={}),
        engine=EngineFacts(kind="host", version="", isolation=""),
        warnings=(),
    )


RECORD = BlockRecord(index=0, started=0.1 + 0.2, seconds=1e-9, outcomes=())


def test_what_was_written_is_read_back_to_the_last_bit(tmp_path: Path, run: Run) -> None:
    directory = store.create(tmp_path, run)
    lines = (
        Calibration(case="c", loops=4, seconds=1.0),
        RECORD,
        Settled(cases=("w", "x"), blocks=8, half_width=0.1 + 0.2, reason=Stop.CAP),
        Settled(cases=("v",), blocks=8, half_width=None, reason=Stop.NOTHING),
        Ended(complete=True, wall_seconds=1, worker_seconds=1),
    )
    with store.Journal(directory) as journal:
        for line in lines:
            journal.append(line)
    assert store.load(directory) == (run, lines)


def test_an_unfinished_last_line_is_ignored_and_mended(tmp_path: Path, run: Run) -> None:
    directory = store.create(tmp_path, run)
    with store.Journal(directory) as journal:
        journal.append(RECORD)
    with (directory / store.OUTCOMES).open("ab") as file:
        file.write(b'{"type":"block","ind')
    assert store.load_journal(directory) == (RECORD,)
    store.mend(directory)
    with store.Journal(directory) as journal:
        journal.append(RECORD)
    assert store.load_journal(directory) == (RECORD, RECORD)


def test_damage_is_an_error_that_names_the_line(tmp_path: Path, run: Run) -> None:
    directory = store.create(tmp_path, run)
    (directory / store.OUTCOMES).write_bytes(b'{"type":"block"}\n')
    with pytest.raises(RequestError, match="line 1, is damaged"):
        store.load_journal(directory)


def test_a_newer_schema_is_refused_by_name(tmp_path: Path, run: Run) -> None:
    directory = store.create(tmp_path, run)
    text = (directory / store.RUN).read_text().replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}')
    (directory / store.RUN).write_text(text)
    with pytest.raises(RequestError, match=f"schema {SCHEMA + 1}; this Gilometer reads up to {SCHEMA}"):
        store.load_run(directory)


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is not a run"):
        store.load_run(tmp_path)


def test_recorded_leaves_failed_calibrations_to_be_tried_again() -> None:
    journal = (Calibration(case="c", loops=4, seconds=1.0), Calibration(case="d", loops=0, seconds=1.0), RECORD)
    assert store.recorded(journal) == ({"c": 4}, frozenset({0}))


def test_a_full_disk_is_one_message(tmp_path: Path, run: Run) -> None:
    directory = store.create(tmp_path, run)
    (directory / store.OUTCOMES).symlink_to("/dev/full")
    with pytest.raises(HostError, match="No space left on device"), store.Journal(directory) as journal:
        journal.append(RECORD)


def test_what_an_engine_lost_is_measured_again() -> None:
    lost = Failure(case="c", build="b", reason=Reason.ENGINE, message="gone")
    crashed = Failure(case="c", build="b", reason=Reason.CRASHED, message="its own fault")
    journal = [BlockRecord(index=i, started=0.0, seconds=1.0, outcomes=(one,)) for i, one in enumerate((lost, crashed))]
    assert store.recorded(journal)[1] == frozenset({1})


def test_an_invalid_block_is_measured_again_until_it_was_tried_often_enough() -> None:
    invalid = BlockRecord(index=3, started=0, seconds=1, outcomes=(), invalid=(Disturbance.STOLEN,))
    for attempts in range(1, ATTEMPTS):
        assert store.recorded([invalid] * attempts)[1] == frozenset()
    assert store.recorded([invalid] * ATTEMPTS)[1] == {3}
    assert store.recorded([invalid, BlockRecord(index=3, started=1, seconds=1, outcomes=())])[1] == {3}
