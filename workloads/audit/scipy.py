"""Transforms, interpolation and sparse products of each thread's own data."""

from _threads import compare

import numpy as np
from scipy import fft, interpolate, sparse

MATRIX = sparse.random(400, 400, density=0.05, random_state=1, format="csr")


def work(share: int) -> object:
    signal = np.random.default_rng(share).random(400)
    total = 0.0
    for _ in range(150):
        spline = interpolate.CubicSpline(np.arange(400), signal)
        total += float((MATRIX @ spline(np.linspace(0, 399, 400))).sum() + abs(fft.fft(signal)).sum())
        signal = signal[::-1] * 0.99
    return total


compare(work)
