"""The page says everything that the findings hold, and whatever a run contains is text to it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from harness import store
from harness.journal import Depth, Disturbance, JournalLine, Noise, Reason, Settled, Stop
from harness.model import Block, BuildFacts, Case, Measure, Placement, Run, Skipped
from reports import page, summary, words
from reports.analysis import analyse
from tests import made_up

EVERYTHING = (Measure.TIME, Measure.CAPACITY, Measure.MEMORY)
THREADED = made_up.WORKLOADS[:2]
HOSTILE = "</pre></script><script>alert('x')</script><img src=x onerror=alert(1)>&\"{{ 7 * 7 }}{% raw %}"


class _Page(HTMLParser):
    """Text, tags and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.text = ""
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\xa0", " ")

    def section(self, name: str) -> str:
        """Text of a section, on one line."""
        start = self.html.index(f'<section id="{name}"')
        return " ".join(_Page(self.html[start : self.html.index("</section>", start)]).text.split())


def _render(run: Run, journal: tuple[JournalLine, ...] | None = None) -> _Page:
    return _Page(page.render(analyse(run, made_up.journal(run) if journal is None else journal)))


def test_the_verdict_comes_first() -> None:
    text = " ".join(_render(made_up.run()).text.split())

    assert text.index("runs single-threaded code 15.4 % slower than 3.13") < text.index("Effects")


def test_warnings_stand_between_the_verdict_and_the_numbers() -> None:
    text = _render(made_up.run(warnings=("3.14 could not be had here.",))).text

    warning = text.index("3.14 could not be had here.")
    assert text.index("runs single-threaded code") < warning < text.index("at a glance")


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
    assert "72 of 160 planned samples failed" in text
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


def test_how_a_value_came_about_is_told() -> None:
    run = made_up.run()
    blocks = [msgspec.structs.replace(block, settling=1, values=4 + 2 * block.index) for block in run.plan.blocks[:3]]
    cases = [msgspec.structs.replace(case, placement=Placement.FREE) for case in run.plan.cases]
    plan = msgspec.structs.replace(run.plan, blocks=tuple(blocks), cases=tuple(cases))

    plain, settled = _render(run), _render(msgspec.structs.replace(run, plan=plan), ())

    assert "48 blocks, 12 values per worker after 1 warm-up" in plain.section("again")
    assert "settling" not in plain.section("again")
    assert "3 blocks, 4 to 8 values per worker after 1 warm-up" in settled.section("again")
    assert "1 turn right before each short value" in settled.section("again")
    assert "Each thread was bound to a CPU of its own." in plain.section("threads")
    assert "Threads executed wherever the scheduler put them" in settled.section("threads")


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

    assert found.tags.count("script") == 1, "our own, which sorts tables"
    assert "img" not in found.tags
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    assert found.text.count(HOSTILE) >= 8
    for section in ("advice", "threads", "samples", "builds", "cases", "again"):
        assert " ".join(HOSTILE.split()) in found.section(section)
    assert "49" not in found.text.replace(HOSTILE, "").split("Make the same run again")[1]


def test_the_page_stands_alone() -> None:
    found = _render(made_up.run())

    assert found.tags.count("script") == 1, "our own, which sorts tables"
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
    run = made_up.run(workloads=THREADED, measures=EVERYTHING, gauged=True, noise_floor=0.004)
    journal = made_up.journal(run, slow=0.9, happened=made_up.disturbed(3, times=3))

    assert page.render(analyse(run, journal)) == page.render(analyse(run, journal))


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


def test_the_sections_stand_in_the_order_in_which_they_convince() -> None:
    run = made_up.run(measures=EVERYTHING)

    found = _render(run)

    sections = re.findall(r'<section id="(\w+)"', found.html)
    order = ["advice", "effects", "threads", "memory", "samples", "noise", "outcomes", "builds", "machine", "cases"]
    assert sections == [*order, "method", "again"]


