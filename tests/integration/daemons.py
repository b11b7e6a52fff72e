"""Daemons of tests' own, beside the one that is there."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.provision import Daemon
from tests.conftest import required


@contextmanager
def own(folder: Path, *options: str) -> Iterator[Daemon]:
    """A daemon to be started, with all that it has in `folder`; ended afterwards, and its images are gone.

    In a network namespace of its own: a second daemon would take the bridge and the rules of the first.
    """
    required(os.geteuid() == 0 and shutil.which("dockerd") and shutil.which("unshare"), "root, dockerd and unshare")
    daemon = Daemon(
        socket=folder / "docker.sock",
        pid_file=folder / "docker.pid",
        exec_root=folder / "exec",
        log_file=folder / "dockerd.log",
        options=(
            f"--host=unix://{folder / 'docker.sock'}",
            f"--pidfile={folder / 'docker.pid'}",
            f"--exec-root={folder / 'exec'}",
            f"--data-root={folder / 'data'}",
            *options,
        ),
        command=("unshare", "--net", "dockerd"),
    )
    yield daemon
    if daemon.pid_file.exists():
        pid = int(daemon.pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    shutil.rmtree(folder / "data", ignore_errors=True)
