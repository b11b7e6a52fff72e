"""What was measured: values, memory, noise, what workers found out about themselves, and what became of the plan."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from harness.gauge import steadied
from harness.journal import BlockRecord, Failure, Sample
from harness.model import CAPACITY_WINDOW, Block, Measure, Run
from harness.validity import cpu_seconds
from reports.evidence import (
    Coverage,
    Failures,
    Irregularity,
    Ledger,
    NoiseOfBlock,
    Oddity,
    Peak,
    Proof,
    Series,
    Share,
)
from reports.records import Records, seats


def series(run: Run, records: Records) -> Iterator[Series]:
    """All values, seat by seat; the values of memory do not count."""
    for case, build in seats(run):
        samples = records.of(case, build) if case.measure is not Measure.MEMORY else {}
        values = sorted(value for sample in samples.values() for value in sample.values)
        if values:
            yield Series(
                case=case,
                build=build,
                loops=tuple(sorted({sample.loops for sample in samples.values()})),
                values=len(values),
                shortest=values[0],
                median=statistics.median(values),
                longest=values[-1],
                blocks=tuple(index for index, sample in samples.items() if sample.values),
                samples=tuple(sample.values for sample in samples.values() if sample.values),
                medians=tuple(statistics.median(sample.values) for sample in samples.values() if sample.values),
                steadied=_steadied([sample for sample in samples.values() if sample.values]),
            )


def _steadied(samples: Sequence[Sample]) -> tuple[float, ...]:
    found = [steadied(sample) for sample in samples]
    return tuple(map(statistics.median, found)) if all(found) else ()


def peaks(run: Run, records: Records) -> Iterator[Peak]:
    """The most memory that workers held, where that was measured."""
    for case, build in seats(run):
        samples = records.of(case, build).values() if case.measure is Measure.MEMORY else ()
        if evidence := [sample.evidence for sample in samples]:
            containers = [one.memory_peak for one in evidence if one.memory_peak is not None]
            yield Peak(
                case=case,
                build=build,
                process=float(np.median([one.max_rss for one in evidence])),
                processes=tuple(one.max_rss for one in evidence),
                container=float(np.median(containers)) if containers else None,
            )


def proofs(run: Run, records: Records) -> Iterator[Proof]:
    """What the workers found out about themselves, build by build."""
    for build in run.plan.builds:
        evidence = [sample.evidence for case in run.plan.cases for sample in records.of(case, build).values()]
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


# -- noise -------------------------------------------------------------------------------------------------------------


def ledger(run: Run, records: Records, blocks: Sequence[Block]) -> Ledger:
    """The noise of a run of which these blocks were needed."""
    cpus = {block.index: len(block.cpus) for block in run.plan.blocks}
    noises = [record.noise for record in records.every if record.noise]
    invalid = {record.index for record in records.every if record.invalid}
    had = [cpu_seconds(record.noise, cpus[record.index]) for record in records.every if record.noise]
    megahertz = [noise.megahertz for noise in noises if noise.megahertz is not None]
    return Ledger(
        blocks=tuple(_noise_of(record, cpus[record.index]) for record in records.every),
        remeasured=len(invalid & records.blocks.keys()),
        lost=tuple(block.index for block in blocks if block.index in records.invalid),
        stolen=_share([noise.stolen for noise in noises], had),
        others=_share([noise.others for noise in noises], had),
        load=max((noise.load for noise in noises if noise.load is not None), default=None),
        megahertz=(min(megahertz), max(megahertz)) if megahertz else None,
        celsius=max((noise.celsius for noise in noises if noise.celsius is not None), default=None),
        containers=max((noise.containers for noise in noises if noise.containers is not None), default=None),
    )


def _share(seconds: Sequence[float | None], of: Sequence[float]) -> Share | None:
    known = [(part, whole) for part, whole in zip(seconds, of, strict=True) if part is not None]
    if not known:
        return None
    overall = math.fsum(part for part, _ in known) / math.fsum(whole for _, whole in known)
    return Share(overall=overall, highest=max(part / whole for part, whole in known))


def _noise_of(record: BlockRecord, cpus: int) -> NoiseOfBlock:
    def share(seconds: float | None) -> float | None:
        return seconds / cpu_seconds(record.noise, cpus) if record.noise and seconds is not None else None

    return NoiseOfBlock(
        block=record.index,
        started=record.started,
        stolen=share(record.noise.stolen) if record.noise else None,
        others=share(record.noise.others) if record.noise else None,
        invalid=record.invalid,
    )


# -- outcomes ----------------------------------------------------------------------------------------------------------


def failures(records: Records) -> Iterator[Failures]:
    """What failed, told once where it is alike."""
    alike: defaultdict[tuple[str, str, str, str], list[tuple[int | None, Failure]]] = defaultdict(list)
    for block, failure in records.failures:
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


def irregularities(run: Run, records: Records, blocks: Sequence[Block]) -> Iterator[Irregularity]:
    """What is wrong with the outcomes without being a failure, where these blocks were needed."""
    tried = {record.index for record in records.every}
    missing = tuple(block.index for block in blocks if block.index not in tried)
    invalid = tuple(block.index for block in blocks if block.index in records.invalid)
    if missing:
        text = f"{len(missing)} of {len(blocks)} planned blocks were not executed."
        yield Irregularity(kind=Oddity.MISSING_BLOCKS, subject="", text=text, blocks=missing)
    if invalid:
        text = f"{_blocks(invalid)} disturbed whenever measured, and left out; the noise ledger says by what."
        yield Irregularity(kind=Oddity.INVALID_BLOCKS, subject="", text=text, blocks=invalid)
    if records.repeated:
        text = f"{_blocks(records.repeated)} recorded more than once; the last record counts."
        yield Irregularity(kind=Oddity.REPEATED_BLOCKS, subject="", text=text, blocks=records.repeated)
    yield from _empty_seats(run, records)
    yield from _unlike_samples(run, records)


def _empty_seats(run: Run, records: Records) -> Iterator[Irregularity]:
    """Seats of executed blocks of which the journal knows neither a sample nor a failure."""
    told = {(o.case, o.build, index) for index, record in records.blocks.items() for o in record.outcomes}
    executed: defaultdict[str, list[int]] = defaultdict(list)
    for block in run.plan.blocks:
        if block.index in records.blocks:
            for case_id in block.cases:
                executed[case_id].append(block.index)
    for case, build in seats(run):
        lost = tuple(index for index in executed[case.id] if (case.id, build, index) not in told)
        if lost and case.id not in records.uncalibrated:
            text = f"{_blocks(lost)} executed and left neither a sample nor a failure."
            yield Irregularity(kind=Oddity.MISSING_SEATS, subject=f"{case.id} on {build}", text=text, blocks=lost)


def _unlike_samples(run: Run, records: Records) -> Iterator[Irregularity]:
    """Blocks in which the builds of one case have different numbers of values or of loops."""
    for case in run.plan.cases:
        by_block: defaultdict[int, list[Sample]] = defaultdict(list)
        for build in run.plan.builds:
            for index, sample in records.of(case, build).items():
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


def coverage(run: Run, records: Records, blocks: Sequence[Block]) -> Coverage:
    """How much of these blocks, which were needed, has become data."""
    return Coverage(
        planned_blocks=len(blocks),
        blocks=len(records.blocks),
        planned_samples=sum(len(block.cases) for block in blocks) * len(run.plan.builds),
        samples=sum(len(by_block) for by_block in records.samples.values()),
        complete=bool(records.endings) and records.endings[-1].complete,
        wall_seconds=math.fsum(ending.wall_seconds for ending in records.endings),
        worker_seconds=math.fsum(ending.worker_seconds for ending in records.endings),
        timed_seconds=math.fsum(_timed(run, records)),
    )


def _timed(run: Run, records: Records) -> Iterator[float]:
    """Seconds that each sample was timed.  A value of capacity is a time per piece, its window is always the same."""
    windows = {case.id for case in run.plan.cases if case.measure is Measure.CAPACITY}
    for (case, _), by_block in records.samples.items():
        for sample in by_block.values():
            timed = (*sample.warmups, *sample.settling, *sample.values)
            yield len(timed) * CAPACITY_WINDOW if case in windows else sample.loops * math.fsum(timed)