def test_the_page_says_what_to_do_with_every_workload() -> None:
    found = _render(made_up.run(measures=EVERYTHING)).section("advice")

    assert "Each build at its fastest: take 3.13t for 4 of 6 workloads, where it is 1.55× to 1.56× faster" in found
    assert found.count("▼ take 3.13t 1.5") == 4
    assert found.count("= either") == 2
    assert "2 threads against 1 thread" in found


def test_the_heat_map_has_the_ratio_of_every_case_and_no_colour_for_what_is_no_difference() -> None:
    run = made_up.run()
    findings = analyse(run, made_up.journal(run))

    found = _Page(page.render(findings))
    threads = found.section("threads")

    assert (
        "3.13t is faster in 0 and slower in 4 of 6 with 1 worker; in 4 and slower in 0 of 4 with 2 workers. "
        "4 workloads are slower with 1 and faster with 2."
    ) in threads
    for comparison in findings.comparisons:
        assert comparison.judgement is not None
        assert f"{comparison.judgement.effect.ratio:.2f}" in threads
    heat = [value for tag, name, value in found.attributes if tag == "td" and name == "class" and "-" in value]
    assert (heat.count("figure slower-1"), heat.count("figure faster-2")) == (4, 4)
    assert "Workloads × workers" not in _render(made_up.run(threads=(1,))).text


def test_of_many_cases_those_that_matter_most_are_drawn_and_the_tables_have_all() -> None:
    workloads = [made_up.workload(f"pure_python/number_{number:02}", threaded=True) for number in range(60)]
    run = made_up.run(workloads=workloads, blocks=6, values=4)

    def truth(one: Case, facts: BuildFacts) -> float:
        gains = one.workload.endswith(("07", "42")) and facts.free_threaded
        return 0.02 / (one.threads if gains else 1)

    found = _render(run, made_up.journal(run, truth))

    threads = found.section("threads")
    assert "Drawn are 24 of 60 workloads, those in which builds gain most differently; the table has all." in threads
    assert "Drawn are 100 of 120 cases, the surest differences; the table has all." in found.section("effects")
    assert found.html.count('aria-labelledby="speedup-') == 24
    for name in ("07", "42"):
        assert f"<h4>pure_python/number_{name}" in found.html
    assert all(workload.name in found.section("cases") for workload in workloads)


# -- threads, memory and noise -----------------------------------------------------------------------------------------


def test_the_two_questions_about_threads_are_named_apart() -> None:
    run = made_up.run(workloads=THREADED, measures=EVERYTHING, gauged=True)
    findings = analyse(run, made_up.journal(run, slow=0.5))

    threads = _Page(page.render(findings)).section("threads")

    completion, capacity = threads.split("Capacity: how much work gets done meanwhile?")
    assert completion.startswith("Threads Time to completion: when is the job done?")
    assert "undisturbed turns" in completion
    for speedup in findings.speedups:
        assert f"{speedup.undisturbed} of 96" in completion
    assert "as fast" not in capacity
    assert "undecided" not in capacity
    assert "undisturbed" not in capacity


def test_scaling_laws_are_told_where_enough_numbers_of_threads_were_measured() -> None:
    run = made_up.run(workloads=THREADED[:1], threads=(1, 2, 4, 8), cpus=tuple(range(8)))

    def truth(one: Case, facts: BuildFacts) -> float:
        sigma = 0.05 if facts.free_threaded else 1.0
        return 0.02 * (1 + sigma * (one.threads - 1)) / one.threads

    findings = analyse(run, made_up.journal(run, truth, noise=0.004))
    threads = _Page(page.render(findings)).section("threads")

    assert "Scaling laws: what would more threads bring?" in threads
    assert "Amdahl’s law on 3.13t, 2 to 8 threads: as if 5" in threads
    assert re.search(r"Amdahl’s law on 3.13, 2 to 8 threads: as if (99|100)\.", threads)
    assert "line: the scaling law that was fitted" in threads
    assert "Scaling laws" not in _render(made_up.run(workloads=THREADED[:1])).text


