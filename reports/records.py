"""A journal, sorted: what every block, seat and group of a run left behind."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.gauge import Best
from harness.journal import BlockRecord, Calibration, Depth, Ended, Failure, JournalLine, Sample, Settled, last_valid
from harness.model import Block, Case, Group, Run, Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a run recorded."""

    blocks: dict[int, BlockRecord]
    """The valid records, by block and in its order; of several the last."""
    every: tuple[BlockRecord, ...]
    """In the order in which they were measured, the invalid ones too."""
    invalid: frozenset[int]
    """Blocks that were measured and never valid."""
    repeated: tuple[int, ...]
    """Blocks that have more than one valid record."""
    uncalibrated: frozenset[str]
    """Cases whose last calibration failed."""
    endings: tuple[Ended, ...]
    samples: dict[Seat, dict[int, Sample]]
    """Of the valid blocks: per seat its samples, by block."""
    failures: tuple[tuple[int | None, Failure], ...]
    """With the block; None for a failed calibration."""
    depths: dict[Group, Depth]
    settled: dict[Group, Settled]
    best: Best
    """What gauges are compared with."""

    def of(self, case: Case, build: str) -> dict[int, Sample]:
        """Samples of a seat by block, in the order of the plan."""
        return self.samples.get((case.id, build), {})


def sort(journal: Iterable[JournalLine]) -> Records:
    """The journal of a run, whatever the order of its lines."""
    every: list[BlockRecord] = []
    calibrations: dict[str, Calibration] = {}
    failures: list[tuple[int | None, Failure]] = []
    endings: list[Ended] = []
    depths: dict[Group, Depth] = {}
    settled: dict[Group, Settled] = {}
    for line in journal:
        match line:
            case BlockRecord():
                every.append(line)
            case Calibration():
                calibrations[line.case] = line
                if line.failure:
                    failures.append((None, line.failure))
            case Depth():
                depths[line.cases] = line
            case Settled():
                settled[line.cases] = line
            case Ended():
                endings.append(line)
    blocks = {record.index: record for record in last_valid(every)}
    valid = Counter(record.index for record in every if not record.invalid)
    samples: defaultdict[Seat, dict[int, Sample]] = defaultdict(dict)
    best = Best()
    for index, record in blocks.items():
        for outcome in record.outcomes:
            match outcome:
                case Sample():
                    best.note(outcome)
                    samples[outcome.case, outcome.build][index] = outcome
                case Failure():
                    failures.append((index, outcome))
    return Records(
        blocks=blocks,
        every=tuple(sorted(every, key=lambda record: record.started)),
        invalid=frozenset(record.index for record in every) - blocks.keys(),
        repeated=tuple(index for index in blocks if valid[index] > 1),
        uncalibrated=frozenset(case for case, calibration in calibrations.items() if calibration.failure),
        endings=tuple(endings),
        samples=dict(samples),
        failures=tuple(failures),
        depths=depths,
        settled=settled,
        best=best,
    )


def needed(run: Run, records: Records) -> tuple[Block, ...]:
    """The plan's blocks without those that a group which stopped had left."""
    return tuple(
        block for block in run.plan.blocks if block.index in records.blocks or block.group not in records.settled
    )


def seats(run: Run) -> Iterator[tuple[Case, str]]:
    """Every case on every build, in the order of the plan."""
    for case in run.plan.cases:
        for build in run.plan.builds:
            yield case, build
