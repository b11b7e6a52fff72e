"""From a request to a plan: which cases, in which blocks, in which order.  Pure: the same request, the same plan."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from harness.claims import Sought
from harness.errors import RequestError
from harness.model import (
    CAPACITY_WINDOW,
    Block,
    BuildFacts,
    Case,
    Group,
    Measure,
    Placement,
    Plan,
    Profile,
    Size,
    Skipped,
    Split,
    Strategy,
    Workload,
    cpu_list,
)
from harness.planning import LOOKS, Variances, even, first_look, most_values, values_per_worker


@dataclass(frozen=True, slots=True)
class Effort:
    """What a profile spends."""

    target: float
    """Half-width at which a group stops, relative."""
    blocks: int
    """Rounds over all workloads and CPU sets, at most."""
    budget_seconds: float
    windows: int
    """Windows of a worker whose capacity is measured, at least, until its first look: they are short."""
    measures: tuple[Measure, ...] = tuple(Measure)


EFFORTS = {
    Profile.QUICK: Effort(
        target=0.05, blocks=16, budget_seconds=240, windows=12, measures=(Measure.TIME, Measure.CAPACITY)
    ),
    Profile.STANDARD: Effort(target=0.02, blocks=48, budget_seconds=1200, windows=32),
    Profile.RIGOROUS: Effort(target=0.01, blocks=64, budget_seconds=7200, windows=32),
}

WARMUPS = 1
"""Turns of a worker before its first value: code is specialised, and memory allocated."""

TURN_SECONDS = 0.02
"""Of a turn, at least.  Short, so that both values of a pair meet the same speed of their CPUs and no CPU changes it
meanwhile, and yet long against what a turn costs (docs/method.md)."""

SETTLING = 1
"""Turns before each value to fill the caches again, which are another worker's at first (docs/method.md)."""

LONG_TURN = 0.2
"""Seconds from which on a turn needs no settling: filling caches takes one or two milliseconds."""

MEMORY_VALUES = 1
"""A job that was done twice, once to warm up, has reached its peak."""

CONTAINER_SECONDS = 0.15
"""Start and end of a container, for the estimate: a worker whose memory is measured has one of its own."""

WORKER_SECONDS = 0.12
"""Start and end of a worker process, for the estimate before anything was measured."""

FIRST_LOOKS_SHARE = 0.5
"""Of a budget, what blocks before the first look may take by having more values than would do."""

VARIANCE_RATIO = 9.0
"""Variance between the pairs of a block over that between blocks, before anything was measured (docs/method.md)."""

_HASH_SEEDS = range(10**9, 2**32)
"""Seeds of ten digits: the size of the environment is the same for every worker."""


@dataclass(frozen=True, slots=True)
class Need:
    """A case that is needed, before there is a plan.  Of one thread neither strategy nor split matters."""

    workload: str
    measure: Measure
    threads: int = 1
    strategy: Strategy = Strategy.THREADS
    split: Split = Split.SHARE

    @classmethod
    def of(cls, case: Case) -> Need:
        workload = case.workload.partition(":")[0]
        if case.threads == 1 or case.strategy is None:
            return cls(workload, case.measure, case.threads)
        return cls(workload, case.measure, case.threads, case.strategy, case.split)


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure, resolved: names checked, CPU sets chosen."""

    builds: tuple[str, ...]
    workloads: tuple[Workload, ...]
    cpu_sets: tuple[tuple[int, ...], ...]
    threads: tuple[int, ...] | None = None
    """None: the powers of two up to the size of each CPU set, and that size."""
    strategies: tuple[Strategy, ...] = (Strategy.THREADS,)
    """What a job is split over, where it is; each workload has those of them that make sense for it."""
    split: Split = Split.SHARE
    profile: Profile = Profile.QUICK
    size: Size = Size.QUICK
    measures: tuple[Measure, ...] | None = None
    """None: the profile's."""
    placement: Placement = Placement.PINNED
    only: frozenset[Need] | None = None
    """Of all cases that there would be, with every split, these; None: all."""
    sought: tuple[Sought, ...] = ()
    """Claims that the plan has to decide."""
    blocks: int | None = None
    """This many rounds whatever they show, instead of stopping at the profile's target."""
    budget_seconds: float | None = None
    """Instead of the profile's."""
    stress: bool = False
    """Hunt races, and measure nothing."""
    seed: int = 0
    timeout_seconds: float = 120.0


