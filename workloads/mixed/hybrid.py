# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "Filters a list in Python, then squares what is left in NumPy, each thread its own chunk."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 0.3
# ///
"""Some Python, some NumPy: a list comprehension that filters, an array made of what is left, one array operation.

It stands for glue code around arrays: rows are chosen in Python, numbers are crunched in C.  NumPy lets go of the GIL
while it squares, but not while it turns Python integers into an array, so with the GIL most of it runs one at a time.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
import numpy as np
from _parallel import Scale, run
from numpy.typing import NDArray

SIZES = {
    "quick": Scale(numbers=1_000_000, expected=332_495_150_000),
    "full": Scale(numbers=3_000_000, expected=997_485_450_000),
}


def job(numbers: int) -> list[int]:
    """Numbers from 0 to 999 in a scattered order, so that the filter is no run of equal answers."""
    return [i * 7919 % 1000 for i in range(numbers)]


def square_above_100(part: Sequence[int]) -> NDArray[np.int64]:
    filtered = [x for x in part if x > 100]
    return np.array(filtered, dtype=np.int64) ** 2


def total(results: Sequence[NDArray[np.int64]]) -> int:
    return sum(int(squares.sum()) for squares in results)


if __name__ == "__main__":
    run("mixed/hybrid", sizes=SIZES, job=job, work=square_above_100, combine=total)
