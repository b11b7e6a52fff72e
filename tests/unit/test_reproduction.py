"""Verdicts on published numbers, from journals whose truth is known, on both sides of every boundary."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from harness.claims import Claim, Place, Publication, Range, Reading
from harness.journal import ATTEMPTS, Reason
from harness.model import BuildFacts, Case, Measure, Run, Split, Strategy
from harness.stats import Effect
from reports.reproduction import Measurement, Outcome, Result, extrapolated, judge, results
from tests import made_up

LOOP, MATRIX = "pure_python/cpu_bound", "numpy/inverse"
PAIR = (made_up.build("3.14-source", release="3.14.0"), made_up.build("3.14t-source", release="3.14.0"))
NAMES = {"3.14": "3.14-source", "3.14t": "3.14t-source"}


def publication(*claims: Claim, tolerance: float = 0.05) -> Publication:
    return Publication(
        title="T", author="A", about="B", conditions="C", tolerance=tolerance, because="D", claims=claims
    )


def claim(slow: Place, fast: Place, *ratio: str, **fields: Any) -> Claim:
    fields = {"id": "one", "says": "S", "workload": LOOP} | fields
    return Claim(slow=slow, fast=fast, ratio=ratio, **fields)


def gain(*ratio: str, threads: int = 2, build: str = "3.14t") -> Claim:
    """More threads of one build are so many times as fast as one."""
    return claim(Place(build=build), Place(build=build, threads=threads), *ratio)


def cost(*ratio: str, threads: int = 1, **fields: Any) -> Claim:
    """The build with the GIL is so many times as fast as the other."""
    return claim(Place(build="3.14t", threads=threads), Place(build="3.14", threads=threads), *ratio, **fields)


def a_run(**options: Any) -> Run:
    work = [made_up.workload(LOOP, threaded=True), made_up.workload(MATRIX, threaded=False)]
    return made_up.run(PAIR, workloads=work, **({"gauged": True, "blocks": 16} | options))


def result(one: Claim, run: Run | None = None, names: dict[str, str] = NAMES, **truth: Any) -> Result:
    run = run or a_run()
    options: dict[str, Any] = {"noise": 0.005}
    options |= {key: truth.pop(key) for key in ("noise", "failures", "memory", "slow") if key in truth}
    journal = made_up.journal(run, made_up.truth(**truth), **options)
    (found,) = results(publication(one), [one], Measurement(run=run, journal=journal, names=names))
    return found


# -- where an interval lies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (1.01, 1.09, Outcome.REPRODUCED),
        (1.00, 1.10, Outcome.REPRODUCED),
        (0.99, 1.09, Outcome.UNDECIDED),
        (1.01, 1.11, Outcome.UNDECIDED),
        (0.90, 1.20, Outcome.UNDECIDED),
        (0.90, 1.00, Outcome.UNDECIDED),
        (0.90, 0.999, Outcome.CONTRADICTED),
        (1.101, 1.2, Outcome.CONTRADICTED),
        (math.nan, math.nan, Outcome.UNDECIDED),
    ],
)
def test_an_interval_inside_reproduces_and_one_outside_contradicts(low: float, high: float, outcome: Outcome) -> None:
    effect = Effect(ratio=(low + high) / 2, low=low, high=high, n=8, sd=0.1, p=0.5)
    assert judge(effect, Range(1.00, 1.10)) is outcome


# -- from journals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("true", "outcome"),
    [(1.24, Outcome.REPRODUCED), (1.28, Outcome.REPRODUCED), (1.307, Outcome.UNDECIDED), (1.37, Outcome.CONTRADICTED)],
)
def test_builds_on_one_thread(true: float, outcome: Outcome) -> None:
    """1.24 published, so that 1.24 to within its last digit and 5 % is accepted: up to 1.307."""
    found = result(cost("1.24"), free_threading_cost=true, noise=0.02)
    assert found.outcome is outcome
    assert found.effect is not None
    assert found.effect.ratio == pytest.approx(true, rel=0.01)
    assert [found.accepted.low, found.accepted.high] == pytest.approx([1.235 / 1.05, 1.245 * 1.05])


@pytest.mark.parametrize(
    ("true", "outcome"), [(1.91, Outcome.REPRODUCED), (1.60, Outcome.CONTRADICTED), (1.0, Outcome.CONTRADICTED)]
)
def test_threads_of_one_build(true: float, outcome: Outcome) -> None:
    found = result(gain("1.91"), gain=true)
    assert found.outcome is outcome
    assert found.effect is not None
    assert found.effect.ratio == pytest.approx(true, rel=0.01)


def test_threads_of_one_build_against_one_thread_of_another() -> None:
    one = claim(Place(build="3.14"), Place(build="3.14t", threads=2), "1.56")
    found = result(one, free_threading_cost=1.24, gain=1.93)
    assert found.outcome is Outcome.REPRODUCED
    assert found.effect is not None
    assert found.effect.ratio == pytest.approx(1.93 / 1.24, rel=0.01)


def test_only_undisturbed_turns_count_for_threads_and_too_few_decide_nothing() -> None:
    calm, rough = result(gain("1.91"), gain=1.91, slow=0.3), result(gain("1.91"), gain=1.91, slow=0.999)
    assert calm.outcome is Outcome.REPRODUCED
    assert (rough.outcome, rough.effect) == (Outcome.UNDECIDED, None)
    assert "too few turns" in rough.why


def test_memory_is_compared_like_time() -> None:
    run = a_run(measures=(Measure.TIME, Measure.MEMORY))
    found = result(cost("1.2", measure=Measure.MEMORY), run, memory=made_up.peaks(1.2))
    assert found.outcome is Outcome.REPRODUCED
    assert found.effect is not None
    assert found.effect.ratio == pytest.approx(1.2, rel=0.01)


def test_of_a_set_of_workloads_the_geometric_mean_counts() -> None:
    """1.24 of the loop and 1 of the matrix: 1.114 together."""
    run = a_run()
    journal = made_up.journal(run, made_up.truth(1.24), noise=0.005)
    one = cost("1.114", workload="both")
    measured = Measurement(run=run, journal=journal, names=NAMES, workloads={"both": (LOOP, MATRIX)})
    (found,) = results(publication(one), [one], measured)
    assert found.outcome is Outcome.REPRODUCED
    assert found.effect is not None
    assert found.effect.ratio == pytest.approx(1.24**0.5, rel=0.005)
    assert found.why == ""


def test_a_mean_says_what_it_is_not_over() -> None:
    run = a_run()
    failures = [made_up.failure(run, MATRIX, "3.14t-source", Reason.CRASHED)]
    journal = made_up.journal(run, made_up.truth(1.24), noise=0.005, failures=failures)
    one = cost("1.24", workload="both")
    measured = Measurement(run=run, journal=journal, names=NAMES, workloads={"both": (LOOP, MATRIX, "other/absent")})
    (found,) = results(publication(one), [one], measured)
    assert found.outcome is Outcome.REPRODUCED
    assert found.why == "the mean is over 1 of 3 workloads, without inverse, absent"


def whole_jobs(run: Run) -> Run:
    """The run with each case of two threads a second time, of a whole job for each."""
    whole = {
        case.id: msgspec.structs.replace(case, id=f"{case.id} split=whole", split=Split.WHOLE)
        for case in run.plan.cases
        if case.threads > 1
    }
    blocks = [
        msgspec.structs.replace(block, cases=(*block.cases, *(whole[id_].id for id_ in block.cases if id_ in whole)))
        for block in run.plan.blocks
    ]
    plan = msgspec.structs.replace(run.plan, cases=(*run.plan.cases, *whole.values()), blocks=tuple(blocks))
    return msgspec.structs.replace(run, plan=plan)


def test_whole_jobs_are_counted_and_one_that_is_shared_stands_beside() -> None:
    """Two whole jobs in the time of one are twice the work; one that is shared gains 1.6."""
    run = whole_jobs(a_run())
    one = claim(
        Place(build="3.14t"),
        Place(build="3.14t", threads=2),
        seconds=("1.61", "1.58"),
        jobs=(1, 2),
        split=Split.WHOLE,
        beside=Reading(says="one job, shared out"),
    )

    def seconds(case: Case, facts: BuildFacts) -> float:
        return 0.02 / 1.6 if case.threads == 2 and case.split is Split.SHARE else 0.02

    journal = made_up.journal(run, seconds, noise=0.005)
    (found,) = results(publication(one), [one], Measurement(run=run, journal=journal, names=NAMES))
    assert found.outcome is Outcome.REPRODUCED
    assert found.effect is not None
    assert found.beside is not None
    assert found.effect.ratio == pytest.approx(2.0, rel=0.01)
    assert found.beside.ratio == pytest.approx(1.6, rel=0.01)


def test_a_variant_is_compared_with_what_it_differs_from_and_nothing_else() -> None:
    flags = msgspec.structs.replace(PAIR[0].build, name="3.14-source-frame-pointers", configure=("CFLAGS=-x",))
    variant = msgspec.structs.replace(PAIR[0], build=flags, image="sha256:other", frame_pointers=True)
    run = made_up.run((PAIR[0], variant), workloads=[made_up.workload(LOOP, threaded=True)], blocks=16)
    one = claim(Place(build="with"), Place(build="without"), "1.02")
    names = {"with": flags.name, "without": "3.14-source"}

    def seconds(_: Case, facts: BuildFacts) -> float:
        return 1.02 if facts.frame_pointers else 1.0

    journal = made_up.journal(run, seconds, noise=0.005)
    (found,) = results(publication(one), [one], Measurement(run=run, journal=journal, names=names))
    assert found.outcome is Outcome.REPRODUCED
    other = msgspec.structs.replace(variant, machine="aarch64")
    (found,) = results(
        publication(one),
        [one],
        Measurement(run=msgspec.structs.replace(run, builds=(PAIR[0], other)), journal=journal, names=names),
    )
    assert (found.outcome, found.why) == (Outcome.UNTESTABLE, "the builds also differ in machine")


def test_more_threads_than_cpus_are_predicted_and_never_called_reproduced() -> None:
    """1.9 on 2 threads is a serial share of 1/19: 4 threads gain 4 / (1 + 3 / 19) by Amdahl's law."""
    found = result(gain("3.45", threads=4), gain=1.9)
    assert (found.outcome, found.effect) == (Outcome.UNTESTABLE, None)
    assert "it takes 4 CPUs, and there are 2" in found.why
    assert found.prediction is not None
    assert found.prediction.ratio == pytest.approx(4 / (1 + 3 / 19), rel=0.02)


