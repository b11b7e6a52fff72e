"""What a fleet costs per block: the same blocks on this machine, through a scheduler and a worker, and without.

    python -m benchmarks.fleet_overhead [--builds 3.14,3.14t] [--blocks 30] [--engine docker]

executes the same plan twice, as `inv bench` does and as `inv bench --fleet` does with a real scheduler and a real
worker on loopback, and prints what lies between the end of a block and the start of the next one: writing the journal,
deciding what is next, and with a fleet asking for it and being answered.  The first gap is left out: whatever is done
once is done then.  The difference of the medians is what a fleet costs per block, and is meant to be below 50 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._fleet import fleet_of_one
from benchmarks._markdown import table
from harness import fleets, runs, store
from harness.errors import RequestError
from harness.journal import BlockRecord
from harness.request import BenchOptions

WORKLOAD = "pure_python/cpu_bound"


def gaps(directory: Path) -> list[float]:
    """Seconds between the end of each block of a run and the start of the next one, the first gap left out."""
    records = [line for line in store.load_journal(directory) if isinstance(line, BlockRecord)]
    found = [later.started - (earlier.started + earlier.seconds) for earlier, later in itertools.pairwise(records)]
    return found[1:]


def measured(options: BenchOptions, folder: Path) -> tuple[list[float], list[float]]:
    """Gaps of a local run and of one over a fleet of this machine."""
    runs.RESULTS = folder / "local"
    with contextlib.redirect_stdout(io.StringIO()):
        runs.bench(options)
    (local,) = runs.RESULTS.glob(f"*/{store.OUTCOMES}")
    runs.RESULTS = folder / "fleet"
    offered = ["--engine", options.engine, *(["--builds", options.builds] if options.builds else [])]
    with (
        fleet_of_one("invoke", "worker", "--scheduler", arguments=offered) as address,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        _bench(options, address)
    (fleet,) = runs.RESULTS.glob(f"*/shares/*/{store.OUTCOMES}")
    return gaps(local.parent), gaps(fleet.parent)


def _bench(options: BenchOptions, address: str) -> None:
    """As soon as the worker has joined."""
    for _ in range(120):
        with contextlib.suppress(RequestError):
            fleets.bench(options, address, spread="class", certificates=None)
            return
        time.sleep(1)
    raise SystemExit("the worker has not joined")


def _row(name: str, found: Sequence[float]) -> list[str]:
    ordered = sorted(1e3 * gap for gap in found)
    return [name, f"{len(ordered)}", f"{statistics.median(ordered):.1f}", f"{ordered[-1 - len(ordered) // 10]:.1f}"]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds")
    parser.add_argument("--blocks", default="30")
    parser.add_argument("--engine", default="docker")
    asked = parser.parse_args()
    options = BenchOptions(
        builds=asked.builds,
        blocks=asked.blocks,
        engine=asked.engine,
        workloads=WORKLOAD,
        threads="1",
        measures="time",
        seed="1",
    )
    with tempfile.TemporaryDirectory(prefix="gilometer-fleet-") as folder:
        local, fleet = measured(options, Path(folder))
    head = ["between blocks", "gaps", "median, ms", "nine in ten below, ms"]
    table([head, _row("local", local), _row("fleet of one", fleet)])
    cost = 1e3 * (statistics.median(fleet) - statistics.median(local))
    print(f"\nA fleet costs {cost:.1f} ms per block.")


if __name__ == "__main__":
    main()
