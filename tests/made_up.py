"""Runs whose truth is known: a plan, and the journal that a noisy two-speed machine would have left of it.

Every value is drawn from a seeded generator, so that the same call makes the same run on every machine.  With gauges it
is another machine: all its CPUs have one speed, and now and then one of them is slow for a round of turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from harness.journal import (
    ATTEMPTS,
    BlockRecord,
    Calibration,
    Disturbance,
    Ended,
    Evidence,
    Failure,
    Gauge,
    JournalLine,
    Noise,
    Reason,
    Sample,
    Turn,
)
from harness.model import (
    SCHEMA,
    Block,
    Build,
    BuildFacts,
    Case,
    EngineFacts,
    HostFacts,
    Isolation,
    Measure,
    NoiseFloor,
    Optimize,
    Plan,
    Profile,
    Run,
    Size,
    Source,
    Strategy,
    Workload,
    cpu_list,
)

Truth = Callable[[Case, BuildFacts], float]
"""Seconds per loop of a case on a build, before noise; or bytes."""

Beside = Callable[[Block, int], tuple[Noise | None, tuple[Disturbance, ...]]]
"""What happened beside a block when it was measured for the first (0), second or third time, and the rules it broke."""

CONTAINER = 15 * 2**20
"""Bytes that a container holds less than its process: files that others had read before."""

THREADED = ("pure_python/cpu_bound", "pure_python/process_data", "mixed/hybrid", "scraping/parse")
SINGLE = ("numpy/square_sum", "numpy/inverse")


def build(name: str, *, free_threaded: bool | None = None, release: str = "3.13.5", image: str = "") -> BuildFacts:
    """A build made from source; free-threaded where the name's first word ends in "t"."""
    is_free = name.partition("-")[0].endswith("t") if free_threaded is None else free_threaded
    asked = Build(
        name=name,
        series=release.rpartition(".")[0],
        free_threaded=is_free,
        source=Source.SOURCE,
        optimize=Optimize.PLAIN,
        base="bookworm",
    )
    flags = "experimental free-threading build, main" if is_free else "main"
    return BuildFacts(
        build=asked,
        release=release,
        version=f"{release} {flags} [GCC 12.2.0]",
        free_threaded=is_free,
        gil_enabled=not is_free,
        executable="/opt/python/bin/python3",
        compiler="GCC 12.2.0",
        configure="'--prefix=/opt/python' '--with-ensurepip=no'" + (" '--disable-gil'" if is_free else ""),
        optimize="plain",
        link="static",
        libc="glibc 2.36",
        machine="x86_64",
        packages={"lxml": "6.1.3", "numpy": "2.4.6"},
        image=image or "sha256:" + name.encode().hex().ljust(64, "0"),
        base="debian:bookworm-slim@sha256:" + "ab" * 32,
        recipe="c0ffee" + name.encode().hex(),
        origin=f"Python-{release}.tar.xz sha256:" + "cd" * 32,
    )


def outside(facts: BuildFacts) -> BuildFacts:
    """The same build on the host without its container."""
    named = msgspec.structs.replace(facts.build, name=f"{facts.build.name}@host")
    return msgspec.structs.replace(facts, build=named, isolation=Isolation.NONE)


PAIR = (build("3.13"), build("3.13t"))


def workload(name: str, *, threaded: bool, dependencies: tuple[str, ...] = ()) -> Workload:
    """A workload of that name."""
    return Workload(
        name=name,
        path=f"{name}.py",
        sha256="ef" * 32,
        summary=f"What {name} does",
        dependencies=dependencies,
        strategies=(Strategy.THREADS,) if threaded else (),
        core=True,
        sized=True,
    )


WORKLOADS = (
    *(workload(name, threaded=True) for name in THREADED),
    *(workload(name, threaded=False, dependencies=("numpy",)) for name in SINGLE),
)


