"""The harness's side of lockstep: one socket, several workers, one turn at a time.

Why turns: on a machine whose CPUs change speed every few seconds, values that are measured right after one another
share a regime and values of whole processes do not.  The protocol stands in images/hook/gilometer_hook.py.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.engine import Worker
from harness.errors import HostError
from harness.journal import Turn

_POLL_SECONDS = 0.02


def back_and_forth(seats: Sequence[str], turns: int) -> list[str]:
    """Whose turn it is, where each seat has `turns`: A B C, C B A, and so on, so that no seat is always first."""
    return [seat for turn in range(turns) for seat in seats[:: -1 if turn % 2 else 1]]


@dataclass
class Track:
    """What the harness saw of one seat."""

    turns: list[Turn] = field(default_factory=list)
    silent: bool = False
    """The worker was given a turn, or time to get ready, and said nothing for too long."""


class Lockstep:
    """A listening socket below `directory`, for the workers of one block."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "turns"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(self.path))
        except OSError as error:
            self._listener.close()
            raise HostError(f"no socket at {self.path}: {error}", hint="Set TMPDIR to a short path.") from error
        self.path.chmod(0o666)  # the worker is another user
        self._listener.listen(64)
        self._seats: dict[str, socket.socket] = {}
        self._workers: Mapping[str, Worker] = {}
        self._tracks: dict[str, Track] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for connection in self._seats.values():
            connection.close()
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def seat(self, workers: Mapping[str, Worker], timeout: float) -> None:
        """Wait until each worker (by seat) is ready for its first turn or gone: nobody starts before all are there.

        A worker that is not there within `timeout` seconds is killed.
        """
        deadline = time.monotonic() + timeout
        self._workers = workers
        self._tracks = {seat: Track() for seat in workers}
        waiting = set(workers)
        self._listener.settimeout(_POLL_SECONDS)
        while waiting and time.monotonic() < deadline:
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                waiting -= {seat for seat in waiting if workers[seat].poll() is not None}
                continue
            _limit(connection, timeout)
            seat = _name(connection)
            if seat in waiting:
                waiting.discard(seat)
                self._seats[seat] = connection
            else:
                connection.close()
        for seat in waiting:
            if workers[seat].poll() is None:
                self._silence(seat)
        for seat in list(self._seats):
            self._listen(seat)

    def take_turns(self, schedule: Sequence[str], home: int) -> dict[str, Track]:
        """Let those seated take turns, one worker at a time, and return what happened, by seat.

        `schedule` says whose turn it is, turn by turn, warm-ups and values alike.  A seat that dies or falls silent for
        too long drops out and the others go on: its track has fewer turns; a silent worker is killed, since it may be
        busy.  Returns when every seat has had its turns or dropped out; the workers are then free to write their
        results and end.

        Meanwhile this thread is on CPU `home`, that of the workers with one thread: one that is done, this thread and
        the next one then follow each other on a CPU that never halts.  Waking a halted one takes longer than all else.
        It is a batch task, which Linux lets execute only when the worker that woke it is blocked.  Otherwise a worker
        would be interrupted between its request and its wait, and go on with it inside the next one's value.
        """
        began = time.monotonic()
        left = Counter(schedule)
        with _in_between(home):
            for seat in schedule:
                left[seat] -= 1
                if seat in self._seats:
                    self._give_turn(seat, began, last=not left[seat])
        for seat in list(self._seats):
            self._tell(seat)
        return self._tracks

    def _give_turn(self, seat: str, began: float, *, last: bool) -> None:
        granted = time.monotonic() - began
        if not self._tell(seat):
            return
        said = self._listen(seat)
        returned = time.monotonic() - began
        if said is None:
            return
        self._tracks[seat].turns.append(Turn(granted=granted, returned=returned))
        if said == b"=" and not last and self._tell(seat):  # the warm-ups are done, the values follow
            self._listen(seat)

    def _tell(self, seat: str) -> bool:
        try:
            self._seats[seat].sendall(b"!")
        except OSError:
            self._drop(seat)
            return False
        return True

    def _listen(self, seat: str) -> bytes | None:
        """The next byte of a seat; None, and the seat is dropped, when it is gone or silent for too long."""
        try:
            said = self._seats[seat].recv(1)
        except BlockingIOError:  # the time that it had is over
            self._silence(seat)
            said = b""
        except OSError:
            said = b""
        if not said:
            self._drop(seat)
            return None
        return said

    def _silence(self, seat: str) -> None:
        self._tracks[seat].silent = True
        self._workers[seat].kill()

    def _drop(self, seat: str) -> None:
        self._seats.pop(seat).close()


@contextmanager
def _in_between(cpu: int) -> Iterator[None]:
    """This thread on one CPU, in nobody's way there; where it may not be there, it stays where it is."""
    allowed, policy, param = os.sched_getaffinity(0), os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(OSError):
        os.sched_setaffinity(0, {cpu})
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        with suppress(OSError):
            os.sched_setscheduler(0, policy, param)


def _limit(connection: socket.socket, seconds: float) -> None:
    """How long a read may last.  By the kernel: a time-out of Python's polls before each read, and turns are short."""
    connection.settimeout(None)
    whole = int(seconds)
    timeval = struct.pack("@ll", whole, int(1e6 * (seconds - whole)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)


def _name(connection: socket.socket) -> str:
    """The seat that a worker says it has; empty where it says nothing."""
    try:
        with connection.makefile("rb", buffering=0) as lines:
            return os.fsdecode(lines.readline(80).strip())
    except OSError:
        return ""
