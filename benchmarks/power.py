"""How long until a real slowdown is found?  Gilometer, and pyperf's own way.

pure_python/cpu_bound against a copy of itself that does 3 % more of the same work: one image, one thread.

Gilometer
    Blocks in lockstep, as a bench of this workload alone executes them, against the slower copy and against itself.
    The power of n blocks is the share of all n consecutive blocks of a recorded series whose 95 % interval (that of
    harness.stats) says slower.  Consecutive, because neighbours can be alike; seconds are those of the blocks.
pyperf
    Rounds of three suites in pyperf's default protocol: the workload, the workload again, the slower copy.  Two suites
    in a row are a pair.  `pyperf compare_to` takes all values of a suite for independent, and they share the mood that
    the machine has for these seconds: its verdicts do not hold the level that they claim.  A test that holds it counts
    a pair as one observation, the log ratio of its means.  The power of n pairs is then that of Student's t test, by
    the noncentral t distribution with the standard deviation of the recorded pairs.  Beside it stands the z test of
    somebody who knows this standard deviation beforehand, to whom a single pair may tell enough.

Effects after the first are measured in lockstep only; for pyperf they follow from the same pairs, whose standard
deviation does not depend on them.  Not counted are opening containers, and of ours the one calibration and the blocks
until the first look, after which a bench knows how many values a worker should measure.

    .venv/bin/python -m benchmarks.power [--pairs 15] [--blocks 80] [--effect 0.03,0.01] [--out FILE.json]
        [--chart FILE.svg] [--read FILE.json]
"""

from __future__ import annotations

import argparse
import math
import re
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from benchmarks._curves import (
    SIZES,
    Point,
    curve,
    draw,
    first_with,
    observations,
    pair_curve,
    says_slower,
    sd_interval,
    t_power,
    z_power,
)
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
from benchmarks._markdown import percent, table
from harness import host, specs
from harness.engine import Place
from harness.errors import RequestError
from harness.model import BuildFacts, HostFacts, Plan, Profile, Struct
from harness.planning import LOOKS
from harness.screen import clock

WORKLOAD = "pure_python/cpu_bound"
BASE, SAME = "base", "same"

POWER = 0.8
"""Chance of finding what is there that is asked for."""


# -- the slower copy ---------------------------------------------------------------------------------------------------

_SCALE = re.compile(r"(?<=iterations=)[\d_]+(.*?expected=)[\d_]+")


def slower(script: str, effect: float) -> str:
    """The text of cpu_bound with so much more of its own work at every size, and the answer that belongs to it."""

    def more(scale: re.Match[str]) -> str:
        iterations = round(int(scale[0].partition(",")[0]) * (1 + effect))
        return f"{iterations}{scale[1]}{sum_of_squares(iterations)}"

    changed, found = _SCALE.subn(more, script)
    if not found:
        raise RequestError(f"{WORKLOAD} has no sizes that could be scaled")
    return changed


def sum_of_squares(below: int) -> int:
    """Of 0 to `below` - 1."""
    return (below - 1) * below * (2 * below - 1) // 6


