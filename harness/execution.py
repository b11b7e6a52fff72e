"""Execution of a plan: a generator of journal lines, which knows neither the store nor the screen."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

from harness import samples
from harness.authors import authored
from harness.engine import Engine, Place, Worker, environment, killed_by
from harness.errors import HostError, MeasurementError
from harness.journal import (
    Attempts,
    BlockRecord,
    Calibration,
    Disturbance,
    Failure,
    JournalLine,
    Noise,
    Outcome,
    Reason,
    Sample,
)
from harness.ledger import Ledger
from harness.lockstep import Lockstep, Track, back_and_forth
from harness.model import (
    FORKED_STATUS,
    WRONG_ANSWER_STATUS,
    Block,
    BuildFacts,
    Case,
    Measure,
    Placement,
    Plan,
    Split,
    Workload,
    cpu_list,
)
from harness.plan import turn_order, turn_seconds
from harness.validity import disturbances, stray
from harness.workbench import Workbench

T = TypeVar("T")

_RECOVERY_SECONDS = 30.0
_POLL_SECONDS = 0.002

_GIL_WARNING = re.compile(r"The global interpreter lock \(GIL\) has been enabled to load module '([^']+)'")


@dataclass
class _Places:
    """One place per build and CPU set, opened when first needed and kept for the whole execution."""

    engine: Engine
    _open: dict[tuple[str, tuple[int, ...]], tuple[Place, ExitStack]] = field(default_factory=dict)
    given_up: bool = False
    """The engine was away and did not come back."""

    def get(self, build: BuildFacts, cpus: tuple[int, ...]) -> Place:
        key = (build.build.name, cpus)
        if key not in self._open:
            with ExitStack() as stack:
                place = stack.enter_context(self.engine.open(build, cpus))
                self._open[key] = (place, stack.pop_all())
        return self._open[key][0]

    def recover(self) -> None:
        """After an engine failure: wait once for the engine to come back, and open every place anew."""
        self.close()
        self.given_up = not self.engine.wait_until_ready(_RECOVERY_SECONDS)

    def clear(self, cpus: tuple[int, ...]) -> None:
        """Kill whatever still lives in those on a CPU set."""
        for (_, its_cpus), (place, _) in self._open.items():
            if its_cpus == cpus:
                place.clear()

    def close(self) -> None:
        while self._open:
            _, stack = self._open.popitem()[1]
            stack.close()


@contextmanager
def _together(contexts: Sequence[AbstractContextManager[T]]) -> Iterator[list[T]]:
    """All of them entered at once, and left at once: an engine makes several containers in little more than one's time.

    What was entered is left, whatever happens to the others.
    """
    with ThreadPoolExecutor(len(contexts)) as threads:
        entering = [threads.submit(one.__enter__) for one in contexts]
        try:
            yield [one.result() for one in entering]
        finally:
            wait(entering)
            entered = [one for one, it in zip(contexts, entering, strict=True) if it.exception() is None]
            for leaving in [threads.submit(one.__exit__, None, None, None) for one in entered]:
                leaving.result()


@dataclass
class _Seat:
    """One worker of a block, from start to outcome."""

    name: str
    case: Case
    build: BuildFacts
    place: Place
    affinity: tuple[int, ...]
    worker: Worker


class Steering(Protocol):
    """Decides, while a plan is executed, how much of it is."""

    def wanted(self, block: Block) -> bool:
        """Whether a block should be executed now."""

    def values(self, block: Block) -> int:
        """How many values each of its workers should measure."""


class AsPlanned:
    """Every block, as the plan has it."""

    def wanted(self, block: Block) -> bool:
        """Always."""
        del block
        return True

    def values(self, block: Block) -> int:
        """The plan's."""
        return block.values


