"""From a run and its journal to findings.  Ratios are only ever taken between seats of one block, turn by turn."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec
import numpy as np
import pandas as pd

from harness import planning, ratios, stats
from harness.gauge import LEAST_BLOCKS, Best
from harness.journal import BlockRecord, Calibration, Ended, Failure, JournalLine, Sample, Settled
from harness.model import Block, Case, Group, Measure, Run
from reports import parity
from reports.findings import (
    MARGIN,
    Comparison,
    Coverage,
    Failures,
    Findings,
    Irregularity,
    Ledger,
    NoiseOfBlock,
    Oddity,
    Parity,
    Peak,
    Precision,
    Proof,
    Series,
    Speedup,
    Suite,
    level,
)

Seat = tuple[str, str]
"""Case id and build."""


@dataclass(frozen=True, slots=True)
class _Journal:
    """A journal, sorted: per block what became of it, per seat its samples by block."""

    records: dict[int, BlockRecord]
    """The valid ones."""
    all_records: tuple[BlockRecord, ...]
    """In the order in which they were measured, the invalid ones too."""
    repeated: tuple[int, ...]
    uncalibrated: frozenset[str]
    """Cases whose last calibration failed."""
    endings: tuple[Ended, ...]
    samples: dict[Seat, dict[int, Sample]]
    failures: tuple[tuple[int | None, Failure], ...]
    """With the block; None for a failed calibration."""
    settled: dict[Group, Settled]
    best: Best
    """What gauges are compared with."""


def analyse(run: Run, journal: Iterable[JournalLine]) -> Findings:
    """Everything that a report of this run says.  The same run and journal give the same findings, to the last bit."""
    sorted_journal = _sort(journal)
    blocks = _needed(run, sorted_journal)
    planned = Counter(case for block in blocks for case in block.cases)
    pairs = tuple(_parity(run))
    comparisons = tuple(_comparisons(run, sorted_journal, planned, pairs, Measure.TIME))
    memories = tuple(_comparisons(run, sorted_journal, planned, pairs, Measure.MEMORY))
    containers = tuple(_comparisons(run, _in_containers(sorted_journal), planned, pairs, Measure.MEMORY))
    speedups = tuple(_speedups(run, sorted_journal, planned))
    capacities = tuple(_capacities(run, sorted_journal, planned))
    # A run stops on speedups only where there is nothing else.
    gains = capacities if len(run.plan.builds) > 1 else (*speedups, *capacities)
    return Findings(
        run=run,
        comparisons=comparisons,
        suites=tuple(_suites(comparisons, level(run.plan))),
        speedups=speedups,
        capacities=capacities,
        memories=memories,
        container_memories=tuple(one for one in containers if one.judgement),
        memory_suites=tuple(_suites(memories, level(run.plan))),
        peaks=tuple(_peaks(run, sorted_journal)),
        ledger=_ledger(sorted_journal, blocks),
        series=tuple(_series(run, sorted_journal)),
        proofs=tuple(_proofs(run, sorted_journal)),
        failures=tuple(_failures(sorted_journal)),
        irregularities=tuple(_irregularities(run, sorted_journal, blocks)),
        parity=pairs,
        coverage=_coverage(run, sorted_journal, blocks),
        precisions=tuple(_precisions(run, sorted_journal, comparisons, gains)),
    )


def _sort(journal: Iterable[JournalLine]) -> _Journal:
    """Of the valid records of a block the last one counts."""
    every: list[BlockRecord] = []
    records: dict[int, BlockRecord] = {}
    repeated: set[int] = set()
    calibrations: dict[str, Calibration] = {}
    failures: list[tuple[int | None, Failure]] = []
    endings: list[Ended] = []
    settled: dict[Group, Settled] = {}
    for line in journal:
        match line:
            case BlockRecord():
                every.append(line)
                if line.index in records:
                    repeated.add(line.index)
                if not line.invalid:
                    records[line.index] = line
            case Calibration():
                calibrations[line.case] = line
                if line.failure:
                    failures.append((None, line.failure))
            case Settled():
                settled[line.cases] = line
            case Ended():
                endings.append(line)
    samples: defaultdict[Seat, dict[int, Sample]] = defaultdict(dict)
    best = Best()
    for index in sorted(records):
        for outcome in records[index].outcomes:
            match outcome:
                case Sample():
                    best.note(outcome)
                    samples[outcome.case, outcome.build][index] = outcome
                case Failure():
                    failures.append((index, outcome))
    return _Journal(
        dict(sorted(records.items())),
        tuple(sorted(every, key=lambda record: record.started)),
        tuple(sorted(repeated)),
        frozenset(case for case, calibration in calibrations.items() if calibration.failure),
        tuple(endings),
        dict(samples),
        tuple(failures),
        settled,
        best,
    )


def _needed(run: Run, journal: _Journal) -> tuple[Block, ...]:
    """The plan's blocks without those that a group which stopped had left."""
    return tuple(
        block for block in run.plan.blocks if block.index in journal.records or block.group not in journal.settled
    )


