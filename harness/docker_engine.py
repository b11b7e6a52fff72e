"""The docker engine: hardened containers that wait, with an usher that starts their workers.

A container per worker would cost a hundred times as much time, and a CPU set is a property of the container: so there
is one container per build and CPU set, alive as long as the run.
"""

from __future__ import annotations

import io
import platform
import secrets
import tarfile
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import docker
from docker.types import Mount
from docker.utils.socket import frames_iter

from harness.docker_client import LABEL, LIMITS, PROCESSES, Connection, engine_errors
from harness.engine import LEAVING_SECONDS, OUTPUT_BYTES, Place, Worker
from harness.errors import HostError
from harness.model import BuildFacts, EngineFacts, cpu_list
from harness.usher import Usher
from harness.workbench import Workbench

WORKER_LABEL = f"{LABEL}.worker"
"""On worker containers: the name of the machine that started them."""
_LABELS = {LABEL: "1", WORKER_LABEL: platform.node()}

TOOLS = PurePosixPath("/gilometer")
EXCHANGE = PurePosixPath("/exchange")
USHER = PurePosixPath("/usher")
HOSTNAME = "gilometer"
USER = 10001
"""Number of the user and the group that the Dockerfiles make."""
TMP_OPTIONS = "size=256m,mode=1777"

_MAKING_SECONDS = 2.0
"""For how long a container that was asked for may still appear after an interrupt."""

_HERE_SECONDS = 10.0
"""Within which a container that was started listens."""

_KILL = """
import os, signal, sys
wanted = [argument.encode() for argument in sys.argv[1:]]
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if file.read().split(b"\\0")[1:-1] == wanted:
                os.kill(int(pid), signal.SIGKILL)
    except OSError:
        pass
"""


class ExecWorker:
    """One exec, under any user.  A thread reads its output, so that the worker never blocks on a full pipe."""

    def __init__(
        self,
        client: docker.DockerClient,
        container: str,
        executable: str,
        argv: list[str],
        env: dict[str, str],
        *,
        user: str = "",
        kept: int = OUTPUT_BYTES,
    ) -> None:
        self._api = client.api
        self._container = container
        self._executable = executable
        self._argv = argv
        self._most = kept
        self._chunks: deque[bytes] = deque()
        self._kept = 0
        self._status: int | None = None
        with engine_errors():
            self._id: str = self._api.exec_create(container, [executable, *argv], environment=env, user=user)["Id"]
            stream = self._api.exec_start(self._id, socket=True)
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: Any) -> None:
        # An engine that dies shows in poll(), where it can be reported.
        with suppress(Exception), closing(stream._response):  # docker-py keeps it there and never closes it
            for _, chunk in frames_iter(stream, tty=False):  # type: ignore[no-untyped-call]
                self._chunks.append(chunk)
                self._kept += len(chunk)
                while self._kept - len(self._chunks[0]) > self._most:
                    self._kept -= len(self._chunks.popleft())

    def poll(self) -> int | None:
        """Exit status, None while it lives.  HostError when the engine does not answer."""
        if self._status is None and not self._reader.is_alive():
            with engine_errors():
                found = self._api.exec_inspect(self._id)
            if not found["Running"]:  # in Podman a worker has status 0 as long as it lives
                self._status = found["ExitCode"]
        return self._status

    def output(self) -> str:
        """The end of its output so far."""
        return b"".join(tuple(self._chunks))[-self._most :].decode(errors="replace")

    def kill(self) -> None:
        """Kill it from inside its container, by its arguments: the engine has no call for it."""
        with suppress(HostError), engine_errors():
            exec_id = self._api.exec_create(self._container, [self._executable, "-c", _KILL, *self._argv])["Id"]
            self._api.exec_start(exec_id)


