"""What to reduce a block to, and which centre to take over blocks: candidates on recorded A/A data.

    python -m benchmarks.estimators RUN_OR_JSON...
    python -m benchmarks.estimators --record 3.14t [--blocks 48] [--workloads NAMES] --out FILE.json

The first prints Markdown tables.  It reads runs of a build against itself (./inv bench --builds 3.14t,3.14t), of which
it takes the times of builds X and X#2, files of benchmarks.false_alarms, and files as the second makes them: a list of

    {"workload": "numeric/matrix", "a": [[0.021, 0.022], [0.023, 0.021]], "b": [[0.022, 0.022], [0.024, 0.021]]}

where a and b are the two sides, blocks x turns, in seconds and in the order of measurement, and value k of a block's a
was measured in the same turn as value k of its b.

In an A/A comparison all is noise: the better estimate of a block is the one that varies less from block to block, and
the better centre is the one whose interval is narrower and still excludes no effect in 5 % of the cases only.
"""

from __future__ import annotations

import argparse
import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import numpy as np
from scipy import stats as scipy_stats

from benchmarks import false_alarms
from benchmarks._laboratory import WORKLOADS, Measured, counting, execute, laboratory, refuse_unwritable
from benchmarks._markdown import percent, table
from benchmarks.simulate import mean_and_t
from harness import specs, store
from harness.errors import RequestError
from harness.journal import BlockRecord
from harness.model import Measure, Struct
from harness.planning import LOOKS
from harness.ranks import Array, Ranks, hodges_lehmann, signed_rank

SIDES = ("a", "b")
CASES = "mixed,numeric,pure_python,scraping/fetch_parse_stdlib"
WINDOWS = LOOKS[:3]
ALPHA = 0.05


class Recording(Struct, frozen=True, kw_only=True):
    """A workload on a build against itself."""

    workload: str
    a: list[list[float]]
    b: list[list[float]]
    """Both sides, seconds, blocks x turns."""

    def logs(self) -> tuple[Array, Array]:
        """Both sides' logarithms, blocks x turns.  RequestError where they are no pairs."""
        lengths = {len(values) for values in (*self.a, *self.b)}
        if len(self.a) != len(self.b) or len(self.a) < 2 or len(lengths) != 1 or lengths == {0}:
            raise RequestError(f"{self.workload}: a and b need two blocks or more, all with the same number of values")
        if any(not value > 0 for values in (*self.a, *self.b) for value in values):
            raise RequestError(f"{self.workload}: a time must be above 0")
        return np.log(self.a), np.log(self.b)


# -- candidates --------------------------------------------------------------------------------------------------------


