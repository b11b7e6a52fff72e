# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Rows of numbers that are shared out before the threads begin, each with a list of its own."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.7
# ///
"""A job cut into as many parts as there are threads; each works through its part and returns a list.

It stands for batch jobs whose items are known beforehand and cost about the same: files, customers, slices of a table.
Threads share the code and nothing else, as the tutorial that Gilometer began with advises.  The rows and the work on
them are those of queued, which hands them out one by one: the difference is what handing out costs.
"""

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import run
from _rows import SIZES, process, rows_of, summary


def process_rows(part: Sequence[range]) -> list[int]:
    return [process(row) for row in part]


def collect(results: Sequence[list[int]]) -> tuple[int, int]:
    return summary([*chain.from_iterable(results)])


if __name__ == "__main__":
    run("contention/partitioned", sizes=SIZES, job=rows_of, work=process_rows, combine=collect)