class Execution:
    """Executes `plan` on `engine`; iterate over it once.

    `loops` and `done` are what an earlier execution of the same plan recorded: calibrated loops by case, and indices
    of blocks.  Next is always the first block in the plan's order that is wanted, which is asked anew for each, so that
    a block that was passed over can come later.  An invalid block is put behind all others, to be measured again.
    `schedule` says, turn by turn, which of a block's seats is next, given the seats and how many turns each has.
    After the iteration `worker_seconds` tells how long at least one worker process was alive, and `complete` whether
    all that was wanted was executed: an engine that goes away and does not come back ends the execution early.
    """

    def __init__(
        self,
        plan: Plan,
        builds: Mapping[str, BuildFacts],
        engine: Engine,
        bench: Workbench,
        *,
        loops: Mapping[str, int],
        done: Collection[int],
        steering: Steering | None = None,
        schedule: Callable[[Sequence[str], int], Sequence[str]] = back_and_forth,
    ) -> None:
        self.worker_seconds = 0.0
        self.complete = False
        self._plan = plan
        self._builds = [builds[name] for name in plan.builds]
        self._by_name = dict(builds)
        self._cases = {case.id: case for case in plan.cases}
        self._workloads = {workload.name: workload for workload in plan.workloads}
        self._engine = engine
        self._places = _Places(engine)
        self._bench = bench
        self._loops = self._uncalibrated_loops() | dict(loops)
        self._failed: dict[str, Failure] = {}
        self._pending = [block for block in plan.blocks if block.index not in done]
        self._attempts = Attempts()
        self._steering = steering or AsPlanned()
        self._schedule = schedule

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing that was opened for a block is left."""
        self._places.close()

    def __iter__(self) -> Iterator[JournalLine]:
        """Calibrations, each before the first block that needs it, and a record per block."""
        with self:
            while block := next(filter(self._steering.wanted, self._pending), None):
                self._pending.remove(block)
                for line in self.execute(block):
                    if isinstance(line, BlockRecord) and not self._attempts.ended(line):
                        self._pending.append(block)
                    yield line
                if self._places.given_up:  # the rest would only fail too; a resumed run can still measure it
                    return
            self.complete = True

    def execute(self, block: Block, loops: Mapping[str, int] | None = None) -> Iterator[JournalLine]:
        """One block, once: calibrations that it still needs, and its record, without one where the engine went away.

        For whoever decides elsewhere what is next, within a `with` of this execution.  `loops` are then those that are
        known there, and no others.
        """
        if loops is not None:
            self._loops = self._uncalibrated_loops() | dict(loops)
        for case in block.cases:
            if case not in self._loops and case not in self._failed:
                yield self._calibrate(self._cases[case], block)
                if self._places.given_up:
                    return
        yield self._measure(block)

    def _uncalibrated_loops(self) -> dict[str, int]:
        return {case: 1 for case, found in self._cases.items() if not found.measure.calibrated}

    # -- calibration ---------------------------------------------------------------------------------------------------

    def _calibrate(self, case: Case, block: Block) -> Calibration:
        """Loops of a case, found on the baseline build: all builds then do the same work per value."""
        began = time.monotonic()
        self._bench.clear_exchange()
        failure: Failure | None = None
        loops = 0
        try:
            seat = self._start_calibration(case, block)
            status = self._wait(seat.worker)
            if status == 0:
                loops = samples.read_loops(self._bench.exchange / "calibration.json")
            else:
                failure = _failed(seat, status, self._plan.timeout_seconds)
        except MeasurementError as error:
            failure = Failure(case=case.id, build=self._plan.builds[0], reason=Reason.UNREADABLE, message=error.message)
        except HostError as error:
            failure = Failure(case=case.id, build=self._plan.builds[0], reason=Reason.ENGINE, message=error.message)
            self._places.recover()
        seconds = time.monotonic() - began
        self.worker_seconds += seconds
        if failure is None:
            self._loops[case.id] = loops
        elif failure.reason is not Reason.ENGINE:  # an engine that comes back may still calibrate it
            self._failed[case.id] = failure
        return Calibration(case=case.id, loops=loops, seconds=seconds, failure=failure)

    def _start_calibration(self, case: Case, block: Block) -> _Seat:
        build = self._builds[0]
        place = self._places.get(build, block.cpus)
        arguments = samples.calibration_arguments(
            task=self._workloads[case.workload].task,
            min_seconds=turn_seconds(self._plan, case),
            affinity=cpu_list(_affinity(case, block)),
            output=str(place.exchange / "calibration.json"),
        )
        return self._seat("calibration", case, build, place, block, arguments)

    # -- measurement ---------------------------------------------------------------------------------------------------

    def _measure(self, block: Block) -> BlockRecord:
        started, began = time.time(), time.monotonic()
        uncalibrated = [
            Failure(
                case=case,
                build=build.build.name,
                reason=self._failed[case].reason if case in self._failed else Reason.ENGINE,
                message="not measured: its calibration failed",
            )
            for case in block.cases
            if case not in self._loops
            for build in self._builds
        ]
        wanted = [(case, build) for case, build in turn_order(block, self._plan.builds) if case in self._loops]
        noise: Noise | None = None
        try:
            outcomes, noise = self._take_turns(block, wanted) if wanted else ([], None)
        except HostError as error:
            outcomes = [
                Failure(case=case, build=build, reason=Reason.ENGINE, message=error.message) for case, build in wanted
            ]
            self._places.recover()
        return BlockRecord(
            index=block.index,
            started=started,
            seconds=time.monotonic() - began,
            outcomes=(*outcomes, *uncalibrated),
            noise=noise,
            invalid=self._disturbances(block, outcomes, noise),
        )

    def _take_turns(self, block: Block, wanted: list[tuple[str, str]]) -> tuple[list[Outcome], Noise]:
        began = time.monotonic()
        self._bench.clear_exchange()  # whatever the last block left: pyperf never overwrites a file
        seats: dict[str, _Seat] = {}
        with ExitStack() as fresh, Lockstep(self._bench.exchange) as table:
            try:
                places = self._places_for(wanted, block, fresh)
                for number, ((case, build), place) in enumerate(zip(wanted, places, strict=True)):
                    seat = self._start(f"seat-{number:02}", self._cases[case], self._by_name[build], place, block)
                    seats[seat.name] = seat
                table.seat({name: seat.worker for name, seat in seats.items()}, self._plan.timeout_seconds)
                ledger = Ledger(block.cpus)
                tracks = table.take_turns(self._grants(block, list(seats)), block.home)
                ledger.stop()
                statuses = {name: self._wait(seat.worker) for name, seat in seats.items()}
                self.worker_seconds += time.monotonic() - began
                outcomes = [self._outcome(seat, tracks[name], statuses[name], block) for name, seat in seats.items()]
                outcomes = list(_without_leftovers(seats.values(), outcomes))
            except BaseException:
                with suppress(HostError):
                    for seat in seats.values():
                        seat.worker.kill()
                raise
            noise = ledger.noise((o for o in outcomes if isinstance(o, Sample)), self._engine.neighbours())
        if any(isinstance(outcome, Failure) for outcome in outcomes):
            try:  # whatever a failed worker left behind must not disturb the next block
                self._places.clear(block.cpus)
            except HostError:
                self._places.recover()
        return outcomes, noise

    def _grants(self, block: Block, seats: Sequence[str]) -> list[str]:
        """Whose turn it is, grant by grant: a turn that is a value has its settling first."""
        turns = self._schedule(seats, self._plan.warmups + self._steering.values(block))
        warmups = self._plan.warmups * len(seats)
        return [seat for number, seat in enumerate(turns) for _ in range(1 if number < warmups else 1 + block.settling)]

    def _places_for(self, wanted: Sequence[tuple[str, str]], block: Block, fresh: ExitStack) -> Sequence[Place]:
        """Where the workers execute: memory is measured in places of their own, whose peak is one worker's."""
        builds = [self._by_name[name] for _, name in wanted]
        kept = [self._places.get(build, block.cpus) for build in builds]
        if self._cases[wanted[0][0]].measure is not Measure.MEMORY:
            return kept
        own = [self._engine.open(build, block.cpus, place) for build, place in zip(builds, kept, strict=True)]
        return fresh.enter_context(_together(own))

    def _disturbances(self, block: Block, outcomes: Sequence[Outcome], noise: Noise | None) -> tuple[Disturbance, ...]:
        """Rules that the block broke; a block with a failure is judged by that."""
        samples = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
        if noise is None or len(samples) < len(outcomes):
            return ()
        return disturbances(noise, [(self._cases[one.case], one) for one in samples], len(block.cpus))

    def _start(self, name: str, case: Case, build: BuildFacts, place: Place, block: Block) -> _Seat:
        arguments = samples.arguments(
            task=self._workloads[case.workload].task,
            loops=self._loops[case.id],
            warmups=self._plan.warmups,
            values=self._steering.values(block) * (1 + block.settling),
            affinity=cpu_list(_affinity(case, block)),
            output=str(place.exchange / f"{name}.json"),
        )
        return self._seat(name, case, build, place, block, arguments)

    def _seat(
        self, name: str, case: Case, build: BuildFacts, place: Place, block: Block, arguments: list[str]
    ) -> _Seat:
        workload = self._workloads[case.workload]
        surroundings = _environment(place, build, workload, block, name)
        worker = authored(place.start(self._argv(place, case, arguments), surroundings), place, workload)
        return _Seat(name, case, build, place, _affinity(case, block), worker)

    def _argv(self, place: Place, case: Case, arguments: list[str]) -> list[str]:
        workload: Workload = self._workloads[case.workload]
        argv = [str(place.tools / "workloads" / workload.path), *arguments, *workload.arguments]
        if case.strategy is not None:
            argv += ["--threads", str(case.threads), "--strategy", case.strategy]
        if case.split is not Split.SHARE:
            argv += ["--split", case.split]
        if case.placement is not Placement.PINNED:
            argv += ["--placement", case.placement]
        if case.measure is Measure.CAPACITY:
            argv += ["--measure", case.measure]
        if self._plan.stress:
            argv += ["--stress"]
        if workload.sized:
            argv += ["--size", workload.size(self._plan.size)]
        return argv

    def _wait(self, worker: Worker) -> int | None:
        """Exit status of a worker that has nothing left to do but end; None, and it is killed, if it does not."""
        deadline = time.monotonic() + self._plan.timeout_seconds
        while (status := worker.poll()) is None:
            if time.monotonic() > deadline:
                worker.kill()
                return None
            time.sleep(_POLL_SECONDS)
        return status

    def _outcome(self, seat: _Seat, track: Track, status: int | None, block: Block) -> Outcome:
        if track.silent or status != 0:
            return _failed(seat, None if track.silent else status, self._plan.timeout_seconds)
        try:
            sample = samples.read(
                self._bench.exchange / f"{seat.name}.json",
                case=seat.case.id,
                build=seat.build.build.name,
                turns=track.turns,
                settling=block.settling,
            )
        except MeasurementError as error:
            return _failure(seat, Reason.UNREADABLE, error.message)
        return self._doubt(seat, sample, block) or sample

    def _doubt(self, seat: _Seat, sample: Sample, block: Block) -> Failure | None:
        """Why a sample does not count; None for a good one."""
        evidence = sample.evidence
        values = self._steering.values(block)
        turns = self._plan.warmups + values
        if len(sample.values) != values or len(sample.turns) != turns:
            took = f"{len(sample.values)} of {values} values in {len(sample.turns)} of {turns} turns"
            return _failure(seat, Reason.UNREADABLE, f"measured {took}")
        if evidence.cpus_allowed != seat.affinity:
            planned, real = cpu_list(seat.affinity), cpu_list(evidence.cpus_allowed)
            return _failure(seat, Reason.WRONG_CPUS, f"planned for CPUs {planned}, was allowed CPUs {real}")
        if seat.build.free_threaded and evidence.gil_enabled:
            module = _GIL_WARNING.search(seat.worker.output())
            culprit = f"module {module[1]}" if module else "something"
            return _failure(seat, Reason.GIL_ENABLED, f"{culprit} turned the GIL back on in a free-threaded build")
        if found := stray(sample):
            return _failure(seat, Reason.STRAY, found)
        return None


