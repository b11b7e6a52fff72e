"""What to do: where a build pays, from how many threads on, and how its fastest way compares with the baseline's.

Times of different cases are compared like everything else, block by block: a build on many threads against the baseline
on few is the block's ratio of the two builds on few, less the build's own gain.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness import stats
from harness.model import Case, Run
from harness.planning import level
from harness.stats import Judgement, Verdict
from reports.findings import MARGIN, Advice, Comparison, Findings, Parity, Speedup, Suite
from reports.parity import CONTAINER
from reports.prose import HERE_NOW, gain_intervals
from reports.words import between, change, change_of, count, interval, listed, sharing, times

_Job = tuple[str, tuple[int, ...]]
"""A workload on a CPU set."""


@dataclass(frozen=True, slots=True)
class _Option:
    """One build in one case."""

    case: Case
    log: float
    """Log of its time over that of the baseline on the fewest threads."""
    logs: Mapping[int, float]
    """The same by block."""
    helps: bool = True
    """Whether sharing the job is known to be faster than not to share it: the luckiest of several ways is no gain."""


@dataclass(frozen=True, slots=True)
class _Duel:
    """An option of a build, and one of the baseline that it has to beat."""

    build: str
    ours: _Option
    theirs: _Option

    @property
    def key(self) -> tuple[str, str, str]:
        return self.build, self.ours.case.id, self.theirs.case.id

    @property
    def logs(self) -> list[float]:
        """Log ratio of times, ours over theirs, of every block that has both."""
        return [log - self.theirs.logs[block] for block, log in self.ours.logs.items() if block in self.theirs.logs]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A workload before it is judged."""

    cost: Comparison
    gain: Speedup | None
    control: Speedup | None
    crossings: tuple[_Duel, ...]
    """By threads, the fewest first."""
    final: _Duel | None
    open: frozenset[str]

    @property
    def duels(self) -> tuple[_Duel, ...]:
        return (*self.crossings, self.final) if self.final else self.crossings


def of(
    run: Run,
    pairs: Iterable[Parity],
    comparisons: Iterable[Comparison],
    speedups: Iterable[Speedup],
    memories: Iterable[Comparison],
) -> Iterator[Advice]:
    """One per workload, CPU set and contender, in the order of the plan.

    A build breaks even with so many threads where it is known to be faster than the baseline with any number of threads
    up to that.  All of it is judged together.  Where one build is compared with itself there is nothing to choose.
    """
    same = {pair.build for pair in pairs if pair.compared in ("", CONTAINER)}
    candidates = list(_candidates(run, [one for one in comparisons if one.build not in same], speedups))
    judged = _judged((duel for one in candidates for duel in one.duels), level(run.plan))
    peaks: dict[tuple[_Job, str], Comparison] = {}
    for memory in memories:
        peaks.setdefault((_job(memory.case), memory.build), memory)  # on the fewest threads first, as planned
    for one in candidates:
        yield Advice(
            case=one.cost.case,
            build=one.cost.build,
            baseline=one.cost.baseline,
            cost=one.cost,
            gain=one.gain,
            control=one.control,
            memory=peaks.get((_job(one.cost.case), one.cost.build)),
            crossings=tuple((duel.ours.case.threads, judged[duel.key]) for duel in one.crossings if duel.key in judged),
            best=one.final.ours.case if one.final else None,
            rival=one.final.theirs.case if one.final else None,
            judgement=judged.get(one.final.key) if one.final else None,
            open=one.open,
        )


def _job(case: Case) -> _Job:
    return case.workload, case.cpus


def _judged(duels: Iterable[_Duel], confidence: float) -> dict[tuple[str, str, str], Judgement]:
    """Those that share a block; what breaks even and is the fastest way, too, is judged once."""
    logs = {duel.key: logs for duel in duels if (logs := duel.logs)}
    effects = [stats.effect(series, confidence) for series in logs.values()]
    return dict(zip(logs, stats.judge(effects, margin=MARGIN, confidence=confidence), strict=True))


