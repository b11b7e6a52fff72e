"""Stopping on made-up journals: at looks and nowhere else, on the width, within the budget, and the same again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import numpy as np
import pytest

from harness import stats
from harness.claims import Claim, Place, Publication
from harness.journal import (
    ATTEMPTS,
    BlockRecord,
    Calibration,
    Depth,
    Disturbance,
    Gauge,
    JournalLine,
    Reason,
    Sample,
    Settled,
    Stop,
)
from harness.model import Block, Measure, Question, Run
from harness.plan import Request, make_plan
from harness.planning import CONFIDENCE, LOOKS, MEMORY_LOOK, confidence_at_looks, confidence_where_deciding
from harness.stopping import Stopping
from reports.analysis import analyse
from reports.reproduction import Measurement, results
from tests import made_up

LOOP, DATA, MATRIX, INVERSE = "pure_python/cpu_bound", "pure_python/process_data", "numpy/square_sum", "numpy/inverse"


def made_up_run(*names: str, blocks: int = 16, target: float | None = 0.05, budget: float | None = None) -> Run:
    run = made_up.run(workloads=[made_up.workload(name, threaded=False) for name in names], blocks=blocks, values=4)
    return msgspec.structs.replace(
        run, plan=msgspec.structs.replace(run.plan, target=target, budget_seconds=budget)
    )  # every block of a made-up journal takes 2.5 s, every calibration 0.2 s


def records(run: Run, noise: Callable[[str], float], *, failing: tuple[str, ...] = ()) -> dict[int, BlockRecord]:
    """Every block of the plan as it would be recorded, of workloads as noisy as `noise` says."""
    failures = [made_up.failure(run, name, "3.13t", Reason.CRASHED) for name in failing]
    found: dict[int, BlockRecord] = {}
    for name in {block.workload for block in run.plan.blocks}:
        for line in made_up.journal(run, made_up.truth(1.0, 1.0), noise=noise(name), failures=failures):
            if isinstance(line, BlockRecord) and run.plan.blocks[line.index].workload == name:
                found[line.index] = line
    return found


def execute(run: Run, found: dict[int, BlockRecord], stopping: Stopping, done: set[int]) -> Iterator[JournalLine]:
    """What an execution does: always the first block that is wanted, and a line for every group that settles."""
    while block := next((b for b in run.plan.blocks if b.index not in done and stopping.wanted(b)), None):
        done.add(block.index)
        yield found[block.index]
        yield from stopping.feed(found[block.index])


def whole(run: Run, found: dict[int, BlockRecord]) -> list[JournalLine]:
    return list(execute(run, found, Stopping(run.plan), set()))


def blocks(run: Run, journal: list[JournalLine]) -> Counter[str]:
    return Counter(run.plan.blocks[line.index].workload for line in journal if isinstance(line, BlockRecord))


def settled(journal: list[JournalLine]) -> dict[str, Settled]:
    return {line.cases[0].partition(" ")[0]: line for line in journal if isinstance(line, Settled)}


def noisy(**noise: float) -> Callable[[str], float]:
    return lambda name: noise[name.rpartition("/")[2]]


def test_a_group_stops_at_its_first_look_where_that_is_enough() -> None:
    run = made_up_run(LOOP, DATA)
    journal = whole(run, records(run, lambda _: 0.01))
    assert blocks(run, journal) == {LOOP: 8, DATA: 8}
    assert {one.reason for one in settled(journal).values()} == {Stop.TARGET}
    assert all(one.half_width is not None and one.half_width <= 0.05 for one in settled(journal).values())


def test_memory_has_its_first_look_sooner() -> None:
    run = made_up.run(
        workloads=[made_up.workload(LOOP, threaded=False)], blocks=16, measures=(Measure.TIME, Measure.MEMORY)
    )
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05))
    lines = made_up.journal(run, made_up.truth(1.0, 1.0), noise=0.005)
    found = {line.index: line for line in lines if isinstance(line, BlockRecord)}
    journal = whole(run, found)
    cases = {case.id: case.measure for case in run.plan.cases}
    assert {cases[one.cases[0]]: one.blocks for one in journal if isinstance(one, Settled)} == {
        Measure.TIME: LOOKS[0],
        Measure.MEMORY: MEMORY_LOOK,
    }


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.07, 0.09, 0.12, 0.2])
def test_a_group_settles_at_a_look_and_never_between(noise: float) -> None:
    run = made_up_run(LOOP, blocks=48)
    (one,) = settled(whole(run, records(run, lambda _: noise))).values()
    assert one.blocks in LOOKS
    found = records(run, lambda _: noise)
    stopping = Stopping(run.plan)
    for number, block in enumerate(run.plan.blocks[: one.blocks], start=1):
        assert stopping.wanted(block)
        decided = stopping.feed(found[block.index])
        assert any(isinstance(line, Settled) for line in decided) is (number == one.blocks)
    assert not any(stopping.wanted(block) for block in run.plan.blocks)


def test_the_width_is_that_of_the_report() -> None:
    run = made_up_run(LOOP, blocks=48)
    journal = whole(run, records(run, lambda _: 0.1))
    (comparison,) = analyse(run, journal).comparisons
    assert comparison.judgement is not None
    assert settled(journal)[LOOP].half_width == comparison.judgement.effect.half_width
    assert confidence_at_looks(CONFIDENCE) > CONFIDENCE


def test_at_the_cap_a_group_ends_with_what_it_has() -> None:
    run = made_up_run(LOOP, DATA)
    journal = whole(run, records(run, noisy(cpu_bound=0.5, process_data=0.01)))
    assert blocks(run, journal) == {LOOP: 16, DATA: 8}
    assert settled(journal)[LOOP].reason is Stop.CAP
    assert (settled(journal)[LOOP].half_width or 0) > 0.05


def test_without_a_target_every_block_is_wanted_and_nothing_settles() -> None:
    run = made_up_run(LOOP, target=None)
    journal = whole(run, records(run, lambda _: 0.001))
    assert blocks(run, journal) == {LOOP: 16}
    assert settled(journal) == {}


def test_a_group_with_nothing_but_failures_settles_at_the_first_look() -> None:
    run = made_up_run(LOOP, DATA)
    journal = whole(run, records(run, lambda _: 0.5, failing=(LOOP,)))
    one = settled(journal)[LOOP]
    assert (one.blocks, one.half_width, one.reason) == (8, None, Stop.NOTHING)
    assert blocks(run, journal)[DATA] == 16


def test_a_case_that_only_fails_does_not_keep_its_group_going() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], blocks=16, values=4)
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05))
    journal = whole(run, records_of_threads(run))
    assert settled(journal)[LOOP].reason is Stop.TARGET
    assert settled(journal)[LOOP].blocks == 8


def records_of_threads(run: Run) -> dict[int, BlockRecord]:
    failure = made_up.failure(run, LOOP, "3.13t", Reason.CRASHED, threads=2)
    journal = made_up.journal(run, noise=0.01, failures=[failure])
    return {line.index: line for line in journal if isinstance(line, BlockRecord)}


def test_a_single_build_stops_on_its_speedups() -> None:
    run = made_up.run((made_up.build("3.13t"),), workloads=made_up.WORKLOADS[:1], blocks=16, values=4)
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05))
    found = {line.index: line for line in made_up.journal(run, noise=0.01) if isinstance(line, BlockRecord)}
    assert settled(whole(run, found))[LOOP].reason is Stop.TARGET


# -- the budget --------------------------------------------------------------------------------------------------------


def test_a_budget_goes_to_the_widest_intervals() -> None:
    run = made_up_run(LOOP, DATA, MATRIX, INVERSE, blocks=48, target=0.001, budget=2.5 * (4 * 8 + 16))
    noise = noisy(cpu_bound=0.3, process_data=0.2, square_sum=0.05, inverse=0.01)
    journal = whole(run, records(run, noise))
    assert blocks(run, journal) == {LOOP: 16, DATA: 16, MATRIX: 8, INVERSE: 8}
    assert {one.reason for one in settled(journal).values()} == {Stop.BUDGET}


def test_what_was_passed_over_gets_its_blocks_once_the_wider_ones_are_done() -> None:
    run = made_up_run(LOOP, DATA, target=0.001, budget=1000)
    journal = whole(run, records(run, noisy(cpu_bound=0.3, process_data=0.05)))
    assert blocks(run, journal) == {LOOP: 16, DATA: 16}
    order = [run.plan.blocks[line.index].workload for line in journal if isinstance(line, BlockRecord)]
    assert order[16:] == [LOOP] * 8 + [DATA] * 8


def test_a_budget_that_is_too_short_still_pays_for_the_first_look() -> None:
    run = made_up_run(LOOP, DATA, budget=1)
    journal = whole(run, records(run, noisy(cpu_bound=0.5, process_data=0.01)))
    assert blocks(run, journal) == {LOOP: 8, DATA: 8}
    assert settled(journal)[LOOP].reason is Stop.BUDGET
    assert settled(journal)[DATA].reason is Stop.TARGET


def test_calibrations_are_paid_from_the_budget() -> None:
    run = made_up_run(LOOP, blocks=48, target=0.001, budget=100)
    stopping = Stopping(run.plan)
    stopping.feed(Calibration(case=run.plan.cases[0].id, loops=1, seconds=99))
    found = records(run, lambda _: 0.1)
    assert blocks(run, list(execute(run, found, stopping, set()))) == {LOOP: 8}


def test_what_is_left_never_exceeds_the_budget_and_ends_at_nothing() -> None:
    run = made_up_run(LOOP, DATA, blocks=48, target=0.001, budget=2.5 * 40)
    found, stopping, done = records(run, lambda _: 0.1), Stopping(run.plan), set[int]()
    assert stopping.left == 96
    totals = set()
    while block := next((b for b in run.plan.blocks if b.index not in done and stopping.wanted(b)), None):
        done.add(block.index)
        stopping.feed(found[block.index])
        totals.add(len(done) + stopping.left)
    assert totals == {40}
    assert stopping.left == 0


def test_groups_that_settle_shrink_what_is_left() -> None:
    run = made_up_run(LOOP, DATA)
    found, stopping = records(run, lambda _: 0.01), Stopping(run.plan)
    assert stopping.left == 32
    for block in run.plan.blocks[:15]:
        stopping.feed(found[block.index])
    assert stopping.left == 9  # 8 of the group that has not settled were not measured yet, of which 1 is certain


# -- questions ---------------------------------------------------------------------------------------------------------


def asking(run: Run, low: float, high: float, *names: str) -> Run:
    """The run, made to decide whether the builds with the GIL are so many times as fast as the others."""
    ids = [case.id for case in run.plan.cases if case.workload in names]
    question = Question(
        claim=" ".join(names),
        slow=tuple((id_, "3.13t") for id_ in ids),
        fast=tuple((id_, "3.13") for id_ in ids),
        low=low,
        high=high,
    )
    asked = (*run.plan.questions, question)
    return msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, questions=asked))


def slower(run: Run, cost: float, noise: Callable[[str], float]) -> dict[int, BlockRecord]:
    """Every block of the plan where the second build takes `cost` times as long."""
    found: dict[int, BlockRecord] = {}
    for name in {block.workload for block in run.plan.blocks}:
        for line in made_up.journal(run, lambda _, facts: cost if facts.free_threaded else 1.0, noise=noise(name)):
            if isinstance(line, BlockRecord) and run.plan.blocks[line.index].workload == name:
                found[line.index] = line
    return found


@pytest.mark.parametrize("cost", [1.05, 1.3])
def test_a_question_stops_its_group_at_the_look_that_decides_it(cost: float) -> None:
    """Inside the range and outside of it, where the interval is far wider than the target."""
    run = asking(made_up_run(LOOP, blocks=48, target=0.0001), 0.95, 1.15, LOOP)
    (one,) = settled(whole(run, slower(run, cost, lambda _: 0.05))).values()
    assert (one.blocks, one.reason) == (8, Stop.DECIDED)
    assert (one.half_width or 0) > 0.005


def test_a_precise_interval_over_a_boundary_goes_on_to_the_cap() -> None:
    run = asking(made_up_run(LOOP, blocks=24, target=0.5), 0.9, 1.1, LOOP)
    (one,) = settled(whole(run, slower(run, 1.1, lambda _: 0.02))).values()
    assert (one.blocks, one.reason) == (24, Stop.CAP)
    assert (one.half_width or 1) < 0.02


def test_all_questions_of_a_group_have_to_be_decided() -> None:
    run = asking(made_up_run(LOOP, blocks=24), 0.5, 2.0, LOOP)
    found = slower(run, 1.1, lambda _: 0.02)
    assert settled(whole(run, found))[LOOP].blocks == 8
    assert settled(whole(asking(run, 0.9, 1.1, LOOP), found))[LOOP].blocks == 24


def test_a_set_is_decided_by_its_mean_and_stops_together() -> None:
    """Neither workload alone would ever be decided so soon."""
    run = asking(made_up_run(LOOP, DATA, blocks=48), 1.0, 1.2, LOOP, DATA)
    quiet = slower(run, 1.1, lambda _: 0.02)
    ended = settled(whole(run, quiet))
    assert {name: (one.blocks, one.reason) for name, one in ended.items()} == {
        LOOP: (8, Stop.DECIDED),
        DATA: (8, Stop.DECIDED),
    }
    rough = settled(whole(run, slower(run, 1.1, noisy(cpu_bound=0.3, process_data=0.02))))
    assert {one.blocks for one in rough.values()} < {12, 16, 24, 32, 48}
    assert len({one.blocks for one in rough.values()}) == 1


def test_what_no_question_is_about_stops_by_its_width() -> None:
    run = asking(made_up_run(LOOP, DATA, blocks=24), 0.9, 1.1, LOOP)
    ended = settled(whole(run, slower(run, 1.1, lambda _: 0.02)))
    assert {name: one.reason for name, one in ended.items()} == {LOOP: Stop.CAP, DATA: Stop.TARGET}


def test_a_question_without_samples_ends_with_nothing() -> None:
    run = asking(made_up_run(LOOP, DATA), 0.9, 1.1, LOOP)
    ended = settled(whole(run, records(run, lambda _: 0.01, failing=(LOOP,))))
    assert ended[LOOP].reason is Stop.NOTHING


def test_a_budget_goes_to_questions_that_it_can_still_decide() -> None:
    """One truth is on the boundary, the other a little off it."""
    run = made_up_run(LOOP, DATA, blocks=48, budget=2.5 * (2 * 8 + 24))
    run = asking(asking(run, 0.9, 1.1, LOOP), 0.9, 1.06, DATA)
    journal = whole(run, slower(run, 1.1, lambda _: 0.04))
    ended = settled(journal)
    assert ended[DATA].reason is Stop.DECIDED
    assert ended[LOOP].reason is Stop.BUDGET
    assert blocks(run, journal)[DATA] >= 16
    assert blocks(run, journal)[LOOP] < 40 - 16, "what was left"


def test_questions_are_judged_as_the_report_judges_them() -> None:
    run = asking(made_up_run(LOOP, blocks=48), 1.0, 1.2, LOOP)
    found = slower(run, 1.1, lambda _: 0.05)
    journal = whole(run, found)
    one = Claim(id=LOOP, says="", workload=LOOP, slow=Place(build="t"), fast=Place(build="g"), ratio=("1.1",))
    names = {"t": "3.13t", "g": "3.13"}
    publication = Publication(title="", author="", about="", conditions="", tolerance=0.05, because="", claims=(one,))
    (result,) = results(publication, [one], Measurement(run=run, journal=journal, names=names))
    samples = (
        [one for one in line.outcomes if isinstance(one, Sample)] for line in journal if isinstance(line, BlockRecord)
    )
    logs = [stats.block_effect(gil.values, free.values) for gil, free in samples]
    assert result.effect == stats.effect(logs, confidence_where_deciding(CONFIDENCE))


def test_verdicts_are_wrong_no_more_often_than_promised() -> None:
    """The whole machinery with the truth on a boundary: runs of which some stop because chance lies outside."""
    run = asking(made_up_run(LOOP, blocks=24), 0.5, 1.0, LOOP)
    rng, wrong, runs = np.random.default_rng(5), 0, 60
    template = slower(run, 1.0, lambda _: 0.0)
    for _ in range(runs):
        shifts = np.exp(rng.normal(0, 0.05, len(template)))
        found = {index: _scaled(record, float(shifts[index])) for index, record in template.items()}
        (one,) = settled(whole(run, found)).values()
        wrong += one.reason is Stop.DECIDED
    assert wrong <= 7, "5 % of 60 are 3, and 8 or more come about once in a hundred times"


def _scaled(record: BlockRecord, factor: float) -> BlockRecord:
    """The block with other values of the free-threaded build."""
    outcomes = tuple(
        msgspec.structs.replace(one, values=tuple(factor * value for value in one.values))
        if isinstance(one, Sample) and one.build == "3.13t"
        else one
        for one in record.outcomes
    )
    return msgspec.structs.replace(record, outcomes=outcomes)


# -- resuming ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [None, 2.5 * 50])
def test_a_resumed_run_goes_on_as_the_whole_one_would_have(budget: float | None) -> None:
    run = made_up_run(LOOP, DATA, MATRIX, blocks=48, target=0.02, budget=budget)
    found = records(run, noisy(cpu_bound=0.08, process_data=0.05, square_sum=0.03))
    journal = whole(run, found)
    assert len(settled(journal)) == 3
    for cut in range(0, len(journal), 7):
        stopping = Stopping(run.plan)
        done = {line.index for line in journal[:cut] if isinstance(line, BlockRecord)}
        again = [one for line in journal[:cut] for one in stopping.feed(line)]
        rest = list(execute(run, found, stopping, done))
        assert [line for line in rest if isinstance(line, BlockRecord)] == [
            line for line in journal[cut:] if isinstance(line, BlockRecord)
        ]
        assert settled([*again, *rest]) == settled(journal)


def test_time_and_capacity_of_a_workload_stop_each_on_its_own() -> None:
    work = msgspec.structs.replace(made_up.workload(LOOP, threaded=True), capacity=True)
    plan = make_plan(Request(builds=("3.13", "3.13t"), workloads=(work,), cpu_sets=((0, 1),)), ())
    cases = {case.id: case for case in plan.cases}
    rng, stopping, measured = np.random.default_rng(1), Stopping(plan), Counter[Measure]()

    def record(block: Block) -> BlockRecord:
        """Alike in capacity, on every build; in time the builds differ by anything."""
        outcomes = []
        for id_ in block.cases:
            for facts in made_up.PAIR:
                scale = 1.0 if cases[id_].measure is Measure.CAPACITY else np.exp(rng.normal(0, 0.5))
                outcomes.append(made_up.sample(cases[id_], facts, block, [scale] * block.values))
        return BlockRecord(index=block.index, started=0, seconds=1, outcomes=tuple(outcomes))

    ended: dict[Measure, Settled] = {}
    done: set[int] = set()
    while block := next((b for b in plan.blocks if b.index not in done and stopping.wanted(b)), None):
        done.add(block.index)
        measured[cases[block.cases[0]].measure] += 1
        ended |= {cases[s.cases[0]].measure: s for s in stopping.feed(record(block)) if isinstance(s, Settled)}
    assert measured == {Measure.CAPACITY: 8, Measure.TIME: 16}
    assert (ended[Measure.CAPACITY].reason, ended[Measure.CAPACITY].half_width) == (Stop.TARGET, 0)
    assert ended[Measure.TIME].reason is Stop.CAP


def test_groups_are_workloads_on_a_cpu_set() -> None:
    run = made_up_run(LOOP)
    other = made_up.case(LOOP, 1, (0,))
    second = [
        msgspec.structs.replace(block, index=block.index + 16, cpus=(0,), cases=(other.id,))
        for block in run.plan.blocks
    ]
    plan = msgspec.structs.replace(run.plan, cases=(*run.plan.cases, other), blocks=(*run.plan.blocks, *second))
    found, stopping = records(run, lambda _: 0.01), Stopping(plan)
    for block in run.plan.blocks[:8]:
        stopping.feed(found[block.index])
    assert not stopping.wanted(run.plan.blocks[8])
    assert all(stopping.wanted(block) for block in second)


# -- invalid blocks, disturbed turns, values per worker ----------------------------------------------------------------


def invalidated(record: BlockRecord) -> BlockRecord:
    return msgspec.structs.replace(record, invalid=(Disturbance.CROWDED,))


def test_an_invalid_block_does_not_count_until_it_was_tried_often_enough() -> None:
    run = made_up_run(LOOP)
    found, stopping = records(run, lambda _: 0.01), Stopping(run.plan)
    bad = invalidated(found[0])
    for block in run.plan.blocks[1:8]:
        stopping.feed(found[block.index])
    for _ in range(ATTEMPTS - 1):
        assert not any(isinstance(line, Settled) for line in stopping.feed(bad))
    (one,) = stopping.feed(bad)
    assert isinstance(one, Settled)
    assert one.blocks == 8, "given up, and counted"


def test_nothing_is_estimated_from_an_invalid_block() -> None:
    run = made_up_run(LOOP)
    found = records(run, lambda _: 0.01)
    wild = invalidated(next(iter(records(run, lambda _: 9.0).values())))
    stopping = Stopping(run.plan)
    stopping.feed(wild)
    assert (
        settled([line for block in run.plan.blocks[:8] for line in stopping.feed(found[block.index])])[LOOP]
        == settled(whole(run, found))[LOOP]
    )


def gauged_records(run: Run, disturbed: Callable[[int], bool]) -> dict[int, BlockRecord]:
    """Blocks of which every turn was disturbed where `disturbed` says so of the block."""

    def gauge(line: BlockRecord, sample: Sample) -> Sample:
        slow = 3.0 if disturbed(line.index) else 1.0
        cpus = len(sample.evidence.cpus_allowed)
        gauge = Gauge(before=(0.001,) * cpus, after=(0.001 * slow,) * cpus)
        return msgspec.structs.replace(sample, gauges=(gauge,) * (len(sample.values) + 1))

    journal = made_up.amend(made_up.journal(run, noise=0.01), gauge)
    return {line.index: line for line in journal if isinstance(line, BlockRecord)}


def test_disturbed_turns_are_measured_again_in_further_blocks() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], blocks=32, values=4)
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05))
    quiet = whole(run, gauged_records(run, lambda _: False))
    assert settled(quiet)[LOOP].blocks == 8
    half = whole(run, gauged_records(run, lambda index: index % 2 == 0))
    assert (settled(half)[LOOP].blocks, settled(half)[LOOP].reason) == (12, Stop.TARGET)
    never = whole(run, gauged_records(run, lambda index: index > 0))
    assert (settled(never)[LOOP].blocks, settled(never)[LOOP].reason) == (32, Stop.CAP)
    assert (settled(never)[LOOP].half_width or 1) < 0.05, "the builds are compared nevertheless"


def test_a_target_out_of_reach_does_not_take_the_budget_from_one_within() -> None:
    run = made_up_run(LOOP, DATA, blocks=48, target=0.02, budget=2.5 * 40)
    journal = whole(run, records(run, noisy(cpu_bound=0.9, process_data=0.04)))
    assert settled(journal)[DATA].reason is Stop.TARGET
    order = [run.plan.blocks[line.index].workload for line in journal if isinstance(line, BlockRecord)]
    assert set(order[16 : blocks(run, journal)[DATA] + 8]) == {DATA}
    assert order[-1] == LOOP, "what is left goes to the other one"


def depths(journal: list[JournalLine]) -> dict[str, Depth]:
    return {line.cases[0].partition(" ")[0]: line for line in journal if isinstance(line, Depth)}


def test_values_per_worker_follow_the_measured_variances_and_costs() -> None:
    run = made_up_run(LOOP, DATA, blocks=48, target=0.0001)
    rng = np.random.default_rng(1)

    def record(block: Block) -> BlockRecord:
        """A turn takes 0.1 s, a block 1 s beside its turns.  Of LOOP pairs differ, of DATA processes do."""
        within, between = (0.04, 0.01) if block.workload == LOOP else (0.005, 0.05)
        outcomes = []
        for facts in made_up.PAIR:
            values = np.exp(rng.normal(0, between / 2**0.5) + rng.normal(0, within / 2**0.5, block.values))
            case = next(case for case in run.plan.cases if case.id == block.cases[0])
            outcomes.append(made_up.sample(case, facts, block, values.tolist()))
        seconds = 1 + 2 * 0.1 * block.values
        return BlockRecord(index=block.index, started=0, seconds=seconds, outcomes=tuple(outcomes))

    journal = whole(run, {block.index: record(block) for block in run.plan.blocks})
    loop, data = depths(journal)[LOOP], depths(journal)[DATA]
    assert loop.block_seconds == pytest.approx(1.0)
    assert loop.value_seconds == pytest.approx(0.2)
    assert loop.within == pytest.approx(0.04**2, rel=0.7)
    assert data.between == pytest.approx(0.05**2, rel=0.9)
    assert 4 <= loop.values <= 30  # sqrt(1 / 0.2 x 16) is 9; more than 29 would save nothing
    assert data.values == 2
    assert data.values % 2 == loop.values % 2 == 0, "no seat is first more often"


def test_values_change_after_the_first_look_and_not_before() -> None:
    run = made_up_run(LOOP, blocks=48, target=0.0001)
    found, stopping = records(run, lambda _: 0.05), Stopping(run.plan)
    last = run.plan.blocks[-1]
    for block in run.plan.blocks[:8]:
        assert stopping.values(last) == last.values
        decided = stopping.feed(found[block.index])
    (depth,) = decided
    assert isinstance(depth, Depth)
    assert stopping.values(last) == depth.values


def test_without_a_target_values_stay_as_planned() -> None:
    run = made_up_run(LOOP, target=None)
    journal = whole(run, records(run, lambda _: 0.05))
    assert depths(journal) == {}
