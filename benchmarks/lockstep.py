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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

from benchmarks._laboratory import WORKLOADS, Laboratory, Measured, counting, execute, laboratory
from benchmarks._markdown import percent, table
from harness.model import Plan
from harness.stats import block_effect


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=30)
    parser.add_argument("--workload", default="pure_python/cpu_bound")
    parser.add_argument("--build", default=None, help="default: the free-threaded one of the default pair")
    options = parser.parse_args()

    with laboratory("the benchmark of lockstep", {"a": WORKLOADS, "b": WORKLOADS}, options.build) as lab:
        release = lab.builds["a"].release
        lockstep, sequential = _measure(lab, options.workload, options.blocks)
    print(f"{options.workload}, one thread, {release} against itself, {len(lockstep)} blocks each\n")
    ways = (("lockstep", lockstep), ("one after the other", sequential))
    rows = ((name, percent(statistics.stdev(logs)), percent(_robust(logs))) for name, logs in ways)
    table([("order", "standard deviation", "robust (1.48 MAD)"), *rows])


def _measure(lab: Laboratory, workload: str, blocks: int) -> tuple[list[float], list[float]]:
    """Log ratios of blocks, and of the medians of two workers that were alone."""

    def plan(*names: str) -> Plan:
        return lab.plan(names, workload, blocks=2 * blocks, seed=1)  # twice as many: some may not count

    def values(worker: Iterator[Measured], name: str) -> tuple[float, ...]:
        return counting(worker, 1)[-1].samples[name].values

    with ExitStack() as stack:
        pairs = stack.enter_context(closing(lab.blocks(plan("a", "b"))))
        loops = counting(pairs, 1)[-1].samples["a"].loops
        a, b = (stack.enter_context(closing(lab.blocks(plan(name), loops=loops))) for name in ("a", "b"))
        lockstep: list[float] = []
        sequential: list[float] = []

        def in_turns() -> None:
            samples = counting(pairs, 1)[-1].samples
            lockstep.append(block_effect(samples["a"].values, samples["b"].values))

        def one_after_the_other() -> None:
            left, right = statistics.median(values(a, "a")), statistics.median(values(b, "b"))
            sequential.append(math.log(right / left))

        for number in range(blocks):
            for way in (in_turns, one_after_the_other) if number % 2 else (one_after_the_other, in_turns):
                way()
    return lockstep, sequential


def _robust(logs: Sequence[float]) -> float:
    centre = statistics.median(logs)
    return 1.48 * statistics.median(abs(log - centre) for log in logs)


if __name__ == "__main__":
    execute(main)
