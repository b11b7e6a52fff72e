"""Where long work says how far it is.  The rooms below the session report here and never know the screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One piece of long work."""

    def update(self, done: float, note: str = "", total: float | None = None) -> None:
        """`done` is in the unit of the total; `note` replaces the last note, `total` a total that was wrong."""


class Progress(Protocol):
    """A place to report to."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def task(self, label: str, total: float | None = None) -> AbstractContextManager[Task]:
        """A bar that lives as long as the context; without a total it only shows that something goes on."""


class Silent:
    """Reports nowhere."""

    def say(self, text: str) -> None:
        """Drops the line."""

    def update(self, done: float, note: str = "", total: float | None = None) -> None:
        """Drops the update."""

    @contextmanager
    def task(self, label: str, total: float | None = None) -> Iterator[Task]:  # noqa: ARG002 - the protocol's names
        """A task that drops its updates."""
        yield self
