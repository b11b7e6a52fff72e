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


_JOIN = "then join the group docker."
_PACKAGES = {
    "fedora": f"dnf install moby-engine && systemctl enable --now docker; {_JOIN}",
    "rhel": "dnf install podman && systemctl enable --now podman.socket; then measure as root, whose socket it is.",
    "suse": f"zypper install docker && systemctl enable --now docker; {_JOIN}",
    "arch": f"pacman -S docker && systemctl enable --now docker; {_JOIN}",
    "alpine": f"apk add docker && rc-update add docker && service docker start; {_JOIN}",
}
"""Distribution to the command that brings an engine, and to what lets a user reach it."""


_TEST_TOOLS = {
    "chromium": ("chromium", "fonts-liberation"),
    "gcc": ("gcc", "libc6-dev"),
    "gpg": ("gpg", "gpg-agent"),
    "podman": ("podman", "catatonit", "runc"),
    "slurmd": ("slurmctld", "slurmd", "slurm-client", "munge"),
}
"""Program to the packages that bring it."""


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
    command: tuple[str, ...] = ("dockerd",)

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
    return [_install("debootstrap", progress=progress)]


def ensure_test_tools(progress: Progress) -> list[str]:
    """Have what the tests need besides an engine, where it can be installed; returns what was done."""
    machine = read_machine()
    if not (machine.apt and machine.root):
        return []
    missing = [packages for program, packages in _TEST_TOOLS.items() if shutil.which(program) is None]
    return [_install(*packages, progress=progress) for packages in missing]


def advice(machine: Machine) -> str:
    """What to do on a machine that is not set up from here."""
    if machine.system != "Linux":
        return (
            "Start Docker Desktop, or a Podman machine with DOCKER_HOST set to its socket.  CPUs are pinned inside its "
            "virtual machine only: good for trying things out; measure on Linux."
        )
    if machine.apt and not machine.root:
        done = "started" if machine.dockerd else "installed and started"
        return f"Run ./inv setup as root once to have it {done}, then join the group docker: usermod -aG docker USER"
    package = _PACKAGES.get(machine.distribution) or next(filter(None, map(_PACKAGES.get, machine.like)), None)
    if package:
        return f"As root: {package}"
    return "Install Docker or Podman from your distribution and start its service; either will do."


def _provide_engine(machine: Machine, progress: Progress) -> list[str]:
    done = []
    if not machine.dockerd:
        done.append(_install(_ENGINE_PACKAGE, progress=progress))
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
    pid = os.posix_spawn(
        shutil.which(daemon.command[0], path=search_path) or daemon.command[0],
        [*daemon.command, *daemon.options],
        {**os.environ, "PATH": search_path},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(daemon.log_file), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and os.waitpid(pid, os.WNOHANG) == (0, 0):
        if connection := _answer(0, daemon.address):
            return connection
        time.sleep(0.2)
    return None


def _remove_stale_pid_files(daemon: Daemon) -> int | None:
    """Process id of a dockerd that is alive.  A file that names any other process is of an earlier boot and goes."""
    if not _is_alive(daemon.exec_root / "containerd" / "containerd.pid", "containerd"):
        (daemon.exec_root / "containerd" / "containerd.pid").unlink(missing_ok=True)
    if _is_alive(daemon.pid_file, "dockerd"):
        return int(daemon.pid_file.read_text())
    daemon.pid_file.unlink(missing_ok=True)
    return None


def _is_alive(pid_file: Path, program: str) -> bool:
    """Whether the process that a pid file names executes `program`; a zombie executes nothing."""
    try:
        return Path(f"/proc/{int(pid_file.read_text())}/exe").readlink().name.split()[0] == program
    except (OSError, ValueError):
        return False


def _answer(seconds: float, address: docker_client.Address | None = None) -> docker_client.Connection | None:
    """The engine, as soon as it answers within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(HostError):
            return docker_client.find() if address is None else docker_client.open_address(address)
        if time.monotonic() >= deadline:
            return None
        time.sleep(0.2)


def _install(*packages: str, progress: Progress) -> str:
    """Install packages of the distribution.  Returns what was done."""
    began = time.monotonic()
    package = " and ".join(packages)
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
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
