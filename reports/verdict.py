"""The verdict of a run: what, how much, how sure, on which hardware, and what a reader must know besides."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from harness.model import Measure, Strategy
from harness.stats import Judgement, Verdict, judge
from reports.evidence import Oddity
from reports.findings import MARGIN, FalseAlarms, Findings, Speedup, Suite
from reports.parity import CONTAINER
from reports.prose import (
    HERE_NOW,
    alarms_sentence,
    choices,
    confounded,
    gain,
    gain_intervals,
    hardware,
    instead,
    kind,
    surroundings,
    turns,
    turns_clause,
)
from reports.words import change_of, count, interval, listed, share


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim, and what it rests on."""

    claim: str
    evidence: str = ""
    figure: str = ""
    """The words of the claim that carry its weight."""

    def __str__(self) -> str:
        return f"{self.claim}: {self.evidence}." if self.evidence else f"{self.claim}."


def verdict(findings: Findings) -> tuple[Statement, ...]:
    """What, how much, how sure, on which hardware: where there is an answer, the first statement alone gives it."""
    return tuple(_verdict(findings))


def _verdict(findings: Findings) -> Iterator[Statement]:
    if not findings.coverage.samples:
        reasons = Counter(group.reason for group in findings.failures).most_common(1)
        yield Statement("No verdict", "not one sample was measured" + (f", mostly: {reasons[0][0]}" if reasons else ""))
        return
    if not findings.contenders:
        only = f"{findings.baseline} ({_kind_of(findings, findings.baseline)})"
        yield Statement(f"Only one build was measured, {only}, so nothing is compared")
    for cpus in findings.cpu_sets:
        of_times = [statement for build in findings.contenders for statement in _contender(findings, build, cpus)]
        yield from of_times
        others = [
            *_gains(findings, cpus, [s for s in findings.speedups if s.case.strategy is Strategy.THREADS]),
            *_choices(findings, cpus),
            *_gains(findings, cpus, findings.capacities),
            *(one for build in findings.contenders for one in _memory(findings, build, cpus, told=bool(of_times))),
        ]
        if others and not of_times:
            others[0] = replace(others[0], claim=f"{hardware(findings, cpus)}, {_continued(others[0].claim)}")
        yield from others
        if findings.contenders and not (of_times or others):
            yield Statement(f"{hardware(findings, cpus)}, no block has samples that can be compared")


def _continued(claim: str) -> str:
    """A claim behind a comma: the names of builds stay as they are."""
    return claim[0].lower() + claim[1:] if claim.startswith(("On ", "No ", "The ", "It ", "In ")) else claim


def _contender(findings: Findings, build: str, cpus: tuple[int, ...]) -> Iterator[Statement]:
    """One build against the baseline on one CPU set: on the fewest threads, then on the most."""
    if not any((c.build, c.case.cpus) == (build, cpus) for c in findings.comparisons):
        return
    here = hardware(findings, cpus)
    subject, against = sides(findings, build)
    suites = [s for s in findings.suites if (s.build, s.cpus, s.category) == (build, cpus, None)]
    alarms = _alarms(findings, build, cpus, Measure.TIME)
    if not suites:
        yield Statement(f"{here}, no block has a sample of both {subject} and {against}, so nothing can be said")
    elif alarms:
        both = f"{findings.baseline} and {build} are one and the same build ({_kind_of(findings, build)})"
        yield _noise(findings, f"{here}, {both}, so every difference is noise", alarms)
    else:
        fewest, most = suites[0], suites[-1]
        yield judged(fewest, f"{here}, ", subject, against)
        if most is not fewest:
            yield judged(most, f"With {count(most.threads, 'thread')} each, ", build, findings.baseline)


def sides(findings: Findings, build: str) -> tuple[str, str]:
    """What is compared and with what: two builds, or one build in two places."""
    facts = {one.build.name: one for one in findings.run.builds}
    if any(pair.build == build and pair.compared == CONTAINER for pair in findings.parity):
        return f"{kind(facts[build])} {surroundings(facts[build])}", surroundings(facts[findings.baseline])
    subject, against = (f"{name} ({_kind_of(findings, name)})" for name in (build, findings.baseline))
    return subject, against


