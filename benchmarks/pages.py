"""How long do pages take, how much memory, and how large are they?  Runs that are made up, from disk to HTML.

    python -m benchmarks.pages [--cases 30,100,300,1000] [--blocks 40] [--values 5]

prints a Markdown table.  A workload is two cases, one and two threads on two builds.  Each page is made by a fresh
process, as `inv report` makes it: imports count, and so does the memory of all libraries.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from benchmarks._markdown import table


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one page took."""

    load: float
    """Seconds; so are `analyse` and `render`."""
    analyse: float
    render: float
    total: float
    """Seconds of the whole process with its imports."""
    memory: int
    """Bytes, the peak of the process."""
    page: int
    """Bytes."""


def make(directory: Path, cases: int, blocks: int, values: int) -> None:
    """A run of so many cases in `directory`."""
    from harness import store
    from tests import made_up

    workloads = [made_up.workload(f"{_category(i)}/number_{i:04}", threaded=True) for i in range(cases // 2)]
    run = made_up.run(workloads=workloads, blocks=blocks, values=values)
    lines = made_up.journal(run)
    # Not store.create and store.Journal, which hand every line to the disk.
    (directory / store.RUN).write_bytes(msgspec.json.encode(run))
    (directory / store.OUTCOMES).write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def _category(number: int) -> str:
    return ("pure_python", "numeric", "mixed", "scraping")[number % 4]


def measure(directory: Path, began: float) -> Cost:
    """Make the page of a run; `began` is when the process did, on the system's monotonic clock."""
    from harness import store
    from reports import page
    from reports.analysis import analyse

    imported = time.perf_counter()
    run, journal = store.load(directory)
    loaded = time.perf_counter()
    findings = analyse(run, journal)
    analysed = time.perf_counter()
    path = page.write(directory, findings)
    written = time.perf_counter()
    return Cost(
        load=loaded - imported,
        analyse=analysed - loaded,
        render=written - analysed,
        total=time.monotonic() - began,
        memory=_peak(),
        page=path.stat().st_size,
    )


def _peak() -> int:
    """Not ru_maxrss, which remembers the process that this one was started by."""
    (kibibytes,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(kibibytes) * 1024


def costs(cases: Sequence[int], blocks: int, values: int) -> Iterator[Sequence[str]]:
    """One row per number of cases."""
    yield "cases", "samples", "load", "analyse", "render", "in all", "per case", "peak memory", "page"
    for number in cases:
        with tempfile.TemporaryDirectory() as folder:
            size = [str(number), str(blocks), str(values)]
            _child("make", folder, *size)
            cost = Cost(**json.loads(_child("measure", folder, repr(time.monotonic()))))
            yield (
                f"{number:,}",
                f"{2 * number * blocks:,}",
                *(f"{seconds:.1f} s" for seconds in (cost.load, cost.analyse, cost.render, cost.total)),
                f"{1000 * cost.total / number:.0f} ms",
                f"{cost.memory / 2**20:.0f} MiB",
                f"{cost.page / 1e6:.2f} MB",
            )


def _child(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.pages", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    match sys.argv[1:]:
        case ["make", folder, *size]:
            make(Path(folder), *map(int, size))
            return
        case ["measure", folder, began]:
            print(json.dumps(asdict(measure(Path(folder), float(began)))))
            return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="30,100,300,1000")
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--values", type=int, default=5)
    options = parser.parse_args()
    table(costs([int(number) for number in options.cases.split(",")], options.blocks, options.values))


if __name__ == "__main__":
    main()
