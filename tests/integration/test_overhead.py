"""`inv overhead`: one build in its container and on the host, alike but for the container, and nothing left behind."""

from __future__ import annotations

import contextlib
import html
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from harness import chroot_engine, runs, store
from harness.errors import HostError
from harness.journal import BlockRecord, Failure, Reason, Sample
from harness.model import BuildFacts
from harness.request import BenchOptions
from tests.conftest import required
from tests.integration.processes import ROOT, start_bench
from tests.toys import write_toys

BLOCKS = 10
Left = Callable[[], set[str]]


@pytest.fixture
def build(pair: tuple[str, str]) -> str:
    """A build that can be measured in both ways on this machine."""
    try:
        chroot_engine.check()
    except HostError as error:
        required(None, f"mounts of its own ({error.message})")
    return pair[1]


def namespaces() -> dict[str, str]:
    """This process's, as a toy tells its own."""
    return {f"toy_{kind}": str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("ipc", "net", "pid")}


def recorded(directory: Path) -> list[BlockRecord]:
    return [line for line in store.load_journal(directory) if isinstance(line, BlockRecord)]


@pytest.fixture
def left_behind() -> Left:
    """Tells containers, unpacked images and mounts of ours that are anywhere here and were not before the test."""
    before = ours()
    return lambda: ours() - before


def ours() -> set[str]:
    with contextlib.closing(docker.from_env()) as client:
        containers = client.containers.list(all=True, filters={"label": "org.gilometer.worker"})
    mount_points = set()
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):  # the process has ended
            mount_points |= {line.split()[4] for line in path.read_text().splitlines()}
    return {
        *(str(one.name) for one in containers),
        *map(str, unpacked()),
        *(point for point in mount_points if "/gilometer-" in point),
    }


def unpacked() -> list[Path]:
    return list(Path("/var/tmp").glob("gilometer-image-*"))


# -- the run -----------------------------------------------------------------------------------------------------------


def test_both_sides_have_samples_one_of_them_outside_of_any_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], build: str, left_behind: Left
) -> None:
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(runs, "WORKLOADS", write_toys(tmp_path / "workloads", "good", threaded=True))
    assert runs.overhead(BenchOptions(builds=build, threads="1", blocks="2")) == 0
    (directory,) = (tmp_path / "results").iterdir()
    run = store.load_run(directory)
    assert run.plan.builds == (f"{build}@host", build)
    assert len({facts.image for facts in run.builds}) == 1
    assert run.command.startswith(f"./inv overhead --build {build} --profile quick --seed ")

    samples = [one for block in recorded(directory) for one in block.outcomes if isinstance(one, Sample)]
    assert len(samples) == 4
    for sample in samples:
        found = {key: value for key, value in sample.metadata.items() if key.startswith("toy_")}
        own = namespaces()
        shared = {key for key, value in found.items() if own[key] == value}
        assert shared == (set(own) if sample.build.endswith("@host") else set()), sample.build
    assert len({sample.metadata["python_version"] for sample in samples}) == 1
    assert len({sample.loops for sample in samples}) == 1

    said = " ".join(capsys.readouterr().out.split())
    assert "in a container" in said
    assert "on the host" in said
    assert "in a container" in (directory / "index.html").read_text()
    assert not left_behind()


def test_an_image_that_finds_no_place_is_recorded_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: str, left_behind: Left
) -> None:
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(runs, "WORKLOADS", write_toys(tmp_path / "workloads", "good"))
    monkeypatch.setattr(chroot_engine, "_SCRATCH", tmp_path / "missing")
    assert runs.overhead(BenchOptions(builds=build, threads="1", blocks="1")) == 4
    (directory,) = (tmp_path / "results").iterdir()
    (block,) = recorded(directory)
    assert all(isinstance(one, Failure) and one.reason is Reason.ENGINE for one in block.outcomes)
    assert f"an image cannot be unpacked to {tmp_path / 'missing'}" in html.unescape(
        (directory / "index.html").read_text()
    )
    assert not left_behind()


# -- alike -------------------------------------------------------------------------------------------------------------

_QUESTION = """
import json, os, sys
paths = ["/", "/opt", "/etc", "/gilometer", "/exchange", "/tmp", "/var/tmp"]
print(json.dumps({
    "alike": {
        "environment": dict(os.environ),
        "user": [os.getuid(), os.getgid()],
        "folder": os.getcwd(),
        "affinity": sorted(os.sched_getaffinity(0)),
        "arguments": [sys.executable, sys.orig_argv[0], sys.version],
        "root": sorted(os.listdir("/")),
        "tools": sorted(os.listdir("/gilometer")),
        "writable": [path for path in paths if os.access(path, os.W_OK)],
        "tmp": [os.listdir("/tmp"), os.statvfs("/tmp").f_blocks],
        "localhost": open("/etc/hosts").read().count("localhost") > 0,
        "capabilities": [line for line in open("/proc/self/status") if line.startswith("CapEff")],
    },
    "cgroups": os.listdir("/sys/fs/cgroup"),
    "pid": os.readlink("/proc/self/ns/pid"),
}))
"""