def _without_leftovers(seats: Collection[_Seat], outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Samples of workers after which processes are still there are none: who else had turns was disturbed by them.

    A place does not know whose they are, and a block is of one workload: all its seats in that place have it.
    """
    places = {id(seat.place): seat.place for seat in seats}
    left = {key: place.left() for key, place in places.items()}
    for seat, outcome in zip(seats, outcomes, strict=True):
        if (count := left[id(seat.place)]) and isinstance(outcome, Sample):
            yield _failure(seat, Reason.STRAY, f"processes that it left running: {count}")
        else:
            yield outcome


def _affinity(case: Case, block: Block) -> tuple[int, ...]:
    """One-thread workers of a block share one CPU, so that they share its speed; others have the whole set.

    Where capacity is measured, a worker with one thread goes through the set by itself, window by window.
    """
    return case.cpus if case.threads > 1 or case.measure is Measure.CAPACITY else (block.home,)


def _environment(place: Place, build: BuildFacts, workload: Workload, block: Block, seat: str) -> dict[str, str]:
    """All that a worker's environment holds; names and lengths are the same for every seat of a block."""
    return environment(place, build, workload) | {
        "GILOMETER_GAUGE": str((1 + block.settling) * block.gauged),  # the turns that are values
        "GILOMETER_SEAT": seat,
        "GILOMETER_SOCKET": str(place.exchange / "turns"),
        "PYTHONHASHSEED": str(block.hash_seed),
    }


def _failure(seat: _Seat, reason: Reason, message: str) -> Failure:
    return Failure(
        case=seat.case.id,
        build=seat.build.build.name,
        reason=reason,
        message=message,
        output=seat.worker.output().strip(),
    )


def _failed(seat: _Seat, status: int | None, timeout: float) -> Failure:
    """Why a worker that ended badly did so; a status of None means that it had to be stopped."""
    lines = seat.worker.output().strip().splitlines()
    if status is None:
        return _failure(seat, Reason.TIMED_OUT, f"was silent for {timeout:g} s and was stopped")
    if status == WRONG_ANSWER_STATUS:
        said = next((line for line in lines if line.startswith("wrong answer")), "wrong answer")
        return _failure(seat, Reason.WRONG_ANSWER, said)
    if status == FORKED_STATUS:
        return _failure(seat, Reason.STRAY, "a process that the workload forked came back from it")
    if killer := killed_by(status):
        return _failure(seat, Reason.KILLED, f"was killed by {killer}")
    return _failure(seat, Reason.CRASHED, lines[-1] if lines else f"ended with exit status {status}")
