"""Do the intervals of scaling laws hold what they promise?  Fits to speedups whose truth is known.

    python -m benchmarks.laws [--runs 1000] [--seed 1]

prints a Markdown table.  Each speedup of a block has 2 % of noise of its own, and all of them share 1.5 %, from the
values of the one worker.  Shares are percentages of simulated runs; with 1,000 runs a true 95 % shows as 93.5 % to
96.5 % in 19 of 20 cells.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks._markdown import percent, table
from harness.scaling import Estimate, Fit, Law, fit

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """A law, and the worker counts at which it is measured."""

    law: Law
    sigma: float
    kappa: float
    counts: tuple[int, ...]

    def speedup(self, workers: int) -> float:
        return workers / (1 + self.sigma * (workers - 1) + self.kappa * workers * (workers - 1))

    @property
    def best(self) -> float:
        return math.sqrt((1 - self.sigma) / self.kappa) if self.kappa else math.inf


@dataclass(frozen=True, slots=True)
class Machine:
    """How blocks are disturbed."""

    name: str
    disturbed: float = 0.0
    """Share of blocks that have eight times as much noise of their own."""
    uneven: bool = False
    """Whether the noise grows with the square root of the workers."""
    missing: float = 0.0
    """Share of speedups that no undisturbed turn is left for."""

    def logs(self, rng: np.random.Generator, truth: Truth, blocks: int) -> dict[int, Array]:
        """Log speedups of every block, as `harness.scaling.fit` takes them."""
        shared = rng.normal(0, 0.015, blocks)
        level = np.where(rng.random(blocks) < self.disturbed, 8, 1)
        found = {}
        for workers in truth.counts:
            own = rng.normal(0, 0.02 * (math.sqrt(workers / 2) if self.uneven else 1), blocks) * level
            found[workers] = math.log(truth.speedup(workers)) + shared + own
            found[workers][rng.random(blocks) < self.missing] = math.nan
        return found


TRUTHS = (
    Truth(Law.AMDAHL, 0.04, 0.0, (2, 4, 8)),
    Truth(Law.USL, 0.04, 0.002, (2, 4, 8, 16)),
    Truth(Law.USL, 0.04, 0.0, (2, 4, 8)),
    Truth(Law.USL, 0.0, 0.002, (2, 4, 8)),
)
MACHINES = (
    Machine("quiet"),
    Machine("disturbed blocks", disturbed=0.1),
    Machine("uneven noise", uneven=True),
    Machine("a fifth missing", missing=0.2),
)


def coverage(runs: int, rng: np.random.Generator) -> Iterator[Sequence[str]]:
    """How often the 95 % interval of each figure holds the truth, and how often a point leaves the true law's curve."""
    yield (
        "law", "contention, coherency", "workers", "machine", "blocks", "contention covers", "coherency covers",
        "speedup of twice the workers covers", "best number found", "it covers", "a point leaves",
    )  # fmt: skip
    for truth in TRUTHS:
        for machine in MACHINES:
            for blocks in (8, 16):
                drawn = (fit(truth.law, machine.logs(rng, truth, blocks)) for _ in range(runs))
                fits = [one for one in drawn if isinstance(one, Fit)]
                yield (
                    "Amdahl" if truth.law is Law.AMDAHL else "USL",
                    f"{percent(truth.sigma, 0)}, {percent(truth.kappa)}",
                    " ".join(map(str, truth.counts)),
                    machine.name,
                    str(blocks),
                    *_shares(truth, fits),
                )


def _shares(truth: Truth, fits: Sequence[Fit]) -> Iterator[str]:
    far = 2 * truth.counts[-1]
    best = [one.best for one in fits if one.best]
    yield _covered(truth.sigma, [one.sigma for one in fits])
    yield _covered(truth.kappa, [one.kappa for one in fits]) if truth.law is Law.USL else "–"
    yield _covered(truth.speedup(far), [one.speedup(far) for one in fits])
    yield percent(len(best) / len(fits)) if truth.law is Law.USL else "–"
    yield _covered(truth.best, best) if truth.kappa else "–"
    yield percent(np.mean([any(point.leaves for point in one.points) for one in fits]))


def _covered(truth: float, estimates: Sequence[Estimate]) -> str:
    # A truth on a bound is met to the last bit but one.
    return percent(np.mean([one.low - 1e-9 <= truth <= one.high + 1e-9 for one in estimates]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    table(coverage(options.runs, np.random.default_rng(options.seed)))


if __name__ == "__main__":
    main()
