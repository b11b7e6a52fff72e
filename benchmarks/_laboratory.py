"""What the benchmarks share: one image under several names, its blocks as a bench measures them, and pyperf's own way.

The two ways stand on the same things: one image, one CPU set, one script, the same kind of container.  Gilometer
starts single workers and lets them take turns; pyperf's manager starts its workers one after another, and one suite
comes after the other.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TypeVar, cast

import msgspec
import pyperf

from harness import request, runs, session
from harness.docker_client import Connection, find
from harness.docker_engine import DockerEngine
from harness.engine import ENVIRONMENT, Engine, Place
from harness.errors import GilometerError, HostError, MeasurementError, RequestError
from harness.execution import Execution
from harness.journal import BlockRecord, Calibration, Failure, JournalLine, Sample
from harness.lockstep import back_and_forth
from harness.model import Block, BuildFacts, Measure, Plan, Profile, Struct
from harness.plan import make_plan
from harness.progress import Progress
from harness.request import BenchOptions
from harness.screen import Screen
from harness.stats import Effect, block_effect
from harness.stopping import Stopping
from harness.workbench import Workbench, workbench

R = TypeVar("R")

WORKLOADS = runs.WORKLOADS

_POLL_SECONDS = 0.01

_NEVER = 1e-9
"""Half-width at which nothing stops."""

_INHERITED = "--inherit-environ=MKL_NUM_THREADS,OMP_NUM_THREADS,OPENBLAS_NUM_THREADS"


# -- results -----------------------------------------------------------------------------------------------------------


class Measured(Struct, frozen=True):
    """A block as it was planned, and what became of it."""

    builds: tuple[str, ...]
    """In the order of the plan: the first is the baseline."""
    block: Block
    record: BlockRecord
    """Of its metadata only what the laboratory keeps: pyperf's is the same everywhere and larger than all the rest."""

    @property
    def seconds(self) -> float:
        """Wall time, from the start of its first worker to the end of its last."""
        return self.record.seconds

    @property
    def samples(self) -> dict[str, Sample]:
        """By build."""
        return {one.build: one for one in self.record.outcomes if isinstance(one, Sample)}

    @property
    def log(self) -> float | None:
        """The block's estimate, the last build against the first; None where it is invalid or has lost a side."""
        samples = self.samples
        if self.record.invalid or len(samples) < len(self.builds):
            return None
        return block_effect(samples[self.builds[0]].values, samples[self.builds[-1]].values)


class Suite(Struct, frozen=True):
    """What pyperf's manager wrote, and how long it took."""

    seconds: float
    """Wall time of the manager."""
    json: msgspec.Raw
    """pyperf's own file."""

    @property
    def benchmark(self) -> pyperf.Benchmark:
        return pyperf.Benchmark.loads(bytes(self.json).decode())

    @property
    def loops(self) -> int:
        """Of each value."""
        return int(self.benchmark.get_runs()[-1].get_total_loops())


class PyperfVerdict(Struct, frozen=True):
    """What `pyperf compare_to` says of two suites."""

    different: bool
    """Significant, in its words."""
    ratio: float
    """Of the means, candidate over baseline."""


