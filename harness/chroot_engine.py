"""The docker and chroot engine: builds in their containers, and the same images on the host without any.

What differs between the two is the container and nothing else: a worker on the host sees the files of the image and the
paths of the workbench that a container has, under the same user and in the same environment.  It has no cgroup, no
seccomp filter and no namespace of its own but for what is mounted where.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.docker_engine import EXCHANGE, TMP_OPTIONS, TOOLS, USER, USHER, DockerEngine
from harness.engine import DOCKER_AND_CHROOT, Place, Worker
from harness.errors import HostError
from harness.host_engine import HostPlace, pinned
from harness.model import BuildFacts, EngineFacts, Isolation
from harness.workbench import Workbench

_SCRATCH = Path("/var/tmp")
"""On a disk, as the images of the engine are: /tmp may be memory."""
_PREFIX = "gilometer-image-"

_ENTER = f"""\
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro,nosuid,nodev "$1"
cd "$1"
mount --rbind /dev dev
mount --rbind /proc proc
mount --rbind /sys sys
mount -t tmpfs -o ro tmpfs sys/fs/cgroup
mount --bind /etc/hosts etc/hosts
mount -t tmpfs -o {TMP_OPTIONS} tmpfs tmp
mount --bind "$2" .{TOOLS}
mount -o remount,bind,ro,nosuid,nodev .{TOOLS}
mount --bind "$3" .{EXCHANGE}
shift 3
exec "$@"
"""
"""Of a tree, tools and exchange, what a container has at the same paths; then a command.  A worker has no cgroup of
its own to read, and those of the machine would be taken for it."""


class ChrootPlace(HostPlace):
    """Plain processes that see the file system of an image: each has its mounts, which end with it."""

    def __init__(self, tree: Path, bench: Workbench, executable: str, cpus: tuple[int, ...]) -> None:
        enter = ["sh", "-c", _ENTER, "sh", str(tree), str(bench.tools), str(bench.exchange)]
        inside = ["unshare", *_become_worker(), f"--root={tree}", "--wd=/", "env", "--ignore-environment"]
        super().__init__(TOOLS, EXCHANGE, [*pinned(cpus), *_unshare_mounts(), *enter, *inside])
        self._executable = executable

    def start(self, argv: list[str], env: dict[str, str]) -> Worker:
        """Start a worker whose environment is the one that it would have in a container."""
        return super().start([*(f"{name}={value}" for name, value in env.items()), self._executable, *argv], env)


class ChrootEngine:
    """Containers by `containers` for the builds that are isolated by one, and a chroot of their image for the others.

    Images are unpacked when first needed and removed at the end.  HostError where this host has no chroot for us.
    """

    def __init__(self, containers: DockerEngine, bench: Workbench) -> None:
        check()
        self._containers = containers
        self._bench = bench
        self._trees: dict[str, Path] = {}
        self._unpacked = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._trees.clear()
        self._unpacked.close()

    def facts(self) -> EngineFacts:
        """What a report must say of this engine."""
        containers = self._containers.facts()
        return EngineFacts(
            kind=DOCKER_AND_CHROOT,
            version=containers.version,
            isolation=f"{containers.isolation} On the host: none, plain processes with an affinity mask that see the "
            "same files, not root.",
        )

    def has(self, build: BuildFacts) -> bool:
        """Whether Docker still has the image, by its id."""
        return self._containers.has(build)

    def open(
        self, build: BuildFacts, cpus: tuple[int, ...], beside: Place | None = None
    ) -> AbstractContextManager[Place]:
        """A container or a chroot, as the build is isolated."""
        match build.isolation:
            case Isolation.CONTAINER:
                return self._containers.open(build, cpus, beside)
            case Isolation.NONE:
                return self._open_chroot(build, cpus)

    def neighbours(self) -> int | None:
        """Running containers that are not ours."""
        return self._containers.neighbours()

    def wait_until_ready(self, seconds: float) -> bool:
        """Whether Docker answers, or does so again within `seconds`."""
        return self._containers.wait_until_ready(seconds)

    def remove_left_behind(self) -> int:
        """Remove images that killed runs had unpacked.  Only with the machine's lock held: all are stale then."""
        stale = [path for path in _SCRATCH.glob(f"{_PREFIX}*") if path.lstat().st_uid == os.geteuid()]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True)
        return len(stale)

    @contextmanager
    def _open_chroot(self, build: BuildFacts, cpus: tuple[int, ...]) -> Iterator[Place]:
        place = ChrootPlace(self._tree(build.image), self._bench, build.executable, cpus)
        try:
            yield place
        finally:
            place.clear()

    def _tree(self, image: str) -> Path:
        """The files of an image.  HostError where they cannot be unpacked."""
        if image not in self._trees:
            with ExitStack() as stack:
                try:
                    private = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_SCRATCH, ignore_cleanup_errors=True)
                    tree = Path(stack.enter_context(private)) / "root"
                    self._containers.unpack(image, tree)
                    for mounted in (TOOLS, EXCHANGE, USHER):  # nothing is in the last one
                        (tree / mounted.relative_to("/")).mkdir(exist_ok=True)
                except OSError as error:
                    raise HostError(f"an image cannot be unpacked to {_SCRATCH}: {error}") from error
                self._unpacked.enter_context(stack.pop_all())
            self._trees[image] = tree
        return self._trees[image]


def check() -> None:
    """HostError where this host does not let us choose what a process sees of the file system."""
    harmless = [*_unshare_mounts(), "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    try:
        ended = subprocess.run(harmless, capture_output=True, text=True, check=False)
    except OSError as error:
        raise HostError(f"{error.filename} is missing on this host", hint="It is part of util-linux.") from error
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:] or [f"exit status {ended.returncode}"]
        raise HostError(
            f"an image cannot be used here without a container, since mounts of its own are refused: {last[0]}",
            hint="It takes root with CAP_SYS_ADMIN, or unprivileged user namespaces "
            "(sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
            "kernel.apparmor_restrict_unprivileged_userns).",
        )


def _unshare_mounts() -> list[str]:
    """The command after which mounts are seen, and live, in this process and its children only.

    Private, so that no mount is ever seen by who removes the tree: it would reach through into /dev.
    """
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *as_root, "--mount", "--propagation", "private"]


def _become_worker() -> list[str]:
    """Options of unshare for the user that a container has: really it, or by that name where we are not root."""
    if os.geteuid() == 0:
        return [f"--setgid={USER}", f"--setuid={USER}"]
    return [f"--map-group={USER}", f"--map-user={USER}"]