def judged(suite: Suite, opening: str, subject: str, against: str) -> Statement:
    """What a suite says: a claim that begins with `opening`, and its evidence."""
    effect = suite.judgement.effect
    amount = change_of(effect)
    evidence = f"{_mean(suite)}{interval(effect)}{_confounded(suite)}"
    runs = f"{subject} runs {work(suite)}"
    match suite.judgement.verdict:
        case Verdict.FASTER | Verdict.SLOWER:
            return Statement(f"{opening}{runs} {amount} than {against}", evidence, amount)
        case Verdict.SAME:
            equally = f"as fast as {against}, to within {MARGIN * 100:.0f} %"
            return Statement(f"{opening}{runs} {equally}", f"measured {amount}, {evidence}", "as fast as")
        case Verdict.UNDECIDED:
            claim = f"{opening}it is undecided whether {runs} faster or slower than {against}"
            return Statement(claim, f"measured {amount}, {evidence}{_detectable(suite.judgement)}", "undecided")
        case _:
            assert_never(suite.judgement.verdict)


def _mean(suite: Suite) -> str:
    return f"geometric mean of {count(len(suite.cases), 'workload')}, " if len(suite.cases) > 1 else ""


def _confounded(suite: Suite) -> str:
    confounders = dict.fromkeys(what for comparison in suite.cases for what in comparison.confounders)
    return f", confounded by {listed(list(confounders))}" if confounders else ""


def work(suite: Suite) -> str:
    """What a suite consists of, as the object of "runs"."""
    if len(suite.cases) == 1:
        return f"{suite.cases[0].case.workload} on {count(suite.threads, 'thread')}"
    return "single-threaded code" if suite.threads == 1 else "the threaded workloads"


def _detectable(judgement: Judgement) -> str:
    """What an undecided comparison could have found, where that is known."""
    if math.isnan(judgement.mde):
        return ""
    return f"; {count(judgement.effect.n, 'block')} can detect {share(judgement.mde)} or more"


# -- a build against itself --------------------------------------------------------------------------------------------


def _alarms(findings: Findings, build: str, cpus: tuple[int, ...], measure: Measure) -> FalseAlarms | None:
    wanted = (build, cpus, measure)
    return next((a for a in findings.false_alarms if (a.build, a.cpus, a.measure) == wanted), None)


def _noise(findings: Findings, claim: str, alarms: FalseAlarms) -> Statement:
    """An A/A comparison: the truth is known, so the verdict is about the machine."""
    ids = {case.case.id for case in alarms.cases}
    compared = [c for c in (*findings.comparisons, *findings.memories) if c.build == alarms.build and c.case.id in ids]
    called = sum(c.is_different for c in compared)
    cases = f"{called} of {count(len(compared), 'case')} {'is' if called == 1 else 'are'} called different"
    largest = share(max(case.noise for case in alarms.cases))
    corrected = f"with all blocks, and corrected for the number of cases, {cases}, where none should be"
    return Statement(claim, f"{alarms_sentence(alarms)}; {corrected}; the largest difference is {largest}", "noise")


# -- threads and memory ------------------------------------------------------------------------------------------------


def _gains(findings: Findings, cpus: tuple[int, ...], speedups: Sequence[Speedup]) -> Iterator[Statement]:
    """The workload that gains most from threads beyond what the baseline, as the control, gains from them."""
    measured = [s for s in speedups if s.case.cpus == cpus and (s.effect or s.turns)]
    decided = [(s, s.answer) for s in measured if s.answer]
    where = f" ({count(len(cpus), 'CPU')})" if len(findings.cpu_sets) > 1 else ""
    if not decided:
        if measured:
            yield _undecided(measured, where)
        return
    contenders = [pair for pair in decided if pair[0].build != findings.baseline]
    control = {s.case.id: e.log for s, e in decided if s.build == findings.baseline} if contenders else {}
    best, _ = max(contenders or decided, key=lambda pair: pair[1].log - control.get(pair[0].case.id, 0.0))
    peers = sorted((s for s in measured if s.case == best.case), key=lambda s: -s.answer.ratio if s.answer else 0.0)
    if best.case.measure is Measure.CAPACITY:
        question, work = "capacity", f"the work done on {best.case.workload}"
    else:
        question, work = "time to completion", best.case.workload
    predicates = [gain(s) for s in peers]
    claim = f"On {instead(best)}{where}, {work} is {listed(predicates)}"
    of = {s.case.workload for s, _ in decided}
    others = len({s.case.workload for s in measured} - of)
    more = f"; {count(others, 'workload')} more {'is' if others == 1 else 'are'} {HERE_NOW}" if others else ""
    sure = f"{gain_intervals(peers)}{turns_clause(peers)}{more}"
    # The best of several looks better than it is: all are judged together.
    together = zip(decided, judge([e for _, e in decided], margin=MARGIN, confidence=findings.level), strict=True)
    if any(judgement.low > 1 for (s, _), judgement in together if s.case == best.case):
        largest = f"the largest gain of {count(len(of), 'workload')}, " if len(of) > 1 else ""
        yield Statement(claim, f"{question}, {largest}{sure}", predicates[0].partition(" on ")[0])
    else:
        none = f"No workload is known to gain from threads in {question}"
        yield Statement(none, f"{_continued(claim)}, {sure}")


