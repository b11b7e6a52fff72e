"""Images in a container engine: found by label, pulled, imported and built."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import docker
import msgspec
import requests

from harness.docker_client import LABEL, LIMITS, engine_errors
from harness.errors import HostError, MeasurementError
from harness.progress import Progress

_NO_CALL = "is not supported"
"""Podman's answer to a call of Docker's that it does not have."""
_NO_TAG = "<none>:<none>"
_LAST_LINES = 15
_LINE = 160
_BUILD_SECONDS = 4 * 3600
"""Of silence: profile-guided builds say nothing for long."""
_SCRIPT_SECONDS = 60
_TRANSFER_SECONDS = 1800
"""Of silence: an engine unpacks all layers of what it loads before it says anything."""
_CHUNK = 1 << 20


class NoCallError(HostError):
    """The engine has no call for what was asked of it; another one may have."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an engine says of an image that it has."""

    id: str
    labels: dict[str, str]
    tags: tuple[str, ...]
    layers: tuple[str, ...]
    """Digests, the lowest layer first."""
    size: int
    """Bytes, of all layers together."""


class Images:
    """The images of one engine.  Every method raises HostError where the engine does not answer."""

    def __init__(self, client: docker.DockerClient) -> None:
        self._api: Any = client.api

    def close(self) -> None:
        """Close the connections to the engine."""
        self._api.close()

    def find(self, labels: Mapping[str, str]) -> str | None:
        """Id of the newest image with a tag that carries all these labels.

        What a build left unfinished has no tag, and the labels of the image that it was made from.
        """
        with engine_errors():
            found = self._api.images(filters={"label": [f"{name}={value}" for name, value in labels.items()]})
        tagged = (image for image in found if any(tag != _NO_TAG for tag in image["RepoTags"] or ()))
        newest = max(tagged, key=lambda image: image["Created"], default=None)
        return None if newest is None else str(newest["Id"])

    def inspect(self, reference: str) -> Image | None:
        """An image by id, tag or digest; None where the engine does not have it."""
        with engine_errors():
            try:
                image = self._api.inspect_image(reference)
            except docker.errors.ImageNotFound:
                return None
        return Image(
            id=str(image["Id"]),
            labels=dict(image["Config"].get("Labels") or {}),
            tags=tuple(image.get("RepoTags") or ()),
            layers=tuple(image["RootFS"].get("Layers") or ()),
            size=int(image["Size"]),
        )

    def pull(self, reference: str) -> str:
        """Pull repository@digest.  Returns the image's id; HostError where its registry does not give it."""
        with engine_errors():
            for event in self._api.pull(reference, stream=True, decode=True):
                if "error" in event:
                    raise HostError(f"{reference} cannot be pulled: {event['error']}")
        found = self.inspect(reference)
        if found is None:
            raise HostError(f"{reference} cannot be pulled: the engine does not have it afterwards")
        return found.id

    def ask_registry(self, reference: str) -> str:
        """Digest of repository@digest or repository:tag in its registry; nothing is pulled.

        HostError where the registry does not say that it has it, NoCallError where the engine cannot ask.
        """
        with engine_errors():
            try:
                return str(self._api.inspect_distribution(reference)["Descriptor"]["digest"])
            except docker.errors.NotFound as error:
                if _NO_CALL in str(error.explanation):
                    raise NoCallError("this engine asks no registry for a digest, as Podman does not") from error
                raise

    def import_tree(self, tree: IO[bytes], tag: str, labels: Mapping[str, str]) -> str:
        """Make an image of one layer from a tar archive.  Returns its id."""
        changes = [f"LABEL {_quoted(name)}={_quoted(value)}" for name, value in labels.items()]
        with engine_errors():
            answer = json.loads(self._api.import_image_from_stream(tree, changes=changes).splitlines()[-1])
            if "status" not in answer:
                raise HostError(f"the engine could not import {tag}: {answer.get('error')}")
            self.tag(answer["status"], tag)
        return str(answer["status"])

    def tag(self, image: str, tag: str) -> None:
        """Give an image a further name.

        A call of its own: of a tag that comes with an import, Podman 4 makes "latest".
        """
        repository, _, version = tag.rpartition(":")
        with engine_errors():
            self._api.tag(image, repository, version)

    def untag(self, tag: str) -> None:
        """Take a name from an image; with its last name the image goes."""
        with engine_errors():
            self._api.remove_image(tag)

    def save(self, tags: Iterable[str], target: Path, progress: Progress) -> None:
        """Write images to one tar archive, with these tags; layers that they share are in it once."""
        # docker-py saves one image at a time, and then a base is in every archive.
        with (
            progress.task(f"saving {target.name}") as task,
            engine_errors(),
            self._api.get(
                self._url("images/get"), params={"names": list(tags)}, stream=True, timeout=_TRANSFER_SECONDS
            ) as response,
            target.open("wb") as file,
        ):
            _refuse_failure(response)
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                task.update(file.tell() / 1e6, f"{file.tell() / 1e6:.0f} MB")

    def load(self, archive: Iterable[bytes]) -> None:
        """Take in what `save` wrote: images, with their tags.  HostError where the engine refuses it.

        After an interrupt, too, this returns only once the engine is done: what it has begun to unpack it finishes,
        whether or not anybody listens, and who wants to be rid of it has to know when it is there.
        """
        interrupted = threading.Event()

        def pieces() -> Iterator[bytes]:
            for piece in archive:
                if interrupted.is_set():
                    raise ConnectionAbortedError("interrupted")
                yield piece

        with ThreadPoolExecutor(max_workers=1) as uploader:
            loading = uploader.submit(self._load, pieces())
            try:
                loading.result()
            except KeyboardInterrupt:
                interrupted.set()
                raise

    def _load(self, archive: Iterator[bytes]) -> None:
        # Quietly: an engine that reports while it reads waits for a reader, and both would wait for each other.
        with (
            engine_errors(),
            self._api.post(
                self._url("images/load"), data=archive, params={"quiet": "1"}, stream=True, timeout=_TRANSFER_SECONDS
            ) as response,
        ):
            _refuse_failure(response)
            for line in response.iter_lines():
                if complaint := msgspec.json.decode(line, type=_Said).error:
                    raise HostError(f"the container engine cannot load the images: {complaint}")

    def _url(self, path: str) -> str:
        return f"{self._api.base_url}/v{self._api.api_version}/{path}"

    def build(
        self,
        context: Path,
        *,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        tag: str,
        log: Path,
        on_line: Callable[[str], None],
    ) -> str:
        """Build `context`/Dockerfile and tag what comes of it.  Returns the image's id.

        All output goes to `log`.  MeasurementError where a step fails, with the log's last lines; nothing is tagged
        then, nor after an interrupt.
        """
        image = ""
        tail: deque[str] = deque(maxlen=_LAST_LINES)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file, engine_errors():
            for event in self._events(context, arguments, labels):
                image = event.get("aux", {}).get("ID", image)
                for line in _lines(event):
                    file.write(f"{line}\n")
                    tail.append(line)
                    on_line(line)
                if "error" in event:
                    break
            else:
                self.tag(image, tag)
                return image
        raise MeasurementError(
            f"{tag.rpartition(':')[0]} could not be built; the last lines of its output:\n"
            + "\n".join(f"  | {_shortened(line)}" for line in tail),
            hint=f"All of it: {log}",
        )

    def _events(
        self, context: Path, arguments: Mapping[str, str], labels: Mapping[str, str]
    ) -> Iterator[dict[str, Any]]:
        stream = self._api.build(
            path=str(context),
            buildargs=dict(arguments),
            labels=dict(labels),
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_BUILD_SECONDS,
        )
        with closing(stream):  # an interrupt hangs up, whereupon the engine stops building
            yield from stream

    def execute(self, image: str, command: list[str], environment: Mapping[str, str] | None = None) -> str:
        """What `command` prints in a container of `image` without network.  MeasurementError where it fails."""
        with engine_errors():
            container = self._api.create_container(
                image,
                command,
                labels={LABEL: "1"},
                environment=dict(environment or {}),
                host_config=self._api.create_host_config(
                    network_mode="none", read_only=True, cap_drop=["ALL"], ulimits=list(LIMITS)
                ),
            )["Id"]
        try:
            with engine_errors():
                self._api.start(container)
                status = self._api.wait(container, timeout=_SCRIPT_SECONDS)["StatusCode"]
                printed = self._api.logs(container, stdout=True, stderr=False).decode()
                complaint = self._api.logs(container, stdout=False, stderr=True).decode()
        finally:
            with suppress(HostError), engine_errors():
                self._api.remove_container(container, force=True, v=True)
        if status:
            raise MeasurementError(
                f"{command[0]} in image {image[:19]} ended with status {status}: {complaint.strip()}"
            )
        return str(printed)


class _Said(msgspec.Struct):
    """A line of an engine's answer."""

    error: str = ""


def _refuse_failure(response: requests.Response) -> None:
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        raise docker.errors.create_api_error_from_http_exception(error) from error


def _lines(event: Mapping[str, Any]) -> list[str]:
    """The lines of a build event, without the colours that the engine puts around standard error."""
    text = str(event.get("stream") or event.get("error") or "")
    return [line for line in text.replace("\x1b[91m", "").replace("\x1b[0m", "").splitlines() if line.strip()]


def _shortened(line: str) -> str:
    """Without the middle: what failed stands at the start, how it failed at the end."""
    return line if len(line) <= _LINE else f"{line[: _LINE // 2]} ... {line[-_LINE // 2 :]}"


def _quoted(text: str) -> str:
    """A word of a Dockerfile."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
