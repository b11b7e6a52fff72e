"""A bundle carried to a machine without network: an engine that has nothing, an empty cache, and no way out."""

from __future__ import annotations

import dataclasses
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness import bases, builds, bundle, docker_client, images, provision, shipping, showroom, sources, store
from harness.builds import BasePin
from harness.docker_client import LABEL
from harness.docker_images import Images
from harness.errors import HostError, RequestError
from harness.images import Foundry
from harness.model import BuildFacts
from harness.progress import Silent
from harness.provision import Daemon
from harness.request import BenchOptions
from tests.integration import daemons
from tests.integration.processes import ROOT, start_bench
from tests.toys import write_toys


@pytest.fixture(scope="module")
def facts(pair_facts: tuple[BuildFacts, ...]) -> BuildFacts:
    """Of the build that is carried, where it was made."""
    return pair_facts[1]


@pytest.fixture(scope="module")
def path(facts: BuildFacts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bundle."""
    path = tmp_path_factory.mktemp("stick") / "bundle.tar"
    shipping.pack(BenchOptions(builds=facts.build.name), str(path))
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The other machine's engine, with the storage driver that it chooses."""
    with daemons.own(tmp_path_factory.mktemp("far")) as daemon:
        provision.start_daemon(daemon).client.close()
        yield daemon


@pytest.fixture
def far(path: Path, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Images]:
    """On the other machine, once the bundle is written."""
    assert path.exists()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{daemon.socket}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: str) -> None:
        if self.family != socket.AF_UNIX:
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        connect(self, address)

    def know_nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "no network")

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", know_nobody)
    found = Images(docker_client.connect())
    yield found
    found.close()


def held() -> tuple[set[str], set[str]]:
    """Tags in the engine and files in the cache."""
    client = docker_client.connect()
    tags = {tag for image in client.images.list() for tag in image.tags}
    client.close()
    return tags, {path.name for path in sources.cache_folder().rglob("*") if path.is_file()}


