"""Podman's API service in Docker's place: it builds the same images and executes the same workers.

The service is this test's own, with a store of its own.  Its builds use this machine's network as it is, so that Podman
makes no bridge here.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from harness import bases, docker_client, runs, store
from harness.builds import load, load_pins
from harness.docker_client import LABEL, Address
from harness.docker_engine import DockerEngine
from harness.docker_images import Images
from harness.errors import HostError, MeasurementError
from harness.images import Foundry
from harness.journal import BlockRecord, Failure, Reason, Sample
from harness.model import BuildFacts
from harness.progress import Silent
from harness.request import BenchOptions
from harness.requirements import Requirements
from harness.workbench import workbench
from tests.conftest import prepared, required
from tests.integration.places import said, verify_places
from tests.integration.test_anyones import SIX
from tests.toys import write_toys

BUILD = load()["3.13-debian"]
"""The cheapest to make."""

SETTINGS = """\
[containers]
netns = "host"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
"""

START = """
mount -t tmpfs podman "$0/root" &&
exec podman --root="$0/root" --runroot="$0/run" --tmpdir="$0/tmp" system service --time=0 "unix://$0/podman.sock"
"""
"""In a mount namespace of its own: with that the store is gone at once, which to delete takes a disk long."""


class Service:
    """`podman system service`, with everything that it keeps below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder}/podman.sock"
        (folder / "containers.conf").write_text(SETTINGS)
        (folder / "root").mkdir()
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", START, str(folder)],
                env=os.environ | {"CONTAINERS_CONF": str(folder / "containers.conf")},
                stdout=log,
                stderr=log,
            )

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + 30
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(HostError):
                docker_client.open_address(Address(self.url, "this test")).client.close()
                return
            time.sleep(0.1)
        raise AssertionError((self._folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        """And end what Podman keeps of every worker that has ended: for five minutes, a process that waits."""
        self._process.terminate()
        self._process.wait(30)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Those that were told of its folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it has ended
                if bytes(self._folder) in path.read_bytes():
                    found.append(int(path.parent.name))
        return found


@pytest.fixture(scope="module")
def in_docker() -> BuildFacts:
    """The build in the engine that all other tests use."""
    required(os.geteuid() == 0 and shutil.which("podman") and shutil.which("unshare"), "root, podman and unshare")
    return prepared(BUILD.name)[0]


@pytest.fixture(scope="module")
def podman(in_docker: BuildFacts) -> Iterator[docker.DockerClient]:
    """The service as the engine that was chosen, with the base image of the other engine in it."""
    with tempfile.TemporaryDirectory(prefix="podman-") as name, pytest.MonkeyPatch.context() as patch:
        service = Service(Path(name))
        try:
            service.wait()
            with contextlib.closing(docker.DockerClient(base_url=service.url, timeout=300)) as client:
                copy_base(client)
                patch.setenv("DOCKER_HOST", service.url)
                patch.setenv("XDG_CACHE_HOME", str(Path(name) / "cache"))
                yield client
        finally:
            service.stop()
    assert not service.processes()
    assert not Path(name).exists()


def copy_base(client: docker.DockerClient) -> None:
    """Saved by one engine, loaded by the other: so that nothing is bootstrapped twice."""
    with contextlib.closing(docker.from_env(timeout=300)) as other:
        base = bases.find(Images(other), BUILD.base, load_pins().bases[BUILD.base])
        assert base, "the build in Docker was made of it"
        image = other.images.get(base.image)
        (loaded,) = client.images.load(b"".join(image.save(named=bool(image.tags))))
    assert loaded.id == base.image


@pytest.fixture(scope="module")
def in_podman(podman: docker.DockerClient) -> BuildFacts:
    """The same build, made by Podman."""
    with contextlib.closing(Foundry()) as foundry:
        return foundry.ensure(BUILD, Silent())


@pytest.fixture
def engine(in_podman: BuildFacts) -> Iterator[DockerEngine]:
    with workbench(runs.WORKLOADS) as bench, contextlib.closing(DockerEngine(docker_client.find(), bench)) as engine:
        yield engine


def ids(client: docker.DockerClient) -> set[str]:
    return {str(image.id) for image in client.images.list(all=True)}


def build(client: docker.DockerClient, context: Path, tag: str, **arguments: str) -> str:
    log = context.with_name("log")
    return Images(client).build(
        context, arguments=arguments, labels={LABEL: "1"}, tag=tag, log=log, on_line=lambda line: None
    )


# -- images ------------------------------------------------------------------------------------------------------------


def test_a_recipe_becomes_the_same_build(in_docker: BuildFacts, in_podman: BuildFacts) -> None:
    differing = {name for name in BuildFacts.__struct_fields__ if getattr(in_docker, name) != getattr(in_podman, name)}
    packed = {"image", "layers", "size"}
    updated = {"version", "origin", "system_packages", "ingredients"}  # Debian's updates, between the two builds
    assert packed <= differing <= packed | updated
    assert in_podman.layers[0] == in_docker.layers[0], "the base image"
    assert len(in_podman.layers) == len(in_docker.layers)


def test_what_is_made_is_found_again(in_podman: BuildFacts, podman: docker.DockerClient) -> None:
    before = ids(podman)
    with contextlib.closing(Foundry()) as foundry:
        assert foundry.ensure(BUILD, Silent()) == in_podman
    assert ids(podman) == before


def test_what_a_script_requires_is_a_layer_more(in_podman: BuildFacts) -> None:
    lock = Requirements((" ".join(SIX.replace("\\", "").split()),))
    with contextlib.closing(Foundry()) as foundry:
        equipped = foundry.equip(in_podman, [lock], Silent())
        assert [one.packages for one in equipped.environments.values()] == [{"six": "1.17.0"}]
        assert equipped.layers[:-1] == in_podman.layers
        assert foundry.ensure(BUILD, Silent()) == in_podman, "the one is not taken for the other"


def test_a_build_that_fails_says_why_and_leaves_no_tag(podman: docker.DockerClient, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nRUN echo not today; exit 7\n")
    before = {tag for image in podman.images.list() for tag in image.tags}
    base = bases.find(Images(podman), BUILD.base, load_pins().bases[BUILD.base])
    assert base
    with pytest.raises(MeasurementError, match=r"(?s)gilometer/failing could not be built.*not today.*status 7"):
        build(podman, context, "gilometer/failing:1", BASE=base.image)
    assert {tag for image in podman.images.list() for tag in image.tags} == before


def test_a_tree_is_imported_with_its_labels_under_its_tag(podman: docker.DockerClient, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello")
    labels = {LABEL: "1", f"{LABEL}.base": "tiny, made by hand on 2026-01-01"}
    command = ["tar", "--create", "--directory", str(tmp_path), "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as archive:
        assert isinstance(archive.stdout, io.BufferedReader)
        image = Images(podman).import_tree(archive.stdout, "gilometer/base:tiny", labels)
    found = Images(podman).inspect("gilometer/base:tiny")
    assert found
    assert (found.id, found.labels) == (image, labels)
    assert Images(podman).inspect("gilometer/base:latest") is None
    podman.images.remove(image, force=True)


def test_that_podman_cannot_ask_a_registry_is_no_obstacle(in_podman: BuildFacts, podman: docker.DockerClient) -> None:
    pinned = [pin for pin in load_pins().bases.values() if pin.digest]
    assert {bases.obstacle(Images(podman), pin) for pin in pinned} == {""}


def test_an_image_is_unpacked(engine: DockerEngine, podman: docker.DockerClient, tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "hello").write_text("hello")
    (context / "Dockerfile").write_text('FROM scratch\nCOPY hello /hello\nCMD ["/hello"]\n')
    image = build(podman, context, "gilometer/hello:1")
    engine.unpack(image, tmp_path / "image")
    assert (tmp_path / "image" / "hello").read_text() == "hello"
    podman.images.remove(image, force=True)


# -- workers -----------------------------------------------------------------------------------------------------------


def test_a_place_is_what_was_asked_for(engine: DockerEngine, in_podman: BuildFacts) -> None:
    verify_places(engine, in_podman)


def test_what_lives_in_a_place_is_cleared_and_the_place_is_removed(
    engine: DockerEngine, in_podman: BuildFacts, podman: docker.DockerClient
) -> None:
    with engine.open(in_podman, (0,)) as place:
        orphan = "import subprocess; subprocess.Popen(['sleep', '3600'], start_new_session=True)"
        said(place.start(["-c", orphan], {}))
        assert place.left() == 1
        place.clear()
        assert place.left() == 0
        worker = place.start(["-c", "import time; time.sleep(3600)"], {})
        worker.kill()
        said(worker)
        assert worker.poll() == 128 + signal.SIGKILL
        assert engine.neighbours() == 0
        assert engine.remove_left_behind() == 1, "as of a run that was killed"
    assert podman.containers.list(all=True) == []


def test_a_bench_has_valid_samples_and_finds_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, in_podman: BuildFacts, podman: docker.DockerClient
) -> None:
    monkeypatch.setattr(runs, "WORKLOADS", write_toys(tmp_path / "workloads", "good", "killed", "leaves_a_process"))

    assert runs.bench(BenchOptions(builds=f"{BUILD.name},{BUILD.name}", blocks="2", threads="1", seed="1")) == 4

    (directory,) = (path.parent for path in results.glob(f"*/{store.RUN}"))
    run, journal = store.load(directory)
    assert run.engine.version.startswith("Podman ")
    assert run.builds[0] == in_podman
    homes = {block.index: (block.home,) for block in run.plan.blocks}
    outcomes = [(line.index, one) for line in journal if isinstance(line, BlockRecord) for one in line.outcomes]
    samples = [(index, one) for index, one in outcomes if isinstance(one, Sample)]
    assert len(samples) == 4
    for index, sample in samples:
        assert "toy/good" in sample.case
        assert sample.evidence.cpus_allowed == homes[index]
        assert sample.evidence.gil_enabled
        assert sample.evidence.throttled_periods == 0
        assert sample.evidence.memory_peak
    failed = {(one.case.partition(" ")[0], one.reason) for _, one in outcomes if isinstance(one, Failure)}
    assert failed == {("toy/killed", Reason.KILLED), ("toy/leaves_a_process", Reason.STRAY)}
    assert podman.containers.list(all=True) == []
