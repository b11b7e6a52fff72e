"""What is said and done on machines of every kind, without changing this one."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from harness import provision
from harness.errors import HostError
from harness.progress import Silent
from harness.provision import Daemon, Machine

DEBIAN = Machine(distribution="debian", like=(), root=True, systemd=False, dockerd=False, system="Linux")


def other(**changes: object) -> Machine:
    return dataclasses.replace(DEBIAN, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("machine", "advice"),
    [
        (other(root=False), "installed and started"),
        (other(root=False, dockerd=True), "have it started"),
        (other(distribution="linuxmint", like=("ubuntu", "debian"), root=False), "./inv setup as root"),
        (other(distribution="fedora"), "dnf install moby-engine"),
        (other(distribution="rocky", like=("rhel", "centos", "fedora")), "podman.socket; then measure as root"),
        (other(distribution="opensuse-leap", like=("suse", "opensuse")), "zypper install docker"),
        (other(distribution="arch"), "pacman -S docker"),
        (other(distribution="void"), "Install Docker or Podman"),
        (other(system="Darwin", distribution=""), "measure on Linux"),
    ],
)
def test_where_nothing_is_installed_from_here_the_user_is_told_what_to_do(machine: Machine, advice: str) -> None:
    assert advice in provision.advice(machine)


def test_apt_is_for_debian_ubuntu_and_their_children() -> None:
    assert DEBIAN.apt
    assert other(distribution="linuxmint", like=("ubuntu",)).apt
    assert not other(distribution="fedora").apt


def test_an_engine_that_the_user_chose_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(HostError, match="nowhere"):
        provision.ensure_engine(Silent())


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    (tmp_path / "exec").mkdir()
    return Daemon(
        socket=tmp_path / "docker.sock",
        pid_file=tmp_path / "docker.pid",
        exec_root=tmp_path / "exec",
        log_file=tmp_path / "log",
        options=("--no-such-option",),
    )


def test_a_daemon_that_ends_is_reported_with_its_last_lines(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    program = daemon.socket.parent / "bin" / "dockerd"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "unknown flag: $1" >&2\nexit 125\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(HostError, match="unknown flag: --no-such-option") as caught:
        provision.start_daemon(daemon)
    assert str(daemon.log_file) in caught.value.hint


def test_a_pid_file_of_an_earlier_boot_is_removed(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number in it may be that of any process by now: this one, say."""
    monkeypatch.setenv("PATH", str(daemon.exec_root))
    daemon.pid_file.write_text(str(os.getpid()))
    program = daemon.exec_root / "dockerd"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(HostError):
        provision.start_daemon(daemon)
    assert not daemon.pid_file.exists()
