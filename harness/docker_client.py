"""The way to a container engine: which one, and its errors as ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import requests
import urllib3
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.types import Ulimit
from docker.utils import kwargs_from_env

from harness.errors import HostError

LABEL = "org.gilometer"
"""Every image and container that Gilometer makes carries it; nothing without it is ever removed."""

PROCESSES = 4096
"""Of a container, threads included."""
LIMITS = (
    Ulimit(name="core", soft=0, hard=0),
    Ulimit(name="nofile", soft=1024, hard=1024),
    Ulimit(name="nproc", soft=PROCESSES, hard=PROCESSES),
)
"""Of what is started in a container.  Where files and processes have none, Podman asks for more than it may have."""

_DEFAULT_SOCKET = "/var/run/docker.sock"
_DEFAULT_CONTEXT = "default"
_ANSWER_SECONDS = 5
"""An engine that is there answers its version within this time."""
_CALL_SECONDS = 120
"""No single call takes longer; streams have limits of their own."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an engine may be."""

    url: str
    told_by: str
    """What named it, for messages."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """TLS settings, as docker-py takes them."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An engine that answered."""

    client: docker.DockerClient
    address: Address
    name: str
    """Such as "Docker 20.10.24"."""


def connect() -> docker.DockerClient:
    """The engine's client, at the API version that both sides know.  HostError where no engine answers."""
    return find().client


def find() -> Connection:
    """The first engine that answers.  HostError where none does, with what was tried."""
    refusals = []
    for address in addresses(os.environ):
        try:
            return open_address(address)
        except HostError as error:
            refusals.append(f"{address.url} ({address.told_by}): {error.message}")
    raise HostError(
        "no container engine answers; tried " + "; ".join(refusals),
        hint="Start the one that was chosen, or choose none to have one looked for on this machine."
        if is_chosen(os.environ)
        else "./inv setup installs or starts one where it can, and says what to do where it cannot.",
    )


def open_address(address: Address) -> Connection:
    """The engine at an address.  HostError where none answers there."""
    path = address.url.removeprefix("unix://")
    if path != address.url and not Path(path).exists():
        raise HostError("there is no such socket")
    with engine_errors():
        client = docker.DockerClient(base_url=address.url, timeout=_ANSWER_SECONDS, **address.options)
        version = client.version()
    client.api.timeout = _CALL_SECONDS
    components = [str(component.get("Name", "")) for component in version.get("Components") or ()]
    name = "Podman" if any("Podman" in component for component in components) else "Docker"
    return Connection(client, address, f"{name} {version.get('Version', '')}".strip())


def is_chosen(environ: Mapping[str, str]) -> bool:
    """Whether the user chose an engine, so that no other may take its place."""
    return _chosen(environ) is not None


def addresses(environ: Mapping[str, str]) -> tuple[Address, ...]:
    """Where to look for an engine, in order: the user's choice alone, or else the usual sockets."""
    if chosen := _chosen(environ):
        return (chosen,)
    sockets = {_DEFAULT_SOCKET: "Docker's default", "/run/podman/podman.sock": "Podman's default"}
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        sockets[f"{runtime}/docker.sock"] = "rootless Docker's default"
        sockets[f"{runtime}/podman/podman.sock"] = "rootless Podman's default"
    return tuple(Address(f"unix://{path}", told_by) for path, told_by in sockets.items())


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turns what docker-py and the libraries below it raise into HostError."""
    try:
        yield
    except docker.errors.APIError as error:
        raise HostError(f"the container engine refused: {error.explanation or error}") from error
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        urllib3.exceptions.HTTPError,
        ConnectionError,
    ) as error:
        raise HostError(
            f"the container engine does not answer: {_innermost(error)}",
            hint="./inv setup starts it where it can.",
        ) from error


def _chosen(environ: Mapping[str, str]) -> Address | None:
    """What Docker's own command line would take: DOCKER_HOST, else the current context; None for its default."""
    if url := environ.get("DOCKER_HOST"):
        return Address(url, "DOCKER_HOST", _tls_options(environ))
    return _context(environ)


def _context(environ: Mapping[str, str]) -> Address | None:
    """The context that Docker's command line would use; None for its default."""
    name = environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if name == _DEFAULT_CONTEXT:
        return None
    try:
        context = ContextAPI.get_context(name)
    except Exception as error:  # a corrupt context is a bare Exception there
        raise HostError(f"Docker's context {name} cannot be read: {error}") from error
    if context is None or not context.Host:
        raise HostError(
            f"Docker's current context is {name}, and there is no such context",
            hint="docker context ls shows those there are; docker context use NAME selects one.",
        )
    return Address(context.Host, f"context {name}", {"tls": context.TLSConfig} if context.TLSConfig else {})


def _tls_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """docker-py's own reading of DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."""
    options = kwargs_from_env(environment=dict(environ))
    return {"tls": options["tls"]} if "tls" in options else {}


def _innermost(error: BaseException) -> str:
    """The cause without the layers of libraries around it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return getattr(error, "strerror", None) or str(error)
