"""The room of pyperf: what a worker wrote becomes a sample, and samples become files that pyperf reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyperf

from harness.errors import HostError, MeasurementError
from harness.journal import Evidence, Gauge, Sample, Turn
from harness.model import parse_cpu_list

T = TypeVar("T")

_EVIDENCE = "gilometer_"


def arguments(
    *, task: int, loops: int, warmups: int, values: int, affinity: str, output: str, hook: str | None = "lockstep"
) -> list[str]:
    """pyperf's arguments for one worker process that measures `values` values of `loops` loops each."""
    return [
        "--worker",
        f"--worker-task={task}",
        f"--loops={loops}",
        f"--warmups={warmups}",
        f"--values={values}",
        f"--affinity={affinity}",
        "--quiet",
        f"--output={output}",
        *([f"--hook={hook}"] if hook else []),
    ]


def calibration_arguments(*, task: int, min_seconds: float, affinity: str, output: str) -> list[str]:
    """pyperf's arguments for a worker that finds how many loops last at least `min_seconds`."""
    return [
        "--worker",
        f"--worker-task={task}",
        "--calibrate-loops",
        f"--min-time={min_seconds}",
        "--warmups=1",
        "--values=1",
        f"--affinity={affinity}",
        "--quiet",
        f"--output={output}",
    ]


def read_loops(path: Path) -> int:
    """Loops that a calibrating worker settled on.  MeasurementError where there is no such result."""
    return int(_read(path).get_metadata()["calibrate_loops"])


def read(path: Path, *, case: str, build: str, turns: Sequence[Turn], settling: int = 0) -> Sample:
    """The sample in a worker's file.  MeasurementError where the file is not what a worker of ours writes.

    Args:
        turns: one per warm-up and measured value.
        settling: of the measured values so many come before each one that counts.
    """
    run = _read(path)
    metadata = dict(run.get_metadata())
    said = {key.removeprefix(_EVIDENCE): metadata.pop(key) for key in [*metadata] if key.startswith(_EVIDENCE)}
    try:
        evidence, gauges = _evidence(said), _gauges(said)
    except (KeyError, ValueError) as error:
        raise MeasurementError(f"the worker's result carries no evidence of how it was measured ({error})") from error
    return Sample(
        case=case,
        build=build,
        loops=run.get_total_loops() if not metadata.get("loops") else int(metadata["loops"]),
        warmups=tuple(value for _, value in run.warmups),
        values=tuple(run.values[settling :: 1 + settling]),
        settling=tuple(value for number, value in enumerate(run.values) if number % (1 + settling) < settling),
        turns=tuple(
            Turn(granted=group[0].granted, returned=group[-1].returned)
            for group in _by_turn(turns, len(run.warmups), settling)
        ),
        evidence=evidence,
        gauges=gauges,
        metadata=_plain(metadata),
    )


def _by_turn(items: Sequence[T], warmups: int, settling: int) -> list[Sequence[T]]:
    """What belongs together: each warm-up by itself, each value with what came before it to settle."""
    values = (items[start : start + 1 + settling] for start in range(warmups, len(items), 1 + settling))
    return [*(items[number : number + 1] for number in range(min(warmups, len(items)))), *values]


def _evidence(said: Mapping[str, Any]) -> Evidence:
    return Evidence(
        gil_enabled=_known(said, "gil_enabled", bool),
        cpus_allowed=parse_cpu_list(str(said["cpus_allowed"])),
        throttled_periods=_known(said, "throttled_periods", int),
        involuntary_switches=int(said["involuntary_switches"]),
        max_rss=int(said["max_rss"]),
        cpu_seconds=float(said["cpu_seconds"]),
        waited_seconds=_known(said, "waited_seconds", float),
        major_faults=int(said["major_faults"]),
        swapped=int(said["swapped"]),
        memory_peak=_known(said, "memory_peak", int),
        out_of_turn=float(said["out_of_turn"]),
        threads_first=int(said["threads_first"]),
        threads_last=int(said["threads_last"]),
    )


def _known(said: Mapping[str, Any], name: str, kind: Callable[[Any], T]) -> T | None:
    return kind(said[name]) if name in said else None


def _gauges(said: Mapping[str, Any]) -> tuple[Gauge, ...]:
    """The readings, written in nanoseconds."""
    return tuple(
        Gauge(before=tuple(ns / 1e9 for ns in before), after=tuple(ns / 1e9 for ns in after), waited=waited / 1e9)
        for before, after, waited in json.loads(str(said.get("gauges", "[]")))
    )


def write_pyperf(path: Path, samples: Iterable[Sample]) -> None:
    """Write `samples` of one build as a pyperf suite: one benchmark per case, one run per block."""
    by_case: dict[str, list[pyperf.Run]] = {}
    for sample in samples:
        metadata = sample.metadata | {"name": sample.case, "unit": "second"}
        run = pyperf.Run(
            sample.values,
            warmups=[(sample.loops, value) for value in sample.warmups],
            metadata=metadata,
            collect_metadata=False,
        )
        by_case.setdefault(sample.case, []).append(run)
    if by_case:
        suite = pyperf.BenchmarkSuite([pyperf.Benchmark(runs) for runs in by_case.values()])
        try:
            path.parent.mkdir(exist_ok=True)
            suite.dump(str(path), replace=True)
        except OSError as error:
            raise HostError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path) -> pyperf.Run:
    try:
        (run,) = pyperf.Benchmark.load(str(path)).get_runs()
    except FileNotFoundError:
        raise MeasurementError("the worker ended without writing a result") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MeasurementError(f"the worker's result cannot be read: {error}") from error
    return run


def _plain(metadata: dict[str, object]) -> dict[str, str | int | float]:
    """pyperf hands out dates as objects; its file format has strings and numbers only."""
    return {key: value if isinstance(value, str | int | float) else str(value) for key, value in metadata.items()}
