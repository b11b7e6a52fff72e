"""Two runs side by side: what differs between them, and what changed in each case that both measured.

Only like with like: the same case on the build of the same name and series, on hosts of one kind.  The runs were not
measured together, so processes are compared, one per block, by `stats.unpaired`.  A host that was slower on one of the
days must not look like a regression, so what is compared is measured against something of the same moment, where there
is such a thing: `Yardstick`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness import stats
from harness.errors import RequestError
from harness.model import Case, HostFacts, Measure, Run, Seat, cpu_list
from harness.stats import Effect, Judgement, Verdict, judge
from reports import parity, words
from reports.findings import MARGIN, Findings
from reports.records import seats
from reports.repeats import Repeat, repeats, unrepeated

NOWHERE = "none"


class Question(StrEnum):
    """What is asked of two runs."""

    CHANGED = "changed"
    """Whether a build has become faster or slower: answered by what it took in each run."""
    REPEATED = "repeated"
    """Whether one run says what the other one does: answered by the ratios that both found."""


class Outcome(StrEnum):
    """What became of all cases, or of all ratios, together."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    MIXED = "mixed"
    UNCHANGED = "unchanged"

    REPEATED = "repeated"
    """Every ratio is the same."""
    DIFFERENT = "different"
    """A ratio is known to differ."""
    UNDECIDED = "undecided"
    """None is, and not every one is known to be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlike:
    """One thing in which two runs differ besides what they measured."""

    where: str
    """Host, engine, harness, plan, workload, or the name of a build."""
    what: str
    a: str
    b: str


class Yardstick(StrEnum):
    """What a case is measured against in both runs."""

    GAUGE = "gauge"
    """Times, against the gauge loops around their turns."""
    ONE_THREAD = "one thread"
    """Work done on several threads, against that on one in the same block."""
    NONE = "none"
    """Memory, which no speed changes; times that have no gauge, or another image, whose loop may take another time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One case on one build, in both runs."""

    case: Case
    build: str
    a: float
    b: float
    """Medians over processes: seconds per loop, or bytes.  Of a capacity the gain over one thread."""
    blocks: tuple[int, int]
    yardstick: Yardstick
    judgement: Judgement
    """Of B over A by the yardstick: above 1 is worse, whatever was measured."""
    script_differs: bool
    build_differs: bool

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A case on a build that cannot be compared."""

    case: str
    build: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """All that two runs say of each other."""

    a: Run
    b: Run
    level: float
    """What intervals are computed at; they hold for all cases of a measure together."""
    unlike: tuple[Unlike, ...]
    alike: int
    """How many other things are known of both environments, and are the same."""
    changes: tuple[Change, ...]
    """In the order of run A's plan."""
    absent: tuple[Absent, ...]
    repeats: tuple[Repeat, ...]
    """Ratios that both runs found, in the order of run A."""
    unrepeated: tuple[tuple[str, str, str], ...]
    """Case, build and what against of the ratios that only run A found."""
    question: Question = Question.CHANGED

    @property
    def outcome(self) -> Outcome:
        return self._repeated if self.question is Question.REPEATED else self._changed

    @property
    def _repeated(self) -> Outcome:
        verdicts = {one.verdict for one in self.repeats}
        if any(verdict.is_different for verdict in verdicts):
            return Outcome.DIFFERENT
        return Outcome.REPEATED if verdicts == {Verdict.SAME} and not self.unrepeated else Outcome.UNDECIDED

    @property
    def _changed(self) -> Outcome:
        match bool(self.of(Verdict.FASTER)), bool(self.of(Verdict.SLOWER)):
            case True, False:
                return Outcome.IMPROVED
            case False, True:
                return Outcome.REGRESSED
            case True, True:
                return Outcome.MIXED
        return Outcome.UNCHANGED

    def of(self, verdict: Verdict) -> tuple[Change, ...]:
        """Changes with this verdict, the largest first."""
        found = (change for change in self.changes if change.verdict is verdict)
        return tuple(sorted(found, key=lambda change: -change.judgement.effect.size))

    def regressions(self, threshold: float) -> tuple[Change, ...]:
        """Cases that are known to be worse by more than `threshold` (0.05 is 5 %); the worst first.

        The whole interval is beyond it.  What two days differ by is in no interval, and a small threshold on estimates
        would trip on that.
        """
        return tuple(change for change in self.of(Verdict.SLOWER) if change.judgement.low > 1 + threshold)


