"""The sentences, word for word, on runs whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.journal import BlockRecord, Disturbance, Reason, Sample
from harness.model import Isolation, Measure
from harness.stats import effect
from reports import accounts, prose, verdict
from reports.analysis import analyse
from reports.findings import Findings
from tests import made_up


def _sentences(findings: Findings) -> list[str]:
    return [str(statement) for statement in verdict.verdict(findings)]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("AMD EPYC 7763 64-Core Processor", "On 2 CPUs of an AMD EPYC 7763"),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "On 2 CPUs of an Intel Xeon E5-2680 v4"),
        ("Neoverse-N1", "On 2 CPUs of a Neoverse-N1"),
        ("", "On 2 CPUs of an unknown processor"),
    ],
)
def test_hardware(model: str, words: str) -> None:
    run = made_up.run()
    run = msgspec.structs.replace(run, host=msgspec.structs.replace(run.host, cpu_model=model))

    assert prose.hardware(analyse(run, ()), (0, 1)) == words


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_a_pair() -> None:
    run = made_up.run()

    assert _sentences(analyse(run, made_up.journal(run))) == [
        "On 2 CPUs of an AMD EPYC 7763, 3.13t (free-threaded CPython 3.13.5) runs single-threaded code 15.4 % slower "
        "than 3.13 (CPython 3.13.5 with the GIL): geometric mean of 6 workloads, 95 % interval 14.9 % to 15.8 %.",
        "With 2 threads each, 3.13t runs the threaded workloads 1.56× faster than 3.13: geometric mean of 4 workloads, "
        "95 % interval 1.55× to 1.56×.",
        "On 2 threads instead of 1, scraping/parse is 1.94× as fast on 3.13t and no faster on 3.13 (1.00×): "
        "time to completion, the largest gain of 4 workloads, 95 % intervals 1.92× to 1.95× and 0.99× to 1.00×.",
    ]


def test_one_case() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], threads=(1,))

    assert _sentences(analyse(run, made_up.journal(run))) == [
        "On 2 CPUs of an AMD EPYC 7763, 3.13t (free-threaded CPython 3.13.5) runs pure_python/cpu_bound on 1 thread "
        "23.8 % slower than 3.13 (CPython 3.13.5 with the GIL): 95 % interval 23.2 % to 24.4 %."
    ]


def test_no_difference() -> None:
    run = made_up.run(threads=(1,))

    assert _sentences(analyse(run, made_up.journal(run, made_up.truth(1.0)))) == [
        "On 2 CPUs of an AMD EPYC 7763, 3.13t (free-threaded CPython 3.13.5) runs single-threaded code as fast as 3.13 "
        "(CPython 3.13.5 with the GIL), to within 5 %: measured 0.2 % faster, "
        "geometric mean of 6 workloads, 95 % interval 0.5 % faster to 0.1 % slower."
    ]


def test_undecided() -> None:
    run = made_up.run()

    sentences = _sentences(analyse(run, made_up.journal(run, made_up.truth(1.01, 1.0), noise=0.2)))

    assert sentences[0] == (
        "On 2 CPUs of an AMD EPYC 7763, it is undecided whether 3.13t (free-threaded CPython 3.13.5) runs "
        "single-threaded code faster or slower than 3.13 (CPython 3.13.5 with the GIL): measured no different, "
        "geometric mean of 6 workloads, 95 % interval 8 % faster to 8 % slower; 8 blocks can detect 11.6 % or more."
    )
    assert sentences[2] == (
        "No workload is known to gain from threads in time to completion: on 2 threads instead of 1, scraping/parse is "
        "not known to be faster on 3.13t (1.07×) and not known to be faster on 3.13 (0.99×), 95 % intervals 0.95× to "
        "1.18× and 0.87× to 1.06×."
    )


def test_one_block() -> None:
    run = made_up.run(blocks=1)

    first, *_, last = _sentences(analyse(run, made_up.journal(run)))

    assert "it is undecided" in first
    assert first.endswith("geometric mean of 6 workloads, one block, so no interval.")
    assert last.endswith("1.94× as fast on 3.13t and 0.99× as fast on 3.13, one block, so no interval.")


def test_one_build() -> None:
    run = made_up.run((made_up.build("3.13t"),))

    assert _sentences(analyse(run, made_up.journal(run))) == [
        "Only one build was measured, 3.13t (free-threaded CPython 3.13.5), so nothing is compared.",
        "On 2 CPUs of an AMD EPYC 7763, on 2 threads instead of 1, scraping/parse is 1.94× as fast on 3.13t: time to "
        "completion, the largest gain of 4 workloads, 95 % interval 1.92× to 1.94×.",
    ]


def test_a_build_against_itself() -> None:
    run = made_up.run((made_up.build("3.13", image="sha256:1"), made_up.build("3.13-again", image="sha256:1")))

    assert _sentences(analyse(run, made_up.journal(run)))[0] == (
        "On 2 CPUs of an AMD EPYC 7763, 3.13 and 3.13-again are one and the same build (CPython 3.13.5 with the GIL), "
        "so every difference is noise: of 10 comparisons of 8 blocks each, 0 (0.0 %) are called different at the "
        "nominal 5 % (95 % interval 0.0 % to 30.8 %); with all blocks, and corrected for the number of cases, "
        "0 of 10 cases are called different, where none should be; the largest difference is 0.4 %."
    )


def test_a_build_against_itself_in_fewer_blocks_than_it_takes() -> None:
    run = made_up.run((made_up.build("3.13", image="sha256:1"), made_up.build("3.13#2", image="sha256:1")), blocks=7)

    assert "noise: no case has the 8 blocks that it takes to try" in _sentences(analyse(run, made_up.journal(run)))[0]


def test_of_several_builds_only_the_same_one_is_noise() -> None:
    same = (made_up.build("3.13", image="sha256:1"), made_up.build("3.13#2", image="sha256:1"))
    run = made_up.run((*same, made_up.build("3.13t")), measures=(Measure.TIME, Measure.MEMORY))

    sentences = _sentences(analyse(run, made_up.journal(run)))

    assert [sentence for sentence in sentences if "noise" in sentence] == [sentences[0], sentences[-2]]
    assert "3.13t (free-threaded CPython 3.13.5) runs single-threaded code 15.4 % slower than 3.13" in sentences[1]
    assert sentences[-2].startswith("In memory 3.13#2 differs from 3.13 by noise only: of 10 comparisons of 8 blocks")
    assert sentences[-1].startswith("3.13t takes 20.0 % more memory than 3.13 on 1 thread: ")


def test_a_build_in_a_container_and_on_the_host() -> None:
    inside = made_up.build("3.13t")
    run = made_up.run((made_up.outside(inside), inside), threads=(1,))

    def seconds(cost: float) -> made_up.Truth:
        return lambda _, facts: 0.02 * (cost if facts.isolation is Isolation.CONTAINER else 1.0)

    assert _sentences(analyse(run, made_up.journal(run, seconds(1.03)))) == [
        "On 2 CPUs of an AMD EPYC 7763, free-threaded CPython 3.13.5 in a container runs single-threaded code "
        "2.8 % slower than on the host: geometric mean of 6 workloads, 95 % interval 2.5 % to 3.1 %."
    ]
    assert _sentences(analyse(run, made_up.journal(run, seconds(1.0)))) == [
        "On 2 CPUs of an AMD EPYC 7763, free-threaded CPython 3.13.5 in a container runs single-threaded code "
        "as fast as on the host, to within 5 %: measured 0.2 % faster, geometric mean of 6 workloads, "
        "95 % interval 0.5 % faster to 0.1 % slower."
    ]
    undecided = _sentences(analyse(run, made_up.journal(run, seconds(1.0), noise=0.2)))[0]
    assert "in a container runs single-threaded code faster or slower than on the host: measured" in undecided


def test_nothing_measured() -> None:
    run = made_up.run()
    failures = [
        made_up.failure(run, case.workload, build, Reason.CRASHED, threads=case.threads)
        for case in run.plan.cases
        for build in run.plan.builds
    ]

    assert _sentences(analyse(run, ())) == ["No verdict: not one sample was measured."]
    assert _sentences(analyse(run, made_up.journal(run, failures=failures))) == [
        "No verdict: not one sample was measured, mostly: crashed."
    ]


def test_one_side_failed() -> None:
    run = made_up.run(threads=(1,))
    failures = [made_up.failure(run, case.workload, "3.13t", Reason.CRASHED) for case in run.plan.cases]

    findings = analyse(run, made_up.journal(run, failures=failures))

    assert _sentences(findings) == [
        "On 2 CPUs of an AMD EPYC 7763, no block has a sample of both 3.13t (free-threaded CPython 3.13.5) and 3.13 "
        "(CPython 3.13.5 with the GIL), so nothing can be said."
    ]
    assert verdict.reservations(findings) == ("48 of 96 planned samples failed: crashed.",)


@pytest.mark.parametrize("measure", [Measure.MEMORY, Measure.CAPACITY])
def test_one_side_failed_and_times_were_not_asked_for(measure: Measure) -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], measures=(measure,))
    failures = [
        made_up.failure(run, one.workload, build, Reason.CRASHED, threads=threads, measure=measure)
        for one in run.plan.cases[:1]
        for build, threads in (("3.13t", 1), ("3.13t", 2), ("3.13", 2))
    ]

    assert _sentences(analyse(run, made_up.journal(run, failures=failures))) == [
        "On 2 CPUs of an AMD EPYC 7763, no block has samples that can be compared."
    ]


def test_two_cpu_sets_have_a_verdict_each() -> None:
    small, large = made_up.run(cpus=(0, 1)), made_up.run(cpus=(0, 1, 2, 3))
    plan = msgspec.structs.replace(
        small.plan,
        cases=(*small.plan.cases, *large.plan.cases),
        blocks=(
            *small.plan.blocks,
            *(msgspec.structs.replace(block, index=block.index + 48) for block in large.plan.blocks),
        ),
    )
    run = msgspec.structs.replace(small, plan=plan)

    sentences = _sentences(analyse(run, made_up.journal(run)))

    assert [sentence.partition(",")[0] for sentence in sentences] == [
        "On 2 CPUs of an AMD EPYC 7763",
        "With 2 threads each",
        "On 2 threads instead of 1 (2 CPUs)",
        "On 4 CPUs of an AMD EPYC 7763",
        "With 2 threads each",
        "On 2 threads instead of 1 (4 CPUs)",
    ]


# -- threads -----------------------------------------------------------------------------------------------------------

THREADS = made_up.WORKLOADS[:2]


def _gauged(slow: float, **options: Any) -> Findings:
    run = made_up.run(workloads=THREADS, gauged=True, **options)
    return analyse(run, made_up.journal(run, slow=slow))


def test_a_time_to_completion_says_how_many_turns_it_rests_on() -> None:
    findings = _gauged(slow=0.5)
    speedup = findings.speedups[3]

    assert _sentences(findings)[2] == (
        "On 2 threads instead of 1, pure_python/process_data is 1.93× as fast on 3.13t and no faster on 3.13 (1.00×): "
        "time to completion, the largest gain of 2 workloads, 95 % intervals 1.92× to 1.95× and 0.99× to 1.00×, "
        f"from {speedup.undisturbed} of 96 turns; during the others one CPU was "
        "slower than another."
    )
    assert prose.speedup_sentence(findings.speedups[2:]) == (
        "On 2 threads instead of 1: no faster on 3.13 (1.00×) and 1.93× as fast on 3.13t (95 % intervals 0.99× to "
        f"1.00× and 1.92× to 1.95×), from {speedup.undisturbed} of 96 turns; during the others one CPU was "
        "slower than another."
    )


def test_where_no_turn_was_disturbed_all_of_them_count() -> None:
    assert _sentences(_gauged(slow=0.0))[2].endswith("from all 96 turns: all CPUs were equally fast.")


@pytest.mark.parametrize("slow", [0.97, 1.0])
def test_a_time_to_completion_without_undisturbed_turns_is_no_gain(slow: float) -> None:
    findings = _gauged(slow, measures=(Measure.TIME, Measure.CAPACITY))
    _, _, completion, capacity = _sentences(findings)
    best = max(findings.speedups, key=lambda s: s.undisturbed)

    assert completion == (
        "The time to completion on more threads is undecided on this host now: too few turns were undisturbed, at best "
        f"of {best.case.workload} on {best.build} {best.undisturbed} of 96; during the others one CPU was "
        "slower than another."
    )
    assert capacity.startswith("On 2 threads instead of 1, the work done on pure_python/")
    assert "is 1.9" in capacity
    assert " as much on 3.13t and no more on 3.13 (1.00×): capacity, the largest gain of 2 workloads, " in capacity
    assert "undecided for 3.13t on this host now (" in prose.speedup_sentence(findings.speedups[:2])
    assert "as fast" not in prose.speedup_sentence(findings.speedups[:2])


def test_a_gain_is_not_claimed_of_what_is_undecided_however_large_it_looks() -> None:
    findings = _gauged(slow=0.5)
    huge = replace(findings.speedups[3], decided=False, undisturbed=3, effect=effect([math.log(7.0)] * 8))
    findings = replace(findings, speedups=(*findings.speedups[:3], huge))

    sentence = _sentences(findings)[2]

    assert sentence.startswith("On 2 threads instead of 1, pure_python/cpu_bound is 1.92× as fast on 3.13t")
    assert "7.00" not in sentence


def test_workloads_that_are_undecided_are_counted() -> None:
    findings = _gauged(slow=0.5)
    undecided = [replace(speedup, decided=False) for speedup in findings.speedups[2:]]

    sentence = _sentences(replace(findings, speedups=(*findings.speedups[:2], *undecided)))[2]

    assert "time to completion, 95 % intervals" in sentence
    assert sentence.endswith("slower than another; 1 workload more is undecided on this host now.")


def test_the_best_of_many_gains_is_not_one_by_luck() -> None:
    workloads = [made_up.workload(f"pure_python/number_{number:02}", threaded=True) for number in range(30)]
    run = made_up.run((made_up.build("3.13"),), workloads=workloads)
    findings = analyse(run, made_up.journal(run, noise=0.1, seed=2))

    assert any(s.answer and s.answer.low > 1 for s in findings.speedups)
    assert _sentences(findings)[1].startswith(
        "On 2 CPUs of an AMD EPYC 7763, no workload is known to gain from threads in time to completion: "
    )


def test_capacity_alone() -> None:
    run = made_up.run(workloads=THREADS, measures=(Measure.CAPACITY,))

    assert _sentences(analyse(run, made_up.journal(run))) == [
        "On 2 CPUs of an AMD EPYC 7763, on 2 threads instead of 1, the work done on pure_python/process_data is 1.93× "
        "as much on 3.13t and no more on 3.13 (1.00×): capacity, the largest gain of 2 workloads, 95 % intervals 1.92× "
        "to 1.94× and 0.99× to 1.00×."
    ]


# -- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "claim"),
    [
        (1.12, "3.13t takes 12.0 % more memory than 3.13 on 1 thread: geometric mean of 6 workloads"),
        (0.9, "3.13t takes 10.0 % less memory than 3.13 on 1 thread: geometric mean of 6 workloads"),
        (1.8, "3.13t takes 1.80× as much memory as 3.13 on 1 thread: geometric mean of 6 workloads"),
        (1.0, "3.13t takes as much memory as 3.13 on 1 thread, to within 5 %: geometric mean of 6 workloads"),
    ],
)
def test_memory_has_words_of_its_own(cost: float, claim: str) -> None:
    run = made_up.run(measures=(Measure.TIME, Measure.MEMORY))

    last = _sentences(analyse(run, made_up.journal(run, memory=made_up.peaks(cost))))[-1]

    assert last.startswith(f"{claim}, peak resident set of a process, 95 % interval ")
    assert "slower" not in last
    assert "faster" not in last


def test_memory_alone() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], threads=(1,), measures=(Measure.MEMORY,))

    assert _sentences(analyse(run, made_up.journal(run))) == [
        "On 2 CPUs of an AMD EPYC 7763, 3.13t (free-threaded CPython 3.13.5) takes 20.0 % more memory than 3.13 "
        "(CPython 3.13.5 with the GIL): peak resident set of a process, 95 % interval 19.9 % to 20.1 %."
    ]


def test_undecided_memory() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], threads=(1,), measures=(Measure.MEMORY,))

    (sentence,) = _sentences(analyse(run, made_up.journal(run, memory=made_up.peaks(1.02), noise=1.0)))

    assert sentence.startswith(
        "On 2 CPUs of an AMD EPYC 7763, it is undecided whether 3.13t (free-threaded CPython 3.13.5) takes more or "
        "less memory than 3.13 (CPython 3.13.5 with the GIL): measured "
    )


# -- reservations ------------------------------------------------------------------------------------------------------


def test_a_clean_run_has_no_reservations() -> None:
    run = made_up.run()

    assert verdict.reservations(analyse(run, made_up.journal(run))) == ()


def test_reservations_begin_with_the_warnings_of_the_run() -> None:
    run = made_up.run(
        (made_up.build("3.13"), made_up.build("3.14t", release="3.14.0")), warnings=("3.14 could not be had here.",)
    )
    findings = analyse(
        run,
        made_up.journal(
            run, failures=[made_up.failure(run, "numpy/inverse", "3.14t", Reason.GIL_ENABLED)], blocks=range(47)
        ),
    )

    assert verdict.reservations(findings) == (
        "3.14 could not be had here.",
        "Confounded: 3.14t and 3.13 differ not only in free threading but also in release and origin.",
        "7 of 160 planned samples failed: GIL enabled.",
        "1 of 48 planned blocks were not executed.",
    )
    assert _sentences(findings)[0].endswith(", confounded by release and origin.")


def test_many_irregularities_of_one_kind_are_one_reservation() -> None:
    run = made_up.run()

    def double(_: BlockRecord, sample: Sample) -> Sample:
        return msgspec.structs.replace(sample, loops=8) if sample.build == "3.13t" else sample

    findings = analyse(run, made_up.amend(made_up.journal(run), double))

    assert verdict.reservations(findings) == ("Changed loops in 10 cases; the outcomes below name them.",)


def test_a_block_that_was_never_valid_is_a_reservation() -> None:
    run = made_up.run()
    journal = made_up.journal(run, happened=made_up.disturbed(3, 5, times=3, rule=Disturbance.CROWDED))

    (reservation,) = verdict.reservations(analyse(run, journal))

    assert reservation == "2 blocks were disturbed whenever measured, and left out; the noise ledger says by what."


# -- beside charts -----------------------------------------------------------------------------------------------------


def test_sentences_beside_charts() -> None:
    run = made_up.run()
    findings = analyse(run, made_up.journal(run))

    assert prose.effects_sentence(findings) == (
        "Of 10 cases, 3.13t against 3.13: 4 faster, 4 slower and 2 the same. "
        "They range from 1.56× faster (scraping/parse, 2 threads) to 24 % slower (scraping/parse, 1 thread)."
    )
    assert prose.speedup_sentence(findings.speedups[:2]) == (
        "On 2 threads instead of 1: no faster on 3.13 (1.00×) and 1.93× as fast on 3.13t "
        "(95 % intervals 1.00× to 1.01× and 1.92× to 1.94×)."
    )
    assert accounts.outcomes_sentence(findings) == (
        "Nothing failed: all 160 planned samples of 48 blocks are valid. "
        f"Workers were alive for 81 % of 2 min 40 s; {100 * (findings.coverage.timed or 0):.0f} % were timed."
    )
    assert prose.parity_sentence(findings.parity[0]) == (
        "3.13t and 3.13 differ in free threading and, as far as is known, in nothing else."
    )


def test_sentences_beside_memory() -> None:
    run = made_up.run(measures=(Measure.TIME, Measure.MEMORY))
    findings = analyse(run, made_up.journal(run))

    assert prose.memory_sentence(findings) == "Of 10 cases, 3.13t against 3.13: 10 more. All are 20 % more."


def test_noise_is_told_in_one_sentence() -> None:
    run = made_up.run()

    def told(happened: made_up.Beside) -> str:
        return accounts.noise_sentence(analyse(run, made_up.journal(run, happened=happened)))

    assert told(made_up.quiet) == "None of 48 measurements of blocks broke a rule."
    assert told(made_up.disturbed(3)) == (
        "1 of 49 measurements of blocks was invalid: CPU time stolen (1). 1 block was measured again and is valid."
    )
    assert told(made_up.disturbed(3, 5, times=3, rule=Disturbance.SWAPPED)) == (
        "6 of 52 measurements of blocks were invalid: memory swapped or reclaimed (6). 2 blocks were never valid and "
        "are left out."
    )


def test_the_rules_are_told_with_their_thresholds() -> None:
    assert list(accounts.RULES) == list(Disturbance)
    assert accounts.RULES[Disturbance.STOLEN] == "the hypervisor took more than 5 % of the CPU time of its CPUs"
    assert "more than 10 of its pages" in accounts.RULES[Disturbance.SWAPPED]


def test_what_noise_floors_say() -> None:
    def told(floor: float | None, cost: float = 1.24) -> str:
        run = made_up.run(noise_floor=floor)
        return prose.floors_sentence(analyse(run, made_up.journal(run, made_up.truth(cost))))

    assert told(None) == (
        "No noise floor is known here: ./inv aa compares a build with itself, and remembers for this host, case by "
        "case, which differences are noise."
    )
    assert told(0.004) == (
        "Noise floors are known for 10 of 10 cases, 0.4 %: by as much a build has differed from itself on this host, "
        "and no smaller difference is a finding. ./inv aa measures them."
    )
    below = "Below their floors, although the interval excludes 1, are pure_python/cpu_bound, 1 thread (23.7 %), "
    assert below in told(0.3)
