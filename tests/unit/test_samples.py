"""The committed samples are what their raw data say: pages to the byte, sentences and figures to the letter.

After a change of a page: `./inv report docs/samples/NAME`, and for the comparison what docs/samples/README.md says.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from harness import audit, auditing, comparing, store
from harness.errors import RegressionError
from reports import (
    audit_page,
    compare,
    compare_page,
    compare_text,
    page,
    release_page,
    release_prose,
    releases,
    reproduction,
    reproduction_page,
    summary,
    verdict,
)
from reports.analysis import analyse
from reports.findings import Findings

SAMPLES = Path(__file__).parents[2] / "docs/samples"
BEFORE, AFTER = SAMPLES / "compared/before", SAMPLES / "compared/after"
RUNS = sorted(path.parent for path in SAMPLES.rglob("run.json"))
PAGES = [run for run in RUNS if (run / page.PAGE).exists()]


@cache
def findings(run: Path) -> Findings:
    return analyse(*store.load(run))


def test_what_samples_there_are() -> None:
    assert {run.relative_to(SAMPLES).as_posix() for run in RUNS} == {
        "catalogue", "strategies", "releases", "compared/before", "compared/after",
        "article/3.13-3.14", "article/3.13-3.14t", "article/3.14-3.14t",
    }  # fmt: skip


@pytest.mark.parametrize("run", PAGES, ids=lambda run: run.name)
def test_a_page_is_what_its_raw_data_say(run: Path) -> None:
    assert page.render(findings(run)) == (run / page.PAGE).read_text()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_samples_name_no_place_on_the_machine(run: Path) -> None:
    for file in run.iterdir():
        text = file.read_text()
        for place in ("/tmp/", "/home/", "/root/", "://deb."):
            assert place not in text, file


def test_the_page_of_releases() -> None:
    run, journal = store.load(SAMPLES / "releases")
    found = releases.compare(run, journal)

    assert release_page.render(found) == (SAMPLES / "releases" / release_page.PAGE).read_text()
    assert release_prose.headlines(found) == (
        "Without the GIL, code on 1 thread (7 workloads) is 28 % slower on 3.13.14 (95 % interval 25 % to 30 %) and "
        "16.5 % slower on 3.14.6 (95 % interval 14.9 % to 18.1 %)",
        "With the GIL it stayed the same to within 5 % (95 % interval 1.4 % faster to 1.3 % slower) "
        "from 3.13.14 to 3.14.6",
        "Free-threaded it became 9.8 % faster (95 % interval 8.5 % to 11.2 %) from 3.13.14 to 3.14.6",
    )


def test_the_article() -> None:
    kept, loaded = store.load_reproduction(SAMPLES / "article")
    results = reproduction.collected(kept, loaded)

    rendered = reproduction_page.render(kept, results, [run for run, _ in loaded])
    assert rendered == (SAMPLES / "article/index.html").read_text()
    assert kept.names == {"3.13": "3.13-source", "3.14": "3.14-source", "3.14t": "3.14t-source"}, "nothing substituted"
    verdicts = {one.claim.id: one.outcome for one in results}
    elsewhere = {"threads-4", "gil-4", "records-4", "scrape-100"}
    assert {name for name, found in verdicts.items() if found is reproduction.Outcome.UNTESTABLE} == elsewhere
    assert verdicts["threads-2"] is reproduction.Outcome.REPRODUCED
    assert verdicts["matrix"] is reproduction.Outcome.CONTRADICTED


def test_the_audit() -> None:
    found = auditing.load(SAMPLES / "audit")
    page_ = (SAMPLES / "audit/index.html").read_text()

    assert audit_page.render(found) == page_
    assert [audit.judge(one.evidence) for one in found.findings] == list(found.findings)
    assert auditing.encode(found) == (SAMPLES / "audit/audit.json").read_bytes()
    answers = {one.evidence.package: one.answer for one in found.findings}
    assert len(answers) >= 20
    assert answers["numpy"] is audit.Answer.READY
    assert answers["lxml"] is audit.Answer.TURNS_GIL_ON
    assert answers["opencv-python"] is audit.Answer.SOURCE_ONLY
    assert answers["tensorflow"] is audit.Answer.NO_BUILD
    assert answers["torch"] is audit.Answer.READY
    assert sum(one.evidence.smoke is not None for one in found.findings) >= 15
    assert "://" not in auditing.encode(found).decode()


def test_the_comparison_of_two_runs() -> None:
    found = compare.compare(findings(BEFORE), findings(AFTER))

    assert compare_page.render(found) == (SAMPLES / "compared/index.html").read_text()
    assert f"{compare_text.comment(found)}\n" == (SAMPLES / "compared/comment.md").read_text()
    assert compare_text.data(found, 0.05) == json.loads((SAMPLES / "compared/comparison.json").read_text())


def test_the_gate_names_the_workload_that_was_slowed_by_10_percent_and_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RegressionError) as raised:
        comparing.compare(str(BEFORE), str(AFTER), gate="5%")

    assert raised.value.status == 5
    assert str(raised.value).splitlines() == [
        "1 case known to have regressed by more than 5 %:",
        "  pure_python/cpu_bound, 1 thread, on 3.14t-source (9.9 % slower, interval 7.7 % to 12.1 %)",
    ]
    printed = " ".join(capsys.readouterr().out.split())
    assert "on 3.14-source (9.6 % slower, interval 2.6 % to 16.7 %)" in printed, "perhaps less than 5 %"
    comparing.compare(str(AFTER), str(AFTER), gate="5%")
    assert "Run B is unchanged against run A" in capsys.readouterr().out


def test_the_verdict_of_a_run() -> None:
    first, *_ = verdict.verdict(findings(BEFORE))

    assert str(first) == (
        "On 2 CPUs of an AMD EPYC, 3.14t-source (free-threaded CPython 3.14.6) runs single-threaded code 15.2 % slower "
        "than 3.14-source (CPython 3.14.6 with the GIL): geometric mean of 7 workloads, 95 % interval 14.4 % to 15.9 %."
    )
    data = summary.data(findings(BEFORE))
    figures = {one["workload"]: (round(one["ratio"], 3), one["verdict"]) for one in data["comparisons"]}
    assert figures == {
        "mixed/hybrid": (1.927, "slower"),
        "numeric/matrix": (0.849, "faster"),
        "numeric/sum_squares": (0.997, "same"),
        "pure_python/cpu_bound": (1.122, "slower"),
        "pure_python/process_data": (1.116, "slower"),
        "pure_python/records": (1.282, "slower"),
        "scraping/fetch_parse_stdlib": (1.025, "slower"),
    }