def check(a: Run, b: Run) -> None:
    """RequestError where two runs have nothing that could be compared."""
    check_measured(a)
    check_measured(b)
    for what, left, right in (
        ("the hosts are not of one kind", _kind(a.host), _kind(b.host)),
        ("the jobs are not of one size", a.plan.size.value, b.plan.size.value),
    ):
        if left != right:
            hint = "Times do not carry over; measure both alike."
            raise RequestError(f"these runs cannot be compared, {what}: {left} and {right}", hint=hint)
    if not _shared_builds(a, b):
        names = " and ".join(", ".join(run.plan.builds) for run in (a, b))
        raise RequestError(f"these runs cannot be compared, they have no build in common: {names}")
    if not set(a.plan.cases) & set(b.plan.cases):
        raise RequestError("these runs cannot be compared, they have no case in common")


def check_measured(run: Run) -> None:
    """RequestError where a run has measured nothing that another one could be held against."""
    if run.plan.stress:
        raise RequestError(f"{run.id} hunted races and measured nothing", hint="Take a run of inv bench.")


def compare(a: Findings, b: Findings, question: Question = Question.CHANGED) -> Contrast:
    """Run `b` against run `a`, two runs that passed `check`; or of one plan, to see whether the first is repeated.

    Times do not carry over between hosts that are not of one kind, and are then not compared; ratios are.
    """
    shared = {workload.name for workload in a.run.plan.workloads} & {one.name for one in b.run.plan.workloads}
    left, right = dict(_surroundings(a.run, shared)), dict(_surroundings(b.run, shared))
    keys = dict.fromkeys((*left, *right))
    unlike = tuple(
        Unlike(where=where, what=what, a=left.get((where, what), NOWHERE), b=right.get((where, what), NOWHERE))
        for where, what in keys
        if left.get((where, what), NOWHERE) != right.get((where, what), NOWHERE)
    )
    level = max(a.level, b.level)
    return Contrast(
        a=a.run,
        b=b.run,
        level=level,
        unlike=unlike,
        alike=len(keys) - len(unlike),
        changes=tuple(_changes(a, b, unlike, level)) if _kind(a.run.host) == _kind(b.run.host) else (),
        absent=tuple(_absent(a, b)),
        repeats=tuple(repeats(a, b, level)),
        unrepeated=unrepeated(a, b),
        question=question,
    )


# -- changes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """A seat in one of the runs: what a report shows of it, and a log per process by each yardstick that it has."""

    shown: float
    logs: Mapping[Yardstick, Sequence[float]]


def _changes(a: Findings, b: Findings, unlike: Sequence[Unlike], level: float) -> Iterator[Change]:
    left, right = _sides(a), _sides(b)
    here = {seat: case for seat, case in _shared(a.run, b.run).items() if seat in left and seat in right}
    differs = {(one.where, one.what) for one in unlike} | {(one.where, "") for one in unlike}
    images = [{facts.build.name: facts.image for facts in run.builds} for run in (a.run, b.run)]
    by = {
        seat: _yardstick(left[seat], right[seat], same_image=len({known[seat[1]] for known in images}) == 1)
        for seat in here
    }
    effects = {seat: stats.unpaired(left[seat].logs[by[seat]], right[seat].logs[by[seat]], level) for seat in here}
    floors = {seat: max(_floor(run, case) for run in (a.run, b.run)) for seat, case in here.items()}
    judged = _judged(here, effects, floors, level)
    for seat, case in here.items():
        yield Change(
            case=case,
            build=seat[1],
            a=left[seat].shown,
            b=right[seat].shown,
            blocks=(len(left[seat].logs[by[seat]]), len(right[seat].logs[by[seat]])),
            yardstick=by[seat],
            judgement=judged[seat],
            script_differs=("workload", case.workload) in differs,
            build_differs=(_build(seat[1]), "") in differs,
        )


def _yardstick(a: _Side, b: _Side, *, same_image: bool) -> Yardstick:
    """The best that both have: gauge loops of another interpreter take another time."""
    shared = [one for one in Yardstick if one in a.logs and one in b.logs]
    return next(one for one in shared if same_image or one is not Yardstick.GAUGE)


def _judged(
    cases: Mapping[Seat, Case], effects: Mapping[Seat, Effect], floors: Mapping[Seat, float], level: float
) -> dict[Seat, Judgement]:
    """All of a measure together."""
    found: dict[Seat, Judgement] = {}
    for measure in Measure:
        members = [seat for seat, case in cases.items() if case.measure is measure]
        judged = judge(
            [effects[seat] for seat in members],
            margin=MARGIN,
            noise_floors=[floors[seat] for seat in members],
            confidence=level,
        )
        found |= zip(members, judged, strict=True)
    return found


