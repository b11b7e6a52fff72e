# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Sums of squares through a generator expression for each of many data items, shared out over the threads."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 0.6
# capacity = true
# ///
"""A list of items, each worked on by a small calculation in Python, the results collected in a list.

It stands for the inner loop of a batch job: score these customers, price these options.  Unlike cpu_bound it makes an
object per step (generator frames, a growing list), and its items cost between nothing and twice the average.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(items=400, expected=271_719_343_016),
    "full": Scale(items=10_000, pieces=1_000, expected=6_589_638_932_884),
}


def job(items: int) -> list[int]:
    """Numbers below 2000 that follow no order: a full period of a linear congruential generator."""
    data, number = [], 1
    for _ in range(items):
        number = (number * 1_664_525 + 1_013_904_223) % 2**32
        data.append(number * 2000 >> 32)
    return data


def process(part: Sequence[int]) -> list[int]:
    result = []
    for item in part:
        processed = sum(x**2 for x in range(item))
        result.append(processed)
    return result


def total(results: Sequence[list[int]]) -> int:
    return sum(map(sum, results))


if __name__ == "__main__":
    run("pure_python/process_data", sizes=SIZES, job=job, work=process, combine=total)
