"""How often is a build called different from itself, on a machine that is disturbed?  Gilometer, and pyperf's own way.

One image against itself, again and again, while a process keeps a CPU busy now and then: for 1 to 6 s, on a CPU drawn
at random, with rests of 1 to 6 s.  Each comparison is made in two ways that get the same seconds:

Gilometer
    as many blocks in lockstep as fit, 8 at least and the number of a look; different where the 95 % interval of
    harness.stats excludes 1.  Blocks that the noise ledger finds invalid cost their time and are not looked at.
pyperf
    a suite, then another one, each of as many processes (one warm-up, 3 values) as fit into what ours take on average;
    different where `pyperf compare_to` calls it significant.  The loops are found beforehand, which is not counted, and
    the kernel places the workers, as it does by default.

Which of the two goes first alternates.  The workloads, one thread and quick size, take turns.

    .venv/bin/python -m benchmarks.false_alarms [--comparisons 100] [--seconds 6] [--seed 1] [--out FILE.json]
        [--read FILE.json ...]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from benchmarks._laboratory import (
    WORKLOADS,
    Laboratory,
    Measured,
    PyperfVerdict,
    Suite,
    compare_to,
    counting,
    excludes_one,
    execute,
    laboratory,
    read_record,
    refuse_unwritable,
)
from benchmarks._load import Episode, load
from benchmarks._markdown import percent, table
from harness import host, specs, stats
from harness.engine import Place
from harness.errors import HostError
from harness.model import BuildFacts, HostFacts, Plan, Struct
from harness.planning import LOOKS, next_look
from reports.findings import MARGIN
from reports.words import listed

SIDES = ("a", "b")
CASES = "pure_python/cpu_bound,pure_python/records,numeric/matrix"

PATIENCE = 20
"""Times its seconds that a comparison of ours may take until enough of its blocks count."""

PILOT = 3
"""Processes by which is found how long one takes."""


# -- what is kept ------------------------------------------------------------------------------------------------------


class Ours(Struct, frozen=True):
    """A comparison by Gilometer."""

    blocks: tuple[Measured, ...]

    @property
    def seconds(self) -> float:
        return sum(block.seconds for block in self.blocks)

    @property
    def logs(self) -> list[float]:
        """Of the blocks that count."""
        return [block.log for block in self.blocks if block.log is not None]

    @property
    def effect(self) -> stats.Effect:
        return stats.effect(self.logs)

    @property
    def different(self) -> bool:
        return excludes_one(self.effect)

    @property
    def change(self) -> float:
        return self.effect.change


class Theirs(Struct, frozen=True):
    """A comparison by pyperf."""

    processes: int
    """Of each suite."""
    suites: tuple[Suite, Suite]
    says: PyperfVerdict

    @property
    def seconds(self) -> float:
        return sum(suite.seconds for suite in self.suites)

    @property
    def different(self) -> bool:
        return self.says.different

    @property
    def change(self) -> float:
        return self.says.ratio - 1


class Comparison(Struct, frozen=True):
    """One of the same with the same, in both ways."""

    workload: str
    ours_first: bool
    ours: Ours
    theirs: Theirs


class Record(Struct, frozen=True, kw_only=True):
    """The file: all that another estimator would need."""

    seconds: float
    """That a comparison was given."""
    seed: int
    build: BuildFacts
    host: HostFacts
    load_started: float
    """Unix time, seconds, like `started` of the blocks."""
    episodes: tuple[Episode, ...]
    """Of the load."""
    comparisons: tuple[Comparison, ...]


# -- measuring ---------------------------------------------------------------------------------------------------------


@dataclass
class Contest:
    """One workload, ready to be compared with itself in both ways."""

    lab: Laboratory
    plan: Plan
    blocks: Iterator[Measured]
    places: Mapping[str, Place]
    loops: int
    """Of pyperf's values."""
    budget: float
    process_seconds: list[float] = field(default_factory=list)
    """What a process of pyperf's takes, each time that some were executed."""
    our_seconds: list[float] = field(default_factory=list)
    """What our comparisons took."""

    def compare(self, *, ours_first: bool) -> Comparison:
        if ours_first:
            ours, theirs = self._ours(), self._theirs()
        else:
            theirs, ours = self._theirs(), self._ours()
        return Comparison(self.plan.workloads[0].name, ours_first, ours, theirs)

    def _ours(self) -> Ours:
        blocks: tuple[Measured, ...] = ()
        while True:
            blocks += counting(self.blocks, 1)
            ours = Ours(blocks)
            if is_last(len(ours.logs), ours.seconds, self.budget):
                self.our_seconds.append(ours.seconds)
                return ours
            if ours.seconds > PATIENCE * self.budget:
                raise HostError(
                    f"only {len(ours.logs)} of {len(blocks)} blocks count: this machine is busy with something else",
                    hint="The disturbing load alone leaves most blocks valid: look for what else there is.",
                )

    def _theirs(self) -> Theirs:
        """In the time that ours take, which is more than the budget where 8 blocks do not fit into it."""
        seconds = statistics.fmean(self.our_seconds or [self.budget])
        processes = max(2, round(seconds / len(SIDES) / statistics.fmean(self.process_seconds)))
        baseline, candidate = (self.suite(side, processes) for side in SIDES)
        return Theirs(processes, (baseline, candidate), compare_to(baseline, candidate))

    def suite(self, side: str, processes: int) -> Suite:
        """pyperf's manager with so many workers."""
        protocol = (f"--processes={processes}", "--values=3", "--warmups=1", f"--loops={self.loops}")
        suite = self.lab.suite(self.places[side], self.plan, *protocol)
        self.process_seconds.append(suite.seconds / processes)
        return suite


