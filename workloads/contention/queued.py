# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Rows of numbers that threads take one by one from a queue, and whose results they put into another."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 1.2
# ///
"""A job handed out through a queue: whoever is free takes the next row, works on it and puts the result into a queue.

It stands for worker threads as most programs have them: crawlers, task queues, pools.  It balances items whose costs
are not known beforehand, and pays for it twice per row, at queues that all threads meet at.  Rows take a few
microseconds here, as short as it gets; partitioned does the same work without the queues.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import run
from _rows import SIZES, process, rows_of, summary


class Desk(NamedTuple):
    """Where all threads fetch rows and leave results."""

    rows: Sequence[range]
    todo: Queue[range]
    done: Queue[int]


def job(rows: int) -> Desk:
    desk = Desk(rows_of(rows), Queue(), Queue())
    hand_in(desk)
    return desk


def hand_in(desk: Desk) -> None:
    for row in desk.rows:
        desk.todo.put(row)


def split(desk: Desk, count: int) -> list[Desk]:
    """The same for all: who does what is decided on the way."""
    return [desk] * count


def process_rows(desk: Desk) -> Desk:
    while True:
        try:
            row = desk.todo.get_nowait()
        except Empty:
            return desk
        desk.done.put(process(row))


def collect(desks: Sequence[Desk]) -> tuple[int, int]:
    """What is on the desk of all; then the rows are handed in again, for the next execution."""
    desk = desks[0]
    processed = [desk.done.get() for _ in range(desk.done.qsize())]
    hand_in(desk)
    return summary(processed)


if __name__ == "__main__":
    run("contention/queued", sizes=SIZES, job=job, split=split, work=process_rows, combine=collect)
