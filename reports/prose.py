"""Findings in words.  Every sentence is computed; none is chosen because it sounds good."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import assert_never

from harness.model import BuildFacts, Isolation, Measure, Split, Strategy
from harness.stats import Effect, Verdict
from reports.findings import MARGIN, Choice, Comparison, FalseAlarms, Findings, Parity, Speedup, Suite, Way
from reports.words import change, change_of, count, listed, share, sharing, span, times, verdict_on

HERE_NOW = "undecided on this host now"
"""Of a time to completion: gauges found too few turns during which no CPU was slow."""


# -- builds and the machine --------------------------------------------------------------------------------------------


def kind(facts: BuildFacts) -> str:
    """What a build is: "free-threaded CPython 3.13.5"."""
    return f"free-threaded CPython {facts.release}" if facts.free_threaded else f"CPython {facts.release} with the GIL"


def surroundings(facts: BuildFacts) -> str:
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


def parity_sentence(pair: Parity) -> str:
    """How alike a build and the baseline are."""
    if not pair.compared:
        return f"{pair.build} and {pair.baseline} are one and the same build."
    if not pair.differences:
        return f"{pair.build} and {pair.baseline} differ in {pair.compared} and, as far as is known, in nothing else."
    return confounded(pair)


def confounded(pair: Parity) -> str:
    """Why a comparison is about more than it seems to be."""
    besides = f"not only in {pair.compared} but also in {listed([d.what for d in pair.differences])}"
    return f"Confounded: {pair.build} and {pair.baseline} differ {besides}."


# -- builds compared ---------------------------------------------------------------------------------------------------


def effects_sentence(findings: Findings) -> str:
    """What to see in the chart of effects."""
    return " ".join(_effects(findings.comparisons, build, findings.baseline) for build in findings.contenders)


def memory_sentence(findings: Findings) -> str:
    """What to see in the table of memory."""
    return " ".join(_effects(findings.memories, build, findings.baseline) for build in findings.contenders)


def _effects(comparisons: Iterable[Comparison], build: str, baseline: str) -> str:
    cases = [c for c in comparisons if c.build == build]
    judged = [c for c in cases if c.judgement]
    if not judged:
        return f"No case of {build} has a figure."
    tally = Counter(c.verdict for c in judged)
    measure = judged[0].case.measure
    verdicts = [f"{tally[v]} {'the ' * (v is Verdict.SAME)}{verdict_on(measure, v)}" for v in Verdict if tally[v]]
    nothing = f"; {len(cases) - len(judged)} without a figure" if len(judged) < len(cases) else ""
    return (
        f"Of {count(len(cases), 'case')}, {build} against {baseline}: {listed(verdicts)}{nothing}. {_extremes(judged)}"
    )


def _extremes(judged: Iterable[Comparison]) -> str:
    ranked = sorted(((c.judgement.effect.ratio, c) for c in judged if c.judgement), key=lambda pair: pair[0])
    (low, least), (high, most) = ranked[0], ranked[-1]
    measure = least.case.measure
    if least is most:
        return f"{place(least)} is {change(low, measure)}."
    from_, to = change(low, measure), change(high, measure)
    return f"All are {to}." if from_ == to else f"They range from {from_} ({place(least)}) to {to} ({place(most)})."


def place(comparison: Comparison) -> str:
    """A case in a sentence that says which workloads it is about."""
    return f"{comparison.case.workload}, {sharing(comparison.case)}"


def left_out(drawn: int, every: int, what: str, which: str) -> str:
    """What a chart does not show; empty where it shows all."""
    return f"Drawn are {drawn} of {count(every, what)}, {which}; the table has all." if drawn < every else ""


def heat_sentence(comparisons: Sequence[Comparison], build: str) -> str:
    """What to see on the heat map: with how many workers a build is faster, and what more of them turn round."""
    counts = sorted({c.case.threads for c in comparisons})
    told = [f"{_won(c for c in comparisons if c.case.threads == n)} with {count(n, 'worker')}" for n in counts]
    fewest, most = (
        {c.case.workload: c.verdict for c in comparisons if c.case.threads == n} for n in (counts[0], counts[-1])
    )
    turned = sum(verdict is Verdict.SLOWER and most.get(name) is Verdict.FASTER for name, verdict in fewest.items())
    be = "is" if turned == 1 else "are"
    turn = f" {count(turned, 'workload')} {be} slower with {counts[0]} and faster with {counts[-1]}."
    return f"{build} is faster in {'; in '.join(told)}.{turn if turned else ''}"


def _won(comparisons: Iterable[Comparison]) -> str:
    verdicts = [c.verdict for c in comparisons]
    return f"{verdicts.count(Verdict.FASTER)} and slower in {verdicts.count(Verdict.SLOWER)} of {len(verdicts)}"


def finding(suite: Suite) -> str:
    """A judgement in one or two words."""
    match suite.judgement.verdict:
        case Verdict.FASTER | Verdict.SLOWER:
            return change_of(suite.judgement.effect, suite.measure)
        case Verdict.SAME:
            return "the same"
        case Verdict.UNDECIDED:
            return "undecided"
        case _:
            assert_never(suite.judgement.verdict)


def blocks_sentence(effects: Sequence[Effect], reach: float) -> str:
    """What to see in the dots: how much blocks of one case differ."""
    if not effects:
        return ""
    deviations = sorted(effect.sd for effect in effects if not math.isnan(effect.sd))
    scale = f"each strip reaches {share(math.expm1(reach))} above and below its case’s effect"
    if not deviations:
        return f"Each case has one block; {scale}."
    middle = deviations[len(deviations) // 2]
    return (
        f"Blocks of one case differ with a standard deviation of {share(middle)} in the middle case and "
        f"{share(deviations[-1])} in the worst; {scale}."
    )


# -- noise floors and builds compared with themselves ------------------------------------------------------------------


def floors_sentence(findings: Findings) -> str:
    """Whether it is known how much a build differs from itself here, and what that knowledge changed."""
    compared = (*findings.comparisons, *findings.memories)
    if not compared:
        return ""
    cases = {c.case.id: c.noise_floor for c in compared}
    known = sorted(floor for floor in cases.values() if floor)
    if not known and findings.false_alarms:
        return "This run compares a build with itself: what it finds are the noise floors of later runs on this host."
    if not known:
        return (
            "No noise floor is known here: ./inv aa compares a build with itself, and remembers for this host, case by "
            "case, which differences are noise."
        )
    reach = " to ".join(dict.fromkeys((share(known[0]), share(known[-1]))))
    few = f"Noise floors are known for {len(known)} of {count(len(cases), 'case')}, {reach}"
    below = [c for c in compared if c.is_below_floor]
    return (
        f"{few}: by as much a build has differed from itself on this host, and no smaller difference is a finding. "
        f"./inv aa measures them.{_below(below) if below else ''}"
    )


def _below(comparisons: Sequence[Comparison]) -> str:
    """What would be a finding without noise floors."""
    named = [
        f"{place(c)}{', memory' * (c.case.measure is Measure.MEMORY)} ({share(c.judgement.effect.size)})"
        for c in comparisons[:3]
        if c.judgement
    ]
    more = [f"{len(comparisons) - 3} more"] if len(comparisons) > 3 else []
    opening = "its floor" if len(comparisons) == 1 else "their floors"
    be = "is" if len(comparisons) == 1 else "are"
    return f" Below {opening}, although the interval excludes 1, {be} {listed([*named, *more])}."


def alarms_sentence(alarms: FalseAlarms) -> str:
    """How often one build is called different from itself, as a clause; the truth is never."""
    if not alarms.comparisons:
        return f"no case has the {alarms.blocks} blocks that it takes to try how often that looks like a difference"
    called = f"{alarms.called} ({share(alarms.called / alarms.comparisons)})"
    be = "is" if alarms.called == 1 else "are"
    return (
        f"of {count(alarms.comparisons, 'comparison')} of {alarms.blocks} blocks each, {called} {be} called different "
        f"at the nominal 5 % (95 % interval {share(alarms.low)} to {share(alarms.high)})"
    )


# -- threads -----------------------------------------------------------------------------------------------------------


def speedup_sentence(speedups: Sequence[Speedup]) -> str:
    """What to see in the chart of one workload: each build on the most threads that were measured."""
    most = max(s.case.threads for s in speedups)
    last = [s for s in speedups if s.case.threads == most]
    opening = f"On {instead(last[0])}"
    if not any(s.effect or s.turns for s in last):
        return f"{opening}: not measured."
    sure = gain_intervals(last)
    return f"{opening}: {listed([gain(s) for s in last])}{f' ({sure})' if sure else ''}{turns_clause(last)}."


def instead(speedup: Speedup) -> str:
    """What shares the job, and what did before: "2 threads instead of 1", "2 processes instead of 1 thread"."""
    base, case = sharing(speedup.base), sharing(speedup.case)
    alike = speedup.case.strategy is Strategy.THREADS and speedup.case.split is Split.SHARE
    return f"{case} instead of {speedup.base.threads if alike else base}"


def gain(speedup: Speedup) -> str:
    """What threads bring to one build, as a predicate: "1.93× as fast on 3.14t", or of a capacity "1.97× as much"."""
    if not speedup.decided:
        if not speedup.turns:
            return f"not measured on {speedup.build}"
        raw = f"measured {times(speedup.effect.ratio)}, disturbed" if speedup.effect else "every turn was disturbed"
        return f"undecided for {speedup.build} on this host now ({raw})"
    effect, where = speedup.effect, f"on {speedup.build}"
    if effect is None:
        return f"not measured {where}"
    as_, more = ("as much", "more") if speedup.case.measure is Measure.CAPACITY else ("as fast", "faster")
    if effect.low <= 1 <= effect.high or times(effect.ratio) == times(1):
        known = f"no {more}" if effect.high <= 1 + MARGIN else f"not known to be {more}"
        return f"{known} {where} ({times(effect.ratio)})"
    return f"{times(effect.ratio)} {as_} {where}"


def choices(build: str, found: Sequence[Choice]) -> tuple[str, str, str]:
    """What a build does jobs fastest with: a claim, its evidence, and the words of the claim that carry its weight."""
    if len(found) == 1:
        (choice,) = found
        best = " or ".join(sharing(way.case) for way in choice.unbeaten)
        claim = f"On {build}, {choice.best.case.workload} is done fastest by {best}"
        return claim, choice_evidence(choice), best
    ways = Counter(sharing(choice.best.case) for choice in found)
    best = listed([f"{name} ({number})" for name, number in ways.most_common()])
    known = sum(len(choice.unbeaten) == 1 for choice in found)
    shared = f"{count(len(found), 'job')} shared over {found[0].best.case.threads}"
    claim = f"On {build}, {shared} are done fastest by {best}"
    return claim, f"known to be faster than every other way for {known} of {len(found)}", best


def choice_evidence(choice: Choice) -> str:
    """How far the other ways of sharing a job are behind, and what the best one gains."""
    gained = choice.best.speedup
    gains = f"{gain(gained)}; " if gained and gained.answer else ""
    return gains + listed([behind(way) for way in choice.ways[1:]])


def behind(way: Way) -> str:
    """How much longer than the best one a way takes: "2 processes 4 % slower", and whether that is known."""
    much = change(math.exp(way.behind or 0.0))
    return f"{sharing(way.case)} {much}" + " (not known to be slower)" * (not way.beaten)


def gain_intervals(speedups: Iterable[Speedup]) -> str:
    """How sure several gains are, in their order; empty where none is decided."""
    effects = [s.answer for s in speedups if s.answer]
    spans = [f"{times(effect.low)} to {times(effect.high)}" for effect in effects if not math.isnan(effect.low)]
    if not effects:
        return ""
    return f"95 % interval{'s' * (len(spans) > 1)} {listed(spans)}" if spans else "one block, so no interval"


def turns_clause(speedups: Iterable[Speedup]) -> str:
    """How many turns were undisturbed, with the comma before it; empty where nobody asked the gauges."""
    gauged = [s for s in speedups if s.gauged and s.turns]
    if not gauged:
        return ""
    if all(s.undisturbed == s.turns for s in gauged):
        return f", from all {span([s.turns for s in gauged])} turns: all CPUs were equally fast"
    if len({s.turns for s in gauged}) == 1:
        some = [str(s.undisturbed) for s in gauged]
        each = f"{listed(some) if len(set(some)) > 1 else some[0]} of {gauged[0].turns}"
    else:
        each = listed([turns(s) for s in gauged])
    return f", from {each} turns; during the others one CPU was slower than another"


def turns(speedup: Speedup) -> str:
    """Undisturbed turns of all: "31 of 64"."""
    return f"{speedup.undisturbed} of {speedup.turns}"