class DockerPlace:
    """A waiting container."""

    tools: PurePath = TOOLS
    exchange: PurePath = EXCHANGE

    def __init__(self, container: Any, executable: str, usher: Usher) -> None:
        self._container = container
        self._executable = executable
        self._usher = usher
        self._init: int | None = None
        """The number that this host knows the container's first process by, once it was asked for."""

    @property
    def container(self) -> str:
        """The engine's number of the container."""
        return str(self._container.id)

    def open(self) -> None:
        """Start the container, or start it again."""
        with engine_errors():
            self._container.start()
            if not self._usher.is_here(_HERE_SECONDS):
                said = self._container.logs(tail=1).decode(errors="replace").strip()
                raise HostError(f"a container starts no workers: {said or 'it says nothing'}")

    def start(self, argv: list[str], env: dict[str, str]) -> Worker:
        """Let the usher start a worker."""
        return self._usher.start([self._executable, *argv], env)

    def left(self) -> int:
        """Children of the container's init beside the process that waits: whose parent has ended becomes its child.

        Zero where this host does not show them.
        """
        deadline = time.monotonic() + LEAVING_SECONDS
        while (left := self._orphans()) and time.monotonic() < deadline:
            time.sleep(0.002)
        return left

    def _orphans(self) -> int:
        if self._init is None:
            with engine_errors():
                self._container.reload()
            self._init = int(self._container.attrs["State"]["Pid"])
        try:
            children = Path(f"/proc/{self._init}/task/{self._init}/children").read_text().split()
        except OSError:
            return 0
        return max(0, len(children) - 1)

    def clear(self) -> None:
        """Restart the container: every process in it dies, whatever it did to hide."""
        with engine_errors():
            self._container.stop(timeout=0)
        self._usher.close()
        self._usher.open()
        self._init = None
        self.open()


class Cell:
    """A container for code that nobody vouches for: it keeps nothing, and reaches nothing that it is not given."""

    def __init__(self, client: docker.DockerClient, container: Any, executable: str) -> None:
        self._client = client
        self._container = container
        self._executable = executable

    def start(self, argv: list[str], env: dict[str, str], *, user: str = f"{USER}:{USER}", kept: int) -> Worker:
        """Start the build's interpreter with `argv`, as `user`; the last `kept` bytes of its output are."""
        return ExecWorker(self._client, self._container.id, self._executable, argv, env, user=user, kept=kept)


@dataclass(frozen=True, slots=True)
class Walls:
    """What a cell may have."""

    shown: Mapping[Path, str]
    """Folders of this host that it reads: where they are, and where it sees them."""
    given: Mapping[Path, str] = field(default_factory=dict)
    """Folders of this host that it may write to."""
    own: str = ""
    """A folder of its own that goes with it, which only root may write to; none where empty."""
    network: bool = False
    memory: int = 2 << 30
    """Bytes, of all its processes and of /tmp."""
    processes: int = 256
    """Threads included."""


@contextmanager
def cell(client: docker.DockerClient, build: BuildFacts, walls: Walls) -> Iterator[Cell]:
    """A cell on a build's image; nothing of it is left at the end."""
    folders = {str(path): {"bind": place, "mode": "ro"} for path, place in walls.shown.items()}
    folders |= {str(path): {"bind": place, "mode": "rw"} for path, place in walls.given.items()}
    with _made(
        client,
        build.image,
        ["sleep", "infinity"],
        user=f"{USER}:{USER}",
        volumes=folders,
        mounts=[Mount(walls.own, None)] if walls.own else [],
        mem_limit=walls.memory,
        memswap_limit=walls.memory,
        pids_limit=walls.processes,
        hostname=HOSTNAME,
        **({} if walls.network else {"network_mode": "none"}),
    ) as container:
        with engine_errors():
            container.start()
        yield Cell(client, container, build.executable)


@contextmanager
def _made(client: docker.DockerClient, image: str, command: list[str], **settings: Any) -> Iterator[Any]:
    """A hardened container, not started yet; removed at the end, with its own volumes."""
    name = f"gilometer-{secrets.token_hex(6)}"
    with _none_left(client, name), engine_errors():
        container = client.containers.create(
            image,
            command,
            name=name,
            labels=_LABELS,
            init=True,
            read_only=True,
            tmpfs={"/tmp": TMP_OPTIONS},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            ulimits=list(LIMITS),
            environment={},
            use_config_proxy=False,
            **settings,
        )
    try:
        yield container
    finally:
        with suppress(HostError), engine_errors():
            container.remove(force=True, v=True)


