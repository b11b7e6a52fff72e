"""The answers of workloads, found without the code that is measured: by closed forms, other algorithms or libraries."""

from __future__ import annotations

import hashlib
import io
import random
import tokenize
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

Script = Mapping[str, Any]
"""What a workload's script defines.  Answers take data from it where that is random, and never its kernel."""


def fibonacci(script: Script, number: int) -> int:
    """By the matrix whose powers are Fibonacci numbers."""
    matrix = np.array([[1, 1], [1, 0]], dtype=object)
    return int(np.linalg.matrix_power(matrix, number)[0, 1])


def bubble_sort(script: Script, **parameters: int) -> int:
    lists = script["job"](**parameters)
    return sum(place * number for numbers in lists for place, number in enumerate(sorted(numbers), start=1))


def primes(script: Script, below: int) -> int:
    """By the sieve of Eratosthenes."""
    candidates = np.ones(below, dtype=bool)
    candidates[:2] = False
    for number in range(2, int(below**0.5) + 1):
        candidates[number * number :: number] = False
    return int(candidates.sum())


def nbody(script: Script, systems: int, steps: int) -> tuple[float, float]:
    """All systems at once, in NumPy, which adds up in another order: the same after rounding."""
    gravity, step = script["GRAVITY"], script["STEP"]
    rows = np.array(script["job"](systems, steps).systems)
    places, speeds, masses = rows[..., :3], rows[..., 3:6], rows[..., 6]
    apart = np.eye(rows.shape[1]) == 0

    def between() -> tuple[Any, Any]:
        """From each body to each, and how far that is; a body is endlessly far from itself."""
        ways = places[:, None] - places[:, :, None]
        return ways, np.where(apart, np.sqrt((ways**2).sum(axis=-1)), np.inf)

    for _ in range(steps):
        ways, distances = between()
        speeds = speeds + step * gravity * np.einsum("sijx,sj,sij->six", ways, masses, distances**-3)
        places = places + step * speeds
    _, distances = between()
    moving = (masses * (speeds**2).sum(axis=-1)).sum() / 2
    falling = gravity * np.einsum("si,sj,sij->", masses, masses, 1 / distances) / 2
    return round(float(moving - falling), 9), round(float(distances[:, apart].sum() / 2), 6)


def mandelbrot(script: Script, side: int, iterations: int) -> int:
    """All points at once, in NumPy."""
    centres = (np.arange(side) + 0.5) * (script["WIDTH"] / side)
    a, b = np.meshgrid(script["LEFT"] + centres, script["BOTTOM"] + centres)
    x, y = np.zeros_like(a), np.zeros_like(b)
    for _ in range(iterations):
        inside = x * x + y * y <= 4.0
        a, b, x, y = a[inside], b[inside], x[inside], y[inside]
        x, y = x * x - y * y + a, 2.0 * x * y + b
    return len(x)


def tokenizer(script: Script, files: int) -> Counter[str]:
    """By the tokenizer of the standard library: the sources are Python."""
    kinds = {"NAME": "name", "NUMBER": "number", "STRING": "string", "OP": "operator", "COMMENT": "comment"}
    kinds |= {"NEWLINE": "newline", "NL": "newline"}
    found: Counter[str] = Counter()
    for source, times in Counter(script["job"](files)).items():
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if kind := kinds.get(tokenize.tok_name[token.type]):
                found[kind] += times
                found["place"] += times * token.start[0] * token.start[1]
    return found


def json_records(script: Script, orders: int) -> tuple[int, int, int, int]:
    """By the formulas of the orders, which are never made."""
    items = cents = 0
    for number in range(orders):
        kept = [item for item in range(number, number + 1 + number % 4) if item % 11]
        owed = sum((1 + item % 3) * (100 + item * 7919 % 25_000) for item in kept)
        items += len(kept)
        cents += owed if number % 7 else owed - owed // 10
    return orders, items, cents, sum(len(script["NAMES"][number % 5]) for number in range(orders))


def graph_search(script: Script, side: int, searches: int) -> int:
    """By SciPy, from a sparse matrix."""
    grid = script["places"](side)
    roads = [(place.number, other.number, minutes) for place in grid for other, minutes in place.roads.items()]
    begin, end, minutes = zip(*roads, strict=True)
    graph = sparse.csr_array((minutes, (begin, end)), shape=(len(grid), len(grid)))
    sources = [number * side * side // searches for number in range(searches)]
    return int(sparse.csgraph.dijkstra(graph, indices=sources).sum())


def sha256(script: Script, messages: int) -> int:
    """There is no other way to a hash; messages and keys are made differently."""
    texts = (f"{number:08x}".encode() * (4 + number % 13) for number in range(messages))
    return sum(int(hashlib.sha256(text).hexdigest()[:16], 16) for text in texts)


def monte_carlo(script: Script, scenarios: int) -> dict[int, int]:
    """By Python's Mersenne Twister, set to the state of NumPy's, one step at a time."""
    fallen = dict.fromkeys(range(1, 9), 0)
    twister = random.Random()
    for seed in range(scenarios):
        _, key, position, *_ = np.random.RandomState(seed).get_state(legacy=True)
        twister.setstate((3, (*map(int, key), int(position)), None))
        barrier = 1 + seed % 8
        for _ in range(script["WALKS"]):
            steps = [-1 if twister.random() < 0.5 else 1 for _ in range(script["STEPS"])]
            fallen[barrier] += min(accumulate(steps)) <= -barrier
    return fallen


def group_by(script: Script, partitions: int, rows: int, shops: int) -> tuple[int, ...]:
    """By pandas, from one table."""
    index = np.arange(partitions * rows)
    scattered = (index * 1_103_515_245 % 2**31 >> 8) % 1000
    table = pd.DataFrame({"shop": scattered**2 * shops // 10**6, "cents": index * 7919 % 25_000})
    return tuple(map(int, table.groupby("shop")["cents"].agg(["size", "sum", "max"]).sum()))


def fft(script: Script, signals: int, samples: int) -> int:
    """The frequencies that the signals were made with."""
    return sum(1000 + 37 * (number % 16) for number in range(signals))


def sort(script: Script, arrays: int, numbers: int) -> float:
    """Of shuffled whole numbers from 0 on, hundredths are known."""
    return arrays * sum(range(0, numbers, numbers // 100))


ANSWERS: dict[str, Callable[..., object]] = {
    "pure_python/fibonacci": fibonacci,
    "pure_python/bubble_sort": bubble_sort,
    "pure_python/primes": primes,
    "pure_python/nbody": nbody,
    "pure_python/mandelbrot": mandelbrot,
    "pure_python/tokenizer": tokenizer,
    "pure_python/json_records": json_records,
    "pure_python/graph_search": graph_search,
    "pure_python/sha256": sha256,
    "mixed/monte_carlo": monte_carlo,
    "mixed/group_by": group_by,
    "numeric/fft": fft,
    "numeric/sort": sort,
}
"""By the name of the workload: what it must find, given its script and the parameters of a size."""
