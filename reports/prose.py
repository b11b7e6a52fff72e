"""Findings in words.  Every sentence is computed; none is chosen because it sounds good.

"24 % slower" is 1.24 times the baseline's time; "24 % faster" means that the baseline takes 1.24 times as long.  From a
factor of 1.5 on it is written as a factor: "1.6× faster".
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import assert_never

from harness.journal import Stop
from harness.model import BuildFacts, Isolation, Measure, cpu_list
from harness.stats import Effect, Judgement, Verdict
from reports.findings import MARGIN, Comparison, Findings, Parity, Precision, Speedup

_FACTOR = 1.5
"""From here on a change is written as a factor."""


# -- numbers -----------------------------------------------------------------------------------------------------------


def change(ratio: float, *, precise: bool = False) -> str:
    """A ratio of times in words: 1.24 is "24 % slower", 0.5 is "2.00× faster", 1 is "the same"."""
    factor = max(ratio, 1 / ratio)
    amount = _amount(factor, as_factor=factor >= _FACTOR, precise=precise)
    return f"{amount} {'slower' if ratio > 1 else 'faster'}" if _shows(amount) else "no different"


def between(low: float, high: float, *, precise: bool = False) -> str:
    """An interval of ratios in words: "22 % to 26 %", or "2 % faster to 3 % slower" where it includes 1."""
    if math.isnan(low):
        return "unknown"
    if low <= 1 <= high:
        return f"{change(low, precise=precise)} to {change(high, precise=precise)}".replace("no different", "0 %")
    ends = sorted(max(end, 1 / end) for end in (low, high))
    as_factor = math.sqrt(ends[0] * ends[1]) >= _FACTOR
    near, far = (_amount(end, as_factor=as_factor, precise=precise) for end in ends)
    return f"{near} to {far}"


def change_of(effect: Effect) -> str:
    """The change that an effect is, as precise as its interval is narrow."""
    return change(effect.ratio, precise=_is_precise(effect))


def ends(effect: Effect) -> str:
    """The interval of an effect in words, without its name."""
    return between(effect.low, effect.high, precise=_is_precise(effect))


def interval(effect: Effect) -> str:
    """The interval of an effect in words."""
    return "one block, so no interval" if math.isnan(effect.low) else f"95 % interval {ends(effect)}"


def times(factor: float) -> str:
    """A speedup: "1.93×"."""
    return f"{factor:.2f}×"


def seconds(value: float) -> str:
    """A duration with three significant digits and the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{_three_digits(value / 1e-9)} ns"


def duration(value: float) -> str:
    """A long time: "2 min 40 s"."""
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def size(value: float) -> str:
    """A number of bytes, in the unit that suits it."""
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20)):
        if value >= bytes_:
            return f"{_three_digits(value / bytes_)} {unit}"
    return f"{_three_digits(value / 2**10)} KiB"


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 block", "2 blocks"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _amount(factor: float, *, as_factor: bool, precise: bool) -> str:
    return times(factor) if as_factor else f"{(factor - 1) * 100:.{int(precise)}f} %"


def _is_precise(effect: Effect) -> bool:
    """Whole per cents would hide a narrow interval."""
    return not math.isnan(effect.low) and effect.half_width < 0.015


def _shows(amount: str) -> bool:
    """Whether anything is left of it after rounding."""
    return any(digit in amount for digit in "123456789")


def _three_digits(value: float) -> str:
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


# -- builds and the machine --------------------------------------------------------------------------------------------


def kind(facts: BuildFacts) -> str:
    """What a build is: "free-threaded CPython 3.13.5"."""
    return f"free-threaded CPython {facts.release}" if facts.free_threaded else f"CPython {facts.release} with the GIL"


def place(facts: BuildFacts) -> str:
    """Where a build was measured."""
    match facts.isolation:
        case Isolation.CONTAINER:
            return "in a container"
        case Isolation.NONE:
            return "on the host"
        case _:
            assert_never(facts.isolation)


def _processor(findings: Findings) -> str:
    """The CPU model without what its maker's marketing added."""
    model = re.sub(
        r"\((R|TM)\)|\bCPU\b|\bProcessor\b|\b\d+-Core\b|@.*", " ", findings.run.host.cpu_model, flags=re.IGNORECASE
    )
    return " ".join(model.split())


def hardware(findings: Findings, cpus: tuple[int, ...]) -> str:
    """A place to begin a sentence with: "On 2 CPUs of an AMD EPYC 7763"."""
    model = _processor(findings) or "unknown processor"
    article = "an" if model[0] in "AEIOUaeiou" else "a"
    return f"On {count(len(cpus), 'CPU')} of {article} {model}"


# -- beside charts and tables ------------------------------------------------------------------------------------------


def effects_sentence(findings: Findings) -> str:
    """What to see in the chart of effects."""
    return " ".join(_effects(findings, build) for build in findings.contenders)


