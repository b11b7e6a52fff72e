"""Execution on the host engine, with real pyperf workers: every way a worker can end becomes an outcome."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from harness import execution, plan, samples, specs
from harness.engine import OUTPUT_BYTES, Place
from harness.errors import HostError
from harness.execution import AsPlanned, Execution
from harness.host_engine import HostEngine
from harness.journal import BlockRecord, Calibration, Disturbance, Failure, JournalLine, Reason, Sample, Settled, Stop
from harness.model import Block, BuildFacts, Measure, Plan
from harness.stopping import Stopping
from harness.workbench import Workbench, workbench
from tests.toys import facts, write_toys


def make_plan(
    folder: Path, blocks: int = 1, timeout: float = 20.0, measures: tuple[Measure, ...] | None = None
) -> Plan:
    request = plan.Request(
        builds=("a", "b"),
        workloads=specs.load_workloads(folder),
        cpu_sets=((0,),),
        blocks=blocks,
        timeout_seconds=timeout,
        measures=measures,
    )
    return plan.make_plan(request, ())


def execute(folder: Path, the_plan: Plan, *, done: tuple[int, ...] = ()) -> list[JournalLine]:
    builds = {"a": facts("a"), "b": facts("b")}
    with workbench(folder) as bench:
        return list(Execution(the_plan, builds, HostEngine(bench), bench, loops={}, done=done))


def outcomes(lines: list[JournalLine]) -> list[Sample | Failure]:
    return [outcome for line in lines if isinstance(line, BlockRecord) for outcome in line.outcomes]


class CountedPlaces(HostEngine):
    """Of which only some can be opened.  Each place waits for the others: they are opened together or never."""

    def __init__(self, bench: Workbench, *, refused: Collection[str], together: int) -> None:
        super().__init__(bench)
        self.opened = self.closed = 0
        self._refused = refused
        self._all_here = threading.Barrier(together, timeout=10)

    @contextmanager
    def open(self, build: BuildFacts, cpus: tuple[int, ...], beside: Place | None = None) -> Iterator[Place]:
        if beside is None:  # the one that stays open
            with super().open(build, cpus) as place:
                yield place
            return
        self._all_here.wait()
        if build.build.name in self._refused:
            raise HostError("no more containers")
        with super().open(build, cpus) as place:
            self.opened += 1
            yield place
            self._all_here.wait()
            self.closed += 1


@pytest.mark.parametrize("refused", [(), ("b",)])
def test_where_memory_is_measured_each_worker_has_a_place_of_its_own(tmp_path: Path, refused: tuple[str, ...]) -> None:
    folder = write_toys(tmp_path / "w", "good")
    the_plan = make_plan(folder, measures=(Measure.MEMORY,))
    with workbench(folder) as bench:
        engine = CountedPlaces(bench, refused=refused, together=1 if refused else 2)
        builds = {"a": facts("a"), "b": facts("b")}
        lines = list(Execution(the_plan, builds, engine, bench, loops={}, done=()))
    assert engine.opened == engine.closed == 2 - len(refused)
    found = [one.message if isinstance(one, Failure) else one.build for one in outcomes(lines)]
    assert sorted(found) == (["no more containers"] * 2 if refused else ["a", "b"])


def test_a_block_gives_one_sample_per_build_with_equal_loops(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    the_plan = make_plan(folder, blocks=2)
    lines = execute(folder, the_plan)
    assert isinstance(lines[0], Calibration)
    found = [outcome for outcome in outcomes(lines) if isinstance(outcome, Sample)]
    assert len(found) == 4
    assert {sample.loops for sample in found} == {lines[0].loops}
    values = the_plan.blocks[0].values
    assert all(len(sample.values) == values for sample in found)
    assert all(len(sample.turns) == the_plan.warmups + values for sample in found)
    assert all(sample.evidence.cpus_allowed == (0,) for sample in found)


def test_turns_of_a_block_never_overlap(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    found = outcomes(execute(folder, make_plan(folder)))
    turns = sorted(
        turn
        for sample in found
        if isinstance(sample, Sample)
        for turn in ((t.granted, t.returned) for t in sample.turns)
    )
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(turns))


@pytest.mark.parametrize(
    ("toy", "reason", "said"),
    [
        ("wrong", Reason.WRONG_ANSWER, "expected 4, got 5"),
        ("raises", Reason.CRASHED, "a toy that divides by zero"),
        ("killed", Reason.KILLED, "SIGKILL"),
        ("leaks_busy_threads", Reason.STRAY, "its threads did not wait"),
        ("leaks_idle_threads", Reason.STRAY, "leaks threads: "),
        ("leaves_a_process", Reason.STRAY, "left running: 1"),
        ("forks", Reason.STRAY, "a process that the workload forked came back"),
    ],
)
def test_a_worker_that_ends_badly_is_a_failure_with_its_reason(
    tmp_path: Path, toy: str, reason: Reason, said: str
) -> None:
    folder = write_toys(tmp_path / "w", toy, "good")
    found = outcomes(execute(folder, make_plan(folder)))
    failures = [outcome for outcome in found if isinstance(outcome, Failure)]
    assert {failure.reason for failure in failures} == {reason}
    assert all(said in failure.message for failure in failures)
    assert len(failures) == len(found) - len(failures) == 2, "the other workload is complete"


@pytest.mark.parametrize("toy", ["endless", "busy"])
def test_a_worker_that_never_ends_is_stopped(tmp_path: Path, toy: str) -> None:
    folder = write_toys(tmp_path / "w", toy)
    found = outcomes(execute(folder, make_plan(folder, timeout=1.5)))
    assert [outcome.reason for outcome in found if isinstance(outcome, Failure)] == [Reason.TIMED_OUT] * 2


def test_a_case_that_cannot_be_calibrated_fails_once_and_is_not_tried_again(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "never_calibrates")
    lines = execute(folder, make_plan(folder, blocks=3))
    calibrations = [line for line in lines if isinstance(line, Calibration)]
    assert len(calibrations) == 1
    assert calibrations[0].failure is not None
    assert "broken from the start" in calibrations[0].failure.message
    assert len(outcomes(lines)) == 6
    assert all(isinstance(outcome, Failure) for outcome in outcomes(lines))


def test_recorded_blocks_are_not_executed_again(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    lines = execute(folder, make_plan(folder, blocks=3), done=(0, 2))
    assert [line.index for line in lines if isinstance(line, BlockRecord)] == [1]


def test_the_next_block_is_always_the_first_that_is_wanted(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    the_plan = make_plan(folder, blocks=4)
    asked: list[int] = []

    class Steering(AsPlanned):
        def wanted(self, block: Block) -> bool:
            """Block 0 only after two others; block 3 never."""
            asked.append(block.index)
            return (block.index > 0 or len(measured) > 1) and block.index < 3

    measured: list[int] = []
    builds = {"a": facts("a"), "b": facts("b")}
    with workbench(folder) as bench:
        for line in Execution(the_plan, builds, HostEngine(bench), bench, loops={}, done=(), steering=Steering()):
            match line:
                case BlockRecord(index=index):
                    measured.append(index)
    assert measured == [1, 2, 0]
    assert asked[-1] == 3


def test_blocks_of_a_settled_group_are_not_executed(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    the_plan = msgspec.structs.replace(make_plan(folder, blocks=16), target=1e6)
    stopping = Stopping(the_plan)
    builds = {"a": facts("a"), "b": facts("b")}
    settled: list[Settled] = []
    with workbench(folder) as bench:
        for line in Execution(the_plan, builds, HostEngine(bench), bench, loops={}, done=(), steering=stopping):
            assert not settled, "the last block settles the group"
            settled += [one for one in stopping.feed(line) if isinstance(one, Settled)]
    assert [(one.blocks, one.reason) for one in settled] == [(8, Stop.TARGET)]


def test_megabytes_of_output_are_harmless(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "chatty")
    found = outcomes(execute(folder, make_plan(folder)))
    assert all(isinstance(outcome, Sample) for outcome in found)


def test_of_megabytes_of_output_a_failure_keeps_the_end(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "chatty_raises")
    found = [o for o in outcomes(execute(folder, make_plan(folder))) if isinstance(o, Failure)]
    assert [failure.message for failure in found] == ["ValueError: a toy that said too much"] * 2
    for failure in found:
        assert len(failure.output) <= OUTPUT_BYTES
        assert failure.output.startswith("yyy")
        assert failure.output.endswith("ValueError: a toy that said too much")


def test_samples_load_in_pyperf(tmp_path: Path) -> None:
    import pyperf

    folder = write_toys(tmp_path / "w", "good")
    found = [o for o in outcomes(execute(folder, make_plan(folder, blocks=2))) if isinstance(o, Sample)]
    samples.write_pyperf(tmp_path / "pyperf" / "a.json", [sample for sample in found if sample.build == "a"])
    (benchmark,) = pyperf.BenchmarkSuite.load(str(tmp_path / "pyperf" / "a.json")).get_benchmarks()
    assert benchmark.get_name() == "toy/good threads=1 cpus=0"
    assert list(benchmark.get_values()) == [value for s in found if s.build == "a" for value in s.values]


def test_an_invalid_block_comes_again_after_all_others_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_toys(tmp_path / "w", "good")
    judged: list[int] = []

    def disturbances(*_: object) -> tuple[Disturbance, ...]:
        """The first measurement is invalid, and all from the third on."""
        judged.append(1)
        return () if len(judged) == 2 else (Disturbance.CROWDED,)

    monkeypatch.setattr(execution, "disturbances", disturbances)
    lines = [line for line in execute(folder, make_plan(folder, blocks=3)) if isinstance(line, BlockRecord)]
    assert [line.index for line in lines] == [0, 1, 2, 0, 2, 0, 2]
    assert [bool(line.invalid) for line in lines] == [True, False, True, True, True, True, True]
    assert all(isinstance(outcome, Sample) for line in lines for outcome in line.outcomes), "what was measured is kept"


def test_a_block_with_a_failure_is_judged_by_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "disturbances", lambda *_: (Disturbance.CROWDED,))
    folder = write_toys(tmp_path / "w", "raises")
    lines = [line for line in execute(folder, make_plan(folder, blocks=2)) if isinstance(line, BlockRecord)]
    assert [(line.index, line.invalid) for line in lines] == [(0, ()), (1, ())]


def test_a_worker_tells_what_became_of_it(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    (record,) = (line for line in execute(folder, make_plan(folder)) if isinstance(line, BlockRecord))
    assert record.noise is not None
    assert record.noise.seconds < record.seconds
    for sample in record.outcomes:
        assert isinstance(sample, Sample)
        timed = sample.loops * sum((*sample.values, *sample.warmups))
        assert 0.5 * timed < sample.evidence.cpu_seconds < record.noise.seconds
        assert sample.evidence.waited_seconds is not None
        assert sample.evidence.waited_seconds >= 0
        assert sample.evidence.max_rss > 5 << 20
        assert sample.evidence.swapped == 0
        assert not any("gilometer" in key for key in sample.metadata)


def test_what_a_worker_has_others_do_is_its_own_cpu_time(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "delegates")
    (record,) = (line for line in execute(folder, make_plan(folder)) if isinstance(line, BlockRecord))
    for sample in record.outcomes:
        assert isinstance(sample, Sample)
        turns = len(sample.warmups) + len(sample.settling) + len(sample.values)
        assert sample.evidence.cpu_seconds > 0.2 * (turns - 1), "a worker counts from its first turn on"


def test_a_worker_that_shares_its_cpu_waits_for_it(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    with subprocess.Popen(["taskset", "-c", "0", sys.executable, "-c", "while True: pass"]) as busy:
        try:
            lines = execute(folder, make_plan(folder))
        finally:
            busy.kill()
    (record,) = (line for line in lines if isinstance(line, BlockRecord))
    assert record.noise is not None
    assert record.noise.others is not None
    assert record.noise.others > 0.1 * record.noise.seconds
    for sample in record.outcomes:
        assert isinstance(sample, Sample)
        assert (sample.evidence.waited_seconds or 0) > 0.2 * sample.evidence.cpu_seconds
        in_turns = sum(gauge.waited for gauge in sample.gauges)
        assert 0 < in_turns <= (sample.evidence.waited_seconds or 0), "some of it in the turns that count"


def test_every_turn_of_a_gauged_block_has_a_reading_of_every_cpu_before_and_after(tmp_path: Path) -> None:
    folder = write_toys(tmp_path / "w", "good")
    for sample in outcomes(execute(folder, make_plan(folder))):
        assert isinstance(sample, Sample)
        assert len(sample.gauges) == len(sample.turns)
        assert all(len(gauge.before) == len(gauge.after) == 1 for gauge in sample.gauges)
        assert all(0 < seconds < 1 for gauge in sample.gauges for seconds in (*gauge.before, *gauge.after))
        assert sample.evidence.cpus_allowed == (0,), "gauging leaves the affinity as it was"
        timed = sample.loops * sum((*sample.values, *sample.warmups))
        gauging = sum(sum((*gauge.before, *gauge.after)) for gauge in sample.gauges)
        assert sum(turn.returned - turn.granted for turn in sample.turns) > timed + gauging, "nothing of it is timed"
