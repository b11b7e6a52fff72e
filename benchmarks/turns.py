"""What a turn costs, and whether any of it is inside a value.

    python -m benchmarks.turns [--tables costs,effects] [--blocks 20] [--minutes 3] [--turn SECONDS] [--workloads NAMES]

prints two Markdown tables.  The first takes turns apart.  What the harness saw of a turn less what pyperf timed of it
has two parts: what the worker does between its values, turns or not (pyperf's own steps, and checking the answer),
which the worker times itself for this, and the hand-over.  From the end of one turn to the grant of the next is the
gap.  Hand-over and gap are what a turn costs.

What such a table cannot show is what a change of workers does to caches and branch predictors: that would be inside the
values.  So the second table lets the same two processes execute in runs of five to seven turns, A's and B's
alternating.  The first turn of a run comes right after the other worker, as it would if workers took turns without more
ado.  The second one is a settled turn, as those that count in a block.  The third to the last are what a long stretch
of one worker shows.  Each of the first two is compared with each of the latter in its own run, a tenth of a second
away, so that the machine's mood cancels; and so is the ratio B / A of settled turns with that of long stretches.  Only
quiet runs count, in which all turns from the second on but the slowest lie within a tenth of one another.  Where the
second is like the later ones, that favours none of them, and their differences are as often above as below nothing: so
nothing is what their Hodges-Lehmann centre is.  How long a run is, is left to chance, since some code has a period of
its own: every seventeenth pass of `pure_python/records` has a full collection of garbage in it.  Turns are as short as
the workload allows, so that many runs fit between two moods of a machine, or as long as its header (turn_seconds) asks
for.

A block is a pair of processes, and only blocks are counted.  Bold is what may, by its 95 % interval, be more than half
a percent.  Where it matters to a workload what stands in the caches, --turn shows how long a turn has to be until it no
longer does.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from random import Random
from statistics import fmean
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks._laboratory import WORKLOADS, Laboratory, Measured, execute, laboratory_of
from benchmarks._markdown import table
from harness import session, specs, stats
from harness.errors import MeasurementError
from harness.journal import Sample
from harness.lockstep import back_and_forth
from harness.model import Plan, Workload
from harness.plan import WORKER_SECONDS, turn_seconds
from harness.ranks import hodges_lehmann
from harness.workbench import Workbench

RUNS = (5, 6, 7)
"""Turns that a worker has in a row."""

SHORT = 0.001
"""Seconds of a turn where effects are looked for: one step of the workload is enough."""

STEP = 0.03
"""Seconds that such a step takes in the quick size, about."""

QUIET = 0.1
"""Relative: how far the later turns of a run may be from one another."""

SAME = 0.005
"""Relative difference that turns may make at most; a larger one is marked."""

COSTS = "pure_python/cpu_bound"
"""Does little beside what it times: what a workload does between its values, such as checking its answer, is no
hand-over."""

EFFECTS = "pure_python/cpu_bound,pure_python/records"
"""One lives in the first-level caches, the other one goes through megabytes of objects."""


def main() -> None:
    """Print the tables, row by row as they are measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default="costs,effects", help="which of the two")
    parser.add_argument("--blocks", type=int, default=20, help="pairs of processes for each row")
    parser.add_argument("--minutes", type=float, default=3, help="about how long each row of the second table takes")
    parser.add_argument(
        "--turn",
        type=float,
        help="seconds that a turn lasts at least; default: the quick profile's, then 1 ms or what a workload asks for",
    )
    parser.add_argument("--workloads", default=EFFECTS, help="of the second table")
    options = parser.parse_args()
    workloads = specs.select_workloads(options.workloads, specs.load_workloads(WORKLOADS))

    pair = [facts.build.name for facts in session.prepare()]
    alike = {name: session.prepare(*[name] * 4) for name in pair}

    def plan(names: Sequence[str], workload: str, turn: float | None = None) -> Plan:
        made = every_turn(lab.plan(names, workload, blocks=options.blocks, seed=1))
        if options.turn:
            made = msgspec.structs.replace(made, workloads=tuple(map(modest, made.workloads)))
        return msgspec.structs.replace(made, turn_seconds=options.turn or turn or made.turn_seconds)

    every = [facts for builds in alike.values() for facts in builds]
    with laboratory_of("the benchmark of turns", every, keeps=["stops"]) as lab:
        watch(lab.bench)
        names = {name: [facts.build.name for facts in builds] for name, builds in alike.items()}
        if "costs" in options.tables.split(","):
            table(cost_rows(lab, [plan(names[build][:workers], COSTS) for build in pair for workers in (2, 4)]))
            print()
        if "effects" in options.tables.split(","):
            plans = [plan(two, one.name, SHORT) for one in workloads for two in (names[pair[1]][:2], pair)]
            table(effect_rows(lab, plans, options.minutes))


