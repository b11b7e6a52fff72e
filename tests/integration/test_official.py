"""The recipe for Docker's python images, on one laid out as theirs are, in a registry on loopback."""

from __future__ import annotations

import contextlib
import io
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import msgspec
import pytest
import requests
import tomlkit

from harness import bases, builds, docker_client, pinning, provenance, runs, specs, workshop
from harness.builds import IMAGES, BasePin, Pins
from harness.docker_client import LABEL
from harness.docker_images import Images
from harness.equipment import RECIPE
from harness.errors import HostError
from harness.images import Foundry
from harness.model import Build, BuildFacts, Source
from harness.pinning import News, Releases
from harness.progress import Silent
from reports.parity import parity
from tests import made_up
from tests.conftest import required
from tests.web import Server

_CONFIGURATION = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}"}}
"""

# As theirs: in /usr/local, without byte code, and pip's wheel is there.  With the labels of what it is made of it would
# be taken for that.
_LOOKALIKE = f"""
FROM {{image}}
LABEL {LABEL}=1 {RECIPE}="" {LABEL}.build="" {LABEL}.origin="" {LABEL}.ingredients=""
USER root
RUN userdel gilometer; cp -a /opt/python/. /usr/local/; rm -rf /opt/python /usr/local/lib/python3.*/site-packages/*; \
    find /usr/local -name '*.pyc' -delete
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin EDITION={{edition}}
CMD ["python3"]
"""


@dataclass(frozen=True)
class Registry:
    """A registry on loopback, which engines reach without TLS, and the engine that pushes to it."""

    address: str
    client: docker.DockerClient
    image: str
    """What images are made of."""
    series: str

    @property
    def tag(self) -> str:
        return f"{self.address}/python:{self.series}-slim-trixie"

    def publish(self, edition: str) -> str:
        """Push an image; the engine keeps its layers, and forgets its digest.  Returns that."""
        dockerfile = _LOOKALIKE.format(image=self.image, edition=edition).encode()
        local = f"{self.address}/lookalike:{edition}"
        made, _ = self.client.images.build(fileobj=io.BytesIO(dockerfile), tag=local, rm=True, forcerm=True)
        made.tag(self.tag)
        for event in self.client.images.push(self.tag, stream=True, decode=True):
            assert "error" not in event, event
        digest = Images(self.client).ask_registry(self.tag)
        self.client.images.remove(self.tag)
        return digest


@pytest.fixture(scope="module")
def registry(pair_facts: tuple[BuildFacts, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Debian's, unpacked and not installed: installed it would be a service for everybody who reaches this machine."""
    folder = tmp_path_factory.mktemp("registry")
    fetched = subprocess.run(["apt-get", "download", "docker-registry"], cwd=folder, capture_output=True, check=False)
    required(fetched.returncode == 0 and shutil.which("dpkg-deb"), "Debian's docker-registry")
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    (folder / "config.yml").write_text(_CONFIGURATION.format(folder=folder / "data", address=address))
    command = [str(folder / "usr/bin/docker-registry"), "serve", str(folder / "config.yml")]
    facts = pair_facts[0]
    with (
        contextlib.closing(docker_client.connect()) as client,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
    ):
        try:
            _wait(f"http://{address}/v2/", process)
            before = _names(client)
            yield Registry(address, client, facts.image, facts.build.series)
            for name in sorted(_names(client) - before, key=lambda name: "-official:" not in name):
                client.images.remove(name)
        finally:
            process.terminate()
    shutil.rmtree(folder)


def _names(client: docker.DockerClient) -> set[str]:
    """Tags and digests of builds of such images, and of what is of a registry on loopback."""
    found = client.images.list(filters={"label": LABEL})
    every = (name for image in found for name in (*image.tags, *(image.attrs.get("RepoDigests") or ())))
    return {name for name in every if "-official:" in name or name.startswith("127.0.0.1:")}


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the registry has ended"
        with contextlib.suppress(requests.ConnectionError):
            requests.get(url, timeout=5).raise_for_status()
            return
        time.sleep(0.1)
    raise AssertionError("the registry does not answer")


@pytest.fixture(scope="module")
def images(registry: Registry) -> Images:
    return Images(registry.client)


@pytest.fixture(scope="module")
def digest(registry: Registry) -> str:
    """Of the image that is published first."""
    return registry.publish("first")


@pytest.fixture(scope="module")
def build(registry: Registry) -> Build:
    return builds.load()[f"{registry.series}-official"]


def pinned(build: Build, pin: BasePin) -> Pins:
    pins = builds.load_pins()
    return msgspec.structs.replace(pins, bases=pins.bases | {build.base: pin})


@pytest.fixture
def pins(build: Build, registry: Registry, digest: str) -> Pins:
    return pinned(build, BasePin(image=registry.tag, digest=digest))


def test_nothing_is_made_of_a_tag_alone_and_what_to_do_is_said(
    build: Build, registry: Registry, tmp_path: Path
) -> None:
    with contextlib.closing(
        Foundry(cache=tmp_path, pins=pinned(build, BasePin(image=registry.tag, digest="")))
    ) as foundry:
        said = f"no digest of {registry.tag} is pinned yet: ./inv pins --update does that"
        assert foundry.offer(build).obstacle.startswith(said)
        with pytest.raises(HostError, match=said):
            foundry.ensure(build, Silent())


def test_the_tag_is_resolved_where_pins_are_updated_and_nowhere_else(
    build: Build,
    registry: Registry,
    digest: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = tomlkit.parse((IMAGES / "pins.toml").read_text(encoding="utf-8"))
    document["bases"] = {build.base: {"image": registry.tag, "digest": ""}}
    (tmp_path / "pins.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    monkeypatch.setattr(workshop, "IMAGES", tmp_path)
    monkeypatch.setattr(workshop, "_install", lambda: None)
    server.status = 503
    monkeypatch.setattr(pinning, "Releases", lambda kept, check: Releases(kept, check, site=server.address("")))

    workshop.pins(update=True)

    assert builds.load_pins(tmp_path / "pins.toml").bases == {build.base: BasePin(image=registry.tag, digest=digest)}
    assert f"{build.base}: {registry.tag}@{digest}" in capsys.readouterr().out


def test_the_image_becomes_a_build_with_what_the_workloads_import(
    build: Build, pins: Pins, images: Images, pair_facts: tuple[BuildFacts, ...], tmp_path: Path
) -> None:
    with_gil, without = pair_facts
    pin = pins.bases[build.base]
    with contextlib.closing(Foundry(cache=tmp_path, pins=pins)) as foundry:
        assert bases.find(images, build.base, pin) is None, "it has to be pulled"
        assert foundry.offer(build).origin == f"Docker's image {pin.image}"
        facts = foundry.ensure(build, Silent())
        assert foundry.ensure(build, Silent()).image == facts.image
    assert facts.build.source is Source.OFFICIAL
    assert (facts.release, facts.free_threaded, facts.gil_enabled) == (with_gil.release, False, True)
    assert (facts.packages, facts.compiler, facts.link) == (with_gil.packages, with_gil.compiler, with_gil.link)
    assert (facts.origin, facts.base) == (f"Docker's image {pin.image}", f"{pin.image}@{pin.digest}")
    found = images.execute(facts.image, ["find", "/usr/local/lib", "-name", "os.*.pyc"])
    assert found.count("\n") == 1, "the standard library has its byte code"
    assert images.execute(facts.image, ["sh", "-c", "ls -d /host /requirements.txt 2>/dev/null || true"]) == ""

    run = msgspec.structs.replace(made_up.run(), builds=(facts,))
    statement = msgspec.json.decode(provenance.statement(facts, run))
    base = statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]
    assert base == {
        "name": "base image",
        "annotations": {"is": facts.base},
        "digest": {"sha256": pin.digest.removeprefix("sha256:")},
    }
    assert "pkg:deb/debian/libc6@" in provenance.bill(facts, run)

    workloads = specs.load_workloads(runs.WORKLOADS)
    theirs = msgspec.structs.replace(facts, optimize="pgo-lto")  # as configure says of theirs, and ours is plain
    for other in (with_gil, without):
        found_unlike = parity(theirs, other, workloads)
        assert {"base image", "kind of source"} <= {one.what for one in found_unlike.differences}, found_unlike.compared


def test_a_tag_that_has_moved_changes_no_build_and_is_news(
    build: Build, registry: Registry, digest: str, pins: Pins, images: Images
) -> None:
    pin = pins.bases[build.base]
    first = bases.ensure(images, build.base, pin, Silent())
    moved = registry.publish("second")
    assert moved != digest
    assert bases.ensure(images, build.base, pin, Silent()) == first
    only = msgspec.structs.replace(pins, bases={build.base: pin})
    assert list(pinning.bases(only, images.ask_registry)) == [News(registry.tag, pin=moved)]


def test_a_digest_that_the_registry_does_not_have_is_named(
    build: Build, registry: Registry, images: Images, digest: str, tmp_path: Path
) -> None:
    pin = BasePin(image=registry.tag, digest=f"sha256:{'0' * 64}")
    with contextlib.closing(Foundry(cache=tmp_path, pins=pinned(build, pin))) as foundry:
        assert f"the image {pin.pinned} cannot be had" in foundry.offer(build).obstacle
        with pytest.raises(HostError, match=f"the image {pin.pinned} cannot be had"):
            foundry.ensure(build, Silent())
    assert not (tmp_path / "logs").exists()
