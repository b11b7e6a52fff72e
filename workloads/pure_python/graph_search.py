# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Shortest ways from many places to all others (Dijkstra) in one graph of objects that all workers read."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.3
# ///
"""A road map as objects that refer to each other in dicts, and searches on it, each from a place of its own.

It stands for route planning, dependency resolution and recommendations: dict look-ups with objects as keys, a heap of
tuples, attributes, and a graph in memory that everybody reads and nobody changes.  Reading is not free where threads
share: in a free-threaded build they count references to the same places and roads.

Only numbers of places travel to a process or an interpreter.  Each of them makes the map for itself when its first
search asks for it, before any value is measured, as a service would load it when it starts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from heapq import heappop, heappush
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, chunks, run

SIZES = {
    "quick": Scale(side=30, searches=24, expected=1_456_375),
    "full": Scale(side=100, searches=48, expected=45_723_871),
}


class Place:
    """Where roads meet: its neighbours, and how many minutes each of them is away."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.roads: dict[Place, int] = {}


class Searches(NamedTuple):
    """Searches of one worker: where they begin, on a map of `side` times `side` places."""

    sources: Sequence[int]
    side: int


def job(side: int, searches: int) -> Searches:
    places(side)  # made by the main thread before others ask: two that ask at once would make one each
    return Searches([number * side * side // searches for number in range(searches)], side)


def split(job: Searches, count: int) -> list[Searches]:
    return [Searches(sources, job.side) for sources in chunks(job.sources, count)]


@cache
def places(side: int) -> list[Place]:
    """A grid of streets in which each crossing is 1 to 20 minutes from the next, and a fast road from every tenth."""
    random = Random(703).random
    grid = [Place(number) for number in range(side * side)]

    def connect(one: Place, other: Place, minutes: int) -> None:
        one.roads[other] = other.roads[one] = minutes

    for place in grid:
        row, column = divmod(place.number, side)
        if column + 1 < side:
            connect(place, grid[place.number + 1], 1 + int(random() * 20))
        if row + 1 < side:
            connect(place, grid[place.number + side], 1 + int(random() * 20))
        if place.number % 10 == 0 and (far := grid[int(random() * len(grid))]) is not place:
            connect(place, far, 5 + int(random() * 20))
    return grid


def minutes_from(source: Place) -> dict[Place, int]:
    """How far every place is from one of them."""
    found: dict[Place, int] = {}
    best = {source: 0}
    heap = [(0, source.number, source)]
    while heap:
        minutes, _, place = heappop(heap)
        if place in found:
            continue
        found[place] = minutes
        for neighbour, road in place.roads.items():
            if neighbour not in found and (way := minutes + road) < best.get(neighbour, sys.maxsize):
                best[neighbour] = way
                heappush(heap, (way, neighbour.number, neighbour))
    return found


def search(searches: Searches) -> int:
    """All minutes to all places from all sources."""
    grid = places(searches.side)
    return sum(sum(minutes_from(grid[source]).values()) for source in searches.sources)


if __name__ == "__main__":
    run("pure_python/graph_search", sizes=SIZES, job=job, split=split, work=search)
