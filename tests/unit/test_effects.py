"""Memory, undisturbed turns, capacity, noise floors and false alarms, of runs whose truth is known."""

from __future__ import annotations

import math

import msgspec
import pytest

from harness.journal import BlockRecord, Depth, JournalLine, Sample, Settled, Stop
from harness.model import BuildFacts, Case, Measure, Run
from harness.stats import Verdict
from reports.analysis import analyse
from reports.findings import Comparison, Findings
from tests import made_up

THREADED = made_up.WORKLOADS[:2]
EVERYTHING = (Measure.TIME, Measure.CAPACITY, Measure.MEMORY)


def _ratios(comparisons: tuple[Comparison, ...]) -> list[float]:
    return [one.judgement.effect.ratio for one in comparisons if one.judgement]


# -- memory ------------------------------------------------------------------------------------------------------------


def test_memory_finds_the_true_ratio_of_processes_and_of_containers() -> None:
    run = made_up.run(workloads=THREADED, measures=EVERYTHING)

    findings = analyse(run, made_up.journal(run))

    assert [one.case.measure for one in findings.memories] == [Measure.MEMORY] * 4
    assert _ratios(findings.memories) == pytest.approx([1.2] * 4, rel=0.005)
    # 15 MiB of 20 and of 24 are files that others had read.
    assert _ratios(findings.container_memories) == pytest.approx([9 / 5] * 4, rel=0.01)
    assert {one.verdict for one in findings.memories} == {Verdict.SLOWER}
    assert all(one.judgement and one.judgement.low < 1.2 < one.judgement.high for one in findings.memories)


def test_the_values_of_memory_blocks_are_no_times() -> None:
    run = made_up.run(workloads=THREADED, measures=EVERYTHING)

    findings = analyse(run, made_up.journal(run))

    assert {one.case.measure for one in findings.comparisons} == {Measure.TIME}
    assert {one.case.measure for one in findings.series} == {Measure.TIME, Measure.CAPACITY}
    assert _ratios(findings.comparisons) == pytest.approx([1.24, 1.24 / 1.93] * 2, rel=0.01)


def test_memory_suites_are_geometric_means_per_thread_count() -> None:
    run = made_up.run(measures=(Measure.MEMORY,))

    def more_with_threads(case: Case, facts: BuildFacts) -> float:
        return 20 * 2**20 * (1 + 0.1 * case.threads if facts.free_threaded else 1.0)

    suites = analyse(run, made_up.journal(run, memory=more_with_threads)).memory_suites

    ratios = {suite.threads: suite.judgement.effect.ratio for suite in suites if suite.category is None}
    assert ratios == {1: pytest.approx(1.1, rel=0.005), 2: pytest.approx(1.2, rel=0.005)}
    assert {suite.measure for suite in suites} == {Measure.MEMORY}


def test_a_container_that_cannot_be_read_leaves_the_process() -> None:
    run = made_up.run(workloads=THREADED, measures=(Measure.MEMORY,))

    def forget(_: BlockRecord, sample: Sample) -> Sample:
        return msgspec.structs.replace(sample, evidence=msgspec.structs.replace(sample.evidence, memory_peak=None))

    findings = analyse(run, made_up.amend(made_up.journal(run), forget))

    assert findings.container_memories == ()
    assert {peak.container for peak in findings.peaks} == {None}
    assert _ratios(findings.memories) == pytest.approx([1.2] * 4, rel=0.005)


# -- threads -----------------------------------------------------------------------------------------------------------


def _gauged(slow: float, *, blocks: int = 8) -> tuple[Run, tuple[JournalLine, ...]]:
    run = made_up.run(workloads=THREADED[:1], gauged=True, blocks=blocks)
    return run, made_up.journal(run, slow=slow)


def test_a_time_to_completion_rests_on_undisturbed_turns_only() -> None:
    run = made_up.run(workloads=THREADED[:1], gauged=True, threads=(1, 4), cpus=(0, 1, 2, 3))
    journal = made_up.journal(run, slow=0.8)
    blind = made_up.amend(journal, lambda _, sample: msgspec.structs.replace(sample, gauges=()))

    control, gain = analyse(run, journal).speedups
    _, biased = analyse(run, blind).speedups

    assert (control.case.threads, control.build, gain.build) == (4, "3.13", "3.13t")
    assert gain.effect is not None
    assert gain.effect.low < 3.79 < gain.effect.high
    assert gain.decided
    assert gain.answer == gain.effect
    # Without gauges the slow CPU counts: the turn waits for it, the one thread often does not.
    assert biased.effect is not None
    assert biased.effect.ratio < 3
    assert (biased.gauged, biased.undisturbed, biased.turns) == (False, 96, 96)


