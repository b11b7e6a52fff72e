# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Makes and drops small trees whose nodes know their parents, which only the garbage collector can free."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 1.2
# ///
"""Short-lived objects in cycles: trees of a few nodes are built, added up and dropped, while many objects live on.

It stands for request handlers, parsers and object-relational mappers, whose nodes know their parents and their
children.  Counting references frees none of them: the garbage collector does, and has to look at what lives on, too.
Threads share no object here, but the allocator and the collector, which stops every thread in a free-threaded build.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, chunks, run

SIZES = {
    "quick": Scale(trees=4_000, alive=20_000, expected=72_094_000),
    "full": Scale(trees=100_000, alive=100_000, expected=45_002_350_000),
}

CHILDREN = 8


class Node:
    """A node of a tree: its parent refers to it and it refers to its parent, which is a cycle."""

    def __init__(self, value: int, parent: Node | None = None) -> None:
        self.value = value
        self.parent = parent
        self.children: list[Node] = []
        if parent is not None:
            parent.children.append(self)

    def total(self) -> int:
        return self.value + sum(child.total() for child in self.children)


class Share(NamedTuple):
    """Trees of one worker, by their numbers, and what lives on meanwhile."""

    trees: range
    alive: Sequence[Node]


def job(trees: int, alive: int) -> Share:
    return Share(range(trees), [Node(number) for number in range(alive)])


def split(job: Share, count: int) -> list[Share]:
    return [Share(trees, job.alive) for trees in chunks(job.trees, count)]


def tree(number: int) -> Node:
    root = Node(number)
    for index in range(CHILDREN):
        Node(number + index, parent=root)
    return root


def churn(share: Share) -> int:
    return sum(tree(number).total() for number in share.trees)


if __name__ == "__main__":
    run("contention/object_churn", sizes=SIZES, job=job, split=split, work=churn)
