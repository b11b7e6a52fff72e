"""A container's usher: the shell that waits in it and starts its workers.

An exec of the engine takes fifty milliseconds per process, and those of one container queue up.  A shell that is there
already takes two.  It is called through one named pipe, says through another one when a worker began and ended, and
gives each worker a third one for its output.  Workers get neither of the first two.
"""

from __future__ import annotations

import itertools
import os
import select
import shlex
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from harness.engine import LEAVING_SECONDS, OUTPUT_BYTES
from harness.errors import HostError

_CHUNK = 65_536
_CALLS = "calls"
_SAYS = "says"
_HERE = "here"

_ENTER = ("setsid", "env", "--ignore-environment", "--default-signal=INT,QUIT")
"""What a shell starts in the background ignores interrupts."""

_NUMBERS = itertools.count()
"""Of workers; not for each usher anew, since one may follow another in the same folder."""

_STARTING_SECONDS = 5.0
"""Within which a worker that is to be killed says its number."""


class Usher:
    """The outer side, for workers in a container that sees `folder` as `seen_as`, and executes `command`."""

    def __init__(self, folder: Path, seen_as: PurePath) -> None:
        self._folder = folder
        self._seen_as = seen_as
        self._workers: dict[int, UsheredWorker] = {}
        self.open()

    def open(self) -> None:
        """Make the pipes, for a container that is started after that."""
        self._here = threading.Event()
        self._calls = os.open(_pipe(self._folder / _CALLS), os.O_RDWR)  # for reading, too: it never ends
        self._listener = threading.Thread(
            target=self._listen, args=(_reader(_pipe(self._folder / _SAYS)),), daemon=True
        )
        self._listener.start()

    @staticmethod
    def command(seen_as: PurePath) -> list[str]:
        """What the container has to execute."""
        return ["sh", "-c", f"exec sh <{seen_as / _CALLS} >{seen_as / _SAYS}"]

    def is_here(self, seconds: float) -> bool:
        """Whether the container has begun to listen, or does so within `seconds`."""
        self.tell(f"echo {_HERE}\n")
        return self._here.wait(seconds)

    def start(self, argv: Sequence[str], env: Mapping[str, str]) -> UsheredWorker:
        """Start a process with exactly this environment, in a session of its own, its input empty.

        HostError where the usher has gone.
        """
        number = next(_NUMBERS)
        output = _pipe(self._folder / str(number))
        worker = self._workers[number] = UsheredWorker(self, output)
        command = shlex.join([*_ENTER, *(f"{name}={value}" for name, value in env.items()), *argv])
        told = f"{command} >{self._seen_as / output.name} 2>&1 & echo {number} began $!; wait $!"
        self.tell(f"({told}; echo {number} ended $?) &\n")
        return worker

    def tell(self, command: str) -> None:
        """Let the usher execute a command.  HostError where it has gone."""
        self.check()
        os.write(self._calls, command.encode())

    def check(self) -> None:
        """HostError where the usher has gone, as with its container: nobody else can tell of workers."""
        if not self._listener.is_alive():
            raise HostError("a container has ended, and all that was in it")

    def close(self) -> None:
        """Stop listening.  Not before the container has ended: it would begin to end by itself."""
        for path in self._folder.iterdir():
            with suppress(OSError):  # nobody listens: it was closed already
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            path.unlink(missing_ok=True)
        os.close(self._calls)

    def _listen(self, says: int) -> None:
        rest = b""
        for chunk in _chunks(says):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line == _HERE.encode():
                    self._here.set()
                    continue
                number, event, value = line.split()
                if event == b"began":
                    self._workers[int(number)].pid = int(value)
                else:
                    self._workers.pop(int(number)).status = int(value)
                    (self._folder / number.decode()).unlink(missing_ok=True)


class UsheredWorker:
    """One process.  A thread reads its output, so that the worker never blocks on a full pipe."""

    def __init__(self, usher: Usher, output: Path) -> None:
        self.pid: int | None = None
        """Its number in the container, and that of its session."""
        self.status: int | None = None
        self._usher = usher
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self._reader = threading.Thread(target=self._read, args=(_reader(output),), daemon=True)
        self._reader.start()

    def poll(self) -> int | None:
        """Exit status, None while it lives.  HostError where its container has ended before."""
        try:
            self._usher.check()
        except HostError:
            if self.status is None:
                raise
        if self.status is not None:
            self._reader.join(LEAVING_SECONDS)  # what it has started may still hold the pipe
        return self.status

    def output(self) -> str:
        """The end of its output so far."""
        return b"".join(tuple(self._chunks))[-OUTPUT_BYTES:].decode(errors="replace")

    def kill(self) -> None:
        """Kill it and what is in its group; nothing where it has ended."""
        deadline = time.monotonic() + _STARTING_SECONDS
        with suppress(HostError):
            while self.pid is None and time.monotonic() < deadline:
                self._usher.check()
                time.sleep(0.001)
            if self.pid is not None and self.status is None:
                self._usher.tell(f"kill -9 -{self.pid} || kill -9 {self.pid}\n")  # or it has no group yet

    def _read(self, fd: int) -> None:
        for chunk in _chunks(fd):
            self._chunks.append(chunk)
            self._kept += len(chunk)
            while self._kept - len(self._chunks[0]) > OUTPUT_BYTES:
                self._kept -= len(self._chunks.popleft())


def _pipe(path: Path) -> Path:
    """A named pipe for any user: a worker is another one."""
    os.mkfifo(path)
    path.chmod(0o666)
    return path


def _reader(path: Path) -> int:
    """The reading end of a named pipe, at once: who opens it for writing finds a reader there."""
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def _chunks(fd: int) -> Iterator[bytes]:
    """What is written to a pipe, until all who had it open for writing have closed it; not before somebody had."""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    try:
        while waiting.poll():
            if not (chunk := os.read(fd, _CHUNK)):
                return
            yield chunk
    finally:
        os.close(fd)
