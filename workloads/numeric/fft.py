# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "np.fft.rfft of many windowed signals, and the strongest frequency of each, shared out over the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.0
# ///
"""Signals with a tone in noise: each is multiplied by a window, transformed, and searched for its strongest frequency.

It stands for signal processing, spectroscopy and time series: a few long calls of NumPy per signal, none of which is
BLAS.  NumPy lets go of the GIL in all of them, so threads help with and without it.
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
    "quick": Scale(signals=96, samples=2**14, expected=122_640),
    "full": Scale(signals=96, samples=2**18, expected=122_640),
}

DIFFERENT = 16
"""As many signals differ, and occur over and over."""


def job(signals: int, samples: int) -> list[NDArray[np.float64]]:
    """Signal k repeats itself 1000 + 37 k times, under normal noise of three times its height."""
    random = np.random.RandomState(703)  # whose sequences NumPy promises to keep
    time = np.arange(samples) / samples
    different = [
        np.cos(2 * np.pi * (1000 + 37 * number) * time) + 3 * random.standard_normal(samples)
        for number in range(DIFFERENT)
    ]
    return [different[index % DIFFERENT] for index in range(signals)]


def strongest_frequencies(part: Sequence[NDArray[np.float64]]) -> list[int]:
    frequencies = []
    for signal in part:
        spectrum = np.fft.rfft(signal * np.hanning(len(signal)))
        frequencies.append(int(np.abs(spectrum).argmax()))
    return frequencies


def total(results: Sequence[list[int]]) -> int:
    return sum(map(sum, results))


if __name__ == "__main__":
    run("numeric/fft", sizes=SIZES, job=job, work=strongest_frequencies, combine=total)
