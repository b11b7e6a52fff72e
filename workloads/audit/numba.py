"""A function compiled once and called by all threads, and one that each compiles."""

from _threads import compare

import numba
import numpy as np


def total(values: np.ndarray) -> float:
    found = 0.0
    for one in values:
        found += one * one % 0.5
    return found


SHARED = numba.njit(nogil=True)(total)


def work(share: int) -> object:
    values = np.random.default_rng(share).random(500_000)
    own = numba.njit(total)
    return [SHARED(values) for _ in range(30)], own(values)


compare(work)
