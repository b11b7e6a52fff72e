"""The page of a fleet's run: what it says of classes and hosts whose truth is known."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import msgspec
import pytest
from bs4 import BeautifulSoup

from harness import archive, fleets, runs, store
from harness.errors import RequestError
from harness.fleet import ATTEMPTS, Spread
from harness.model import Measure
from harness.stats import Verdict
from reports import classes, fleet_page, fleet_prose
from reports.classes import Column
from tests import made_up
from tests.fleets_made_up import Measured, attempts, findings, measured, run

HOSTILE = "</script><script>alert('x')</script>&\"{{ 7 * 7 }}"
RACK = [measured(f"rack-{n}", "big", cpus=4, cost=cost, seed=n) for n, cost in enumerate((1.10, 1.16, 1.22), 1)]
DESK = measured("desk", "small", cost=1.5, seed=4)
PI = measured("pi", "arm", machine="aarch64", image="sha256:2", cost=0.8, seed=5, crashes=HOSTILE, warnings=(HOSTILE,))


def columns(*shares: Measured) -> tuple[Column, ...]:
    return classes.columns(run(shares), findings(shares))


def rendered(*shares: Measured, spread: Spread = Spread.ALL) -> BeautifulSoup:
    html = fleet_page.render(run(shares, spread), findings(shares), attempts(shares))
    return BeautifulSoup(html, "html.parser")


def told(soup: BeautifulSoup, selector: str) -> str:
    """Text on one line."""
    return " ".join(" ".join(one.get_text(" ") for one in soup.select(selector)).replace("\xa0", " ").split())


# -- columns -----------------------------------------------------------------------------------------------------------


def test_a_column_has_hosts_of_one_class_with_the_same_images_and_as_many_cpus() -> None:
    big, small, arm = columns(*RACK, DESK, PI)
    assert [one.title for one in (big, small, arm)] == ["big", "small", "arm"]
    assert big.hosts == ("rack-1", "rack-2", "rack-3")
    other = measured("rack-4", "big", cpus=4, image="sha256:9")
    assert [one.title for one in columns(*RACK[:2], other)] == ["big (rack-1 and rack-2)", "big (rack-4)"]
    small, large = columns(measured("a", cpus=2), measured("b", cpus=4))
    assert (small.title, large.title) == ("one, 2 CPUs", "one, 4 CPUs")


def test_hosts_of_a_column_are_pooled_by_their_ratios() -> None:
    (row,) = (one for one in classes.rows(columns(*RACK, DESK), Measure.TIME) if one.case == "scraping/parse, 1 thread")
    big, small = row.cells
    assert big is not None
    assert small is not None
    assert big.judgement.effect.ratio == pytest.approx((1.10 * 1.16 * 1.22) ** (1 / 3), rel=0.01)
    assert big.between == pytest.approx(math.expm1(0.052), abs=0.02)
    assert big.judgement.low < 1.10 < 1.22 < big.judgement.high, "three hosts that differ are not sure"
    assert small.between is None
    assert small.judgement.low > 1.45


def test_slots_of_one_host_are_one_host() -> None:
    twice = [measured("rack-1", "big", seed=n) for n in (1, 2)]
    twice[1] = Measured(msgspec.structs.replace(twice[1].share, name="rack-1.1"), twice[1].run, twice[1].journal)
    (column,) = columns(*twice)
    for row in classes.rows([column], Measure.TIME):
        (cell,) = row.cells
        assert cell is not None
        assert (cell.hosts, cell.between) == (("rack-1",), None)
        assert cell.judgement.high / cell.judgement.low < 1.03


def test_hosts_that_divided_the_cases_stand_in_one_column_each_case_once() -> None:
    one, other = (measured(f"rack-{n}", workloads=made_up.WORKLOADS[n::2], cost=1.2, seed=n) for n in (0, 1))
    (column,) = columns(one, other)
    rows = classes.rows([column], Measure.TIME)
    assert len(rows) == len({row.case for row in rows}) == 4 * 2 + 2
    overall = classes.overall(column, "3.14t")
    assert overall is not None
    assert len(overall.suite.cases) == len(made_up.WORKLOADS)
    assert overall.suite.judgement.effect.ratio == pytest.approx(1.2 ** (4 / 6), rel=0.01)
    (statement,) = fleet_prose.statements(column)
    assert str(statement).endswith("; rack-0 and rack-1 divided the workloads.")


def test_gains_of_hosts_are_pooled() -> None:
    (column,) = columns(*RACK)
    (four,) = (
        one
        for one in classes.gains(column, Measure.TIME)
        if (one.case.workload, one.case.threads, one.build) == ("mixed/hybrid", 4, "3.14t")
    )
    assert four.effect is not None
    assert four.effect.n == len(RACK)
    assert four.effect.ratio == pytest.approx(1 + 0.93 * 3, rel=0.03)


# -- words -------------------------------------------------------------------------------------------------------------


def test_what_differs_comes_first_and_the_verdicts_after_it() -> None:
    page = rendered(*RACK, DESK, PI)
    text = told(page, "main")
    differs = told(page, ".notices")
    assert "Architectures differ: x86_64 (big and small) and aarch64 (arm)." in differs
    assert "Images of 3.14 and 3.14t are not the same: one on big and small and another on arm." in differs
    assert "never pooled" in differs
    assert "CPU sets differ in size: 4 CPUs on big and 2 CPUs on small and arm." in differs
    headline = told(page, "h1").replace(" ,", ",").replace(" .", ".")
    assert re.fullmatch(
        r"3\.14t runs single-threaded code [\d.]+ % slower than 3\.14 on big, "
        r"[\d.]+ % slower on small and [\d.]+ % faster on arm\.",
        headline,
    )
    assert text.index(differs) < text.index(headline) < text.index("What was measured where")
    claims = [" ".join(one.get_text().split()) for one in page.select(".claim")]
    assert len(claims) == 3
    assert claims[0].startswith("On 4 CPUs of a Made Up on each of 3 hosts, 3.14t (free-threaded CPython 3.14.0) runs")
    assert "between hosts there is a standard deviation of" in told(page, ".evidence")


def test_hosts_that_contradict_one_another_decide_nothing() -> None:
    found = columns(measured("a", "big", cost=0.8), measured("b", "big", cost=1.3), DESK)
    assert re.fullmatch(
        r"3\.14t runs single-threaded code [\d.]+ % slower than 3\.14 on small; undecided on big\.",
        str(fleet_prose.headline(found)),
    )


def test_many_classes_are_counted_in_the_headline() -> None:
    made = [measured(f"h{n}", f"class-{n}", cost=1.3, seed=n, workloads=made_up.WORKLOADS[:1]) for n in range(6)]
    assert str(fleet_prose.headline(columns(*made))) == (
        "3.14t runs pure_python/cpu_bound on 1 thread slower than 3.14 on all 6 classes."
    )


def test_one_class_has_one_verdict_and_no_caveat() -> None:
    page = rendered(RACK[0], spread=Spread.CLASS)
    assert page.select(".notices") == []
    assert "On 4 CPUs of a Made Up, 3.14t" in told(page, "h1")
    assert page.select(".claim") == []
    assert "1 host of 1 class: one host of each class measured everything." in told(page, "#where")


def test_every_contender_has_a_verdict_and_rows_of_its_own() -> None:
    page = rendered(measured("a", names=("3.14", "3.14t", "3.14t-lto"), workloads=made_up.WORKLOADS[:1]))
    assert "3.14t (" in told(page, "h1")
    assert "3.14t-lto (" in told(page, ".claim")
    assert len(page.select("#cases tbody tr")) == 2 * 2
    assert [one.get_text() for one in page.select("#cases tbody td:nth-of-type(1)")] == ["3.14t", "3.14t-lto"] * 2


def test_a_build_faster_in_one_class_and_slower_in_another_is_named() -> None:
    both = columns(DESK, PI)
    rows = classes.rows(both, Measure.TIME)
    assert "pure_python/cpu_bound, 1 thread (slower on small, faster on arm)" in fleet_prose.agreement(rows, both)
    alike = columns(DESK, RACK[0])
    assert fleet_prose.agreement(classes.rows(alike, Measure.TIME), alike).startswith("Of 10 cases")
    assert "slower in another:" not in fleet_prose.agreement(classes.rows(alike, Measure.TIME), alike)


def test_every_case_has_a_cell_for_each_class() -> None:
    shares = (*RACK, DESK, PI)
    page = rendered(*shares)
    found = columns(*shares)
    cells = [one for row in classes.rows(found, Measure.TIME) for one in row.cells]
    shown = page.select("#cases tbody td")
    assert len(shown) == len(cells)
    for cell, one in zip(cells, shown, strict=True):
        text = one.get_text()
        if cell is None:
            assert text == "–"
        else:
            assert f"{cell.judgement.effect.ratio:.3f}" in text
            assert cell.judgement.verdict in text
            assert ("between" in text) is (cell.between is not None)
    assert not {Verdict.FASTER, Verdict.SLOWER}.isdisjoint(one.judgement.verdict for one in cells if one)
    assert re.search(r"\d (ms|µs|ns)\b", told(page, "#cases")) is None, "nobody's seconds are here"


def test_charts_of_classes_have_the_same_axes() -> None:
    page = rendered(RACK[0], DESK)
    charts = page.select("#threads figure svg")
    assert len(charts) == 2 * 4
    assert len({(one["width"], one["height"]) for one in charts[::2]}) == 1
    axes = [[text.get_text() for text in one.select("text")][:3] for one in charts]
    assert axes == [["1", "2", "4"]] * len(charts)
    assert [one.get_text() for one in page.select("#threads .multiples")[0].select("h5")] == ["big", "small"]


def test_failures_and_warnings_of_all_shares_are_there_as_text() -> None:
    page = rendered(*RACK, PI)
    troubles = told(page, "#troubles")
    assert HOSTILE in troubles
    assert "8 of 160 planned samples failed: crashed. pi" in troubles
    assert "numpy/inverse threads=1 cpus=0-1 on 3.14t, in 8 blocks: It crashed." in troubles
    assert all("alert" not in one.get_text() for one in page.select("script"))


def test_shares_say_who_measured_them_and_where_their_data_lie() -> None:
    page = rendered(RACK[0], DESK)
    where = told(page, "#where")
    assert "rack-1 (48 blocks) 1 attempt lost: its worker went away 0-3 48 of 48" in where
    links = [str(one["href"]) for one in page.select("#where a")]
    assert links[:3] == [f"shares/rack-1/{name}" for name in ("index.html", "run.json", "outcomes.jsonl")]


def test_classes_with_the_same_images_are_put_together_beside_their_columns() -> None:
    same = measured("other", "other", cpus=2, seed=7)
    assert "desk" not in told(rendered(*RACK), "#together"), "hosts of one class have their column"
    assert "pure_python/cpu_bound, 1 thread, time, 2 CPUs" in told(rendered(DESK, same), "#together")
    assert told(rendered(DESK, PI), "#together") == ""


def test_nothing_measured_yet_is_said() -> None:
    empty = Measured(DESK.share, DESK.run, ())
    page = rendered(empty)
    assert told(page, "h1").startswith("No verdict")
    assert fleet_page.render(run([DESK]), {}, ()).count("No verdict") == 1


# -- verbs -------------------------------------------------------------------------------------------------------------


def written(results: Path, *shares: Measured) -> Path:
    """A fleet's run as it lies in a folder of results."""
    directory = store.create_fleet(results, run(shares), {one.share.name: one.run for one in shares})
    for one in shares:
        with store.Journal(store.share_directory(directory, one.share.name)) as journal:
            for line in one.journal:
                journal.append(line)
    with store.Journal(directory, ATTEMPTS) as journal:
        for attempt in attempts(shares):
            journal.append(attempt)
    return directory


def test_inv_report_writes_the_page_again_and_history_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "RESULTS", tmp_path)
    small = [measured(name, kind, blocks=2, workloads=made_up.WORKLOADS[:1]) for name, kind in ("ab", "cd")]
    directory = written(tmp_path, *small)

    fleets.report(directory)
    said = capsys.readouterr().out
    page = directory / "index.html"
    assert said.rstrip().endswith(f"Fleet: {page}")
    assert "All hosts together:" in said, "the text that was there before"
    first = page.read_bytes()
    for link in BeautifulSoup(first, "html.parser").select("#where a, #again a"):
        assert (directory / str(link["href"])).exists()
    fleets.report(directory, as_json=True)
    assert {*json.loads(capsys.readouterr().out)} == {"schema", "run", "shares", "together"}
    assert page.read_bytes() == first

    archive.history(str(tmp_path))
    html = (tmp_path / "index.html").read_text()
    assert f'href="{directory.name}/index.html"' in html
    (directory / "fleet.json").write_text("{")
    archive.history(str(tmp_path))
    assert "is damaged" in (tmp_path / "index.html").read_text()


def test_history_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no run"):
        archive.history(str(tmp_path))
