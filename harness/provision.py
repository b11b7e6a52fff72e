"""What this machine lacks for building and measuring: a running container engine, debootstrap.

On Debian and Ubuntu, as root, it is installed from the distribution and started, with or without systemd.  Anywhere
else the user is told what to do: nobody's machine is changed by guesswork.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import docker_client, network
from harness.errors import HostError
from harness.progress import Progress

_SYSTEMD = Path("/run/systemd/system")
_START_SECONDS = 60
_LAST_LINES = 12
_ENGINE_PACKAGE = "docker.io"


_PACKAGES = {
    "fedora": "dnf install moby-engine && systemctl enable --now docker",
    "rhel": "dnf install podman && systemctl enable --now podman.socket",
    "suse": "zypper install docker && systemctl enable --now docker",
    "arch": "pacman -S docker && systemctl enable --now docker",
    "alpine": "apk add docker && rc-update add docker && service docker start",
}
"""Distribution to the command that brings an engine."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides how an engine can be had here."""

    distribution: str
    """ID of os-release."""
    like: tuple[str, ...]
    """ID_LIKE of os-release."""
    root: bool
    systemd: bool
    dockerd: bool
    """Whether the daemon is installed."""
    system: str
    """As uname says it."""

    @property
    def apt(self) -> bool:
        """Whether packages are Debian's or Ubuntu's."""
        return bool({"debian", "ubuntu"} & {self.distribution, *self.like})


@dataclass(frozen=True, slots=True)
class Daemon:
    """A dockerd that is started by hand; the defaults are its own."""

    socket: Path = Path("/var/run/docker.sock")
    pid_file: Path = Path("/var/run/docker.pid")
    exec_root: Path = Path("/var/run/docker")
    log_file: Path = Path("/var/log/gilometer-dockerd.log")
    options: tuple[str, ...] = ()

    @property
    def address(self) -> docker_client.Address:
        """Where it answers."""
        return docker_client.Address(f"unix://{self.socket}", "started from here")


def read_machine() -> Machine:
    """This machine."""
    release = network.os_release()
    return Machine(
        distribution=release.get("ID", ""),
        like=tuple(release.get("ID_LIKE", "").split()),
        root=os.geteuid() == 0,
        systemd=_SYSTEMD.is_dir(),
        dockerd=shutil.which("dockerd", path=_search_path()) is not None,
        system=os.uname().sysname,
    )


def ensure_engine(progress: Progress) -> list[str]:
    """Have an engine that answers, installed and started where need be.  Returns what was found and done.

    Raises HostError, saying what to do, where this machine is not one that can be set up from here.
    """
    try:
        connection = docker_client.find()
    except HostError as error:
        if docker_client.is_chosen(os.environ):
            raise
        machine = read_machine()
        if machine.system == "Linux" and machine.root and (machine.apt or machine.dockerd):
            return _provide_engine(machine, progress)
        raise HostError(error.message, hint=advice(machine)) from None
    return [f"engine: {connection.name} at {connection.address.url} was there"]


def ensure_debootstrap(progress: Progress) -> list[str]:
    """Have debootstrap.  Returns what was done, nothing where it was there; HostError where it cannot be had."""
    if shutil.which("debootstrap", path=_search_path()):
        return []
    machine = read_machine()
    if not (machine.apt and machine.root):
        raise HostError(
            "the base image has to be bootstrapped, and debootstrap is not installed",
            hint="As root: apt-get install debootstrap",
        )
    return [_install("debootstrap", progress)]


def advice(machine: Machine) -> str:
    """What to do on a machine that is not set up from here."""
    if machine.system != "Linux":
        return (
            "Start Docker Desktop, or a Podman machine with DOCKER_HOST set to its socket.  CPUs are pinned inside its "
            "virtual machine only: good for trying things out; measure on Linux."
        )
    if machine.apt and not machine.root:
        done = "started" if machine.dockerd else "installed and started"
        return (
            f"Run this as root once to have it {done}, then join the group docker: usermod --append --groups docker YOU"
        )
    package = _PACKAGES.get(machine.distribution) or next(filter(None, map(_PACKAGES.get, machine.like)), None)
    if package:
        return f"As root: {package}; then join the group docker."
    return "Install Docker or Podman from your distribution and start its service; either will do."


