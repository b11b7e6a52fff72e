"""Charts are well-formed SVG that needs nothing from outside, the same bytes every time, whatever the names are."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from harness.model import Measure, Workload
from harness.stats import effect
from reports import charts, marks
from reports.analysis import analyse
from reports.evidence import Moment
from reports.findings import Findings
from tests import made_up

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "pure_python/</svg><script>alert('&amp;')</script>\"{{ 7 * 7 }}"


def _findings(workloads: tuple[Workload, ...] = made_up.WORKLOADS) -> Findings:
    run = made_up.run(workloads=workloads)
    return analyse(run, made_up.journal(run))


def _forest(findings: Findings) -> str:
    return charts.forest(findings.comparisons, findings.run.plan.builds, description="What to see.")


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_forest_has_every_case_with_ratio_interval_and_verdict() -> None:
    findings = _findings()

    texts = _texts(_forest(findings))

    for comparison in findings.comparisons:
        assert comparison.judgement is not None
        judgement = comparison.judgement
        assert comparison.case.workload in texts
        assert f"{judgement.effect.ratio:.3f}" in texts
        assert f"{judgement.low:.3f} – {judgement.high:.3f}" in texts
    assert texts.count("same") == 2


def test_one_is_always_labelled_on_the_axis() -> None:
    for gain in (1.0, 2.0, 8.0):
        run = made_up.run()
        assert "1" in _texts(_forest(analyse(run, made_up.journal(run, made_up.truth(gain=gain)))))


def test_speedup_charts_that_stand_side_by_side_have_the_same_numbers_of_threads() -> None:
    findings = _findings()

    svg = charts.speedup(
        findings.speedups[:2], findings.run.plan.builds, top=2.0, key="one", description="", threads=(1, 2, 4)
    )

    texts = _texts(svg)
    assert {"1", "2", "4"} <= set(texts)
    assert "1.93×" in texts, "the last that was measured has its number"


def test_a_speedup_chart_has_the_ideal_line_and_both_builds() -> None:
    findings = _findings()

    svg = charts.speedup(
        findings.speedups[:2], findings.run.plan.builds, top=2.0, key="one", description="What to see."
    )

    assert "stroke-dasharray" in svg
    assert "#0072B2" in svg
    assert "#D55E00" in svg
    assert {"1", "2", "threads", "speedup", "1.93×", "1.00×"} <= set(_texts(svg))


def _gauged(slow: float) -> Findings:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], gauged=True)
    return analyse(run, made_up.journal(run, slow=slow))


def _speedup(findings: Findings) -> str:
    return charts.speedup(findings.speedups, findings.run.plan.builds, top=2.0, key="one", description="What to see.")


def test_what_is_undecided_is_pale_hollow_and_without_a_number() -> None:
    decided, undecided = _speedup(_gauged(0.5)), _speedup(_gauged(0.97))

    assert "1.92×" in _texts(decided)
    assert not [text for text in _texts(undecided) if "×" in text]
    assert 'fill="var(--paper, white)"' in undecided
    assert 'fill="var(--paper, white)"' not in decided
    assert undecided.count('opacity="0.7"') == 4  # a mark and an interval of each build
    assert 'opacity="0.7"' not in decided


def test_what_is_undecided_does_not_stretch_the_axis() -> None:
    findings = _gauged(0.97)
    wild = replace(findings.speedups[1], effect=effect([math.log(90.0), math.log(70.0)]))

    svg = _speedup(replace(findings, speedups=(findings.speedups[0], wild)))

    assert not [text for text in _texts(svg) if text.replace(".", "").isdigit() and float(text) > 2.5]


def test_capacity_is_named_apart_from_time_to_completion() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], measures=(Measure.TIME, Measure.CAPACITY))
    findings = analyse(run, made_up.journal(run))
    builds = findings.run.plan.builds

    svg = charts.speedup(findings.capacities, builds, top=2.0, key="one", description="What to see.")

    assert {"capacity", "Capacity against threads"} <= {*_texts(svg), *_titles(svg)}
    assert {"speedup", "Speedup against threads, time to completion"} <= {
        *_texts(_speedup(findings)),
        *_titles(_speedup(findings)),
    }


def _titles(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}title")]


def _noise(blocks: int, happened: made_up.Beside) -> str:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], threads=(1,), blocks=blocks, values=2)
    return charts.noise(analyse(run, made_up.journal(run, happened=happened)).ledger.blocks, description="What to see.")


def test_the_chart_of_noise_marks_every_invalid_measurement() -> None:
    svg = _noise(20, made_up.disturbed(3, 8))

    assert _texts(svg).count("×") == 2
    assert "20%" in _texts(svg)
    assert _titles(svg) == ["What else took CPU time"]


def test_the_chart_of_noise_has_few_bars_however_many_blocks_there_are() -> None:
    few, many = (_noise(blocks, made_up.disturbed(3)) for blocks in (150, 1500))

    assert _texts(many).count("×") == 1
    assert len(many) < 1.1 * len(few)


def test_nothing_readable_is_no_chart_of_noise() -> None:
    assert _noise(20, lambda block, attempt: (None, ())) == ""
    assert charts.noise((), description="") == ""


def test_a_chart_has_a_name_and_a_description_for_those_who_do_not_see_it() -> None:
    root = ElementTree.fromstring(_forest(_findings()))

    named = {element.get("id"): element.text for element in root if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert root.get("role") == "img"
    assert (root.get("aria-labelledby") or "").split() == list(named)
    assert list(named.values()) == ["Effects with their intervals", "What to see."]


def test_the_same_data_give_the_same_bytes() -> None:
    assert _forest(_findings()) == _forest(_findings())


def test_a_chart_adapts_to_the_page_and_asks_the_network_for_nothing() -> None:
    svg = _forest(_findings())

    assert 'fill="currentColor"' in svg
    assert "font-family" not in svg
    assert "background-color" not in svg
    assert svg.count("http") == 1  # the namespace


def test_hostile_names_are_text() -> None:
    svg = _forest(_findings((made_up.workload(HOSTILE, threaded=True),)))

    assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))
    assert any(text.startswith("pure_python/</svg><script>") for text in _texts(svg))


def test_a_long_name_ends_in_an_ellipsis() -> None:
    texts = _texts(_forest(_findings((made_up.workload("pure_python/" + "x" * 500, threaded=True),))))

    (name,) = [text for text in texts if text.startswith("pure_python/")]
    assert name.endswith("…")
    assert len(name) <= 50


def test_nothing_measured_is_no_chart() -> None:
    findings = analyse(made_up.run(), ())

    assert _forest(findings) == ""
    assert charts.speedup(findings.speedups[:2], findings.run.plan.builds, top=1.0, key="one", description="") == ""


def test_one_block_is_a_mark_without_interval() -> None:
    run = made_up.run(blocks=1)

    assert "one block" in _texts(_forest(analyse(run, made_up.journal(run))))


def test_every_build_has_its_own_sign() -> None:
    builds = ["a", "b", "c", "d", "e"]

    assert len({marks.marker(builds, build) for build in builds}) == 5


@pytest.mark.parametrize(("log", "y"), [(0.0, 13.0), (0.1, 4.0), (-0.1, 22.0), (math.inf, 4.0)])
def test_a_sparkline_puts_a_block_at_its_height_and_outliers_at_the_edge(log: float, y: float) -> None:
    root = ElementTree.fromstring(marks.sparkline([log], [0], centre=0.0, last=10, reach=0.1))

    _, dots = root
    assert (dots.get("d") or "").removesuffix("h0").partition(",")[2] == str(y)


def test_every_value_is_drawn_and_builds_have_marks_of_their_own() -> None:
    root = ElementTree.fromstring(marks.values([{0: [1.0, 2.0], 4: [1.0]}, {0: [4.0], 9: [2.0]}], most=400))

    dots, dashes = root
    assert (dots.get("d"), dashes.get("d")) == ("M194,310h0M194,170h0M741,310h0", "M413,30h40M1506,170h40")
    assert (dots.get("stroke"), dashes.get("stroke")) == ("#0072B2", "#D55E00")


def test_of_too_many_values_every_block_shows_some() -> None:
    svg = marks.values([{block: [1.0] * 50 for block in range(40)}] * 2, most=160)

    assert (svg.count("h0"), svg.count("h40")) == (80, 80)


def test_where_a_law_was_fitted_its_curve_is_the_line() -> None:
    findings = _findings()
    builds = findings.run.plan.builds
    curve = [(1.0, 1.0), (1.5, 1.4), (2.0, 1.93)]

    joined = charts.speedup(findings.speedups[:2], builds, top=2.0, key="one", description="")
    curved = charts.speedup(findings.speedups[:2], builds, top=2.0, key="one", description="", curves={"3.13t": curve})

    assert _lines(joined) == [1, 1, 1]  # ideal, and one from mark to mark for each build
    assert sorted(_lines(curved)) == [1, 1, 2]


def _lines(svg: str) -> list[int]:
    """How many steps each line of a chart has."""
    paths = (path.get("d") or "" for path in ElementTree.fromstring(svg).iter(f"{SVG}path"))
    return [path.count("L") for path in paths if path.startswith("M") and "L" in path and "Z" not in path]


def test_drift_has_a_mark_for_each_block_and_few_where_there_are_many() -> None:
    few, many = (
        charts.drift(
            [Moment(started=3.0 * n, speed=0.1 * (n % 7), ratio=0.01) for n in range(blocks)], "3.13", description=""
        )
        for blocks in (20, 5000)
    )

    assert {"time of 3.13, over its median", "ratio, over its effect", "minutes since the run began"} <= {*_texts(few)}
    assert few.count("#0072B2") == 20
    assert many.count("#0072B2") == 140


def test_drift_of_a_single_build_has_no_ratios() -> None:
    course = [Moment(started=3.0 * n, speed=0.1, ratio=math.nan) for n in range(4)]

    assert "ratio, over its effect" not in _texts(charts.drift(course, "3.13", description=""))
