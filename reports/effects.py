"""What changed, and by how much.  Ratios are only ever taken between seats of one block, turn by turn."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from harness import planning, ratios, stats
from harness.gauge import LEAST_BLOCKS
from harness.journal import BlockRecord, Sample
from harness.model import Case, Group, Measure, Run, Strategy
from harness.planning import CONFIDENCE, LOOKS, level
from reports import parity
from reports.evidence import Deepening, Precision
from reports.findings import MARGIN, Comparison, FalseAlarms, Parity, SameBuild, Speedup, Suite
from reports.records import Records

Pairs = Callable[[Sample, Sample], stats.Series]
"""Log ratios of two samples of one block, the baseline first; empty where they say nothing."""


def of_times(run: Run, records: Records, planned: Mapping[str, int], pairs: Sequence[Parity]) -> Iterator[Comparison]:
    """Every contender in every case whose time was measured, judged together."""
    return _comparisons(run, records, planned, pairs, Measure.TIME, partial(ratios.builds, measure=Measure.TIME))


def of_memory(run: Run, records: Records, planned: Mapping[str, int], pairs: Sequence[Parity]) -> Iterator[Comparison]:
    """The same, of the peaks of processes."""
    return _comparisons(run, records, planned, pairs, Measure.MEMORY, partial(ratios.builds, measure=Measure.MEMORY))


def of_containers(
    run: Run, records: Records, planned: Mapping[str, int], pairs: Sequence[Parity]
) -> Iterator[Comparison]:
    """The same, of the peaks of containers."""
    return _comparisons(run, records, planned, pairs, Measure.MEMORY, _containers)


def _containers(under: Sample, over: Sample) -> stats.Series:
    left, right = under.evidence.memory_peak, over.evidence.memory_peak
    return stats.pair_logs((left,), (right,)) if left and right else ()


def _comparisons(
    run: Run,
    records: Records,
    planned: Mapping[str, int],
    alike: Sequence[Parity],
    measure: Measure,
    pairs: Pairs,
) -> Iterator[Comparison]:
    workloads = {workload.name: workload for workload in run.plan.workloads}
    floors = {floor.case: floor.change for floor in run.noise_floors}
    baseline, *contenders = run.plan.builds
    differences = {pair.build: pair.differences for pair in alike}
    seats = [
        (case, build, _logs(records.of(case, baseline), records.of(case, build), pairs))
        for case in run.plan.cases
        if case.measure is measure
        for build in contenders
    ]
    known = [(case, stats.effect(list(logs.values()), level(run.plan))) for case, _, logs in seats if logs]
    judged = iter(
        stats.judge(
            [effect for _, effect in known],
            margin=MARGIN,
            noise_floors=[floors.get(case.id, 0.0) for case, _ in known],
            confidence=level(run.plan),
        )
    )
    for case, build, logs in seats:
        yield Comparison(
            case=case,
            build=build,
            baseline=baseline,
            planned=planned[case.id],
            blocks=tuple(logs),
            judgement=next(judged) if logs else None,
            noise_floor=floors.get(case.id, 0.0),
            confounders=tuple(
                difference.what
                for difference in differences.get(build, ())
                if parity.reaches(difference, workloads[case.workload])
            ),
        )


def _logs(under: Mapping[int, Sample], over: Mapping[int, Sample], pairs: Pairs) -> dict[int, float]:
    """By block that has both samples, and something to say of them, its estimate."""
    found = ((index, pairs(under[index], over[index])) for index in under if index in over)
    return {index: stats.block_estimate(logs) for index, logs in found if len(logs)}


def suites(comparisons: Sequence[Comparison], confidence: float) -> Iterator[Suite]:
    """Geometric means over all workloads and over each category, per build, CPU set and thread count.

    Only of threads: what else can share a job is a question for each workload by itself.  Where each case is off by as
    much as its noise floor, their mean is off by no more than the floors' mean.
    """
    groups: defaultdict[tuple[str, tuple[int, ...], int, str | None], list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        case = comparison.case
        if comparison.judgement and case.strategy in (None, Strategy.SERIAL, Strategy.THREADS):
            for category in (None, case.workload.partition("/")[0]):
                groups[comparison.build, case.cpus, case.threads, category].append(comparison)
    # On each CPU set the fewest threads come first.
    for (build, cpus, threads, category), members in sorted(groups.items(), key=lambda group: group[0][2]):
        logs = [member.judgement.effect.logs for member in members if member.judgement]
        effect = stats.geometric_mean(logs, confidence)
        floor = math.fsum(member.noise_floor for member in members) / len(members)
        (judgement,) = stats.judge([effect], margin=MARGIN, noise_floors=[floor], confidence=confidence)
        yield Suite(
            build=build,
            baseline=members[0].baseline,
            cpus=cpus,
            threads=threads,
            category=category,
            judgement=judgement,
            cases=tuple(members),
        )


# -- a build against itself --------------------------------------------------------------------------------------------


def false_alarms(comparisons: Iterable[Comparison], pairs: Iterable[Parity]) -> Iterator[FalseAlarms]:
    """What comparisons of builds with themselves tell, per build, measure and CPU set."""
    same = {pair.build for pair in pairs if not pair.compared}
    groups: defaultdict[tuple[str, Measure, tuple[int, ...]], list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        if comparison.build in same and comparison.judgement:
            groups[comparison.build, comparison.case.measure, comparison.case.cpus].append(comparison)
    for (build, measure, cpus), members in groups.items():
        cases = tuple(_same_build(one.case, one.judgement.effect) for one in members if one.judgement)
        called, of = sum(case.called for case in cases), sum(case.comparisons for case in cases)
        low, high = stats.share_interval(called, of) if of else (math.nan, math.nan)
        yield FalseAlarms(
            build=build,
            baseline=members[0].baseline,
            measure=measure,
            cpus=cpus,
            blocks=LOOKS[0],
            cases=cases,
            low=low,
            high=high,
        )


def _same_build(case: Case, effect: stats.Effect) -> SameBuild:
    """As many comparisons as the blocks are enough for; what is left over at the end belongs to none."""
    starts = range(0, effect.n - LOOKS[0] + 1, LOOKS[0])
    chunks = [stats.effect(effect.logs[start : start + LOOKS[0]], CONFIDENCE) for start in starts]
    return SameBuild(
        case=case,
        comparisons=len(chunks),
        called=sum(chunk.low > 1 or chunk.high < 1 for chunk in chunks),
        noise=effect.size,
    )


# -- threads -----------------------------------------------------------------------------------------------------------


def completions(run: Run, records: Records, planned: Mapping[str, int]) -> Iterator[Speedup]:
    """Each build against itself: when more threads complete the job, against the fewest, in undisturbed turns."""
    for case, base, build in _scalings(run, Measure.TIME):
        pairs = partial(ratios.completion, best=records.best, jobs=case.jobs)
        under, over = records.of(base, build), records.of(case, build)
        both = [(under[index], over[index]) for index in under if index in over]
        logs = _logs(under, over, pairs)
        yield Speedup(
            case=case,
            base=base,
            build=build,
            planned=planned[case.id],
            effect=stats.effect(list(logs.values()), level(run.plan)) if logs else None,
            blocks=tuple(logs),
            turns=sum(min(len(a.values), len(b.values)) for a, b in both),
            undisturbed=sum(len(pairs(a, b)) for a, b in both),
            gauged=any(a.gauges for a, _ in both),
            decided=len(logs) >= min(LEAST_BLOCKS, len(both)) > 0,
        )


def capacities(run: Run, records: Records, planned: Mapping[str, int]) -> Iterator[Speedup]:
    """Each build against itself: the work that more threads get done, against the fewest."""
    for case, base, build in _scalings(run, Measure.CAPACITY):
        logs = _logs(records.of(base, build), records.of(case, build), partial(_rounds, cpus=len(case.cpus)))
        yield Speedup(
            case=case,
            base=base,
            build=build,
            planned=planned[case.id],
            effect=stats.effect(list(logs.values()), level(run.plan)) if logs else None,
            blocks=tuple(logs),
        )


def _rounds(alone: Sample, together: Sample, *, cpus: int) -> stats.Series:
    return stats.round_logs(alone.values, together.values, cpus)


def _scalings(run: Run, measure: Measure) -> Iterator[tuple[Case, Case, str]]:
    """More threads (processes, ...), the fewest on the same work, and a build."""
    families: defaultdict[tuple[str, tuple[int, ...]], list[Case]] = defaultdict(list)
    for case in run.plan.cases:
        if case.measure is measure:
            families[case.workload, case.cpus].append(case)
    for cases in families.values():
        base, *others = sorted(cases, key=lambda case: case.threads)
        for build in run.plan.builds:
            for case in (case for case in others if case.threads > base.threads):
                yield case, base, build


# -- precision ---------------------------------------------------------------------------------------------------------


def precisions(
    run: Run, records: Records, comparisons: Iterable[Comparison], gains: Iterable[Speedup]
) -> Iterator[Precision]:
    """What stopped, and what it would take where that was too early."""
    effects: defaultdict[str, list[stats.Effect]] = defaultdict(list)
    for comparison in comparisons:
        if comparison.judgement:
            effects[comparison.case.id].append(comparison.judgement.effect)
    for gain in gains:
        if gain.effect:
            effects[gain.case.id].append(gain.effect)
    cases = {case.id: case for case in run.plan.cases}
    blocks: defaultdict[Group, list[BlockRecord]] = defaultdict(list)
    for block in run.plan.blocks:
        if block.index in records.blocks:
            blocks[block.group].append(records.blocks[block.index])
    for group, recorded in blocks.items():
        if settled := records.settled.get(group):
            more = _more_blocks([e for case in group for e in effects[case]], run.plan.target, level(run.plan))
            yield Precision(
                workload=cases[group[0]].workload,
                measure=cases[group[0]].measure,
                cpus=cases[group[0]].cpus,
                blocks=settled.blocks,
                half_width=settled.half_width,
                reason=settled.reason,
                needed=settled.blocks + more if more else None,
                seconds=more * math.fsum(record.seconds for record in recorded) / len(recorded) if more else None,
            )


def deepenings(run: Run, records: Records) -> Iterator[Deepening]:
    """How many values workers measured in each group that settled on a number, and why."""
    cases = {case.id: case for case in run.plan.cases}
    for group, planned in {block.group: block.values for block in run.plan.blocks}.items():
        if depth := records.depths.get(group):
            yield Deepening(
                workload=cases[group[0]].workload,
                measure=cases[group[0]].measure,
                cpus=cases[group[0]].cpus,
                planned=planned,
                values=depth.values,
                within=math.sqrt(depth.within),
                between=math.sqrt(max(0.0, depth.between)),
                block_seconds=depth.block_seconds,
                value_seconds=depth.value_seconds,
            )


def _more_blocks(effects: Iterable[stats.Effect], target: float | None, confidence: float) -> int:
    """Blocks that are missing to the target in the widest of some intervals; 0 where none is, or nobody can tell."""
    return max(
        (
            planning.blocks_to_reach(target, effect.half_width, effect.n, confidence) - effect.n
            for effect in effects
            if target is not None and effect.half_width > target  # never where it is nan
        ),
        default=0,
    )
