"""Which engine is taken, from made-up environments, and what is said where none answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import docker
import pytest
import requests

from harness import docker_client
from harness.docker_client import Address
from harness.errors import HostError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any Docker configuration."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def make_context(home: Path, name: str, host: str) -> None:
    """A context as `docker context create` and `use` leave it."""
    import hashlib

    folder = home / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": False}
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    (home / "config.json").write_text(json.dumps({"currentContext": name}))


def urls(environ: dict[str, str]) -> list[str]:
    return [address.url for address in docker_client.addresses(environ)]


def test_docker_host_stands_alone_even_before_a_context(home: Path) -> None:
    make_context(home, "elsewhere", "tcp://elsewhere.test:2375")
    assert urls({"DOCKER_HOST": "unix:///tmp/mine.sock"}) == ["unix:///tmp/mine.sock"]


def test_the_current_context_stands_alone(home: Path) -> None:
    make_context(home, "elsewhere", "tcp://elsewhere.test:2375")
    assert docker_client.addresses({}) == (Address("tcp://elsewhere.test:2375", "context elsewhere"),)
    assert docker_client.is_chosen({})


def test_a_context_of_the_environment_comes_before_the_current_one(home: Path) -> None:
    make_context(home, "one", "unix:///run/one.sock")
    make_context(home, "two", "unix:///run/two.sock")
    assert urls({"DOCKER_CONTEXT": "one"}) == ["unix:///run/one.sock"]
    assert not docker_client.is_chosen({"DOCKER_CONTEXT": "default"})


def test_a_context_that_does_not_exist_is_an_error_and_no_other_engine_is_taken() -> None:
    with pytest.raises(HostError, match="current context is gone, and there is no such context"):
        docker_client.addresses({"DOCKER_CONTEXT": "gone"})


def test_without_a_choice_docker_comes_before_podman_and_the_systems_before_the_users() -> None:
    assert urls({"XDG_RUNTIME_DIR": "/run/user/7"}) == [
        "unix:///var/run/docker.sock",
        "unix:///run/podman/podman.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
    ]
    assert not docker_client.is_chosen({})


@pytest.mark.parametrize(
    ("url", "complaint"),
    [("unix:///nowhere/docker.sock", "there is no such socket"), ("tcp://127.0.0.1:9", "Connection refused")],
)
def test_no_engine_is_said_with_what_was_tried(url: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", url)
    with pytest.raises(HostError, match=re.escape(f"tried {url} (DOCKER_HOST): ") + f".*{complaint}") as caught:
        docker_client.connect()
    assert "chosen" in caught.value.hint
    assert caught.value.status == 3


@pytest.mark.parametrize(
    "error",
    [
        docker.errors.DockerException("gone"),
        requests.exceptions.ReadTimeout("gone"),
        requests.exceptions.ConnectionError("gone"),
        ConnectionResetError("gone"),
    ],
)
def test_an_engine_that_goes_away_is_a_host_error(error: Exception) -> None:
    with pytest.raises(HostError, match="does not answer: gone"), docker_client.engine_errors():
        raise error


def test_what_an_engine_refuses_is_told_in_its_own_words() -> None:
    with pytest.raises(HostError, match="refused: no such network"), docker_client.engine_errors():
        raise docker.errors.APIError("409 Client Error", explanation="no such network")


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(ZeroDivisionError), docker_client.engine_errors():
        raise ZeroDivisionError
