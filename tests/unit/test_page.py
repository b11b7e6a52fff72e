"""The page says everything that the findings hold, and whatever a run contains is text to it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from harness import store
from harness.journal import JournalLine, Reason, Settled, Stop
from harness.model import Run, Skipped
from reports import page
from reports.analysis import analyse
from tests import made_up

HOSTILE = "</pre></script><script>alert('x')</script><img src=x onerror=alert(1)>&\"{{ 7 * 7 }}{% raw %}"


class _Page(HTMLParser):
    """Text, tags and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\xa0", " ")


def _render(run: Run, journal: tuple[JournalLine, ...] | None = None) -> _Page:
    return _Page(page.render(analyse(run, made_up.journal(run) if journal is None else journal)))


def test_the_verdict_comes_first() -> None:
    text = " ".join(_render(made_up.run()).text.split())

    assert text.index("runs single-threaded code 15.4 % slower than 3.13") < text.index("Effects")


def test_warnings_stand_above_the_verdict() -> None:
    text = _render(made_up.run(warnings=("3.14 could not be had here.",))).text

    assert text.index("3.14 could not be had here.") < text.index("runs single-threaded code")


def test_every_case_has_a_row_with_ratio_interval_and_verdict() -> None:
    run = made_up.run()
    findings = analyse(run, made_up.journal(run))

    text = _Page(page.render(findings)).text

    for comparison in findings.comparisons:
        judgement = comparison.judgement
        assert judgement is not None
        assert comparison.case.workload in text
        assert f"{judgement.effect.ratio:.3f}" in text
        assert f"{judgement.low:.3f} – {judgement.high:.3f}" in text


def test_every_reason_of_a_failure_appears_with_message_and_output() -> None:
    run = made_up.run()
    failures = [
        made_up.failure(
            run,
            case.workload,
            "3.13t",
            reason,
            threads=case.threads,
            message=f"Why {reason}.",
            output=f"{reason} trace",
        )
        for case, reason in zip(run.plan.cases, Reason, strict=False)
    ]

    text = _render(run, made_up.journal(run, failures=failures)).text

    assert len(failures) == len(Reason)
    assert "64 of 160 planned samples failed" in text
    for failure in failures:
        assert f"{failure.case} on 3.13t, in 8 blocks: {failure.message}" in text
        assert failure.output in text


def test_what_the_plan_left_out_appears() -> None:
    run = made_up.run()
    skipped = (Skipped(case="scraping/lxml threads=1 cpus=0-1", reason="3.13t has no lxml"),)
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, skipped=skipped))

    text = _render(run).text

    assert "1 case left out: 3.13t has no lxml." in text
    assert "scraping/lxml threads=1 cpus=0-1: 3.13t has no lxml" in text


def test_the_environment_the_builds_and_the_command_appear() -> None:
    run = made_up.run()

    text = _render(run).text

    assert run.command in text
    for fact in (run.host.name, run.host.cpu_model, run.host.kernel, run.engine.isolation, run.revision):
        assert fact in text
    for build in run.builds:
        for value in (build.compiler, build.configure, build.origin, build.base, build.image, build.recipe):
            assert value in text


def test_a_confounding_difference_is_marked_where_it_stands() -> None:
    clang = msgspec.structs.replace(made_up.PAIR[1], compiler="clang 19")

    text = _render(made_up.run((made_up.PAIR[0], clang))).text

    assert "compiler ≠ confounds" in text
    assert "configure ≠" in text
    assert "configure ≠ confounds" not in text


def test_whatever_a_run_contains_is_text() -> None:
    run = made_up.run(
        (made_up.build("3.13"), msgspec.structs.replace(made_up.PAIR[1], compiler=HOSTILE)),
        workloads=(*made_up.WORKLOADS[:1], made_up.workload(f"pure_python/{HOSTILE}", threaded=True)),
        warnings=(HOSTILE,),
    )
    run = msgspec.structs.replace(
        run, command=HOSTILE, host=msgspec.structs.replace(run.host, name=HOSTILE, settings={HOSTILE: HOSTILE})
    )
    failure = made_up.failure(run, "pure_python/cpu_bound", "3.13t", Reason.CRASHED, message=HOSTILE, output=HOSTILE)

    found = _render(run, made_up.journal(run, failures=[failure]))

    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert found.text.count(HOSTILE) >= 8
    assert "49" not in found.text.replace(HOSTILE, "").split("Make the same run again")[1]


def test_the_page_stands_alone() -> None:
    found = _render(made_up.run())

    assert "script" not in found.tags
    links = [value for _, name, value in found.attributes if name in ("href", "src", "action", "data", "poster")]
    assert [link for link in links if not link.startswith("#")] == ["data:,"]


def test_tables_have_real_headers_and_ids_are_unique() -> None:
    found = _render(made_up.run())

    scopes = [value for tag, name, value in found.attributes if tag == "th" and name == "scope"]
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(scopes) == found.tags.count("th")
    assert set(scopes) == {"col", "row"}
    assert len(ids) == len(set(ids))


def test_the_same_findings_give_the_same_bytes() -> None:
    run = made_up.run()

    assert page.render(analyse(run, made_up.journal(run))) == page.render(analyse(run, made_up.journal(run)))


@pytest.mark.parametrize(
    ("builds", "blocks"),
    [
        (("3.13", "3.13t"), 0),
        (("3.13", "3.13t"), 1),
        (("3.13t",), 0),
        (("3.13t",), 30),
        (("3.13", "3.13t", "3.14t"), 30),
    ],
)
def test_a_page_can_be_made_of_any_part_of_a_run(builds: tuple[str, ...], blocks: int) -> None:
    run = made_up.run([made_up.build(name) for name in builds])

    text = _render(run, made_up.journal(run, blocks=range(blocks), complete=False)).text

    assert f"{48 - blocks} of 48 planned blocks were not executed." in text


def test_a_page_of_a_hundred_cases_is_below_two_megabytes() -> None:
    workloads = [made_up.workload(f"pure_python/number_{number:02}", threaded=True) for number in range(50)]
    run = made_up.run(workloads=workloads, blocks=40, values=5)

    assert len(page.render(analyse(run, made_up.journal(run))).encode()) < 2_000_000


def test_a_page_is_made_again_from_the_run_directory(tmp_path: Path) -> None:
    run = made_up.run()
    journal = made_up.journal(run)
    directory = store.create(tmp_path, run)
    with store.Journal(directory) as lines:
        for line in journal:
            lines.append(line)

    path = page.write(directory, analyse(*store.load(directory)))

    assert path == directory / "index.html"
    assert path.read_text(encoding="utf-8") == page.render(analyse(run, journal))
    assert json.loads((directory / "run.json").read_bytes())["id"] == run.id


def test_a_page_says_what_is_short_of_its_target_and_at_which_level_it_computes() -> None:
    run = made_up.run()
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05, budget_seconds=240))
    settled = [
        Settled(cases=group, blocks=8, half_width=0.061, reason=Stop.CAP)
        for group in dict.fromkeys(block.group for block in run.plan.blocks)
    ]

    text = " ".join(_render(run, (*made_up.journal(run, noise=0.3), *settled)).text.split())
    fixed = " ".join(_render(made_up.run()).text.split())

    assert "0 of 6 workloads reached the target of this run, intervals of ±5 %." in text
    assert "mixed/hybrid: ±6.1 % after 8 blocks, the most that this profile has; ±5 % would take about" in text
    assert "therefore they are computed at 96.5 %" in text
    assert "intervals of ±5 %, within 4 min" in text
    assert "computed at" not in fixed
    assert "target" not in fixed
