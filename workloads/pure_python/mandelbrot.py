# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Counts the points of a grid that lie in the Mandelbrot set, its rows dealt out to the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 0.6
# ///
"""For each point of a grid a short loop of float arithmetic, which ends soon for some points and late for others.

It stands for image filters, ray tracers and other work per pixel in plain Python.  Objects live for a moment only and
no thread sees another's.  Rows differ in cost, so they are dealt out in turn, as a renderer does it: consecutive ones
would leave most of the work to whoever has the middle of the picture.  For the same reason it has no capacity: threads
that count rows in a short window count cheap ones and dear ones.

Real and imaginary part are two floats, because Python rounds each operation on floats alike everywhere; what a C
compiler makes of the product of two complex numbers depends on the processor.
"""

import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(side=112, iterations=50, expected=3_202),
    "full": Scale(side=480, iterations=50, expected=58_706),
}

LEFT, BOTTOM, WIDTH = -2.0, -1.25, 2.5
"""The square that the grid covers."""


class Rows(NamedTuple):
    """Some rows of a grid of `side` times `side` points, by their numbers from the bottom."""

    numbers: range
    side: int
    iterations: int


def job(side: int, iterations: int) -> Rows:
    return Rows(range(side), side, iterations)


def deal(job: Rows, count: int) -> list[Rows]:
    """Every `count`-th row to each part."""
    return [job._replace(numbers=job.numbers[first::count]) for first in range(count)]


def count_inside(rows: Rows) -> int:
    """How many points stay within a distance of 2 of the origin."""
    step = WIDTH / rows.side
    inside = 0
    for number in rows.numbers:
        b = BOTTOM + (number + 0.5) * step
        for column in range(rows.side):
            a = LEFT + (column + 0.5) * step
            x = y = 0.0
            for _ in range(rows.iterations):
                xx = x * x
                yy = y * y
                if xx + yy > 4.0:
                    break
                y = 2.0 * x * y + b
                x = xx - yy + a
            else:
                inside += 1
    return inside


if __name__ == "__main__":
    run("pure_python/mandelbrot", sizes=SIZES, job=job, split=deal, work=count_inside)