def is_last(blocks: int, seconds: float, budget: float) -> bool:
    """Whether to stop after `blocks` blocks that took `seconds`: at a look, if the next one would be too late."""
    following = next_look(blocks)
    return blocks in LOOKS and (following is None or seconds / blocks * following > budget)


def compare(lab: Laboratory, plans: Sequence[Plan], number: int, budget: float) -> Iterator[Comparison]:
    """Comparisons, one after another."""
    with ExitStack() as stack:
        places = {side: stack.enter_context(lab.place(side, plans[0])) for side in SIDES}
        contests = []
        for plan in plans:
            blocks = stack.enter_context(closing(lab.blocks(plan)))
            counting(blocks, 1)  # opens containers
            loops = lab.suite(places["a"], plan, "--processes=1").loops
            contest = Contest(lab, plan, blocks, places, loops, budget)
            for side in SIDES:
                contest.suite(side, PILOT)
            contests.append(contest)
        for index in range(number):
            # By rounds over the workloads: each of them meets both orders.
            yield contests[index % len(contests)].compare(ours_first=index // len(contests) % 2 == 0)


# -- the page ----------------------------------------------------------------------------------------------------------


def report(records: Sequence[Record]) -> None:
    """Print the tables, over all comparisons of several records."""
    comparisons = [comparison for record in records for comparison in record.comparisons]
    if not comparisons:
        return
    builds = listed([*dict.fromkeys(f"{one.build.release} ({one.build.optimize})" for one in records)])
    print(f"CPython {builds} against itself, one thread, quick size\n")
    ours, theirs = [one.ours for one in comparisons], [one.theirs for one in comparisons]
    ways: tuple[tuple[str, Sequence[Ours] | Sequence[Theirs]], ...] = (("Gilometer", ours), ("pyperf", theirs))
    header = (
        "method", "comparisons", "seconds each, mean", "called different", "rate", "95 % interval",
        "change reported, median", "95th percentile",
    )  # fmt: skip
    table([header, *(_row(name, found) for name, found in ways)])
    alarms = sum(one.different for one in ours)
    left = remaining([one.effect for one in ours])
    print(
        f"\nBenjamini-Hochberg over all {len(ours)} comparisons, as in a run of so many cases, leaves {left} of "
        f"Gilometer's {alarms} alarms{f' ({percent(left / alarms, 0)})' if alarms else ''}.\n"
    )
    table([("workload", "comparisons", "Gilometer: different", "pyperf: different"), *_by_workload(comparisons)])


def _by_workload(comparisons: Sequence[Comparison]) -> Iterator[tuple[str, ...]]:
    for workload in dict.fromkeys(one.workload for one in comparisons):
        of_it = [one for one in comparisons if one.workload == workload]
        alarms = (sum(one.ours.different for one in of_it), sum(one.theirs.different for one in of_it))
        yield workload, str(len(of_it)), *map(str, alarms)


def _row(name: str, found: Sequence[Ours] | Sequence[Theirs]) -> tuple[str, ...]:
    alarms = sum(one.different for one in found)
    low, high = stats.share_interval(alarms, len(found))
    changes = [abs(one.change) for one in found]
    return (
        name,
        str(len(found)),
        f"{statistics.fmean(one.seconds for one in found):.1f}",
        str(alarms),
        percent(alarms / len(found)),
        f"{percent(low)} to {percent(high)}",
        percent(statistics.median(changes)),
        percent(np.quantile(changes, 0.95)),
    )


def remaining(effects: Sequence[stats.Effect]) -> int:
    """How many of `effects` are called different when they are the cases of one run."""
    judged = stats.judge(effects, margin=MARGIN)
    return sum(one.verdict in (stats.Verdict.FASTER, stats.Verdict.SLOWER) for one in judged)


def main() -> None:
    """Measure, print the tables, write the file; what was measured before an interrupt is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", default="100")
    parser.add_argument("--seconds", default="6", help="that a comparison gets in either way, such as 6 or 12")
    parser.add_argument("--seed", default="1", help="of the load and of the plans")
    parser.add_argument("--workloads", default=CASES)
    parser.add_argument("--build", default=None, help="default: the free-threaded one of the default pair")
    parser.add_argument("--out", type=Path, default=None, help="everything that was measured, as JSON")
    parser.add_argument("--read", type=Path, nargs="+", help="measure nothing, explain what --out has written")
    options = parser.parse_args()
    if options.read:
        report([read_record(path, Record) for path in options.read])
    else:
        _measure(options)


def _measure(options: argparse.Namespace) -> None:
    number = specs.whole_number("--comparisons", options.comparisons)
    budget = specs.whole_number("--seconds", options.seconds)
    seed = specs.whole_number("--seed", options.seed, least=0)
    workloads = specs.select_workloads(options.workloads, specs.load_workloads(WORKLOADS))
    refuse_unwritable(options.out)
    comparisons: list[Comparison] = []
    with laboratory("the benchmark of false alarms", dict.fromkeys(SIDES, WORKLOADS), options.build) as lab:
        blocks = 2 * LOOKS[-1] * number  # more than can be used: some do not count
        plans = [lab.plan(SIDES, one.name, blocks=blocks, seed=seed) for one in workloads]
        with load(seed, plans[0].cases[0].cpus) as disturbing:
            try:
                with lab.screen.task("comparing", total=number) as task:
                    for comparison in compare(lab, plans, number, budget):
                        comparisons.append(comparison)
                        task.update(len(comparisons), note=comparison.workload)
            finally:  # what was measured before an interrupt is kept
                record = Record(
                    seconds=budget,
                    seed=seed,
                    build=lab.builds[SIDES[0]],
                    host=host.facts(),
                    load_started=disturbing.started,
                    episodes=tuple(disturbing.episodes()),
                    comparisons=tuple(comparisons),
                )
                if options.out:
                    options.out.write_bytes(msgspec.json.encode(record))
                report([record])


if __name__ == "__main__":
    execute(main)
