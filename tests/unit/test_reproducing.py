"""What is measured for published numbers: only what they need, and the nearest release where one cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import host, reproducing
from harness.claims import Claim, Place, Publication, Reading
from harness.errors import HostError, RequestError
from harness.host import Cpu, Topology
from harness.images import Foundry, Offer
from harness.model import Build, Measure, Split, Strategy
from harness.plan import make_plan
from harness.reproducing import Agenda, Options

LOOP, RECORDS, SOCKETS = "pure_python/cpu_bound", "pure_python/records", "io/sockets"


def claim(workload: str, slow: Place, fast: Place, **fields: Any) -> Claim:
    return Claim(id=f"{workload} {fast.threads}", says="", workload=workload, slow=slow, fast=fast, **fields)


@pytest.fixture
def two_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    cpus = tuple(Cpu(id=n, siblings=(n,), package=0, node=0, l3=0, kind=0, isolated=False) for n in range(2))
    monkeypatch.setattr(host, "read_topology", lambda: Topology(cpus=cpus, allowed=(0, 1)))


@pytest.fixture
def available(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a world in which only these builds can be had."""

    def only(*names: str) -> None:
        def offer(_: Foundry, build: Build) -> Offer:
            return Offer(build, obstacle="" if build.name in names else "no source of it answers")

        monkeypatch.setattr(Foundry, "offer", offer)

    return only


@pytest.fixture
def pair(available: Callable[..., None]) -> None:
    available("3.14-source", "3.14t-source")


PAIR = claim(LOOP, Place(build="3.14t"), Place(build="3.14"), ratio=("1.1",))


def agenda(*claims: Claim, strict: bool = False) -> Agenda:
    publication = Publication(
        title="T", author="A", about="B", conditions="C", tolerance=0.05, because="D", claims=claims
    )
    with reproducing._builds_here() as offer:
        return reproducing._agenda(publication, offer, strict=strict)


def test_the_release_that_is_claimed_is_taken_where_it_can_be_had(available: Callable[..., None]) -> None:
    available("3.13-source", "3.13t-source", "3.14-source", "3.14t-source", "3.14-source-pgo")
    assert agenda(PAIR).names == agenda(PAIR, strict=True).names == {"3.14": "3.14-source", "3.14t": "3.14t-source"}


def test_otherwise_the_nearest_of_its_kind_stands_for_it(available: Callable[..., None]) -> None:
    available("3.13-source", "3.15-source", "3.13t-source", "3.14-source-jit")
    assert agenda(PAIR).names == {"3.14": "3.13-source", "3.14t": "3.13t-source"}
    with pytest.raises(HostError, match=r"3\.14-source cannot be had here: no source of it answers") as caught:
        agenda(PAIR, strict=True)
    assert "--strict" in caught.value.hint


def test_a_variant_is_stood_for_by_the_same_variant_only(available: Callable[..., None]) -> None:
    one = claim(LOOP, Place(build="3.14-debian-jit"), Place(build="3.14-debian"), ratio=("1.0",))
    available("3.14-debian", "3.15-debian-jit", "3.14-source-jit")
    assert agenda(one).names == {"3.14-debian": "3.14-debian", "3.14-debian-jit": "3.15-debian-jit"}
    available("3.14-debian", "3.14-source-jit")
    found = agenda(one)
    assert found.hindrance(one) == "3.14-debian-jit cannot be had here: no source of it answers"
    assert found.parts == []


def test_a_claim_whose_builds_cannot_be_had_does_not_stop_the_others(available: Callable[..., None]) -> None:
    available("3.13-source", "3.14-source")
    releases = claim(RECORDS, Place(build="3.13"), Place(build="3.14"), ratio=("1.0",))
    found = agenda(PAIR, releases)
    assert "3.14t cannot be had here" in found.hindrance(PAIR)
    assert [part.claims for part in found.parts] == [(releases,)]


def test_two_releases_that_one_build_would_stand_for_are_not_compared(available: Callable[..., None]) -> None:
    available("3.14-source")
    releases = claim(RECORDS, Place(build="3.13"), Place(build="3.14"), ratio=("1.0",))
    assert agenda(releases).hindrance(releases) == "3.14-source would stand for both 3.13 and 3.14 here"


def test_without_any_build_that_a_source_names_nothing_is_measured(available: Callable[..., None]) -> None:
    available()
    with pytest.raises(HostError, match=r"none of the claims of article can be tested here: .* cannot be had here"):
        reproducing.reproduce("article", Options())


@pytest.mark.usefixtures("two_cpus", "pair")
def test_a_run_has_the_cases_that_its_claims_need_and_no_others() -> None:
    old, new = (Place(build=name, threads=2, strategy=Strategy.ASYNCIO) for name in ("3.14", "3.14t"))
    found = agenda(
        claim(LOOP, Place(build="3.14t"), Place(build="3.14t", threads=2), ratio=("1.9",)),
        claim(RECORDS, Place(build="3.14"), Place(build="3.14t"), ratio=("1.1",)),
        claim(RECORDS, Place(build="3.14"), Place(build="3.14t"), ratio=("0.9",), measure=Measure.MEMORY),
        claim(SOCKETS, old, new, ratio=("1.0",)),
    )
    (part,) = found.parts
    wanted, bench = reproducing._request(part, found, Options())
    plan = make_plan(wanted, ())
    assert plan.builds == ("3.14-source", "3.14t-source")
    assert {(case.workload, case.threads, case.strategy, case.measure) for case in plan.cases} == {
        (LOOP, 1, Strategy.SERIAL, Measure.TIME),
        (LOOP, 2, Strategy.THREADS, Measure.TIME),
        (RECORDS, 1, Strategy.SERIAL, Measure.TIME),
        (RECORDS, 1, Strategy.SERIAL, Measure.MEMORY),
        (SOCKETS, 2, Strategy.ASYNCIO, Measure.TIME),
    }
    assert bench.budget == "400s"
    assert [(one.claim, len(one.slow)) for one in plan.questions] == [(one.id, 1) for one in part.claims]


