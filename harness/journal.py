"""What a run leaves behind, line by line: the outcomes of its blocks, and what was decided on the way.

A line of outcomes.jsonl is one of `JournalLine`.  Lines are only ever appended.
"""

from __future__ import annotations

from enum import StrEnum

from harness.model import Group, Struct


class Evidence(Struct, frozen=True, kw_only=True):
    """What a worker found out about itself after its last value."""

    gil_enabled: bool | None
    """`sys._is_gil_enabled()` at the end; None where the interpreter does not know."""
    cpus_allowed: tuple[int, ...]
    """`Cpus_allowed_list` of /proc/self/status."""
    throttled_periods: int | None
    """Periods in which the container's cgroup was throttled while the worker lived; None where unreadable."""
    involuntary_switches: int
    """`nonvoluntary_ctxt_switches` of /proc/self/status."""
    max_rss: int
    """Peak resident set, bytes."""


class Turn(Struct, frozen=True, kw_only=True, array_like=True):
    """One turn as the harness saw it: seconds since the block began."""

    granted: float
    returned: float


class Sample(Struct, frozen=True, kw_only=True, tag="sample"):
    """The values of one worker, in seconds per loop, exactly as pyperf measured them."""

    case: str
    build: str
    loops: int
    warmups: tuple[float, ...]
    values: tuple[float, ...]
    turns: tuple[Turn, ...]
    """One per warm-up and value, in order."""
    evidence: Evidence
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
    THROTTLED = "throttled"
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


class BlockRecord(Struct, frozen=True, kw_only=True, tag="block"):
    """What became of one block: a line of outcomes.jsonl."""

    index: int
    started: float
    """Unix time, seconds."""
    seconds: float
    outcomes: tuple[Outcome, ...]


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
    NOTHING = "nothing to compare"
    BUDGET = "budget used"
    CAP = "cap reached"


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


JournalLine = BlockRecord | Calibration | Settled | Ended
