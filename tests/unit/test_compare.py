"""Two runs side by side: like with like, what is known to have changed, and every way to say it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import msgspec
import pytest

from harness import comparing, runs, store
from harness.errors import RegressionError, RequestError
from harness.journal import BlockRecord, Gauge, JournalLine, Reason, Sample
from harness.model import BuildFacts, Case, Measure, Run, Size
from harness.stats import Verdict
from reports import compare, compare_page, compare_prose, compare_text
from reports.analysis import analyse
from reports.compare import Contrast, Outcome, Question, Yardstick
from reports.findings import Findings
from tests import made_up

WORKLOADS = made_up.WORKLOADS[:3]
HOSTILE = "</pre></script><script>alert('x')</script><img src=x onerror=alert(1)>&\"{{ 7 * 7 }}|`x`|@you\n[l](http://e)"
SLOWED = "pure_python/process_data"


def slowed(name: str = SLOWED, by: float = 1.2, builds: tuple[str, ...] = ("3.13", "3.13t")) -> made_up.Truth:
    """What is true of a run in which one workload takes `by` times as long."""
    before = made_up.truth()

    def seconds(one: Case, facts: BuildFacts) -> float:
        return before(one, facts) * (by if one.workload == name and facts.build.name in builds else 1.0)

    return seconds


def steady(run: Run, seconds: made_up.Truth | None = None, *, seed: int, noise: float = 0.01) -> Findings:
    """The findings of a run whose machine has one speed: its process and value noise is all there is."""
    journal = made_up.journal(run, seconds, seed=seed, noise=noise)
    return analyse(run, journal)


def two(
    truth: made_up.Truth | None = None,
    *,
    change: Callable[[Run], Run] = lambda run: run,
    blocks: int = 30,
    measures: tuple[Measure, ...] = (Measure.TIME,),
    gauged: bool = True,
) -> Contrast:
    """A run, and another a day later, of which `truth` is true."""
    a = made_up.run(workloads=WORKLOADS, blocks=blocks, measures=measures, gauged=gauged)
    b = change(msgspec.structs.replace(a, id="20250715-093000-5eed", created="2025-07-15T09:30:00Z"))
    return compare.compare(steady(a, seed=1), steady(b, truth, seed=2))


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_a_run_against_itself_is_unchanged() -> None:
    run = made_up.run(workloads=WORKLOADS, measures=tuple(Measure), gauged=True)
    findings = steady(run, seed=1)

    found = compare.compare(findings, findings)

    assert found.outcome is Outcome.UNCHANGED
    assert found.unlike == ()
    assert found.absent == ()
    assert {change.judgement.effect.ratio for change in found.changes} == {1.0}
    assert found.regressions(0.0) == ()
    assert compare_prose.reservations(found) == ("A and B are one and the same run.",)


def test_of_two_runs_with_one_slower_workload_only_that_is_named() -> None:
    found = two(slowed(by=2.5))

    assert found.outcome is Outcome.REGRESSED
    assert {change.case.workload for change in found.of(Verdict.SLOWER)} == {SLOWED}
    assert {(one.case.workload, one.case.threads, one.build) for one in found.regressions(0.05)} == {
        (SLOWED, threads, build) for threads in (1, 2) for build in ("3.13", "3.13t")
    }
    assert found.regressions(4.0) == ()
    for change in found.changes:
        truth = 2.5 if change.case.workload == SLOWED else 1.0
        assert change.judgement.low < truth < change.judgement.high


def _on_a_slow_day(journal: Iterable[JournalLine]) -> tuple[JournalLine, ...]:
    """The journal that the same machine would have left at two thirds of its speed."""

    def slower(_: BlockRecord, one: Sample) -> Sample:
        gauges = tuple(
            Gauge(before=tuple(1.5 * x for x in gauge.before), after=tuple(1.5 * x for x in gauge.after))
            for gauge in one.gauges
        )
        return msgspec.structs.replace(one, values=tuple(1.5 * value for value in one.values), gauges=gauges)

    return made_up.amend(journal, slower)


def _two_days(run: Run, other: Run) -> Contrast:
    journal = _on_a_slow_day(made_up.journal(other, slowed(), seed=2))
    return compare.compare(steady(run, seed=1), analyse(other, journal))


def test_a_slow_day_is_no_regression_where_turns_were_gauged() -> None:
    run = made_up.run(workloads=WORKLOADS, gauged=True, blocks=30)

    found = _two_days(run, run)

    assert {one.yardstick for one in found.changes} == {Yardstick.GAUGE}
    assert {one.case.workload for one in found.of(Verdict.SLOWER)} == {SLOWED}
    for one in found.changes:
        truth = 1.2 if one.case.workload == SLOWED else 1.0
        assert one.judgement.low < truth < one.judgement.high
        assert one.b / one.a == pytest.approx(1.5 * truth, rel=0.02), "the times are shown as they were"
    assert not any("as they are" in one for one in compare_prose.reservations(found))


@pytest.mark.parametrize("why", ["no gauge", "another image"])
def test_without_a_yardstick_a_slow_day_is_one_and_the_page_says_so(why: str) -> None:
    run = other = made_up.run(workloads=WORKLOADS, gauged=why != "no gauge", blocks=30)
    if why == "another image":
        builds = tuple(msgspec.structs.replace(facts, image="sha256:" + "9" * 64) for facts in run.builds)
        other = msgspec.structs.replace(run, builds=builds)

    found = _two_days(run, other)

    assert {one.yardstick for one in found.changes} == {Yardstick.NONE}
    assert len(found.of(Verdict.SLOWER)) == len(found.changes)
    assert any("All times are compared as they are" in one for one in compare_prose.reservations(found))


def test_capacity_is_what_threads_get_done_over_what_one_does() -> None:
    run = made_up.run(workloads=WORKLOADS, measures=(Measure.CAPACITY,), blocks=30)
    before, after = (steady(run, made_up.truth(gain=gain), seed=seed) for gain, seed in ((1.9, 1), (1.4, 2)))

    found = compare.compare(before, after)

    assert {(one.case.threads, one.yardstick) for one in found.changes} == {(2, Yardstick.ONE_THREAD)}
    assert {one.build for one in found.of(Verdict.SLOWER)} == {"3.13t"}, "with the GIL nothing is gained, or lost"
    for one in found.of(Verdict.SLOWER):
        assert [one.a, one.b] == pytest.approx([1.9, 1.4], rel=0.02)
        assert one.judgement.low < 1.9 / 1.4 < one.judgement.high
    assert found.absent == ()


def test_a_gate_asks_for_what_is_known_and_large() -> None:
    found = two(slowed(by=1.1))

    regressed = {(one.case.workload, one.build) for one in found.regressions(0.05)}
    assert regressed == {(SLOWED, "3.13"), (SLOWED, "3.13t")}
    assert found.of(Verdict.SLOWER)
    assert found.regressions(0.2) == (), "known, and smaller than that"
    assert found.regressions(0.0999) == (), "perhaps as large, perhaps not"
    assert two(slowed(by=1.5), blocks=1).regressions(0.05) == (), "large, and not known"


@pytest.mark.parametrize(
    ("faster", "slower", "outcome"),
    [((), (), "unchanged"), ((0,), (), "improved"), ((), (1,), "regressed"), ((0,), (1,), "mixed")],
)
def test_the_outcome_of_all_cases(faster: tuple[int, ...], slower: tuple[int, ...], outcome: str) -> None:
    factors = {WORKLOADS[i].name: 0.4 for i in faster} | {WORKLOADS[i].name: 2.5 for i in slower}
    before = made_up.truth()

    found = two(lambda one, facts: before(one, facts) * factors.get(one.workload, 1.0))

    assert found.outcome == outcome
    assert outcome in str(compare_prose.headline(found))


def test_memory_is_compared_and_its_words_are_of_memory() -> None:
    run = made_up.run(workloads=WORKLOADS, measures=(Measure.MEMORY,))
    before, after = (
        analyse(run, made_up.journal(run, memory=truth, seed=seed))
        for seed, truth in ((1, made_up.peaks()), (2, lambda one, facts: 1.3 * made_up.peaks()(one, facts)))
    )

    found = compare.compare(before, after)

    assert {change.verdict for change in found.changes} == {Verdict.SLOWER}
    for one in found.changes:
        assert one.judgement.effect.ratio == pytest.approx(1.3, rel=0.01)
    assert "30.0 % more" in str(compare_prose.headline(found))


def test_noise_floors_of_either_run_hold() -> None:
    a = made_up.run(workloads=WORKLOADS, blocks=30, noise_floor=3.0)
    b = msgspec.structs.replace(a, noise_floors=())

    found = compare.compare(steady(a, seed=1), steady(b, slowed(by=2.5), seed=2))

    assert found.outcome is Outcome.UNCHANGED


def test_one_block_decides_nothing() -> None:
    found = two(slowed(by=3.0), blocks=1)

    assert {change.verdict for change in found.changes} == {Verdict.UNDECIDED}
    assert all(math.isnan(change.judgement.low) for change in found.changes)
    assert "NaN" not in json.dumps(compare_text.data(found), allow_nan=False)
    assert compare_text.text(found)
    assert compare_page.render(found)


# -- like with like ----------------------------------------------------------------------------------------------------


def _other_host(run: Run) -> Run:
    return msgspec.structs.replace(run, host=msgspec.structs.replace(run.host, cpu_model="Another"))


def _full_size(run: Run) -> Run:
    return msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, size=Size.FULL))


def _stress(run: Run) -> Run:
    return msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, stress=True))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (_other_host(made_up.run()), "hosts are not of one kind: AMD EPYC .* and Another"),
        (_full_size(made_up.run()), "not of one size: quick and full"),
        (_stress(made_up.run()), "hunted races"),
        (made_up.run([made_up.build("3.14"), made_up.build("3.14t")]), "no build in common: 3.13, 3.13t and 3.14"),
        (made_up.run([made_up.build(name, release="3.14.1") for name in ("3.13", "3.13t")]), "no build in common"),
        (made_up.run(cpus=(0, 1), threads=(1,), workloads=[made_up.workload("a/b", threaded=True)]), "no case in"),
    ],
)
def test_runs_that_are_not_alike_are_refused(other: Run, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        compare.check(made_up.run(), other)


def test_what_only_one_run_has_is_told_and_not_compared() -> None:
    a, b = made_up.run(workloads=WORKLOADS[:2]), made_up.run(workloads=WORKLOADS[1:], threads=(1,))
    failure = made_up.failure(b, WORKLOADS[1].name, "3.13t", Reason.CRASHED)

    found = compare.compare(steady(a, seed=1), analyse(b, made_up.journal(b, failures=[failure])))

    assert [(one.case.workload, one.case.threads, one.build) for one in found.changes] == [(SLOWED, 1, "3.13")]
    told = {(one.case.partition(" ")[0], one.build): one.why for one in found.absent if "=2" not in one.case}
    assert told == {
        (WORKLOADS[0].name, "3.13"): "only in A",
        (WORKLOADS[0].name, "3.13t"): "only in A",
        (WORKLOADS[1].name, "3.13t"): "no sample in B",
        (WORKLOADS[2].name, "3.13"): "only in B",
        (WORKLOADS[2].name, "3.13t"): "only in B",
    }


def test_the_environments_differences_are_named_and_reach_the_cases_that_they_are_about() -> None:
    def change(run: Run) -> Run:
        first, *others = run.plan.workloads
        plan = msgspec.structs.replace(
            run.plan, seed=7, workloads=(msgspec.structs.replace(first, sha256="12" * 32), *others)
        )
        host = msgspec.structs.replace(run.host, kernel="Linux 6.12", settings=run.host.settings | {"smt": "off"})
        builds = (run.builds[0], msgspec.structs.replace(run.builds[1], compiler="clang 19"))
        return msgspec.structs.replace(run, plan=plan, host=host, builds=builds)

    found = two(change=change, blocks=8)

    assert [(one.where, one.what, one.a, one.b) for one in found.unlike] == [
        ("host", "kernel", "Linux 6.1.0-30-amd64", "Linux 6.12"),
        ("host", "smt", "on", "off"),
        ("plan", "seed", "20250714", "7"),
        ("build 3.13t", "compiler", "GCC 12.2.0", "clang 19"),
        ("workload", WORKLOADS[0].name, "ef" * 8, "12" * 8),
    ]
    assert {one.case.workload for one in found.changes if one.script_differs} == {WORKLOADS[0].name}
    assert {one.build for one in found.changes if one.build_differs} == {"3.13t"}
    assert "3.13t is not the same build in both runs: compiler differ" in " ".join(compare_prose.reservations(found))


# -- every way to say it -----------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\xa0", " ")


def _hostile() -> Contrast:
    workloads = (made_up.workload(f"pure_python/{HOSTILE}", threaded=True),)
    a = made_up.run(workloads=workloads, threads=(1,), blocks=12)
    b = msgspec.structs.replace(a, id=HOSTILE, host=msgspec.structs.replace(a.host, name=HOSTILE))
    return compare.compare(steady(a, seed=1), steady(b, slowed(workloads[0].name, 3.0), seed=2))


def test_the_page_stands_alone_and_says_every_figure() -> None:
    found = two(slowed(by=2.5), measures=tuple(Measure), blocks=12)

    page = _Page(compare_page.render(found))

    tags = [tag for tag, _ in page.found]
    attributes = [(tag, name, value) for tag, every in page.found for name, value in every.items()]
    links = [value for _, name, value in attributes if name in ("href", "src", "action")]
    ids = [value for _, name, value in attributes if name == "id"]
    assert tags.count("script") == 1
    assert [link for link in links if not link.startswith("#")] == ["data:,"]
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert len(ids) == len(set(ids))
    assert tags.count("h1") == 1
    assert all("scope" in every for tag, every in page.found if tag == "th")
    verdict = page.text.index("Run B has regressed")
    assert page.text.index("The environments do not differ") < verdict < page.text.index("B / A")
    for one in found.changes:
        assert f"{one.judgement.effect.ratio:.3f}" in page.text
        assert compare_text.interval(one.judgement) in page.text
    assert compare_page.render(found) == compare_page.render(found)


def test_whatever_runs_contain_is_text_to_the_page_and_to_the_terminal() -> None:
    found = _hostile()

    page = _Page(compare_page.render(found))

    tags = [tag for tag, _ in page.found]
    assert (tags.count("script"), tags.count("img")) == (1, 0), "our own script, and no other"
    assert not [name for _, every in page.found for name in every if name.startswith("on")]
    assert " ".join(HOSTILE.split()) in " ".join(page.text.split())
    assert "49" not in page.text.replace(HOSTILE, "").partition("Not compared")[2]
    assert "\x1b" not in compare_text.text(found)


def test_whatever_runs_contain_is_text_to_markdown() -> None:
    markdown = compare_text.comment(_hostile())

    assert "<script" not in markdown
    assert "<img" not in markdown
    assert "@you" not in markdown
    assert "http://" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    pipes = [line.replace("\\|", "").count("|") for line in rows]
    assert set(pipes) == {10, 4}, "no name adds a cell"


def test_markdown_has_the_verdict_first_and_what_changed_before_the_rest() -> None:
    found = two(slowed(by=2.5))

    markdown = compare_text.comment(found)

    assert markdown.startswith("**Run B has regressed against run A\\: of 12 cases, 4 are worse and none better.**")
    before, _, folded = markdown.partition("<details>")
    assert before.count("regressed |") == 4
    assert folded.count("| same |") + folded.count("| undecided |") >= 8
    assert markdown.count("<details>") == markdown.count("</details>") == 3


def test_the_terminal_has_the_differences_first() -> None:
    found = two(slowed(by=2.5), change=lambda run: msgspec.structs.replace(run, revision="other"))

    text = compare_text.text(found)

    assert text.index("Gilometer, revision") < text.index("Run B has regressed") < text.index("verdict")
    assert f"{found.changes[0].judgement.effect.ratio:.3f}" in text


@pytest.mark.parametrize(
    "found", [two(slowed(by=2.5), measures=tuple(Measure), blocks=12), two(blocks=1, gauged=False)], ids=["many", "few"]
)
def test_json_is_as_its_schema_says(found: Contrast) -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs/compare.schema.json").read_text())

    jsonschema.validate(compare_text.data(found, 0.05), schema)
    jsonschema.validate(compare_text.data(found), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(compare_text.data(found) | {"surplus": 1}, schema)


def test_json_and_csv_say_the_same() -> None:
    found = two(slowed(by=2.5))

    data = json.loads(json.dumps(compare_text.data(found, 0.05), allow_nan=False))
    rows = list(csv.DictReader(io.StringIO(compare_text.table(found))))

    assert (data["schema"], data["outcome"], data["threshold"]) == (1, "regressed", 0.05)
    assert {one["build"] for one in data["regressions"]} == {"3.13", "3.13t"}
    assert len(rows) == len(data["changes"]) == 12
    for row, change in zip(rows, data["changes"], strict=True):
        assert {name: "" if value is None else str(value) for name, value in change.items()} == row
    assert compare_text.data(found)["regressions"] is None


# -- the verb ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two runs, the second with a slower workload."""
    monkeypatch.setattr(runs, "RESULTS", tmp_path)
    a = made_up.run(workloads=WORKLOADS, blocks=30)
    for run, truth, seed in ((a, None, 1), (msgspec.structs.replace(a, id="later"), slowed(by=2.5), 2)):
        with store.Journal(store.create(tmp_path, run)) as journal:
            for line in made_up.journal(run, truth, seed=seed):
                journal.append(line)
    return a.id, "later"