def every_turn(plan: Plan) -> Plan:
    """The plan with no turn of its blocks set aside, since here turns are told apart, and no gauge in any."""
    blocks = (msgspec.structs.replace(one, settling=0, gauged=False) for one in plan.blocks)
    return msgspec.structs.replace(plan, blocks=tuple(blocks))


def modest(workload: Workload) -> Workload:
    """The same one, content with turns of any length."""
    return msgspec.structs.replace(workload, turn_seconds=0.0)


# -- what the journal shows of turns -----------------------------------------------------------------------------------


_STOPWATCH = '''

_stops = []


class Lockstep(Lockstep):
    """Also tells from when until when it waited."""

    def _wait(self, request):
        asked = perf_counter_ns()
        super()._wait(request)
        _stops.append((asked, perf_counter_ns()))

    def teardown(self, metadata):
        super().teardown(metadata)
        metadata["stops"] = json.dumps(_stops)
'''


def watch(bench: Workbench) -> None:
    """Let workers that load the hook from `bench` also tell from when until when they waited."""
    with (bench.tools / "hook" / "gilometer_hook.py").open("a", encoding="utf-8") as hook:
        hook.write(_STOPWATCH)


class Step(NamedTuple):
    """One turn, seconds since the block began."""

    build: str
    granted: float
    returned: float
    timed: float
    """What pyperf measured of it: of all loops together, where values are per loop."""
    value: bool
    """Not a warm-up."""
    own: float
    """What the worker did in it besides: from the grant to its next request, less what was timed."""


def steps(samples: Sequence[Sample]) -> list[Step]:
    """All turns of a block, of the samples of all its seats, in the order in which they were given."""
    found = []
    for sample in samples:
        seconds = (*sample.warmups, *sample.values)
        stops = json.loads(str(sample.metadata["stops"]))
        busy = [(asked - granted) / 1e9 for (_, granted), (asked, _) in pairwise(stops)]
        del busy[len(sample.warmups)]  # from the warm-ups to the request for the first value: no turn
        for number, (turn, per_loop, whole) in enumerate(zip(sample.turns, seconds, busy, strict=True)):
            value, timed = number >= len(sample.warmups), sample.loops * per_loop
            found.append(Step(sample.build, turn.granted, turn.returned, timed, value, whole - timed))
    return sorted(found, key=lambda step: step.granted)


def valid(blocks: Iterator[Measured]) -> list[list[Step]]:
    """The turns of each block that counts.  MeasurementError where there are not even two."""
    taken = [steps(list(one.samples.values())) for one in blocks if one.log is not None]
    if len(taken) < 2:
        raise MeasurementError(f"only {len(taken)} blocks count, and an interval needs two")
    return taken


# -- what a turn costs -------------------------------------------------------------------------------------------------


class Cost(NamedTuple):
    """Seconds of one turn outside its value."""

    own: float
    """What the worker does between its values, with turns or without."""
    hand_over: float
    """The worker wakes up, and at the end it wakes the harness."""
    gap: float
    """From the end of the turn to the next grant."""
    turn: float
    """Hand-over and gap."""


def costs(turns: Sequence[Step]) -> Iterator[Cost]:
    """Of every value that another one follows."""
    for step, following in pairwise(turns):
        if step.value and following.value:
            hand_over = step.returned - step.granted - step.timed - step.own
            gap = following.granted - step.returned
            yield Cost(step.own, hand_over, gap, hand_over + gap)


def cost_rows(lab: Laboratory, plans: Sequence[Plan]) -> Iterator[Sequence[str]]:
    """A row for each plan, as `inv bench` would execute it."""
    yield (
        "build", "workers", "turns", "timed, median",
        "between values anyway: median, 95th percentile", "hand-over", "gap", "what a turn costs",
    )  # fmt: skip
    for plan in plans:
        with closing(lab.blocks(plan)) as blocks:
            taken = valid(blocks)
        found = np.array([cost for turns in taken for cost in costs(turns)])
        timed = np.median([step.timed for turns in taken for step in turns if step.value])
        cells = zip(1e6 * np.median(found, axis=0), 1e6 * np.quantile(found, 0.95, axis=0), strict=True)
        yield (
            plan.builds[0], str(len(plan.builds)), str(len(found)), f"{1e3 * timed:.1f} ms",
            *(f"{median:.0f} µs, {high:.0f} µs" for median, high in cells),
        )  # fmt: skip


# -- what taking turns does to values ----------------------------------------------------------------------------------