def of_pairs(estimate: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda a, b: estimate(b - a)


def trimmed(share: float) -> Callable[[Array], Array]:
    """The mean without `share` of the pairs at either end, rounded down: of 8 pairs, 10 % is none and 20 % is one."""
    return lambda pairs: np.asarray(scipy_stats.trim_mean(pairs, share, axis=1), float)


ESTIMATES: dict[str, Callable[[Array, Array], Array]] = {
    "median of pairs": of_pairs(lambda pairs: np.asarray(np.median(pairs, axis=1), float)),
    "25 % trimmed mean": of_pairs(trimmed(0.25)),
    "20 % trimmed mean": of_pairs(trimmed(0.2)),
    "10 % trimmed mean": of_pairs(trimmed(0.1)),
    "mean": of_pairs(lambda pairs: np.asarray(pairs.mean(axis=1), float)),
    "Hodges-Lehmann": of_pairs(hodges_lehmann),
    "ratio of medians": lambda a, b: np.asarray(np.median(b, axis=1) - np.median(a, axis=1), float),
    "ratio of minima": lambda a, b: np.asarray(b.min(axis=1) - a.min(axis=1), float),
}
"""Of both sides' logarithms, blocks x turns: an estimate of each block.  The others are held against the first."""


def signs(d: Array) -> Ranks:
    """The median, and the interval of the sign test."""
    ranks = signed_rank(d)
    cdf = np.asarray(scipy_stats.binom.cdf(np.arange(d.size + 1), d.size, 0.5), float)
    return Ranks(np.sort(d), cdf, ranks.mean, ranks.error, ranks.df)


CENTRES: dict[str, Callable[[Array], tuple[float, float]]] = {
    "mean, Student's t": lambda d: mean_and_t(d.tolist()),
    "Hodges-Lehmann, signed ranks": lambda d: signed_rank(d).interval(ALPHA),
    "median, signs": lambda d: signs(d).interval(ALPHA),
}
"""Of the blocks' estimates: the ends of a 95 % interval."""


# -- tables ------------------------------------------------------------------------------------------------------------

Case = tuple[str, Array, Array]
"""Name, and both sides' logarithms, blocks x turns."""


def robust(d: Array) -> float:
    """The standard deviation that a normal distribution with this median absolute deviation has."""
    return float(scipy_stats.median_abs_deviation(d, axis=None, scale="normal"))


def spreads(cases: Sequence[Case]) -> Iterator[Sequence[str]]:
    """Standard deviation over blocks of each estimate of a block (robust: 1.48 MAD).

    The pairs' own is about the median of their block.  The last rows are the geometric mean over the cases of the ratio
    to the first estimate's, with a 95 % interval from resampled cases.
    """
    yield "case", "blocks × pairs", "pairs, robust", *ESTIMATES
    plain, mad = [], []
    for name, a, b in cases:
        estimates = [estimate(a, b) for estimate in ESTIMATES.values()]
        plain.append([float(np.std(d, ddof=1)) for d in estimates])
        mad.append([robust(d) for d in estimates])
        pairs = percent(robust(b - a - np.median(b - a, axis=1, keepdims=True)))
        cells = (f"{percent(sd, 2)} ({percent(r, 2)})" for sd, r in zip(plain[-1], mad[-1], strict=True))
        yield name, f"{a.shape[0]} × {a.shape[1]}", pairs, *cells
    for title, all_ in (("all, relative", plain), ("all, relative, robust", mad)) if len(cases) > 1 else ():
        yield title, "", "", *(f"{mean:.3f} ({low:.3f} to {high:.3f})" for mean, low, high in relative(np.array(all_)))


def relative(table: Array, draws: int = 10_000) -> list[tuple[float, float, float]]:
    """Per column of `table`, cases x estimates: geometric mean of its ratio to the first column, and the interval."""
    logs = np.log(table) - np.log(table[:, :1])
    chosen = np.random.default_rng(1).integers(len(logs), size=(draws, len(logs)))
    low, high = np.exp(np.quantile(logs[chosen].mean(axis=1), (ALPHA / 2, 1 - ALPHA / 2), axis=0))
    return list(zip(np.exp(logs.mean(axis=0)).tolist(), low.tolist(), high.tolist(), strict=True))


def centres(cases: Sequence[Case]) -> Iterator[Sequence[str]]:
    """Half-widths of intervals from neighbouring blocks, and in parentheses how often they exclude no effect.

    A half-width is the median over windows, and of these the geometric mean over cases.  All windows of a recording are
    used; those that share no block are independent, and their number says how far a share can be trusted.
    """
    yield "blocks", "windows (independent)", "centre", *ESTIMATES
    for size in WINDOWS:
        long_enough = [case for case in cases if len(case[1]) >= size]
        if not long_enough:
            continue
        windows = sum(len(a) - size + 1 for _, a, _ in long_enough)
        independent = sum(len(a) // size for _, a, _ in long_enough)
        for name, interval in CENTRES.items():
            cells = []
            for estimate in ESTIMATES.values():
                width, alarms = judged([estimate(a, b) for _, a, b in long_enough], size, interval)
                cells.append(f"{percent(width, 2)} ({percent(alarms)})")
            yield str(size), f"{windows} ({independent})", name, *cells


def judged(series: Sequence[Array], size: int, interval: Callable[[Array], tuple[float, float]]) -> tuple[float, float]:
    """Half-width of the intervals from `size` neighbouring blocks, and the share of them that excludes no effect."""
    widths, alarms = [], []
    for d in series:
        ends = np.array([interval(window) for window in np.lib.stride_tricks.sliding_window_view(d, size)])
        widths.append(float(np.median(ends[:, 1] - ends[:, 0])) / 2)
        alarms += ((ends[:, 0] > 0) | (ends[:, 1] < 0)).tolist()
    return math.expm1(math.exp(float(np.mean(np.log(widths))))), float(np.mean(alarms))


# -- data --------------------------------------------------------------------------------------------------------------


def load(path: Path) -> list[Recording]:
    """The recordings in a run directory or a file.  RequestError where there are none."""
    if path.is_dir():
        return from_run(path)
    try:
        found = msgspec.json.decode(path.read_bytes(), type=list[Recording] | false_alarms.Record)
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise RequestError(f"{path} holds no recordings: {error}", hint="The format: --help") from error
    if isinstance(found, list):
        return found
    return recordings((one.workload, block) for one in found.comparisons for block in one.ours.blocks)


def from_run(directory: Path) -> list[Recording]:
    """Times of build X and of X#2, case by case.  RequestError where the run compares no build with itself."""
    run, journal = store.load(directory)
    names = set(run.plan.builds)
    twins = [(one, f"{one}#2") for one in run.plan.builds if f"{one}#2" in names]
    if not twins:
        raise RequestError(
            f"{directory} compares no build with itself", hint="Such a run: ./inv bench --builds 3.14t,3.14t"
        )
    times = [case.id for case in run.plan.cases if case.measure is Measure.TIME]
    return recordings(
        (case, Measured(builds, run.plan.blocks[line.index], only(line, case)))
        for case in times
        for builds in twins
        for line in journal
        if isinstance(line, BlockRecord)
    )


def only(record: BlockRecord, case: str) -> BlockRecord:
    """What became of one case in a block."""
    return msgspec.structs.replace(record, outcomes=tuple(one for one in record.outcomes if one.case == case))


def recordings(blocks: Iterable[tuple[str, Measured]]) -> list[Recording]:
    """By name, in the order of measurement; blocks that do not count are left out."""
    sides: dict[str, tuple[list[list[float]], list[list[float]]]] = defaultdict(lambda: ([], []))
    for name, block in blocks:
        if block.log is not None:
            for side, build in zip(sides[name], block.builds, strict=True):
                side.append(list(block.samples[build].values))
    return [Recording(workload=name, a=a, b=b) for name, (a, b) in sides.items()]


def record(build: str, workloads: str, blocks: int) -> list[Recording]:
    """One image under two names, on one thread, the workloads in turn block by block."""
    chosen = specs.select_workloads(workloads, specs.load_workloads(WORKLOADS))
    found: list[tuple[str, Measured]] = []
    with (
        laboratory("recording a build against itself", dict.fromkeys(SIDES, WORKLOADS), build) as lab,
        ExitStack() as to_close,
        lab.screen.task("recording", total=blocks) as task,
    ):
        series = {}
        for one in chosen:
            plan = lab.plan(SIDES, one.name, blocks=2 * blocks, seed=1)  # more than needed: some may not count
            series[one.name] = to_close.enter_context(closing(lab.blocks(plan)))
        for number in range(blocks):
            found += [(name, block) for name, more in series.items() for block in counting(more, 1)]
            task.update(number + 1)
    return recordings(found)


# -- the page ----------------------------------------------------------------------------------------------------------


def main() -> None:
    """Print the tables, or record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="*", type=Path, metavar="RUN_OR_JSON")
    parser.add_argument("--record", metavar="BUILD", help="measure this build against itself instead")
    parser.add_argument("--blocks", type=int, default=48, help="of each workload that is recorded")
    parser.add_argument("--workloads", default=CASES, help="that are recorded")
    parser.add_argument("--out", type=Path, help="where to write what was recorded")
    options = parser.parse_args()
    if bool(options.inputs) == bool(options.record) or bool(options.record) != bool(options.out):
        parser.error("expected either runs and JSON files, or --record BUILD --out FILE.json")
    if options.record:
        refuse_unwritable(options.out)
        options.out.write_bytes(msgspec.json.encode(record(options.record, options.workloads, options.blocks)))
    else:
        show(options.inputs)


def show(inputs: Sequence[Path]) -> None:
    """All tables."""
    cases = []
    for path in inputs:
        for recording in load(path):
            name = recording.workload if len(inputs) == 1 else f"{recording.workload}, {path.stem}"
            cases.append((name, *recording.logs()))
    for title, rows in (("Estimates of one block", spreads), ("Centres over blocks", centres)):
        print(f"\n### {title}\n\n{inspect.getdoc(rows)}\n")
        table(rows(cases))


if __name__ == "__main__":
    execute(main)