def test_undisturbed_turns_are_counted() -> None:
    run, journal = _gauged(0.5)
    quick = [
        max(*gauge.before, *gauge.after) < 250e-6
        for line in journal
        if isinstance(line, BlockRecord)
        for sample in line.outcomes
        if isinstance(sample, Sample) and len(sample.evidence.cpus_allowed) == 2 and sample.build == "3.13t"
        for gauge in sample.gauges[1:]
    ]

    _, gain = analyse(run, journal).speedups

    assert len(quick) == gain.turns == 96
    assert gain.undisturbed == sum(quick)
    assert 20 < gain.undisturbed < 76
    assert gain.gauged


def test_a_time_to_completion_in_too_few_blocks_is_undecided_and_has_no_answer() -> None:
    run, journal = _gauged(0.97)

    for speedup in analyse(run, journal).speedups:
        assert speedup.effect is not None
        assert 0 < speedup.effect.n < 6
        assert not speedup.decided
        assert speedup.answer is None


def test_without_an_undisturbed_turn_there_is_not_even_an_effect() -> None:
    run, journal = _gauged(1.0)

    for speedup in analyse(run, journal).speedups:
        assert (speedup.effect, speedup.undisturbed, speedup.turns, speedup.decided) == (None, 0, 96, False)


def test_capacity_finds_the_true_gain() -> None:
    run = made_up.run(workloads=THREADED, measures=EVERYTHING, threads=(1, 2, 4), cpus=(0, 1, 2, 3))

    findings = analyse(run, made_up.journal(run, made_up.truth(gain=1.9)))

    gains = {(s.build, s.case.threads): s.effect.ratio for s in findings.capacities if s.effect}
    assert gains == {
        ("3.13", 2): pytest.approx(1.0, rel=0.01),
        ("3.13", 4): pytest.approx(1.0, rel=0.01),
        ("3.13t", 2): pytest.approx(1.9, rel=0.01),
        ("3.13t", 4): pytest.approx(3.7, rel=0.01),
    }
    assert {s.turns for s in findings.capacities} == {0}


# -- invalid blocks ----------------------------------------------------------------------------------------------------


def _told(findings: Findings) -> str:
    """Every figure of a run."""
    return repr(
        (
            findings.comparisons,
            findings.suites,
            findings.speedups,
            findings.capacities,
            findings.memories,
            findings.container_memories,
            findings.peaks,
            findings.series,
            findings.proofs,
        )
    )


def test_nothing_is_estimated_from_what_was_invalid() -> None:
    run = made_up.run(workloads=THREADED, measures=EVERYTHING)

    quiet, disturbed = (
        analyse(run, made_up.journal(run, happened=happened))
        for happened in (made_up.quiet, made_up.disturbed(*range(20), times=2))
    )

    assert disturbed.ledger.invalid == 40
    assert _told(disturbed) == _told(quiet)


def test_a_block_that_was_never_valid_is_missing_from_its_comparison() -> None:
    run = made_up.run(workloads=THREADED[:1])

    findings = analyse(run, made_up.journal(run, happened=made_up.disturbed(3, times=3)))

    assert {one.blocks for one in findings.comparisons} == {(0, 1, 2, 4, 5, 6, 7)}
    assert {one.planned for one in findings.comparisons} == {8}
    assert _ratios(findings.comparisons) == pytest.approx([1.24, 1.24 / 1.93], rel=0.01)


# -- noise floors ------------------------------------------------------------------------------------------------------


def test_a_difference_below_the_noise_floor_is_none() -> None:
    def found(floor: float | None) -> Findings:
        run = made_up.run(noise_floor=floor, measures=(Measure.TIME, Measure.MEMORY))
        return analyse(run, made_up.journal(run, made_up.truth(1.01, 1.0), memory=made_up.peaks(1.01), noise=0.005))

    for name in ("comparisons", "memories"):
        bare, floored, above = (getattr(found(floor), name)[0] for floor in (None, 0.02, 0.005))
        assert (bare.verdict, bare.noise_floor, bare.is_below_floor) == (Verdict.SLOWER, 0.0, False)
        assert (floored.verdict, floored.noise_floor, floored.is_below_floor) == (Verdict.SAME, 0.02, True)
        assert (above.verdict, above.is_below_floor) == (Verdict.SLOWER, False)


def test_a_suite_is_no_finding_below_the_mean_of_its_floors() -> None:
    def found(floor: float | None) -> set[Verdict]:
        run = made_up.run(workloads=THREADED, threads=(1,), noise_floor=floor)
        findings = analyse(run, made_up.journal(run, made_up.truth(1.01), noise=0.005))
        return {suite.judgement.verdict for suite in findings.suites}

    assert found(None) == found(0.005) == {Verdict.SLOWER}
    assert found(0.02) == {Verdict.SAME}