@contextmanager
def _folder(parent: Path) -> Iterator[Path]:
    """A folder that any user may look into."""
    with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def _none_left(client: docker.DockerClient, name: str) -> Iterator[None]:
    """Where an interrupt comes while the engine makes a container: it makes it all the same, and it is removed."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        deadline = time.monotonic() + _MAKING_SECONDS
        while time.monotonic() < deadline:
            with suppress(docker.errors.APIError, OSError):  # not there yet
                client.containers.get(name).remove(force=True, v=True)
                break
            time.sleep(0.05)
        raise


class _Joined(io.RawIOBase):
    """The pieces of a stream as one file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = filter(None, pieces)  # nothing read would mean the end
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or memoryview(next(self._pieces, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class DockerEngine:
    """Docker, or Podman behind Docker's API."""

    def __init__(self, connection: Connection, bench: Workbench) -> None:
        self._client = connection.client
        self._name = connection.name
        self._bench = bench

    def facts(self) -> EngineFacts:
        """What a report must say of this engine."""
        return EngineFacts(
            kind="docker",
            version=self._name,
            isolation="Containers: pinned CPU set, no network, read-only, no capabilities, not root.",
        )

    def has(self, build: BuildFacts) -> bool:
        """Whether the engine still has the image, by its id."""
        with engine_errors():
            try:
                self._client.images.get(build.image)
            except docker.errors.ImageNotFound:
                return False
        return True

    @contextmanager
    def open(self, build: BuildFacts, cpus: tuple[int, ...], beside: Place | None = None) -> Iterator[Place]:
        """A container of the build's image, pinned to `cpus`; removed at the end.

        Two containers need no network together, which takes half the time that each with none of its own does.
        """
        network: dict[str, str] = {"network_mode": "none", "hostname": HOSTNAME}
        if isinstance(beside, DockerPlace):
            network = {"network_mode": f"container:{beside.container}"}
            if self._name.startswith("Podman"):  # Docker names it as the other one, and refuses to be told
                network["hostname"] = HOSTNAME
        with _folder(self._bench.exchange.parent) as folder, closing(Usher(folder, USHER)) as usher:
            volumes = {
                str(self._bench.tools): {"bind": str(TOOLS), "mode": "ro"},
                str(self._bench.exchange): {"bind": str(EXCHANGE), "mode": "rw"},
                str(folder): {"bind": str(USHER), "mode": "ro"},
            }
            with _made(
                self._client,
                build.image,
                Usher.command(USHER),
                user=f"{USER}:{USER}",
                cpuset_cpus=cpu_list(cpus),
                volumes=volumes,
                pids_limit=PROCESSES,
                **network,
            ) as container:
                place = DockerPlace(container, build.executable, usher)
                place.open()
                yield place

    def neighbours(self) -> int | None:
        """Running containers without our label."""
        with engine_errors():
            return sum(LABEL not in (container["Labels"] or {}) for container in self._client.api.containers())

    def unpack(self, image: str, folder: Path) -> None:
        """Write the file system of an image to `folder`, which is made.

        HostError where the engine does not give it, OSError where it cannot be written.
        """
        folder.mkdir()
        folder.chmod(0o755)  # it is the / of other users
        with engine_errors():
            container = self._client.containers.create(image, labels=_LABELS)
        try:
            with engine_errors():
                stream = io.BufferedReader(_Joined(self._client.api.export(str(container.id))))
                with tarfile.open(fileobj=stream, mode="r|") as archive:
                    archive.extraction_filter = getattr(tarfile, "tar_filter", None)  # Debian 12's 3.11 has none
                    archive.extractall(folder)
        except tarfile.TarError as error:
            raise HostError(f"the engine's export of an image cannot be read: {error}") from error
        finally:
            with suppress(HostError), engine_errors():
                container.remove(force=True, v=True)

    def close(self) -> None:
        """Close the connections to the engine."""
        self._client.close()

    def wait_until_ready(self, seconds: float) -> bool:
        """Whether the engine answers, or does so again within `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(HostError), engine_errors():
                self._client.ping()
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)

    def remove_left_behind(self) -> int:
        """Remove worker containers of runs that were killed.  Only with the machine's lock held: all are stale then."""
        return remove_left_behind(self._client)


def remove_left_behind(client: docker.DockerClient) -> int:
    """Remove worker containers of runs that were killed, which leaves those of other machines on the same engine."""
    with engine_errors():
        containers = client.containers.list(all=True, filters={"label": f"{WORKER_LABEL}={platform.node()}"})
        for container in containers:
            try:
                container.remove(force=True, v=True)
            except docker.errors.APIError as error:
                if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                    raise  # otherwise it is gone, or going: the run before ended a moment ago
    return len(containers)