def _effects(findings: Findings, build: str) -> str:
    cases = [c for c in findings.comparisons if c.build == build]
    judged = [c for c in cases if c.judgement]
    if not judged:
        return f"No case of {build} has a figure."
    tally = Counter(c.verdict for c in judged)
    verdicts = listed([f"{tally[v]} {'the ' * (v is Verdict.SAME)}{v}" for v in Verdict if tally[v]])
    nothing = f"; {len(cases) - len(judged)} without a figure" if len(judged) < len(cases) else ""
    return (
        f"Of {count(len(cases), 'case')}, {build} against {findings.baseline}: {verdicts}{nothing}. {_extremes(judged)}"
    )


def _extremes(judged: Iterable[Comparison]) -> str:
    ranked = sorted(((c.judgement.effect.ratio, c) for c in judged if c.judgement), key=lambda pair: pair[0])
    (low, fastest), (high, slowest) = ranked[0], ranked[-1]
    if fastest is slowest:
        return f"{_place(fastest)} is {change(low)}."
    return f"They range from {change(low)} ({_place(fastest)}) to {change(high)} ({_place(slowest)})."


def _place(comparison: Comparison) -> str:
    return f"{comparison.case.workload}, {count(comparison.case.threads, 'thread')}"


def speedup_sentence(speedups: Sequence[Speedup]) -> str:
    """What to see in the chart of one workload: each build on the most threads that were measured."""
    most = max(s.case.threads for s in speedups)
    last = [s for s in speedups if s.case.threads == most]
    done = "Work gets done on" if last[0].case.measure is Measure.CAPACITY else "On"
    opening = f"{done} {most} threads instead of {last[0].base.threads}"
    effects = [s.effect for s in last if s.effect]
    if not effects:
        return f"{opening}: not measured."
    gains = [gain(s, s.effect) if s.effect else f"not measured on {s.build}" for s in last]
    return f"{opening}: {listed(gains)} ({gain_intervals(effects)})."


def finding(judgement: Judgement) -> str:
    """A judgement in one or two words."""
    match judgement.verdict:
        case Verdict.FASTER | Verdict.SLOWER:
            return change_of(judgement.effect)
        case Verdict.SAME:
            return "the same"
        case Verdict.UNDECIDED:
            return "undecided"
        case _:
            assert_never(judgement.verdict)


def blocks_sentence(effects: Sequence[Effect], reach: float) -> str:
    """What to see in the dots: how much blocks of one case differ."""
    if not effects:
        return ""
    deviations = sorted(effect.sd for effect in effects if not math.isnan(effect.sd))
    scale = f"each strip reaches {math.expm1(reach) * 100:.1f} % above and below its case’s effect"
    if not deviations:
        return f"Each case has one block; {scale}."
    middle = deviations[len(deviations) // 2]
    return (
        f"Blocks of one case differ with a standard deviation of {middle * 100:.1f} % in the middle case and "
        f"{deviations[-1] * 100:.1f} % in the worst; {scale}."
    )


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
        share = f"{coverage.efficiency * 100:.0f} % of {duration(coverage.wall_seconds)}"
        sentence += f" Workers were alive for {share}; the rest is the harness."
    return sentence


def precision_sentences(findings: Findings) -> tuple[str, ...]:
    """How many workloads are as precisely known as was asked for, and what each of the others would take."""
    target = findings.run.plan.target
    if target is None:
        return ()
    groups = {block.group for block in findings.run.plan.blocks}
    reached = [p for p in findings.precisions if p.half_width is not None and p.half_width <= target]
    counts = sorted({p.blocks for p in reached})
    after = f", after {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} blocks" if counts else ""
    several = len(findings.cpu_sets) > 1
    what = count(len(groups), "workload")
    if several or any(case.measure is Measure.CAPACITY for case in findings.run.plan.cases):
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


def plus_minus(half_width: float) -> str:
    """A half-width: "±5 %", or "±5.3 %"; rounded up, so that what is too wide never looks narrow enough."""
    return f"±{math.ceil(round(half_width * 1000, 6)) / 10:g} %"


def parity_sentence(pair: Parity) -> str:
    """How alike a build and the baseline are."""
    if not pair.compared:
        return f"{pair.build} and {pair.baseline} are one and the same build."
    if not pair.differences:
        return f"{pair.build} and {pair.baseline} differ in {pair.compared} and, as far as is known, in nothing else."
    return confounded(pair)


def gain(speedup: Speedup, effect: Effect) -> str:
    """What threads bring to one build, as a predicate."""
    where = f"on {speedup.build}"
    if effect.low <= 1 <= effect.high:
        known = "no faster" if effect.high <= 1 + MARGIN else "not known to be faster"
        return f"{known} {where} ({times(effect.ratio)})"
    return f"{times(effect.ratio)} as fast {where}"


def gain_intervals(effects: Sequence[Effect]) -> str:
    """How sure several gains are, in their order."""
    spans = [f"{times(effect.low)} to {times(effect.high)}" for effect in effects if not math.isnan(effect.low)]
    return f"95 % interval{'s' * (len(spans) > 1)} {listed(spans)}" if spans else "one block, so no interval"


def confounded(pair: Parity) -> str:
    """Why a comparison is about more than it seems to be."""
    besides = f"not only in {pair.compared} but also in {listed([d.what for d in pair.differences])}"
    return f"Confounded: {pair.build} and {pair.baseline} differ {besides}."
