"""Tuning as a person meets it, on a machine made of files: what is printed, asked and refused."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from harness import session
from harness.errors import HostError
from harness.tuning import STATE

ROOT = Path(__file__).parents[2]
SWAPPINESS = "proc/sys/vm/swappiness"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may tune")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """One that has a setting to change."""
    for name, text in ((SWAPPINESS, "60"), ("proc/sys/kernel/random/boot_id", "this-boot"), ("tmp/x", "")):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"{text}\n")
    return tmp_path


def swappiness(machine: Path) -> str:
    return (machine / SWAPPINESS).read_text().strip()


def answer(machine: Path, typed: bytes) -> subprocess.CompletedProcess[str]:
    """`inv doctor --tune` on that machine, at a terminal at which somebody types."""
    terminal, end = pty.openpty()
    program = (
        "import sys, pathlib; from harness import session; session.tune(yes=False, root=pathlib.Path(sys.argv[1]))"
    )
    try:
        os.write(terminal, typed)
        return subprocess.run(
            [sys.executable, "-c", program, str(machine)],
            cwd=ROOT,
            stdin=end,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(end)


@as_root
@pytest.mark.parametrize("typed", [b"y\n", b"Yes\n"])
def test_what_is_agreed_to_is_done(typed: bytes, machine: Path) -> None:
    ended = answer(machine, typed)
    assert ended.returncode == 0
    assert "swappiness: 60 -> 1\n  gain  " in ended.stdout
    assert "\n  cost  " in ended.stdout
    assert ended.stderr == "Change this? [y/N] "
    assert f"changed  swappiness: /{SWAPPINESS}: 60 -> 1\n" in ended.stdout
    assert "inv doctor --untune restores it" in ended.stdout
    assert swappiness(machine) == "1"


@as_root
@pytest.mark.parametrize("typed", [b"\n", b"n\n", b"what?\n", b"\x04"])
def test_anything_else_is_a_no(typed: bytes, machine: Path) -> None:
    ended = answer(machine, typed)
    assert ended.returncode == 0
    assert ended.stdout.endswith("\nNothing was changed.\n")
    assert swappiness(machine) == "60"
    assert not (machine / STATE).exists()


@as_root
def test_with_yes_nobody_is_asked_and_untune_brings_it_back(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session.tune(yes=True, root=machine)
    assert swappiness(machine) == "1"
    assert "[y/N]" not in "".join(capsys.readouterr())
    session.tune(yes=True, root=machine)
    assert capsys.readouterr().out.startswith("Nothing to change")
    session.untune(machine)
    said = capsys.readouterr().out
    assert f"restored  swappiness: /{SWAPPINESS}: 1 -> 60" in said
    assert "Everything is as it was when" in said
    assert swappiness(machine) == "60"
    assert not (machine / STATE).exists()


def test_a_machine_that_was_not_tuned_has_nothing_to_restore(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session.untune(machine)
    assert capsys.readouterr().out == "Nothing to restore: this machine was not tuned.\n"


@as_root
def test_after_a_boot_there_is_nothing_to_restore(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session.tune(yes=True, root=machine)
    (machine / "proc/sys/kernel/random/boot_id").write_text("the next\n")
    capsys.readouterr()
    session.untune(machine)
    assert "has booted since" in capsys.readouterr().out
    assert swappiness(machine) == "1"
    assert not (machine / STATE).exists()


@as_root
def test_what_cannot_be_restored_is_told_and_is_an_error(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session.tune(yes=True, root=machine)
    (machine / SWAPPINESS).unlink()
    capsys.readouterr()
    with pytest.raises(HostError, match="1 of 1 files"):
        session.untune(machine)
    assert "lost      swappiness" in capsys.readouterr().out
    assert not (machine / STATE).exists()


@as_root
def test_nothing_changes_while_somebody_measures(machine: Path) -> None:
    with (machine / "tmp/gilometer.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(HostError, match="another run is measuring"):
            session.tune(yes=True, root=machine)
    assert swappiness(machine) == "60"


@as_root
def test_nobody_but_root_may_tune(machine: Path) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(HostError, match="needs root; nothing was changed") as error:
            session.tune(yes=True, root=machine)
    finally:
        os.seteuid(0)
    assert error.value.hint == "sudo ./inv doctor --tune --yes"
    assert swappiness(machine) == "60"
