"""What the workloads share: one job, split over workers, timed by pyperf, its answer checked.

A workload hands `run` the job at each of its sizes, and the work on one part of it.  This module adds the options that
the harness uses (`--threads`, `--strategy`, `--split`, `--placement`, `--size`), executes the parts and times them.

It runs inside the interpreters that are compared: it needs Python 3.11, pyperf and Linux, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter, sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, assert_never

import pyperf

if TYPE_CHECKING:
    from concurrent.futures import Executor

WRONG_ANSWER_STATUS = 65
"""Exit status of a worker whose answer is wrong (sysexits' EX_DATAERR); the harness knows it by this number."""

Part = TypeVar("Part")
Result = TypeVar("Result")


class Strategy(StrEnum):
    """What executes the parts of a job."""

    SERIAL = "serial"
    """The main thread, one part: the whole job."""
    THREADS = "threads"
    """Threads that wait for the job, each with its part in its hands."""
    POOL = "pool"
    """A ThreadPoolExecutor."""
    PROCESSES = "processes"
    """A ProcessPoolExecutor: parts and results travel, on the clock."""
    INTERPRETERS = "interpreters"
    """An InterpreterPoolExecutor, where parts and results travel too."""
    ASYNCIO = "asyncio"
    """One event loop in the main thread, a task for each part."""


class Split(StrEnum):
    """What a part is."""

    SHARE = "share"
    """The n-th part of the job: how soon is it done?"""
    WHOLE = "whole"
    """The whole job, once for each: how many are done in that time?"""


class Placement(StrEnum):
    """Where the workers of a team may execute."""

    PINNED = "pinned"
    """Each on a CPU of its own, in turn where there are more workers than CPUs."""
    FREE = "free"
    """Each on any CPU that the process may use."""


class Measure(StrEnum):
    """What a value is."""

    TIME = "time"
    """From the release of the workers until the last of them is done with its part of the job."""
    CAPACITY = "capacity"
    """Time per piece of the job at the rate of all workers together, counted in a short window."""


HASTE = 1e-6
"""Seconds after which the GIL is asked for, where races are hunted: between nearly any two steps of two threads."""

WINDOW = 0.02
"""Seconds of a window: short, so that neighbouring windows share the machine's speed."""


_MUSTER = 0.005
"""Seconds before a window in which its threads get to their CPUs, and work uncounted: caches are another's at first."""


class Scale:
    """How big the job is at one size, and what its answer is then.

    The parameters are the keyword arguments that the job is made with; every sample carries them as metadata, so that
    a report can show them.
    """

    def __init__(self, *, expected: object, pieces: int = 48, **parameters: str | int | float) -> None:
        """`pieces`: into how many parts of about half a millisecond the job is cut where capacity is measured."""
        self.expected = expected
        self.pieces = pieces
        self.parameters = parameters


def run(
    name: str,
    *,
    sizes: Mapping[str, Scale],
    job: Callable[..., Any],
    work: Callable[[Any], Any],
    split: Callable[[Any, int], Sequence[Any]] | None = None,
    combine: Callable[[Sequence[Any]], object] = sum,
    task: Callable[[Any], Coroutine[Any, Any, Any]] | None = None,
) -> None:
    """Time one job as a pyperf benchmark: from the release of the workers until the last of them is done.

    `job(**parameters)` makes the whole job, `split(job, n)` cuts it into n parts (by default slices of equal length),
    `work(part)` is the code that is measured, and `combine(results)` makes the answer from its results, in the order
    of the parts.  Only the work is timed.  Each answer must equal what the size expects, whatever the number of
    workers; a worker process that gets another one ends with status 65.  What the work raises ends it with status 1.

    Parts of one job are executed at the same time: `work` must not change what they share.  For processes and
    interpreters it is a function of the module, and parts and results can be pickled.  `task(part)` is the same work
    as a coroutine, for asyncio.
    """
    runner = pyperf.Runner(add_cmdline_args=_forward)
    _add_options(runner.argparser, sizes)
    options = runner.parse_args()
    scale = sizes[options.size]
    measure = Measure(options.measure)
    if options.stress:
        sys.setswitchinterval(HASTE)
    strategy = Strategy.SERIAL if options.threads == 1 else Strategy(options.strategy)
    if reason := _obstacle(strategy, measure, options.threads, task):
        runner.argparser.error(reason)
    whole_jobs = Split(options.split) is Split.WHOLE
    parts: Sequence[Any] = ()
    if options.worker:  # the process that only starts pyperf's workers needs no job
        cut = functools.partial(split or chunks, job(**scale.parameters))
        if whole_jobs:
            parts = [*cut(1)] * options.threads
        else:
            parts = cut(options.threads if measure is Measure.TIME else scale.pieces)

    def verify(results: Sequence[Any]) -> None:
        for one in [[result] for result in results] if whole_jobs else [results]:
            check(combine(one), scale.expected)

    with contextlib.ExitStack() as stack:

        @functools.cache
        def workers() -> Callable[[], Sequence[Any]]:
            # Not before the first value: only then has pyperf bound the process to its --affinity.
            return stack.enter_context(_workers(strategy, Placement(options.placement), work, task, parts))

        @functools.cache
        def counters() -> Callable[[], float]:
            return stack.enter_context(_counters(work, parts, options.threads, combine, scale.expected))

        def count_pieces(loops: int) -> float:
            return loops / counters()()

        def time_loops(loops: int) -> float:
            execute = workers()
            elapsed = 0.0
            for _ in range(loops):
                start = perf_counter()
                results = execute()
                elapsed += perf_counter() - start
                verify(results)
                del results  # or the next loop would free them on the clock
            return elapsed

        metadata = {
            **scale.parameters,
            "size": options.size,
            "threads": options.threads,
            "strategy": strategy,
            "split": options.split,
            "placement": options.placement if options.threads > 1 else "inherited",
            "measure": options.measure,
            "stress": int(options.stress),
        }
        runner.bench_time_func(name, time_loops if measure is Measure.TIME else count_pieces, metadata=metadata)


def check(got: object, expected: object) -> None:
    """End the process with status 65 and one line on stderr unless the answer is the expected one."""
    if got != expected:
        print(f"wrong answer: expected {expected!r}, got {got!r}", file=sys.stderr)
        sys.exit(WRONG_ANSWER_STATUS)


def chunks(job: Any, count: int) -> list[Any]:
    """Consecutive slices of a sequence (list, range, array, ...) whose lengths differ by one at most."""
    bounds = [len(job) * index // count for index in range(count + 1)]
    return [job[start:stop] for start, stop in itertools.pairwise(bounds)]


# -- options -----------------------------------------------------------------------------------------------------------


def _add_options(parser: argparse.ArgumentParser, sizes: Mapping[str, Scale]) -> None:
    parser.add_argument("--threads", type=_count, default=1, help="number of parts of the job that execute at once")
    parser.add_argument(
        "--strategy", choices=[*map(str, Strategy)], default=str(Strategy.THREADS), help="what executes them"
    )
    parser.add_argument(
        "--split",
        choices=[*map(str, Split)],
        default=str(Split.SHARE),
        help="whether a part is a share of the job, or the whole of it",
    )
    parser.add_argument(
        "--placement",
        choices=[*map(str, Placement)],
        default=str(Placement.PINNED),
        help="bind each of several threads to a CPU of its own, or let them move",
    )
    parser.add_argument(
        "--measure",
        choices=[*map(str, Measure)],
        default=str(Measure.TIME),
        help="the time until the job is done, or the rate at which work gets done meanwhile",
    )
    parser.add_argument("--stress", action="store_true", help="hunt races: let threads take turns as often as they can")
    parser.add_argument("--size", choices=list(sizes), default=next(iter(sizes)), help="how much work the job is")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


def _forward(command: list[str], options: argparse.Namespace) -> None:
    """Hand our options on to the workers that pyperf starts by itself."""
    command += [
        f"--{option}={getattr(options, option)}"
        for option in ("threads", "strategy", "split", "placement", "measure", "size")
    ]
    command += ["--stress"] * options.stress


def _obstacle(strategy: Strategy, measure: Measure, count: int, task: object) -> str:
    """Why parts cannot be executed in this way; empty where they can."""
    if strategy is Strategy.SERIAL and count > 1:
        return f"--strategy serial is one part, not --threads {count}"
    if strategy is Strategy.ASYNCIO and task is None:
        return "--strategy asyncio: this workload has no coroutine"
    if strategy is Strategy.INTERPRETERS and sys.version_info < (3, 14):
        return "--strategy interpreters needs Python 3.14"
    if measure is Measure.CAPACITY and strategy not in (Strategy.SERIAL, Strategy.THREADS):
        return f"--measure capacity counts what threads do, not --strategy {strategy}"
    return ""


# -- workers -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _workers(
    strategy: Strategy,
    placement: Placement,
    work: Callable[[Part], Result],
    task: Callable[[Part], Coroutine[Any, Any, Result]] | None,
    parts: Sequence[Part],
) -> Iterator[Callable[[], Sequence[Result]]]:
    """A function that does the work once on every part, all at once, and returns the results in order."""
    places = _places(placement, len(parts))
    match strategy:
        case Strategy.SERIAL:
            yield lambda: [work(part) for part in parts]
        case Strategy.THREADS:
            with Team(work, parts, places) as team:
                yield team
        case Strategy.POOL | Strategy.PROCESSES | Strategy.INTERPRETERS:
            # Wrapped: of a bare function 3.14's interpreters may take the code alone, which then finds no globals.
            wrapped = functools.partial(work)
            with _executor(strategy, places) as executor:
                yield lambda: list(executor.map(wrapped, parts))
        case Strategy.ASYNCIO:
            assert task is not None
            import asyncio  # takes as long as everything else here

            with asyncio.Runner() as runner:
                yield lambda: runner.run(_gather(task, parts))
        case _:
            assert_never(strategy)


async def _gather(task: Callable[[Part], Coroutine[Any, Any, Result]], parts: Sequence[Part]) -> list[Result]:
    import asyncio

    return await asyncio.gather(*map(task, parts))


@contextlib.contextmanager
def _executor(strategy: Strategy, places: Sequence[Collection[int]]) -> Iterator[Executor]:
    """An executor with a worker on each of the places, all of which are there already."""
    from concurrent import futures  # takes as long as a third of everything else here, and threads need none

    make: Callable[..., Executor]
    if strategy is Strategy.PROCESSES:
        import multiprocessing

        # What a release starts processes with differs: fork until 3.13, which is not safe where there are threads.
        context = multiprocessing.get_context("forkserver")
        make, queue = functools.partial(futures.ProcessPoolExecutor, mp_context=context), context.SimpleQueue
    elif strategy is Strategy.INTERPRETERS:
        from concurrent import interpreters  # type: ignore[attr-defined]  # of 3.14

        make, queue = futures.InterpreterPoolExecutor, interpreters.create_queue  # type: ignore[attr-defined]
    else:
        make, queue = futures.ThreadPoolExecutor, SimpleQueue
    free, arrived, go = queues = queue(), queue(), queue()
    for place in places:
        free.put(set(place))
    if strategy is Strategy.INTERPRETERS:  # a new interpreter does not know where this module is
        path = f"import sys; sys.path[:] = {sys.path!r}"
        begin = {"initializer": exec, "initargs": (f"{path}\nimport {__name__} as m; m._arrive(*q)", {"q": queues})}
    else:
        begin = {"initializer": _arrive, "initargs": queues}
    with make(max_workers=len(places), **begin) as executor:
        waiting = [executor.submit(_do_nothing) for _ in places]  # an executor starts a worker when none is idle
        for _ in places:
            while arrived.empty():
                for future in (future for future in waiting if future.done()):
                    future.result()  # raises: the executor is broken
                sleep(0.001)
            arrived.get()
        for _ in places:
            go.put(True)
        futures.wait(waiting)
        yield executor


def _arrive(free: Any, arrived: Any, go: Any) -> None:
    """The beginning of an executor's worker: take a place, and wait for the others."""
    os.sched_setaffinity(0, free.get())  # of this thread alone
    arrived.put(True)
    go.get()


def _do_nothing() -> None:
    pass


@contextlib.contextmanager
def _counters(
    work: Callable[[Part], Result],
    pieces: Sequence[Part],
    count: int,
    combine: Callable[[Sequence[Result]], object],
    expected: object,
) -> Iterator[Callable[[], float]]:
    """A function that lets `count` threads work for one window, and returns the pieces per second of all together.

    All count in the same window: under the GIL a window of one's own would begin with one's own turn.  A piece that an
    end of the window cuts counts in part.  In window k thread i is bound to CPU i + k of those that the process may
    use: after as many windows as CPUs each thread was on every one.  Every result is checked, after the window, against
    the one that the piece gave in the main thread.
    """
    results = [work(piece) for piece in pieces]
    check(combine(results), expected)
    answers = [combine([result]) for result in results]
    del results
    cpus = cores_first(os.sched_getaffinity(0), _core)
    number, begin = -1, 0.0

    def count_pieces(thread: int) -> float:
        os.sched_setaffinity(0, {cpus[(thread + number) % len(cpus)]})
        first = thread * len(pieces) // count
        end = begin + WINDOW
        done: list[Result] = []
        counted = 0.0
        while (started := perf_counter()) < end:
            done.append(work(pieces[(first + len(done)) % len(pieces)]))
            finished = perf_counter()
            counted += max(0.0, min(finished, end) - max(started, begin)) / (finished - started)
        for index, result in enumerate(done, start=first):
            check(combine([result]), answers[index % len(pieces)])
        return counted / WINDOW

    with Team(count_pieces, range(count), [set(cpus)] * count) as team:

        def count_all() -> float:
            nonlocal number, begin
            number, begin = number + 1, perf_counter() + _MUSTER
            return sum(team())

        yield count_all


class Team(Generic[Part, Result]):
    """Threads that live as long as the context, one for each part, waiting without using a CPU.

    Calling the team releases them all, and returns when the last is done.  What a thread raises, the call raises.
    """

    def __init__(
        self, work: Callable[[Part], Result], parts: Sequence[Part], places: Sequence[Collection[int]]
    ) -> None:
        """`places`: for each thread the CPUs on which it may execute."""
        self._work = work
        self._results: list[Any] = [None] * len(parts)
        self._gates: list[SimpleQueue[bool]] = [SimpleQueue() for _ in parts]
        self._finished: SimpleQueue[BaseException | None] = SimpleQueue()
        # Daemons: after an error the process ends without waiting for those that still work.
        self._threads = [
            threading.Thread(target=self._serve, args=(index, part, place), name=f"team-{index}", daemon=True)
            for index, (part, place) in enumerate(zip(parts, places, strict=True))
        ]

    def __enter__(self) -> Team[Part, Result]:
        for thread in self._threads:
            thread.start()
        self._wait()
        return self

    def __call__(self) -> list[Result]:
        for gate in self._gates:
            gate.put(True)
        self._wait()
        results, self._results = self._results, [None] * len(self._threads)
        return results

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for gate in self._gates:
            gate.put(False)
        if error is None:
            for thread in self._threads:
                thread.join()

    def _wait(self) -> None:
        for _ in self._threads:
            if (error := self._finished.get()) is not None:
                raise error

    def _serve(self, index: int, part: Part, place: Collection[int]) -> None:
        try:
            os.sched_setaffinity(0, place)  # of this thread alone
            self._finished.put(None)
            while self._gates[index].get():
                self._results[index] = self._work(part)
                self._finished.put(None)
        except BaseException as error:
            self._finished.put(error)


def _places(placement: Placement, count: int) -> list[set[int]]:
    """For each of `count` threads the CPUs on which it may execute, out of those that this process may use."""
    allowed = os.sched_getaffinity(0)
    match placement:
        case Placement.PINNED:
            return [{cpu} for cpu in itertools.islice(itertools.cycle(cores_first(allowed, _core)), count)]
        case Placement.FREE:
            return [allowed] * count
        case _:
            assert_never(placement)


def cores_first(cpus: Collection[int], core: Callable[[int], str]) -> list[int]:
    """CPUs in the order in which a team takes them: one of every physical core before a second of any."""
    taken: Counter[str] = Counter()
    ranked = []
    for cpu in sorted(cpus):
        ranked.append((taken[core(cpu)], cpu))
        taken[core(cpu)] += 1
    return [cpu for _, cpu in sorted(ranked)]


def _core(cpu: int) -> str:
    """The same text for all CPUs of a physical core; each its own core where the kernel does not tell."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return str(cpu)
