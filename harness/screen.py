"""What a person sees while something takes long: lines that stay and bars that move, on stderr.

Without a terminal (a log, CI) bars become a line now and then, so that silence never means "stuck".
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.progress import Task

_SECONDS_BETWEEN_LINES = 15.0


class Screen:
    """A harness.progress.Progress on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, markup=False)

    @contextmanager
    def task(self, label: str, total: float | None = None) -> Iterator[Task]:
        """A bar, or lines where there is no terminal; either says at the end how long it took."""
        began = time.monotonic()
        task: Task
        if self._console.is_terminal:
            with _bars(self._console, total) as bars:
                task = _Bar(bars, bars.add_task(label, total=total, note=""))
                yield task
        else:
            self.say(f"{label} ...")
            task = _Lines(self, label, total)
            yield task
        self.say(f"{label}: done in {clock(time.monotonic() - began)}")


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def update(self, done: float, note: str = "", total: float | None = None) -> None:
        self._bars.update(self._task, completed=done, note=note[:60], total=total)


class _Lines:
    def __init__(self, screen: Screen, label: str, total: float | None) -> None:
        self._screen = screen
        self._label = label
        self._total = total
        self._began = self._last = time.monotonic()

    def update(self, done: float, note: str = "", total: float | None = None) -> None:
        self._total = total or self._total
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        amount = ""
        if self._total:
            left = (now - self._began) / done * (self._total - done) if done else 0.0
            amount = f" {done / self._total:.0%}" + (f", about {clock(left)} left" if done else "")
        self._screen.say(f"{self._label}:{amount} {note}".rstrip())


def _bars(console: Console, total: float | None) -> Progress:
    spinner, label, note = SpinnerColumn(), TextColumn("{task.description}"), TextColumn("[dim]{task.fields[note]}")
    if total is None:
        return Progress(spinner, label, TimeElapsedColumn(), note, console=console, transient=True)
    return Progress(
        spinner,
        label,
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        note,
        console=console,
        transient=True,
    )


def clock(seconds: float) -> str:
    """A duration as a person says it: 8 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
