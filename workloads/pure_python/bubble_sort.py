# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Bubble sort of 48 lists of random numbers, shared out over the workers; 1,000 numbers each at full size."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 2.0
# published_seconds = 25.0
# ///
"""Neighbours in a list are compared and swapped until none is out of order: two loops around four accesses to a list.

It stands for algorithms on lists that somebody wrote by hand: dynamic programming, matching, puzzles, course work.
Each worker changes lists that nobody else knows, so what counts is what reading and writing one element costs.  In a
free-threaded build both have to be safe against other threads, whether there are any or not.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(lists=48, numbers=160, expected=411_231_332_472),
    "full": Scale(lists=48, numbers=1_000, expected=16_029_531_430_905),
    "published": Scale(lists=4, numbers=10_000, expected=133_498_877_456_304),
}


def job(lists: int, numbers: int) -> list[list[int]]:
    random = Random(703).random
    return [[int(random() * 1_000_000) for _ in range(numbers)] for _ in range(lists)]


def bubble_sort(numbers: list[int]) -> None:
    for end in range(len(numbers) - 1, 0, -1):
        swapped = False
        for i in range(end):
            if numbers[i] > numbers[i + 1]:
                numbers[i], numbers[i + 1] = numbers[i + 1], numbers[i]
                swapped = True
        if not swapped:
            return


def sort_all(part: Sequence[list[int]]) -> list[list[int]]:
    """Sorted copies: the part itself is sorted again next time."""
    copies = [numbers.copy() for numbers in part]
    for numbers in copies:
        bubble_sort(numbers)
    return copies


def weight(results: Sequence[list[list[int]]]) -> int:
    """Each number times its place in its list, added up: more than in any other order if the lists are sorted."""
    return sum(
        place * number for result in results for numbers in result for place, number in enumerate(numbers, start=1)
    )


if __name__ == "__main__":
    run("pure_python/bubble_sort", sizes=SIZES, job=job, work=sort_all, combine=weight)
