"""What the harness asks of an engine.  Three engines answer: docker, host, and docker and chroot.

An engine gives *places*: one per build and CPU set, where worker processes of that build are started.  The worker's
side of the bargain is argv and a whitelisted environment in, a file in the exchange directory and an exit status out.
"""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from pathlib import PurePath
from typing import Protocol

from harness.model import Build, BuildFacts, EngineFacts, Workload

DOCKER_AND_CHROOT = "docker and chroot"
"""`EngineFacts.kind` of the engine that has images in their containers and outside of them."""

LEAVING_SECONDS = 0.5
"""For how long what a worker started may live on after it: multiprocessing's helpers end when they see it gone."""

OUTPUT_BYTES = 16_384
"""How much of a worker's output is kept: the end of it."""


class Worker(Protocol):
    """A worker process that was started."""

    def poll(self) -> int | None:
        """Exit status, None while it lives; killed by signal N is 128 + N."""

    def output(self) -> str:
        """The last OUTPUT_BYTES that it wrote to stdout and stderr so far."""

    def kill(self) -> None:
        """Stop it at once; no error when it has ended already."""


class Place(Protocol):
    """Where workers of one build execute on one CPU set."""

    tools: PurePath
    """The workbench's tools directory as the worker sees it."""
    exchange: PurePath
    """The workbench's exchange directory as the worker sees it."""

    def start(self, argv: list[str], env: dict[str, str]) -> Worker:
        """Start the build's interpreter with `argv`, its arguments, and nothing but `env` in its environment."""

    def left(self) -> int:
        """Processes that workers which have ended left running here; those that are about to end are waited for."""

    def clear(self) -> None:
        """Kill every process that was started here and still lives; the place can be used again."""


class Engine(Protocol):
    """Opens places.  All methods raise HostError when the engine does not answer."""

    def facts(self) -> EngineFacts:
        """What a report must say of this engine."""

    def has(self, build: BuildFacts) -> bool:
        """Whether the build is still there, the very same."""

    def open(
        self, build: BuildFacts, cpus: tuple[int, ...], beside: Place | None = None
    ) -> AbstractContextManager[Place]:
        """A place for workers of `build` on exactly `cpus`; nothing of it is left at the end, also on an interrupt.

        `beside` is a place of the same build that stays open for longer: what no worker changes may be shared with it.
        """

    def neighbours(self) -> int | None:
        """Running containers that are not ours; None where there is no such count."""

    def wait_until_ready(self, seconds: float) -> bool:
        """Whether the engine answers, or does so again within `seconds`."""


ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
}
"""Of every process that is started in a place, whatever it executes."""


def jit_switch(build: Build) -> dict[str, str]:
    """The just-in-time compiler as the build wants it, in an environment of the same size for every build."""
    return {"PYTHON_JIT": str(int(build.jit))}


def environment(place: Place, build: BuildFacts, workload: Workload) -> dict[str, str]:
    """What every worker's environment holds; a block adds its own, and there is nothing else in it.

    Names and lengths are the same for all builds in containers.
    """
    locked = build.environments.get(workload.requirements)
    path = [str(place.tools / "hook"), *([locked.folder] if locked else [])]
    return ENVIRONMENT | {"PYTHONPATH": ":".join(path), **jit_switch(build.build)}


def killed_by(status: int) -> str:
    """The signal that a worker with this exit status was killed by; empty where it ended by itself."""
    if status <= 128:
        return ""
    try:
        return signal.Signals(status - 128).name
    except ValueError:
        return f"signal {status - 128}"
