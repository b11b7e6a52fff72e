"""The part of a thread smoke test that all share: the same work in one thread and in several of one process.

A smoke test is a script named after a package, with _ for -, as scikit_learn.py is.  It asks `compare` to do some work
with the package, which prints one line of JSON:

    threads    how many worked at once
    same       whether all of them came to the answers of one thread, in every round
    seconds    of the round with the median ratio: in one thread, and in several at once
    said       how it scaled, or what the first difference is
    gil        whether the GIL was on at the end; null where the interpreter cannot say

A script of one's own needs nothing from here: any program that prints such a line last will do.  A crash needs no
line: it is seen from outside.

Choose work that takes a few tenths of a second, of functions that the package says may be called from several threads,
and an answer that equals itself exactly when the work is done again: bytes, numbers, tuples of them.
"""

import json
import os
import pathlib
import sys
import threading
import time
from collections.abc import Callable

THREADS = 4
ROUNDS = 5

Answers = list[object]
Work = Callable[[int], object]
Round = tuple[Answers, float]
"""What the threads came to, and how long all of it took, seconds."""

# A script has the name of what it imports: what is installed goes before the scripts.
_FOLDER = pathlib.Path(__file__).resolve().parent
sys.path[:] = [*(path for path in sys.path if pathlib.Path(path).resolve() != _FOLDER), str(_FOLDER)]


def compare(work: Work) -> None:
    """Do `work(share)` for each of THREADS shares, in one thread and at once, in turns, and print what came of it."""
    expected = [work(share) for share in range(THREADS)]  # what is done at the first call only is done now
    timed: list[tuple[float, float]] = []
    difference = ""
    for _ in range(ROUNDS):
        answers, alone = _in_turn(work)
        difference = difference or _difference(expected, answers, "one thread, once more")
        answers, at_once = _at_once(work)
        difference = difference or _difference(expected, answers, f"one of {THREADS} threads")
        timed.append((alone, at_once))
    print(json.dumps(_outcome(timed, difference)), flush=True)


def _in_turn(work: Work) -> Round:
    began = time.perf_counter()
    answers = [_attempt(work, share) for share in range(THREADS)]
    return answers, time.perf_counter() - began


def _at_once(work: Work) -> Round:
    """The same with a thread for each share; they begin together."""
    answers: list[object] = [None] * THREADS
    start = threading.Barrier(THREADS + 1)

    def serve(share: int) -> None:
        start.wait()
        answers[share] = _attempt(work, share)

    threads = [threading.Thread(target=serve, args=(share,)) for share in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return answers, time.perf_counter() - began


class _Raised(str):
    """An error in place of an answer: equal to no answer, not even to itself."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _: object) -> bool:
        return False


def _attempt(work: Work, share: int) -> object:
    try:
        return work(share)
    except Exception as error:
        return _Raised(f"{type(error).__name__}: {error}")


def _difference(expected: Answers, answers: Answers, who: str) -> str:
    for share, (right, answer) in enumerate(zip(expected, answers, strict=True)):
        if isinstance(answer, _Raised):
            return f"{who} failed at share {share}: {answer:.200s}"
        if answer != right:
            return f"{who} got {answer!r:.80} for share {share} instead of {right!r:.80}"
    return ""


def _outcome(timed: list[tuple[float, float]], difference: str) -> dict[str, object]:
    by_ratio = sorted(timed, key=lambda one: one[0] / one[1])
    ratios = [alone / at_once for alone, at_once in by_ratio]
    cpus = len(os.sched_getaffinity(0))
    scaled = (
        f"scaled {ratios[len(ratios) // 2]:.1f} on {cpus} CPU{'s' * (cpus != 1)}, "
        f"{ratios[0]:.1f} to {ratios[-1]:.1f} in {len(ratios)} rounds: one look, no measurement"
    )
    return {
        "threads": THREADS,
        "same": not difference,
        "seconds": by_ratio[len(by_ratio) // 2],
        "said": difference or scaled,
        "gil": getattr(sys, "_is_gil_enabled", lambda: None)(),
    }