def test_a_prediction_crosses_builds() -> None:
    one = claim(Place(build="3.14"), Place(build="3.14t", threads=4), "2.8")
    found = result(one, free_threading_cost=1.25, gain=1.9)
    assert found.prediction is not None
    assert found.prediction.ratio == pytest.approx(4 / (1 + 3 / 19) / 1.25, rel=0.02)


def test_extrapolation_is_amdahls_law() -> None:
    assert math.exp(extrapolated(math.log(2.0), 2, 4)) == pytest.approx(4.0)
    assert math.exp(extrapolated(math.log(1.0), 2, 4)) == pytest.approx(1.0)
    assert math.exp(extrapolated(math.log(2.05), 2, 4)) == pytest.approx(4.0), "nothing is more than parallel"


def test_a_confounded_pair_is_refused() -> None:
    optimised = msgspec.structs.replace(PAIR[0], optimize="pgo-lto")
    run = msgspec.structs.replace(a_run(), builds=(optimised, PAIR[1]))
    found = result(cost("1.24"), run)
    assert (found.outcome, found.effect) == (Outcome.UNTESTABLE, None)
    assert "optimisation" in found.why


def test_a_claim_about_two_releases_is_not_confounded_by_them() -> None:
    older = (made_up.build("3.13-source", release="3.13.5"), PAIR[1])
    run = made_up.run(older, workloads=[made_up.workload(LOOP, threaded=True)], blocks=16)
    one = claim(Place(build="3.14t"), Place(build="3.13"), "1.24")
    found = result(one, run, {"3.13": "3.13-source", "3.14t": "3.14t-source"}, free_threading_cost=1.24)
    assert found.outcome is Outcome.REPRODUCED
    assert found.why == ""


