"""What the contention workloads share: kernels that use one object, and whether all threads use the same one.

`run_shared` gives all threads one object; `run_own`, the control, gives each an object of its own, made by the thread
itself: in a free-threaded build an object belongs to the thread that made it, and is cheaper for that one to use.  The
kernel, and so the amount and the kind of the work, is the same in both.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Lock
from typing import Generic, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

Thing = TypeVar("Thing")
Used = tuple[Thing, int]
"""The object that a thread used, and what its work returned."""


@dataclass(frozen=True)
class Kernel(Generic[Thing]):
    """Work that uses an object, and what must be found in the object afterwards."""

    sizes: Mapping[str, Scale]
    """Parameter: the number of steps.  They expect what `answer` gives."""
    make: Callable[[], Thing]
    use: Callable[[Thing, range], int]
    """The work of one thread: a step for each number.  What it returns adds up over threads."""
    found: Callable[[Thing], tuple[int, ...]]
    """What all steps left in an object, as figures that add up over objects.  A lost step is missing in them."""

    def answer(self, results: Sequence[Used[Thing]]) -> tuple[int, ...]:
        """The sum of what was returned, then the sums of what was found, once in each object."""
        things = {id(thing): thing for thing, _ in results}.values()
        return (sum(returned for _, returned in results), *map(sum, zip(*map(self.found, things), strict=True)))


def run_shared(name: str, kernel: Kernel[Thing]) -> None:
    """Time the kernel on an object that all threads use, a new one for each execution."""
    thing = kernel.make()

    def work(steps: range) -> Used[Thing]:
        return thing, kernel.use(thing, steps)

    def answer(results: Sequence[Used[Thing]]) -> tuple[int, ...]:
        nonlocal thing
        thing = kernel.make()
        return kernel.answer(results)

    run(name, sizes=kernel.sizes, job=numbers, work=work, combine=answer)


def run_own(name: str, kernel: Kernel[Thing]) -> None:
    """Time the kernel on objects that their threads have for themselves, new ones for each execution."""

    def work(steps: range) -> Used[Thing]:
        thing = kernel.make()
        return thing, kernel.use(thing, steps)

    run(name, sizes=kernel.sizes, job=numbers, work=work, combine=kernel.answer)


def numbers(steps: int) -> range:
    return range(steps)


# -- a lock around tiny work -------------------------------------------------------------------------------------------


class Statistics:
    """Figures that have to agree with each other."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.count = 0
        self.total = 0
        self.squares = 0

    def add(self, value: int) -> None:
        with self._lock:
            self.count += 1
            self.total += value
            self.squares += value * value


def add_values(statistics: Statistics, steps: range) -> int:
    for step in steps:
        statistics.add(step % 1000)
    return len(steps)


LOCK = Kernel(
    sizes={
        "quick": Scale(steps=100_000, expected=(100_000, 100_000, 49_950_000, 33_283_350_000)),
        "full": Scale(steps=2_000_000, expected=(2_000_000, 2_000_000, 999_000_000, 665_667_000_000)),
    },
    make=Statistics,
    use=add_values,
    found=lambda statistics: (statistics.count, statistics.total, statistics.squares),
)


# -- a counter ---------------------------------------------------------------------------------------------------------


class Counter:
    """Counts under a lock: neither `+= 1` nor itertools.count promises that threads lose nothing."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.value = 0

    def increment(self) -> None:
        with self._lock:
            self.value += 1


def count(counter: Counter, steps: range) -> int:
    for _ in steps:
        counter.increment()
    return len(steps)


COUNTER = Kernel(
    sizes={
        "quick": Scale(steps=200_000, expected=(200_000, 200_000)),
        "full": Scale(steps=4_000_000, expected=(4_000_000, 4_000_000)),
    },
    make=Counter,
    use=count,
    found=lambda counter: (counter.value,),
)


# -- a dict ------------------------------------------------------------------------------------------------------------


def write_and_read(table: dict[int, int], steps: range) -> int:
    total = 0
    for step in steps:
        table[step] = step % 1000
        total += table[step]
    return total


DICT: Kernel[dict[int, int]] = Kernel(
    sizes={
        "quick": Scale(steps=250_000, expected=(124_875_000, 250_000, 124_875_000)),
        "full": Scale(steps=1_000_000, expected=(499_500_000, 1_000_000, 499_500_000)),
    },
    make=dict,
    use=write_and_read,
    found=lambda table: (len(table), sum(table.values())),
)


# -- a queue -----------------------------------------------------------------------------------------------------------

BATCH = 8


def put_and_get(queue: Queue[int], steps: range) -> int:
    """Puts numbers, then gets as many, from whomever: each has put before it gets, so there is always one to get."""
    total = 0
    for first in range(steps.start, steps.stop, BATCH):
        batch = range(first, min(first + BATCH, steps.stop))
        for step in batch:
            queue.put(step)
        for _ in batch:
            total += queue.get_nowait()
    return total


QUEUE: Kernel[Queue[int]] = Kernel(
    sizes={
        "quick": Scale(steps=22_000, expected=(241_989_000, 0)),
        "full": Scale(steps=300_000, expected=(44_999_850_000, 0)),
    },
    make=Queue,
    use=put_and_get,
    found=lambda queue: (queue.qsize(),),
)


# -- a list ------------------------------------------------------------------------------------------------------------


def append(collected: list[int], steps: range) -> int:
    for step in steps:
        collected.append(step % 100)  # noqa: PERF401 - one by one is what is measured
    return len(steps)


LIST: Kernel[list[int]] = Kernel(
    sizes={
        "quick": Scale(steps=700_000, expected=(700_000, 700_000, 34_650_000)),
        "full": Scale(steps=5_000_000, expected=(5_000_000, 5_000_000, 247_500_000)),
    },
    make=list,
    use=append,
    found=lambda collected: (len(collected), sum(collected)),
)


# -- settings that are read much and written rarely --------------------------------------------------------------------

EDITED_EVERY = 1000
"""Reads for each write."""


class Settings:
    """Read by all without a lock; an edit publishes a new dict under one, so that no reader sees half of it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.current = {"enabled": 1, "limit": 100, "edition": 0}

    def edit(self) -> None:
        with self._lock:
            self.current = {**self.current, "edition": self.current["edition"] + 1}


def consult(settings: Settings, steps: range) -> int:
    total = 0
    for step in steps:
        if step % EDITED_EVERY == 0:
            settings.edit()
        if settings.current["enabled"]:
            total += settings.current["limit"]
    return total


SETTINGS = Kernel(
    sizes={
        "quick": Scale(steps=300_000, expected=(30_000_000, 300)),
        "full": Scale(steps=6_000_000, expected=(600_000_000, 6_000)),
    },
    make=Settings,
    use=consult,
    found=lambda settings: (settings.current["edition"],),
)
