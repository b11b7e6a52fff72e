# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Many short sleeps, shared out over threads or over the tasks of an event loop."
# strategies = ["threads", "pool", "asyncio"]
# sized = true
# full_seconds = 1.1
# ///
"""Waiting and nothing else: sleeps of two milliseconds, one after the other in each thread or task.

It stands for programs that wait for others most of the time: pollers, chat bots, clients of slow services.  A sleeping
thread holds no GIL and a sleeping task no thread, so as many wait at once as there are threads or tasks, on every
build.  Nothing should change between builds; what does is the cost of waking up, or a fault of the measurement.
"""

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(sleeps=16, sleep_ms=2, expected=32),
    "full": Scale(sleeps=500, sleep_ms=2, expected=1000),
}


def job(sleeps: int, sleep_ms: int) -> list[int]:
    return [sleep_ms] * sleeps


def sleep_through(part: Sequence[int]) -> int:
    for milliseconds in part:
        time.sleep(milliseconds / 1000)
    return sum(part)


async def sleep_in_task(part: Sequence[int]) -> int:
    for milliseconds in part:
        await asyncio.sleep(milliseconds / 1000)
    return sum(part)


if __name__ == "__main__":
    run("io/sleeps", sizes=SIZES, job=job, work=sleep_through, task=sleep_in_task)