def _candidates(run: Run, comparisons: Sequence[Comparison], speedups: Iterable[Speedup]) -> Iterator[_Candidate]:
    gains: defaultdict[tuple[_Job, str], list[Speedup]] = defaultdict(list)
    for speedup in speedups:
        gains[_job(speedup.case), speedup.build].append(speedup)
    fewest: dict[_Job, int] = {}
    for one in comparisons:
        fewest[_job(one.case)] = min(one.case.threads, fewest.get(_job(one.case), one.case.threads))
    for cost in comparisons:
        job = _job(cost.case)
        if cost.case.threads == fewest[job]:
            yield _candidate(cost, gains[job, cost.build], gains[job, run.plan.builds[0]])


def _candidate(cost: Comparison, gains: Sequence[Speedup], controls: Sequence[Speedup]) -> _Candidate:
    blocks = {block for one in (*gains, *controls) for block in one.blocks} | set(cost.blocks)
    at_rest = _Option(cost.case, 0.0, dict.fromkeys(sorted(blocks), 0.0))
    theirs = [at_rest, *_shared(controls, at_rest)]
    ours: list[_Option] = []
    if cost.judgement:
        effect = cost.judgement.effect
        alone = _Option(cost.case, effect.log, dict(zip(cost.blocks, effect.logs, strict=True)))
        ours = [alone, *_shared(gains, alone)]
    crossings = [
        _Duel(cost.build, one, _fastest(other for other in theirs if _needs_no_more(other.case, one.case)))
        for one in sorted(ours, key=lambda option: option.case.threads)
        if one.case.by_threads and not any(_may_beat(control, one.case) for control in controls)
    ]
    final = _Duel(cost.build, _fastest(ours), _fastest(theirs)) if ours else None
    return _Candidate(
        cost=cost,
        gain=_on_most(gains),
        control=_on_most(controls),
        crossings=tuple(crossings),
        final=final,
        open=frozenset(one.build for one in (*gains, *controls) if not one.answer),
    )


def _shared(gains: Iterable[Speedup], alone: _Option) -> Iterator[_Option]:
    """The same job shared, from what it takes alone; what is undecided is no option."""
    for gain in gains:
        if answer := gain.answer:
            own = zip(gain.blocks, answer.logs, strict=True)
            logs = {block: alone.logs[block] - log for block, log in own if block in alone.logs}
            yield _Option(gain.case, alone.log - answer.log, logs, helps=answer.low > 1)


def _fastest(options: Iterable[_Option]) -> _Option:
    """The one that takes least time, of the first and of those that are known to help."""
    return min((option for option in options if option.helps), key=lambda option: option.log)


def _needs_no_more(theirs: Case, ours: Case) -> bool:
    return theirs.by_threads and theirs.threads <= ours.threads


def _may_beat(control: Speedup, ours: Case) -> bool:
    """Whether nobody knows how fast the baseline is on threads that it may use."""
    return not control.answer and _needs_no_more(control.case, ours)


def _on_most(gains: Iterable[Speedup]) -> Speedup | None:
    """What the most threads bring."""
    plain = [gain for gain in gains if gain.case.by_threads]
    return max(plain, key=lambda gain: gain.case.threads, default=None)


# -- words -------------------------------------------------------------------------------------------------------------


def sentence(advice: Sequence[Advice]) -> str:
    """Where one build is the better choice on one CPU set, where the baseline is, and where it does not matter."""
    first = advice[0]
    by = {verdict: [one for one in advice if one.verdict is verdict] for verdict in Verdict}
    parts = []
    if faster := by[Verdict.FASTER]:
        parts.append(f"take {first.build} for {_jobs(faster, advice)}, where it is {_range(faster)}")
    if slower := by[Verdict.SLOWER]:
        parts.append(f"stay with {first.baseline} for {_jobs(slower, advice)}, where {first.build} is {_range(slower)}")
    if same := by[Verdict.SAME]:
        parts.append(f"either will do for {_jobs(same, advice)}")
    if unknown := [one for one in advice if one.verdict in (None, Verdict.UNDECIDED)]:
        parts.append(f"it is undecided for {_jobs(unknown, advice)}")
    opening = "Each build at its fastest: " if any(one.gain for one in advice) else ""
    told = f"{opening}{'; '.join(parts)}."
    return told[0].upper() + told[1:]


