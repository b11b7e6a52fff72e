# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "np.sort of many arrays, and percentiles from what is sorted, shared out over the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 2.6
# ///
"""Columns of numbers, each sorted as a whole to read percentiles from it: one long call of NumPy per column.

It stands for ranking, quantiles and joins of large columns.  NumPy lets go of the GIL while it sorts numbers, so
threads help with and without it.  How fast it sorts depends on the processor's vector instructions far more than on the
build.
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
    "quick": Scale(arrays=48, numbers=25_000, expected=59_400_000.0),
    "full": Scale(arrays=48, numbers=1_000_000, expected=2_376_000_000.0),
}

DIFFERENT = 8
"""As many arrays differ, and occur over and over."""


def job(arrays: int, numbers: int) -> list[NDArray[np.float64]]:
    """Each holds the whole numbers below `numbers`, shuffled: what is sorted is known."""
    random = np.random.RandomState(703)  # whose sequences NumPy promises to keep
    different = [random.permutation(numbers).astype(np.float64) for _ in range(DIFFERENT)]
    return [different[index % DIFFERENT] for index in range(arrays)]


def percentiles(part: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """For each array the smallest number, and those that one, two, up to 99 hundredths of it are smaller than."""
    return [np.sort(array)[:: len(array) // 100].copy() for array in part]


def total(results: Sequence[list[NDArray[np.float64]]]) -> float:
    return sum(float(found.sum()) for result in results for found in result)


if __name__ == "__main__":
    run("numeric/sort", sizes=SIZES, job=job, work=percentiles, combine=total)
