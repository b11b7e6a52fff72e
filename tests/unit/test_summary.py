"""The findings as text for a terminal and as data for --json."""

from __future__ import annotations

import json

import msgspec

from harness.journal import Reason, Settled, Stop
from reports import prose, summary
from reports.analysis import analyse
from reports.findings import Findings, case_name
from tests import made_up


def test_the_text_has_reservations_verdict_and_every_case() -> None:
    run = made_up.run(warnings=("3.14 could not be had here.",))
    failure = made_up.failure(run, "numpy/inverse", "3.13t", Reason.GIL_ENABLED)
    findings = analyse(run, made_up.journal(run, failures=[failure]))

    text = summary.text(findings)

    begin = "! 3.14 could not be had here.\n! 8 of 160 planned samples failed: GIL enabled.\n\nOn 2 CPUs of"
    assert text.startswith(begin)
    rows = [line.split() for line in text.splitlines()]
    for comparison in findings.comparisons[:-1]:
        judgement = comparison.judgement
        assert judgement is not None
        figures = f"{judgement.effect.ratio:.3f} {judgement.low:.3f} – {judgement.high:.3f} {judgement.verdict}"
        assert f"{case_name(comparison.case, with_cpus=False)} {figures} 8 of 8".split() in rows
    assert ["numpy/inverse,", "1", "thread", "no", "figure", "0", "of", "8"] in rows
    assert max(map(len, text.splitlines())) <= 100


def test_the_text_of_one_build_has_its_speedups() -> None:
    run = made_up.run((made_up.build("3.13t"),))
    findings = analyse(run, made_up.journal(run))

    rows = [line.split() for line in summary.text(findings).splitlines()]

    for speedup in findings.speedups:
        effect = speedup.effect
        assert effect is not None
        figures = f"{effect.ratio:.3f} {effect.low:.3f} – {effect.high:.3f}"
        assert f"{case_name(speedup.case, with_cpus=False)} 3.13t {figures}".split() in rows


def test_the_text_sends_no_control_characters_to_the_terminal() -> None:
    run = made_up.run(warnings=("\x1b[2J\x1b]0;owned\x07 be careful\r",))

    assert all(letter.isprintable() or letter == "\n" for letter in summary.text(analyse(run, made_up.journal(run))))


def test_the_data_is_json_and_has_every_comparison() -> None:
    run = made_up.run()
    findings = analyse(run, made_up.journal(run))

    data = json.loads(json.dumps(summary.data(findings), allow_nan=False))

    assert data["schema"] == 1
    assert data["command"] == run.command
    assert [comparison["case"] for comparison in data["comparisons"]] == [case.id for case in run.plan.cases]
    first = data["comparisons"][0]
    assert first["verdict"] == "slower"
    assert first["low"] < first["ratio"] < first["high"]
    assert data["samples"] == data["planned_samples"] == 160
    assert data["parity"] == [{"build": "3.13t", "baseline": "3.13", "compared": "free threading", "confounded_by": []}]
    assert [speedup["build"] for speedup in data["speedups"][:2]] == ["3.13", "3.13t"]


def test_what_is_unknown_is_null() -> None:
    run = made_up.run(blocks=1)

    one_block = json.loads(json.dumps(summary.data(analyse(run, made_up.journal(run))), allow_nan=False))
    nothing = json.loads(json.dumps(summary.data(analyse(run, ())), allow_nan=False))

    assert one_block["comparisons"][0]["low"] is None
    assert one_block["comparisons"][0]["ratio"] > 1
    assert nothing["comparisons"][0]["ratio"] is None
    assert nothing["efficiency"] is None


def _stopped() -> Findings:
    """A run of which one workload is short of its target and one has nothing to compare."""
    run = made_up.run(blocks=16)
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05, budget_seconds=600))
    ends = {"pure_python/cpu_bound": (0.1234, Stop.BUDGET), "numpy/inverse": (None, Stop.NOTHING)}
    settled = (
        Settled(cases=group, blocks=8, half_width=half_width, reason=reason)
        for workload, group in {block.workload: block.group for block in run.plan.blocks}.items()
        for half_width, reason in [ends.get(workload, (0.05, Stop.TARGET))]
    )
    failure = made_up.failure(run, "numpy/inverse", "3.13t", Reason.CRASHED)
    journal = made_up.journal(run, noise=0.3, failures=[failure], blocks=range(48))
    return analyse(run, (*journal, *settled))


def test_the_text_says_what_is_short_of_its_target_and_what_it_would_take() -> None:
    findings = _stopped()
    text = " ".join(summary.text(findings).split())
    (short,) = [p for p in findings.precisions if p.reason is Stop.BUDGET]

    assert "4 of 6 workloads reached the target of this run, intervals of ±5 %, after 8 blocks." in text
    assert (
        "pure_python/cpu_bound: ±12.4 % after 8 blocks, when the budget was used; "
        f"±5 % would take about {short.needed} in all, {prose.duration(short.seconds or 0)} more."
    ) in text
    assert "numpy/inverse: nothing to compare after 8 blocks." in text
    assert "not executed" not in text


def test_the_text_of_a_fixed_number_of_blocks_has_no_target() -> None:
    run = made_up.run()

    assert "target" not in summary.text(analyse(run, made_up.journal(run)))


def test_the_data_has_target_level_and_what_each_workload_would_take() -> None:
    findings = _stopped()

    data = json.loads(json.dumps(summary.data(findings), allow_nan=False))

    assert (data["target"], data["confidence"]) == (0.05, 0.95)
    assert data["level"] == findings.level > 0.95
    (short,) = [one for one in data["precisions"] if one["reason"] == "budget used"]
    assert (short["workload"], short["cpus"], short["blocks"], short["half_width"]) == (
        "pure_python/cpu_bound",
        "0-1",
        8,
        0.1234,
    )
    assert short["needed_blocks"] > 8
    assert short["needed_seconds"] > 0
    assert data["comparisons"][0]["half_width"] > 0
