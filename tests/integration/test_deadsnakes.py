"""The recipe for deadsnakes' packages against an APT archive made here, with their names and layout.

The base is Debian's, which this host can bootstrap, instead of Ubuntu's; pins name archive, key and key server.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import msgspec
import pytest

from harness import builds, docker_client, images, network, runs, specs
from harness.builds import DeadsnakesPin, Pins
from harness.docker_images import Images
from harness.errors import MeasurementError
from harness.images import Foundry
from harness.model import Build, BuildFacts, Source
from harness.progress import Silent
from reports.parity import parity
from tests import apt_archive
from tests.apt_archive import Key
from tests.conftest import required
from tests.web import Server

SUITE = "trixie"


@dataclass(frozen=True)
class World:
    """An archive in several states, below one server that containers reach."""

    server: Server
    series: str
    good: Key
    bad: Key
    debs: dict[str, bytes]
    swapped: dict[str, bytes]
    scratch: Path

    def publish(self, state: str, pool: dict[str, bytes], sign: Callable[[bytes], dict[str, bytes]]) -> str:
        """Publish below /STATE; returns the archive's URL."""
        files, release = apt_archive.index(pool, SUITE, self.scratch)
        dists = {**files, **sign(release)}
        self.server.files |= {f"{state}/{path}": content for path, content in pool.items()}
        self.server.files |= {f"{state}/dists/{SUITE}/{path}": content for path, content in dists.items()}
        return self.server.address(state)

    def signed(self, release: bytes) -> dict[str, bytes]:
        return {"InRelease": self.good.signed(release)}

    def pins(self, archive: str, *, key: Key | None = None) -> Pins:
        """Pins of an archive; the key server gives `key` whatever it is asked for."""
        path = f"keys-{(key or self.good).fingerprint}"
        self.server.files[f"{path}/pks/lookup"] = (key or self.good).public
        pin = DeadsnakesPin(fingerprint=self.good.fingerprint, archive=archive, keyserver=self.server.address(path))
        return msgspec.structs.replace(builds.load_pins(), deadsnakes=pin)

    def build(self, *, free_threaded: bool) -> Build:
        name = f"{self.series}{'t' * free_threaded}-deadsnakes"
        return msgspec.structs.replace(builds.load()[name], base=SUITE)


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker_client.connect()
    yield client
    client.close()


