"""What tests need of the machine: without it they are skipped, and fail where CI=true promises that it is there."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import execution
from harness.errors import HostError
from harness.model import BuildFacts
from tests.web import Server


def required(present: object, what: str) -> None:
    """Go on if it is there."""
    if present:
        return
    message = f"needs {what}; ./inv test provides it on Debian as root"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def prepared(*names: str) -> tuple[BuildFacts, ...]:
    """The builds named, or the default pair, their images made."""
    from harness import session

    try:
        return session.prepare(*names)
    except HostError as error:
        required(None, f"an engine and images ({error.message})")
        raise


@pytest.fixture(autouse=True)
def undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share the machine with whatever else it does: where nothing else is said, no block is invalid for it."""
    monkeypatch.setattr(execution, "disturbances", lambda *_: ())


@pytest.fixture
def server() -> Iterator[Server]:
    """A web server on loopback."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def pair_facts() -> tuple[BuildFacts, ...]:
    """The default pair of builds, their images made: the one with the GIL first."""
    return prepared()


@pytest.fixture(scope="session")
def pair(pair_facts: tuple[BuildFacts, ...]) -> tuple[str, str]:
    """Their names."""
    with_gil, without = pair_facts
    return with_gil.build.name, without.build.name


@pytest.fixture(scope="session")
def pair_includes(pair_facts: tuple[BuildFacts, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C headers of the free-threaded build, copied out of its image."""
    import docker

    folder = tmp_path_factory.mktemp("include")
    client = docker.from_env()
    container = client.containers.create(pair_facts[1].image, labels={"org.gilometer": "1"})
    try:
        stream, _ = container.get_archive("/opt/python/include")
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            archive.extractall(folder, filter="data")
    finally:
        container.remove()
        client.close()
    (header,) = folder.rglob("Python.h")
    return header.parent
