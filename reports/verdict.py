"""The verdict of a run: what, how much, how sure, on which hardware, and what a reader must know besides."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from harness.stats import Judgement, Verdict
from reports.findings import MARGIN, Findings, Oddity, Suite
from reports.parity import CONTAINER
from reports.prose import change_of, confounded, count, gain, gain_intervals, hardware, interval, kind, listed, place


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
        for build in findings.contenders:
            yield from _contender(findings, build, cpus)
        yield from _best_scaling(findings, cpus)


def _contender(findings: Findings, build: str, cpus: tuple[int, ...]) -> Iterator[Statement]:
    """One build against the baseline on one CPU set: on the fewest threads, then on the most."""
    here = hardware(findings, cpus)
    subject, against = _sides(findings, build)
    suites = [s for s in findings.suites if (s.build, s.cpus, s.category) == (build, cpus, None)]
    if not suites:
        yield Statement(f"{here}, no block has a sample of both {subject} and {against}, so nothing can be said")
    elif any(pair.build == build and not pair.compared for pair in findings.parity):
        yield _same_build(findings, build, cpus)
    else:
        fewest, most = suites[0], suites[-1]
        yield _judged(fewest, f"{here}, ", subject, against)
        if most is not fewest:
            yield _judged(most, f"With {count(most.threads, 'thread')} each, ", build, findings.baseline)


def _sides(findings: Findings, build: str) -> tuple[str, str]:
    """What is compared and with what: two builds, or one build in two places."""
    facts = {one.build.name: one for one in findings.run.builds}
    if any(pair.build == build and pair.compared == CONTAINER for pair in findings.parity):
        return f"{kind(facts[build])} {place(facts[build])}", place(facts[findings.baseline])
    subject, against = (f"{name} ({_kind_of(findings, name)})" for name in (build, findings.baseline))
    return subject, against


def _judged(suite: Suite, opening: str, subject: str, against: str) -> Statement:
    effect = suite.judgement.effect
    mean = f"geometric mean of {count(len(suite.cases), 'workload')}, " if len(suite.cases) > 1 else ""
    amount = change_of(effect)
    evidence = f"{mean}{interval(effect)}"
    if confounders := dict.fromkeys(what for comparison in suite.cases for what in comparison.confounders):
        evidence += f", confounded by {listed(list(confounders))}"
    runs = f"{subject} runs {_work(suite)}"
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


def _work(suite: Suite) -> str:
    """What a suite consists of, as the object of "runs"."""
    if len(suite.cases) == 1:
        return f"{suite.cases[0].case.workload} on {count(suite.threads, 'thread')}"
    return "single-threaded code" if suite.threads == 1 else "the threaded workloads"


def _detectable(judgement: Judgement) -> str:
    """What an undecided comparison could have found, where that is known."""
    if math.isnan(judgement.mde):
        return ""
    return f"; {count(judgement.effect.n, 'block')} can detect {judgement.mde * 100:.1f} % or more"


def _same_build(findings: Findings, build: str, cpus: tuple[int, ...]) -> Statement:
    """An A/A comparison: the truth is known, so the verdict is about the machine."""
    cases = [c for c in findings.comparisons if (c.build, c.case.cpus) == (build, cpus) and c.judgement]
    false_alarms = sum(c.verdict in (Verdict.FASTER, Verdict.SLOWER) for c in cases)
    widest = max(abs(c.judgement.effect.log) for c in cases if c.judgement)
    both = f"{findings.baseline} and {build} are one and the same build ({_kind_of(findings, build)})"
    called = f"{false_alarms} of {count(len(cases), 'case')} called different, where none should be"
    return Statement(
        f"{hardware(findings, cpus)}, {both}, so every difference is noise",
        f"{called}; the largest difference is {math.expm1(widest) * 100:.1f} %",
        "noise",
    )


def _best_scaling(findings: Findings, cpus: tuple[int, ...]) -> Iterator[Statement]:
    """The workload that gains most from threads beyond what the baseline, as the control, gains from them."""
    gains = [(s, s.effect) for s in findings.speedups if s.case.cpus == cpus and s.effect is not None]
    if gains:
        contenders = [gain for gain in gains if gain[0].build != findings.baseline]
        control = {s.case.id: e.log for s, e in gains if s.build == findings.baseline} if contenders else {}
        best, _ = max(contenders or gains, key=lambda gain: gain[1].log - control.get(gain[0].case.id, 0.0))
        peers = sorted(((s, e) for s, e in gains if s.case == best.case), key=lambda gain: -gain[1].ratio)
        where = f" ({count(len(cpus), 'CPU')})" if len(findings.cpu_sets) > 1 else ""
        there = f"on {best.case.threads} threads instead of {best.base.threads}{where}, {best.case.workload} is"
        predicates = [gain(s, e) for s, e in peers]
        sure = gain_intervals([e for _, e in peers])
        if any(effect.low > 1 for _, effect in peers):
            workloads = count(len({s.case.workload for s, _ in gains}), "workload")
            claim = f"{there[0].upper()}{there[1:]} {listed(predicates)}"
            yield Statement(claim, f"the largest gain of {workloads}, {sure}", predicates[0].partition(" on ")[0])
        else:
            yield Statement("No workload is known to gain from threads", f"{there} {listed(predicates)}, {sure}")


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
