"""Tests and checks, for people who work on Gilometer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from harness import session, specs
from harness.errors import HostError

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


def _install() -> None:
    """The locked tools of the workshop, into the environment that executes this."""
    lock, stamp = _ROOT / _LOCK, Path(sys.prefix) / f"gilometer-{_LOCK}"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return
    command = [sys.executable, "-m", "pip", "install", "-qq", "--require-hashes", "-r", str(lock)]
    if subprocess.run(command, check=False).returncode:
        raise HostError(f"{_LOCK} could not be installed; pip's message stands above")
    shutil.copyfile(lock, stamp)
