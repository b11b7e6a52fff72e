"""The usher of a container, here in a folder of this host: a real shell, real pipes, real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.engine import OUTPUT_BYTES
from harness.errors import HostError
from harness.usher import Usher, UsheredWorker
from tests.conftest import required

PATH = {"PATH": os.environ["PATH"]}


class House:
    """A folder with an usher in it, and its shell."""

    def __init__(self, folder: Path) -> None:
        self.usher = Usher(folder, folder)
        self.shell = subprocess.Popen(Usher.command(folder), start_new_session=True)

    def burn_down(self) -> None:
        """End the shell and all that speaks for it."""
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    required(Path("/usr/bin/setsid").exists(), "util-linux")
    house = House(tmp_path)
    yield house
    house.usher.close()
    house.shell.wait(10)
    assert list(tmp_path.iterdir()) == []


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait(worker: UsheredWorker) -> int:
    deadline = time.monotonic() + 30
    while (status := worker.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return status


_QUESTION = """
import json, os, signal, sys
print(json.dumps({
    "arguments": sys.argv[1:],
    "environment": dict(os.environ),
    "input": sys.stdin.read(),
    "leads": os.getpid() == os.getsid(0) == os.getpgrp(),
    "open": [path for path in map(os.readlink, map("/proc/self/fd/{}".format, (0, 1, 2)))],
    "interruptible": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
}))
"""


def test_who_does_not_listen_is_not_here(house: House, tmp_path: Path) -> None:
    assert house.usher.is_here(30)
    (tmp_path / "empty").mkdir()
    lonely = Usher(tmp_path / "empty", tmp_path / "empty")
    assert not lonely.is_here(0.1)
    lonely.close()
    (tmp_path / "empty").rmdir()


def test_a_worker_has_exactly_what_it_was_given(house: House, tmp_path: Path) -> None:
    env = {"TRICKY": "= '$HOME'\n\"`id`\"", "EMPTY": "", "LC_ALL": "C.UTF-8"}
    worker = house.usher.start([sys.executable, "-c", _QUESTION, "two words", "*", "'"], env)
    (output,) = (str(path) for path in tmp_path.glob("[0-9]*"))
    assert wait(worker) == 0, worker.output()
    assert json.loads(worker.output()) == {
        "arguments": ["two words", "*", "'"],
        "environment": env,
        "input": "",
        "leads": True,
        "open": ["/dev/null", output, output],
        "interruptible": True,
    }


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("nonsense", 127)])
def test_the_status_is_the_shells(house: House, script: str, status: int) -> None:
    assert wait(house.usher.start(["sh", "-c", script], PATH)) == status


def test_what_cannot_be_started_says_why(house: House) -> None:
    worker = house.usher.start(["/missing/python3"], PATH)
    assert wait(worker) == 127
    assert "/missing/python3" in worker.output()


def test_workers_are_told_apart_and_the_end_of_what_each_says_is_kept(house: House) -> None:
    def script(number: int) -> str:
        return f"yes {number} | head -c {number * OUTPUT_BYTES}; echo end of {number}; exit {number}"

    workers = [house.usher.start(["sh", "-c", script(number)], PATH) for number in (1, 2, 3)]
    assert [wait(worker) for worker in workers] == [1, 2, 3]
    for number, worker in enumerate(workers, start=1):
        said = worker.output()
        assert len(said) == OUTPUT_BYTES
        assert said.endswith(f"{number}\nend of {number}\n")


def test_a_worker_is_killed_with_its_group_and_the_others_go_on(house: House) -> None:
    worker = house.usher.start(["sh", "-c", "sleep 1000 & echo $!; wait"], PATH)
    other = house.usher.start(["sh", "-c", "sleep 0.3; exit 5"], PATH)
    while not worker.output().endswith("\n"):
        time.sleep(0.001)
    worker.kill()
    assert wait(worker) == 137
    deadline = time.monotonic() + 10
    while lives(int(worker.output())):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert wait(other) == 5
    worker.kill()


def test_a_worker_can_be_killed_before_it_has_begun(house: House) -> None:
    workers = [house.usher.start(["sleep", "1000"], PATH) for _ in range(20)]
    for worker in workers:
        worker.kill()
    assert {wait(worker) for worker in workers} == {137}


def test_what_a_worker_leaves_running_does_not_hold_up_its_status(house: House) -> None:
    worker = house.usher.start(["sh", "-c", "sleep 1000 & echo $!"], PATH)
    assert wait(worker) == 0
    os.kill(int(worker.output()), signal.SIGKILL)


def test_of_workers_whose_usher_is_lost_nobody_can_tell(house: House) -> None:
    ended, worker = house.usher.start(["sh", "-c", "exit 3"], PATH), house.usher.start(["sleep", "1000"], PATH)
    assert wait(ended) == 3
    while worker.pid is None:
        time.sleep(0.001)
    house.burn_down()
    os.kill(worker.pid, signal.SIGKILL)  # a container would take it along
    with pytest.raises(HostError, match="a container has ended"):
        wait(worker)
    with pytest.raises(HostError, match="a container has ended"):
        house.usher.start(["true"], PATH)
    worker.kill()
    assert ended.poll() == 3


def test_a_shell_whose_caller_ends_ends_too(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert wait(house.usher.start(["true"], PATH)) == 0
    house.usher.close()
    assert house.shell.wait(10) == 0