_ASK = """
import sys, time
from pathlib import Path
import msgspec
from harness.engine import DOCKER_AND_CHROOT
from harness.model import Isolation
from harness.screen import Screen
from harness.session import measuring, open_engine
from harness.workbench import workbench
from tests.toys import facts
image, executable, question = sys.argv[1:]
screen = Screen()
with (
    measuring("a test", screen),
    workbench(Path("workloads")) as bench,
    open_engine(DOCKER_AND_CHROOT, bench, screen) as engine,
):
    for isolation in Isolation:
        build = msgspec.structs.replace(facts("x"), image=image, executable=executable, isolation=isolation)
        with engine.open(build, (0,)) as place:
            env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "TRICKY": "= '\\n"}
            worker = place.start(["-c", question], env)
            while (status := worker.poll()) is None:
                time.sleep(0.05)
            print(worker.output().strip())
"""


def own_pids() -> str:
    """This process's namespace of process numbers."""
    return str(Path("/proc/self/ns/pid").readlink())


def ask(facts: BuildFacts, *prefix: str) -> list[dict[str, Any]]:
    """What a worker of the build sees in its container, and on the host."""
    ended = subprocess.run(
        [*prefix, sys.executable, "-c", _ASK, facts.image, facts.executable, _QUESTION],
        cwd=ROOT,
        env=os.environ | {"HOME": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_a_worker_on_the_host_sees_what_it_would_see_in_its_container(
    build: str, pair_facts: tuple[BuildFacts, ...], left_behind: Left
) -> None:
    inside, outside = ask(pair_facts[1])
    assert outside["alike"] == inside["alike"]
    assert outside["alike"]["writable"] == ["/exchange", "/tmp"]
    assert outside["pid"] == own_pids() != inside["pid"]
    assert outside["cgroups"] == [], "those of the machine are not the worker's"
    assert not left_behind()


def test_it_takes_no_root(build: str, pair_facts: tuple[BuildFacts, ...], left_behind: Left) -> None:
    required(os.geteuid() == 0 and shutil.which("setpriv"), "root, to become somebody else")
    socket = Path("/var/run/docker.sock")
    required(socket.exists(), "the engine's default socket")
    somebody = ("setpriv", "--reuid=12345", "--regid=12345", f"--groups={socket.stat().st_gid}")
    allowed = subprocess.run([*somebody, "unshare", "--map-root-user", "--mount", "true"], check=False)
    required(allowed.returncode == 0, "user namespaces for everybody")
    inside, outside = ask(pair_facts[1], *somebody)
    assert outside["alike"] == inside["alike"]
    assert outside["pid"] == own_pids()
    assert not left_behind()


# -- interrupted -------------------------------------------------------------------------------------------------------


def start(tmp_path: Path, build: str) -> subprocess.Popen[str]:
    folder = write_toys(tmp_path / "workloads", "good")
    return start_bench(tmp_path / "results", folder, (build,), BLOCKS, verb="overhead")


def wait_for_blocks(process: subprocess.Popen[str], tmp_path: Path, number: int) -> Path:
    deadline = time.monotonic() + 300
    while True:
        for path in tmp_path.glob("results/*/outcomes.jsonl"):
            if path.read_text().count('"type":"block"') >= number:
                return path.parent
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_interrupt_leaves_nothing_and_the_run_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: str, left_behind: Left
) -> None:
    process = start(tmp_path, build)
    directory = wait_for_blocks(process, tmp_path, 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "bench --resume" in said
    assert not left_behind()
    assert 2 <= len(recorded(directory)) < BLOCKS

    monkeypatch.setattr(runs, "WORKLOADS", tmp_path / "workloads")
    assert runs.resume(str(directory)) == 0
    assert sorted(block.index for block in recorded(directory)) == list(range(BLOCKS))
    assert all(isinstance(one, Sample) for block in recorded(directory) for one in block.outcomes)
    assert not left_behind()


def test_an_interrupt_while_the_image_is_unpacked_leaves_nothing(tmp_path: Path, build: str, left_behind: Left) -> None:
    process = start(tmp_path, build)
    deadline = time.monotonic() + 300
    while not any((folder / "root" / "etc").exists() for folder in unpacked()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not left_behind()


def test_what_a_killed_run_leaves_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], build: str, left_behind: Left
) -> None:
    process = start(tmp_path, build)
    directory = wait_for_blocks(process, tmp_path, 1)
    process.kill()
    process.communicate()
    assert unpacked()
    monkeypatch.setattr(runs, "WORKLOADS", tmp_path / "workloads")
    assert runs.resume(str(directory)) == 0
    assert "removed 1 unpacked images" in capsys.readouterr().err
    assert not left_behind()
