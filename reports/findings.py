"""What a run has to say, as plain frozen data: the only thing that sentences, charts and pages are made of."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Case, Measure, Placement, Run, cpu_list
from harness.planning import level
from harness.scaling import Fit, Unfitted
from harness.stats import Effect, Judgement, Verdict
from reports.evidence import (
    Coverage,
    Deepening,
    Failures,
    Irregularity,
    Ledger,
    Peak,
    Precision,
    Proof,
    Series,
)
from reports.words import sharing

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
    """Of the ratio of times or of memory, build over baseline; its effect's `logs` belong to `blocks`.  None without
    blocks."""
    confounders: tuple[str, ...]
    """What differs between the two builds besides what is compared, as far as it can reach this workload."""
    noise_floor: float = 0.0
    """Relative difference that this host has shown between a build and itself in this case; 0 where none is known."""

    @property
    def verdict(self) -> Verdict | None:
        return self.judgement.verdict if self.judgement else None

    @property
    def is_different(self) -> bool:
        """Whether the run has shown a difference."""
        return self.verdict is not None and self.verdict.is_different

    @property
    def is_below_floor(self) -> bool:
        """Whether the interval excludes 1, and the difference is nevertheless no more than this host's noise."""
        found = self.judgement
        return found is not None and not self.is_different and (found.low > 1 or found.high < 1)


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

    @property
    def measure(self) -> Measure:
        return self.cases[0].case.measure


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
    blocks: tuple[int, ...] = ()
    """Indices of the blocks that the effect's `logs` belong to."""
    turns: int = 0
    """Pairs of turns that were measured; 0 for a capacity, which rests on windows."""
    undisturbed: int = 0
    """Pairs of turns that the effect rests on: those during which gauges found every CPU at its full speed."""
    gauged: bool = False
    """Whether there were gauges; otherwise nobody knows which turns were disturbed, and the effect rests on all."""
    decided: bool = True
    """Whether enough blocks have an undisturbed pair of turns; otherwise the effect is no answer on this host now."""

    @property
    def answer(self) -> Effect | None:
        """The effect, where it is one."""
        return self.effect if self.decided else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of sharing a job."""

    case: Case
    speedup: Speedup | None
    """Against the fewest threads; None where these are not fewer."""
    behind: float | None
    """Log ratio of its time and the best one's; None for the best one itself."""
    beaten: bool
    """Whether it is known to be slower than the best one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The ways of sharing a job over so many threads, processes, ... on one build."""

    build: str
    ways: tuple[Way, ...]
    """Best first; two at least."""

    @property
    def best(self) -> Way:
        return self.ways[0]

    @property
    def unbeaten(self) -> tuple[Way, ...]:
        """The best one, and those not known to be slower."""
        return tuple(way for way in self.ways if not way.beaten)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laws:
    """How one build's speedup depends on workers, on one workload, way of sharing its job and CPU set."""

    case: Case
    """Of the most workers."""
    base: Case
    build: str
    amdahl: Fit | Unfitted
    usl: Fit | Unfitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What to do with one workload on one CPU set: a build, each side sharing the job as well as it can."""

    case: Case
    """On the fewest threads."""
    build: str
    baseline: str
    cost: Comparison
    """Of `case`: what the build costs where nothing is shared."""
    gain: Speedup | None
    """What the most threads bring to the build; None where threads were not measured."""
    control: Speedup | None
    """The same of the baseline."""
    memory: Comparison | None
    crossings: tuple[tuple[int, Judgement], ...]
    """Per number of threads, the build's time over the best of the baseline with no more threads."""
    best: Case | None
    """The build's fastest; None where nothing of it can be compared."""
    rival: Case | None
    """The baseline's fastest."""
    judgement: Judgement | None
    """Time of `best` over that of `rival`, judged together with all crossings and all other workloads."""
    open: frozenset[str]
    """The builds of which a way to share the job was measured and is undecided: that way could be their fastest."""

    @property
    def verdict(self) -> Verdict | None:
        """Of each build at its fastest.  What could be faster than its fastest known way makes a loser undecided."""
        if self.judgement is None:
            return None
        losers = {
            Verdict.FASTER: {self.baseline},
            Verdict.SLOWER: {self.build},
            Verdict.SAME: {self.build, self.baseline},
            Verdict.UNDECIDED: set[str](),
        }
        return Verdict.UNDECIDED if losers[self.judgement.verdict] & self.open else self.judgement.verdict

    @property
    def breaks_even(self) -> int | None:
        """The fewest threads with which the build is known to be faster; None where no number is."""
        return next((threads for threads, one in self.crossings if one.verdict is Verdict.FASTER), None)

    @property
    def never(self) -> bool:
        """Whether it is known that no number of threads that was measured makes it faster."""
        decided = [one.verdict in (Verdict.SAME, Verdict.SLOWER) for _, one in self.crossings]
        return bool(decided) and all(decided) and not self.open


@dataclass(frozen=True, slots=True, kw_only=True)
class SameBuild:
    """A case in which a build was compared with itself: every difference is noise."""

    case: Case
    comparisons: int
    """How many its blocks make, `FalseAlarms.blocks` consecutive ones each."""
    called: int
    """How many of these would be called different, each by itself."""
    noise: float
    """The difference over all its blocks, relative and without sign: what `inv aa` remembers as noise floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """How often a build that is compared with itself on one CPU set is called different, which it never is."""

    build: str
    baseline: str
    measure: Measure
    cpus: tuple[int, ...]
    blocks: int
    """Of each comparison."""
    cases: tuple[SameBuild, ...]
    low: float
    high: float
    """Exact 95 % interval of the share of comparisons that are called different; nan where there are none."""

    @property
    def comparisons(self) -> int:
        return sum(case.comparisons for case in self.cases)

    @property
    def called(self) -> int:
        return sum(case.called for case in self.cases)


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
    choices: tuple[Choice, ...]
    """Where a job was shared in more than one way."""
    advice: tuple[Advice, ...]
    """Of every workload, CPU set and build but the baseline."""
    laws: tuple[Laws, ...]
    """Where there were enough numbers of threads, processes, ... to fit one."""
    memories: tuple[Comparison, ...]
    """Of the peak resident sets of processes, otherwise like `comparisons`."""
    container_memories: tuple[Comparison, ...]
    """Of the peaks of containers."""
    memory_suites: tuple[Suite, ...]
    """Of `memories`."""
    false_alarms: tuple[FalseAlarms, ...]
    """Of builds that are compared with themselves."""
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
    deepenings: tuple[Deepening, ...]
    """In the order of the plan; groups without one measured as many values as planned throughout."""

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


def case_name(case: Case, *, with_cpus: bool) -> str:
    """A case as a report names it: its CPU set is only worth a word where there are several."""
    free = ", placed freely" * (case.placement is Placement.FREE)
    return f"{case.workload}, {sharing(case)}{free}" + (f", CPUs {cpu_list(case.cpus)}" if with_cpus else "")