def test_what_is_undecided_is_no_figure() -> None:
    run = made_up.run(workloads=THREADED[:1], gauged=True)
    findings = analyse(run, made_up.journal(run, slow=0.97))

    found = _Page(page.render(findings))

    assert "The time to completion on more threads is undecided on this host now." in " ".join(found.text.split())
    for speedup in findings.speedups:
        assert speedup.effect is not None
        assert f"undecided on this host now: measured {words.times(speedup.effect.ratio)}, disturbed" in found.text
        assert f"{speedup.effect.ratio:.3f}" not in found.section("threads")
    assert "pale and hollow: undecided on this host now" in found.section("threads")
    assert "pale and hollow" not in _render(made_up.run()).text


def test_without_gauges_nothing_is_said_of_turns() -> None:
    assert "undisturbed" not in _render(made_up.run()).section("threads")


def test_memory_has_a_section_and_words_of_its_own() -> None:
    run = made_up.run(workloads=THREADED, measures=EVERYTHING)
    findings = analyse(run, made_up.journal(run))

    found = _Page(page.render(findings))

    memory = found.section("memory")
    assert "Of 4 cases, 3.13t against 3.13: 4 more. All are 20 % more." in memory
    for comparison, peak in zip(findings.memories, findings.peaks[1::2], strict=True):
        assert comparison.judgement is not None
        assert f"{comparison.judgement.effect.ratio:.3f}" in memory
        assert f"{comparison.judgement.low:.3f} – {comparison.judgement.high:.3f} ▲ more" in memory
        assert words.size(peak.process) in memory
        assert words.size(peak.container or 0) in memory
    assert "slower" not in memory
    assert "faster" not in memory
    assert "#memory" in [value for _, name, value in found.attributes if name == "href"]


def test_without_memory_there_is_no_section_of_it() -> None:
    found = _render(made_up.run())

    assert 'id="memory"' not in found.html
    assert "#memory" not in [value for _, name, value in found.attributes if name == "href"]


