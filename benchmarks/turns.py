"""What a turn costs, and whether any of it is inside a value.

    python -m benchmarks.turns [--blocks 20] [--minutes 3] [--turn SECONDS] [--workloads NAMES]

prints two Markdown tables.  The first takes turns apart.  What the harness saw of a turn less what pyperf timed of it
has two parts: what the worker does between its values, turns or not (pyperf's own steps, and checking the answer),
which the worker times itself for this, and the hand-over.  From the end of one turn to the grant of the next is the
gap.  Hand-over and gap are what a turn costs.

What such a table cannot show is what a change of workers does to caches and branch predictors: that would be inside the
values.  So the second table measures the same two processes under three schedules, in stretches of twelve turns: A B A
B, the harness's own, where each value has a turn of its own worker before it that does not count, and one after the
other, six turns each.  All of them, and their mirror images, follow one another in an order that is drawn anew for each
round, so that the machine's mood cancels.  Compared are the ratio B / A
under each schedule, and each worker's first turn after the other one with its next turn, after itself.

A block is a pair of processes, and only blocks are counted.  Bold is what may, by its 95 % interval, be more than half
a percent.  Where it matters to a workload what stands in the caches, --turn shows how long a turn has to be until it no
longer does.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks._laboratory import WORKLOADS, Laboratory, Measured, execute
from benchmarks._markdown import table
from harness import session, specs, stats
from harness.errors import MeasurementError
from harness.journal import Sample
from harness.lockstep import back_and_forth
from harness.model import BuildFacts, Plan
from harness.plan import WORKER_SECONDS
from harness.ranks import hodges_lehmann
from harness.screen import Screen
from harness.workbench import Workbench, workbench

ALTERNATING, SETTLED, SEQUENTIAL = "ABABABABABAB", "AABBBBAAAABB", "AAAAAABBBBBB"
"""Stretches: whose turn it is."""

STRETCH = len(SEQUENTIAL)
ROUND = 6 * STRETCH
"""Turns of a round: each stretch and its mirror image."""

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
    parser.add_argument("--blocks", type=int, default=20, help="pairs of processes for each row")
    parser.add_argument("--minutes", type=float, default=3, help="about how long each row of the second table takes")
    parser.add_argument("--turn", type=float, help="seconds that a turn lasts at least; default: the quick profile's")
    parser.add_argument("--workloads", default=EFFECTS, help="of the second table")
    options = parser.parse_args()
    workloads = specs.select_workloads(options.workloads, specs.load_workloads(WORKLOADS))

    pair = [facts.build.name for facts in session.prepare()]
    alike = {name: session.prepare(*[name] * 4) for name in pair}

    def plan(names: Sequence[str], workload: str) -> Plan:
        made = lab.plan(names, workload, blocks=options.blocks, seed=1)
        every = tuple(msgspec.structs.replace(block, settling=0) for block in made.blocks)  # turns are told apart here
        return msgspec.structs.replace(made, blocks=every, turn_seconds=options.turn or made.turn_seconds)

    with laboratory([facts for builds in alike.values() for facts in builds]) as lab:
        names = {name: [facts.build.name for facts in builds] for name, builds in alike.items()}
        plans = [plan(names[build][:workers], COSTS) for build in pair for workers in (2, 4)]
        table(cost_rows(lab, plans))
        print()
        plans = [plan(two, one.name) for one in workloads for two in (names[pair[1]][:2], pair)]
        table(effect_rows(lab, plans, options.minutes))


@contextmanager
def laboratory(builds: Sequence[BuildFacts]) -> Iterator[Laboratory]:
    """A laboratory of several images; holds this machine's measuring lock."""
    screen = Screen()
    with (
        session.measuring("the benchmark of turns", screen),
        workbench(WORKLOADS) as bench,
        session.open_engine("docker", bench, screen) as engine,
    ):
        watch(bench)
        yield Laboratory({facts.build.name: facts for facts in builds}, engine, bench, screen, keeps=["stops"])


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


def mirrored(stretch: str) -> str:
    """B for A, and A for B."""
    return stretch.translate(str.maketrans("AB", "BA"))


