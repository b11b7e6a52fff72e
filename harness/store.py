"""The run directory: run.json, outcomes.jsonl, pyperf/, index.html; those of reproductions and fleets are of runs.

Raw data is only ever appended; everything else can be made again from it.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from harness import claims
from harness.claims import Reproduction
from harness.errors import HostError, RequestError
from harness.fleet import ATTEMPTS, FLEET, SHARES, AttemptLine, FleetRun
from harness.journal import Attempts, BlockRecord, Calibration, Failure, JournalLine, Reason
from harness.model import SCHEMA, Run

RUN = "run.json"
OUTCOMES = "outcomes.jsonl"
REPRODUCTION = "reproduction.json"

T = TypeVar("T")

_line = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(JournalLine)
_attempts = msgspec.json.Decoder(AttemptLine)


class _Schema(msgspec.Struct):
    """The one field that every version of run.json has."""

    schema: int


class Journal:
    """outcomes.jsonl, or attempts.jsonl, open for appending: what was written survives whatever happens next."""

    def __init__(self, directory: Path, name: str = OUTCOMES) -> None:
        self._file = (directory / name).open("ab", buffering=0)  # a full disk shows in append, not in close

    def append(self, *lines: JournalLine | AttemptLine) -> None:
        """Write lines and hand them to the disk."""
        try:
            data = b"".join(_line.encode(line) + b"\n" for line in lines)
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise HostError(
                f"cannot write {self._file.name}: {error.strerror}",
                hint="Everything up to here is kept; make room and resume with: inv bench --resume RUN",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()


def create(results: Path, run: Run) -> Path:
    """Make the directory of a new run, with its run.json; the plan is on disk before the first block executes."""
    return _create(results / run.id, RUN, run)


def create_reproduction(directory: Path, reproduction: Reproduction) -> None:
    """Make the directory of a new reproduction.  HostError where it cannot be written."""
    _create(directory, REPRODUCTION, reproduction)


def create_fleet(results: Path, fleet: FleetRun, shares: Mapping[str, Run]) -> Path:
    """Make the directory of a fleet's run, with those of its shares, by name; fleet.json last, so that it is whole."""
    for name, run in shares.items():
        _create(share_directory(results / fleet.id, name), RUN, run)
    return _create(results / fleet.id, FLEET, fleet)


def share_directory(directory: Path, share: str) -> Path:
    """Where a share of a fleet's run lies."""
    return directory / SHARES / share


def _create(directory: Path, name: str, content: Run | FleetRun | Reproduction) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=name == FLEET)
        (directory / name).write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    except OSError as error:
        raise HostError(f"cannot write {directory}: {error.strerror}") from error
    return directory


def load(directory: Path) -> tuple[Run, tuple[JournalLine, ...]]:
    """A run and its journal.

    RequestError where there is no run, or one that is newer than this Gilometer.  An unfinished last line, as a full
    disk or a power cut leaves it, is ignored; any other damage is an error that names the line.
    """
    with _uncollected():
        return load_run(directory), load_journal(directory)


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is decoded has no cycles, and to look for them again and again takes as long as to decode it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
            gc.freeze()


def load_run(directory: Path) -> Run:
    """run.json, decoded strictly."""
    return _read(directory / RUN, Run, SCHEMA, "a run")


def load_reproduction(directory: Path) -> tuple[Reproduction, list[tuple[Run, tuple[JournalLine, ...]]]]:
    """A reproduction and its runs, in its order.  RequestError as for a run."""
    found = _read(directory / REPRODUCTION, Reproduction, claims.REPRODUCTION, "a reproduction")
    return found, [load(directory / one.run) for one in found.measured]


def load_fleet(directory: Path) -> FleetRun:
    """fleet.json, decoded strictly.  RequestError where there is none."""
    return _read(directory / FLEET, FleetRun, SCHEMA, "a run of a fleet")


def _read(path: Path, kind: type[T], newest: int, what: str) -> T:
    try:
        data = path.read_bytes()
    except OSError:
        told = f"{path.parent} is not {what}: it has no {path.name}"
        raise RequestError(told, hint="They lie in results/.") from None
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema > newest:
            raise RequestError(
                f"{path} has schema {schema}; this Gilometer reads up to {newest}", hint="Update Gilometer."
            )
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise RequestError(f"{path} is damaged: {error}") from error


def load_journal(directory: Path) -> tuple[JournalLine, ...]:
    """outcomes.jsonl, decoded strictly; empty where nothing was recorded yet."""
    return _load_lines(directory / OUTCOMES, _lines)


def load_attempts(directory: Path) -> tuple[AttemptLine, ...]:
    """attempts.jsonl of a fleet's run, decoded strictly; empty where nobody was asked yet."""
    return _load_lines(directory / ATTEMPTS, _attempts)


def _load_lines(path: Path, decoder: msgspec.json.Decoder[T]) -> tuple[T, ...]:
    if not path.exists():
        return ()
    complete, _, _ = path.read_bytes().rpartition(b"\n")
    lines = []
    for number, line in enumerate(complete.splitlines(), start=1):
        try:
            lines.append(decoder.decode(line))
        except msgspec.MsgspecError as error:
            raise RequestError(f"{path}, line {number}, is damaged: {error}") from error
    return tuple(lines)


def mend(directory: Path, name: str = OUTCOMES) -> None:
    """Cut off an unfinished last line, so that a resumed run appends after a complete one."""
    path = directory / name
    if path.exists():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            path.write_bytes(data[: data.rfind(b"\n") + 1])


def recorded(journal: Iterable[JournalLine]) -> tuple[dict[str, int], frozenset[int]]:
    """What is done: loops of each calibrated case, and indices of recorded blocks.

    What was lost to an engine that went away is not done, nor is a block that was invalid and can be tried again: a
    resumed run measures it again.
    """
    loops: dict[str, int] = {}
    done: set[int] = set()
    attempts = Attempts()
    for line in journal:
        match line:
            case Calibration(case=case, loops=found) if found:
                loops[case] = found
            case BlockRecord(index=index):
                if attempts.ended(line) and not _lost(line):
                    done.add(index)
            case _:
                pass
    return loops, frozenset(done)


def _lost(record: BlockRecord) -> bool:
    return any(isinstance(one, Failure) and one.reason is Reason.ENGINE for one in record.outcomes)
