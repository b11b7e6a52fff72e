"""The processes of a fleet, on this machine: a scheduler, workers and a client, which tests kill, stop and restart."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness import store
from harness.fleet import FLEET, Answered, Assigned, AttemptLine, Lost

ROOT = Path(__file__).parents[2]

SILENCE = "5s"
"""After which a worker that is stopped is taken for dead."""

_PROGRAM = """
import os, sys
from pathlib import Path
from harness import dispatch, execution, fleets, runs
from harness.errors import GilometerError
from harness.request import BenchOptions
execution.disturbances = lambda *_: ()  # whatever else the machine does
fleets.Dispatcher.__init__.__defaults__ = (1.0,)  # seconds of patience with a host that is gone
runs.RESULTS, runs.WORKLOADS = Path(sys.argv[1]), Path(sys.argv[2])
verb, where, *rest = sys.argv[3:]
keys = os.environ.get("KEYS")
match verb:
    case "scheduler":
        fleets.scheduler(where, certificates=keys, silence=rest[0])
    case "worker":
        name, kind, builds, engine = rest
        options = fleets.WorkerOptions(certificates=keys, name=name, class_=kind, builds=builds or None, engine=engine)
        fleets.worker(where, options)
    case "bench":
        builds, blocks, engine = rest
        options = BenchOptions(builds=builds, blocks=blocks, engine=engine, threads="1", measures="time", seed="1")
        sys.exit(fleets.bench(options, where, spread="class", certificates=keys))
    case "resume":
        sys.exit(fleets.resume(Path(rest[0])))
"""


class Fleet:
    """Starts processes in a folder and ends those that are left; with certificates over TLS."""

    def __init__(
        self, folder: Path, workloads: Path, builds: tuple[str, ...], engine: str = "docker", keys: Path | None = None
    ) -> None:
        self.folder = folder
        self.workloads = workloads
        self.builds = ",".join(builds)
        self.engine = engine
        self.keys = keys
        (port,) = free_ports(1)
        self.address = f"{'tls' if keys else 'tcp'}://127.0.0.1:{port}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def scheduler(self) -> subprocess.Popen[bytes]:
        """Start the scheduler, and wait until it listens."""
        process = self._start("scheduler", self.address, SILENCE)
        port = int(self.address.rpartition(":")[2])

        def listens() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        wait_for(listens, process)
        return process

    def worker(
        self, name: str, kind: str, *, builds: str | None = None, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker of a class; it joins in its own time.  With `builds` "" it offers what its engine has."""
        named = self.builds if builds is None else builds
        return self._start("worker", self.address, name, kind, named, self.engine, environment=environment or {})

    def joined(self, name: str) -> bool:
        """Whether a worker has said that it has joined."""
        return "joined" in self.said("worker-" + name)

    def bench(self, blocks: int) -> subprocess.Popen[bytes]:
        """Start a client."""
        return self._start("bench", self.address, self.builds, str(blocks), self.engine)

    def resume(self) -> subprocess.Popen[bytes]:
        """Start a client that goes on with the run."""
        return self._start("resume", self.address, str(self.run))

    @property
    def run(self) -> Path:
        """The only run there is."""
        (file,) = self.folder.glob(f"results/*/{FLEET}")
        return file.parent

    def attempts(self) -> tuple[AttemptLine, ...]:
        """What the journal of attempts holds by now."""
        return store.load_attempts(self.run) if any(self.folder.glob(f"results/*/{FLEET}")) else ()

    def answered(self, share: str) -> int:
        """How many blocks of a share were answered."""
        return sum(isinstance(one, Answered) and one.share == share for one in self.attempts())

    def lost(self, share: str) -> list[Lost]:
        """Attempts of a share that were lost."""
        return [one for one in self.attempts() if isinstance(one, Lost) and one.share == share]

    def open(self, share: str) -> bool:
        """Whether a host is being asked for a block of a share."""
        mine = [one for one in self.attempts() if one.share == share]
        return bool(mine) and isinstance(mine[-1], Assigned)

    def said(self, name: str) -> str:
        """What the processes of a name wrote."""
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"{name}-[0-9]*.log")))

    def close(self) -> None:
        """End what is left."""
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            process.kill()
            process.wait()

    def _start(
        self, verb: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        name = f"worker-{arguments[1]}" if verb == "worker" else verb
        member = {"scheduler": "scheduler", "worker": f"hosts/{arguments[1]}"}.get(verb, "client")
        keys = {"KEYS": str(self.keys / member)} if self.keys else {}
        with (self.folder / f"{name}-{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(self.folder / "results"), str(self.workloads), verb, *arguments],
                cwd=ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"} | keys | dict(environment or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process


def free_ports(count: int) -> list[int]:
    """Of loopback, that nobody has."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


def wait_for(condition: Callable[[], bool], *alive: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Until it holds; fails where it does not in time, or one of those that should live ends."""
    deadline = time.monotonic() + seconds
    while not condition():
        for process in alive:
            assert process.poll() is None, process.args
        assert time.monotonic() < deadline
        time.sleep(0.05)
