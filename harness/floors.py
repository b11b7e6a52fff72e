"""Noise floors: what this host has shown between a build and itself, case by case, kept from run to run.

A floor is the largest difference of the last `KEPT` comparisons of a build with itself in that case.  Smaller
differences are no finding on this host, however narrow their interval is.  Cases are known by their ids, which name
workload, measure, threads and CPUs; the build does not matter, the machine does.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from harness.errors import HostError, RequestError
from harness.model import Case, HostFacts, NoiseFloor, Struct

FOLDER = "noise-floors"
"""Below results/."""

KEPT = 5
"""Comparisons that are remembered of a case."""


class Noise(Struct, frozen=True, kw_only=True):
    """A build against itself in one case."""

    case: str
    change: float
    """Relative, without sign: 0.004 is 0.4 %."""
    build: str
    run: str


def known(results: Path, host: HostFacts, cases: Iterable[Case]) -> tuple[NoiseFloor, ...]:
    """Floors of those cases that this host has compared a build with itself in."""
    largest: defaultdict[str, float] = defaultdict(float)
    for noise in _load(_path(results, host)):
        largest[noise.case] = max(largest[noise.case], noise.change)
    return tuple(NoiseFloor(case=case.id, change=largest[case.id]) for case in cases if case.id in largest)


def learn(results: Path, host: HostFacts, found: Sequence[Noise]) -> None:
    """Remember comparisons; a run that is there already is replaced, since it may have been resumed."""
    if not found:
        return
    path = _path(results, host)
    runs = {noise.run for noise in found}
    kept: list[Noise] = []
    for noise in reversed([*(old for old in _load(path) if old.run not in runs), *found]):
        if sum(one.case == noise.case for one in kept) < KEPT:
            kept.append(noise)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(kept[::-1]), indent=1) + b"\n")
        temporary.replace(path)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error


def _path(results: Path, host: HostFacts) -> Path:
    """One file per machine: its name, and a hash of its kind."""
    kind = hashlib.sha256(repr(host.kind).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9.-]", "_", host.name)
    return results / FOLDER / f"{name}-{kind[:8]}.json"


def _load(path: Path) -> tuple[Noise, ...]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Noise, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise RequestError(f"{path} is damaged: {error}", hint="Delete it, and make it again with: inv aa") from error
