"""A disturbing load: a process that keeps one CPU busy, now and then, for as long as its parent lives.

    python benchmarks/_load.py SEED CPUS BEGAN < a pipe that the parent holds open

The parent never writes to the pipe.  However the parent ends, the kernel closes its side, and the load sees that
within a millisecond.  This file is the program as well as what starts it, and imports nothing but the standard library.
"""

from __future__ import annotations

import os
import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

SHORTEST, LONGEST = 1.0, 6.0
"""Seconds of an episode, and of the rest before it."""

_CHECK_SECONDS = 0.001


class Episode(NamedTuple):
    """A CPU kept busy; seconds since the load began."""

    cpu: int
    begin: float
    end: float


def episodes(seed: int, cpus: Sequence[int]) -> Iterator[Episode]:
    """Without end, one after another: rest and episode last 1 to 6 s each, on a CPU drawn anew every time."""
    draw = random.Random(seed)
    end = 0.0
    while True:
        begin = end + draw.uniform(SHORTEST, LONGEST)
        end = begin + draw.uniform(SHORTEST, LONGEST)
        yield Episode(draw.choice(cpus), begin, end)


@dataclass(frozen=True, slots=True)
class Load:
    """A load that is there."""

    seed: int
    cpus: tuple[int, ...]
    started: float
    """Unix time, seconds."""
    pid: int

    def episodes(self) -> list[Episode]:
        """Those that have begun so far."""
        age = time.time() - self.started
        return list(takewhile(lambda episode: episode.begin < age, episodes(self.seed, self.cpus)))


@contextmanager
def load(seed: int, cpus: Sequence[int]) -> Iterator[Load]:
    """The load on `cpus`, gone at the end."""
    began, started = time.monotonic(), time.time()
    arguments = [str(seed), ",".join(map(str, cpus)), str(began)]
    # Ctrl-C is for the parent, which then ends the load: hence a session of its own.
    process = subprocess.Popen(
        [sys.executable, "-I", __file__, *arguments], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield Load(seed, tuple(cpus), started, process.pid)
    finally:
        process.kill()
        process.communicate()


def _disturb(seed: int, cpus: Sequence[int], began: float) -> None:
    for episode in episodes(seed, cpus):
        if _orphaned(began + episode.begin - time.monotonic()):
            return
        os.sched_setaffinity(0, {episode.cpu})
        while (now := time.monotonic()) < began + episode.end:
            while time.monotonic() < now + _CHECK_SECONDS:
                pass
            if _orphaned(0):
                return


def _orphaned(seconds: float) -> bool:
    """Whether the parent is gone, or goes within that time."""
    return bool(select.select([sys.stdin], [], [], max(0.0, seconds))[0])


if __name__ == "__main__":
    _disturb(int(sys.argv[1]), [int(cpu) for cpu in sys.argv[2].split(",")], float(sys.argv[3]))