def make_plan(request: Request, facts: Sequence[BuildFacts]) -> Plan:
    """Every block in order.

    A workload that needs a package which a build of `facts` lacks, or cannot import without the GIL, is skipped with
    that reason, since a comparison needs both sides; without facts nothing is skipped.  Rounds are outermost: whatever
    changes slowly on the machine meets all workloads alike.  RequestError where nothing is left to measure.
    """
    effort = EFFORTS[request.profile]
    shuffle = random.Random(request.seed)
    cases: list[Case] = []
    skipped: list[Skipped] = []
    groups: list[tuple[Case, ...]] = []
    for cpus in request.cpu_sets:
        for workload in request.workloads:
            for group in _groups(workload, cpus, request, effort):
                why = {case: _no_race(case, request) or _obstacles(workload, case, facts) for case in group}
                skipped += [Skipped(case=case.id, reason=reason) for case, reason in why.items() if reason]
                if left := tuple(case for case, reason in why.items() if not reason):
                    cases += left
                    groups.append(left)
    if not cases:
        reasons = sorted({skip.reason for skip in skipped}) or [
            "none of these workloads has a capacity on these threads"
        ]
        raise RequestError(f"nothing is left to measure: {'; '.join(reasons)}")
    blocks: list[Block] = []
    costs = _Costs(request.workloads, request.size)
    values = _first_values(request, effort, groups, costs)
    for round_ in range(request.blocks or effort.blocks):
        for group in shuffle.sample(groups, len(groups)):
            first, cpus = group[0], group[0].cpus
            blocks.append(
                Block(
                    index=len(blocks),
                    workload=first.workload,
                    cpus=cpus,
                    cases=tuple(case.id for case in group),
                    hash_seed=shuffle.choice(_HASH_SEEDS),
                    order_seed=shuffle.randrange(2**32),
                    home=cpus[round_ % len(cpus)],
                    values=values[group],
                    measure=first.measure,
                    settling=costs.settling(first),
                    gauged=first.measure is Measure.TIME and not request.stress,
                )
            )
    return Plan(
        seed=request.seed,
        profile=request.profile,
        size=request.size,
        builds=request.builds,
        workloads=tuple(w for w in request.workloads if any(case.workload == w.name for case in cases)),
        cases=tuple(cases),
        blocks=tuple(blocks),
        skipped=tuple(skipped),
        warmups=WARMUPS,
        turn_seconds=TURN_SECONDS,
        timeout_seconds=request.timeout_seconds,
        stress=request.stress,
        target=None if request.blocks else effort.target,
        budget_seconds=None if request.blocks else request.budget_seconds or effort.budget_seconds,
        questions=tuple(question for one in request.sought if (question := one.question(cases))),
    )


