"""The host engine: the same plan on plain processes with an affinity mask, for machines without a container engine."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import IO

from harness.engine import LEAVING_SECONDS, OUTPUT_BYTES, Place, Worker
from harness.errors import HostError
from harness.model import BuildFacts, EngineFacts, cpu_list
from harness.workbench import Workbench


class HostWorker:
    """A session of its own, its output in an unnamed file."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self._said = ""
        self._ended: float | None = None
        self.left = 0
        """Processes that it left running, and that had to be killed."""

    def poll(self) -> int | None:
        """Exit status in the shell's convention, None while it, or for a while what it started, lives."""
        if self._process.returncode is None:
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self._ended = self._ended or time.monotonic()
            self.left = sum(1 for _ in _session(self._process.pid))
            if self.left and time.monotonic() < self._ended + LEAVING_SECONDS:
                return None
            self._end()
        status = self._process.returncode
        if not self._log.closed:
            self._said = self._tail()
            self._log.close()
        return status if status >= 0 else 128 - status

    def output(self) -> str:
        """The end of its output so far."""
        return self._said if self._log.closed else self._tail()

    def kill(self) -> None:
        """Kill the process group; nothing where the worker has ended."""
        if self._process.returncode is None:
            self._end()
            self.poll()

    def _end(self) -> None:
        """Kill the session while its leader is not reaped: after that the number may be another one's."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pid in _session(self._process.pid):  # those that made groups of their own
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _tail(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), OUTPUT_BYTES, max(0, size - OUTPUT_BYTES)).decode(errors="replace")


def _session(leader: int) -> Iterator[int]:
    """Living processes of a session beside its leader.  One that made a session of its own has got away."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
            pid = int(path.parent.name)
            if int(session) == leader and pid != leader and state not in "ZX":
                yield pid


class HostPlace:
    """Plain processes, started with a `prefix` of commands that end in becoming the worker: its pid is theirs."""

    def __init__(self, tools: PurePath, exchange: PurePath, prefix: Sequence[str]) -> None:
        self.tools = tools
        self.exchange = exchange
        self._prefix = prefix
        self._workers: list[HostWorker] = []

    def start(self, argv: list[str], env: dict[str, str]) -> Worker:
        """Start a worker in a session of its own, so that all it starts can be killed with it."""
        log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        try:
            process = subprocess.Popen(
                [*self._prefix, *argv],
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            log.close()
            raise HostError(f"cannot start {error.filename or self._prefix[0]}: {error.strerror}") from error
        worker = HostWorker(process, log)
        self._workers.append(worker)
        return worker

    def left(self) -> int:
        """What the workers left; it was killed when they ended."""
        return sum(worker.left for worker in self._workers)

    def clear(self) -> None:
        """Kill what still lives and forget the rest."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()


def pinned(cpus: tuple[int, ...]) -> list[str]:
    """The command that binds what follows it to a CPU set by its affinity mask."""
    return ["taskset", "--cpu-list", cpu_list(cpus)]


class HostEngine:
    """Interpreters of the host."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def facts(self) -> EngineFacts:
        """What a report must say of this engine."""
        return EngineFacts(
            kind="host",
            version=platform.release(),
            isolation="None: plain processes with an affinity mask, on the host's own libraries.",
        )

    def has(self, build: BuildFacts) -> bool:
        """Whether the interpreter is still there, and the same."""
        asked = [build.executable, "-I", "-c", "import sys; print(*sys.version.split())"]
        try:
            answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            return False
        installed = all(Path(one.folder).is_dir() for one in build.environments.values() if one.folder)
        return answer.strip() == build.version and installed

    @contextmanager
    def open(self, build: BuildFacts, cpus: tuple[int, ...], beside: Place | None = None) -> Iterator[Place]:
        """A place on `cpus`; its processes are gone at the end."""
        del beside
        place = HostPlace(self._bench.tools, self._bench.exchange, [*pinned(cpus), build.executable])
        try:
            yield place
        finally:
            place.clear()

    def neighbours(self) -> int | None:
        """Nobody counts them here."""
        return None

    def wait_until_ready(self, seconds: float) -> bool:
        """Always: the host is there."""
        time.sleep(0)
        return seconds >= 0
