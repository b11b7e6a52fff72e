"""The sentences, word for word, on runs whose truth is known."""

from __future__ import annotations

import msgspec
import pytest

from harness.journal import BlockRecord, Reason, Sample
from harness.model import Isolation
from reports import prose, verdict
from reports.analysis import analyse
from reports.findings import Findings
from tests import made_up


def _sentences(findings: Findings) -> list[str]:
    return [str(statement) for statement in verdict.verdict(findings)]


# -- numbers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.24, "24 % slower"),
        (1 / 1.24, "24 % faster"),
        (1.5, "1.50× slower"),
        (0.25, "4.00× faster"),
        (1.0, "no different"),
        (0.999, "no different"),
    ],
)
def test_a_change_in_words(ratio: float, words: str) -> None:
    assert prose.change(ratio) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.22, 1.26, "22 % to 26 %"),
        (1 / 1.26, 1 / 1.22, "22 % to 26 %"),
        (0.5, 0.625, "1.60× to 2.00×"),
        (1.45, 1.7, "1.45× to 1.70×"),
        (0.98, 1.03, "2 % faster to 3 % slower"),
        (0.999, 1.03, "0 % to 3 % slower"),
        (float("nan"), float("nan"), "unknown"),
    ],
)
def test_an_interval_in_words(low: float, high: float, words: str) -> None:
    assert prose.between(low, high) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(12.345, "12.3 s"), (1.0, "1.00 s"), (0.0201, "20.1 ms"), (3.5e-6, "3.50 µs"), (4.2e-8, "42.0 ns"), (0.0, "0 ns")],
)
def test_seconds_have_three_digits_and_a_unit(value: float, words: str) -> None:
    assert prose.seconds(value) == words


@pytest.mark.parametrize(("value", "words"), [(0.2, "0 s"), (59.6, "1 min"), (160, "2 min 40 s"), (7260, "2 h 1 min")])
def test_durations(value: float, words: str) -> None:
    assert prose.duration(value) == words


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
        "On 2 threads instead of 1, scraping/parse is 1.94× as fast on 3.13t and no faster on 3.13 (1.00×): the "
        "largest gain of 4 workloads, 95 % intervals 1.92× to 1.95× and 0.99× to 1.00×.",
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
        "No workload is known to gain from threads: on 2 threads instead of 1, scraping/parse is not known to be "
        "faster on 3.13t (1.07×) and not known to be faster on 3.13 (0.99×), 95 % intervals 0.95× to 1.18× "
        "and 0.87× to 1.06×."
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
        "On 2 threads instead of 1, scraping/parse is 1.94× as fast on 3.13t: the largest gain of 4 workloads, "
        "95 % interval 1.92× to 1.94×.",
    ]


def test_a_build_against_itself() -> None:
    run = made_up.run((made_up.build("3.13", image="sha256:1"), made_up.build("3.13-again", image="sha256:1")))

    assert _sentences(analyse(run, made_up.journal(run)))[0] == (
        "On 2 CPUs of an AMD EPYC 7763, 3.13 and 3.13-again are one and the same build (CPython 3.13.5 with the GIL), "
        "so every difference is noise: 0 of 10 cases called different, where none should be; the largest difference is "
        "0.4 %."
    )


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
    assert prose.outcomes_sentence(findings) == (
        "Nothing failed: all 160 planned samples of 48 blocks are valid. "
        "Workers were alive for 81 % of 2 min 40 s; the rest is the harness."
    )
    assert prose.parity_sentence(findings.parity[0]) == (
        "3.13t and 3.13 differ in free threading and, as far as is known, in nothing else."
    )
