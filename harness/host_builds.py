"""Interpreters of this host as builds, for the host engine: found on PATH, or named in builds.toml."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness import builds, specs
from harness.builds import IMAGES
from harness.equipment import equip_host
from harness.errors import HostError, RequestError
from harness.interpreters import Answers, abi, describe
from harness.model import Build, BuildFacts, Optimize, Source
from harness.progress import Progress
from harness.requirements import Requirements
from harness.sources import cache_folder

_CANDIDATES = ("3.14", "3.13", "3.15")


def choose(names: str | None) -> tuple[Build, ...]:
    """The interpreters that were named, or the newest pair on PATH that differs in the GIL.

    A name is a path, a command on PATH, or a build of builds.toml whose source is the host; RequestError otherwise.
    """
    if names is not None:
        return tuple(_find(name) for name in specs.split("--builds", names))
    for series in _CANDIDATES:
        pair = (f"python{series}", f"python{series}t")
        if all(shutil.which(name) for name in pair):
            return tuple(_find(name) for name in pair)
    raise HostError(
        "the host engine needs interpreters with and without the GIL, and PATH has no such pair",
        hint="Name them: inv bench --engine host --builds /path/to/python3.14,/path/to/python3.14t",
    )


def ensure(build: Build, progress: Progress) -> BuildFacts:
    """What an interpreter of the host is, in a virtual environment with the locked packages where it lacks pyperf."""
    answers = _ask(build.executable)
    build = msgspec.structs.replace(
        build, series=".".join(answers.release.split(".")[:2]), free_threaded=answers.free_threaded
    )
    executable = build.executable
    if "pyperf" not in answers.packages:
        executable = _environment(build, progress)
        answers = _ask(executable)
    return describe(build, answers, executable=executable, origin=f"this host, {answers.base_executable}")


def equip(facts: BuildFacts, locks: Sequence[Requirements], progress: Progress) -> BuildFacts:
    """The interpreter with what scripts require, each lock in a folder of the cache."""
    digest = hashlib.sha256(facts.executable.encode() + facts.version.encode()).hexdigest()
    return equip_host(facts, locks, cache_folder() / "requirements" / digest[:12], progress)


def _find(name: str) -> Build:
    known = builds.load()
    if name in known and known[name].source is Source.HOST:
        return known[name]
    path = shutil.which(name)
    if path is None:
        raise RequestError(
            f'--builds: "{name}" is no interpreter of this host: neither a path, nor on PATH, nor in builds.toml'
        )
    return Build(
        name=Path(name).name,
        series="",
        free_threaded=False,
        source=Source.HOST,
        optimize=Optimize.PACKAGED,
        executable=path,
    )


def _ask(executable: str) -> Answers:
    """What the interpreter says of itself."""
    answered = subprocess.run([executable, "-I", str(IMAGES / "facts.py")], capture_output=True, check=False)
    try:
        return msgspec.json.decode(answered.stdout, type=Answers)
    except msgspec.DecodeError:
        last = answered.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it printed nothing"]
        raise RequestError(f"{executable} does not answer as a Python interpreter: {last[0]}") from None


def _environment(build: Build, progress: Progress) -> str:
    """The interpreter of a virtual environment with what the workloads import, made once per lock file."""
    lock = IMAGES / "requirements" / f"{abi(build)}.txt"
    if not lock.exists():
        raise HostError(f"{build.executable} has no pyperf, and there is no lock file for {abi(build)}")
    digest = hashlib.sha256(build.executable.encode() + lock.read_bytes()).hexdigest()
    folder = cache_folder() / "environments" / f"{abi(build)}-{digest[:12]}"
    python = folder / "bin" / "python"
    if python.exists():
        return str(python)
    with progress.task(f"making an environment for {build.name}"):
        install = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:"]
        for command in (
            [build.executable, "-m", "venv", "--clear", str(folder)],
            [*install, "--no-deps", "-r", str(lock)],
        ):
            ended = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
            if ended.returncode:
                shutil.rmtree(folder, ignore_errors=True)
                lines = (ended.stderr or ended.stdout).strip().splitlines()
                raise HostError(f"no environment for {build.name}: {lines[-1] if lines else 'no output'}")
    return str(python)