def _sides(findings: Findings) -> Mapping[Seat, _Side]:
    """What the workers of each seat took, those that can be compared: a capacity is one against that of one thread."""
    found: dict[Seat, _Side] = {}
    for times in findings.series:
        if times.case.measure is Measure.TIME:
            logs = {Yardstick.NONE: _logs(times.medians)}
            if times.steadied:
                logs = {Yardstick.GAUGE: _logs(times.steadied)} | logs
            found[times.case.id, times.build] = _Side(statistics.median(times.medians), logs)
    for gain in findings.capacities:
        if gain.effect:
            worse = [-log for log in gain.effect.logs]
            found[gain.case.id, gain.build] = _Side(gain.effect.ratio, {Yardstick.ONE_THREAD: worse})
    for peak in findings.peaks:
        found[peak.case.id, peak.build] = _Side(peak.process, {Yardstick.NONE: _logs(peak.processes)})
    return found


def _logs(values: Sequence[float]) -> list[float]:
    return list(map(math.log, values))


def _floor(run: Run, case: Case) -> float:
    return next((floor.change for floor in run.noise_floors if floor.case == case.id), 0.0)


# -- what is like, and what is not -------------------------------------------------------------------------------------


def _shared(a: Run, b: Run) -> dict[Seat, Case]:
    """Seats of both runs, in the order of the first."""
    theirs = set(b.plan.cases)
    builds = _shared_builds(a, b)
    return {(case.id, build): case for case in a.plan.cases if case in theirs for build in builds}


def _shared_builds(a: Run, b: Run) -> list[str]:
    """Names of builds of one series."""
    left, right = ({facts.build.name: facts.build for facts in run.builds} for run in (a, b))
    return [
        name
        for name in a.plan.builds
        if name in b.plan.builds and name in left and name in right and left[name].series == right[name].series
    ]


def _absent(a: Findings, b: Findings) -> Iterator[Absent]:
    """Seats of either run that are not compared, and why.  What others are measured against is in their figures."""
    shared, measured = _shared(a.run, b.run), (_sides(a), _sides(b))
    planned = [set(_comparable(run)) for run in (a.run, b.run)]
    for case, build in dict.fromkeys((*_comparable(a.run), *_comparable(b.run))):
        seat = case.id, build
        if seat in shared:
            missing = [name for name, side in zip("AB", measured, strict=True) if seat not in side]
            if missing:
                yield Absent(case=case.id, build=build, why=f"no sample in {' and '.join(missing)}")
        else:
            only = [name for name, every in zip("AB", planned, strict=True) if (case, build) in every]
            why = f"only in {only[0]}" if len(only) == 1 else "the build is of another series"
            yield Absent(case=case.id, build=build, why=why)


def _comparable(run: Run) -> Iterator[tuple[Case, str]]:
    for case, build in seats(run):
        if case.measure is not Measure.CAPACITY or case.threads > 1:
            yield case, build


def _kind(host: HostFacts) -> str:
    """What times do not carry over from."""
    model, cpus, cores, memory = host.kind
    cpus_on_cores = f"{words.count(cpus, 'CPU')} on {words.count(cores, 'core')}"
    return f"{model or 'unknown processor'}, {cpus_on_cores}, {memory} GiB"


def _build(name: str) -> str:
    return f"build {name}"


def _surroundings(run: Run, workloads: Collection[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """Everything that could explain a change of these workloads: where it belongs and its name, and its value."""
    host, engine, plan = run.host, run.engine, run.plan
    yield from (
        (("host", "name"), host.name),
        (("host", "processor"), host.cpu_model),
        (("host", "CPUs"), cpu_list(host.cpus)),
        (("host", "memory"), words.size(host.memory)),
        (("host", "kernel"), host.kernel),
        (("host", "system"), host.distribution),
        *((("host", name), value) for name, value in host.settings.items()),
        (("engine", "kind"), engine.kind),
        (("engine", "version"), engine.version),
        (("engine", "isolation"), engine.isolation),
        (("Gilometer", "version"), run.gilometer),
        (("Gilometer", "revision"), run.revision),
        (("plan", "builds"), ", ".join(plan.builds)),
        (("plan", "profile"), plan.profile.value),
        (("plan", "target"), words.plus_minus(plan.target) if plan.target else NOWHERE),
        (("plan", "budget"), words.duration(plan.budget_seconds) if plan.budget_seconds else NOWHERE),
        (("plan", "shortest turn"), words.seconds(plan.turn_seconds)),
        (("plan", "warm-ups"), str(plan.warmups)),
        (("plan", "seed"), str(plan.seed)),
    )
    for facts in run.builds:
        for name, (value,) in parity.side_by_side([facts]):
            yield (_build(facts.build.name), name), value or NOWHERE
    for workload in (one for one in plan.workloads if one.name in workloads):
        yield ("workload", workload.name), f"{workload.sha256[:16]} {workload.requirements[:16]}".strip()