@contextmanager
def slower_workloads(effect: float) -> Iterator[Path]:
    """A folder of workloads like ours, in which cpu_bound is slower; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="gilometer-") as name:
        folder = Path(name) / "workloads"
        shutil.copytree(WORKLOADS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        script = folder / f"{WORKLOAD}.py"
        script.write_text(slower(script.read_text(encoding="utf-8"), effect), encoding="utf-8")
        yield folder


# -- measuring ---------------------------------------------------------------------------------------------------------


class Pair(Struct, frozen=True):
    """Two suites of which one came right after the other."""

    seconds: float
    says: PyperfVerdict


class Round(Struct, frozen=True):
    """Three suites in a row: the workload, the workload again, the slower copy."""

    suites: tuple[Suite, Suite, Suite]
    same: Pair
    slower: Pair


class Record(Struct, frozen=True, kw_only=True):
    """The file: everything that was measured."""

    effects: tuple[float, ...]
    profile: str
    seed: int
    build: BuildFacts
    host: HostFacts
    series: dict[str, tuple[Measured, ...]]
    """Blocks against the same, and against the copy that is slower by each effect, by its name."""
    rounds: tuple[Round, ...]
    """With the first effect."""

    @property
    def is_whole(self) -> bool:
        """Whether there is something of everything."""
        return len(self.rounds) > 1 and {SAME, *map(name_of, self.effects)} <= set(self.series)


def name_of(effect: float) -> str:
    """Of the copy that is slower by `effect`."""
    return f"slower by {100 * effect:g} %"


@dataclass
class Measurement:
    """Series and rounds, as far as they are there."""

    lab: Laboratory
    effects: tuple[float, ...]
    profile: str
    seed: int
    series: dict[str, tuple[Measured, ...]] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)

    def measure(self, blocks: int, rounds: int) -> None:
        """A series at a time, and after each its share of the rounds: both ways meet the machine all along."""
        names = (SAME, *map(name_of, self.effects))
        with ExitStack() as stack, self.lab.screen.task("measuring", total=len(names) + rounds) as task:
            plan = self._plan(SAME, blocks=1)
            places = [stack.enter_context(self.lab.place(name, plan)) for name in (BASE, *names[:2])]
            for index, name in enumerate(names, start=1):
                self.series[name] = self._blocks(name, blocks)
                task.update(len(self.series) + len(self.rounds), note=f"blocks, {name}")
                while len(self.rounds) < rounds * index // len(names):
                    self.rounds.append(self._round(plan, places))
                    task.update(len(self.series) + len(self.rounds), note="pyperf")

    def _plan(self, name: str, blocks: int) -> Plan:
        return self.lab.plan((BASE, name), WORKLOAD, blocks=blocks, seed=self.seed, profile=self.profile)

    def _blocks(self, name: str, number: int) -> tuple[Measured, ...]:
        plan = self._plan(name, blocks=2 * number + LOOKS[0] + 10)
        with closing(self.lab.blocks(plan, deepens=True)) as blocks:
            counting(blocks, LOOKS[0])
            return counting(blocks, number)

    def _round(self, plan: Plan, places: Sequence[Place]) -> Round:
        first, again, slow = (self.lab.suite(place, plan) for place in places)
        return Round((first, again, slow), _pair(first, again), _pair(again, slow))

    def record(self) -> Record:
        """What there is so far."""
        return Record(
            effects=self.effects,
            profile=self.profile,
            seed=self.seed,
            build=self.lab.builds[BASE],
            host=host.facts(),
            series=self.series,
            rounds=tuple(self.rounds),
        )


def _pair(baseline: Suite, candidate: Suite) -> Pair:
    return Pair(baseline.seconds + candidate.seconds, compare_to(baseline, candidate))


# -- the page ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """What follows from a record."""

    record: Record

    def ours(self, effect: float) -> list[Point]:
        """Power of blocks."""
        return curve(observations(self.record.series[name_of(effect)]), says_slower)

    def alarms(self) -> list[Point]:
        """Of blocks, where nothing is slower."""
        return curve(observations(self.record.series[SAME]), excludes_one)

    @property
    def pair_sd(self) -> float:
        """Of the log ratios of pairs."""
        return statistics.stdev(math.log(one.slower.says.ratio) for one in self.record.rounds)

    @property
    def pair_seconds(self) -> float:
        return statistics.fmean(one.slower.seconds for one in self.record.rounds)

    def theirs(self, effect: float, power: Callable[[int, float, float], float]) -> list[Point]:
        """Power of pairs."""
        return pair_curve(power, effect, self.pair_sd, self.pair_seconds)


def report(result: Result) -> None:
    """Print the tables."""
    record = result.record
    print(
        f"{WORKLOAD}, one thread, profile {record.profile}, CPython {record.build.release} ({record.build.optimize})\n"
    )
    print("Time until a slowdown is found in 80 of 100 tries, with 5 false alarms in 100:\n")
    table(_times(result))
    print("\nWhat is called different:\n")
    table(_verdicts(result))
    print("\nPower of blocks:\n")
    table(_powers(result))
    low, high = sd_interval(result.pair_sd, len(record.rounds))
    print(
        f"\nStandard deviation of log ratios: {percent(statistics.stdev(logs(record.series[SAME])))} of a block, "
        f"{percent(result.pair_sd)} of a pair of pyperf's suites (95 % interval {percent(low)} to {percent(high)})."
    )


def logs(blocks: Sequence[Measured]) -> list[float]:
    """Of those that count."""
    return [one.log for one in observations(blocks)]


def _times(result: Result) -> Iterator[Sequence[str]]:
    yield (
        "slowdown", "Gilometer", "pyperf, t test of pairs", "as long as Gilometer",
        "pyperf, deviation known", "as long as Gilometer",
    )  # fmt: skip
    for effect in result.record.effects:
        ours = result.ours(effect)
        found = first_with(POWER, ours)
        row = [percent(effect, 1), _time(found, "block") if found else f"more than {clock(ours[-1].seconds)}"]
        for power in (t_power, z_power):
            theirs = first_with(POWER, result.theirs(effect, power))
            assert theirs is not None  # pair_curve goes on until it is there
            row += [_time(theirs, "pair"), f"{theirs.seconds / found.seconds:.0f} times" if found else "–"]
        yield row


def _time(point: Point, unit: str) -> str:
    return f"{clock(point.seconds)} ({point.number} {unit}{'s' * (point.number > 1)})"


def _verdicts(result: Result) -> Iterator[Sequence[str]]:
    """Ours at the number of blocks that takes the time of a pair, as far as there are as many."""
    record = result.record
    first = result.ours(record.effects[0])
    index = max((i for i, one in enumerate(first) if one.seconds <= result.pair_seconds), default=0)
    slow, same = first[index], result.alarms()[index]
    number = len(record.rounds)
    false = sum(one.same.says.different for one in record.rounds)
    true = sum(one.slower.says.different and one.slower.says.ratio > 1 for one in record.rounds)
    yield (
        "compared with", f"Gilometer, {_time(slow, 'block')}, of all windows",
        f"pyperf compare_to, {clock(result.pair_seconds)} (1 pair)",
    )  # fmt: skip
    yield "itself", f"{percent(same.power)} different", f"{false} of {number} different"
    yield f"a copy {name_of(record.effects[0])}", f"{percent(slow.power)} slower", f"{true} of {number} slower"


def _powers(result: Result) -> Iterator[Sequence[str]]:
    """Shares of windows, and how many of these do not overlap: so many are independent."""
    effects = result.record.effects
    yield (
        "blocks", "seconds", "windows without overlap", "called different from itself",
        *(f"{name_of(effect)}: found" for effect in effects),
    )  # fmt: skip
    longest = len(logs(result.record.series[SAME]))
    for same, *found in zip(result.alarms(), *map(result.ours, effects), strict=True):
        shares = (percent(point.power, 0) for point in (same, *found))
        yield str(same.number), f"{found[0].seconds:.1f}", str(longest // same.number), *shares


# -- the program -------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", default="15", help="rounds of pyperf's three suites")
    parser.add_argument("--blocks", default="80", help="of each series")
    parser.add_argument("--effect", default="0.03,0.01", help="slowdowns, relative; pyperf is measured with the first")
    parser.add_argument("--profile", default="quick", help="of a bench: the size of the work and the length of turns")
    parser.add_argument("--seed", default="1", help="of the plans")
    parser.add_argument("--build", default=None, help="default: the free-threaded one of the default pair")
    parser.add_argument("--out", type=Path, default=None, help="everything that was measured, as JSON")
    parser.add_argument("--read", type=Path, default=None, help="measure nothing, explain what --out has written")
    parser.add_argument("--chart", type=Path, default=None, help="the curves of the first effect, as SVG")
    options = parser.parse_args()
    refuse_unwritable(options.out, options.chart)
    record = read_record(options.read, Record) if options.read else _measure(options)
    if not record.is_whole:
        raise RequestError(f"{options.read} is of a measurement that was interrupted: it has too little for a curve")
    result = Result(record)
    report(result)
    if options.chart:
        first = record.effects[0]
        curves = {"Gilometer": result.ours(first), "pyperf": result.theirs(first, t_power)}
        svg = draw(curves, goal=POWER, title=f"chance to find a slowdown of {100 * first:g} %")
        options.chart.write_text(svg, encoding="utf-8")


def _measure(options: argparse.Namespace) -> Record:
    pairs = specs.whole_number("--pairs", options.pairs, least=2)
    blocks = specs.whole_number("--blocks", options.blocks, least=SIZES[0])
    seed = specs.whole_number("--seed", options.seed, least=0)
    profile = specs.choose("--profile", options.profile, list(Profile))
    effects = read_effects(options.effect)
    with ExitStack() as stack:
        copies = {name_of(effect): stack.enter_context(slower_workloads(effect)) for effect in effects}
        folders = {BASE: WORKLOADS, SAME: WORKLOADS} | copies
        lab = stack.enter_context(laboratory("the benchmark of power", folders, options.build))
        measurement = Measurement(lab, effects, profile, seed)
        try:
            measurement.measure(blocks, pairs)
        finally:  # what was measured before an interrupt is kept
            if options.out:
                options.out.write_bytes(msgspec.json.encode(measurement.record()))
        return measurement.record()


def read_effects(text: str) -> tuple[float, ...]:
    """Slowdowns of a comma list.  RequestError where one is none that could be measured."""
    effects = []
    for item in specs.split("--effect", text):
        try:
            effect = float(item)
        except ValueError:
            raise RequestError(f'--effect: "{item}" is not a number such as 0.03') from None
        if not 0.001 <= effect <= 1:
            raise RequestError(f"--effect: {item} is not between 0.001 and 1; 0.03 is 3 %")
        effects.append(effect)
    return tuple(dict.fromkeys(effects))


if __name__ == "__main__":
    execute(main)