def case(
    name: str,
    threads: int,
    cpus: tuple[int, ...],
    *,
    threaded: bool = True,
    measure: Measure = Measure.TIME,
    strategy: Strategy = Strategy.THREADS,
) -> Case:
    """A case, with the id that a plan gives it."""
    question = "" if measure is Measure.TIME else f" {measure}"
    sharing = Strategy.THREADS if threads == 1 else strategy
    return Case(
        id=f"{name}{question} {sharing}={threads} cpus={cpu_list(cpus)}",
        workload=name,
        strategy=(Strategy.SERIAL if threads == 1 else strategy) if threaded else None,
        threads=threads,
        cpus=cpus,
        measure=measure,
    )


def run(
    builds: Sequence[BuildFacts] = PAIR,
    *,
    workloads: Sequence[Workload] = WORKLOADS,
    threads: Sequence[int] = (1, 2),
    cpus: tuple[int, ...] = (0, 1),
    blocks: int = 8,
    values: int = 12,
    warnings: tuple[str, ...] = (),
    measures: Sequence[Measure] = (Measure.TIME,),
    gauged: bool = False,
    noise_floor: float | None = None,
    strategies: Sequence[Strategy] = (Strategy.THREADS,),
) -> Run:
    """A run's plan and environment: every workload and measure in `blocks` blocks, rounds outermost.

    `noise_floor` is known of every case, where one is.
    """
    groups = [
        tuple(
            case(work.name, count, cpus, threaded=bool(work.strategies), measure=measure, strategy=strategy)
            for count in counts
            for strategy in (strategies if count > 1 else strategies[:1])
        )
        for work in workloads
        for measure in measures
        for counts in [threads if work.strategies else (1,)]
        if measure is not Measure.CAPACITY or len(counts) > 1
    ]
    order = [group for _ in range(blocks) for group in groups]
    plan = Plan(
        seed=20_250_714,
        profile=Profile.QUICK,
        size=Size.QUICK,
        builds=tuple(facts.build.name for facts in builds),
        workloads=tuple(workloads),
        cases=tuple(one for group in groups for one in group),
        blocks=tuple(
            Block(
                index=index,
                workload=group[0].workload,
                cpus=cpus,
                cases=tuple(one.id for one in group),
                hash_seed=index,
                order_seed=index,
                home=cpus[index % len(cpus)],
                values=2 if group[0].measure is Measure.MEMORY else values,
                measure=group[0].measure,
                gauged=gauged and group[0].measure is Measure.TIME,
            )
            for index, group in enumerate(order)
        ),
        skipped=(),
        warmups=1,
        turn_seconds=0.02,
        timeout_seconds=60.0,
    )
    return Run(
        schema=SCHEMA,
        id="20250714-093000-5eed",
        created="2025-07-14T09:30:00Z",
        command="./inv bench --builds " + ",".join(plan.builds) + " --profile quick --seed 20250714",
        gilometer="0.1.0",
        revision="2abc0a7",
        plan=plan,
        builds=tuple(builds),
        host=HostFacts(
            name="bench-1",
            cpu_model="AMD EPYC 7763 64-Core Processor",
            cpus=cpus,
            cores=max(1, len(cpus) // 2),
            memory=8 * 2**30,
            kernel="Linux 6.1.0-30-amd64",
            distribution="Debian GNU/Linux 12 (bookworm)",
            settings={"governor": "unreadable", "smt": "on", "load": "0.12"},
        ),
        engine=EngineFacts(
            kind="docker",
            version="20.10.24",
            isolation="One container per build and CPU set: no network, no capabilities, read-only, not root.",
        ),
        warnings=warnings,
        noise_floors=tuple(
            NoiseFloor(case=one.id, change=noise_floor) for one in plan.cases if noise_floor is not None
        ),
    )


def truth(free_threading_cost: float = 1.24, gain: float = 1.93) -> Truth:
    """Free-threaded builds cost `free_threading_cost` on one thread and gain up to `gain` from two threads.

    Work outside Python (numpy/) costs nothing; builds with the GIL gain nothing from threads.
    """

    def seconds(one: Case, facts: BuildFacts) -> float:
        pure = not one.workload.startswith("numpy/")
        cost = free_threading_cost if facts.free_threaded and pure else 1.0
        scale = 1 + (gain - 1) * (one.threads - 1) if facts.free_threaded else 1.0
        return 0.02 * cost / scale

    return seconds


def peaks(free_threading_cost: float = 1.2) -> Truth:
    """Peaks of processes: free-threaded builds take `free_threading_cost` times the 20 MiB of the others."""
    return lambda _, facts: 20 * 2**20 * (free_threading_cost if facts.free_threaded else 1.0)


def quiet(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
    """Next to nothing happened."""
    return beside(block), ()


def beside(block: Block, *, stolen: float = 0.0, others: float = 0.01) -> Noise:
    """What happened beside a block that took two seconds; of its CPU time these shares."""
    seconds = 2.0
    cpu_seconds = seconds * len(block.cpus)
    return Noise(
        seconds=seconds,
        stolen=stolen * cpu_seconds,
        others=others * cpu_seconds,
        load=0.25 + block.index / 100,
        megahertz=None,
        celsius=None,
        containers=0,
    )


def disturbed(*indices: int, times: int = 1, rule: Disturbance = Disturbance.STOLEN) -> Beside:
    """These blocks lost a fifth of their CPU time as often as `times`; the others are quiet."""

    def happened(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
        if block.index in indices and attempt < times:
            return beside(block, stolen=0.2), (rule,)
        return quiet(block, attempt)

    return happened


def journal(
    run: Run,
    seconds: Truth | None = None,
    *,
    noise: float = 0.01,
    seed: int = 1,
    failures: Iterable[Failure] = (),
    blocks: Iterable[int] | None = None,
    complete: bool = True,
    memory: Truth | None = None,
    slow: float = 0.0,
    happened: Beside = quiet,
) -> tuple[JournalLine, ...]:
    """What the machine left: `noise` is the standard deviation of a pair's log ratio inside a block.

    `failures` replace the samples of their case and build in every block.  Only `blocks` are recorded where given.
    `slow` is the share of rounds in which one CPU has half its speed, in blocks that are gauged.  While a block is
    invalid, all builds but the baseline show three times what they would.
    """
    seconds, memory = seconds or truth(), memory or peaks()
    failed = {(failure.case, failure.build): failure for failure in failures}
    recorded = range(len(run.plan.blocks)) if blocks is None else blocks
    rng, dice = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    lines: list[JournalLine] = [Calibration(case=one.id, loops=4, seconds=0.2) for one in run.plan.cases]
    again: list[BlockRecord] = []
    cases = {one.id: one for one in run.plan.cases}
    for block in run.plan.blocks:
        # The machine flips between two speeds every few turns; all seats of a turn feel the same one.
        speed = np.where(np.cumsum(rng.random(block.values) < 0.2) % 2, 2.0, 1.0)
        slow_cpus = _slow_cpus(block, slow, dice) if block.gauged else None
        outcomes: list[Sample | Failure] = []
        for case_id in block.cases:
            one = cases[case_id]
            for facts in run.builds:
                process = np.exp(rng.normal(0, noise / 2))
                wobble = np.exp(rng.normal(0, noise / 2**0.5, block.values))
                if (case_id, facts.build.name) in failed:
                    outcomes.append(failed[case_id, facts.build.name])
                    continue
                if slow_cpus is not None:
                    hit = np.isin(slow_cpus[1:], one.cpus if one.threads > 1 else (block.home,))
                    speed = np.where(hit, 2.0, 1.0)
                values = seconds(one, facts) * speed * process * wobble
                peak = round(memory(one, facts) * np.exp(dice.normal(0, noise / 10)))
                taken = sample(one, facts, block, values.tolist(), peak=peak)
                if slow_cpus is not None:
                    gauges = tuple(_gauge(taken.evidence.cpus_allowed, cpu, dice) for cpu in slow_cpus)
                    taken = msgspec.structs.replace(taken, gauges=gauges)
                outcomes.append(taken)
        if block.index in recorded:
            first, *rest = _attempts(run, block, tuple(outcomes), happened)
            lines.append(first)
            again += rest
    began = 1_752_485_400.0 + 3 * len(run.plan.blocks)
    lines += [msgspec.structs.replace(one, started=began + 3 * number) for number, one in enumerate(again)]
    lines.append(Ended(complete=complete, wall_seconds=160.0, worker_seconds=130.0))
    return tuple(lines)


def _slow_cpus(block: Block, slow: float, dice: np.random.Generator) -> list[int]:
    """Per turn, the warm-up first, the CPU that is slow; -1 where none is."""
    return [int(dice.choice(block.cpus)) if dice.random() < slow else -1 for _ in range(block.values + 1)]


def _gauge(cpus: tuple[int, ...], slow: int, dice: np.random.Generator) -> Gauge:
    """Readings of a fixed loop of 150 µs before and after a turn."""
    before, after = (
        tuple(150e-6 * float(np.exp(dice.normal(0, 0.01))) * (2 if cpu == slow else 1) for cpu in cpus)
        for _ in range(2)
    )
    return Gauge(before=before, after=after)


def _attempts(run: Run, block: Block, outcomes: tuple[Sample | Failure, ...], happened: Beside) -> list[BlockRecord]:
    """The records of a block: invalid ones, and then a valid one where it does not come too late."""
    records = []
    for attempt in range(ATTEMPTS):
        noise, invalid = happened(block, attempt)
        found = tuple(_tripled(one) if invalid and one.build != run.plan.builds[0] else one for one in outcomes)
        records.append(
            BlockRecord(
                index=block.index,
                started=1_752_485_400.0 + 3 * block.index,
                seconds=2.5,
                outcomes=found,
                noise=noise,
                invalid=invalid,
            )
        )
        if not invalid:
            break
    return records


def _tripled(outcome: Sample | Failure) -> Sample | Failure:
    if isinstance(outcome, Failure):
        return outcome
    evidence = msgspec.structs.replace(outcome.evidence, max_rss=3 * outcome.evidence.max_rss)
    return msgspec.structs.replace(outcome, values=tuple(3 * value for value in outcome.values), evidence=evidence)


def sample(
    one: Case, facts: BuildFacts, block: Block, values: Sequence[float], *, loops: int = 4, peak: int = 20 * 2**20
) -> Sample:
    """A worker's sample with clean evidence."""
    return Sample(
        case=one.id,
        build=facts.build.name,
        loops=loops,
        warmups=(values[0] * 1.1,),
        values=tuple(values),
        turns=tuple(Turn(granted=0.2 * turn, returned=0.2 * turn + 0.1) for turn in range(len(values) + 1)),
        evidence=Evidence(
            gil_enabled=facts.gil_enabled,
            cpus_allowed=one.cpus if one.threads > 1 or one.measure is Measure.CAPACITY else (block.home,),
            throttled_periods=0,
            involuntary_switches=3,
            max_rss=peak,
            cpu_seconds=float(sum(values)),
            waited_seconds=0.0,
            memory_peak=peak - CONTAINER,
        ),
        metadata={"python_version": facts.release},
    )


def failure(
    run: Run,
    name: str,
    build: str,
    reason: Reason,
    *,
    threads: int = 1,
    measure: Measure = Measure.TIME,
    message: str = "",
    output: str = "",
) -> Failure:
    """A failure of the workload `name` on `build`, for `journal`."""
    (one,) = (one for one in run.plan.cases if (one.workload, one.threads, one.measure) == (name, threads, measure))
    return Failure(case=one.id, build=build, reason=reason, message=message or f"It {reason}.", output=output)


def amend(
    journal: Iterable[JournalLine], change: Callable[[BlockRecord, Sample], Sample | None]
) -> tuple[JournalLine, ...]:
    """The journal with every sample replaced by what `change` makes of it; None leaves the seat without outcome."""
    lines: list[JournalLine] = []
    for line in journal:
        if isinstance(line, BlockRecord):
            changed = (change(line, one) if isinstance(one, Sample) else one for one in line.outcomes)
            line = msgspec.structs.replace(line, outcomes=tuple(one for one in changed if one is not None))
        lines.append(line)
    return tuple(lines)