# -- a build against itself --------------------------------------------------------------------------------------------

TWICE = (made_up.build("3.13", image="sha256:1"), made_up.build("3.13#2", image="sha256:1"))


@pytest.mark.parametrize(("blocks", "comparisons"), [(7, 0), (8, 1), (15, 1), (16, 2), (32, 4)])
def test_blocks_are_cut_into_consecutive_comparisons_of_eight(blocks: int, comparisons: int) -> None:
    run = made_up.run(TWICE, workloads=THREADED, blocks=blocks)

    (alarms,) = analyse(run, made_up.journal(run)).false_alarms

    assert (alarms.build, alarms.baseline, alarms.measure, alarms.blocks) == ("3.13#2", "3.13", Measure.TIME, 8)
    assert [case.comparisons for case in alarms.cases] == [comparisons] * 4
    assert math.isnan(alarms.low) == (comparisons == 0)


def test_a_machine_that_favours_a_seat_raises_an_alarm_in_every_comparison() -> None:
    run = made_up.run(TWICE, workloads=THREADED, blocks=16)

    def seconds(_: Case, facts: BuildFacts) -> float:
        return 0.01 if facts.build.name == "3.13" else 0.0104

    (alarms,) = analyse(run, made_up.journal(run, seconds)).false_alarms

    assert (alarms.called, alarms.comparisons) == (8, 8)
    assert alarms.low == pytest.approx(0.025 ** (1 / 8))
    assert alarms.high == 1.0
    assert [case.noise for case in alarms.cases] == pytest.approx([0.04] * 4, abs=0.005)


def test_a_fair_machine_raises_as_many_alarms_as_it_may() -> None:
    workloads = [made_up.workload(f"pure_python/number_{number:02}", threaded=True) for number in range(50)]
    run = made_up.run(TWICE, workloads=workloads, threads=(1,), blocks=24, values=5)

    (alarms,) = analyse(run, made_up.journal(run)).false_alarms

    assert alarms.comparisons == 150
    assert alarms.low < 0.05 < alarms.high
    assert 0 < alarms.called < 20


def test_the_noise_of_a_case_has_no_sign() -> None:
    run = made_up.run(TWICE, workloads=THREADED[:1], threads=(1,))

    def noise(factor: float) -> float:
        def seconds(_: Case, facts: BuildFacts) -> float:
            return 0.01 if facts.build.name == "3.13" else 0.01 * factor

        (alarms,) = analyse(run, made_up.journal(run, seconds, noise=1e-6)).false_alarms
        return alarms.cases[0].noise

    assert noise(1.03) == pytest.approx(0.03, abs=1e-5)
    assert noise(1 / 1.03) == pytest.approx(0.03, abs=1e-5)


def test_only_the_same_build_raises_false_alarms() -> None:
    run = made_up.run((*TWICE, made_up.build("3.13t")), workloads=THREADED, measures=EVERYTHING)

    alarms = analyse(run, made_up.journal(run)).false_alarms

    assert [(one.build, one.measure) for one in alarms] == [("3.13#2", Measure.TIME), ("3.13#2", Measure.MEMORY)]
    run = made_up.run()
    assert analyse(run, made_up.journal(run)).false_alarms == ()


# -- values per worker -------------------------------------------------------------------------------------------------


def test_how_many_values_a_worker_measures_is_told_with_its_reasons() -> None:
    run = made_up.run(workloads=THREADED)
    group = run.plan.blocks[1].group
    depth = Depth(cases=group, values=24, within=0.0004, between=-0.00001, block_seconds=0.8, value_seconds=0.1)

    (deepening,) = analyse(run, (*made_up.journal(run), depth)).deepenings

    assert (deepening.workload, deepening.measure, deepening.cpus) == (THREADED[1].name, Measure.TIME, (0, 1))
    assert (deepening.planned, deepening.values) == (12, 24)
    assert (deepening.within, deepening.between) == (0.02, 0.0)
    assert (deepening.block_seconds, deepening.value_seconds) == (0.8, 0.1)


def test_memory_that_is_short_of_the_target_says_what_it_would_take() -> None:
    run = made_up.run(workloads=THREADED[:1], measures=(Measure.MEMORY,))
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.0005))
    settled = Settled(cases=run.plan.blocks[0].group, blocks=8, half_width=0.002, reason=Stop.CAP)

    (precision,) = analyse(run, (*made_up.journal(run), settled)).precisions

    assert precision.measure is Measure.MEMORY
    assert precision.needed is not None
    assert precision.needed > 8