@pytest.fixture(scope="module")
def world(
    client: docker.DockerClient, pair_facts: tuple[BuildFacts, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    required(shutil.which("gpg") and shutil.which("dpkg-deb"), "gpg and dpkg-deb")
    scratch = tmp_path_factory.mktemp("archive")
    plain, free_threaded = (_python(client, facts, scratch / facts.build.name) for facts in pair_facts)
    series = pair_facts[0].build.series
    gateway = client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    server = Server(gateway)
    with apt_archive.keys(2) as (good, bad):
        made, swapped = (
            apt_archive.debs(apt_archive.packages(series, plain, nogil, scratch / name), scratch)
            for name, nogil in (("right", free_threaded), ("swapped", plain))
        )
        shutil.rmtree(scratch / pair_facts[0].build.name)
        shutil.rmtree(scratch / pair_facts[1].build.name)
        yield World(server, series, good, bad, made, swapped, scratch)
    server.close()


def _python(client: docker.DockerClient, facts: BuildFacts, folder: Path) -> Path:
    container = client.containers.create(facts.image, labels={docker_client.LABEL: "1"})
    try:
        chunks, _ = container.get_archive("/opt/python")
        return apt_archive.unpacked(b"".join(chunks), folder)
    finally:
        container.remove()


@pytest.fixture(autouse=True)
def swept(client: docker.DockerClient) -> Iterator[None]:
    """What such a build leaves in the engine and was not there before is removed."""
    before = _tags(client)
    yield
    for tag in _tags(client) - before:
        client.images.remove(tag)


def _tags(client: docker.DockerClient, kind: str = "-deadsnakes") -> set[str]:
    found = client.images.list(filters={"label": docker_client.LABEL})
    return {tag for image in found for tag in image.tags if f"{kind}:" in tag}


def _containers(client: docker.DockerClient) -> set[str]:
    return {str(one.id) for one in client.containers.list(all=True, filters={"label": docker_client.LABEL})}


def test_both_packages_become_what_they_are_called(
    world: World, client: docker.DockerClient, pair_facts: tuple[BuildFacts, ...], tmp_path: Path
) -> None:
    pins = world.pins(world.publish("good", world.debs, world.signed))
    foundry = Foundry(cache=tmp_path, pins=pins)
    plain, nogil = (foundry.ensure(world.build(free_threaded=free), Silent()) for free in (False, True))
    assert [(one.free_threaded, one.gil_enabled) for one in (plain, nogil)] == [(False, True), (True, False)]
    for facts, source in zip((plain, nogil), pair_facts, strict=True):
        suffix = "-nogil" * facts.free_threaded
        assert facts.origin == f"deadsnakes package python{world.series}{suffix} {apt_archive.VERSION}"
        assert facts.release == source.release
        assert facts.packages == source.packages
        assert facts.system_packages[f"python{world.series}{suffix}"] == apt_archive.VERSION
    assert f"python{world.series}" not in nogil.system_packages, "it is not there to be mixed up with"
    search = "find / -name ca.crt -o -name '*.deb' -o -name deadsnakes.list 2>/dev/null | grep -v ^/proc/ || true"
    assert Images(client).execute(nogil.image, ["sh", "-c", search]) == ""
    workloads = specs.load_workloads(runs.WORKLOADS)
    differences = {one.what for one in parity(plain, nogil, workloads).differences}
    assert "optimisation" in differences, "deadsnakes' free-threaded build has no PGO"


def _unsigned(release: bytes) -> dict[str, bytes]:
    return {"Release": release}


@pytest.mark.parametrize("state", ["unsigned", "by-somebody-else", "tampered-release", "tampered-package"])
def test_what_is_not_signed_by_the_pinned_key_stops_the_build(
    world: World, client: docker.DockerClient, tmp_path: Path, state: str
) -> None:
    pool, sign = world.debs, world.signed
    match state:
        case "unsigned":
            sign = _unsigned
        case "by-somebody-else":

            def sign(release: bytes) -> dict[str, bytes]:
                return {"InRelease": world.bad.signed(release)}

        case "tampered-release":

            def sign(release: bytes) -> dict[str, bytes]:
                return {"InRelease": world.good.signed(release).replace(b"Origin: test", b"Origin: tess")}

    archive = world.publish(state, pool, sign)
    if state == "tampered-package":
        path = next(path for path in world.server.files if path.startswith(f"{state}/pool/python{world.series}-nogil_"))
        world.server.files[path] = world.server.files[path][:-1] + b"?"
    tags, containers = _tags(client), _containers(client)
    with pytest.raises(MeasurementError) as caught:
        Foundry(cache=tmp_path, pins=world.pins(archive)).ensure(world.build(free_threaded=True), Silent())
    said = caught.value.message
    assert archive in said, "it names the archive"
    reasons = {
        "unsigned": "is not signed",
        "by-somebody-else": "signature",
        "tampered-release": "signature",
        "tampered-package": "Hash Sum mismatch",
    }
    assert reasons[state] in said
    assert caught.value.status == 4
    assert (_tags(client), _containers(client)) == (tags, containers)


def test_a_mirror_that_debian_did_not_sign_stops_the_build_of_its_packages(
    world: World, client: docker.DockerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = world.publish("mirror", {}, world.signed)
    monkeypatch.setattr(network, "apt_mirror", lambda distribution: f"{mirror}/")
    build = next(one for one in builds.load().values() if (one.source, one.base) == (Source.DEBIAN, SUITE))
    shutil.copytree(builds.IMAGES, tmp_path / "images")
    with (tmp_path / "images" / "debian.Dockerfile").open("a") as dockerfile:
        dockerfile.write("# never built\n")
    monkeypatch.setattr(images, "IMAGES", tmp_path / "images")
    tags, containers = _tags(client, build.name), _containers(client)
    with pytest.raises(MeasurementError) as caught:
        Foundry(cache=tmp_path).ensure(build, Silent())
    assert f"'{mirror} {SUITE} InRelease' is not signed" in caught.value.message
    assert world.good.fingerprint in caught.value.message, "the key that Debian's keyring does not have"
    assert (_tags(client, build.name), _containers(client)) == (tags, containers)


def test_a_key_server_that_gives_another_key_stops_the_build(
    world: World, client: docker.DockerClient, tmp_path: Path
) -> None:
    archive = world.publish("other-key", world.debs, lambda release: {"InRelease": world.bad.signed(release)})
    pins = world.pins(archive, key=world.bad)
    tags, containers = _tags(client), _containers(client)
    with pytest.raises(MeasurementError) as caught:
        Foundry(cache=tmp_path, pins=pins).ensure(world.build(free_threaded=True), Silent())
    assert world.good.fingerprint in caught.value.message
    assert (_tags(client), _containers(client)) == (tags, containers)


def test_a_nogil_package_that_holds_the_other_interpreter_stops_the_build(
    world: World, client: docker.DockerClient, tmp_path: Path
) -> None:
    pins = world.pins(world.publish("swapped", world.swapped, world.signed))
    tags = _tags(client)
    with pytest.raises(MeasurementError, match=rf"python{world.series}t has Py_GIL_DISABLED = 0: its package is not"):
        Foundry(cache=tmp_path, pins=pins).ensure(world.build(free_threaded=True), Silent())
    assert _tags(client) == tags
