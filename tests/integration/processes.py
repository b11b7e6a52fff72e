"""Benches in processes of their own, for tests that interrupt them, or take their engine or network away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

_PROGRAM = """
import sys
from pathlib import Path
from harness import execution, runs
from harness.request import BenchOptions
execution.disturbances = lambda *_: ()  # whatever else the machine does
runs.RESULTS, runs.WORKLOADS = Path(sys.argv[1]), Path(sys.argv[2])
verb = getattr(runs, sys.argv[5])
sys.exit(verb(BenchOptions(builds=sys.argv[3], blocks=sys.argv[4], threads="1", seed="1")))
"""


def start_bench(
    results: Path,
    workloads: Path,
    builds: tuple[str, ...],
    blocks: int,
    *,
    verb: str = "bench",
    under: Sequence[str] = (),
    **environ: str,
) -> subprocess.Popen[str]:
    """A bench, or another verb of `harness.runs`, of all workloads of a folder, its output kept in pipes.

    `under` is a command that executes it, such as unshare.
    """
    arguments = [str(results), str(workloads), ",".join(builds), str(blocks), verb]
    return subprocess.Popen(
        [*under, sys.executable, "-c", _PROGRAM, *arguments],
        cwd=ROOT,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
