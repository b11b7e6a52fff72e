"""Samples for other people's tools: pyperf loads and compares the suites, the table has every value."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import msgspec
import pandas as pd
import pyperf
import pytest

from harness import archive, store, table
from harness.errors import HostError, RequestError
from harness.journal import BlockRecord, Calibration, Disturbance, JournalLine, Noise, Sample
from harness.model import Block, Run
from tests import made_up


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[Path, Run, tuple[JournalLine, ...]]:
    """A run in which block 1 was invalid at first and block 2 always."""
    run = made_up.run(workloads=made_up.WORKLOADS[:1])
    lines = made_up.journal(run, happened=_disturbed)
    directory = store.create(tmp_path / "results", run)
    (directory / store.OUTCOMES).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return directory, run, lines


def _disturbed(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
    if block.index == 2:
        return made_up.disturbed(2, times=3)(block, attempt)
    return made_up.disturbed(1)(block, attempt)


def test_pyperf_compares_the_suites(recorded: tuple[Path, Run, tuple[JournalLine, ...]], tmp_path: Path) -> None:
    directory, run, _ = recorded

    archive.export(str(directory), "pyperf", str(tmp_path / "a" / "b"))

    files = [tmp_path / "a" / "b" / f"{build}.json" for build in run.plan.builds]
    command = [sys.executable, "-m", "pyperf", "compare_to", "--table", *map(str, files)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1.24x slower" in ended.stdout
    for case in run.plan.cases:
        assert case.id in ended.stdout


def test_samples_of_invalid_blocks_are_not_in_the_suites(
    recorded: tuple[Path, Run, tuple[JournalLine, ...]], tmp_path: Path
) -> None:
    directory, run, lines = recorded
    valid = {line.index: line for line in lines if isinstance(line, BlockRecord) and not line.invalid}
    assert 1 in valid
    assert 2 not in valid

    archive.export(str(directory), "pyperf", str(tmp_path))

    for build in run.plan.builds:
        for benchmark in pyperf.BenchmarkSuite.load(str(tmp_path / f"{build}.json")).get_benchmarks():
            expected = [
                one.values
                for index in sorted(valid)
                for one in valid[index].outcomes
                if isinstance(one, Sample) and (one.build, one.case) == (build, benchmark.get_name())
            ]
            assert [measured.values for measured in benchmark.get_runs()] == expected


def test_the_table_has_every_value_and_says_which_count(
    recorded: tuple[Path, Run, tuple[JournalLine, ...]], tmp_path: Path
) -> None:
    directory, run, lines = recorded

    archive.export(str(directory), "csv", str(tmp_path))

    with (tmp_path / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = [line for line in lines if isinstance(line, BlockRecord)]
    expected = [
        (one.case, one.build, record.index, number, value, not record.invalid)
        for record in records
        for one in record.outcomes
        if isinstance(one, Sample)
        for number, value in enumerate(one.values)
    ]
    assert [
        (
            row["case"],
            row["build"],
            int(row["block"]),
            int(row["number"]),
            float(row["seconds"]),
            row["valid"] == "True",
        )
        for row in rows
    ] == expected, "to the last bit"
    assert {row["threads"] for row in rows} == {"1", "2"}
    assert {(row["build"], row["free_threaded"]) for row in rows} == {("3.13", "False"), ("3.13t", "True")}
    assert {row["run"] for row in rows} == {run.id}


def test_parquet_has_what_csv_has(recorded: tuple[Path, Run, tuple[JournalLine, ...]], tmp_path: Path) -> None:
    directory, run, lines = recorded

    archive.export(str(directory), "parquet", str(tmp_path))

    frame = pd.read_parquet(tmp_path / "samples.parquet")
    assert tuple(frame.columns) == table.COLUMNS
    found = [tuple(row) for row in frame.itertuples(index=False)]
    assert found == list(table.rows(run, lines)), "to the last bit"


def test_what_is_unknown_is_null_in_parquet(tmp_path: Path) -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[-1:], blocks=2)

    def unknown(_: BlockRecord, one: Sample) -> Sample:
        return msgspec.structs.replace(one, evidence=msgspec.structs.replace(one.evidence, memory_peak=None))

    table.write_parquet(tmp_path / "x.parquet", run, made_up.amend(made_up.journal(run), unknown))

    assert pd.read_parquet(tmp_path / "x.parquet")["memory_peak"].isna().all()


def test_without_pyarrow_it_is_said_what_to_install(
    recorded: tuple[Path, Run, tuple[JournalLine, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(HostError, match="pip install pyarrow"):
        archive.export(str(recorded[0]), "parquet", str(tmp_path / "out"))


def test_of_two_valid_records_of_a_block_the_last_counts(tmp_path: Path) -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[-1:], blocks=2)
    lines = made_up.journal(run)
    again = next(line for line in lines if isinstance(line, BlockRecord))
    directory = store.create(tmp_path / "results", run)
    encoded = (msgspec.json.encode(line) + b"\n" for line in (*lines, again))
    (directory / store.OUTCOMES).write_bytes(b"".join(encoded))

    archive.export(str(directory), "csv", str(tmp_path))

    with (tmp_path / "samples.csv").open(newline="") as file:
        valid = [row["valid"] for row in csv.DictReader(file) if row["block"] == "0"]
    assert valid == ["False"] * (len(valid) // 2) + ["True"] * (len(valid) // 2)


def test_what_cannot_be_exported_writes_nothing(
    recorded: tuple[Path, Run, tuple[JournalLine, ...]], tmp_path: Path
) -> None:
    directory, run, _ = recorded
    out = tmp_path / "out"
    with pytest.raises(RequestError, match=r'did you mean "csv"\?'):
        archive.export(str(directory), "cvs", str(out))
    with pytest.raises(RequestError, match="there is no run"):
        archive.export("nosuch", "csv", str(out))
    empty = store.create(tmp_path / "results", msgspec.structs.replace(run, id="empty"))
    line = Calibration(case=run.plan.cases[0].id, loops=1, seconds=0.1)
    (empty / store.OUTCOMES).write_bytes(msgspec.json.encode(line) + b"\n")
    with pytest.raises(RequestError, match="empty has no samples to export"):
        archive.export(str(empty), "csv", str(out))
    assert not out.exists()
