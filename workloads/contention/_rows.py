"""What partitioned and queued share: the job, which is a little work on each of many rows of numbers."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale

SIZES = {
    "quick": Scale(rows=7_000, expected=(7_000, 489_999_300_000)),
    "full": Scale(rows=160_000, expected=(160_000, 255_999_984_000_000)),
}

WIDTH = 100


def rows_of(rows: int) -> list[range]:
    """The numbers from 0 on, `WIDTH` to a row."""
    return [range(number * WIDTH, (number + 1) * WIDTH) for number in range(rows)]


def process(row: range) -> int:
    """A few microseconds of work, with objects made on the way."""
    return sum([number * 2 for number in row])


def summary(processed: Sequence[int]) -> tuple[int, int]:
    """How many rows were processed, and what came out, in whatever order."""
    return len(processed), sum(processed)
