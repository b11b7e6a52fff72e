"""What the start workloads share: a fresh interpreter, timed from before it is started until it has ended."""

import importlib
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter

import pyperf


def run_fresh(name: str, modules: Sequence[str] = ()) -> None:
    """Time an interpreter that imports the modules and ends, as a process of its own.

    The process that does the timing imports them, too: its memory is what the harness measures.  What a process holds
    does not slow down the start of another one, because CPython lets vfork start it.  One that fails raises
    CalledProcessError here, and has said why on stderr.
    """
    for module in modules:
        importlib.import_module(module)
    command = [sys.executable, "-c", f"import {', '.join(modules)}" if modules else "pass"]

    def time_starts(loops: int) -> float:
        start = perf_counter()
        for _ in range(loops):
            subprocess.run(command, check=True)
        return perf_counter() - start

    pyperf.Runner().bench_time_func(name, time_starts)