def _choices(findings: Findings, cpus: tuple[int, ...]) -> Iterator[Statement]:
    """What is best shared by what, build by build, on the most threads that were measured."""
    found = [choice for choice in findings.choices if choice.best.case.cpus == cpus]
    most = max((choice.best.case.threads for choice in found), default=0)
    for build in findings.run.plan.builds:
        here = [choice for choice in found if choice.build == build and choice.best.case.threads == most]
        if here:
            yield Statement(*choices(build, here))


def _undecided(measured: Sequence[Speedup], where: str) -> Statement:
    """No time to completion on more threads is an answer."""
    best = max(measured, key=lambda s: s.undisturbed / s.turns)
    quietest = f"{best.case.workload} on {best.build} {turns(best)}"
    few = f"too few turns were undisturbed, at best of {quietest}; during the others one CPU was slower than another"
    return Statement(f"The time to completion on more threads{where} is {HERE_NOW}", few, HERE_NOW)


def _memory(findings: Findings, build: str, cpus: tuple[int, ...], *, told: bool) -> Iterator[Statement]:
    """The peak memory of one build against the baseline's, on the fewest threads.

    `told`: statements before have said what these builds are.
    """
    suites = [s for s in findings.memory_suites if (s.build, s.cpus, s.category) == (build, cpus, None)]
    if alarms := _alarms(findings, build, cpus, Measure.MEMORY):
        yield _noise(findings, f"In memory {build} differs from {findings.baseline} by noise only", alarms)
    elif suites:
        names = (build, findings.baseline)
        subject, against = names if told else (f"{name} ({_kind_of(findings, name)})" for name in names)
        yield _takes(suites[0], subject, against + f" on {count(suites[0].threads, 'thread')}" * (len(suites) > 1))


def _takes(suite: Suite, subject: str, against: str) -> Statement:
    effect = suite.judgement.effect
    amount = change_of(effect, Measure.MEMORY)
    sure = interval(effect, Measure.MEMORY)
    evidence = f"{_mean(suite)}peak resident set of a process, {sure}{_confounded(suite)}"
    match suite.judgement.verdict:
        case Verdict.FASTER | Verdict.SLOWER:
            than = "as" if amount.endswith("as much") else "than"
            return Statement(f"{subject} takes {amount} memory {than} {against}", evidence, amount)
        case Verdict.SAME:
            within = f"to within {MARGIN * 100:.0f} %"
            return Statement(f"{subject} takes as much memory as {against}, {within}", evidence, "as much memory as")
        case Verdict.UNDECIDED:
            claim = f"It is undecided whether {subject} takes more or less memory than {against}"
            return Statement(claim, f"measured {amount}, {evidence}{_detectable(suite.judgement)}", "undecided")
        case _:
            assert_never(suite.judgement.verdict)


# -- reservations ------------------------------------------------------------------------------------------------------


def reservations(findings: Findings) -> tuple[str, ...]:
    """What a reader of the verdict alone must not miss."""
    return tuple(_reservations(findings))


def _reservations(findings: Findings) -> Iterator[str]:
    yield from findings.run.warnings
    for pair in findings.parity:
        if pair.differences:
            yield confounded(pair)
    if failed := sum(len(group.blocks) for group in findings.failures):
        reasons = listed(sorted({str(group.reason) for group in findings.failures}))
        yield f"{failed} of {count(findings.coverage.planned_samples, 'planned sample')} failed: {reasons}."
    if uncalibrated := {group.case for group in findings.failures if not group.blocks}:
        yield f"The calibration of {count(len(uncalibrated), 'case')} failed."
    for oddity in Oddity:
        match [one for one in findings.irregularities if one.kind is oddity]:
            case []:
                pass
            case [one]:
                yield f"{one.subject}: {one.text}" if one.subject else one.text
            case several:
                yield f"{oddity.capitalize()} in {count(len(several), 'case')}; the outcomes below name them."
    if skipped := findings.run.plan.skipped:
        yield f"{count(len(skipped), 'case')} left out: {listed(sorted({case.reason for case in skipped}))}."


def _kind_of(findings: Findings, build: str) -> str:
    return next((kind(facts) for facts in findings.run.builds if facts.build.name == build), "a build without facts")
