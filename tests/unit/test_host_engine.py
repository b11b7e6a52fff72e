"""Plain processes: what a worker leaves behind is counted and killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path, PurePath

import pytest

from harness.engine import Worker
from harness.host_engine import HostPlace

LEAVES = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep({seconds})"]{how})
print(child.pid)
"""


def wait(worker: Worker) -> int:
    deadline = time.monotonic() + 30
    while (status := worker.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return status


def ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not reaped by who inherited it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("how", ["", ", process_group=0"])
def test_what_a_worker_leaves_is_counted_and_killed(how: str) -> None:
    place = HostPlace(PurePath(), PurePath(), [sys.executable])
    worker = place.start(["-c", LEAVES.format(seconds=60, how=how)], {})

    assert wait(worker) == 0
    assert place.left() == 1
    deadline = time.monotonic() + 30
    while not ended(int(worker.output())):  # a signal takes a moment
        assert time.monotonic() < deadline
        time.sleep(0.01)
    place.clear()
    assert place.left() == 0


def test_what_is_about_to_end_is_waited_for() -> None:
    place = HostPlace(PurePath(), PurePath(), [sys.executable])
    worker = place.start(["-c", LEAVES.format(seconds=0.1, how="")], {})

    assert wait(worker) == 0
    assert place.left() == 0