def turn_order(block: Block, builds: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The seats (case, build) of a block in the order of their turns.

    Shuffled by the block's seed, but what is compared stays neighbours: the builds of one case, or where capacity is
    measured the thread counts of one build.
    """
    shuffle = random.Random(block.order_seed)
    if block.measure is Measure.CAPACITY:
        return tuple(
            (case, build)
            for build in shuffle.sample(builds, len(builds))
            for case in shuffle.sample(block.cases, len(block.cases))
        )
    return tuple(
        (case, build)
        for case in shuffle.sample(block.cases, len(block.cases))
        for build in shuffle.sample(builds, len(builds))
    )


def turn_seconds(plan: Plan, case: Case) -> float:
    """The least time that a turn of `case` should take."""
    return _least(case, plan.workloads, plan.turn_seconds)


def _least(case: Case, workloads: Sequence[Workload], shortest: float) -> float:
    if case.measure is Measure.CAPACITY:
        return CAPACITY_WINDOW
    return max(shortest, *(workload.turn_seconds for workload in workloads if workload.name == case.workload))


@dataclass(frozen=True, slots=True)
class _Costs:
    """What turns are expected to take, before anything was measured."""

    workloads: tuple[Workload, ...]
    size: Size

    def turn(self, case: Case) -> float:
        """Seconds of a turn, with its settling."""
        return (1 + self.settling(case)) * self._value(case)

    def settling(self, case: Case) -> int:
        """Turns before each value that are none."""
        return SETTLING if case.measure is Measure.TIME and self._value(case) < LONG_TURN else 0

    def _value(self, case: Case) -> float:
        """Half as long again as the least: loops double until the minimum is reached.  A full job takes its time."""
        least = 1.5 * _least(case, self.workloads, TURN_SECONDS)
        if self.size is Size.QUICK or case.measure is Measure.CAPACITY:
            return least
        return max(least, *(work.seconds(self.size) for work in self.workloads if work.name == case.workload))


def estimate_seconds(plan: Plan) -> float:
    """Roughly how long the plan will take at most, before anything of it was measured."""
    whole = _seconds(plan, plan.blocks)
    return whole if plan.budget_seconds is None else min(whole, max(plan.budget_seconds, first_look_seconds(plan)))


def first_look_seconds(plan: Plan) -> float:
    """Roughly how long it takes until every group had its first look, which no budget takes away."""
    seen: Counter[Group] = Counter()
    first = []
    for block in plan.blocks:
        seen[block.group] += 1
        if seen[block.group] <= first_look(block.measure):
            first.append(block)
    return _seconds(plan, first)


def _seconds(plan: Plan, blocks: Sequence[Block]) -> float:
    by_id = {case.id: case for case in plan.cases}
    costs = _Costs(plan.workloads, plan.size)

    def seat(case: Case, turns: int) -> float:
        place = CONTAINER_SECONDS if case.measure is Measure.MEMORY else 0.0
        return place + WORKER_SECONDS / 2 + turns * costs.turn(case)

    measuring = sum(
        WORKER_SECONDS + len(plan.builds) * sum(seat(by_id[case], plan.warmups + block.values) for case in block.cases)
        for block in blocks
    )
    return measuring + sum(case.measure.calibrated for case in plan.cases) * 2 * WORKER_SECONDS


def _groups(workload: Workload, cpus: tuple[int, ...], request: Request, effort: Effort) -> Iterator[tuple[Case, ...]]:
    """The cases of a workload on a CPU set that are measured together, block by block."""
    for measure in request.measures or effort.measures:
        if measure is not Measure.CAPACITY or workload.capacity:
            group = tuple(_cases(workload, cpus, measure, request))
            if group and (measure is not Measure.CAPACITY or len(group) > 1):
                yield group


def _cases(workload: Workload, cpus: tuple[int, ...], measure: Measure, request: Request) -> Iterator[Case]:
    """One workload, shared by more and more threads, at each number of them in one way after the other."""
    strategies = [one for one in Strategy if one in request.strategies and one in workload.strategies]
    if measure is not Measure.TIME:  # capacity counts what threads do, and memory what one process takes
        strategies = [one for one in strategies if one is Strategy.THREADS]
    splits = (request.split,) if request.only is None else tuple(Split)
    for count in _thread_counts(workload, len(cpus), request.threads):
        ways: Iterable[Strategy | None] = strategies
        if count == 1:
            ways = [Strategy.SERIAL] if workload.strategies else [None]
        made = (_case(workload, way, count, cpus, measure, request, split) for way in ways for split in splits)
        for case in dict.fromkeys(made):  # where there is but one job, it is the same with every split
            if request.only is None or Need.of(case) in request.only:
                yield case


def _first_values(
    request: Request, effort: Effort, groups: Sequence[tuple[Case, ...]], costs: _Costs
) -> dict[tuple[Case, ...], int]:
    """Values per worker until the first look, which knows better; more of them where the budget has room."""
    budget = 0.0 if request.blocks else request.budget_seconds or effort.budget_seconds
    timed = sum(group[0].measure is not Measure.MEMORY for group in groups)
    block_seconds = FIRST_LOOKS_SHARE * budget / (LOOKS[0] * max(1, timed))
    return {group: _values(request, effort, group, costs, block_seconds) for group in groups}


def _values(request: Request, effort: Effort, group: Sequence[Case], costs: _Costs, block_seconds: float) -> int:
    """Those of a group, in blocks that may take `block_seconds` where that is longer than they have to."""
    first = group[0]
    turns = len(request.builds) * sum(costs.turn(case) for case in group)
    start = WORKER_SECONDS + len(request.builds) * len(group) * WORKER_SECONDS / 2 + WARMUPS * turns
    roomy = min(most_values(start, turns), int((block_seconds - start) / turns))
    match first.measure:
        case Measure.TIME:
            guess = Variances(within=VARIANCE_RATIO, between=1.0)
            return even(max(roomy, values_per_worker(guess, start, turns, cap=LOOKS[0])))
        case Measure.CAPACITY:  # whole rounds over all CPUs of the set, since each window is on other ones
            return len(first.cpus) * math.ceil(max(roomy, effort.windows) / len(first.cpus))
        case Measure.MEMORY:
            return MEMORY_VALUES
        case _:
            assert_never(first.measure)


def _thread_counts(workload: Workload, size: int, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    if not workload.strategies:
        return (1,)
    if wanted is not None:
        return wanted
    powers = (2**exponent for exponent in range(size.bit_length()))
    return tuple(sorted({*(power for power in powers if power <= size), size}))


def _case(
    workload: Workload,
    strategy: Strategy | None,
    threads: int,
    cpus: tuple[int, ...],
    measure: Measure,
    request: Request,
    split: Split,
) -> Case:
    """Placement and split are for the time of several threads: capacity has pinned ones with pieces of one job."""
    several = threads > 1 and measure is Measure.TIME
    placement = request.placement if several else Placement.PINNED
    split = split if several else Split.SHARE
    question = "" if measure is Measure.TIME else f" {measure}"
    free = f" placement={placement}" if placement is Placement.FREE else ""
    whole = f" split={split}" if split is Split.WHOLE else ""
    sharing = Strategy.THREADS if strategy in (None, Strategy.SERIAL) else strategy
    return Case(
        id=f"{workload.name}{question} {sharing}={threads}{whole}{free} cpus={cpu_list(cpus)}",
        workload=workload.name,
        strategy=strategy,
        threads=threads,
        cpus=cpus,
        measure=measure,
        placement=placement,
        split=split,
    )


def _no_race(case: Case, request: Request) -> str:
    """Why nothing can race in a case although races are hunted; empty where it can."""
    return f"{case.workload} has no threads, so nothing can race" if request.stress and case.threads == 1 else ""


def _obstacles(workload: Workload, case: Case, facts: Sequence[BuildFacts]) -> str:
    """Why the builds cannot be compared in a case; empty where they can."""
    if case.split is Split.WHOLE and Split.WHOLE not in workload.splits:
        return f"what the parts of {workload.name} share is not there for whole jobs"
    reasons = []
    for build in facts:
        if case.strategy is Strategy.INTERPRETERS and _series(build) < (3, 14):
            reasons.append(f"{build.build.name} has no InterpreterPoolExecutor, which came with 3.14")
            continue
        environment = build.environments.get(workload.requirements)
        if environment and environment.refusal:
            reasons.append(f"{build.build.name}: {environment.refusal}")
            continue
        installed = environment.packages if environment else {}  # what they do shows when they are used
        for package in (one for one in workload.dependencies if one not in installed):
            if package not in build.packages:
                unpinned = ", and no lock file beside its script pins it" if workload.source else ""
                reasons.append(f"{build.build.name} has no {package}{unpinned}")
            elif module := build.turns_gil_on.get(package):
                version = build.packages[package]
                reasons.append(f"{module} of {package} {version} turns the GIL back on in {build.build.name}")
            elif case.strategy is Strategy.INTERPRETERS and package in build.no_subinterpreters:
                version = build.packages[package]
                reasons.append(f"{package} {version} cannot be imported in a subinterpreter of {build.build.name}")
    return ", ".join(reasons)


def _series(build: BuildFacts) -> tuple[int, ...]:
    return tuple(int(number) for number in build.release.split(".")[:2])
