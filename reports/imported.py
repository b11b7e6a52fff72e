"""Two of pyperf's own files side by side: what its benchmarks say once processes count instead of values.

pyperf measures one side after the other, so nothing is paired: a process counts once, with the median of its values,
and the two sets of processes are compared by `stats.unpaired`.  No interval knows what else changed between the two.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyperf

from harness import stats
from harness.errors import RequestError
from harness.stats import Judgement, Verdict
from reports.findings import MARGIN

_VOLATILE = ("date", "duration", "load", "loops", "uptime", "mem_", "command", "name", "unit", "runnable")
"""How names of pyperf's metadata begin that differ from one process to the next, or say nothing of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One benchmark in both files."""

    name: str
    unit: str
    """second or byte."""
    a: float
    b: float
    """Medians over processes, in that unit."""
    processes: tuple[int, int]
    judgement: Judgement
    """Of b / a."""

    @property
    def verdict(self) -> Verdict:
        return self.judgement.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """All that two files say of each other."""

    a: str
    b: str
    """Names of the files."""
    changes: tuple[Change, ...]
    """In the order of the first file."""
    mean: Judgement
    """Of the geometric mean of all ratios."""
    unlike: tuple[tuple[str, str, str], ...]
    """Metadata that differs: its name, and its value in either file."""
    absent: tuple[tuple[str, str], ...]
    """Benchmarks that are not compared, and why."""

    def of(self, verdict: Verdict) -> tuple[Change, ...]:
        """Changes with this verdict, the largest first."""
        found = (one for one in self.changes if one.verdict is verdict)
        return tuple(sorted(found, key=lambda one: -one.judgement.effect.size))


def load(path: Path) -> pyperf.BenchmarkSuite:
    """A file that pyperf or pyperformance has written.  RequestError where it is none."""
    try:
        suite = pyperf.BenchmarkSuite.load(str(path))
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # pyperf raises what its parser meets: ValueError, KeyError, TypeError, EOFError
        raise RequestError(
            f"{path} is no file of pyperf: {error}", hint="Name what pyperf or pyperformance wrote with -o."
        ) from error
    return suite


def compare(a: Path, b: Path) -> Imported:
    """The second file against the first one.  RequestError where they have no benchmark in common."""
    left, right = _benchmarks(load(a)), _benchmarks(load(b))
    shared = [name for name in left if name in right and _processes(left[name]) and _processes(right[name])]
    if not shared:
        raise RequestError(f"{a} and {b} have no benchmark in common that was measured")
    effects = [stats.unpaired(_logs(left[name]), _logs(right[name])) for name in shared]
    judged = stats.judge(effects, margin=MARGIN, noise_floors=[0.0] * len(effects))
    (mean,) = stats.judge([stats.unpaired_mean(effects)], margin=MARGIN, noise_floors=[0.0])
    changes = [
        Change(
            name=name,
            unit=left[name].get_unit(),
            a=statistics.median(_processes(left[name])),
            b=statistics.median(_processes(right[name])),
            processes=(len(_processes(left[name])), len(_processes(right[name]))),
            judgement=judgement,
        )
        for name, judgement in zip(shared, judged, strict=True)
    ]
    return Imported(
        a=a.name,
        b=b.name,
        changes=tuple(changes),
        mean=mean,
        unlike=tuple(_unlike([left[name] for name in shared], [right[name] for name in shared])),
        absent=tuple(_absent(left, right, shared, (a.name, b.name))),
    )


def _benchmarks(suite: pyperf.BenchmarkSuite) -> dict[str, pyperf.Benchmark]:
    return {benchmark.get_name(): benchmark for benchmark in suite.get_benchmarks()}


def _logs(benchmark: pyperf.Benchmark) -> list[float]:
    return list(map(math.log, _processes(benchmark)))


def _processes(benchmark: pyperf.Benchmark) -> list[float]:
    """The median of each process that has values: those of pyperf that only calibrate have none."""
    return [statistics.median(run.values) for run in benchmark.get_runs() if run.values]


def _unlike(left: Sequence[pyperf.Benchmark], right: Sequence[pyperf.Benchmark]) -> Iterator[tuple[str, str, str]]:
    a, b = _metadata(left), _metadata(right)
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name) and not name.startswith(_VOLATILE):
            yield name, a.get(name, "none"), b.get(name, "none")


def _metadata(benchmarks: Sequence[pyperf.Benchmark]) -> Mapping[str, str]:
    """What is the same in all benchmarks of a file."""
    first, *others = [
        {name: str(value) for name, value in benchmark.get_metadata().items()} for benchmark in benchmarks
    ]
    return {name: value for name, value in first.items() if all(one.get(name) == value for one in others)}


def _absent(
    left: Mapping[str, pyperf.Benchmark],
    right: Mapping[str, pyperf.Benchmark],
    shared: Sequence[str],
    names: tuple[str, str],
) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys((*left, *right)):
        if name not in shared:
            both = name in left and name in right
            yield name, "has no values" if both else f"only in {names[name in right]}"
