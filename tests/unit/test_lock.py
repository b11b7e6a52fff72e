"""The measuring lock, with real processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.errors import HostError
from harness.lock import measuring_lock
from harness.progress import Silent

ROOT = Path(__file__).parents[2]
HOLDER = """
import os, sys
from pathlib import Path
from harness.lock import measuring_lock
from harness.progress import Silent

{first}
with measuring_lock(wait=True, progress=Silent(), describe=sys.argv[2], path=Path(sys.argv[1])):
    print("held", flush=True)
    {body}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gilometer.lock"


@contextmanager
def holder(
    path: Path, body: str = "sys.stdin.read()", describe: str = "results/one"
) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock, from the moment that this returns until its stdin is closed."""
    command = [sys.executable, "-c", HOLDER.format(first="", body=body), str(path), describe]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


class Recorder(Silent):
    """Remembers what was said, and acts at the first update of a task."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act: Callable[[], object] | None = act
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def update(self, done: float, note: str = "", total: float | None = None) -> None:
        self.said.append(note)
        if self.act:
            self.act()
            self.act = None


def take(path: Path) -> None:
    with measuring_lock(wait=False, progress=Silent(), describe="test", path=path):
        pass


def test_a_free_lock_is_taken_and_given_back(path: Path) -> None:
    take(path)
    take(path)


def test_a_second_run_is_refused_and_told_who_measures(path: Path) -> None:
    with holder(path, describe="results/first") as process, pytest.raises(HostError) as refusal:
        take(path)
    assert refusal.value.status == 3
    assert f"results/first, process {process.pid}, since {time.strftime('%Y-')}" in refusal.value.message
    assert refusal.value.hint


def test_a_second_run_waits_and_says_for_whom(path: Path) -> None:
    with holder(path) as process:
        recorder = Recorder(act=process.kill)
        with measuring_lock(wait=True, progress=recorder, describe="results/two", path=path):
            assert process.wait(10) == -signal.SIGKILL
            assert f'"pid": {os.getpid()}' in path.read_text()
    assert recorder.said[0].startswith("another run is measuring on this machine: results/one")
    assert f"process {process.pid}" in recorder.said[1]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_holder_that_is_killed_lets_go(path: Path, number: signal.Signals) -> None:
    with holder(path) as process:
        process.send_signal(number)
        process.wait(10)
        take(path)


def test_a_child_of_a_dead_holder_does_not_keep_the_lock(path: Path) -> None:
    body = 'import subprocess; p = subprocess.Popen(["sleep", "60"]); print(p.pid, flush=True); sys.stdin.read()'
    with holder(path, body) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        try:
            process.kill()
            process.wait(10)
            take(path)
        finally:
            os.kill(child, signal.SIGKILL)


def test_an_exception_lets_go(path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        measuring_lock(wait=False, progress=Silent(), describe="test", path=path),
    ):
        raise ZeroDivisionError
    take(path)


def test_the_file_is_for_everybody_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        take(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_a_file_of_nonsense_holds_nobody_up_and_names_nobody(path: Path) -> None:
    path.write_bytes(b"\xff\x00[")
    take(path)
    with holder(path):
        path.write_bytes(b'{"pid": 1}')
        with pytest.raises(HostError, match="it did not say which"):
            take(path)


def test_a_file_that_was_removed_while_waiting_is_made_again(path: Path) -> None:
    def replace() -> None:
        path.unlink()
        process.kill()

    with (
        holder(path) as process,
        measuring_lock(wait=True, progress=Recorder(replace), describe="two", path=path),
        pytest.raises(HostError, match="two, process"),
    ):
        take(path)


@pytest.mark.parametrize("kind", ["link", "directory", "pipe", "nowhere"])
def test_what_is_not_a_plain_file_is_refused(path: Path, kind: str) -> None:
    match kind:
        case "link":
            path.symlink_to("/etc/passwd")
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "nowhere":
            path = path / "below"
    with pytest.raises(HostError, match="cannot be used") as refusal:
        take(path)
    assert str(path) in refusal.value.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
class TestAnotherUser:
    """What the file's owner and mode mean to somebody else; the child gives up root."""

    def run(self, path: Path) -> subprocess.CompletedProcess[str]:
        program = HOLDER.format(first="os.setuid(65534)", body="pass")
        command = [sys.executable, "-c", program, str(path), "theirs"]
        return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=30, check=False)

    @pytest.fixture
    def path(self) -> Iterator[Path]:
        path = Path(f"/tmp/gilometer-test-{os.getpid()}.lock")
        yield path
        path.unlink(missing_ok=True)

    def test_takes_roots_lock_file_in_tmp(self, path: Path) -> None:
        take(path)
        assert self.run(path).stdout == "held\n"
        take(path)

    def test_makes_one_that_root_takes(self, path: Path) -> None:
        assert self.run(path).stdout == "held\n"
        assert path.stat().st_uid == 65534
        take(path)

    def test_takes_one_that_it_may_only_read(self, path: Path) -> None:
        take(path)
        path.chmod(0o644)
        assert self.run(path).stdout == "held\n"

    def test_is_told_of_one_that_it_may_not_open(self, path: Path) -> None:
        take(path)
        path.chmod(0o600)
        assert "may be neither read nor written" in self.run(path).stderr