def test_the_gate_names_what_regressed_and_nothing_else(
    directories: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RegressionError, match="4 cases known to have regressed by more than 5 %") as raised:
        comparing.compare(*directories, gate="5%")

    assert raised.value.status == 5
    named = str(raised.value).splitlines()[1:]
    assert len(named) == 4
    assert all(SLOWED in line for line in named)
    assert "Run B has regressed" in capsys.readouterr().out, "the comparison is written first"


def test_a_run_against_itself_passes_the_gate(directories: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    comparing.compare(directories[1], directories[1], gate="0%")
    assert "unchanged" in capsys.readouterr().out


@pytest.mark.parametrize("form", comparing.FORMATS)
def test_every_format_goes_to_a_file(
    directories: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    out = tmp_path / "comparison"

    comparing.compare(*directories, form=form, out=str(out))

    assert SLOWED.rpartition("/")[2][:7] in out.read_text()
    printed = capsys.readouterr().out
    assert printed.startswith("Run B has regressed")
    assert printed.rstrip().endswith(str(out))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gate": "5"}, 'did you mean "5%"'),
        ({"gate": "-5%"}, "no percentage"),
        ({"gate": "much"}, "no percentage, such as 5%"),
        ({"form": "markdwon"}, 'did you mean "markdown"'),
    ],
)
def test_a_wrong_request_is_refused(directories: tuple[str, str], options: dict[str, str], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        comparing.compare(*directories, **options)
    with pytest.raises(RequestError, match="there is no run"):
        comparing.compare(directories[0], "nosuch")


# -- whether a run is repeated -----------------------------------------------------------------------------------------


def repeated(truth: made_up.Truth | None = None, *, blocks: int = 30, slow_day: bool = False) -> Contrast:
    """A run, and its plan executed again on another day; ungauged, so that times hold the speed of the day."""
    run = made_up.run(workloads=WORKLOADS, blocks=blocks, measures=tuple(Measure), gauged=False)
    journal = made_up.journal(run, truth, seed=2)
    again = analyse(run, _on_a_slow_day(journal) if slow_day else journal)
    return compare.compare(steady(run, seed=1), again, Question.REPEATED)


def test_a_run_repeats_though_the_host_was_slower() -> None:
    found = repeated(slow_day=True)

    assert found.outcome is Outcome.REPEATED
    assert found.of(Verdict.SLOWER), "the day was slow"
    assert len(found.repeats) == len(WORKLOADS) * 2 * 4, "builds' times and memory, threads' speedups and capacity"
    assert {one.against for one in found.repeats} == {"3.13", "1 thread"}
    assert "all the same to within 5 %" in str(compare_prose.headline(found))


def test_a_ratio_that_is_not_found_again_is_named() -> None:
    found = repeated(slowed(by=1.3, builds=("3.13t",)))

    assert found.outcome is Outcome.DIFFERENT
    other = [one for one in found.repeats if one.verdict is Verdict.SLOWER]
    assert {(one.case.workload, one.build, one.against) for one in other} == {(SLOWED, "3.13t", "3.13")}
    assert f"{SLOWED}, 1 thread, on 3.13t against 3.13" in str(compare_prose.headline(found))
    for one in other:
        assert one.judgement.low < 1.3 < one.judgement.high


def test_what_is_known_too_loosely_is_undecided_and_says_what_would_have_been_found() -> None:
    found = repeated(blocks=2)

    assert found.outcome is Outcome.UNDECIDED
    assert str(compare_prose.headline(found)).startswith("Nothing in run B is known to differ from run A")


def test_a_ratio_without_an_answer_in_the_second_run_is_not_repeated() -> None:
    run = made_up.run(workloads=WORKLOADS, blocks=30, gauged=False)
    only = msgspec.structs.replace(run.plan, builds=("3.13",))
    findings = steady(run, seed=1)
    alone = steady(msgspec.structs.replace(run, plan=only), seed=1)

    found = compare.compare(findings, alone, Question.REPEATED)

    assert found.outcome is Outcome.UNDECIDED
    assert {against for _, _, against in found.unrepeated} == {"3.13", "1 thread"}
    assert any("run B has no answer" in one for one in compare_prose.absences(found))


def test_on_another_kind_of_host_ratios_are_compared_and_times_are_not() -> None:
    run = made_up.run(workloads=WORKLOADS, blocks=30, gauged=False)
    findings = steady(run, seed=1)

    found = compare.compare(findings, steady(_other_host(run), seed=1), Question.REPEATED)

    assert found.outcome is Outcome.REPEATED
    assert found.changes == ()
    assert any("not of one kind" in one for one in compare_prose.reservations(found))


def test_the_answer_comes_before_the_rest() -> None:
    text = compare_text.text(repeated())
    assert text.index("Ratios, of builds") < text.index("Time; B / A")
    changed = compare_text.text(two())
    assert changed.index("Ratios, of builds") > changed.index("Time; B / A")


def test_json_of_a_repetition_is_as_its_schema_says() -> None:
    data = compare_text.data(repeated())
    jsonschema.validate(data, json.loads((Path(__file__).parents[2] / "docs/compare.schema.json").read_text()))
    assert data["outcome"] == "repeated"
    assert len(data["ratios"]) == len(WORKLOADS) * 8
