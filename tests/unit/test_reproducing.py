"""What is measured for published numbers: only what they need, and the nearest release where one cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import builds, host, reproducing
from harness.claims import Claim, Part, Place
from harness.errors import HostError, RequestError
from harness.host import Cpu, Topology
from harness.images import Foundry, Offer
from harness.model import Build, Measure, Strategy
from harness.plan import make_plan
from harness.reproducing import Options

CATALOGUE = builds.load()
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


PAIR = [claim(LOOP, Place(build="3.14t"), Place(build="3.14"), ratio=("1.1",))]


def stand_ins(*, strict: bool = False) -> dict[str, str]:
    return {asked: build.name for asked, build in reproducing._stand_ins(PAIR, strict=strict).items()}


def test_the_release_that_is_claimed_is_taken_where_it_can_be_had(available: Callable[..., None]) -> None:
    available("3.13-source", "3.13t-source", "3.14-source", "3.14t-source", "3.14-source-pgo")
    assert stand_ins() == stand_ins(strict=True) == {"3.14": "3.14-source", "3.14t": "3.14t-source"}


def test_otherwise_the_nearest_of_its_kind_stands_for_it(available: Callable[..., None]) -> None:
    available("3.13-source", "3.15-source", "3.13t-source", "3.14-source-jit")
    assert stand_ins() == {"3.14": "3.13-source", "3.14t": "3.13t-source"}
    with pytest.raises(HostError, match=r"3\.14-source cannot be had here: no source of it answers") as caught:
        stand_ins(strict=True)
    assert "--strict" in caught.value.hint


def test_without_any_of_its_kind_nothing_is_measured(available: Callable[..., None]) -> None:
    available("3.13-source", "3.14-source")
    with pytest.raises(HostError, match=r"no build like 3\.14t-source can be had here"):
        stand_ins()


@pytest.mark.usefixtures("two_cpus")
def test_a_run_has_the_cases_that_its_claims_need_and_no_others() -> None:
    part = Part(
        ("3.14", "3.14t"),
        (
            claim(LOOP, Place(build="3.14t"), Place(build="3.14t", threads=2), ratio=("1.9",)),
            claim(RECORDS, Place(build="3.14"), Place(build="3.14t"), ratio=("1.1",)),
            claim(
                SOCKETS,
                Place(build="3.14", threads=2, strategy=Strategy.ASYNCIO),
                Place(build="3.14t", threads=2, strategy=Strategy.ASYNCIO),
                ratio=("1.0",),
            ),
        ),
    )
    names = {name: CATALOGUE[f"{name}-source"] for name in part.builds}
    wanted, bench = reproducing._request(part, names, 2, Options())
    plan = make_plan(wanted, ())
    assert plan.builds == ("3.14-source", "3.14t-source")
    assert {(case.workload, case.threads) for case in plan.cases} == {(LOOP, 1), (LOOP, 2), (RECORDS, 1), (SOCKETS, 2)}
    assert {case.measure for case in plan.cases} == {Measure.TIME}
    assert bench.budget == "300s"


@pytest.mark.usefixtures("two_cpus")
def test_of_a_claim_about_more_cpus_a_prediction_is_measured() -> None:
    part = Part(("3.14t",), (claim(LOOP, Place(build="3.14t"), Place(build="3.14t", threads=4), ratio=("3.6",)),))
    wanted, _ = reproducing._request(part, {"3.14t": CATALOGUE["3.14t-source"]}, 2, Options(budget="10s"))
    plan = make_plan(wanted, ())
    assert {(case.workload, case.threads) for case in plan.cases} == {(LOOP, 1), (LOOP, 2)}
    assert plan.budget_seconds == 10


def test_the_command_says_what_was_asked() -> None:
    assert reproducing._command("article", Options()) == "./inv reproduce article"
    long = reproducing._command("article", Options(strict=True, size="full", budget="1h"))
    assert long == "./inv reproduce article --strict --size full --budget 1h"


@pytest.mark.usefixtures("two_cpus")
def test_sources_are_listed_with_what_can_be_tested_here(capsys: pytest.CaptureFixture[str]) -> None:
    reproducing.offers()
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("article"))
    assert "8 of 12" in line
    assert "min" in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(form="yaml"), '--format: there is no "yaml"'),
        (Options(size="huge"), '--size: there is no "huge"'),
        (Options(), 'there is no source and no run "articel"; did you mean "article"?'),
    ],
)
def test_bad_input_is_one_message_and_measures_nothing(options: Options, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        reproducing.reproduce("articel", options)
    assert said in caught.value.message
