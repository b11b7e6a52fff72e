"""What lockstep is worth on this machine: an A/A comparison, measured in turns and one worker after the other.

One image under two names, so that every difference is noise.  Each round measures one block in lockstep and the same
two workers one after the other, the two ways in alternating order.  Printed are the standard deviations of the blocks'
log ratios, plain and robust (1.48 times the median absolute deviation).

    .venv/bin/python -m benchmarks.lockstep [--blocks 30] [--workload pure_python/cpu_bound] [--build 3.14t]
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence

import msgspec

from harness import host, runs, session, specs
from harness.execution import Execution
from harness.journal import BlockRecord, Calibration, Sample
from harness.model import BuildFacts
from harness.plan import Request, make_plan
from harness.screen import Screen
from harness.stats import block_effect
from harness.workbench import workbench


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=30)
    parser.add_argument("--workload", default="pure_python/cpu_bound")
    parser.add_argument("--build", default=None, help="default: the free-threaded one of the default pair")
    options = parser.parse_args()

    facts = session.prepare(*([options.build] if options.build else []))[-1]
    builds = {name: _renamed(facts, name) for name in ("a", "b")}
    lockstep, sequential = _measure(builds, options.workload, options.blocks)
    print(f"{options.workload}, one thread, {facts.build.name} against itself, {len(lockstep)} blocks each")
    print("| order | standard deviation | robust |")
    print("|---|---|---|")
    for name, logs in (("lockstep", lockstep), ("one after the other", sequential)):
        print(f"| {name} | {statistics.stdev(logs):.1%} | {_robust(logs):.1%} |")
    ratio = statistics.stdev(lockstep) / statistics.stdev(sequential)
    print(f"lockstep / one after the other: {ratio:.2f} (robust: {_robust(lockstep) / _robust(sequential):.2f})")


def _measure(builds: dict[str, BuildFacts], workload: str, blocks: int) -> tuple[list[float], list[float]]:
    workloads = specs.select_workloads(workload, specs.load_workloads(runs.WORKLOADS))
    cpus = host.choose_cpus(host.read_topology(), 1)
    loops: dict[str, int] = {}
    lockstep: list[float] = []
    sequential: list[float] = []
    screen = Screen()
    with (
        session.measuring("the benchmark of lockstep", screen),
        workbench(runs.WORKLOADS) as bench,
        session.open_engine("docker", bench, screen) as engine,
    ):

        def values(names: Sequence[str], seed: int) -> dict[str, tuple[float, ...]]:
            request = Request(
                builds=tuple(names), workloads=workloads, cpu_sets=(cpus,), threads=(1,), blocks=1, seed=seed
            )
            found: dict[str, tuple[float, ...]] = {}
            for line in Execution(make_plan(request, ()), builds, engine, bench, loops=loops, done=()):
                match line:
                    case Calibration(case=case, loops=calibrated):
                        loops[case] = calibrated
                    case BlockRecord(outcomes=outcomes):
                        found |= {o.build: o.values for o in outcomes if isinstance(o, Sample)}
                    case _:
                        pass
            return found

        def in_turns(seed: int) -> None:
            found = values(("a", "b"), seed)
            lockstep.append(block_effect(found["a"], found["b"]))

        def one_after_the_other(seed: int) -> None:
            found = {name: values((name,), seed)[name] for name in ("a", "b")}
            sequential.append(math.log(statistics.median(found["b"]) / statistics.median(found["a"])))

        for number in range(blocks):
            for way in (in_turns, one_after_the_other) if number % 2 else (one_after_the_other, in_turns):
                way(number)
    return lockstep, sequential


def _renamed(facts: BuildFacts, name: str) -> BuildFacts:
    return msgspec.structs.replace(facts, build=msgspec.structs.replace(facts.build, name=name))


def _robust(logs: Sequence[float]) -> float:
    centre = statistics.median(logs)
    return 1.48 * statistics.median(abs(log - centre) for log in logs)


if __name__ == "__main__":
    main()