@pytest.mark.usefixtures("two_cpus", "pair")
def test_both_readings_of_a_claim_are_measured_and_one_is_asked() -> None:
    beside = Reading(says="one job, shared out", strategy=Strategy.POOL)
    two = Place(build="3.14t", threads=2)
    one = claim(LOOP, Place(build="3.14t"), two, ratio=("1.9",), split=Split.WHOLE, beside=beside)
    found = agenda(one)
    plan = make_plan(reproducing._request(found.parts[0], found, Options())[0], ())
    assert {(case.threads, case.strategy, case.split) for case in plan.cases} == {
        (1, Strategy.SERIAL, Split.SHARE),
        (2, Strategy.THREADS, Split.WHOLE),
        (2, Strategy.POOL, Split.SHARE),
    }
    (question,) = plan.questions
    assert question.fast == ((f"{LOOP} threads=2 split=whole cpus=0-1", "3.14t-source"),)


@pytest.mark.usefixtures("two_cpus", "pair")
def test_a_set_of_workloads_is_one_question() -> None:
    names = "pure_python/fibonacci,pure_python/bubble_sort"
    found = agenda(claim(names, Place(build="3.14t"), Place(build="3.14"), ratio=("1.1",)))
    wanted, bench = reproducing._request(found.parts[0], found, Options())
    (question,) = make_plan(wanted, ()).questions
    assert [case for case, _ in question.slow] == [f"{name} threads=1 cpus=0-1" for name in names.split(",")]
    assert {build for _, build in question.slow} == {"3.14t-source"}
    assert bench.budget == "50s"


@pytest.mark.usefixtures("two_cpus", "pair")
def test_of_a_claim_about_more_cpus_a_prediction_is_measured_and_nothing_asked() -> None:
    found = agenda(claim(LOOP, Place(build="3.14t"), Place(build="3.14t", threads=4), ratio=("3.6",)))
    wanted, _ = reproducing._request(found.parts[0], found, Options(budget="10s"))
    plan = make_plan(wanted, ())
    assert {(case.workload, case.threads) for case in plan.cases} == {(LOOP, 1), (LOOP, 2)}
    assert plan.budget_seconds == 10
    assert plan.questions == ()


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (
            claim("pure_python/loup", Place(build="3.14t"), Place(build="3.14")),
            'there is no workload "pure_python/loup"',
        ),
        (claim(LOOP, Place(build="3.14x"), Place(build="3.14")), 'there is no build "3.14x"'),
    ],
)
def test_a_claim_about_what_there_is_not_is_named(available: Callable[..., None], one: Claim, said: str) -> None:
    available("3.14-source", "3.14t-source")
    with pytest.raises(RequestError, match=f"T, claim {one.id}: ") as caught:
        agenda(one)
    assert said in caught.value.message


@pytest.mark.usefixtures("two_cpus")
def test_a_budget_is_for_all_runs_together(available: Callable[..., None]) -> None:
    """Two workloads on one pair of builds, and one on another."""
    available("3.13-source", "3.14-source", "3.14t-source")
    found = agenda(
        claim(LOOP, Place(build="3.14t"), Place(build="3.14"), ratio=("1.1",)),
        claim(RECORDS, Place(build="3.14t"), Place(build="3.14"), ratio=("1.1",)),
        claim(LOOP, Place(build="3.13"), Place(build="3.14"), ratio=("1.0",)),
    )
    budgets = {part.builds: reproducing._budget(part, found, Options(budget="1m")) for part in found.parts}
    assert budgets == {("3.13-source", "3.14-source"): "20s", ("3.14-source", "3.14t-source"): "40s"}


def test_the_command_says_what_was_asked() -> None:
    assert reproducing._command("article", Options()) == "./inv reproduce article"
    long = reproducing._command("article", Options(strict=True, size="full", budget="1h"))
    assert long == "./inv reproduce article --strict --size full --budget 1h"


@pytest.mark.usefixtures("two_cpus")
def test_sources_are_listed_with_what_can_be_tested_here_and_why_not(
    available: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    available("3.13-source", "3.14-source", "3.14t-source")
    reproducing.offers()
    lines = capsys.readouterr().out.splitlines()
    (line,) = (line for line in lines if line.strip().startswith("article "))
    assert "8 of 12" in line
    assert "min" in line
    assert "  article: threads-4, gil-4, records-4, scrape-100: takes 4 CPUs, and there are 2" in lines
    (jit,) = (line for line in lines if line.strip().startswith("grinberg: jit-"))
    assert "cannot be had here: no source of it answers" in jit


@pytest.mark.usefixtures("two_cpus")
def test_sources_are_listed_without_an_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(_: Foundry, build: Build) -> Offer:
        raise HostError("no engine answers")

    monkeypatch.setattr(Foundry, "offer", silent)
    reproducing.offers()
    out = capsys.readouterr().out
    assert "0 of 12" in out
    assert "no engine answers" in out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(form="yaml"), '--format: there is no "yaml"'),
        (Options(size="huge"), '--size: there is no "huge"'),
        (Options(budget="soon"), '--budget: "soon" is not a duration'),
        (Options(), 'there is no source and no run "articel"; did you mean "article"?'),
    ],
)
def test_bad_input_is_one_message_and_measures_nothing(options: Options, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        reproducing.reproduce("articel", options)
    assert said in caught.value.message