def _jobs(some: Sequence[Advice], every: Sequence[Advice]) -> str:
    """Workloads by name where they are few, otherwise by number."""
    if len(some) == len(every) > 2:
        return f"all {len(every)} workloads"
    if len(some) <= 2:
        return listed([one.case.workload for one in some])
    return f"{len(some)} of {count(len(every), 'workload')}"


def _range(some: Sequence[Advice]) -> str:
    """From the least change to the greatest; of a single one with its interval."""
    judged = sorted((one.judgement for one in some if one.judgement), key=lambda j: abs(j.effect.log))
    least, most = judged[0], judged[-1]
    if least is most:
        return f"{change_of(least.effect)} (interval {between(least.low, least.high)})"
    (from_, than), (to, _) = (change(one.effect.ratio).rsplit(" ", 1) for one in (least, most))
    return f"{from_} to {to} {than}" if from_ != to else f"{to} {than}"


def facts(findings: Findings, advice: Sequence[Advice]) -> Iterator[tuple[str, str]]:
    """What the advice weighs: name and figure, each over all workloads."""
    first = advice[0]
    own = first.build, first.case.cpus
    suites = [s for s in findings.suites if (s.build, s.cpus, s.category) == (*own, None)]
    peaks = [s for s in findings.memory_suites if (s.build, s.cpus, s.category) == (*own, None)]
    fewest = min((s.threads for s in suites), default=1)
    yield f"cost on {count(fewest, 'thread')}", _mean(suites[0]) if suites else "not measured"
    if gained := [one for one in advice if one.gain]:
        yield f"gain on {count(max(g.gain.case.threads for g in gained if g.gain), 'thread')}", _gained(gained)
        yield "break-even", _breaking_even(gained)
    yield "memory", _mean(peaks[0]) if peaks else "not measured: --measures time,memory does"
    chosen = Counter(sharing(one.best) for one in advice if one.best)
    if chosen and any(one.gain for one in advice):
        yield f"fastest on {first.build}", _ways(chosen)
        yield f"fastest on {first.baseline}", _ways(Counter(sharing(one.rival) for one in advice if one.rival))


def _mean(suite: Suite) -> str:
    effect = suite.judgement.effect
    mean = f", geometric mean of {count(len(suite.cases), 'workload')}" if len(suite.cases) > 1 else ""
    verdict = {Verdict.SAME: "none that matters: ", Verdict.UNDECIDED: "undecided: "}.get(suite.judgement.verdict, "")
    return f"{verdict}{change_of(effect, suite.measure)} ({interval(effect, suite.measure)}{mean})"


def _gained(advice: Sequence[Advice]) -> str:
    """What the most threads bring to the build, and to the baseline as the control."""
    first = advice[0]
    both = ((first.build, [one.gain for one in advice]), (first.baseline, [one.control for one in advice]))
    return "; ".join(f"{build}: {_span([gain for gain in gains if gain])}" for build, gains in both)


def _span(gains: Sequence[Speedup]) -> str:
    """The least and the greatest gain with the interval of each, and how many are undecided."""
    known = sorted((s for s in gains if s.answer), key=lambda s: s.answer.ratio if s.answer else math.nan)
    ends = [
        f"{times(one.answer.ratio)} ({gain_intervals([one])})" for one in known[:: len(known) - 1 or 1] if one.answer
    ]
    undecided = f"{HERE_NOW} in {len(gains) - len(known)} of {count(len(gains), 'workload')}"
    if not known:
        return HERE_NOW if gains else "not measured"
    return " to ".join(ends) + f", {undecided}" * (len(known) < len(gains))


def _breaking_even(advice: Sequence[Advice]) -> str:
    """With how many threads workloads break even."""
    points = Counter(one.breaks_even for one in advice if one.breaks_even)
    told = [f"{count(threads, 'thread')} in {number}" for threads, number in sorted(points.items())]
    never = sum(one.never for one in advice)
    rest = len(advice) - sum(points.values()) - never
    told += [f"no number that was measured in {never}"] * bool(never) + [f"undecided in {rest}"] * bool(rest)
    return f"{listed(told)} of {count(len(advice), 'workload')}"


def _ways(ways: Counter[str]) -> str:
    """What shares jobs fastest; of several with the number of workloads."""
    if len(ways) == 1:
        return next(iter(ways))
    return listed([f"{name} ({number})" for name, number in ways.most_common()])
