"""Do the intervals hold what they promise?  The estimator chain on machines whose truth is known.

    python -m benchmarks.simulate [--runs 2000] [--seed 1]

prints Markdown tables.  The simulated machine behaves like the one in docs/method.md: two workers take turns value by
value, neighbouring turns share the machine's speed, and two processes of the same build differ for good.  Shares are
percentages of simulated runs; with 2,000 runs a true 95 % shows as 94 % to 96 % in 19 of 20 cells.
"""

from __future__ import annotations

import argparse
import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import signal
from scipy import stats as scipy_stats

from benchmarks._markdown import percent, table
from harness import planning, stats

Array = npt.NDArray[np.float64]
PAIRS = 12
TURNS = 2 * PAIRS
MARGIN = 0.02


# -- the machine -------------------------------------------------------------------------------------------------------


def quiet(rng: np.random.Generator, turns: int) -> Array:
    """A machine that always has the same speed."""
    del rng
    return np.zeros(turns)


def drift(rng: np.random.Generator, turns: int) -> Array:
    """AR(1) with a standard deviation of 10 % and a correlation of 0.99 between neighbouring turns."""
    rho = 0.99
    steps = rng.normal(0, 0.1 * math.sqrt(1 - rho**2), turns)
    steps[0] = rng.normal(0, 0.1)
    return np.asarray(signal.lfilter([1], [1, -rho], steps), float)


def flips(rng: np.random.Generator, turns: int) -> Array:
    """Full speed and half speed, changing after 100 turns on average: a neighbour on the other hardware thread."""
    changes = rng.random(turns) < 1 / 100
    return np.asarray((np.cumsum(changes) + rng.integers(2)) % 2 * math.log(2), float)


@dataclass(frozen=True, slots=True)
class World:
    """A machine and two builds on it."""

    name: str
    speed: Callable[[np.random.Generator, int], Array] = quiet
    """Log slowness of the machine at each turn."""
    effect: float = 0.0
    """Relative: 0.01 makes the candidate 1 % slower."""
    process: tuple[float, float] = (0.012, 0.012)
    """Standard deviation between processes of baseline and candidate."""
    value: tuple[float, float] = (0.03, 0.03)
    """Standard deviation between values of one process."""
    tails: float = math.inf
    """Degrees of freedom of Student's t that values are drawn from."""
    disturbed: float = 0.0
    """Share of blocks in which processes differ eight times as much."""
    uneven: float = 0.0
    """Log standard deviation of the blocks' own noise levels."""

    def run(self, rng: np.random.Generator, blocks: int) -> tuple[Array, Array]:
        """Values of baseline and candidate, blocks x pairs."""
        speed = self.speed(rng, blocks * TURNS).reshape(blocks, PAIRS, 2)
        level = np.exp(self.uneven * rng.standard_normal(blocks)) * np.where(rng.random(blocks) < self.disturbed, 8, 1)
        # A B, B A, A B ...; which build has the first turn of a block is drawn.
        first = (np.arange(PAIRS) + rng.integers(2, size=blocks)[:, None]) % 2
        sides = []
        for side, (process, value) in enumerate(zip(self.process, self.value, strict=True)):
            log = np.take_along_axis(speed, ((first + side) % 2)[:, :, None], axis=2)[:, :, 0]
            log = log + (level * rng.normal(0, process, blocks))[:, None]
            sides.append(np.exp(log + value * self._noise(rng, (blocks, PAIRS))))
        return sides[0], sides[1] * (1 + self.effect)

    def _noise(self, rng: np.random.Generator, shape: tuple[int, int]) -> Array:
        if math.isinf(self.tails):
            return rng.standard_normal(shape)
        # An interruption is long, not endless: 100 standard deviations make a value 20 times as slow.
        return np.clip(rng.standard_t(self.tails, shape), -100, 100)

    def logs(self, rng: np.random.Generator, blocks: int) -> list[float]:
        """The blocks' estimates."""
        a, b = self.run(rng, blocks)
        return [stats.block_effect(left, right) for left, right in zip(a, b, strict=True)]


WORLDS = (
    World("no effect"),
    World("1 % effect", effect=0.01),
    World("drift", drift),
    World("flips to half speed", flips),
    World("heavy tails", flips, tails=2, disturbed=0.1),
    World("unequal variances", flips, process=(0.006, 0.024), value=(0.015, 0.06), uneven=0.5),
)


# -- the questions -----------------------------------------------------------------------------------------------------


def mean_and_t(d: Sequence[float]) -> tuple[float, float]:
    """The usual 95 % interval of a mean, logs."""
    reach = float(scipy_stats.t.isf(0.025, len(d) - 1)) * float(np.std(d, ddof=1)) / math.sqrt(len(d))
    return float(np.mean(d)) - reach, float(np.mean(d)) + reach