def runs(seats: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """Whose turn it is in runs of these lengths, one run of each seat for each."""
    return [seat for length in lengths for seat in seats for _ in range(length)]


def is_quiet(run: Sequence[Step]) -> bool:
    """Whether the machine kept its speed from the second turn of a run on, but for one."""
    settled = sorted(step.timed for step in run[1:])
    return settled[-2] <= (1 + QUIET) * settled[0]


def against_later(turn: int, taken: Sequence[Sequence[Step]]) -> float:
    """Centre of the logs of a turn of these runs relative to each of the later ones, those from the third on."""
    return centre([math.log(run[turn].timed / other.timed) for run in taken for other in run[2:]])


def later(run: Sequence[Step]) -> float:
    """Mean of the logs of its later turns."""
    return fmean(math.log(step.timed) for step in run[2:])


def centre(logs: Sequence[float]) -> float:
    return float(hodges_lehmann(np.array([logs]))[0])


@dataclass(slots=True)
class Found:
    """Log ratios of A and B, one per block."""

    pairs: int = 0
    """Of quiet runs, in all blocks."""

    long: list[float] = field(default_factory=list)
    """B / A of long stretches."""
    settled: list[float] = field(default_factory=list)
    """B / A of settled turns against that of long stretches."""
    unsettled: list[float] = field(default_factory=list)
    """B / A of first turns against that of long stretches."""
    firsts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of A and of B: the first turn of a run against later ones."""
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, turns: Sequence[Step], a: str, b: str) -> None:
        """The turns of one block; what its runs say is centred, since only blocks are independent."""
        values = (step for step in turns if step.value)
        taken = [list(run) for _, run in groupby(values, key=lambda step: step.build)]
        of_a, of_b = ([run for run in taken if run[0].build == build] for build in (a, b))
        quiet = [pair for pair in zip(of_a, of_b, strict=True) if all(map(is_quiet, pair))]
        if not quiet:
            return
        self.pairs += len(quiet)
        for letter, its in zip("AB", zip(*quiet, strict=True), strict=True):
            self.firsts[letter].append(against_later(0, its))
            self.seconds[letter].append(against_later(1, its))
        self.unsettled.append(self.firsts["B"][-1] - self.firsts["A"][-1])
        self.settled.append(self.seconds["B"][-1] - self.seconds["A"][-1])
        self.long.append(centre([later(two) - later(one) for one, two in quiet]))


def effect_rows(lab: Laboratory, plans: Sequence[Plan], minutes: float) -> Iterator[Sequence[str]]:
    """A row for each plan of two builds: B / A, and what is different in turns."""
    yield (
        "workload", "A", "B", "blocks, quiet pairs of runs", "B / A, long stretches",
        "B / A settled, against long stretches", "B / A unsettled, against long stretches",
        "A: first turn, second turn, against later ones", "B: first turn, second turn",
    )  # fmt: skip
    for plan in plans:
        # Turns take half as long again as their minimum: loops double until the minimum is reached.
        seconds = 60 * minutes / len(plan.blocks) - 2 * WORKER_SECONDS
        turn = max(turn_seconds(plan, case) for case in plan.cases)
        pairs = max(1, round(seconds / (max(STEP, 1.5 * turn) * 2 * fmean(RUNS))))
        found = Found()
        taken = measured(lab, plan, pairs)
        for turns in taken:
            found.add(turns, *plan.builds)
        if len(found.long) < 2:
            raise MeasurementError("this machine had no quiet stretch")
        yield (
            plan.workloads[0].name, *plan.builds, f"{len(found.long)}, {found.pairs} of {len(taken) * pairs}",
            f"{stats.effect(found.long).ratio:.3f}", change(found.settled), change(found.unsettled),
            *(f"{change(found.firsts[letter])}, {change(found.seconds[letter])}" for letter in "AB"),
        )  # fmt: skip


def measured(lab: Laboratory, plan: Plan, pairs: int) -> list[list[Step]]:
    """The turns of each block of `plan`, its values in `pairs` of runs."""
    lengths = Random(plan.seed).choices(RUNS, k=pairs)
    values = sum(lengths)

    def schedule(seats: Sequence[str], turns: int) -> list[str]:
        return back_and_forth(seats, turns - values) + runs(seats, lengths)

    longer = tuple(msgspec.structs.replace(block, values=values) for block in plan.blocks)
    with closing(lab.blocks(msgspec.structs.replace(plan, blocks=longer), schedule=schedule)) as blocks:
        return valid(blocks)


def change(logs: Sequence[float]) -> str:
    """Relative change with its interval over blocks; in bold where the interval reaches beyond what may be."""
    effect = stats.effect(logs)
    inside = effect.low > 1 / (1 + SAME) and effect.high < 1 + SAME
    text = f"{100 * effect.change:+.2f} % ({100 * (effect.low - 1):+.2f} to {100 * (effect.high - 1):+.2f})"
    return text if inside else f"**{text}**"


if __name__ == "__main__":
    execute(main)
