"""Ways of sharing a job: which is the fastest, and how sure that is, in runs whose truth is known."""

from __future__ import annotations

import math
import re

import pytest

from harness.journal import Failure, Reason
from harness.model import BuildFacts, Case, Strategy
from reports import prose, summary, verdict
from reports.analysis import analyse
from reports.findings import Choice, Findings
from reports.page import render
from tests import made_up

WAYS = (Strategy.THREADS, Strategy.POOL, Strategy.PROCESSES)
RUN = made_up.run(workloads=made_up.WORKLOADS[:1], strategies=WAYS)


def truth(one: Case, facts: BuildFacts) -> float:
    """Processes gain 1.6 on any build; threads and pools, which are alike, 1.9 without a GIL and nothing with it."""
    if one.threads == 1:
        return 0.02
    if one.strategy is Strategy.PROCESSES:
        return 0.02 / 1.6
    return 0.02 / (1.9 if facts.free_threaded else 1.0)


def found(*, noise: float = 0.01, blocks: int = 8) -> Findings:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], strategies=WAYS, blocks=blocks)
    return analyse(run, made_up.journal(run, truth, noise=noise))


def failed(strategy: Strategy) -> list[Failure]:
    (case,) = (case for case in RUN.plan.cases if case.strategy is strategy)
    return [Failure(case=case.id, build=build, reason=Reason.CRASHED, message="") for build in RUN.plan.builds]


def names(choice: Choice) -> list[str]:
    return [str(way.case.strategy) for way in choice.ways]


def test_each_build_has_its_own_best_way() -> None:
    gil, free = found().choices

    assert (gil.build, free.build) == ("3.13", "3.13t")
    assert gil.best.case.strategy is Strategy.PROCESSES
    assert names(free)[-1] == "processes"
    assert [way.beaten for way in gil.ways] == [False, True, True]
    assert gil.ways[1].behind == pytest.approx(math.log(1.6), abs=0.02)
    assert free.ways[-1].behind == pytest.approx(math.log(1.9 / 1.6), abs=0.02)
    assert free.best.behind is None


def test_a_way_that_is_as_fast_is_not_beaten() -> None:
    _, free = found().choices

    assert {way.case.strategy for way in free.unbeaten} == {Strategy.THREADS, Strategy.POOL}


def test_the_best_way_is_seldom_called_better_than_one_that_is_as_good() -> None:
    """All pairs are judged together: of 100 choices of three equal ways at most the nominal share, and some luck."""
    called = 0
    for seed in range(100):
        journal = made_up.journal(RUN, lambda one, facts: 0.02, noise=0.03, seed=seed)
        called += any(way.beaten for way in analyse(RUN, journal).choices[0].ways)
    assert called <= 11, "99 % quantile of the binomial distribution with 5 %"


def test_a_way_that_failed_is_left_out_and_two_are_needed() -> None:
    failures = failed(Strategy.POOL)
    choices = analyse(RUN, made_up.journal(RUN, truth, failures=failures)).choices
    assert [sorted(names(choice)) for choice in choices] == [["processes", "threads"]] * 2
    failures += failed(Strategy.THREADS)
    assert analyse(RUN, made_up.journal(RUN, truth, failures=failures)).choices == ()


def test_where_there_is_one_way_there_is_no_choice() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1])
    assert analyse(run, made_up.journal(run)).choices == ()


def test_only_threads_count_in_the_suites() -> None:
    findings = found()
    assert {suite.threads: len(suite.cases) for suite in findings.suites if suite.category is None} == {1: 1, 2: 1}
    assert {c.case.strategy for c in findings.comparisons} == {Strategy.SERIAL, *WAYS}


def test_verdict_table_page_and_data_name_the_best_way() -> None:
    findings = found()
    sentences = [str(statement) for statement in verdict.verdict(findings)]
    assert "On 3.13, pure_python/cpu_bound is done fastest by 2 processes: 1.6" in " ".join(sentences)
    (free,) = (one for one in sentences if one.startswith("On 3.13t, pure_python/cpu_bound is done fastest by 2 thr"))
    assert "2 threads" in free
    assert "2 threads of a pool" in free
    table = summary.text(findings)
    assert "Ways of sharing a job, the fastest first:" in table
    assert re.search(r"\n  pure_python/cpu_bound, 2 processes +3.13 +2 threads", table)
    (gil, _) = summary.data(findings)["choices"]
    assert gil["ways"][0]["strategy"] == "processes"
    assert gil["ways"][0]["behind"] == 0
    assert gil["ways"][1]["behind"] == pytest.approx(0.6, abs=0.05)
    page = render(findings)
    assert "Ways of sharing a job: which is the fastest?" in page
    assert page.count("<strong>fastest</strong>") == 2


def test_several_workloads_are_counted() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:2], strategies=WAYS)
    findings = analyse(run, made_up.journal(run, truth))
    (claim, evidence, _) = prose.choices("3.13", [one for one in findings.choices if one.build == "3.13"])
    assert claim == "On 3.13, 2 jobs shared over 2 are done fastest by 2 processes (2)"
    assert evidence == "known to be faster than every other way for 2 of 2"