def compare_to(baseline: Suite, candidate: Suite) -> PyperfVerdict:
    """The verdict of `python -m pyperf compare_to`, on two files as a user would have them."""
    with tempfile.TemporaryDirectory(prefix="gilometer-") as name:
        files = [Path(name) / "baseline.json", Path(name) / "candidate.json"]
        for file, suite in zip(files, (baseline, candidate), strict=True):
            file.write_bytes(bytes(suite.json))
        command = [sys.executable, "-m", "pyperf", "compare_to", "--verbose", *map(str, files)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    different = "Significant (t=" in said
    if different == ("Not significant!" in said):
        raise MeasurementError(f"pyperf compare_to gave no verdict that is understood here: {said.strip()}")
    return PyperfVerdict(different, candidate.benchmark.mean() / baseline.benchmark.mean())


def excludes_one(effect: Effect) -> bool:
    """Whether the interval says that there is a difference; one that is not known (nan) does not."""
    return effect.low > 1 or effect.high < 1


# -- measuring ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Laboratory:
    """An engine, and the builds that it can open."""

    builds: Mapping[str, BuildFacts]
    engine: Engine
    bench: Workbench
    """Of the first build; all share its exchange."""
    screen: Progress
    keeps: Collection[str] = ()
    """Of the workers' metadata."""

    def plan(
        self,
        names: Sequence[str],
        workload: str,
        *,
        blocks: int,
        seed: int,
        profile: str = Profile.QUICK,
        threads: str | None = "1",
        measures: str = Measure.TIME,
    ) -> Plan:
        """What `inv bench --workloads WORKLOAD --threads 1 --measures time --blocks BLOCKS` executes of these builds.

        RequestError where there is no such workload or profile, or the builds cannot execute it.
        """
        options = BenchOptions(
            workloads=workload,
            threads=threads,
            measures=measures,
            profile=profile,
            blocks=str(blocks),
            seed=str(seed),
        )
        wanted = request.resolve(options, self.bench.tools / "workloads", tuple(names))
        if len(wanted.workloads) > 1:
            raise RequestError(f'"{workload}" names {len(wanted.workloads)} workloads, and this measures one')
        return make_plan(wanted, [self.builds[name] for name in names])

    def blocks(
        self,
        plan: Plan,
        *,
        loops: int | None = None,
        schedule: Callable[[Sequence[str], int], Sequence[str]] = back_and_forth,
        deepens: bool = False,
    ) -> Generator[Measured, None, None]:
        """The blocks of `plan`, each measured when it is asked for; to be closed, since containers stay in between.

        `loops` are calibrated where they are not given, and `schedule` is what `Execution` takes.  The seconds of the
        first block hold the opening of containers.  Where it `deepens`, workers measure as many values from the first
        look on as the variances and costs until then suggest, as those of a bench do.
        Blocks that do not count are among the others.
        """
        known = {} if loops is None else {case.id: loops for case in plan.cases}
        stopping = Stopping(msgspec.structs.replace(plan, target=_NEVER if deepens else None, budget_seconds=None))
        execution = Execution(
            plan, self.builds, self.engine, self.bench, loops=known, done=(), steering=stopping, schedule=schedule
        )
        with closing(cast("Generator[JournalLine, None, None]", iter(execution))) as lines:
            for line in lines:
                stopping.feed(line)
                match line:
                    case Calibration(failure=Failure() as failure):
                        raise MeasurementError(f"{failure.case} cannot be calibrated: {failure.message}")
                    case BlockRecord(index=index):
                        self._say_failures(line)
                        yield Measured(plan.builds, plan.blocks[index], self._essence(line))
                    case _:
                        pass
        if not execution.complete:
            raise HostError("the engine went away and did not come back")

    def _essence(self, record: BlockRecord) -> BlockRecord:
        kept = [
            msgspec.structs.replace(one, metadata={name: one.metadata[name] for name in self.keeps})
            if isinstance(one, Sample)
            else one
            for one in record.outcomes
        ]
        return msgspec.structs.replace(record, outcomes=tuple(kept))

    def place(self, name: str, plan: Plan) -> AbstractContextManager[Place]:
        """Where pyperf executes: a container like ours, open as long as the context."""
        return self.engine.open(self.builds[name], plan.cases[0].cpus)

    def suite(self, place: Place, plan: Plan, *options: str) -> Suite:
        """pyperf's manager on the workload of `plan`, in its default protocol but for `options`.

        By default it has 20 workers of one warm-up and 3 values each, a hash seed for each drawn by its interpreter,
        finds the loops by itself, and leaves it to the kernel on which of the container's CPUs a worker executes.
        """
        (workload,) = plan.workloads
        argv = [str(place.tools / "workloads" / workload.path)]
        argv += ["--threads=1"] if workload.strategies else []
        argv += [f"--size={plan.size}"] if workload.sized else []
        argv += [*options, _INHERITED, "--quiet", f"--output={place.exchange / 'suite.json'}"]
        self.bench.clear_exchange()
        began = time.monotonic()
        worker = place.start(argv, ENVIRONMENT)
        while (status := worker.poll()) is None:
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - began
        if status:
            raise MeasurementError(f"pyperf ended with exit status {status}: {worker.output().strip()}")
        return Suite(seconds, msgspec.Raw((self.bench.exchange / "suite.json").read_bytes()))

    def _say_failures(self, record: BlockRecord) -> None:
        for one in record.outcomes:
            if isinstance(one, Failure):
                self.screen.say(f"{one.case} on {one.build}: {one.reason}: {one.message}")


def counting(blocks: Iterator[Measured], number: int) -> tuple[Measured, ...]:
    """The next blocks, up to and with the `number`th that counts.  MeasurementError where there are not as many."""
    taken: list[Measured] = []
    while sum(one.log is not None for one in taken) < number:
        try:
            taken.append(next(blocks))
        except StopIteration:
            raise MeasurementError(f"of {len(taken)} blocks not even {number} count") from None
    return tuple(taken)


@contextmanager
def laboratory(what: str, folders: Mapping[str, Path], build: str | None = None) -> Iterator[Laboratory]:
    """A laboratory for one image under the names of `folders`, each with the workloads of its own folder.

    Holds this machine's measuring lock.  `what` says to others for what; `build` is the free-threaded one of the
    default pair where none is given.
    """
    facts = session.prepare(*([build] if build else []))[-1]
    screen = Screen()
    with ExitStack() as stack:
        stack.enter_context(session.measuring(what, screen))
        benches = {name: stack.enter_context(workbench(folder)) for name, folder in folders.items()}
        first = next(iter(benches.values()))
        engine = stack.enter_context(closing(_Engine(find(), benches, first)))
        engine.remove_left_behind()
        yield Laboratory({name: _renamed(facts, name) for name in folders}, engine, first, screen)


@contextmanager
def laboratory_of(what: str, builds: Sequence[BuildFacts], keeps: Collection[str] = ()) -> Iterator[Laboratory]:
    """A laboratory of several images, of which `what` says to others what for; holds this machine's measuring lock."""
    screen = Screen()
    with (
        session.measuring(what, screen),
        workbench(WORKLOADS) as bench,
        session.open_engine("docker", bench, screen) as engine,
    ):
        yield Laboratory({facts.build.name: facts for facts in builds}, engine, bench, screen, keeps)


class _Engine(DockerEngine):
    """Shows each build the workloads of its own workbench, and all of them one exchange."""

    def __init__(self, connection: Connection, benches: Mapping[str, Workbench], first: Workbench) -> None:
        super().__init__(connection, first)
        self._engines = {
            name: DockerEngine(connection, replace(bench, exchange=first.exchange)) for name, bench in benches.items()
        }

    @contextmanager
    def open(self, build: BuildFacts, cpus: tuple[int, ...], beside: Place | None = None) -> Iterator[Place]:
        """A container of the build's image, with the workloads that go with the build's name."""
        with self._engines[build.build.name].open(build, cpus, beside) as place:
            yield place


def _renamed(facts: BuildFacts, name: str) -> BuildFacts:
    return msgspec.structs.replace(facts, build=msgspec.structs.replace(facts.build, name=name))


# -- programs ----------------------------------------------------------------------------------------------------------

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def execute(program: Callable[[], None]) -> None:
    """Execute a benchmark: errors are one message and the exit status of their class, signals an orderly end."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        program()
    except GilometerError as error:
        print(f"gilometer: {error}", file=sys.stderr)
        sys.exit(error.status)
    except KeyboardInterrupt:
        print("gilometer: interrupted", file=sys.stderr)
        sys.exit(130)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Once: a second Ctrl-C must not cut short what removes containers and folders."""
    del number, frame
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt


def refuse_unwritable(*paths: Path | None) -> None:
    """RequestError, before an hour of measuring, where a result could not be written afterwards."""
    for path in filter(None, paths):
        if path.is_dir():
            raise RequestError(f"{path} cannot be written: it is a directory")
        if not path.parent.is_dir():
            raise RequestError(f"{path} cannot be written: there is no directory {path.parent}")


def read_record(path: Path, kind: type[R]) -> R:
    """What a benchmark has written.  RequestError where it is not there, or not that."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise RequestError(f"{path} is no file of this benchmark: {error}") from error