def test_a_bundle_that_this_checkout_would_not_look_for_is_refused_before_anything_is_loaded(
    path: Path, far: Images, facts: BuildFacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(builds.IMAGES, tmp_path / "images")
    with (tmp_path / "images" / "source.Dockerfile").open("a") as dockerfile:
        dockerfile.write("# another\n")
    monkeypatch.setattr(images, "IMAGES", tmp_path / "images")
    before = held()
    with pytest.raises(RequestError) as caught:
        shipping.unpack(str(path))
    sums = re.findall(r"\b[0-9a-f]{12}\b", caught.value.message)
    assert facts.build.name in caught.value.message
    assert (sums[0], len(set(sums))) == (facts.recipe[:12], 2)
    assert held() == before


def carried(path: Path) -> bundle.Packed:
    """What the bundle says of its one build."""
    with bundle.unpacking(path, Silent()) as found:
        (one,) = found.manifest.builds
    return one


def test_a_writer_that_is_ended_leaves_nothing(facts: BuildFacts, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "invoke", "--search-root", str(ROOT), "bundle", "--builds", facts.build.name]
    process = subprocess.Popen([*command, "--out", "carried.tar"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not any(path.stat().st_size for path in tmp_path.glob(f".carried.tar-*/{bundle.IMAGES}")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (130, "gilometer: interrupted")
    assert not list(tmp_path.iterdir())


def test_another_base_image_of_the_machine_stays_what_it_is(path: Path, far: Images, facts: BuildFacts) -> None:
    tag = f"gilometer/base:{facts.build.base}"
    with subprocess.Popen(["tar", "--create", "--files-from=/dev/null"], stdout=subprocess.PIPE) as empty:
        assert empty.stdout is not None
        image = far.import_tree(empty.stdout, tag, {LABEL: "1", f"{LABEL}.base": "made on this machine"})
    try:
        before = held()
        with pytest.raises(HostError, match="another base image trixie: made on this machine; nothing was loaded"):
            shipping.unpack(str(path))
        assert held() == before
        assert bases.find(far, facts.build.base, builds.load_pins().bases[facts.build.base]) == bases.Base(
            image, "made on this machine"
        )
    finally:
        far.untag(tag)


def test_images_that_turn_out_to_be_others_are_not_kept(path: Path, far: Images) -> None:
    before = held()
    with bundle.unpacking(path, Silent()) as found:
        (one,) = found.manifest.builds
        other = msgspec.structs.replace(one, image=f"sha256:{'0' * 64}")
        manifest = msgspec.structs.replace(found.manifest, builds=(other,))
        with pytest.raises(HostError, match="has another id once it is loaded"):
            shipping.load(dataclasses.replace(found, manifest=manifest), Silent())
    assert held() == before


class Interrupting(Silent):
    """Ctrl-C, a moment after all images are with the engine, which then unpacks them."""

    def __init__(self, megabytes: float) -> None:
        self._megabytes = megabytes

    def update(self, done: float, note: str = "", total: float | None = None) -> None:
        if done >= self._megabytes:
            main = threading.main_thread().ident or 0
            threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()


def test_an_interrupt_leaves_nothing_not_even_later(path: Path, far: Images) -> None:
    before = held()
    with bundle.unpacking(path, Silent()) as found, pytest.raises(KeyboardInterrupt):
        shipping.load(found, Interrupting(found.manifest.members[bundle.IMAGES].size / 1e6))
    assert held() == before
    time.sleep(5)  # an engine that had not been waited for would be done by now
    assert held() == before


def test_a_build_is_the_same_on_a_machine_without_network(
    path: Path, far: Images, facts: BuildFacts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert held() == (set(), set())
    shipping.unpack(str(path))

    assert f"{facts.build.name}: CPython {facts.release} free-threaded" in capsys.readouterr().out
    foundry = Foundry()
    there = foundry.ensure(facts.build, Silent())
    foundry.close()
    # What layers take is the storage driver's own affair; all else is the same.
    assert msgspec.structs.replace(there, size=facts.size) == facts
    showroom.offers()
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == [facts.build.name])
    assert line.split(maxsplit=1)[1].startswith("made, ")
    assert {f"Python-{facts.release}.tar.xz", f"Python-{facts.release}.tar.xz.site"} <= held()[1]


def test_a_base_image_that_was_pulled_is_known_by_its_digest_where_it_was_carried(path: Path, far: Images) -> None:
    base = carried(path).base
    pin = BasePin(image="debian:nowhere", digest=f"sha256:{'a' * 64}")
    assert bases.find(far, "nowhere", pin) is None
    far.tag(base.image, f"gilometer/base:{'a' * 64}")  # as portable_tag does, where the registry's digest is known
    try:
        assert bases.find(far, "nowhere", pin) == bases.Base(base.image, f"debian:nowhere@sha256:{'a' * 64}")
        assert bases.portable_tag(far, "nowhere", pin) == f"gilometer/base:{'a' * 64}"
    finally:
        far.untag(f"gilometer/base:{'a' * 64}")


NO_NETWORK = ("unshare", "--net")
"""A namespace with no way out, for whatever a process starts, too; the engine's socket is a file, and is reached."""


def test_what_is_measured_without_network_is_measured_on_the_carried_build(
    path: Path, daemon: Daemon, facts: BuildFacts, tmp_path: Path
) -> None:
    environ = {"DOCKER_HOST": f"unix://{daemon.socket}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    name = facts.build.name

    def inv(*arguments: str) -> str:
        command = [*NO_NETWORK, sys.executable, "-P", "-m", "invoke", "--search-root", str(ROOT), *arguments]
        ended = subprocess.run(command, cwd=tmp_path, env=os.environ | environ, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert f"{name}: CPython {facts.release} free-threaded" in inv("setup", "--bundle", str(path))
    (there,) = msgspec.json.decode(inv("build", "--facts", name, "--json"), type=list[BuildFacts])
    assert msgspec.structs.replace(there, size=facts.size) == facts

    folder = write_toys(tmp_path / "workloads", "good")
    process = start_bench(tmp_path / "results", folder, (name, name), 1, under=NO_NETWORK, **environ)
    _, said = process.communicate()
    assert process.returncode == 0, said
    (directory,) = (found.parent for found in (tmp_path / "results").glob(f"*/{store.RUN}"))
    for one in store.load_run(directory).builds:
        assert (one.image, one.recipe, one.origin) == (facts.image, facts.recipe, facts.origin)
    assert (directory / "index.html").exists()