def _provide_engine(machine: Machine, progress: Progress) -> list[str]:
    done = []
    if not machine.dockerd:
        done.append(_install(_ENGINE_PACKAGE, progress))
    began = time.monotonic()
    with progress.task("starting the engine"):
        connection = _start_service() if machine.systemd else start_daemon(Daemon())
    done.append(
        f"engine: started {connection.name} at {connection.address.url} in {time.monotonic() - began:.0f} s"
        + ("" if machine.systemd else f"; it writes to {Daemon().log_file}")
    )
    return done


def _start_service() -> docker_client.Connection:
    """With systemd: it also starts the engine with the next boot, as Debian's package has it."""
    _execute(["systemctl", "start", "docker.service"], "the engine could not be started")
    if connection := _answer(_START_SECONDS):
        return connection
    raise HostError("the engine was started and does not answer", hint="journalctl --unit docker says why.")


def start_daemon(daemon: Daemon) -> docker_client.Connection:
    """Without systemd: start a daemon and wait for its answer.  HostError, with its last lines, if there is none."""
    if alive := _remove_stale_pid_files(daemon):
        if connection := _answer(_START_SECONDS, daemon.address):
            return connection
        raise HostError(f"dockerd runs (process {alive}) and does not answer", hint=f"End it: kill {alive}")
    connection = _launch(daemon, _search_path())
    if connection is None and "iptables" in _last_lines(daemon.log_file):
        # The kernel knows only one of iptables' two back ends, and Debian's default is the other one.
        folder = daemon.exec_root / "gilometer"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("iptables", "ip6tables"):
            legacy = shutil.which(f"{name}-legacy", path=_search_path())
            if legacy and not (folder / name).exists():
                (folder / name).symlink_to(legacy)
        connection = _launch(daemon, f"{folder}:{_search_path()}")
    if connection is None:
        raise HostError(
            f"dockerd does not answer; its last lines:\n{_last_lines(daemon.log_file)}",
            hint=f"All of it: {daemon.log_file}",
        )
    return connection


def _launch(daemon: Daemon, search_path: str) -> docker_client.Connection | None:
    """In a session of its own, so that it outlives this process and its terminal; None where it never answers."""
    with daemon.log_file.open("wb") as log:
        process = subprocess.Popen(
            ["dockerd", *daemon.options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": search_path},
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if connection := _answer(0, daemon.address):
            return connection
        time.sleep(0.2)
    return None


def _remove_stale_pid_files(daemon: Daemon) -> int | None:
    """Process id of a dockerd that is alive.  A file that names any other process is of an earlier boot and goes."""
    alive = None
    for path, name in ((daemon.pid_file, "dockerd"), (daemon.exec_root / "containerd/containerd.pid", "containerd")):
        with contextlib.suppress(OSError, ValueError):
            pid = int(path.read_text())
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                    alive = pid if name == "dockerd" else alive
                    continue
            path.unlink()
    return alive


def _answer(seconds: float, address: docker_client.Address | None = None) -> docker_client.Connection | None:
    """The engine, as soon as it answers within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(HostError):
            return docker_client.find() if address is None else docker_client.open_address(address)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.2)


def _install(package: str, progress: Progress) -> str:
    """Install one of the distribution's packages.  Returns what was done."""
    began = time.monotonic()
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    with progress.task(f"installing {package}") as task:
        try:
            _execute(install, f"{package} could not be installed")
        except HostError:  # package lists that are missing or old
            task.update(0, "apt-get update")
            _execute(["apt-get", "update"], "apt-get update failed")
            task.update(0, "apt-get install")
            _execute(install, f"{package} could not be installed")
    return f"installed {package} in {time.monotonic() - began:.0f} s"


def _execute(command: Sequence[str], failure: str) -> None:
    environment = {**os.environ, "PATH": _search_path(), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
        )
    except OSError as error:
        raise HostError(f"{failure}: {error}") from error
    if done.returncode:
        lines = "\n".join(f"  | {line}" for line in done.stdout.splitlines()[-_LAST_LINES:])
        raise HostError(f"{failure}: {' '.join(command)} ended with status {done.returncode}:\n{lines}")


def _last_lines(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return "\n".join(f"  | {line}" for line in lines[-_LAST_LINES:])


def _search_path() -> str:
    """PATH with the folders of administrators' programs, which not every shell has."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
