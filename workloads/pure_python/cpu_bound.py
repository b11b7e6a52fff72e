# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "A loop that sums i ** 2 over a range of integers, split over the threads."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 0.7
# capacity = true
# ///
"""Arithmetic in a plain Python loop.

It stands for numeric code that nobody moved to NumPy or C: simulations, scores, checksums, hand-written statistics.
Threads share nothing but the code, so it is the best that free threading can do.  Full size is the 10 million
iterations of the tutorial that Gilometer began with.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(iterations=500_000, expected=41_666_541_666_750_000),
    "full": Scale(iterations=10_000_000, pieces=1_000, expected=333_333_283_333_335_000_000),
}


def job(iterations: int) -> range:
    return range(iterations)


def sum_of_squares(part: range) -> int:
    total = 0
    for i in part:
        total += i**2
    return total


if __name__ == "__main__":
    run("pure_python/cpu_bound", sizes=SIZES, job=job, work=sum_of_squares)
