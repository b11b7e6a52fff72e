"""What the matrix workloads share: products of matrices, their inverses, and a check that these are inverses."""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale

Matrix = NDArray[np.floating[Any]]

SIZES = {
    "quick": Scale(matrices=48, order=120, expected=48),
    "full": Scale(matrices=48, order=500, expected=48),
}


def normal_deviates(matrices: int, order: int) -> list[Matrix]:
    """Matrices twice as wide as high: the product with the transpose has a condition number near 34.

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
    """How many of the inverses are inverses: at this condition number residuals stay below 1e-12.

    Tried on one vector, which takes no time beside the inverse: the product with it comes back, and that of a wrong one
    does not (Freivalds 1977).
    """
    return sum(
        bool(np.abs(product @ (inverse @ vector) - vector).max() < 1e-10)
        for result in results
        for product, inverse in result
        for vector in [_vector(len(product))]
    )


@functools.cache
def _vector(order: int) -> Matrix:
    """Made once: seeding takes longer than all the rest of a check."""
    return np.random.RandomState(704).standard_normal(order)
