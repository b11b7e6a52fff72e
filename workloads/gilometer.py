"""What any script may import inside a worker: `bench` makes a plain function a workload, `run` a job that is split.

    from gilometer import bench
    from mine import parse, pages

    if __name__ == "__main__":
        bench(parse, pages)

It runs inside the interpreters that are compared: it needs Python 3.11, pyperf and Linux, and nothing else.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from _parallel import Scale, check, chunks, run

__all__ = ["Scale", "bench", "check", "chunks", "run"]

Item = TypeVar("Item")


def bench(function: Callable[..., Any], items: Iterable[Item] | None = None, *, calls: int = 1) -> None:
    """Time `function(item)` for all items: one job, shared out over the threads (processes, ...) item by item.

    A function that takes nothing is called `calls` times instead.  With processes and interpreters the function is one
    of a module, and items and results can be pickled.

    Each result must equal the one that the same call gave in the main thread alone; a worker process that gets another
    one ends with status 65.  Results of a function that does not even repeat itself there are not checked.
    """
    job: Sequence[Any] = range(calls) if items is None else list(items)
    each = functools.partial(_call, function) if items is None else functools.partial(_map, function)
    answers = _Answers(lambda: each(job))
    run(
        Path(sys.argv[0]).stem,
        sizes={"quick": Scale(expected=len(job))},
        job=lambda: job,
        work=each,
        combine=answers.check,
    )


def _map(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [function(item) for item in items]


def _call(function: Callable[[], Any], items: Sequence[Any]) -> list[Any]:
    return [function() for _ in items]


class _Answers:
    """What the calls of a job return in the main thread, where nothing else is under way."""

    def __init__(self, alone: Callable[[], list[Any]]) -> None:
        self._alone = alone

    def check(self, parts: Sequence[list[Any]]) -> object:
        """How many results a job has; a wrong one ends the process.  Those of a piece, which others compare."""
        results = [result for part in parts for result in part]
        if len(results) < len(self._expected):
            return results if self._repeats else len(results)
        if not _equal(results, self._expected) and self._repeats:
            for got, expected in zip(results, self._expected, strict=True):
                check(got, expected)
        return len(results)

    @functools.cached_property
    def _expected(self) -> list[Any]:
        return self._alone()

    @functools.cached_property
    def _repeats(self) -> bool:
        return _equal(self._alone(), self._expected)


def _equal(some: list[Any], others: list[Any]) -> bool:
    try:
        return some == others
    except Exception:  # arrays, for instance, are not simply equal or not
        return False
