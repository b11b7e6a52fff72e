# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Recursive Fibonacci numbers: the call tree of one is cut into small ones, shared out over the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.0
# published_seconds = 20.0
# capacity = true
# ///
"""A function that calls itself twice, and does next to nothing besides.

It stands for recursive code: tree walks, evaluators, backtracking.  All time goes into calls of Python functions, which
is where the builds differ most: frames, arguments and the reference counts of a function that every thread calls.

fib(n) is the sum of all calls at which one cuts its tree.  It is cut where a call takes a tenth of a millisecond, as
a parallel program does it, so that workers have equal shares.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(number=27, expected=196_418),
    "full": Scale(number=34, pieces=2_000, expected=5_702_887),
    "published": Scale(number=40, pieces=30_000, expected=102_334_155),
}

SMALL = 15
"""Numbers up to this one are not cut further."""


def job(number: int) -> list[int]:
    """The numbers whose Fibonacci numbers add up to that of `number`, in the order in which recursion meets them."""
    return [number] if number <= SMALL else [*job(number - 1), *job(number - 2)]


def fib(number: int) -> int:
    return number if number < 2 else fib(number - 1) + fib(number - 2)


def sum_of_fibs(part: Sequence[int]) -> int:
    return sum(map(fib, part))


if __name__ == "__main__":
    run("pure_python/fibonacci", sizes=SIZES, job=job, work=sum_of_fibs)
