"""The recipe for python-build-standalone, on an archive laid out as theirs are, made of interpreters that we built."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import msgspec
import pytest

from harness import builds, docker_client
from harness.builds import Pins, StandalonePins
from harness.docker_images import Images
from harness.errors import MeasurementError, RequestError
from harness.images import Foundry
from harness.model import BuildFacts, Source
from harness.progress import Silent
from tests.tarballs import sha256
from tests.web import Server


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker_client.connect()
    yield client
    client.close()


@pytest.fixture(scope="module")
def archive(client: docker.DockerClient, pair_facts: tuple[BuildFacts, ...]) -> bytes:
    """python/ with bin, include, lib and share: /opt/python of the free-threaded build."""
    container = client.containers.create(pair_facts[1].image, labels={docker_client.LABEL: "1"})
    try:
        chunks, _ = container.get_archive("/opt/python")
        return gzip.compress(b"".join(chunks), compresslevel=1)
    finally:
        container.remove()


def pins_of(server: Server, release: str, content: bytes, *, free_threaded: bool = True) -> Pins:
    """Pins of one archive, which the server publishes."""
    variant = "-freethreaded" if free_threaded else ""
    name = f"cpython-{release}+20260101-{os.uname().machine}-unknown-linux-gnu{variant}-install_only_stripped.tar.gz"
    server.files[f"20260101/{name.replace('+', '%2B')}"] = content
    pinned = StandalonePins(site=server.address("").rstrip("/"), files={name: sha256(content)})
    return msgspec.structs.replace(builds.load_pins(), standalone=pinned)


@pytest.fixture
def made(client: docker.DockerClient) -> Iterator[None]:
    """Whatever images of such builds are there afterwards and were not before is removed."""

    def tags() -> set[str]:
        found = client.images.list(filters={"label": docker_client.LABEL})
        return {tag for image in found for tag in image.tags if "-uv:" in tag}

    before = tags()
    yield
    for tag in tags() - before:
        client.images.remove(tag)


@pytest.mark.usefixtures("made")
def test_an_archive_becomes_a_build_with_what_the_workloads_import(
    archive: bytes, pair_facts: tuple[BuildFacts, ...], server: Server, tmp_path: Path, client: docker.DockerClient
) -> None:
    build = builds.load()[f"{pair_facts[1].build.series}t-uv"]
    pins = pins_of(server, pair_facts[1].release, archive)
    facts = Foundry(cache=tmp_path, pins=pins).ensure(build, Silent())
    assert facts.build.source is Source.UV
    assert (facts.release, facts.free_threaded, facts.gil_enabled) == (pair_facts[1].release, True, False)
    assert facts.packages == pair_facts[1].packages
    assert facts.origin.endswith(f"of python-build-standalone (sha256:{sha256(archive)})")
    search = "find / -name python.tar -o -name ca.crt -o -name pip.conf 2>/dev/null | grep -v ^/proc/ || true"
    assert Images(client).execute(facts.image, ["sh", "-c", search]) == ""
    shutil.rmtree(tmp_path)
    server.asked.clear()
    again = Foundry(cache=tmp_path, pins=pins).ensure(build, Silent())
    assert again.image == facts.image
    assert not [asked for asked in server.asked if asked.startswith("GET")], "the image is known by its recipe"


@pytest.mark.usefixtures("made")
def test_an_archive_of_the_other_kind_is_refused_each_time(
    archive: bytes, pair_facts: tuple[BuildFacts, ...], server: Server, tmp_path: Path
) -> None:
    build = builds.load()[f"{pair_facts[1].build.series}-uv"]
    foundry = Foundry(cache=tmp_path, pins=pins_of(server, pair_facts[1].release, archive, free_threaded=False))
    for _ in range(2):
        with pytest.raises(RequestError, match=f"{build.name} became"):
            foundry.ensure(build, Silent())


def test_an_archive_with_another_content_stops_the_build_and_is_not_kept(
    archive: bytes, pair_facts: tuple[BuildFacts, ...], server: Server, tmp_path: Path, client: docker.DockerClient
) -> None:
    build = builds.load()[f"{pair_facts[1].build.series}t-uv"]
    pins = pins_of(server, pair_facts[1].release, archive)
    (path,) = server.files
    server.files[path] = archive + b"and more"
    before = {image.id for image in client.images.list(filters={"label": docker_client.LABEL})}
    with pytest.raises(MeasurementError, match="pinned is"):
        Foundry(cache=tmp_path, pins=pins).ensure(build, Silent())
    assert not list((tmp_path / "sources").iterdir())
    assert {image.id for image in client.images.list(filters={"label": docker_client.LABEL})} == before
