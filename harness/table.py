"""Samples as a table for other people's tools: one row per value, nothing left out and nothing judged."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import HostError
from harness.journal import BlockRecord, JournalLine, Sample, last_valid
from harness.model import Case, Run, cpu_list

Cell = str | int | float | None

COLUMNS = (
    "run", "case", "workload", "measure", "strategy", "split", "threads", "placement", "cpus", "build", "free_threaded",
    "block", "started", "valid", "number", "seconds", "loops", "gil_enabled", "max_rss", "memory_peak",
)  # fmt: skip
"""docs/formats.md says what they hold."""


def rows(run: Run, journal: Iterable[JournalLine]) -> Iterator[tuple[Cell, ...]]:
    """The values of every sample in the order in which they were recorded; cells as in `COLUMNS`."""
    records = [line for line in journal if isinstance(line, BlockRecord)]
    counts = set(map(id, last_valid(records)))
    cases = {case.id: case for case in run.plan.cases}
    free_threaded = {facts.build.name: facts.free_threaded for facts in run.builds}
    for record in records:
        for sample in record.outcomes:
            if isinstance(sample, Sample):
                before = (run.id, *_case(cases[sample.case]), sample.build, free_threaded[sample.build])
                block = (record.index, record.started, id(record) in counts)
                evidence = sample.evidence
                after = (sample.loops, evidence.gil_enabled, evidence.max_rss, evidence.memory_peak)
                for number, seconds in enumerate(sample.values):
                    yield (*before, *block, number, seconds, *after)


def write_csv(path: Path, run: Run, journal: Iterable[JournalLine]) -> None:
    """The table as CSV (RFC 4180, UTF-8), floats at full precision.  HostError where it cannot be written."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows(run, journal))
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def write_parquet(path: Path, run: Run, journal: Iterable[JournalLine]) -> None:
    """The table as Parquet, with null for what is unknown.  HostError where it cannot be written."""
    try:
        import pyarrow  # noqa: F401 - pandas writes Parquet with it
    except ImportError:
        raise HostError(
            "Parquet needs pyarrow, a large library that nothing else here uses",
            hint="Install it: .venv/bin/pip install pyarrow.  Or export csv.",
        ) from None
    import pandas as pd

    frame = pd.DataFrame(rows(run, journal), columns=list(COLUMNS)).convert_dtypes()
    try:
        frame.to_parquet(path, engine="pyarrow", index=False)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def _case(case: Case) -> tuple[Cell, ...]:
    return (
        case.id, case.workload, case.measure, case.strategy, case.split, case.threads, case.placement,
        cpu_list(case.cpus),
    )  # fmt: skip
