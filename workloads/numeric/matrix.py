# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "np.linalg.inv(data @ data.T) for each of several matrices, shared out over the threads, one BLAS thread."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.4
# ///
"""Dense linear algebra: a matrix product and an inverse, for several independent matrices.

It stands for code whose time goes into BLAS and LAPACK.  Both run without the GIL, with one BLAS thread each, so that
the parallelism is that of the Python threads and no more threads execute than were asked for.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
import numpy as np
from _parallel import Scale, run
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]

SIZES = {
    "quick": Scale(matrices=48, order=120, expected=48),
    "full": Scale(matrices=48, order=500, expected=48),
}


def job(matrices: int, order: int) -> list[Matrix]:
    """Normal deviates, twice as wide as high: the product with the transpose has a condition number near 34.

    RandomState, because NumPy promises that its sequences stay as they are.
    """
    random = np.random.RandomState(703)
    return [random.standard_normal((order, 2 * order)) for _ in range(matrices)]


def inverses(part: Sequence[Matrix]) -> list[tuple[Matrix, Matrix]]:
    pairs: list[tuple[Matrix, Matrix]] = []
    for data in part:
        product = data @ data.T
        pairs.append((product, np.linalg.inv(product)))
    return pairs


def right(results: Sequence[list[tuple[Matrix, Matrix]]]) -> int:
    """How many of the inverses are inverses: at this condition number the residual stays below 1e-12."""
    return sum(
        bool(np.abs(product @ inverse - np.eye(len(product))).max() < 1e-10)
        for result in results
        for product, inverse in result
    )


if __name__ == "__main__":
    run("numeric/matrix", sizes=SIZES, job=job, work=inverses, combine=right)
