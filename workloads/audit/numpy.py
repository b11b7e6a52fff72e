"""Dot products, sorts and sums of arrays of each thread's own, and a read-only one that all share."""

from _threads import compare

import numpy as np

SHARED = np.random.default_rng(1).random((160, 160))


def work(share: int) -> object:
    random = np.random.default_rng(share)
    total = 0.0
    for _ in range(60):
        mine = random.random((160, 160))
        total += float(np.sort(mine, axis=0)[3].sum() + (mine * SHARED).std() + np.einsum("ij,ji->", mine, SHARED))
    return total


compare(work)
