"""The noise ledger: what else happened while a block was measured.  `harness.validity` judges it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.journal import Noise, Sample


@dataclass(frozen=True, slots=True)
class _Count:
    """What /proc/stat has counted of some CPUs, seconds."""

    at: float
    busy: float | None
    stolen: float | None


class Ledger:
    """Counts of one block, from when this is made until it is stopped.  `root` stands for / in tests."""

    def __init__(self, cpus: Sequence[int], root: Path = Path("/")) -> None:
        self._cpus = cpus
        self._root = root
        self._start = self._end = self._count()

    def stop(self) -> None:
        """The turns are over."""
        self._end = self._count()

    def noise(self, samples: Iterable[Sample], containers: int | None) -> Noise:
        """What happened in between, beside what the workers did of whom these are the samples."""
        start, end = self._start, self._end
        others = stolen = None
        if start.busy is not None and end.busy is not None:
            others = max(0.0, end.busy - start.busy - sum(sample.evidence.cpu_seconds for sample in samples))
        if start.stolen is not None and end.stolen is not None:
            stolen = end.stolen - start.stolen
        return Noise(
            seconds=end.at - start.at,
            stolen=stolen,
            others=others,
            load=self._load(),
            megahertz=self._megahertz(),
            celsius=self._celsius(),
            containers=containers,
        )

    def _count(self) -> _Count:
        wanted = {f"cpu{cpu}" for cpu in self._cpus}
        tick = os.sysconf("SC_CLK_TCK")
        # user nice system idle iowait irq softirq steal
        rows = [list(map(int, row[1:9])) for row in map(str.split, self._lines("proc/stat")) if row[0] in wanted]
        if not rows or len(rows[0]) < 8:
            return _Count(time.monotonic(), None, None)
        busy = sum(sum(row[:3]) + sum(row[5:7]) for row in rows) / tick
        return _Count(time.monotonic(), busy, sum(row[7] for row in rows) / tick)

    def _load(self) -> float | None:
        lines = self._lines("proc/loadavg")
        return float(lines[0].split()[0]) if lines else None

    def _megahertz(self) -> float | None:
        paths = (f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq" for cpu in self._cpus)
        kilohertz = [int(line) for path in paths for line in self._lines(path)[:1]]
        return sum(kilohertz) / len(kilohertz) / 1000 if kilohertz else None

    def _celsius(self) -> float | None:
        return max(self._temperatures(), default=None)

    def _temperatures(self) -> Iterator[float]:
        for path in (self._root / "sys/class/thermal").glob("thermal_zone*/temp"):
            with contextlib.suppress(OSError, ValueError):
                yield int(path.read_text()) / 1000

    def _lines(self, path: str) -> list[str]:
        try:
            return (self._root / path).read_text().splitlines()
        except OSError:
            return []
