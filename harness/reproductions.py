"""What became of a source of claims, on disk: reproduction.json, beside the page that is made of it.

The raw data are runs like all others; this says which ones, and what in them stands for what the claims name.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness import store
from harness.claims import Publication
from harness.errors import HostError, RequestError
from harness.journal import JournalLine
from harness.model import Run, Struct

FILE = "reproduction.json"
SCHEMA = 1
"""Of reproduction.json.  History: 1, the first (0.1.0)."""


class Measured(Struct, frozen=True, kw_only=True):
    """A run that was made for some of the claims."""

    run: str
    """Its directory, relative to that of the reproduction."""
    claims: tuple[str, ...]
    """Ids of the claims that it was made for."""


class Reproduction(Struct, frozen=True, kw_only=True):
    """A source of claims, as it was, and the runs that were made for it."""

    schema: int
    created: str
    """ISO 8601, UTC."""
    gilometer: str
    command: str
    source: str
    """Name of the file in reports/published/, without its ending."""
    publication: Publication
    measured: tuple[Measured, ...]
    names: dict[str, str]
    """For each build that a claim names, the one that was measured in its place."""
    workloads: dict[str, tuple[str, ...]]
    """Names of what claims call their workload."""
    hindrances: dict[str, str]
    """Of the claims that nothing was measured for, by their ids: why."""
    answers: dict[str, dict[str, dict[str, str]]] = msgspec.field(default_factory=dict)
    """Of the corrections by their ids: what every build answered to every check."""


def write(directory: Path, reproduction: Reproduction) -> None:
    """Keep it in a new directory.  HostError where it cannot be written."""
    try:
        directory.mkdir(parents=True)
        (directory / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(reproduction), indent=1) + b"\n")
    except OSError as error:
        raise HostError(f"cannot write {directory}: {error.strerror}") from error


def load(directory: Path) -> Reproduction:
    """RequestError where it is damaged, or newer than this Gilometer."""
    path = directory / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Reproduction)
    except (OSError, msgspec.MsgspecError) as error:
        raise RequestError(f"{path} cannot be read: {error}") from error
    if found.schema > SCHEMA:
        raise RequestError(
            f"{path} has schema {found.schema}; this Gilometer reads up to {SCHEMA}", hint="Update Gilometer."
        )
    return found


def load_runs(directory: Path, reproduction: Reproduction) -> list[tuple[Run, tuple[JournalLine, ...]]]:
    """The runs of a reproduction, in its order.  RequestError where one is not there."""
    return [store.load(directory / one.run) for one in reproduction.measured]