# -- effects -----------------------------------------------------------------------------------------------------------


def _logs(
    under: Mapping[int, Sample], over: Mapping[int, Sample], pairs: Callable[[Sample, Sample], stats.Series]
) -> dict[int, float]:
    """By block that has both samples, and something to say of them, its estimate."""
    found = ((index, pairs(under[index], over[index])) for index in under if index in over)
    return {index: stats.block_estimate(logs) for index, logs in found if len(logs)}


def _comparisons(
    run: Run, journal: _Journal, planned: Mapping[str, int], pairs: Sequence[Parity], measure: Measure
) -> Iterator[Comparison]:
    """All contenders in all cases of a measure, judged together."""
    workloads = {workload.name: workload for workload in run.plan.workloads}
    floors = {floor.case: floor.change for floor in run.noise_floors}
    baseline, *contenders = run.plan.builds
    differences = {pair.build: pair.differences for pair in pairs}
    seats: list[tuple[Case, str, dict[int, float]]] = []
    for case in (case for case in run.plan.cases if case.measure is measure):
        for build in contenders:
            under, over = journal.samples.get((case.id, baseline), {}), journal.samples.get((case.id, build), {})
            seats.append((case, build, _logs(under, over, partial(ratios.builds, measure=measure))))
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


def _suites(comparisons: Sequence[Comparison], confidence: float) -> Iterator[Suite]:
    """Geometric means over all workloads and over each category, per build, CPU set and thread count."""
    groups: defaultdict[tuple[str, tuple[int, ...], int, str | None], list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        if comparison.judgement:
            case = comparison.case
            for category in (None, case.workload.partition("/")[0]):
                groups[comparison.build, case.cpus, case.threads, category].append(comparison)
    # On each CPU set the fewest threads come first.
    for (build, cpus, threads, category), members in sorted(groups.items(), key=lambda group: group[0][2]):
        logs = [member.judgement.effect.logs for member in members if member.judgement]
        effect = stats.geometric_mean(logs, confidence)
        (judgement,) = stats.judge([effect], margin=MARGIN, confidence=confidence)
        yield Suite(
            build=build,
            baseline=members[0].baseline,
            cpus=cpus,
            threads=threads,
            category=category,
            judgement=judgement,
            cases=tuple(members),
        )


def _speedups(run: Run, journal: _Journal, planned: Mapping[str, int]) -> Iterator[Speedup]:
    """Each build against itself: more threads against the fewest that were measured, in undisturbed turns."""
    for base, more in _families(run, Measure.TIME):
        for build in run.plan.builds:
            under = journal.samples.get((base.id, build), {})
            for case in more:
                over = journal.samples.get((case.id, build), {})
                both = [(under[index], over[index]) for index in under if index in over]
                logs = _logs(under, over, partial(ratios.completion, best=journal.best))
                yield Speedup(
                    case=case,
                    base=base,
                    build=build,
                    planned=planned[case.id],
                    effect=stats.effect(list(logs.values()), level(run.plan)) if logs else None,
                    turns=sum(min(len(a.values), len(b.values)) for a, b in both),
                    undisturbed=sum(len(ratios.completion(a, b, journal.best)) for a, b in both),
                    decided=len(logs) >= min(LEAST_BLOCKS, len(both)) > 0,
                )


def _capacities(run: Run, journal: _Journal, planned: Mapping[str, int]) -> Iterator[Speedup]:
    """Each build against itself: the work that more threads get done, against the fewest that were measured."""
    for base, more in _families(run, Measure.CAPACITY):
        for build in run.plan.builds:
            under = journal.samples.get((base.id, build), {})
            for case in more:
                over = journal.samples.get((case.id, build), {})
                cpus = len(case.cpus)
                logs = _logs(under, over, lambda a, b, cpus=cpus: stats.round_logs(a.values, b.values, cpus))  # type: ignore[misc]
                yield Speedup(
                    case=case,
                    base=base,
                    build=build,
                    planned=planned[case.id],
                    effect=stats.effect(list(logs.values()), level(run.plan)) if logs else None,
                )


def _families(run: Run, measure: Measure) -> Iterator[tuple[Case, list[Case]]]:
    """Cases that differ in their threads only: the one with the fewest, and the others."""
    families: defaultdict[tuple[str, str | None, tuple[int, ...]], list[Case]] = defaultdict(list)
    for case in run.plan.cases:
        if case.measure is measure:
            families[case.workload, case.strategy, case.cpus].append(case)
    for cases in families.values():
        base, *more = sorted(cases, key=lambda case: case.threads)
        yield base, more


def _precisions(
    run: Run, journal: _Journal, comparisons: Sequence[Comparison], gains: Sequence[Speedup]
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
        if block.index in journal.records:
            blocks[block.group].append(journal.records[block.index])
    for group, records in blocks.items():
        if settled := journal.settled.get(group):
            more = _more_blocks([e for case in group for e in effects[case]], run.plan.target, level(run.plan))
            yield Precision(
                workload=cases[group[0]].workload,
                measure=cases[group[0]].measure,
                cpus=cases[group[0]].cpus,
                blocks=settled.blocks,
                half_width=settled.half_width,
                reason=settled.reason,
                needed=settled.blocks + more if more else None,
                seconds=more * math.fsum(record.seconds for record in records) / len(records) if more else None,
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


def _parity(run: Run) -> Iterator[Parity]:
    facts = {build.build.name: build for build in run.builds}
    baseline, *contenders = run.plan.builds
    for build in contenders:
        if baseline in facts and build in facts:
            yield parity.parity(facts[baseline], facts[build], run.plan.workloads)


# -- memory and noise --------------------------------------------------------------------------------------------------


def _in_containers(journal: _Journal) -> _Journal:
    """The journal with the container's peak where the process's was."""

    def moved(sample: Sample) -> Sample:
        peak = sample.evidence.memory_peak or 0
        return msgspec.structs.replace(sample, evidence=msgspec.structs.replace(sample.evidence, max_rss=peak))

    return replace(
        journal,
        samples={
            seat: {index: moved(sample) for index, sample in samples.items() if sample.evidence.memory_peak}
            for seat, samples in journal.samples.items()
        },
    )


def _peaks(run: Run, journal: _Journal) -> Iterator[Peak]:
    for case, build in _seats(run):
        samples = journal.samples.get((case.id, build), {}).values() if case.measure is Measure.MEMORY else ()
        if evidence := [sample.evidence for sample in samples]:
            containers = [one.memory_peak for one in evidence if one.memory_peak is not None]
            yield Peak(
                case=case,
                build=build,
                process=float(np.median([one.max_rss for one in evidence])),
                container=float(np.median(containers)) if containers else None,
            )


def _ledger(journal: _Journal, blocks: Sequence[Block]) -> Ledger:
    cpus = {block.index: len(block.cpus) for block in blocks}
    noises = [record.noise for record in journal.all_records if record.noise]
    invalid = {record.index for record in journal.all_records if record.invalid}
    megahertz = [noise.megahertz for noise in noises if noise.megahertz is not None]
    return Ledger(
        blocks=tuple(_noise_of(record, cpus.get(record.index, 1)) for record in journal.all_records),
        remeasured=len(invalid & journal.records.keys()),
        lost=tuple(block.index for block in blocks if block.index in invalid - journal.records.keys()),
        load=max((noise.load for noise in noises if noise.load is not None), default=None),
        megahertz=(min(megahertz), max(megahertz)) if megahertz else None,
        celsius=max((noise.celsius for noise in noises if noise.celsius is not None), default=None),
        containers=max((noise.containers for noise in noises if noise.containers is not None), default=None),
    )


def _noise_of(record: BlockRecord, cpus: int) -> NoiseOfBlock:
    def share(seconds: float | None) -> float | None:
        return seconds / (record.noise.seconds * cpus) if record.noise and seconds is not None else None

    return NoiseOfBlock(
        block=record.index,
        started=record.started,
        stolen=share(record.noise.stolen) if record.noise else None,
        others=share(record.noise.others) if record.noise else None,
        invalid=record.invalid,
    )


# -- what was measured -------------------------------------------------------------------------------------------------


def _seats(run: Run) -> Iterator[tuple[Case, str]]:
    for case in run.plan.cases:
        for build in run.plan.builds:
            yield case, build


def _series(run: Run, journal: _Journal) -> Iterator[Series]:
    memory = {case.id for case in run.plan.cases if case.measure is Measure.MEMORY}
    rows = [
        (case, build, block, value)
        for (case, build), samples in journal.samples.items()
        for block, sample in samples.items()
        for value in sample.values
        if case not in memory
    ]
    frame = pd.DataFrame(rows, columns=["case", "build", "block", "seconds"])
    whole = frame.groupby(["case", "build"], sort=False)["seconds"].agg(["count", "min", "median", "max"])
    by_block = frame.groupby(["case", "build", "block"], sort=True)["seconds"].median()
    medians = {seat: group.droplevel(["case", "build"]) for seat, group in by_block.groupby(["case", "build"])}
    figures = {seat: row for seat, *row in whole.itertuples(name=None)}
    for case, build in _seats(run):
        if (seat := (case.id, build)) in figures:
            count, shortest, median, longest = figures[seat]
            yield Series(
                case=case,
                build=build,
                loops=tuple(sorted({sample.loops for sample in journal.samples[seat].values()})),
                values=int(count),
                shortest=float(shortest),
                median=float(median),
                longest=float(longest),
                blocks=tuple(int(block) for block in medians[seat].index),
                medians=tuple(float(value) for value in medians[seat]),
            )


def _proofs(run: Run, journal: _Journal) -> Iterator[Proof]:
    for build in run.plan.builds:
        evidence = [s.evidence for (_, b), by_block in journal.samples.items() if b == build for s in by_block.values()]
        if evidence:
            yield Proof(
                build=build,
                samples=len(evidence),
                gil=dict(Counter(one.gil_enabled for one in evidence)),
                throttled=sum(bool(one.throttled_periods) for one in evidence),
                unreadable_throttling=sum(one.throttled_periods is None for one in evidence),
                involuntary_switches=float(np.median([one.involuntary_switches for one in evidence])),
                max_rss=max(one.max_rss for one in evidence),
            )


def _failures(journal: _Journal) -> Iterator[Failures]:
    alike: defaultdict[tuple[str, str, str, str], list[tuple[int | None, Failure]]] = defaultdict(list)
    for block, failure in journal.failures:
        alike[failure.reason, failure.case, failure.build, failure.message].append((block, failure))
    for group in alike.values():
        _, last = group[-1]
        yield Failures(
            reason=last.reason,
            case=last.case,
            build=last.build,
            message=last.message,
            output=last.output,
            blocks=tuple(block for block, _ in group if block is not None),
        )


def _irregularities(run: Run, journal: _Journal, blocks: Sequence[Block]) -> Iterator[Irregularity]:
    tried = {record.index for record in journal.all_records}
    missing = tuple(block.index for block in blocks if block.index not in tried)
    invalid = tuple(block.index for block in blocks if block.index in tried - journal.records.keys())
    if missing:
        text = f"{len(missing)} of {len(blocks)} planned blocks were not executed."
        yield Irregularity(kind=Oddity.MISSING_BLOCKS, subject="", text=text, blocks=missing)
    if invalid:
        text = f"{_blocks(invalid)} disturbed whenever measured, and left out; the ledger says by what."
        yield Irregularity(kind=Oddity.INVALID_BLOCKS, subject="", text=text, blocks=invalid)
    if journal.repeated:
        text = f"{_blocks(journal.repeated)} recorded more than once; the last record counts."
        yield Irregularity(kind=Oddity.REPEATED_BLOCKS, subject="", text=text, blocks=journal.repeated)
    yield from _empty_seats(run, journal)
    yield from _unlike_samples(run, journal)


def _empty_seats(run: Run, journal: _Journal) -> Iterator[Irregularity]:
    """Seats of executed blocks of which the journal knows neither a sample nor a failure."""
    told = {(o.case, o.build, index) for index, record in journal.records.items() for o in record.outcomes}
    executed = [block for block in run.plan.blocks if block.index in journal.records]
    for case, build in _seats(run):
        lost = tuple(b.index for b in executed if case.id in b.cases and (case.id, build, b.index) not in told)
        if lost and case.id not in journal.uncalibrated:
            text = f"{_blocks(lost)} executed and left neither a sample nor a failure."
            yield Irregularity(kind=Oddity.MISSING_SEATS, subject=f"{case.id} on {build}", text=text, blocks=lost)


def _unlike_samples(run: Run, journal: _Journal) -> Iterator[Irregularity]:
    """Blocks in which the builds of one case have different numbers of values or of loops."""
    for case in run.plan.cases:
        by_block: defaultdict[int, list[Sample]] = defaultdict(list)
        for build in run.plan.builds:
            for index, sample in journal.samples.get((case.id, build), {}).items():
                by_block[index].append(sample)
        counts = tuple(i for i, samples in sorted(by_block.items()) if len({len(s.values) for s in samples}) > 1)
        loops = tuple(i for i, samples in sorted(by_block.items()) if len({s.loops for s in samples}) > 1)
        if counts:
            text = f"{_blocks(counts)} measured with unequal numbers of values; only turns that both have are paired."
            yield Irregularity(kind=Oddity.UNEQUAL_COUNTS, subject=case.id, text=text, blocks=counts)
        if loops:
            text = f"{_blocks(loops)} measured with different loops per value; values are per loop, and are kept."
            yield Irregularity(kind=Oddity.CHANGED_LOOPS, subject=case.id, text=text, blocks=loops)


def _blocks(indices: Sequence[int]) -> str:
    """Blocks as the subject of a sentence in the past tense."""
    return "One block was" if len(indices) == 1 else f"{len(indices)} blocks were"


def _coverage(run: Run, journal: _Journal, blocks: Sequence[Block]) -> Coverage:
    return Coverage(
        planned_blocks=len(blocks),
        blocks=len(journal.records),
        planned_samples=sum(len(block.cases) for block in blocks) * len(run.plan.builds),
        samples=sum(len(by_block) for by_block in journal.samples.values()),
        complete=bool(journal.endings) and journal.endings[-1].complete,
        wall_seconds=math.fsum(ending.wall_seconds for ending in journal.endings),
        worker_seconds=math.fsum(ending.worker_seconds for ending in journal.endings),
    )
