"""A scheduler and its only worker, as processes on this machine."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def fleet_of_one(*worker: str, arguments: Sequence[str] = ()) -> Iterator[str]:
    """The address of a real scheduler.

    Args:
        worker: a Python module and what comes before the address on its command line; it joins in its own time.
        arguments: what comes behind it.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    python = [sys.executable, "-m"]
    with (
        subprocess.Popen([*python, "invoke", "scheduler", address], cwd=ROOT) as scheduler,
        subprocess.Popen([*python, *worker, address, *arguments], cwd=ROOT) as one,
    ):
        try:
            yield address
        finally:
            one.terminate()
            scheduler.terminate()
