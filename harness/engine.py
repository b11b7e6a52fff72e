"""What the harness asks of an engine.  Two engines answer: docker and host.

An engine gives *places*: one per build and CPU set, where worker processes of that build are started.  The worker's
side of the bargain is argv and a whitelisted environment in, files in the exchange directory and an exit status out.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from harness.model import BuildFacts, EngineFacts


class Worker(Protocol):
    """A worker process that was started."""

    def poll(self) -> int | None:
        """Exit status, None while it lives; killed by signal N is 128 + N."""

    def output(self) -> str:
        """The end of what it wrote to stdout and stderr so far, at most some kilobytes."""


class Place(Protocol):
    """Where workers of one build execute on one CPU set."""

    exchange: Path
    """The exchange directory as the harness sees it; workers may write here, and nowhere else but /tmp."""
    exchange_inside: str
    """The same directory as the worker sees it."""
    workloads_inside: str
    """The folder of workloads as the worker sees it, read-only."""

    def start(self, argv: list[str], env: dict[str, str]) -> Worker:
        """Start the build's interpreter with `argv` (its arguments, without the interpreter itself)."""

    def throttled_periods(self) -> int | None:
        """Periods in which this place was throttled since it was opened; None where unreadable."""

    def clear(self) -> None:
        """Kill every process that was started here and is still alive; the place can be used again."""


class Engine(Protocol):
    """Opens places."""

    def facts(self) -> EngineFacts:
        """What a report must say of this engine."""

    def open(self, build: BuildFacts, cpus: tuple[int, ...]) -> AbstractContextManager[Place]:
        """A place for workers of `build` on exactly `cpus`; left clean at the end, also on an interrupt."""
