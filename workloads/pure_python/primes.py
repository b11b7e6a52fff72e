# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Counts primes by trial division, up to 200,000 at full size; blocks of numbers are dealt to the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 0.7
# published_seconds = 0.7
# ///
"""A loop of divisions and comparisons of small numbers that makes nothing and shares nothing.

It stands for what benchmarks of threads like to measure: simulations, searches and number crunching without NumPy.
Larger numbers take longer to divide, so that workers take turns at blocks of numbers; whole jobs are the whole range.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(below=20_000, expected=2_262),
    "full": Scale(below=200_000, expected=17_984),
    "published": Scale(below=200_000, expected=17_984),
}

BLOCK = 50
"""Numbers that a worker takes at a time."""


def job(below: int) -> list[range]:
    return [range(start, min(start + BLOCK, below)) for start in range(2, below, BLOCK)]


def split(job: list[range], count: int) -> list[list[range]]:
    return [job[first::count] for first in range(count)]


def count_primes(part: Sequence[range]) -> int:
    count = 0
    for block in part:
        for number in block:
            divisor = 2
            while divisor * divisor <= number:
                if number % divisor == 0:
                    break
                divisor += 1
            else:
                count += 1
    return count


if __name__ == "__main__":
    run("pure_python/primes", sizes=SIZES, job=job, work=count_primes, split=split)
