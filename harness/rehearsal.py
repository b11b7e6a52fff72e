"""The rehearsal: each script of somebody's is executed once on every build, up to its benchmarks.

It tells which benchmarks a script has, and finds what is wrong with one before anything is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import msgspec

from harness.authors import authored, quoted
from harness.engine import Engine, Place, environment, killed_by
from harness.model import BuildFacts, Skipped, Workload
from harness.progress import Progress
from harness.workbench import Workbench

_POLL_SECONDS = 0.01
_HASH_SEED = "0"
_NAMES = "rehearsal.json"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a script cannot be measured."""

    workload: str
    build: str
    message: str
    """One sentence."""
    output: str = ""
    """What the script said."""

    @property
    def skipped(self) -> Skipped:
        """What the plan says of it."""
        return Skipped(case=self.workload, reason=f"on {self.build}: {self.message}")

    @property
    def hint(self) -> str:
        """What to do about it, as far as that can be told."""
        if self.message.startswith("ModuleNotFoundError"):
            return (
                "A script finds the modules beside it, and the packages that a lock file beside it pins: "
                "docs/adding-a-workload.md says how."
            )
        return ""

    def __str__(self) -> str:
        said = f"\n{quoted(self.output)}" if self.output else ""
        return f"{self.workload} cannot be measured: on {self.build}: {self.message}{said}"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What rehearsing showed."""

    workloads: tuple[Workload, ...]
    """One for each benchmark of each script, and those of Gilometer as they are."""
    troubles: tuple[Trouble, ...]


def rehearse(
    workloads: Sequence[Workload],
    builds: Sequence[BuildFacts],
    engine: Engine,
    bench: Workbench,
    *,
    cpus: tuple[int, ...],
    timeout_seconds: float,
    progress: Progress,
) -> Rehearsal:
    """Rehearse every script of somebody's.  HostError where the engine does not answer.

    One that a build lacks a package for is left to the plan, which skips it with that reason.
    """
    theirs = [workload for workload in workloads if workload.source]
    if not theirs:
        return Rehearsal(tuple(workloads), ())
    kept: list[Workload] = [workload for workload in workloads if not workload.source]
    troubles: list[Trouble] = []
    with progress.task("rehearsing", total=len(theirs)) as task, ExitStack() as stack:
        places = [stack.enter_context(engine.open(build, cpus)) for build in builds]
        stage = _Stage(list(zip(builds, places, strict=True)), bench, timeout_seconds)
        for number, workload in enumerate(theirs):
            if any(_lacks(build, workload) for build in builds):
                kept.append(workload)
            elif isinstance(found := stage.benchmarks(workload), Trouble):
                troubles.append(found)
            else:
                kept += _split(workload, found)
            task.update(number + 1, workload.name)
    return Rehearsal(tuple(kept), tuple(troubles))


@dataclass(frozen=True, slots=True)
class _Stage:
    places: Sequence[tuple[BuildFacts, Place]]
    bench: Workbench
    timeout_seconds: float

    def benchmarks(self, workload: Workload) -> Sequence[str] | Trouble:
        """Names of a script's benchmarks, the same on every build."""
        known: Sequence[str] = ()
        for build, place in self.places:
            found = self._execute(workload, build, place)
            if isinstance(found, Trouble):
                return found
            if known and found != known:
                first = self.places[0][0].build.name
                return Trouble(workload.name, build.build.name, f"its benchmarks are not those that it has on {first}")
            known = found
        return known

    def _execute(self, workload: Workload, build: BuildFacts, place: Place) -> Sequence[str] | Trouble:
        self.bench.clear_exchange()
        argv = [
            str(place.tools / "hook" / "gilometer_rehearsal.py"),
            str(place.exchange / _NAMES),
            str(place.tools / "workloads" / workload.path),
            *workload.arguments,
        ]
        surroundings = environment(place, build, workload) | {"PYTHONHASHSEED": _HASH_SEED}
        worker = authored(place.start(argv, surroundings), place, workload)
        deadline = time.monotonic() + self.timeout_seconds
        while (status := worker.poll()) is None:
            if time.monotonic() > deadline:
                worker.kill()
                break
            time.sleep(_POLL_SECONDS)
        said = worker.output().strip()

        def trouble(message: str) -> Trouble:
            return Trouble(workload.name, build.build.name, message, said)

        if status is None:
            return trouble(f"it had not come to its benchmarks after {self.timeout_seconds:g} s")
        if killer := killed_by(status):
            return trouble(f"it was killed by {killer}")
        if status != 0:
            return trouble(next(iter(said.splitlines()[-1:]), f"it ended with exit status {status}"))
        try:
            names = msgspec.json.decode((self.bench.exchange / _NAMES).read_bytes(), type=list[str])
        except FileNotFoundError:
            return trouble("its process ended before the script did")
        return names or trouble("it has no pyperf benchmark, such as runner.bench_func makes")


def _lacks(build: BuildFacts, workload: Workload) -> bool:
    """Whether the build has not all packages that a script says it needs."""
    environment = build.environments.get(workload.requirements)
    packages = build.packages | (environment.packages if environment else {})
    return bool(environment and environment.refusal) or not packages.keys() >= {*workload.dependencies}


def _split(workload: Workload, names: Sequence[str]) -> Iterator[Workload]:
    """A workload for each benchmark; where a script has but one, the workload is that."""
    for task, name in enumerate(names):
        full = workload.name if len(names) == 1 else f"{workload.name}:{name}"
        yield msgspec.structs.replace(workload, name=full, task=task)
