"""Evidence in words: what became of the plan, how precisely things are known, and what else happened on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from harness.journal import Disturbance, Stop
from harness.model import Measure, cpu_list
from harness.validity import READ_PAGES, STOLEN_SHARE, WAITED_SHARE
from reports.evidence import Precision, Share
from reports.findings import Findings
from reports.words import count, duration, listed, plus_minus, share, span

UNREADABLE = "not readable here"

RULES = {
    Disturbance.THROTTLED: "a worker’s container was throttled",
    Disturbance.STOLEN: f"the hypervisor took more than {STOLEN_SHARE * 100:g} % of the CPU time of its CPUs",
    Disturbance.CROWDED: (
        f"a worker with no more threads than CPUs waited for one longer than {WAITED_SHARE * 100:g} % of the time "
        "that it would have taken otherwise"
    ),
    Disturbance.SWAPPED: (
        f"part of a worker was swapped out, or more than {READ_PAGES} of its pages had to be read from a disk"
    ),
}
"""When a rule makes a block invalid."""


# -- the plan ----------------------------------------------------------------------------------------------------------


def outcomes_sentence(findings: Findings) -> str:
    """How much of the plan has become data, and how much of the time was measuring."""
    coverage = findings.coverage
    if coverage.samples == coverage.planned_samples:
        sentence = (
            f"Nothing failed: all {coverage.samples} planned samples of {count(coverage.blocks, 'block')} are valid."
        )
    else:
        samples = f"{coverage.samples} of {count(coverage.planned_samples, 'planned sample')}"
        sentence = f"The run has {samples}, from {coverage.blocks} of {count(coverage.planned_blocks, 'block')}."
    if coverage.efficiency is not None:
        part = f"{coverage.efficiency * 100:.0f} % of {duration(coverage.wall_seconds)}"
        sentence += f" Workers were alive for {part}; {(coverage.timed or 0.0) * 100:.0f} % were timed."
    return sentence


# -- precision ---------------------------------------------------------------------------------------------------------


def precision_sentences(findings: Findings) -> tuple[str, ...]:
    """How many workloads are as precisely known as was asked for, and what each of the others would take."""
    target = findings.run.plan.target
    if target is None:
        return ()
    groups = {block.group for block in findings.run.plan.blocks}
    reached = [p for p in findings.precisions if p.half_width is not None and p.half_width <= target]
    after = f", after {span([p.blocks for p in reached])} blocks" if reached else ""
    several = len(findings.cpu_sets) > 1
    what = count(len(groups), "workload")
    if several or any(case.measure is not Measure.TIME for case in findings.run.plan.cases):
        what += ", counted once for each CPU set and measure,"
    few = f"All {what}" if len(reached) == len(groups) > 1 else f"{len(reached)} of {what}"
    summary = f"{few} reached the target of this run, intervals of {plus_minus(target)}{after}."
    return summary, *(_short(p, target, several) for p in findings.precisions if p not in reached)


def _short(precision: Precision, target: float, several: bool) -> str:
    question = f", {precision.measure}" * (precision.measure is not Measure.TIME)
    where = f"{precision.workload}{question}" + (f" on CPUs {cpu_list(precision.cpus)}" if several else "")
    blocks = count(precision.blocks, "block")
    match precision.reason:
        case Stop.NOTHING:
            return f"{where}: nothing to compare after {blocks}."
        case Stop.TARGET:
            why = ""  # never: such a group has reached it
        case Stop.DECIDED:
            return f"{where}: what was to be decided was, after {blocks}."
        case Stop.BUDGET:
            why = ", when the budget was used"
        case Stop.CAP:
            why = ", the most that this profile has"
        case _:
            assert_never(precision.reason)
    known = "no interval" if precision.half_width is None else plus_minus(precision.half_width)
    sentence = f"{where}: {known} after {blocks}{why}"
    if precision.needed is None or precision.seconds is None:
        return f"{sentence}."
    needed = f"about {precision.needed} in all, {duration(precision.seconds)} more"
    return f"{sentence}; {plus_minus(target)} would take {needed}."


def values_sentence(findings: Findings) -> str:
    """How many values workers measured, where that was settled at the first look."""
    if not findings.deepenings:
        return ""
    planned, values = ([getattr(d, name) for d in findings.deepenings] for name in ("planned", "values"))
    return (
        f"From the first look on, a worker was to measure {span(values)} values instead of {span(planned)} in "
        f"{count(len(findings.deepenings), 'workload')}: as many as tell most in the time that values and blocks take, "
        "seen how much the pairs of a block differ, and how much blocks do (Kalibera and Jones, 2013)."
    )


# -- noise -------------------------------------------------------------------------------------------------------------


def noise_sentence(findings: Findings) -> str:
    """How many measurements of blocks were invalid, by which rule, and what became of the blocks."""
    ledger = findings.ledger
    measurements = count(len(ledger.blocks), "measurement")
    if not ledger.blocks:
        return "Nothing was measured."
    if not ledger.invalid:
        return f"None of {measurements} of blocks broke a rule."
    rules = listed([f"{rule} ({number})" for rule, number in ledger.broken.items() if number])
    fates = [
        f"{count(number, 'block')} {verb}"
        for number, verb in (
            (ledger.remeasured, f"{_was(ledger.remeasured)} measured again and {_is(ledger.remeasured)} valid"),
            (len(ledger.lost), f"{_was(len(ledger.lost))} never valid and {_is(len(ledger.lost))} left out"),
        )
        if number
    ]
    fate = f" {'; '.join(fates)}." if fates else ""
    return f"{ledger.invalid} of {measurements} of blocks {_was(ledger.invalid)} invalid: {rules}.{fate}"


def noise_facts(findings: Findings) -> Iterator[tuple[str, str]]:
    """What was counted beside the blocks, name and value."""
    ledger = findings.ledger
    yield "stolen by the hypervisor", _share_of_time(ledger.stolen)
    yield "used by others", _share_of_time(ledger.others)
    yield "load", UNREADABLE if ledger.load is None else f"at most {ledger.load:.2f}, workers and all, over a minute"
    yield "frequency", UNREADABLE if ledger.megahertz is None else _frequency(*ledger.megahertz)
    yield "temperature", UNREADABLE if ledger.celsius is None else f"at most {ledger.celsius:.0f} °C"
    yield "containers of others", UNREADABLE if ledger.containers is None else _at_most(ledger.containers)


def _share_of_time(part: Share | None) -> str:
    if part is None:
        return UNREADABLE
    return f"{share(part.overall)} of the CPU time, in the worst block {share(part.highest)}"


def _frequency(low: float, high: float) -> str:
    return f"{span([round(low), round(high)])} MHz, means of a block’s CPUs"


def _at_most(number: int) -> str:
    return f"at most {number} at once" if number else "none"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
