"""What a run has to say, as plain frozen data: the only thing that sentences, charts and pages are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.journal import Disturbance, Reason, Stop
from harness.model import Case, Measure, Plan, Run, cpu_list
from harness.planning import CONFIDENCE, confidence_at_looks
from harness.stats import Effect, Judgement, Verdict

MARGIN = 0.05
"""Two builds whose ratio is known to lie within this margin are called the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One build against the baseline in one case."""

    case: Case
    build: str
    baseline: str
    planned: int
    """Blocks that the plan has for the case, less those that were not needed."""
    blocks: tuple[int, ...]
    """Indices of the blocks that have a sample of both builds, in the order of the plan."""
    judgement: Judgement | None
    """Of the ratio of times, build over baseline; its effect's `logs` belong to `blocks`.  None without blocks."""
    confounders: tuple[str, ...]
    """What differs between the two builds besides what is compared, as far as it can reach this workload."""
    noise_floor: float = 0.0
    """Relative difference that this host has shown between a build and itself in this case; 0 where none is known."""

    @property
    def verdict(self) -> Verdict | None:
        return self.judgement.verdict if self.judgement else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One build against the baseline over all workloads, or over those of one category, at one thread count."""

    build: str
    baseline: str
    cpus: tuple[int, ...]
    threads: int
    category: str | None
    """None for all workloads."""
    judgement: Judgement
    """Of the geometric mean of the cases' ratios; not corrected for other suites."""
    cases: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """How many times as fast one build does a job on the threads of `case` as on `base`, the fewest measured."""

    case: Case
    base: Case
    build: str
    planned: int
    effect: Effect | None
    """Time of `base` over time of `case`, paired within blocks: above 1 threads help.  None without blocks.

    Of a capacity the ratio of work done, `case` over `base`, by windows on the same CPUs.
    """
    turns: int = 0
    """Pairs of turns that were measured."""
    undisturbed: int = 0
    """Pairs of turns that the effect rests on: those during which gauges found every CPU at its full speed."""
    decided: bool = True
    """Whether enough blocks have an undisturbed turn; otherwise the effect is no answer on this host now."""


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
    medians: tuple[float, ...]
    """Median of each block's values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most memory that a worker of one build held in one case, medians over blocks, bytes."""

    case: Case
    build: str
    process: float
    """Resident set of the process."""
    container: float | None
    """Cgroup of its container, with all processes and what they cached; None where it cannot be read."""


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
class Ledger:
    """The noise of a run, measurement by measurement, and what was done about it."""

    blocks: tuple[NoiseOfBlock, ...]
    """In the order in which they were measured; a block that was measured again is there again."""
    remeasured: int
    """Blocks that were invalid and then valid."""
    lost: tuple[int, ...]
    """Blocks that were needed and never valid."""
    load: float | None
    """Highest average over a minute."""
    megahertz: tuple[float, float] | None
    """Lowest and highest mean frequency of a block's CPUs."""
    celsius: float | None
    """Of the warmest sensor, highest."""
    containers: int | None
    """Most containers of others at once."""

    @property
    def invalid(self) -> dict[Disturbance, int]:
        """How many measurements broke each rule; a measurement may break several."""
        counts = {rule: sum(rule in block.invalid for block in self.blocks) for rule in Disturbance}
        return {rule: count for rule, count in counts.items() if count}


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
class Difference:
    """One thing in which two builds differ besides what is compared."""

    what: str
    baseline: str
    build: str
    package: str = ""
    """Name of the Python package, where it is one: only workloads that depend on it are affected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How alike a build and the baseline are."""

    build: str
    baseline: str
    compared: str
    """What the comparison is about, such as "free threading"; empty where the two are one and the same build."""
    differences: tuple[Difference, ...]
    """What differs besides; any of them confounds."""


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

    @property
    def efficiency(self) -> float | None:
        """Share of the wall time in which workers were alive; None where no execution has ended."""
        return self.worker_seconds / self.wall_seconds if self.wall_seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that a report says, before it is put into words."""

    run: Run
    comparisons: tuple[Comparison, ...]
    """In the order of the plan's cases, then of its builds; the baseline is not compared with itself."""
    suites: tuple[Suite, ...]
    speedups: tuple[Speedup, ...]
    """Of the time to completion."""
    capacities: tuple[Speedup, ...]
    """Of the work done in short windows."""
    memories: tuple[Comparison, ...]
    """Of the peak resident sets of processes, otherwise like `comparisons`."""
    container_memories: tuple[Comparison, ...]
    """Of the peaks of containers."""
    memory_suites: tuple[Suite, ...]
    """Of `memories`."""
    peaks: tuple[Peak, ...]
    ledger: Ledger
    series: tuple[Series, ...]
    proofs: tuple[Proof, ...]
    failures: tuple[Failures, ...]
    irregularities: tuple[Irregularity, ...]
    parity: tuple[Parity, ...]
    coverage: Coverage
    precisions: tuple[Precision, ...]
    """In the order of the plan; those that had not stopped when the run was interrupted are left out."""

    @property
    def baseline(self) -> str:
        return self.run.plan.builds[0]

    @property
    def contenders(self) -> tuple[str, ...]:
        return self.run.plan.builds[1:]

    @property
    def level(self) -> float:
        """What intervals and verdicts are computed at, so that they hold at `CONFIDENCE`."""
        return level(self.run.plan)

    @property
    def cpu_sets(self) -> tuple[tuple[int, ...], ...]:
        """Distinct CPU sets in the order of the plan."""
        return tuple(dict.fromkeys(case.cpus for case in self.run.plan.cases))

    def suite(self, build: str, cpus: tuple[int, ...], threads: int, category: str | None = None) -> Suite | None:
        """That suite, None where no case of it has a figure."""
        wanted = (build, cpus, threads, category)
        return next((s for s in self.suites if (s.build, s.cpus, s.threads, s.category) == wanted), None)


def level(plan: Plan) -> float:
    """Confidence to compute with: stopping at a look prefers narrow intervals, and pays for it (docs/method.md)."""
    return CONFIDENCE if plan.target is None else confidence_at_looks(CONFIDENCE)


def case_name(case: Case, *, with_cpus: bool) -> str:
    """A case as a report names it: its CPU set is only worth a word where there are several."""
    threads = f", {case.threads} thread{'s' * (case.threads != 1)}"
    strategy = f", {case.strategy}" if case.strategy not in (None, "threads") else ""
    return f"{case.workload}{strategy}{threads}" + (f", CPUs {cpu_list(case.cpus)}" if with_cpus else "")
