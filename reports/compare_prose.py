"""Two runs side by side, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import assert_never

from harness.errors import RegressionError
from harness.model import Measure
from harness.stats import Judgement, Verdict
from reports.compare import Change, Contrast, Outcome, Yardstick
from reports.findings import MARGIN, case_name
from reports.verdict import Statement
from reports.words import between, change, count, listed, share

WORDS = {
    Verdict.FASTER: "improved",
    Verdict.SLOWER: "regressed",
    Verdict.SAME: "same",
    Verdict.UNDECIDED: "undecided",
}
"""Verdicts on a change between two runs."""

MEASURED = {
    Measure.TIME: "Time; B / A below 1 is faster:",
    Measure.CAPACITY: "Capacity: what threads get done; B / A below 1 is more:",
    Measure.MEMORY: "Peak memory of a process; B / A below 1 is less:",
}

_NAMED = 3
"""So many cases are named in a sentence."""


def headline(contrast: Contrast) -> Statement:
    """What became of all cases, and what that rests on."""
    of = count(len(contrast.changes), "case")
    worse, better = (contrast.of(verdict) for verdict in (Verdict.SLOWER, Verdict.FASTER))
    match contrast.outcome:
        case Outcome.UNCHANGED:
            claim = f"Run B is unchanged against run A: of {of} none is known to differ"
            return Statement(claim, _rest(contrast), "unchanged")
        case Outcome.MIXED:
            claim = f"Run B is mixed against run A: of {of}, {_are(worse)} worse and {_are(better)} better"
            return Statement(claim, f"worse {_named(worse)}; better {_named(better)}", "mixed")
        case Outcome.REGRESSED:
            claim = f"Run B has regressed against run A: of {of}, {_are(worse)} worse and none better"
            return Statement(claim, _named(worse), "regressed")
        case Outcome.IMPROVED:
            claim = f"Run B has improved against run A: of {of}, {_are(better)} better and none worse"
            return Statement(claim, _named(better), "improved")
        case _:
            assert_never(contrast.outcome)


def _are(changes: Sequence[Change]) -> str:
    return f"{len(changes)} {'is' if len(changes) == 1 else 'are'}"


def _named(changes: Sequence[Change]) -> str:
    more = [f"{len(changes) - _NAMED} more"] if len(changes) > _NAMED else []
    return listed([*(said(one) for one in changes[:_NAMED]), *more])


def _rest(contrast: Contrast) -> str:
    """What "unchanged" is worth."""
    same, unknown = contrast.of(Verdict.SAME), contrast.of(Verdict.UNDECIDED)
    clauses = [f"{_are(same)} the same to within {MARGIN * 100:.0f} %"] if same else []
    if unknown:
        detectable = [one.judgement.mde for one in unknown if not math.isnan(one.judgement.mde)]
        where = "each" if len(detectable) == len(unknown) else f"{len(detectable)} of them"
        found = f"a change of {share(max(detectable, default=0.0))} would have been found in {where} four times in five"
        least = f"; {found}" if detectable else ""
        clauses.append(f"{_are(unknown)} undecided{least}")
    return listed(clauses)


def said(one: Change) -> str:
    """A change in a sentence: "mixed/hybrid, 2 threads, on 3.14t (10.2 % slower, interval 9.0 % to 11.4 %)"."""
    amount = change(one.judgement.effect.ratio, one.case.measure, precise=True)
    return f"{name(one)} ({amount}, interval {ends(one.judgement, one.case.measure)})"


def name(one: Change) -> str:
    """A case and its build; what is not a time says so."""
    measure = "" if one.case.measure is Measure.TIME else f", {one.case.measure}"
    return f"{case_name(one.case, with_cpus=False)}{measure}, on {one.build}"


def ends(judgement: Judgement, measure: Measure = Measure.TIME) -> str:
    """The corrected interval in words."""
    return between(judgement.low, judgement.high, measure, precise=True)


def differences(contrast: Contrast) -> str:
    """What differs between the environments, without the values."""
    known = len(contrast.unlike) + contrast.alike
    if not contrast.unlike:
        return f"The environments do not differ in any of the {known} things that are known of them"
    found: dict[str, list[str]] = {}
    for one in contrast.unlike:
        found.setdefault(one.where, []).append(one.what)
    told = [f"{where} ({', '.join(names[:_NAMED])}{', …' * (len(names) > _NAMED)})" for where, names in found.items()]
    return f"Of {known} things that are known of both runs, {len(contrast.unlike)} differ: {listed(told)}"


def reservations(contrast: Contrast) -> tuple[str, ...]:
    """What a reader of the verdict alone must not miss."""
    return tuple(_reservations(contrast))


def _reservations(contrast: Contrast) -> Iterator[str]:
    a, b = contrast.a, contrast.b
    if a.id == b.id:
        yield "A and B are one and the same run."
    if a.host.name != b.host.name:
        yield f"The hosts are two of one kind, {a.host.name} and {b.host.name}: they need not be equally fast."
    builds: dict[str, list[str]] = {}
    for one in contrast.unlike:
        if one.where.startswith("build "):
            builds.setdefault(one.where.removeprefix("build "), []).append(one.what)
    shared = {change.build for change in contrast.changes}
    for build, facts in builds.items():
        if build in shared:
            yield f"{build} is not the same build in both runs: {listed(facts)} differ."
    if scripts := sorted({one.case.workload for one in contrast.changes if one.script_differs}):
        yield f"Not the same script in both runs: {listed(scripts)}."
    times = [one for one in contrast.changes if one.case.measure is Measure.TIME]
    if bare := [one for one in times if one.yardstick is Yardstick.NONE]:
        where = "All times are" if len(bare) == len(times) else f"{len(bare)} of {count(len(times), 'time')} are"
        yield f"{where} compared as they are, so that a host that was slower in one run looks like a regression."


def absences(contrast: Contrast) -> Iterator[str]:
    """What is not compared, a sentence for each reason."""
    reasons: dict[str, list[str]] = {}
    for one in contrast.absent:
        reasons.setdefault(one.why, []).append(f"{one.case} on {one.build}")
    for why, seats in reasons.items():
        more = [f"{len(seats) - _NAMED} more"] if len(seats) > _NAMED else []
        yield f"Not compared, {why}: {listed([*seats[:_NAMED], *more])}."


def tripped(contrast: Contrast, threshold: float) -> RegressionError | None:
    """The error of a gate at `threshold` (0.05 is 5 %); None where no case is known to have regressed by more."""
    found = contrast.regressions(threshold)
    if not found:
        return None
    cases = "".join(f"\n  {said(one)}" for one in found)
    known = f"{count(len(found), 'case')} known to have regressed by more than {threshold * 100:g} %"
    return RegressionError(f"{known}:{cases}")
