"""Tests and checks, for people who work on Gilometer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from harness import docker_client, session, specs
from harness.builds import IMAGES, Pins, load, load_pins
from harness.docker_images import Images
from harness.errors import HostError
from harness.model import Source
from harness.screen import Screen
from harness.sources import cache_folder, candidate_releases, series_of

_ROOT = Path(__file__).parent.parent
_LOCK = "requirements-dev.txt"
_SUITES = ("unit", "integration", "browser")


def test(only: str | None, expression: str | None) -> int:
    """Set up what the tests need and execute them.  Returns pytest's exit status."""
    _install()
    suites = [specs.choose("--only", only, _SUITES)] if only else list(_SUITES)
    if "integration" in suites:
        session.setup()
    if suites != ["unit"]:
        session.provide_test_tools()
    command = [sys.executable, "-m", "pytest", *(f"tests/{suite}" for suite in suites)]
    return subprocess.run([*command, *(["-k", expression] if expression else [])], cwd=_ROOT, check=False).returncode


def lint(*, fix: bool) -> int:
    """ruff check, ruff format and mypy.  Returns the first exit status that is not 0."""
    _install()
    for command in (
        ["ruff", "check", *(["--fix"] if fix else [])],
        ["ruff", "format", *([] if fix else ["--check"])],
        ["mypy"],
    ):
        if status := subprocess.run([sys.executable, "-m", *command], cwd=_ROOT, check=False).returncode:
            return status
    return 0


def pins(*, update: bool) -> None:
    """Prints what is pinned, after it was brought up to date where that is asked for.

    Nothing is written unless all that could be checked is good.
    """
    path = IMAGES / "pins.toml"
    now = load_pins(path)
    if update:
        _install()
        _update(path, now)
        now = load_pins(path)
    for suite, base in now.bases.items():
        print(f"{suite}: {base.pinned}")
    for series in dict.fromkeys(map(series_of, now.cpython)):
        newest = candidate_releases(now.cpython, series)[0]
        count = sum(series_of(release) == series for release in now.cpython)
        print(f"CPython {series}: {count} releases, the newest {newest} sha256:{now.cpython[newest]}")


def _update(path: Path, now: Pins) -> None:
    from harness import pinning

    screen = Screen()
    releases = pinning.Releases(cache_folder() / "sources", pinning.sigstore)
    wanted = dict.fromkeys(build.series for build in load().values() if build.source is Source.SOURCE)
    news = [one for series in wanted for one in releases.news(now, series, screen)]
    news += pinning.bases(now, lambda image: Images(docker_client.connect()).ask_registry(image))
    for one in news:
        screen.say(f"{one.subject}: {'; '.join(filter(None, (one.pin and f'pinned {one.pin}', one.doubt)))}")
    if any(one.pin for one in news):
        text = pinning.amended(path.read_text(encoding="utf-8"), news)
        scratch = path.with_suffix(".new")
        scratch.write_text(text, encoding="utf-8")
        load_pins(scratch)
        scratch.replace(path)
    elif all(one.doubt for one in news) and news:
        raise HostError("nothing new could be found out; pins.toml is as it was")
    else:
        screen.say("nothing is new")


def _install() -> None:
    """The locked tools of the workshop, into the environment that executes this."""
    lock, stamp = _ROOT / _LOCK, Path(sys.prefix) / f"gilometer-{_LOCK}"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    command = [sys.executable, "-m", "pip", "install", "-qq", "--require-hashes", "-r", str(lock)]
    if subprocess.run(command, check=False).returncode:
        raise HostError(f"{_LOCK} could not be installed; pip's message stands above")
    shutil.copyfile(lock, stamp)
