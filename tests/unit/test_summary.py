"""The findings as text for a terminal and as data for --json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.journal import Depth, Disturbance, Reason, Settled, Stop
from harness.model import Measure, Placement
from reports import summary, words
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


def test_a_case_whose_threads_were_placed_freely_says_so() -> None:
    case = made_up.case("mixed/hybrid", 2, (0, 1))
    free = msgspec.structs.replace(case, placement=Placement.FREE)

    assert case_name(case, with_cpus=True) == "mixed/hybrid, 2 threads, CPUs 0-1"
    assert case_name(free, with_cpus=True) == "mixed/hybrid, 2 threads, placed freely, CPUs 0-1"


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


def test_every_field_of_the_data_is_documented() -> None:
    run = made_up.run()
    formats = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()

    assert not [field for field in summary.data(analyse(run, ())) if f"`{field}`" not in formats]


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
        f"±5 % would take about {short.needed} in all, {words.duration(short.seconds or 0)} more."
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


# -- threads, memory and noise -----------------------------------------------------------------------------------------

EVERYTHING = (Measure.TIME, Measure.CAPACITY, Measure.MEMORY)
THREADED = made_up.WORKLOADS[:2]


def _data(findings: Findings) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(summary.data(findings), allow_nan=False))
    return data


def _rows(findings: Findings) -> list[list[str]]:
    return [line.split() for line in summary.text(findings).splitlines()]


def test_the_two_questions_about_threads_have_tables_of_their_own() -> None:
    run = made_up.run(workloads=THREADED, measures=EVERYTHING, gauged=True)
    findings = analyse(run, made_up.journal(run, slow=0.5))
    text = summary.text(findings)

    completion, capacity = text.index("\nTime to completion: how many times"), text.index("\nCapacity: how many times")
    assert completion < capacity
    for speedup in findings.speedups:
        assert speedup.effect is not None
        figures = f"{speedup.effect.ratio:.3f} {speedup.effect.low:.3f} – {speedup.effect.high:.3f}"
        turns = f"{speedup.undisturbed} of 96 turns"
        assert f"{case_name(speedup.case, with_cpus=False)} {speedup.build} {figures} {turns}".split() in _rows(
            findings
        )


@pytest.mark.parametrize("slow", [0.97, 1.0])
def test_what_is_undecided_has_no_speedup(slow: float) -> None:
    run = made_up.run(workloads=THREADED[:1], gauged=True)
    findings = analyse(run, made_up.journal(run, slow=slow))
    speedup = findings.speedups[1]
    raw = f"measured {words.times(speedup.effect.ratio)}, disturbed" if speedup.effect else ""

    (entry,) = [one for one in _data(findings)["speedups"] if one["build"] == "3.13t"]

    row = f"pure_python/cpu_bound, 2 threads 3.13t undecided {raw} {speedup.undisturbed} of 96 turns"
    assert row.split() in _rows(findings)
    assert (entry["speedup"], entry["low"], entry["high"], entry["decided"]) == (None, None, None, False)
    assert entry["measured"] == (speedup.effect.ratio if speedup.effect else None)
    assert (entry["turns"], entry["undisturbed_turns"]) == (96, speedup.undisturbed)


def test_without_gauges_nobody_knows_which_turns_were_undisturbed() -> None:
    run = made_up.run(workloads=THREADED[:1])
    findings = analyse(run, made_up.journal(run))

    assert {one["undisturbed_turns"] for one in _data(findings)["speedups"]} == {None}
    assert "turns" not in summary.text(findings)


def test_memory_is_told_in_bytes_and_in_words_of_its_own() -> None:
    run = made_up.run(workloads=THREADED, measures=(Measure.MEMORY,))
    findings = analyse(run, made_up.journal(run))

    text, data = summary.text(findings), _data(findings)

    first, comparison = data["memories"][0], findings.memories[0]
    assert comparison.judgement is not None
    assert first["verdict"] == "more"
    assert first["bytes"] / first["baseline_bytes"] == pytest.approx(1.2, rel=0.01)
    assert first["baseline_bytes"] == pytest.approx(20 * 2**20, rel=0.01)
    assert first["container"]["baseline_bytes"] == pytest.approx(5 * 2**20, rel=0.02)
    assert (first["container"]["verdict"], first["container"]["ratio"]) == ("more", pytest.approx(1.8, rel=0.01))
    assert [peak["process_bytes"] for peak in data["peaks"][:2]] == [first["baseline_bytes"], first["bytes"]]
    assert {suite["verdict"] for suite in data["memory_suites"]} == {"more"}
    judgement = comparison.judgement
    figures = f"{judgement.effect.ratio:.3f} {judgement.low:.3f} – {judgement.high:.3f} more 8 of 8"
    assert f"{case_name(comparison.case, with_cpus=False)} {figures}".split() in _rows(findings)
    assert "Peak memory of a process relative to 3.13, below 1 is less:" in text
    for word in ("slower", "faster"):
        assert word not in text + json.dumps(data)


def test_memory_without_containers_and_without_a_side_is_unknown() -> None:
    run = made_up.run(workloads=THREADED[:1], threads=(1,), measures=(Measure.MEMORY,))
    failure = made_up.failure(run, THREADED[0].name, "3.13t", Reason.CRASHED, measure=Measure.MEMORY)

    (entry,) = _data(analyse(run, made_up.journal(run, failures=[failure])))["memories"]

    assert (entry["ratio"], entry["verdict"], entry["bytes"], entry["container"]) == (None, None, None, None)
    assert entry["baseline_bytes"] > 0


def test_what_was_invalid_is_told_and_what_was_not_is_silent() -> None:
    run = made_up.run()
    quiet = analyse(run, made_up.journal(run))
    disturbed = analyse(run, made_up.journal(run, happened=made_up.disturbed(3, 7)))
    lost = analyse(run, made_up.journal(run, happened=made_up.disturbed(3, times=3)))

    assert "measurements of blocks" not in summary.text(quiet)
    assert "2 of 50 measurements of blocks were invalid: CPU time stolen (2)." in _flat(disturbed)
    assert "! One block was disturbed whenever measured, and left out" in _flat(lost)
    noise = _data(disturbed)["noise"]
    assert (noise["measurements"], noise["invalid"], noise["remeasured_blocks"], noise["lost_blocks"]) == (50, 2, 2, [])
    assert {rule["rule"]: rule["invalid"] for rule in noise["rules"]} == {
        rule.value: 2 * (rule is Disturbance.STOLEN) for rule in Disturbance
    }
    assert noise["stolen"] == {"overall": pytest.approx(0.2 * 2 / 50), "highest": pytest.approx(0.2)}
    assert (noise["celsius"], noise["megahertz"], noise["containers"]) == (None, None, 0)
    invalid = [block for block in noise["blocks"] if block["invalid"]]
    assert [(block["block"], block["invalid"]) for block in invalid] == [
        (3, ["CPU time stolen"]),
        (7, ["CPU time stolen"]),
    ]
    assert _data(lost)["noise"]["lost_blocks"] == [3]


def _flat(findings: Findings) -> str:
    return " ".join(summary.text(findings).split())


def test_a_difference_below_the_noise_floor_says_so() -> None:
    run = made_up.run(workloads=THREADED[:1], threads=(1,), noise_floor=0.3)
    findings = analyse(run, made_up.journal(run))

    (entry,) = _data(findings)["comparisons"]

    assert (entry["noise_floor"], entry["below_noise_floor"], entry["verdict"]) == (0.3, True, "undecided")
    assert "undecided, below the noise floor" in summary.text(findings)
    assert "Below its floor, although the interval excludes 1, is pure_python/cpu_bound, 1 thread" in _flat(findings)
    run = made_up.run(workloads=THREADED[:1], threads=(1,))
    (entry,) = _data(analyse(run, made_up.journal(run)))["comparisons"]
    assert (entry["noise_floor"], entry["below_noise_floor"], entry["verdict"]) == (None, False, "slower")


def test_a_build_against_itself_has_its_false_alarms() -> None:
    same = (made_up.build("3.13", image="sha256:1"), made_up.build("3.13#2", image="sha256:1"))
    run = made_up.run(same, workloads=THREADED, blocks=16)
    findings = analyse(run, made_up.journal(run))

    (entry,) = _data(findings)["false_alarms"]

    assert (entry["build"], entry["measure"], entry["blocks"], entry["comparisons"]) == ("3.13#2", "time", 8, 8)
    assert entry["share"] == entry["called_different"] / 8
    assert entry["low"] <= entry["share"] <= entry["high"]
    noises = [c.judgement.effect.size for c in findings.comparisons if c.judgement]
    assert [case["noise"] for case in entry["cases"]] == noises


def test_the_values_of_a_worker_come_with_their_reasons() -> None:
    run = made_up.run(workloads=THREADED)
    depth = Depth(
        cases=run.plan.blocks[0].group, values=32, within=0.0009, between=0.0004, block_seconds=0.8, value_seconds=0.1
    )

    data = _data(analyse(run, (*made_up.journal(run), depth)))

    assert data["values_per_worker"] == [
        {
            "workload": "pure_python/cpu_bound",
            "measure": "time",
            "cpus": "0-1",
            "planned_values": 12,
            "values": 32,
            "deviation_within_blocks": pytest.approx(0.03),
            "deviation_between_blocks": pytest.approx(0.02),
            "block_seconds": 0.8,
            "value_seconds": 0.1,
        }
    ]


def test_no_number_is_parted_from_its_unit_at_the_end_of_a_line() -> None:
    run = made_up.run(measures=EVERYTHING, noise_floor=0.004)

    lines = summary.text(analyse(run, made_up.journal(run))).splitlines()

    assert not [line for line in lines if line.lstrip().startswith("%")]
    assert "\N{NO-BREAK SPACE}" not in "".join(lines)
    assert max(map(len, lines)) <= 100
