"""What to do follows from what was measured: each build at its fastest, and nothing that an unknown could overturn."""

from __future__ import annotations

import math

import pytest

from harness.model import BuildFacts, Case, Measure, Strategy
from harness.stats import Verdict
from reports import advice, drift
from reports.analysis import analyse
from reports.findings import Findings
from tests import made_up

SAME = (made_up.build("3.13", image="sha256:1"), made_up.build("3.13#2", image="sha256:1"))


def _findings(truth: made_up.Truth | None = None, *, slow: float | None = None, **request: object) -> Findings:
    run = made_up.run(gauged=slow is not None, **request)  # type: ignore[arg-type]
    return analyse(run, made_up.journal(run, truth, slow=slow or 0.0))


def _costly(one: Case, facts: BuildFacts) -> float:
    """Free threading takes 2.6 times as long, and gains what workers there are; processes gain on both builds."""
    if one.strategy is Strategy.PROCESSES:
        return 0.02 / one.threads * (2.6 if facts.free_threaded else 1.0)
    return 0.02 * (2.6 / one.threads if facts.free_threaded else 1.0)


def test_a_build_is_taken_where_its_threads_win_and_left_where_it_only_costs() -> None:
    findings = _findings()

    by_workload = {one.case.workload: one for one in findings.advice}

    cpu_bound, inverse = by_workload["pure_python/cpu_bound"], by_workload["numpy/inverse"]
    assert (cpu_bound.verdict, cpu_bound.breaks_even) == (Verdict.FASTER, 2)
    assert cpu_bound.judgement is not None
    assert cpu_bound.judgement.effect.ratio == pytest.approx(1.24 / 1.93, rel=0.02)
    assert cpu_bound.best is not None
    assert cpu_bound.best.threads == 2
    assert (inverse.verdict, inverse.breaks_even, inverse.never) == (Verdict.SAME, None, True)
    assert inverse.gain is None


def test_the_break_even_point_is_the_fewest_threads_that_win() -> None:
    findings = _findings(_costly, workloads=made_up.WORKLOADS[:1], threads=(1, 2, 3, 4), cpus=(0, 1, 2, 3))

    (only,) = findings.advice

    assert [verdict.verdict for _, verdict in only.crossings] == [
        Verdict.SLOWER,
        Verdict.SLOWER,
        Verdict.FASTER,
        Verdict.FASTER,
    ]
    assert (only.breaks_even, only.never) == (3, False)


def test_the_baseline_is_at_its_fastest_too() -> None:
    """Threads of one build are held against processes of the other."""
    findings = _findings(
        _costly,
        workloads=made_up.WORKLOADS[:1],
        threads=(1, 4),
        cpus=(0, 1, 2, 3),
        strategies=(Strategy.THREADS, Strategy.PROCESSES),
    )

    (only,) = findings.advice

    assert only.breaks_even == 4
    assert only.rival is not None
    assert only.rival.strategy is Strategy.PROCESSES
    assert only.verdict is Verdict.SLOWER
    assert only.judgement is not None
    assert only.judgement.effect.ratio == pytest.approx(2.6, rel=0.02)


def test_sharing_that_is_not_known_to_help_is_not_chosen() -> None:
    findings = _findings(lambda one, facts: 0.02, blocks=12)

    assert {one.rival.threads for one in findings.advice if one.rival} == {1}
    assert {one.best.threads for one in findings.advice if one.best} == {1}


def test_what_is_undecided_overturns_no_advice_because_none_is_given() -> None:
    """On one thread the build is slower; nobody knows how fast its threads are."""
    findings = _findings(workloads=made_up.WORKLOADS[:1], slow=0.97)

    (only,) = findings.advice

    assert only.judgement is not None
    assert only.judgement.verdict is Verdict.SLOWER
    assert only.open == {"3.13", "3.13t"}
    assert only.verdict is Verdict.UNDECIDED
    assert (only.breaks_even, only.never) == (None, False)
    assert advice.sentence([only]) == "Each build at its fastest: it is undecided for pure_python/cpu_bound."


def test_a_build_against_itself_is_no_choice() -> None:
    assert _findings(builds=SAME).advice == ()


def test_nothing_measured_is_no_advice_that_could_be_followed() -> None:
    findings = analyse(made_up.run(), ())

    assert {one.verdict for one in findings.advice} == {None}
    assert advice.sentence(findings.advice) == "Each build at its fastest: it is undecided for all 6 workloads."


def test_the_sentence_says_for_which_workloads_and_by_how_much() -> None:
    findings = _findings()

    assert advice.sentence(findings.advice) == (
        "Each build at its fastest: take 3.13t for 4 of 6 workloads, where it is 1.55× to 1.56× faster; either will do "
        "for numpy/square_sum and numpy/inverse."
    )


def test_the_facts_are_cost_gain_break_even_memory_and_the_fastest_ways() -> None:
    findings = _findings(measures=(Measure.TIME, Measure.MEMORY))

    facts = dict(advice.facts(findings, findings.advice))

    assert facts["cost on 1 thread"].startswith("15.")
    assert "geometric mean of 6 workloads" in facts["cost on 1 thread"]
    assert facts["gain on 2 threads"].startswith("3.13t: 1.9")
    assert facts["gain on 2 threads"].endswith(
        "3.13: 0.99× (95 % interval 0.99× to 1.00×) to 1.00× (95 % interval 0.99× to 1.01×)"
    )
    assert facts["break-even"] == "2 threads in 4 of 4 workloads"
    assert facts["memory"].startswith("20.0 % more (95 % interval ")
    assert facts["fastest on 3.13t"] == "2 threads (4) and 1 thread (2)"
    assert facts["fastest on 3.13"] == "1 thread"


def test_memory_that_was_not_measured_says_how_it_would_be() -> None:
    findings = _findings()

    assert dict(advice.facts(findings, findings.advice))["memory"] == "not measured: --measures time,memory does"


# -- drift -------------------------------------------------------------------------------------------------------------


def test_drift_of_the_machine_is_told_apart_from_that_of_ratios() -> None:
    findings = _findings()
    course = drift.moments(findings)

    assert len(course) == 48
    assert [moment.started for moment in course] == [3.0 * block for block in range(48)]
    assert max(abs(moment.speed) for moment in course) > 0.5
    assert max(abs(moment.ratio) for moment in course) < 0.05
    sentence = drift.sentence(findings, course)
    assert sentence.startswith("In 2 min 21 s the same work on 3.13 took from ")
    assert "ratios taken inside blocks one of 0." in sentence


def test_drift_of_one_build_has_no_ratios_and_of_one_block_no_sentence() -> None:
    alone = _findings(builds=made_up.PAIR[:1])

    assert all(math.isnan(moment.ratio) for moment in drift.moments(alone))
    assert "ratios" not in drift.sentence(alone, drift.moments(alone))
    assert drift.sentence(alone, drift.moments(alone)[:1]) == ""
