# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "np.sum(data ** 2) over many arrays, shared out over the threads."
# core = true
# strategies = ["threads", "pool"]
# sized = true
# full_seconds = 0.4
# capacity = true
# ///
"""Two array operations, the square and its sum, on arrays of a few megabytes.

It stands for code that has moved to NumPy already.  NumPy lets go of the GIL here, so threads help with and without it,
until the memory is busy: the data and its square pass through the caches once each.  It is not shared over processes:
to send the arrays takes many times as long as the work on them.

The arrays are equally long however many threads there are.  One array cut into as many pieces as threads would let the
allocator serve its squares from new pages or from old ones depending on the number of threads.
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
    "quick": Scale(arrays=96, numbers=400_000, expected=12_780_806_400_000.0),
    "full": Scale(arrays=960, pieces=480, numbers=400_000, expected=127_808_064_000_000.0),
}


def job(arrays: int, numbers: int) -> list[NDArray[np.float64]]:
    """32 different arrays over and over, which is more than caches hold and little enough for the memory.

    They hold whole numbers from 0 to 999: the squares add up exactly in float64, in whatever order.
    """
    different = np.resize(np.arange(1000, dtype=np.float64), (32, numbers))  # % takes half a second
    return [different[index % 32] for index in range(arrays)]


def sums_of_squares(part: Sequence[NDArray[np.float64]]) -> float:
    return sum(float(np.sum(data**2)) for data in part)


if __name__ == "__main__":
    run("numeric/sum_squares", sizes=SIZES, job=job, work=sums_of_squares)
