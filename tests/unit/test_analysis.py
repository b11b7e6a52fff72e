"""From a run whose truth is known to findings: the right figures, and nothing lost on the way."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import pytest

from harness.journal import BlockRecord, Calibration, Ended, Failure, JournalLine, Reason, Sample, Settled, Stop
from harness.model import CAPACITY_WINDOW, Case, Measure, Run
from harness.planning import blocks_to_reach, confidence_at_looks
from harness.stats import Judgement, Verdict
from reports.analysis import analyse
from reports.evidence import Oddity
from reports.findings import Comparison, Findings, Suite
from tests import made_up

LOOP = "pure_python/cpu_bound"


def _comparison(findings: Findings, workload: str, threads: int, build: str = "3.13t") -> Comparison:
    (found,) = [
        c for c in findings.comparisons if (c.case.workload, c.case.threads, c.build) == (workload, threads, build)
    ]
    return found


def _suite(findings: Findings, threads: int, category: str | None = None) -> Suite | None:
    return next((s for s in findings.suites if (s.threads, s.category) == (threads, category)), None)


def _oddities(findings: Findings) -> Counter[Oddity]:
    return Counter(irregularity.kind for irregularity in findings.irregularities)


# -- effects -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("workload", "threads", "truth"), [("pure_python/cpu_bound", 1, 1.24), ("mixed/hybrid", 2, 1.24 / 1.93)]
)
def test_a_comparison_finds_the_true_ratio_although_the_machine_flips_between_two_speeds(
    workload: str, threads: int, truth: float
) -> None:
    run = made_up.run()

    judgement = _comparison(analyse(run, made_up.journal(run)), workload, threads).judgement

    assert judgement is not None
    assert judgement.low < truth < judgement.high
    assert judgement.high / judgement.low < 1.05


def test_verdicts_tell_slower_faster_and_the_same_apart() -> None:
    run = made_up.run()

    findings = analyse(run, made_up.journal(run))

    assert _comparison(findings, "pure_python/cpu_bound", 1).verdict is Verdict.SLOWER
    assert _comparison(findings, "pure_python/cpu_bound", 2).verdict is Verdict.FASTER
    assert _comparison(findings, "numpy/inverse", 1).verdict is Verdict.SAME


def test_what_the_noise_hides_is_undecided_and_says_what_could_have_been_found() -> None:
    run = made_up.run()

    findings = analyse(run, made_up.journal(run, made_up.truth(1.01, 1.0), noise=0.2))

    for comparison in findings.comparisons:
        assert comparison.verdict is Verdict.UNDECIDED
        assert comparison.judgement is not None
        assert comparison.judgement.mde > 0.01


def test_a_speedup_is_measured_within_each_build() -> None:
    run = made_up.run(threads=(1, 2, 4), cpus=(0, 1, 2, 3))

    findings = analyse(run, made_up.journal(run, made_up.truth(gain=1.9)))

    speedups = {
        (s.build, s.case.threads): s.effect.ratio
        for s in findings.speedups
        if s.effect and s.case.workload == "pure_python/cpu_bound"
    }
    assert speedups == {
        ("3.13", 2): pytest.approx(1.0, rel=0.02),
        ("3.13", 4): pytest.approx(1.0, rel=0.02),
        ("3.13t", 2): pytest.approx(1.9, rel=0.02),
        ("3.13t", 4): pytest.approx(3.7, rel=0.02),
    }


def test_a_suite_is_the_geometric_mean_of_its_cases() -> None:
    run = made_up.run()

    findings = analyse(run, made_up.journal(run))

    everything = _suite(findings, 1)
    numpy = _suite(findings, 1, "numpy")
    assert everything is not None
    assert numpy is not None
    assert len(everything.cases) == 6
    assert everything.judgement.effect.ratio == pytest.approx(1.24 ** (4 / 6), rel=0.01)
    assert numpy.judgement.verdict is Verdict.SAME
    assert _suite(findings, 2, "numpy") is None


def test_every_build_is_compared_with_the_first_one_only() -> None:
    builds = (made_up.build("3.13"), made_up.build("3.13t"), made_up.build("3.14t", release="3.14.0"))
    run = made_up.run(builds)

    findings = analyse(run, made_up.journal(run))

    assert Counter((c.baseline, c.build) for c in findings.comparisons) == {
        ("3.13", "3.13t"): 10,
        ("3.13", "3.14t"): 10,
    }


def test_one_block_gives_an_estimate_without_interval_and_no_verdict() -> None:
    run = made_up.run(blocks=1)

    comparison = _comparison(analyse(run, made_up.journal(run)), "pure_python/cpu_bound", 1)

    assert comparison.verdict is Verdict.UNDECIDED
    assert comparison.judgement is not None
    assert math.isnan(comparison.judgement.low)


def test_analysis_does_not_depend_on_the_order_of_the_journal() -> None:
    run = made_up.run()
    journal = made_up.journal(run)

    assert repr(analyse(run, journal)) == repr(analyse(run, journal[::-1]))


# -- nothing is lost silently ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", Reason)
def test_a_failure_keeps_its_reason_message_and_output_and_the_rest_is_complete(reason: Reason) -> None:
    run = made_up.run()
    failure = made_up.failure(run, "numpy/inverse", "3.13t", reason, message="What happened.", output="last line")

    findings = analyse(run, made_up.journal(run, failures=[failure]))

    (group,) = findings.failures
    assert (group.reason, group.message, group.output, len(group.blocks)) == (reason, "What happened.", "last line", 8)
    assert _comparison(findings, "numpy/inverse", 1).judgement is None
    assert all(c.judgement for c in findings.comparisons if c.case.workload != "numpy/inverse")
    assert findings.coverage.samples == findings.coverage.planned_samples - 8
    assert not findings.irregularities


def test_a_failed_calibration_is_a_failure_even_where_a_later_one_succeeds() -> None:
    run = made_up.run()
    failure = made_up.failure(run, "numpy/inverse", "3.13", Reason.ENGINE)
    failed = Calibration(case=failure.case, loops=0, seconds=0.1, failure=failure)

    findings = analyse(run, (failed, *made_up.journal(run)))

    (group,) = findings.failures
    assert group.reason is Reason.ENGINE
    assert group.blocks == ()


def test_an_interrupted_run_says_which_blocks_are_missing() -> None:
    run = made_up.run()

    findings = analyse(run, made_up.journal(run, blocks=range(30), complete=False))

    (missing,) = findings.irregularities
    assert missing.kind is Oddity.MISSING_BLOCKS
    assert missing.blocks == tuple(range(30, 48))
    assert not findings.coverage.complete
    assert len(_comparison(findings, "pure_python/cpu_bound", 1).blocks) == 5
    assert _comparison(findings, "pure_python/cpu_bound", 1).planned == 8


def test_a_seat_without_outcome_is_reported() -> None:
    run = made_up.run()

    def lose(block: BlockRecord, sample: Sample) -> Sample | None:
        return None if block.index == 4 and sample.build == "3.13t" else sample

    findings = analyse(run, made_up.amend(made_up.journal(run), lose))

    (missing,) = findings.irregularities
    assert missing.kind is Oddity.MISSING_SEATS
    assert missing.blocks == (4,)
    assert missing.subject.endswith("on 3.13t")


def test_unequal_counts_are_reported_and_only_common_turns_are_paired() -> None:
    run = made_up.run()

    def shorten(block: BlockRecord, sample: Sample) -> Sample:
        if block.index == 0 and sample.build == "3.13t":
            return msgspec.structs.replace(sample, values=sample.values[:5])
        return sample

    findings = analyse(run, made_up.amend(made_up.journal(run), shorten))

    assert _oddities(findings) == {Oddity.UNEQUAL_COUNTS: 2}  # the workload of block 0 has two cases
    assert 0 in _comparison(findings, "pure_python/cpu_bound", 1).blocks


def test_different_loops_are_reported() -> None:
    run = made_up.run()

    def double(block: BlockRecord, sample: Sample) -> Sample:
        loops = 8 if sample.build == "3.13t" and sample.case.startswith("numpy/inverse") else sample.loops
        return msgspec.structs.replace(sample, loops=loops)

    findings = analyse(run, made_up.amend(made_up.journal(run), double))

    assert _oddities(findings) == {Oddity.CHANGED_LOOPS: 1}


def test_of_a_block_that_was_recorded_twice_the_last_record_counts() -> None:
    run = made_up.run()
    journal = made_up.journal(run)
    (first,) = [line for line in journal if isinstance(line, BlockRecord) and line.index == 0]
    slow = made_up.amend(
        [first], lambda _, sample: msgspec.structs.replace(sample, values=tuple(10 * v for v in sample.values))
    )

    findings = analyse(run, (*slow, *journal))

    assert _oddities(findings) == {Oddity.REPEATED_BLOCKS: 1}
    assert findings.series == analyse(run, journal).series


@pytest.mark.parametrize("journal", [(), (Ended(complete=False, wall_seconds=1.0, worker_seconds=0.0),)])
def test_a_run_without_data_has_findings_without_figures(journal: tuple[JournalLine, ...]) -> None:
    findings = analyse(made_up.run(), journal)

    assert findings.coverage.samples == 0
    assert findings.suites == ()
    assert all(comparison.judgement is None for comparison in findings.comparisons)


# -- stopping ----------------------------------------------------------------------------------------------------------


def _stopped(noise: float = 0.01) -> tuple[Run, tuple[JournalLine, ...]]:
    """A run that stopped every workload after 8 of 16 blocks, at a target of 5 %."""
    run = made_up.run(blocks=16)
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05))
    settled = tuple(
        Settled(cases=group, blocks=8, half_width=0.01, reason=Stop.TARGET)
        for group in dict.fromkeys(block.group for block in run.plan.blocks)
    )
    return run, (*made_up.journal(run, noise=noise, blocks=range(48)), *settled)


def test_blocks_that_were_not_needed_are_not_missing() -> None:
    run, journal = _stopped()

    findings = analyse(run, journal)

    assert not findings.irregularities
    assert (findings.coverage.planned_blocks, findings.coverage.blocks) == (48, 48)
    assert findings.coverage.samples == findings.coverage.planned_samples == 160
    assert {comparison.planned for comparison in findings.comparisons} == {8}
    assert {speedup.planned for speedup in findings.speedups} == {8}


def test_blocks_of_groups_that_had_not_stopped_are_missing() -> None:
    run, journal = _stopped()

    findings = analyse(
        run, [line for line in journal if not isinstance(line, Settled) or not line.cases[0].startswith(LOOP)]
    )

    (missing,) = findings.irregularities
    assert missing.blocks == tuple(b.index for b in run.plan.blocks[48:] if b.workload == LOOP)
    assert _comparison(findings, LOOP, 1).planned == 16
    assert LOOP not in {precision.workload for precision in findings.precisions}


def test_intervals_of_a_run_that_could_stop_are_wider() -> None:
    run, journal = _stopped()
    fixed = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=None))

    stopped, whole = (analyse(one, journal) for one in (run, fixed))

    assert whole.level == 0.95
    assert stopped.level == confidence_at_looks(0.95)
    for a, b in zip(_judgements(stopped), _judgements(whole), strict=True):
        assert a.effect.half_width > b.effect.half_width
        assert a.high > b.high
    for one, other in zip(stopped.speedups, whole.speedups, strict=True):
        assert one.effect is not None
        assert other.effect is not None
        assert one.effect.half_width > other.effect.half_width


def _judgements(findings: Findings) -> list[Judgement]:
    cases = [comparison.judgement for comparison in findings.comparisons if comparison.judgement]
    return [*cases, *(suite.judgement for suite in findings.suites)]


def test_what_is_short_of_the_target_says_what_it_would_take() -> None:
    run, journal = _stopped(noise=0.2)

    findings = analyse(run, journal)

    for precision in findings.precisions:
        effects = [
            c.judgement.effect for c in findings.comparisons if c.case.workload == precision.workload and c.judgement
        ]
        needed = [blocks_to_reach(0.05, effect.half_width, 8, findings.level) for effect in effects]
        assert precision.needed == max(needed) > 8
        assert precision.seconds == pytest.approx((max(needed) - 8) * 2.5)


def test_what_reached_the_target_needs_nothing() -> None:
    run, journal = _stopped()

    assert {(p.needed, p.seconds) for p in analyse(run, journal).precisions} == {(None, None)}


# -- evidence ----------------------------------------------------------------------------------------------------------


def test_the_gil_at_the_end_is_counted_sample_by_sample() -> None:
    run = made_up.run()

    def flip(block: BlockRecord, sample: Sample) -> Sample:
        if block.index == 0 and sample.build == "3.13t":
            return msgspec.structs.replace(sample, evidence=msgspec.structs.replace(sample.evidence, gil_enabled=True))
        return sample

    proofs = {proof.build: proof for proof in analyse(run, made_up.amend(made_up.journal(run), flip)).proofs}

    assert proofs["3.13"].gil == {True: 80}
    assert proofs["3.13t"].gil == {True: 2, False: 78}


def test_what_was_timed_is_values_and_what_warms_up_and_settles() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], blocks=1, values=3)

    def settled(_: BlockRecord, sample: Sample) -> Sample:
        return msgspec.structs.replace(
            sample, loops=4, warmups=(0.5,), values=(0.1, 0.2, 0.3), settling=(0.1, 0.1, 0.1)
        )

    journal = made_up.amend(made_up.journal(run), settled)
    assert analyse(run, journal).coverage.timed_seconds == pytest.approx(4 * 4 * 1.4), "four seats of four loops"
    cases = tuple(msgspec.structs.replace(case, measure=Measure.CAPACITY) for case in run.plan.cases)
    counted = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, cases=cases))
    windows = analyse(counted, made_up.journal(run)).coverage.timed_seconds
    assert windows == pytest.approx(4 * 4 * CAPACITY_WINDOW), "a warm-up and three values, whatever they say"


def test_efficiency_adds_up_over_the_executions_of_a_resumed_run() -> None:
    run = made_up.run()
    first = Ended(complete=False, wall_seconds=40.0, worker_seconds=20.0)

    coverage = analyse(run, (first, *made_up.journal(run))).coverage

    assert coverage.efficiency == pytest.approx((130 + 20) / (160 + 40))
    assert coverage.complete


def test_series_keep_the_extremes_and_the_median_of_every_block() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], threads=(1,), blocks=3, values=3)
    values = iter(
        [(1.0, 2.0, 9.0), (1.0, 1.0, 1.0), (3.0, 2.0, 4.0), (1.0, 1.0, 1.0), (5.0, 7.0, 6.0), (1.0, 1.0, 1.0)]
    )

    findings = analyse(
        run, made_up.amend(made_up.journal(run), lambda _, s: msgspec.structs.replace(s, values=next(values)))
    )

    series = findings.series[0]
    assert (series.build, series.values, series.shortest, series.median, series.longest) == ("3.13", 9, 1.0, 4.0, 9.0)
    assert series.medians == (2.0, 3.0, 6.0)


def test_failures_that_differ_only_in_their_block_are_told_once() -> None:
    run = made_up.run()
    failures: list[Failure] = [
        made_up.failure(run, case.workload, "3.13t", Reason.CRASHED, threads=case.threads)
        for case in _cases(run.plan.cases)
    ]

    findings = analyse(run, made_up.journal(run, failures=failures))

    assert len(findings.failures) == 2
    assert {len(group.blocks) for group in findings.failures} == {8}


def _cases(cases: tuple[Case, ...]) -> list[Case]:
    return [case for case in cases if case.workload.startswith("numpy/")]
