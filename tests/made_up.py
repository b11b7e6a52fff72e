"""Runs whose truth is known: a plan, and the journal that a noisy two-speed machine would have left of it.

Every value is drawn from a seeded generator, so that the same call makes the same run on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from harness.journal import BlockRecord, Calibration, Ended, Evidence, Failure, JournalLine, Reason, Sample, Turn
from harness.model import (
    SCHEMA,
    Block,
    Build,
    BuildFacts,
    Case,
    EngineFacts,
    HostFacts,
    Isolation,
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
"""Seconds per loop of a case on a build, before noise."""

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
        threaded=threaded,
        sized=True,
    )


WORKLOADS = (
    *(workload(name, threaded=True) for name in THREADED),
    *(workload(name, threaded=False, dependencies=("numpy",)) for name in SINGLE),
)


def case(name: str, threads: int, cpus: tuple[int, ...], *, threaded: bool = True) -> Case:
    """A case, with the id that a plan gives it."""
    return Case(
        id=f"{name} threads={threads} cpus={cpu_list(cpus)}",
        workload=name,
        strategy=Strategy.THREADS if threaded else None,
        threads=threads,
        cpus=cpus,
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
) -> Run:
    """A run's plan and environment: every workload in `blocks` blocks, rounds outermost."""
    cases = {
        work.name: tuple(
            case(work.name, count, cpus, threaded=work.threaded) for count in (threads if work.threaded else (1,))
        )
        for work in workloads
    }
    order = [work.name for _ in range(blocks) for work in workloads]
    plan = Plan(
        seed=20_250_714,
        profile=Profile.QUICK,
        size=Size.QUICK,
        builds=tuple(facts.build.name for facts in builds),
        workloads=tuple(workloads),
        cases=tuple(one for group in cases.values() for one in group),
        blocks=tuple(
            Block(
                index=index,
                workload=name,
                cpus=cpus,
                cases=tuple(one.id for one in cases[name]),
                hash_seed=index,
                order_seed=index,
                home=cpus[index % len(cpus)],
                values=values,
            )
            for index, name in enumerate(order)
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


def journal(
    run: Run,
    seconds: Truth | None = None,
    *,
    noise: float = 0.01,
    seed: int = 1,
    failures: Iterable[Failure] = (),
    blocks: Iterable[int] | None = None,
    complete: bool = True,
) -> tuple[JournalLine, ...]:
    """What the machine left: `noise` is the standard deviation of a pair's log ratio inside a block.

    `failures` replace the samples of their case and build in every block.  Only `blocks` are recorded where given.
    """
    seconds = seconds or truth()
    failed = {(failure.case, failure.build): failure for failure in failures}
    recorded = range(len(run.plan.blocks)) if blocks is None else blocks
    rng = np.random.default_rng(seed)
    lines: list[JournalLine] = [Calibration(case=one.id, loops=4, seconds=0.2) for one in run.plan.cases]
    cases = {one.id: one for one in run.plan.cases}
    for block in run.plan.blocks:
        # The machine flips between two speeds every few turns; all seats of a turn feel the same one.
        speed = np.where(np.cumsum(rng.random(block.values) < 0.2) % 2, 2.0, 1.0)
        outcomes: list[Sample | Failure] = []
        for case_id in block.cases:
            one = cases[case_id]
            for facts in run.builds:
                process = np.exp(rng.normal(0, noise / 2))
                wobble = np.exp(rng.normal(0, noise / 2**0.5, block.values))
                if (case_id, facts.build.name) in failed:
                    outcomes.append(failed[case_id, facts.build.name])
                    continue
                values = seconds(one, facts) * speed * process * wobble
                outcomes.append(sample(one, facts, block, values.tolist()))
        if block.index in recorded:
            lines.append(
                BlockRecord(
                    index=block.index, started=1_752_485_400.0 + 3 * block.index, seconds=2.5, outcomes=tuple(outcomes)
                )
            )
    lines.append(Ended(complete=complete, wall_seconds=160.0, worker_seconds=130.0))
    return tuple(lines)


def sample(one: Case, facts: BuildFacts, block: Block, values: Sequence[float], *, loops: int = 4) -> Sample:
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
            cpus_allowed=one.cpus if one.threads > 1 else (block.home,),
            throttled_periods=0,
            involuntary_switches=3,
            max_rss=(24 if facts.free_threaded else 20) * 2**20,
        ),
        metadata={"python_version": facts.release},
    )


def failure(
    run: Run, name: str, build: str, reason: Reason, *, threads: int = 1, message: str = "", output: str = ""
) -> Failure:
    """A failure of the workload `name` on `build`, for `journal`."""
    (one,) = (one for one in run.plan.cases if one.workload == name and one.threads == threads)
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
