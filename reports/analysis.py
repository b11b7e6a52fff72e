"""From a run and its journal to findings.  Ratios are only ever taken between seats of one block, turn by turn."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from harness import stats
from harness.model import BlockRecord, Calibration, Case, Ended, Failure, JournalLine, Measure, Run, Sample
from reports import parity
from reports.findings import (
    CONFIDENCE,
    MARGIN,
    Comparison,
    Coverage,
    Failures,
    Findings,
    Irregularity,
    Oddity,
    Parity,
    Proof,
    Series,
    Speedup,
    Suite,
)

Seat = tuple[str, str]
"""Case id and build."""


@dataclass(frozen=True, slots=True)
class _Journal:
    """A journal, sorted: per block what became of it, per seat its samples by block."""

    records: dict[int, BlockRecord]
    repeated: tuple[int, ...]
    uncalibrated: frozenset[str]
    """Cases whose last calibration failed."""
    endings: tuple[Ended, ...]
    samples: dict[Seat, dict[int, Sample]]
    failures: tuple[tuple[int | None, Failure], ...]
    """With the block; None for a failed calibration."""


def analyse(run: Run, journal: Iterable[JournalLine]) -> Findings:
    """Everything that a report of this run says.  The same run and journal give the same findings, to the last bit."""
    sorted_journal = _sort(journal)
    planned = Counter(case for block in run.plan.blocks for case in block.cases)
    pairs = tuple(_parity(run))
    comparisons = tuple(_comparisons(run, sorted_journal, planned, pairs))
    return Findings(
        run=run,
        comparisons=comparisons,
        suites=tuple(_suites(comparisons)),
        speedups=tuple(_speedups(run, sorted_journal, planned)),
        capacities=tuple(_capacities(run, sorted_journal, planned)),
        series=tuple(_series(run, sorted_journal)),
        proofs=tuple(_proofs(run, sorted_journal)),
        failures=tuple(_failures(sorted_journal)),
        irregularities=tuple(_irregularities(run, sorted_journal)),
        parity=pairs,
        coverage=_coverage(run, sorted_journal),
    )


def _sort(journal: Iterable[JournalLine]) -> _Journal:
    """Where a block was recorded more than once, its last record counts."""
    records: dict[int, BlockRecord] = {}
    repeated: set[int] = set()
    calibrations: dict[str, Calibration] = {}
    failures: list[tuple[int | None, Failure]] = []
    endings: list[Ended] = []
    for line in journal:
        match line:
            case BlockRecord():
                if line.index in records:
                    repeated.add(line.index)
                records[line.index] = line
            case Calibration():
                calibrations[line.case] = line
                if line.failure:
                    failures.append((None, line.failure))
            case Ended():
                endings.append(line)
    samples: defaultdict[Seat, dict[int, Sample]] = defaultdict(dict)
    for index in sorted(records):
        for outcome in records[index].outcomes:
            match outcome:
                case Sample():
                    samples[outcome.case, outcome.build][index] = outcome
                case Failure():
                    failures.append((index, outcome))
    return _Journal(
        dict(sorted(records.items())),
        tuple(sorted(repeated)),
        frozenset(case for case, calibration in calibrations.items() if calibration.failure),
        tuple(endings),
        dict(samples),
        tuple(failures),
    )


# -- effects -----------------------------------------------------------------------------------------------------------


def _log_ratios(a: Mapping[int, Sample], b: Mapping[int, Sample]) -> tuple[tuple[int, ...], list[float]]:
    """Blocks that have both samples, and the log of b's time over a's in each of them.

    Turn k of one is paired with turn k of the other; what one has more is left out here and reported as an
    irregularity.
    """
    blocks = tuple(index for index in a if index in b and a[index].values and b[index].values)
    logs = []
    for index in blocks:
        left, right = a[index].values, b[index].values
        turns = min(len(left), len(right))
        logs.append(stats.block_effect(left[:turns], right[:turns]))
    return blocks, logs


def _comparisons(
    run: Run, journal: _Journal, planned: Mapping[str, int], pairs: Sequence[Parity]
) -> Iterator[Comparison]:
    """All contenders in all cases, judged together."""
    workloads = {workload.name: workload for workload in run.plan.workloads}
    baseline, *contenders = run.plan.builds
    differences = {pair.build: pair.differences for pair in pairs}
    seats: list[tuple[Case, str, tuple[int, ...], stats.Effect | None]] = []
    for case in (case for case in run.plan.cases if case.measure is Measure.TIME):
        for build in contenders:
            blocks, logs = _log_ratios(
                journal.samples.get((case.id, baseline), {}), journal.samples.get((case.id, build), {})
            )
            seats.append((case, build, blocks, stats.effect(logs, CONFIDENCE) if logs else None))
    judged = iter(stats.judge([e for *_, e in seats if e], margin=MARGIN, confidence=CONFIDENCE))
    for case, build, blocks, effect in seats:
        yield Comparison(
            case=case,
            build=build,
            baseline=baseline,
            planned=planned[case.id],
            blocks=blocks,
            judgement=next(judged) if effect else None,
            confounders=tuple(
                difference.what
                for difference in differences.get(build, ())
                if parity.reaches(difference, workloads[case.workload])
            ),
        )


def _suites(comparisons: Sequence[Comparison]) -> Iterator[Suite]:
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
        effect = stats.geometric_mean(logs, CONFIDENCE)
        (judgement,) = stats.judge([effect], margin=MARGIN, confidence=CONFIDENCE)
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
    """Each build against itself: more threads against the fewest that were measured, within blocks."""
    for base, more in _families(run, Measure.TIME):
        for build in run.plan.builds:
            for case in more:
                _, logs = _log_ratios(
                    journal.samples.get((case.id, build), {}), journal.samples.get((base.id, build), {})
                )
                yield Speedup(
                    case=case,
                    base=base,
                    build=build,
                    planned=planned[case.id],
                    effect=stats.effect(logs, CONFIDENCE) if logs else None,
                )


def _capacities(run: Run, journal: _Journal, planned: Mapping[str, int]) -> Iterator[Speedup]:
    """Each build against itself: the work that more threads get done, against the fewest that were measured."""
    for base, more in _families(run, Measure.CAPACITY):
        for build in run.plan.builds:
            alone = journal.samples.get((base.id, build), {})
            for case in more:
                together = journal.samples.get((case.id, build), {})
                logs = [
                    stats.block_capacity(alone[index].values, together[index].values, len(case.cpus))
                    for index in alone
                    if index in together
                ]
                effect = stats.effect(logs, CONFIDENCE) if logs else None
                yield Speedup(case=case, base=base, build=build, planned=planned[case.id], effect=effect)


def _families(run: Run, measure: Measure) -> Iterator[tuple[Case, list[Case]]]:
    """Cases that differ in their threads only: the one with the fewest, and the others."""
    families: defaultdict[tuple[str, str | None, tuple[int, ...]], list[Case]] = defaultdict(list)
    for case in run.plan.cases:
        if case.measure is measure:
            families[case.workload, case.strategy, case.cpus].append(case)
    for cases in families.values():
        base, *more = sorted(cases, key=lambda case: case.threads)
        yield base, more


def _parity(run: Run) -> Iterator[Parity]:
    facts = {build.build.name: build for build in run.builds}
    baseline, *contenders = run.plan.builds
    for build in contenders:
        if baseline in facts and build in facts:
            yield parity.parity(facts[baseline], facts[build], run.plan.workloads)


# -- what was measured -------------------------------------------------------------------------------------------------


def _seats(run: Run) -> Iterator[tuple[Case, str]]:
    for case in run.plan.cases:
        for build in run.plan.builds:
            yield case, build


def _series(run: Run, journal: _Journal) -> Iterator[Series]:
    rows = [
        (case, build, block, value)
        for (case, build), samples in journal.samples.items()
        for block, sample in samples.items()
        for value in sample.values
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


def _irregularities(run: Run, journal: _Journal) -> Iterator[Irregularity]:
    missing = tuple(block.index for block in run.plan.blocks if block.index not in journal.records)
    if missing:
        text = f"{len(missing)} of {len(run.plan.blocks)} planned blocks were not executed."
        yield Irregularity(kind=Oddity.MISSING_BLOCKS, subject="", text=text, blocks=missing)
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


def _coverage(run: Run, journal: _Journal) -> Coverage:
    return Coverage(
        planned_blocks=len(run.plan.blocks),
        blocks=len(journal.records),
        planned_samples=sum(len(block.cases) for block in run.plan.blocks) * len(run.plan.builds),
        samples=sum(len(by_block) for by_block in journal.samples.values()),
        complete=bool(journal.endings) and journal.endings[-1].complete,
        wall_seconds=math.fsum(ending.wall_seconds for ending in journal.endings),
        worker_seconds=math.fsum(ending.worker_seconds for ending in journal.endings),
    )
