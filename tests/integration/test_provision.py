"""A daemon of this test's own, beside the one that is there: started by hand, as on machines without systemd."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import provision
from harness.progress import Silent
from harness.provision import Daemon
from tests.conftest import required
from tests.integration import daemons


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with daemons.own(tmp_path, "--storage-driver=vfs") as daemon:
        yield daemon


def interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def test_a_daemon_is_started_answers_and_outlives_its_starter(daemon: Daemon) -> None:
    before = interfaces()
    daemon.pid_file.write_text(str(os.getpid()))  # of an earlier boot, when the number was a dockerd's
    connection = provision.start_daemon(daemon)
    assert connection.client.ping()
    connection.client.close()
    pid = int(daemon.pid_file.read_text())
    assert os.getsid(pid) == pid != os.getsid(0)
    assert interfaces() == before


def test_a_daemon_that_is_there_is_not_started_twice(daemon: Daemon) -> None:
    provision.start_daemon(daemon).client.close()
    pid = daemon.pid_file.read_text()
    provision.start_daemon(daemon).client.close()
    assert daemon.pid_file.read_text() == pid


def test_an_engine_that_answers_is_left_as_it_is() -> None:
    required(shutil.which("dockerd"), "dockerd")
    assert provision.ensure_engine(Silent())[0].endswith("was there")
