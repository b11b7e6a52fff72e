"""What N threads gain on this machine, asked in four ways: capacity, completion, and two that noise deceives.

One workload on both builds of the default pair, 1 thread and as many as CPUs:

capacity
    how much more work the threads get done, from blocks as `inv bench --measures capacity` executes them
completion, undisturbed turns
    how many times as fast the threads complete a job, from blocks as `inv bench --measures time` executes them; only
    pairs of turns count in which all CPUs were equally fast (harness/gauge.py)
completion, all turns
    the same blocks, nothing set aside
one after the other
    what most do: a pyperf suite with one thread, then one with all, in pyperf's default protocol; the speedup is that
    of the means, with the least and the greatest of the rounds

    .venv/bin/python -m benchmarks.threads [--seconds 60] [--rounds 3] [--workload pure_python/cpu_bound]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import msgspec

from benchmarks._laboratory import Laboratory, Measured, execute, laboratory_of
from benchmarks._markdown import table
from harness import session, stats
from harness.gauge import LEAST_BLOCKS, Best
from harness.journal import Sample
from harness.model import Measure, Plan, Seat
from harness.ratios import Ratio, ratios

MOST_BLOCKS = 200


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="that the blocks of each kind may take")
    parser.add_argument("--rounds", type=int, default=3, help="of pyperf's suites; 0: none")
    parser.add_argument("--workload", default="pure_python/cpu_bound")
    options = parser.parse_args()
    with laboratory_of("the benchmark of threads", session.prepare()) as lab:
        table(rows(lab, options.workload, options.seconds, options.rounds))


def rows(lab: Laboratory, workload: str, seconds: float, rounds: int) -> Iterator[Sequence[str]]:
    """A row per question and build, when it is known."""
    names = list(lab.builds)

    def plan(measure: Measure) -> Plan:
        return lab.plan(names, workload, blocks=MOST_BLOCKS, seed=1, threads=None, measures=measure)

    yield "question", "build", "threads", "gain", "95 % interval", "from", "measured for"
    plans = [plan(Measure.CAPACITY), plan(Measure.TIME)]
    capacity, completion = measure(lab, plans, seconds)
    yield from capacity.rows("capacity", gauged=True)
    yield from completion.rows("completion, undisturbed turns", gauged=True)
    yield from completion.rows("completion, all turns", gauged=False)
    for name in names if rounds else ():
        yield suites(lab, plans[1], name, rounds)


@dataclass(slots=True)
class Gains:
    """What the blocks of one plan tell of its speedups."""

    plan: Plan
    seconds: float = 0.0
    blocks: list[dict[Seat, Sample]] = field(default_factory=list)
    best: Best = field(default_factory=Best)

    def add(self, one: Measured) -> None:
        """A block; one that is invalid costs its time."""
        self.seconds += one.seconds
        if not one.record.invalid:
            samples = [outcome for outcome in one.record.outcomes if isinstance(outcome, Sample)]
            self.blocks.append({(sample.case, sample.build): sample for sample in samples})
            for sample in samples:
                self.best.note(sample)

    def rows(self, question: str, *, gauged: bool) -> Iterator[Sequence[str]]:
        for ratio in ratios(self.plan.cases, self.plan.builds):
            if ratio.is_speedup:
                yield self._row(question, ratio, self.blocks if gauged else [_ungauged(one) for one in self.blocks])

    def _row(self, question: str, ratio: Ratio, blocks: Sequence[dict[Seat, Sample]]) -> Sequence[str]:
        pairs = [pairs for block in blocks if len(pairs := ratio.pairs(block, self.best))]
        told = f"{sum(map(len, pairs))} pairs in {len(pairs)} blocks"
        gain, interval = "undecided", ""
        if len(pairs) >= LEAST_BLOCKS:
            effect = stats.effect([stats.block_estimate(one) for one in pairs])
            gain = f"{effect.ratio:.2f}"
            interval = f"{effect.low:.2f} to {effect.high:.2f} (±{100 * effect.half_width:.1f} %)"
        return question, ratio.over[1], str(ratio.case.threads), gain, interval, told, f"{self.seconds:.0f} s"


def _ungauged(block: dict[Seat, Sample]) -> dict[Seat, Sample]:
    """The block as if nobody had asked how fast the CPUs were: then all turns count."""
    return {seat: msgspec.structs.replace(sample, gauges=()) for seat, sample in block.items()}


def measure(lab: Laboratory, plans: Sequence[Plan], seconds: float) -> list[Gains]:
    """Blocks of each plan, until they have taken `seconds`."""
    gains = [Gains(plan) for plan in plans]
    for found in gains:
        with closing(lab.blocks(found.plan)) as blocks:
            for one in blocks:
                found.add(one)
                if found.seconds >= seconds:
                    break
    return gains


def suites(lab: Laboratory, plan: Plan, name: str, rounds: int) -> Sequence[str]:
    """One thread, then all of them, as pyperf measures them by itself."""
    began = time.monotonic()
    means: defaultdict[int, list[float]] = defaultdict(list)
    counts = sorted({case.threads for case in plan.cases})
    with lab.place(name, plan) as place:
        for _ in range(rounds):
            for count in counts:
                means[count].append(lab.suite(place, plan, f"--threads={count}").benchmark.mean())
    gains = [one / many for one, many in zip(means[counts[0]], means[counts[-1]], strict=True)]
    spread = f"{min(gains):.2f} to {max(gains):.2f} (least and greatest)"
    taken = f"{time.monotonic() - began:.0f} s"
    return (
        "one after the other", name, str(counts[-1]), f"{statistics.median(gains):.2f}", spread,
        f"{rounds} pairs of suites", taken,
    )  # fmt: skip


if __name__ == "__main__":
    execute(main)
