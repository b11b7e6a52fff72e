# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "Random walks from NumPy draws, a batch for each scenario of a Python loop, shared out over the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.0
# ///
"""A simulation with a Python loop over scenarios outside and NumPy's draws inside: how many walks fall to a barrier?

It stands for risk models, option pricing and experiments that are repeated with other parameters: each scenario has a
generator of its own, a few calls of NumPy on arrays of a thousand numbers, and a little Python around them.  A call
takes microseconds: what it costs beyond its loop in C shows, and so does letting go of the GIL and getting it back.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
import numpy as np
from _parallel import Scale, run


class Scenario(NamedTuple):
    """How far a walk may fall, and the seed of its steps."""

    barrier: int
    seed: int


SIZES = {
    "quick": Scale(scenarios=320, expected={1: 717, 2: 654, 3: 574, 4: 493, 5: 431, 6: 375, 7: 326, 8: 253}),
    "full": Scale(
        scenarios=8_000,
        expected={1: 18_039, 2: 16_105, 3: 14_105, 4: 12_452, 5: 10_518, 6: 9_139, 7: 7_734, 8: 6_289},
    ),
}

WALKS, STEPS = 20, 64
"""Walks of a scenario and steps of a walk."""


def job(scenarios: int) -> list[Scenario]:
    return [Scenario(barrier=1 + number % 8, seed=number) for number in range(scenarios)]


def count_fallen(part: Sequence[Scenario]) -> dict[int, int]:
    """For each barrier, how many walks were at it once."""
    fallen: dict[int, int] = {}
    for barrier, seed in part:
        random = np.random.RandomState(seed)  # whose sequences NumPy promises to keep
        steps = np.where(random.random_sample((WALKS, STEPS)) < 0.5, -1, 1)
        lowest = steps.cumsum(axis=1).min(axis=1)
        fallen[barrier] = fallen.get(barrier, 0) + int(np.count_nonzero(lowest <= -barrier))
    return fallen


def total(results: Sequence[dict[int, int]]) -> dict[int, int]:
    """The sums of all parts, for each barrier from 1."""
    return {barrier: sum(result.get(barrier, 0) for result in results) for barrier in range(1, 9)}


if __name__ == "__main__":
    run("mixed/monte_carlo", sizes=SIZES, job=job, work=count_fallen, combine=total)