def stretches(seats: Sequence[str], rounds: int, rng: random.Random) -> list[str]:
    """Whose turn it is in `rounds` rounds of two seats."""
    seat = dict(zip("AB", seats, strict=True))
    kinds = [either for one in (ALTERNATING, SETTLED, SEQUENTIAL) for either in (one, mirrored(one))]
    return [seat[letter] for _ in range(rounds) for stretch in rng.sample(kinds, len(kinds)) for letter in stretch]


@dataclass(frozen=True, slots=True)
class Found:
    """Log ratios of A and B, one per block."""

    effects: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """B / A, by schedule."""
    differences: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """B / A under a schedule against B / A one after the other, in the same round."""
    switches: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of A and of B: the first turn after the other worker against the next one, after itself."""

    def add(self, turns: Sequence[Step], a: str, b: str) -> None:
        """The turns of one block; what its rounds say is centred, since only blocks are independent."""
        letters = {a: "A", b: "B"}
        values = [step for step in turns if step.value]
        rounds = [round_effects(values[start : start + ROUND], letters) for start in range(0, len(values), ROUND)]
        for schedule in (ALTERNATING, SETTLED, SEQUENTIAL):
            logs = np.array([effects[schedule] for effects in rounds])
            base = np.array([effects[SEQUENTIAL] for effects in rounds])
            self.effects[schedule].append(centre(logs))
            self.differences[schedule].append(centre(logs - base))
        for build, letter in letters.items():
            self.switches[letter].append(centre(after_switches(turns, build)))


def round_effects(values: Sequence[Step], letters: dict[str, str]) -> dict[str, float]:
    """B / A of one round by schedule, logs: the mean over a stretch and its mirror image.

    Of the settled stretch every second turn counts, as in a block.
    """
    found = defaultdict(list)
    for start in range(0, len(values), STRETCH):
        stretch = values[start : start + STRETCH]
        pattern = "".join(letters[step.build] for step in stretch)
        schedule = pattern if pattern.startswith("A") else mirrored(pattern)
        counted = stretch[1::2] if schedule == SETTLED else stretch
        a, b = ([step.timed for step in counted if letters[step.build] == letter] for letter in "AB")
        found[schedule].append(stats.block_effect(a, b))
    return {schedule: float(np.mean(logs)) for schedule, logs in found.items()}


def after_switches(turns: Sequence[Step], build: str) -> list[float]:
    """Log ratios: each turn of `build` after another worker against the turn after it, where that is its own too."""
    return [
        math.log(first.timed / second.timed)
        for before, first, second in zip(turns, turns[1:], turns[2:], strict=False)
        if first.value and before.build != build and first.build == second.build == build
    ]


def centre(logs: Sequence[float] | np.ndarray) -> float:
    return float(hodges_lehmann(np.asarray(logs, float)[None])[0])


def effect_rows(lab: Laboratory, plans: Sequence[Plan], minutes: float) -> Iterator[Sequence[str]]:
    """A row for each plan of two builds: B / A under each schedule, and what a schedule changes."""
    yield (
        "workload", "A", "B", "blocks × rounds", "B / A in A B A B", "settled", "one after the other",
        "A B A B against one after the other", "settled against one after the other",
        "A after B, against after itself", "B after A, against after itself",
    )  # fmt: skip
    for plan in plans:
        # Turns take half as long again as their minimum: loops double until the minimum is reached.
        seconds = 60 * minutes / len(plan.blocks) - 2 * WORKER_SECONDS
        rounds = max(1, round(seconds / (1.5 * plan.turn_seconds * ROUND)))
        found = Found()
        taken = measured(lab, plan, rounds)
        for turns in taken:
            found.add(turns, *plan.builds)
        yield (
            plan.workloads[0].name, *plan.builds, f"{len(taken)} × {rounds}",
            *(f"{stats.effect(found.effects[one]).ratio:.3f}" for one in (ALTERNATING, SETTLED, SEQUENTIAL)),
            *(change(found.differences[one]) for one in (ALTERNATING, SETTLED)),
            *(change(found.switches[letter]) for letter in "AB"),
        )  # fmt: skip


def measured(lab: Laboratory, plan: Plan, rounds: int) -> list[list[Step]]:
    """The turns of each block of `plan`, its values in `rounds` rounds of stretches."""
    values = rounds * ROUND // 2
    rng = random.Random(plan.seed)

    def schedule(seats: Sequence[str], turns: int) -> list[str]:
        return back_and_forth(seats, turns - values) + stretches(seats, rounds, rng)

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
