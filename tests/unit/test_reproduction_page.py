"""The page of published numbers: what it says of every outcome, and where its chart puts them."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from harness.claims import Claim, Correction, Measured, Place, Publication, Range, Reproduction
from harness.stats import Effect
from reports import charts, reproduction_page
from reports.charts import Held
from reports.reproduction import Outcome, Result
from reports.reproduction_prose import paragraph
from reports.reproduction_text import published
from tests import made_up
from tests.unit.test_reproduction import LOOP, PAIR, cost, gain


def of(claim: Claim, outcome: Outcome, effect: Effect | None = None, **fields: Any) -> Result:
    return Result(claim=claim, accepted=Range(0.95, 1.05), outcome=outcome, effect=effect, **fields)


def effect(low: float, high: float) -> Effect:
    return Effect(ratio=(low * high) ** 0.5, low=low, high=high, n=8, sd=0.01, p=0.5)


ONE = effect(0.98, 1 / 0.98)


@pytest.mark.parametrize(
    ("interval", "outcome", "why"),
    [
        ((0.96, 1.04), Outcome.REPRODUCED, "the whole interval is inside of that, so it is reproduced"),
        ((1.06, 1.09), Outcome.CONTRADICTED, "the whole interval is above that, so it is not reproduced"),
        ((0.80, 0.90), Outcome.CONTRADICTED, "the whole interval is below that, so it is not reproduced"),
        ((0.90, 1.00), Outcome.UNDECIDED, "the interval reaches below it, so that nothing is decided"),
        ((1.00, 1.10), Outcome.UNDECIDED, "the interval reaches above it, so that nothing is decided"),
        ((0.90, 1.10), Outcome.UNDECIDED, "the interval reaches beyond both ends of it, so that nothing is decided"),
    ],
)
def test_a_paragraph_says_why(interval: tuple[float, float], outcome: Outcome, why: str) -> None:
    claim = cost("1.00")
    told = paragraph(of(claim, outcome, effect(*interval)), published(claim))
    assert told.startswith("Published: 1.00, so 0.95 to 1.05 is accepted. Here 3.14 is ")
    assert f"times as fast as 3.14t ({interval[0]:.2f} to {interval[1]:.2f}, 8 blocks): {why}." in told


def test_threads_are_told_where_they_are_what_is_compared() -> None:
    claim = gain("1.9")
    told = paragraph(of(claim, Outcome.REPRODUCED, ONE), published(claim))
    assert "3.14t on 2 threads is 1.000 times as fast as 3.14t on 1 thread" in told


def test_a_prediction_is_told_as_one() -> None:
    claim = gain("3.6", threads=4)
    told = paragraph(of(claim, Outcome.UNTESTABLE, why="it takes 4 CPUs, and there are 2", prediction=ONE), "3.6")
    assert "It takes 4 CPUs, and there are 2. From fewer threads Amdahl's law predicts 1.00 (0.98 to 1.02)" in told
    assert told.endswith("a prediction reproduces nothing.")


def test_labels_of_a_chart_keep_apart_in_the_order_of_what_was_found() -> None:
    held = [Held(f"claim-{n}", 1.0, (0.95, 1.05), 1 + n / 1000, (0.9, 1.1), "undecided") for n in range(12)]
    drawn = charts.agreement(held, description="")
    places = [
        float(re.search(rf"translate\([\d.]+,([\d.]+)\)[^>]*>claim-{n}</text>", drawn)[1])  # type: ignore[index]
        for n in range(12)
    ]
    assert places == sorted(places, reverse=True), "the higher above the lower"
    assert all(below - above >= 15.9 for below, above in pairwise(places))
    assert charts.agreement([], description="") == ""


def reproduction(*claims: Claim, measured: bool = True, **fields: Any) -> Reproduction:
    publication = Publication(
        title="T", author="A", about="B", conditions="C", tolerance=0.05, because="D", claims=claims, **fields
    )
    return Reproduction(
        schema=1,
        created="2026-01-01T00:00:00+00:00",
        gilometer="0.1.0",
        command="./inv reproduce t",
        source="t",
        publication=publication,
        measured=(Measured(run="../a-run", claims=tuple(one.id for one in claims)),) if measured else (),
        names={"3.14": "3.13-source", "3.14t": "3.13t-source"},
        workloads={LOOP: (LOOP,)},
        hindrances={},
        answers={"check": {"3.13-source": {"1 < 2": "True"}}},
    )


def test_the_page_links_to_the_raw_data_and_shows_what_interpreters_answered() -> None:
    claim = cost("1.00")
    correction = Correction(id="check", says="It asks.", because="It cannot.", instead="1 < 2", checks=("1 < 2",))
    kept = reproduction(claim, corrections=(correction,))
    why = "on 3.13, 3.14 is not available here"
    html = reproduction_page.render(kept, [of(claim, Outcome.REPRODUCED, ONE, why=why)], [made_up.run(PAIR)])

    assert 'href="../a-run/outcomes.jsonl"' in html
    assert 'href="../a-run/index.html"' in html
    assert "Measured on 3.13, 3.14 is not available here." in html
    assert "3.13t-source and 3.13-source" in html, "the builds that were measured"
    assert re.search(r"3\.13-source</th>\s*<td>True</td>", html)
    assert "It asks. It cannot." in html


def test_a_claim_that_nothing_was_measured_for_has_no_links() -> None:
    claim = cost("1.00")
    kept = reproduction(claim, measured=False)
    html = reproduction_page.render(kept, [of(claim, Outcome.UNTESTABLE, why="no build")], [made_up.run(PAIR)])
    assert "outcomes.jsonl" not in html
    assert "No build." in html


def test_slow_and_fast_have_their_places() -> None:
    assert cost("1").places == (Place(build="3.14t"), Place(build="3.14"))
