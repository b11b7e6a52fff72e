# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "Groups the rows of a table by a column and sums each group up, in Python over NumPy columns."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 0.7
# ///
"""A table of sales in partitions: in each, rows are ordered by their shops, and those of a shop are added up.

It stands for split, apply and combine as data frames do it: one long call of NumPy to sort the keys, then a Python loop
over groups with a few short calls on each.  NumPy lets go of the GIL in the long call; the short ones are mostly what
Python and NumPy spend on making a call.

A worker takes whole partitions, as one would take files, so that the work is the same however many workers there are.
"""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
import numpy as np
from _parallel import Scale, run
from numpy.typing import NDArray


class Table(NamedTuple):
    """Columns of equal length."""

    shops: NDArray[np.int64]
    cents: NDArray[np.int64]


class Totals(NamedTuple):
    """What is known of a shop, or of all."""

    sales: int
    cents: int
    largest: int
    """Of all its sales; of all shops, their sum."""


SIZES = {
    "quick": Scale(partitions=48, rows=4_000, shops=100, expected=Totals(192_000, 2_399_901_000, 2_498_764)),
    "full": Scale(partitions=192, rows=20_000, shops=500, expected=Totals(3_840_000, 47_998_095_000, 12_497_170)),
}


def job(partitions: int, rows: int, shops: int) -> list[Table]:
    """Sales in no order of shops or amounts, all below 250 euros; the first shops have many and the last ones few."""

    def partition(number: int) -> Table:
        index = np.arange(number * rows, (number + 1) * rows)
        scattered = index * 1_103_515_245 % 2**31 // 2**8 % 1000
        return Table(shops=scattered * scattered * shops // 1_000_000, cents=index * 7919 % 25_000)

    return [partition(number) for number in range(partitions)]


def totals_by_shop(part: Sequence[Table]) -> dict[int, Totals]:
    found: dict[int, Totals] = {}
    for table in part:
        order = np.argsort(table.shops, kind="stable")
        shops, cents = table.shops[order], table.cents[order]
        bounds = [*np.flatnonzero(np.diff(shops, prepend=-1)).tolist(), len(shops)]
        for start, stop in pairwise(bounds):
            group = cents[start:stop]
            add(found, int(shops[start]), Totals(stop - start, int(group.sum()), int(group.max())))
    return found


def add(found: dict[int, Totals], shop: int, more: Totals) -> None:
    so_far = found.get(shop, Totals(0, 0, 0))
    found[shop] = Totals(so_far.sales + more.sales, so_far.cents + more.cents, max(so_far.largest, more.largest))


def of_all(results: Sequence[dict[int, Totals]]) -> Totals:
    found: dict[int, Totals] = {}
    for result in results:
        for shop, totals in result.items():
            add(found, shop, totals)
    return Totals(*map(sum, zip(*found.values(), strict=True)))


if __name__ == "__main__":
    run("mixed/group_by", sizes=SIZES, job=job, work=totals_by_shop, combine=of_all)
