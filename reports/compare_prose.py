"""Two runs side by side, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from harness.errors import RegressionError
from harness.model import Case, Measure
from harness.stats import Judgement, Verdict
from reports.compare import Change, Contrast, Outcome, Question, Yardstick
from reports.findings import MARGIN, case_name
from reports.repeats import Repeat
from reports.verdict import Statement
from reports.words import between, change, count, listed, share

WORDS = {
    Verdict.FASTER: "improved",
    Verdict.SLOWER: "regressed",
    Verdict.SAME: "same",
    Verdict.UNDECIDED: "undecided",
}
"""Verdicts on a change between two runs."""

AGAIN = {
    Verdict.FASTER: "lower",
    Verdict.SLOWER: "higher",
    Verdict.SAME: "same",
    Verdict.UNDECIDED: "undecided",
}
"""Verdicts on a ratio that two runs found."""

RATIOS = "Ratios, of builds (below 1 is faster) and of threads (above 1 is faster), as each run found them:"

MEASURED = {
    Measure.TIME: "Time; B / A below 1 is faster:",
    Measure.CAPACITY: "Capacity: what threads get done; B / A below 1 is more:",
    Measure.MEMORY: "Peak memory of a process; B / A below 1 is less:",
}

_NAMED = 3
"""So many cases are named in a sentence."""


def headline(contrast: Contrast) -> Statement:
    """What became of all cases, and what that rests on."""
    if contrast.question is Question.REPEATED:
        return _repeated(contrast)
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
    raise AssertionError(f"not an outcome of cases: {contrast.outcome}")


def _repeated(contrast: Contrast) -> Statement:
    """Whether run B says what run A does, and what that rests on."""
    of = len(contrast.repeats) + len(contrast.unrepeated)
    if not of:
        return Statement("Nothing is repeated: the run has one build on one number of threads, and so no ratio")
    same = [one for one in contrast.repeats if one.verdict is Verdict.SAME]
    open_ = [one for one in contrast.repeats if one.verdict is Verdict.UNDECIDED]
    other = [one for one in contrast.repeats if one.verdict.is_different]
    margin = f"{MARGIN * 100:.0f} %"
    ratios = count(of, "ratio")
    clauses = []
    if open_:
        detectable = [one.judgement.mde for one in open_ if not math.isnan(one.judgement.mde)]
        found = (
            f", where a difference of {share(max(detectable))} would have been found four times in five"
            if detectable
            else ""
        )
        clauses.append(f"{_are(open_)} undecided{found}")
    if contrast.unrepeated:
        clauses.append(f"{_are(contrast.unrepeated)} without an answer in run B")
    match contrast.outcome:
        case Outcome.REPEATED:
            return Statement(f"Run B repeats run A: {ratios}, all the same to within {margin}", "", "repeats")
        case Outcome.DIFFERENT:
            claim = f"Run B does not repeat run A: of {ratios}, {_are(other)} not the same, {_are(same)}"
            named = listed([f"{ratio_name(one)} ({one.a:.3f} in A, {one.b:.3f} in B)" for one in other[:_NAMED]])
            more = f", and {len(other) - _NAMED} more" * (len(other) > _NAMED)
            return Statement(claim, "; ".join([named + more, *clauses]), "does not repeat")
        case _:
            claim = (
                f"Nothing in run B is known to differ from run A: of {ratios}, {_are(same)} the same to within {margin}"
            )
            return Statement(claim, listed(clauses), "Nothing")


def ratio_name(one: Repeat) -> str:
    """What a ratio is of: "numeric/sum, 2 threads, on 3.14t against 3.14"."""
    return f"{name(one)} against {one.against}"


def _are(changes: Sequence[object]) -> str:
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


def name(one: Change | Repeat) -> str:
    """A case and its build; what is not a time says so."""
    return f"{measured(one.case)}, on {one.build}"


def measured(case: Case) -> str:
    """A case; what is not a time says so."""
    measure = "" if case.measure is Measure.TIME else f", {case.measure}"
    return f"{case_name(case, with_cpus=False)}{measure}"


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
    if not contrast.changes and contrast.repeats:
        yield "The hosts are not of one kind: only ratios are compared, since times do not carry over."
    elif a.host.name != b.host.name:
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
    if found := contrast.unrepeated:
        more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
        named = [f"{case} on {build} against {against}" for case, build, against in found[:_NAMED]]
        yield f"Ratios of run A to which run B has no answer: {listed([*named, *more])}."


def tripped(contrast: Contrast, threshold: float) -> RegressionError | None:
    """The error of a gate at `threshold` (0.05 is 5 %); None where no case is known to have regressed by more."""
    found = contrast.regressions(threshold)
    if not found:
        return None
    cases = "".join(f"\n  {said(one)}" for one in found)
    known = f"{count(len(found), 'case')} known to have regressed by more than {threshold * 100:g} %"
    return RegressionError(f"{known}:{cases}")