def test_the_noise_ledger_tells_counts_rules_and_what_became_of_blocks() -> None:
    run = made_up.run()
    lost = made_up.disturbed(5, times=3, rule=Disturbance.CROWDED)

    def happened(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
        found = lost(block, attempt)
        return found if found[1] else made_up.disturbed(3)(block, attempt)

    found = _render(run, made_up.journal(run, happened=happened))

    noise = found.section("noise")
    assert (
        "4 of 51 measurements of blocks were invalid: CPU time stolen (1) and CPUs shared with other work (3). "
        "1 block was measured again and is valid; 1 block was never valid and is left out."
    ) in noise
    assert "CPU time stolen the hypervisor took more than 5 % of the CPU time of its CPUs 1" in noise
    assert "throttled a worker’s container was throttled –" in noise
    assert "frequency not readable here temperature not readable here containers of others none" in noise
    assert (
        "3 pure_python/cpu_bound CPU time stolen 20.0 % 1.0 % measured again" not in noise
    )  # block 3 is scraping/parse
    assert "3 scraping/parse CPU time stolen 20.0 % 1.0 % measured again" in noise
    assert "5 numpy/inverse CPUs shared with other work 20.0 % 1.0 % never valid" in noise
    assert "One block was disturbed whenever measured" in found.text.split("at a glance")[0]


def test_a_quiet_run_has_the_rules_and_no_invalid_measurement() -> None:
    noise = _render(made_up.run()).section("noise")

    assert "None of 48 measurements of blocks broke a rule." in noise
    assert "Every invalid measurement" not in noise
    assert "× invalid" not in noise


def test_noise_floors_stand_beside_their_cases() -> None:
    run = made_up.run(workloads=THREADED, noise_floor=0.3)

    with_floor, without = _render(run), _render(made_up.run(workloads=THREADED))

    assert "undecided ‡" in with_floor.section("cases")
    assert "30.0 %" in with_floor.section("cases")
    assert "‡ below the noise floor: the interval excludes 1" in with_floor.section("cases")
    assert "Below their floors, although the interval excludes 1, are pure_python/" in with_floor.section("noise")
    assert "noise floor" not in without.section("cases")
    assert "./inv aa compares a build with itself" in without.section("noise")


def test_a_build_against_itself_shows_the_noise_of_every_case() -> None:
    same = (made_up.build("3.13", image="sha256:1"), made_up.build("3.13#2", image="sha256:1"))
    run = made_up.run(same, workloads=THREADED, measures=(Measure.TIME, Measure.MEMORY), blocks=16)
    findings = analyse(run, made_up.journal(run))

    noise = _Page(page.render(findings)).section("noise")

    assert "3.13#2 is 3.13: what this host’s noise looks like Of 8 comparisons of 8 blocks each, " in noise
    assert "3.13#2 is 3.13: what this host’s noise looks like in memory Of 8 comparisons of 8 blocks each, " in noise
    for case in (case for alarms in findings.false_alarms for case in alarms.cases):
        assert f"{case.case.workload} {case.case.threads} {words.share(case.noise)} 2 {case.called}" in noise


def test_the_values_of_a_worker_come_with_their_reasons() -> None:
    run = made_up.run(workloads=THREADED)
    depth = Depth(
        cases=run.plan.blocks[0].group, values=32, within=0.0009, between=-1e-5, block_seconds=0.8, value_seconds=0.1
    )

    outcomes = _render(run, (*made_up.journal(run), depth)).section("outcomes")

    assert "From the first look on, a worker was to measure 32 values instead of 12 in 1 workload: " in outcomes
    assert "pure_python/cpu_bound time 12 32 3.0 % none seen 800 ms 100 ms" in outcomes
    assert "Values per worker" not in _render(made_up.run()).html


SAME = (made_up.build("3.13", image="sha256:1"), made_up.build("3.13#2", image="sha256:1"))


@pytest.mark.parametrize("measures", [EVERYTHING, *((measure,) for measure in Measure)])
@pytest.mark.parametrize("builds", [made_up.PAIR, made_up.PAIR[:1], (*SAME, made_up.build("3.13t"))])
@pytest.mark.parametrize(("blocks", "slow"), [(0, 0.0), (1, 0.5), (8, 1.0)])
def test_a_page_can_be_made_of_whatever_was_measured(
    measures: tuple[Measure, ...], builds: tuple[BuildFacts, ...], blocks: int, slow: float
) -> None:
    run = made_up.run(builds, workloads=THREADED[:1], measures=measures, gauged=True, noise_floor=0.004)
    recorded = range(blocks * len(measures))
    findings = analyse(run, made_up.journal(run, blocks=recorded, slow=slow, happened=made_up.disturbed(0, times=3)))

    found = _Page(page.render(findings))

    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _, name, value in found.attributes if name == "href" and value.startswith("#")} <= set(ids)
    assert found.tags.count("h1") == 1
    assert summary.text(findings)
    assert json.dumps(summary.data(findings), allow_nan=False)


def test_whatever_a_run_of_everything_contains_is_text() -> None:
    builds = (made_up.build("3.13", image="same"), made_up.build(f"3.13{HOSTILE}", free_threaded=False, image="same"))
    run = made_up.run(
        builds,
        workloads=(made_up.workload(f"pure_python/{HOSTILE}", threaded=True),),
        measures=EVERYTHING,
        gauged=True,
        noise_floor=0.3,
    )
    depth = Depth(
        cases=run.plan.blocks[0].group, values=32, within=0.0009, between=0.0, block_seconds=0.8, value_seconds=0.1
    )
    journal = made_up.journal(run, slow=0.97, happened=made_up.disturbed(3, times=3))

    found = _render(run, (*journal, depth))

    assert found.tags.count("script") == 1, "our own, which sorts tables"
    assert "img" not in found.tags
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    for section in ("threads", "memory", "samples", "noise", "outcomes"):
        assert " ".join(HOSTILE.split()) in found.section(section)
