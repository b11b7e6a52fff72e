"""Execution of a plan: a generator of journal lines, which knows neither the store nor the screen."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Self

from harness import samples
from harness.engine import Engine, Place, Worker
from harness.errors import HostError, MeasurementError
from harness.journal import BlockRecord, Calibration, Failure, JournalLine, Outcome, Reason, Sample
from harness.lockstep import Lockstep, Track
from harness.model import WRONG_ANSWER_STATUS, Block, BuildFacts, Case, Measure, Plan, Workload, cpu_list
from harness.plan import turn_order, turn_seconds
from harness.workbench import Workbench

_RECOVERY_SECONDS = 30.0
_POLL_SECONDS = 0.01

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

    def close(self) -> None:
        while self._open:
            _, stack = self._open.popitem()[1]
            stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class _Seat:
    """One worker of a block, from start to outcome."""

    name: str
    case: Case
    build: BuildFacts
    place: Place
    affinity: tuple[int, ...]
    worker: Worker


class Execution:
    """Executes `plan` on `engine`; iterate over it once.

    `loops` and `done` are what an earlier execution of the same plan recorded: calibrated loops by case, and indices
    of blocks.  Next is always the first block in the plan's order that is `wanted`, which is asked anew for each, so
    that a block that was passed over can come later.  After the iteration `worker_seconds` tells how long at least one
    worker process was alive, and `complete` whether all that was wanted was executed: an engine that goes away and does
    not come back ends the execution early.
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
        wanted: Callable[[Block], bool] = lambda _: True,
    ) -> None:
        self.worker_seconds = 0.0
        self.complete = False
        self._plan = plan
        self._builds = [builds[name] for name in plan.builds]
        self._by_name = dict(builds)
        self._cases = {case.id: case for case in plan.cases}
        self._workloads = {workload.name: workload for workload in plan.workloads}
        self._places = _Places(engine)
        self._bench = bench
        self._loops = dict(loops)
        self._failed: dict[str, Failure] = {}
        self._pending = [block for block in plan.blocks if block.index not in done]
        self._wanted = wanted

    def __iter__(self) -> Iterator[JournalLine]:
        """Calibrations, each before the first block that needs it, and a record per block."""
        with self._places:
            while block := next(filter(self._wanted, self._pending), None):
                self._pending.remove(block)
                for case in block.cases:
                    if self._cases[case].measure is Measure.CAPACITY:
                        self._loops[case] = 1  # a window is as long as it is, however many loops
                    if case not in self._loops and case not in self._failed and not self._places.given_up:
                        yield self._calibrate(self._cases[case], block)
                if not self._places.given_up:
                    yield self._measure(block)
                if self._places.given_up:  # the rest would only fail too; a resumed run can still measure it
                    self.complete = False
                    return
            self.complete = True

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
        affinity = _affinity(case, block)
        arguments = samples.calibration_arguments(
            task=0,
            min_seconds=turn_seconds(self._plan, case),
            affinity=cpu_list(affinity),
            output=str(place.exchange / "calibration.json"),
        )
        argv = self._argv(place, case, arguments)
        worker = place.start(argv, _environment(place, block, "calibration"))
        return _Seat("calibration", case, build, place, affinity, worker)

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
        wanted = [
            (case, build) for case, build in turn_order(block, self._plan.builds) if case in self._loops
        ]  # fmt: skip
        try:
            outcomes = self._take_turns(block, wanted) if wanted else []
        except HostError as error:
            outcomes = [
                Failure(case=case, build=build, reason=Reason.ENGINE, message=error.message) for case, build in wanted
            ]
            self._places.recover()
        seconds = time.monotonic() - began
        return BlockRecord(index=block.index, started=started, seconds=seconds, outcomes=(*outcomes, *uncalibrated))

    def _take_turns(self, block: Block, wanted: list[tuple[str, str]]) -> list[Outcome]:
        places = {build: self._places.get(self._by_name[build], block.cpus) for _, build in wanted}
        began = time.monotonic()
        self._bench.clear_exchange()  # whatever the last block left: pyperf never overwrites a file
        seats: dict[str, _Seat] = {}
        try:
            with Lockstep(self._bench.exchange) as table:
                for number, (case, build) in enumerate(wanted):
                    seat = self._start(
                        f"seat-{number:02}", self._cases[case], self._by_name[build], places[build], block
                    )
                    seats[seat.name] = seat
                tracks = table.take_turns(
                    {name: seat.worker for name, seat in seats.items()},
                    order=list(seats),
                    turns=self._plan.warmups + block.values,
                    timeout=self._plan.timeout_seconds,
                )
            statuses = {name: self._wait(seat.worker) for name, seat in seats.items()}
            self.worker_seconds += time.monotonic() - began
            outcomes = [self._outcome(seat, tracks[name], statuses[name], block) for name, seat in seats.items()]
        except BaseException:
            with suppress(HostError):
                for seat in seats.values():
                    seat.worker.kill()
            raise
        if any(isinstance(outcome, Failure) for outcome in outcomes):
            try:
                for place in places.values():  # whatever a failed worker left behind must not disturb the next block
                    place.clear()
            except HostError:
                self._places.recover()
        return outcomes

    def _start(self, name: str, case: Case, build: BuildFacts, place: Place, block: Block) -> _Seat:
        affinity = _affinity(case, block)
        arguments = samples.arguments(
            task=0,
            loops=self._loops[case.id],
            warmups=self._plan.warmups,
            values=block.values,
            affinity=cpu_list(affinity),
            output=str(place.exchange / f"{name}.json"),
        )
        worker = place.start(self._argv(place, case, arguments), _environment(place, block, name))
        return _Seat(name, case, build, place, affinity, worker)

    def _argv(self, place: Place, case: Case, arguments: list[str]) -> list[str]:
        workload: Workload = self._workloads[case.workload]
        argv = [str(place.tools / "workloads" / workload.path), *arguments]
        if workload.threaded:
            argv += ["--threads", str(case.threads), "--strategy", str(case.strategy)]
        if case.measure is Measure.CAPACITY:
            argv += ["--measure", case.measure]
        if workload.sized:
            argv += ["--size", self._plan.size]
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
                turns=tuple(track.turns),
            )
        except MeasurementError as error:
            return _failure(seat, Reason.UNREADABLE, error.message)
        return self._doubt(seat, sample, block) or sample

    def _doubt(self, seat: _Seat, sample: Sample, block: Block) -> Failure | None:
        """Why a sample does not count; None for a good one."""
        evidence = sample.evidence
        turns = self._plan.warmups + block.values
        if len(sample.values) != block.values or len(sample.turns) != turns:
            took = f"{len(sample.values)} of {block.values} values in {len(sample.turns)} of {turns} turns"
            return _failure(seat, Reason.UNREADABLE, f"measured {took}")
        if evidence.cpus_allowed != seat.affinity:
            planned, real = cpu_list(seat.affinity), cpu_list(evidence.cpus_allowed)
            return _failure(seat, Reason.WRONG_CPUS, f"planned for CPUs {planned}, was allowed CPUs {real}")
        if seat.build.free_threaded and evidence.gil_enabled:
            module = _GIL_WARNING.search(seat.worker.output())
            culprit = f"module {module[1]}" if module else "something"
            return _failure(seat, Reason.GIL_ENABLED, f"{culprit} turned the GIL back on in a free-threaded build")
        if evidence.throttled_periods:
            return _failure(seat, Reason.THROTTLED, f"throttled in {evidence.throttled_periods} scheduler periods")
        return None


def _affinity(case: Case, block: Block) -> tuple[int, ...]:
    """One-thread workers of a block share one CPU, so that they share its speed; others have the whole set.

    Where capacity is measured, a worker with one thread goes through the set by itself, window by window.
    """
    return (block.home,) if case.threads == 1 and case.measure is Measure.TIME else case.cpus


def _environment(place: Place, block: Block, seat: str) -> dict[str, str]:
    """All that a worker's environment holds; names and lengths are the same for every seat of a block."""
    return {
        "GILOMETER_SEAT": seat,
        "GILOMETER_SOCKET": str(place.exchange / "turns"),
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONHASHSEED": str(block.hash_seed),
        "PYTHONPATH": str(place.tools / "hook"),
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
    if status > 128:
        return _failure(seat, Reason.KILLED, f"was killed by {_signal_name(status - 128)}")
    return _failure(seat, Reason.CRASHED, lines[-1] if lines else f"ended with exit status {status}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
