"""What figures rest on, as plain frozen data: values, memory, noise, failures and what became of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.journal import Disturbance, Reason, Stop
from harness.model import Case, Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """All values of one build in one case, in seconds per loop."""

    case: Case
    build: str
    loops: tuple[int, ...]
    """Distinct numbers of loops; more than one is irregular."""
    values: int
    """How many there are."""
    shortest: float
    median: float
    longest: float
    blocks: tuple[int, ...]
    samples: tuple[tuple[float, ...], ...]
    """Each block's values, in the order of its turns."""
    medians: tuple[float, ...]
    """Median of each block's values."""
    steadied: tuple[float, ...]
    """The same of values in gauge loops (harness/gauge.py); empty where a block was not gauged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A block in the course of the run, all its cases together."""

    started: float
    """Seconds since the first block began."""
    speed: float
    """Log of the baseline's times over their medians in the whole run: above 0 the machine was slow."""
    ratio: float
    """Log of the ratios that were taken inside the block over the effects; nan where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most memory that a worker of one build held in one case, medians over blocks, bytes."""

    case: Case
    build: str
    process: float
    """Resident set of the process."""
    processes: tuple[int, ...]
    """The same of every block."""
    container: float | None
    """Cgroup of its container, with all processes and what they cached; None where it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the workers of one build found out about themselves after their last value."""

    build: str
    samples: int
    gil: dict[bool | None, int]
    """Samples by state of the GIL at the end; None where the interpreter does not know."""
    throttled: int
    """Samples during which the container was throttled."""
    unreadable_throttling: int
    """Samples for which throttling could not be read."""
    involuntary_switches: float
    """Median over samples."""
    max_rss: int
    """Largest peak resident set, bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseOfBlock:
    """What happened beside one measurement of a block."""

    block: int
    started: float
    """Unix time, seconds."""
    stolen: float | None
    """Share of the CPU time of the block's CPUs that the hypervisor took."""
    others: float | None
    """Share that was spent by anything but the workers."""
    invalid: tuple[Disturbance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of the CPU time that the CPUs of blocks had while turns were taken."""

    overall: float
    """Of all measurements of blocks together."""
    highest: float
    """Of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The noise of a run, measurement by measurement, and what was done about it; None for what could not be read."""

    blocks: tuple[NoiseOfBlock, ...]
    """In the order in which they were measured; a block that was measured again is there again."""
    remeasured: int
    """Blocks that were invalid and then valid."""
    lost: tuple[int, ...]
    """Blocks that were needed and never valid."""
    stolen: Share | None
    """Taken by the hypervisor."""
    others: Share | None
    """Spent by anything but the workers."""
    load: float | None
    """Highest average over a minute."""
    megahertz: tuple[float, float] | None
    """Lowest and highest mean frequency of a block's CPUs."""
    celsius: float | None
    """Of the warmest sensor, highest."""
    containers: int | None
    """Most containers of others at once."""

    @property
    def invalid(self) -> int:
        """Measurements that broke a rule."""
        return sum(bool(block.invalid) for block in self.blocks)

    @property
    def broken(self) -> dict[Disturbance, int]:
        """How many measurements broke each rule; a measurement may break several."""
        return {rule: sum(rule in block.invalid for block in self.blocks) for rule in Disturbance}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Failures that are alike: same case, build, reason and message."""

    reason: Reason
    case: str
    build: str
    message: str
    output: str
    """Of the last one."""
    blocks: tuple[int, ...]
    """Where it happened; empty where the case could not even be calibrated."""


class Oddity(StrEnum):
    """What can be wrong with outcomes without being a failure."""

    MISSING_BLOCKS = "missing blocks"
    MISSING_SEATS = "missing outcomes"
    INVALID_BLOCKS = "invalid blocks"
    REPEATED_BLOCKS = "repeated blocks"
    UNEQUAL_COUNTS = "unequal counts"
    CHANGED_LOOPS = "changed loops"


@dataclass(frozen=True, slots=True, kw_only=True)
class Irregularity:
    """Something that a reader must know about the outcomes, and what was done about it."""

    kind: Oddity
    subject: str
    """The case, or the case and builds; empty for the whole run."""
    text: str
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """What became of one workload on one CPU set in a run that stops at a target."""

    workload: str
    measure: Measure
    cpus: tuple[int, ...]
    blocks: int
    half_width: float | None
    """Of its widest interval, relative; None where there is no interval."""
    reason: Stop
    """Why it got no more blocks."""
    needed: int | None
    """Blocks in all that its widest interval is expected to need; None where it is narrow enough, or unknown."""
    seconds: float | None
    """How long the missing ones would take, from those that were measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deepening:
    """How many values a worker measured in the blocks of one workload, measure and CPU set, and why.

    After the first look, Kalibera and Jones' optimum of what the first blocks showed.
    """

    workload: str
    measure: Measure
    cpus: tuple[int, ...]
    planned: int
    """Values per worker up to the first look."""
    values: int
    """From then on."""
    within: float
    """Standard deviation of the log ratios of one block's pairs."""
    between: float
    """Standard deviation of blocks beyond that of their pairs; 0 where none was seen."""
    block_seconds: float
    """What another block costs before its first value."""
    value_seconds: float
    """What another value of every worker costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much of the plan, less the blocks that were not needed, has become data."""

    planned_blocks: int
    blocks: int
    planned_samples: int
    samples: int
    complete: bool
    """The last execution reached the end of the plan."""
    wall_seconds: float
    worker_seconds: float
    timed_seconds: float
    """Of values, and of what was executed before them to warm up and to settle."""

    @property
    def timed(self) -> float | None:
        """Share of the wall time that was timed; None where no execution has ended."""
        return self.timed_seconds / self.wall_seconds if self.wall_seconds else None

    @property
    def efficiency(self) -> float | None:
        """Share of the wall time in which workers were alive; None where no execution has ended."""
        return self.worker_seconds / self.wall_seconds if self.wall_seconds else None
