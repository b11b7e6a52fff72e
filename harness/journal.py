"""What a run leaves behind, line by line: the outcomes of its blocks, and what was decided on the way.

A line of outcomes.jsonl is one of `JournalLine`.  Lines are only ever appended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from harness.model import Group, Struct


class Evidence(Struct, frozen=True, kw_only=True):
    """What a worker found out about itself; counts are of the time from its first turn to after its last value."""

    gil_enabled: bool | None
    """`sys._is_gil_enabled()` at the end; None where the interpreter does not know."""
    cpus_allowed: tuple[int, ...]
    """`Cpus_allowed_list` of /proc/self/status."""
    throttled_periods: int | None
    """Periods in which the container's cgroup was throttled; None where unreadable."""
    involuntary_switches: int
    """Times that a thread was taken off its CPU, all threads."""
    max_rss: int
    """Peak resident set of the process, bytes: VmHWM, which unlike ru_maxrss knows nothing of what was before exec."""
    cpu_seconds: float = 0.0
    """CPU time of the process, user and system."""
    waited_seconds: float | None = None
    """Time that its threads were ready to execute and had no CPU, summed; None where the kernel does not tell."""
    major_faults: int = 0
    """Pages that had to be read from a disk while values were measured."""
    swapped: int = 0
    """Bytes of the process that were in swap at the end."""
    memory_peak: int | None = None
    """Most that the container's cgroup held since the container was started, bytes; None where unreadable."""
    out_of_turn: float = 0.0
    """CPU seconds that the process used while it was not its turn."""
    threads_first: int = 0
    """Threads that it had after its first turn, its main one included."""
    threads_last: int = 0
    """And after its last."""


class Turn(Struct, frozen=True, kw_only=True, array_like=True):
    """One turn as the harness saw it: seconds since the block began."""

    granted: float
    returned: float


class Gauge(Struct, frozen=True, kw_only=True, array_like=True):
    """Seconds that a short fixed loop took on each allowed CPU, ascending, right before and right after a turn."""

    before: tuple[float, ...]
    after: tuple[float, ...]
    waited: float = 0.0
    """Seconds in between for which threads of the worker were ready and had no CPU, all of them together."""


class Sample(Struct, frozen=True, kw_only=True, tag="sample"):
    """The values of one worker, in seconds per loop, exactly as pyperf measured them."""

    case: str
    build: str
    loops: int
    warmups: tuple[float, ...]
    values: tuple[float, ...]
    turns: tuple[Turn, ...]
    """One per warm-up and value, in order; that of a value begins with its settling."""
    evidence: Evidence
    settling: tuple[float, ...] = ()
    """What was measured in the turn right before each value, to fill the caches again; not values."""
    gauges: tuple[Gauge, ...] = ()
    """One per warm-up and value, in order; empty in blocks without a gauge."""
    metadata: dict[str, str | int | float]
    """pyperf's metadata of the worker."""


class Reason(StrEnum):
    """Why a seat has no sample."""

    CRASHED = "crashed"
    KILLED = "killed"
    TIMED_OUT = "timed out"
    WRONG_ANSWER = "wrong answer"
    WRONG_CPUS = "wrong CPUs"
    GIL_ENABLED = "GIL enabled"
    STRAY = "work outside of its turns"
    UNREADABLE = "unreadable result"
    ENGINE = "engine failed"


class Failure(Struct, frozen=True, kw_only=True, tag="failure"):
    """A seat without a sample."""

    case: str
    build: str
    reason: Reason
    message: str
    """One sentence for the report."""
    output: str = ""
    """Last lines of the worker's output."""


Outcome = Sample | Failure


class Noise(Struct, frozen=True, kw_only=True):
    """What else happened on the machine while the turns of a block were taken; None for what this host cannot tell."""

    seconds: float
    """How long the turns took."""
    stolen: float | None
    """Seconds that the hypervisor took from the block's CPUs, summed."""
    others: float | None
    """CPU seconds that were spent on the block's CPUs by anything but its workers."""
    load: float | None
    """Average number of processes that were executing or ready to, over the last minute."""
    megahertz: float | None
    """Mean frequency of the block's CPUs at the end."""
    celsius: float | None
    """Of the warmest sensor, at the end."""
    containers: int | None
    """Running containers that are not ours."""


class Disturbance(StrEnum):
    """A rule of `harness.validity` by which a block is invalid."""

    THROTTLED = "throttled"
    STOLEN = "CPU time stolen"
    CROWDED = "CPUs shared with other work"
    SWAPPED = "memory swapped or reclaimed"


class BlockRecord(Struct, frozen=True, kw_only=True, tag="block"):
    """What became of one block: a line of outcomes.jsonl."""

    index: int
    started: float
    """Unix time, seconds."""
    seconds: float
    outcomes: tuple[Outcome, ...]
    noise: Noise | None = None
    invalid: tuple[Disturbance, ...] = ()
    """Rules that it broke: its samples are kept, nothing is estimated from them, and it is measured again."""


ATTEMPTS = 3
"""A block that was invalid as often is not measured again."""


class Attempts:
    """Counts how often each block was invalid."""

    def __init__(self) -> None:
        self._invalid: Counter[int] = Counter()

    def ended(self, record: BlockRecord) -> bool:
        """Take note of a measurement; whether its block is not measured again: valid, or invalid too often."""
        self._invalid[record.index] += bool(record.invalid)
        return not record.invalid or self._invalid[record.index] >= ATTEMPTS


class Calibration(Struct, frozen=True, kw_only=True, tag="calibration"):
    """Loops per value of a case, the same for all builds: a line of outcomes.jsonl.

    Where calibration failed, `loops` is 0 and `failure` says why; the case then has no samples.
    """

    case: str
    loops: int
    seconds: float
    failure: Failure | None = None


class Stop(StrEnum):
    """Why a group gets no more blocks."""

    TARGET = "target reached"
    DECIDED = "verdict reached"
    NOTHING = "nothing to compare"
    BUDGET = "budget used"
    CAP = "cap reached"


class Depth(Struct, frozen=True, kw_only=True, tag="depth"):
    """How many values a worker measures from here on: a line of outcomes.jsonl, after the first look at a group.

    Kalibera and Jones' optimum (`harness.planning.values_per_worker`) from what its first blocks showed.
    """

    cases: Group
    values: int
    within: float
    """Variance between the pairs of one block, of log ratios."""
    between: float
    """Variance between blocks beyond that of their pairs; 0 or less where none was seen."""
    block_seconds: float
    """What another block costs before its first value."""
    value_seconds: float
    """What another value of every worker costs."""


class Settled(Struct, frozen=True, kw_only=True, tag="settled"):
    """A group got its last block: a line of outcomes.jsonl, one per group of a plan with a target."""

    cases: Group
    blocks: int
    """Blocks that were recorded of the group."""
    half_width: float | None
    """Of its widest interval, relative, over all these blocks; None where there is no interval."""
    reason: Stop


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """How an execution of the plan ended: a line of outcomes.jsonl; a resumed run has several."""

    complete: bool
    wall_seconds: float
    worker_seconds: float
    """Seconds of `wall_seconds` in which at least one worker process was alive."""


JournalLine = BlockRecord | Calibration | Depth | Settled | Ended


def last_valid(records: Iterable[BlockRecord]) -> tuple[BlockRecord, ...]:
    """What is estimated from: of each block the last record that broke no rule, in the order of the plan."""
    valid = {record.index: record for record in records if not record.invalid}
    return tuple(valid[index] for index in sorted(valid))