def coverage(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """One case: ours, mean and t of the same blocks, and Student's t test of all values as if they were independent."""
    yield (
        "machine", "blocks", "95 % interval covers", "says there is an effect", "half-width",
        "mean and t covers", "its half-width", "t test of pooled values says effect",
    )  # fmt: skip
    for world in WORLDS:
        truth = math.log1p(world.effect)
        for blocks in (8, 16, 32):
            covered = found = covered_t = pooled = 0
            widths, widths_t = [], []
            for _ in range(runs):
                a, b = world.run(rng, blocks)
                d = [stats.block_effect(left, right) for left, right in zip(a, b, strict=True)]
                ours, (low, high) = stats.effect(d), mean_and_t(d)
                covered += ours.low <= math.exp(truth) <= ours.high
                found += ours.p < 0.05
                covered_t += low <= truth <= high
                pooled += scipy_stats.ttest_ind(a, b, axis=None).pvalue < 0.05
                widths.append(ours.half_width)
                widths_t.append(math.expm1((high - low) / 2))
            yield (
                world.name, str(blocks), percent(covered / runs), percent(found / runs), percent(np.median(widths), 2),
                percent(covered_t / runs), percent(np.median(widths_t), 2), percent(pooled / runs),
            )  # fmt: skip


def stopping(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """Stopping at the first look at which the half-width is small enough, with 95 % intervals and with those of
    `planning.confidence_at_looks`."""
    yield "machine", "target", "95 % interval covers", "blocks, mean", "corrected interval covers", "blocks, mean"
    for world in (WORLDS[1], *WORLDS[3:]):
        for target in (0.02, 0.01):
            row = []
            data = [world.logs(rng, planning.LOOKS[-1]) for _ in range(runs)]
            for confidence in (0.95, planning.confidence_at_looks(0.95)):
                ended = [stop_at_look(d, target, confidence) for d in data]
                covered = sum(ours.low <= 1 + world.effect <= ours.high for ours in ended)
                row += [percent(covered / runs), f"{np.mean([ours.n for ours in ended]):.1f}"]
            yield world.name, percent(target, 0), *row


def stop_at_look(d: Sequence[float], target: float, confidence: float) -> stats.Effect:
    """The effect when it is first known to the target, or all blocks are used."""
    look = planning.next_look(0)
    while look is not None:
        ours = stats.effect(d[:look], confidence)
        look = None if planning.enough(ours.half_width, target) else planning.next_look(look)
    return ours


def deciding(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """Stopping at the first look at which the interval lies on one side of a boundary, with 95 % intervals and with
    those of `planning.confidence_where_deciding`.  With the truth on the boundary every such verdict is wrong."""
    header = (
        "wrong with 95 % intervals",
        "wrong with corrected ones",
        "right where the truth is 3 % away",
        "blocks, mean",
    )
    yield "machine", *header
    corrected = planning.confidence_where_deciding(0.95)
    for world in (WORLDS[1], *WORLDS[3:]):
        data = [world.logs(rng, planning.LOOKS[-1]) for _ in range(runs)]
        truth, row = 1 + world.effect, []
        for confidence in (0.95, corrected):
            ended = [decided_at_look(d, truth, confidence) for d in data]
            row.append(percent(sum(not one.low <= truth <= one.high for one in ended) / runs))
        far = [decided_at_look(d, truth * 1.03, corrected) for d in data]
        right = sum(one.high < truth * 1.03 for one in far) / runs
        yield world.name, *row, percent(right), f"{np.mean([one.n for one in far]):.1f}"


def decided_at_look(d: Sequence[float], boundary: float, confidence: float) -> stats.Effect:
    """The effect when it is first known on which side of the boundary it lies, or all blocks are used."""
    look = planning.next_look(0)
    while look is not None:
        ours = stats.effect(d[:look], confidence)
        look = planning.next_look(look) if ours.low <= boundary <= ours.high else None
    return ours


def multiplicity(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """Verdicts on all cases of a run."""
    yield (
        "machine", "cases", "of them 4 % slower", "runs with a false finding", "false share of findings",
        "real ones found", "corrected intervals of findings that miss",
    )  # fmt: skip
    for world in (WORLDS[3], WORLDS[4]):
        slower = replace(world, effect=0.04)
        for cases, real in ((8, 0), (30, 0), (8, 2), (30, 8)):
            wrong_runs, false_share, hits, missed = 0, [], 0, []
            for _ in range(runs):
                worlds = [slower] * real + [world] * (cases - real)
                judged = stats.judge([stats.effect(w.logs(rng, 12)) for w in worlds], margin=MARGIN)
                found = [j.verdict in (stats.Verdict.FASTER, stats.Verdict.SLOWER) for j in judged]
                wrong_runs += any(found[real:])
                false_share.append(sum(found[real:]) / max(1, sum(found)))
                hits += sum(found[:real])
                misses = [
                    not j.low <= 1 + w.effect <= j.high for j, w, f in zip(judged, worlds, found, strict=True) if f
                ]
                missed.append(sum(misses) / max(1, len(misses)))
            yield (
                world.name, str(cases), str(real), percent(wrong_runs / runs), percent(np.mean(false_share)),
                percent(hits / runs / real) if real else "–", percent(np.mean(missed)),
            )  # fmt: skip


def equivalence(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """The verdict "same" where the truth is the margin itself, and where it is no effect."""
    yield "machine", "blocks", "wrongly same, truth +2 %", "wrongly same, truth -2 %", "same, truth 0"
    for world in (WORLDS[0], *WORLDS[3:]):
        for blocks in (8, 16, 32):
            row = []
            for truth in (MARGIN, 1 / (1 + MARGIN) - 1, 0.0):
                moved = replace(world, effect=truth)
                judged = (stats.judge([stats.effect(moved.logs(rng, blocks))], margin=MARGIN)[0] for _ in range(runs))
                row.append(percent(sum(j.verdict is stats.Verdict.SAME for j in judged) / runs))
            yield world.name, str(blocks), *row


def suite(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """The geometric mean over cases."""
    yield "machine", "cases", "blocks of each", "95 % interval covers", "half-width"
    for world in (WORLDS[1], *WORLDS[3:]):
        for counts in ((8,) * 2, (8,) * 4, (8,) * 12, (16,) * 12, (8, 8, 12, 16, 16, 32)):
            covered, widths = 0, []
            for _ in range(runs):
                ours = stats.geometric_mean([world.logs(rng, n) for n in counts])
                covered += ours.low <= 1 + world.effect <= ours.high
                widths.append(ours.half_width)
            blocks = " ".join(map(str, dict.fromkeys(counts)))
            yield world.name, str(len(counts)), blocks, percent(covered / runs), percent(np.median(widths), 2)


def block_estimates(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """What a block may be reduced to: the spread of each estimate over blocks, processes alike (robust: 1.48 MAD)."""
    estimates: dict[str, Callable[[Array, Array], Array]] = {
        "median of pair ratios": lambda a, b: np.median(b - a, axis=1),
        "mean of pair ratios": lambda a, b: np.mean(b - a, axis=1),
        "20 % trimmed mean": lambda a, b: scipy_stats.trim_mean(b - a, 0.2, axis=1),
        "ratio of medians": lambda a, b: np.median(b, axis=1) - np.median(a, axis=1),
        "ratio of minima": lambda a, b: np.min(b, axis=1) - np.min(a, axis=1),
    }
    yield "machine", *(f"{name}: sd (robust)" for name in estimates)
    for world in WORLDS:
        a, b = (np.log(side) for side in replace(world, process=(0, 0), disturbed=0).run(rng, runs))
        row = []
        for estimate in estimates.values():
            d = estimate(a, b)
            robust = float(scipy_stats.median_abs_deviation(d, scale="normal"))
            row.append(f"{percent(float(np.std(d)), 2)} ({percent(robust, 2)})")
        yield world.name, *row


def separate_runs(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """Two runs of different days, 10 and 15 processes of 12 values: ours, and resampling processes and then values."""
    yield "machine", "95 % interval covers", "half-width", "resampling covers", "its half-width"
    for world in (World("quiet, like processes", process=(0, 0)), WORLDS[0], World("disturbed", disturbed=0.1)):
        counted, widths = np.zeros(2), []
        for _ in range(runs):
            a, b = world.run(rng, 10)[0], world.run(rng, 15)[1]
            before, after = (np.log(np.median(side, axis=1)) for side in (a, b))
            ours = stats.unpaired(before, after)
            low, high = np.quantile(resampled_mean(b, rng) / resampled_mean(a, rng), (0.025, 0.975))
            counted += ours.low <= 1 <= ours.high, low <= 1 <= high
            widths.append((ours.half_width, math.sqrt(high / low) - 1))
        cover, width = counted / runs, np.median(widths, axis=0)
        yield world.name, percent(cover[0]), percent(width[0], 2), percent(cover[1]), percent(width[1], 2)


def resampled_mean(values: Array, rng: np.random.Generator, draws: int = 1_000) -> Array:
    """Means of `values`, processes x values, with both resampled."""
    processes, per = values.shape
    chosen = rng.integers(processes, size=(draws, processes, 1))
    return np.asarray(values[chosen, rng.integers(per, size=(draws, processes, per))].mean(axis=(1, 2)), float)


# -- the page ----------------------------------------------------------------------------------------------------------

TABLES = (
    ("One case", coverage),
    ("Stopping at preset looks on the half-width", stopping),
    ("Stopping where an interval lies on one side of a boundary", deciding),
    ("All cases of a run, 12 blocks each", multiplicity),
    ("Equivalence, margin 2 %", equivalence),
    ("Suite", suite),
    ("Estimates of one block", block_estimates),
    ("Two separate runs", separate_runs),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for number, (title, question) in enumerate(TABLES):
        print(f"\n### {title}\n\n{inspect.getdoc(question)}\n")
        table(question(options.runs, np.random.default_rng((options.seed, number))))


if __name__ == "__main__":
    main()