def test_a_release_that_stands_for_another_is_named() -> None:
    one = claim(Place(build="3.15t"), Place(build="3.15"), "1.24")
    found = result(one, names={"3.15": "3.14-source", "3.15t": "3.14t-source"}, free_threading_cost=1.24)
    assert found.outcome is Outcome.REPRODUCED
    assert found.why == "on 3.14t, 3.15t is not available here; on 3.14, 3.15 is not available here"


def test_what_failed_or_was_left_out_is_the_reason() -> None:
    run = a_run()
    failure = made_up.failure(run, LOOP, "3.14t-source", Reason.CRASHED)
    found = result(cost("1.24"), run, failures=[failure])
    assert (found.outcome, found.effect) == (Outcome.UNDECIDED, None)
    assert failure.message in found.why
    missing = result(cost("1.24", workload="pure_python/records"), run)
    assert "it was not measured" in missing.why


def test_blocks_that_were_disturbed_whenever_they_were_measured_are_the_reason() -> None:
    run = a_run()
    happened = made_up.disturbed(*range(len(run.plan.blocks)), times=ATTEMPTS)
    journal = made_up.journal(run, happened=happened)
    one = cost("1.24")
    (found,) = results(publication(one), [one], Measurement(run=run, journal=journal, names=NAMES))
    assert (found.outcome, found.why) == (Outcome.UNDECIDED, "every block of it was disturbed")


def test_another_way_to_share_a_job_is_another_case() -> None:
    run = a_run(strategies=(Strategy.THREADS, Strategy.POOL))
    pool = claim(Place(build="3.14t"), Place(build="3.14t", threads=2, strategy=Strategy.POOL), "1.91")
    assert result(pool, run, gain=1.91).outcome is Outcome.REPRODUCED
    absent = claim(Place(build="3.14t"), Place(build="3.14t", threads=2, strategy=Strategy.PROCESSES), "1.91")
    assert result(absent, run, gain=1.91).outcome is Outcome.UNDECIDED
