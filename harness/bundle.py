"""One archive with what a machine without network needs to have builds: their images and the files of the cache.

It is a plain tar archive: manifest.json, which names every other member with its sum, then images.tar as the engine
wrote it, then what the cache keeps in sources/.  Everything is verified before anybody gets to read a byte of it.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from harness import __version__
from harness.errors import HostError, RequestError
from harness.model import Struct
from harness.progress import Progress

SCHEMA = 1

IMAGES = "images.tar"
SOURCES = "sources"
_MEMBER = re.compile(rf"{re.escape(IMAGES)}|{SOURCES}/\w[\w.+-]*\.tar\.[gx]z(\.site)?", re.ASCII)
_MANIFEST = "manifest.json"
_MANIFEST_BYTES = 1 << 20
"""No manifest is larger; what is, is no bundle."""
_CHUNK = 1 << 20


class Base(Struct, frozen=True, kw_only=True):
    """A base image."""

    suite: str
    image: str
    """Image id."""
    tag: str


class Packed(Struct, frozen=True, kw_only=True):
    """The image of a build."""

    name: str
    """Of the build."""
    image: str
    """Image id."""
    recipe: str
    tag: str
    base: Base


class Content(Struct, frozen=True, kw_only=True):
    """What a member holds."""

    sha256: str
    size: int


class Manifest(Struct, frozen=True, kw_only=True):
    """What a bundle holds, and for which machines."""

    schema: int
    gilometer: str
    """The version that wrote it."""
    created: datetime.datetime
    machine: str
    """As uname says it."""
    builds: tuple[Packed, ...]
    members: dict[str, Content]
    """By name, in the archive's order."""

    @property
    def images(self) -> dict[str, str]:
        """Image ids by tag, of builds and of what they are based on."""
        return {one.tag: one.image for build in self.builds for one in (build.base, build)}

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of files for the cache's folder of sources."""
        return tuple(name.partition("/")[2] for name in self.members if name != IMAGES)


class _Schema(msgspec.Struct):
    """The one field that every version of the manifest has."""

    schema: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that was found to be whole.  Open only within `unpacking`."""

    manifest: Manifest
    _archive: tarfile.TarFile

    def images(self) -> IO[bytes]:
        """What the engine wrote."""
        return _open(self._archive, self._archive.getmember(IMAGES))

    def source(self, name: str) -> IO[bytes]:
        """A file for the cache's folder of sources."""
        return _open(self._archive, self._archive.getmember(f"{SOURCES}/{name}"))


# -- writing -----------------------------------------------------------------------------------------------------------


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A folder on the same disk as `target`, for what becomes part of it; gone afterwards, whatever happens.

    RequestError where `target` is there already, HostError where the disk refuses something meanwhile.
    """
    if target.exists():
        raise RequestError(f"{target} is there already, and is not overwritten", hint="Remove it, or name another.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise HostError(f"cannot write {target}: {error.strerror}") from error


def write(target: Path, folder: Path, builds: Sequence[Packed], members: Mapping[str, Path], progress: Progress) -> str:
    """Pack members, by name, into `target`, which appears only once it is whole.  Returns its sha256.

    `folder` is what `beside` gave.  HostError where the engine did not save what the builds say.
    """
    part = folder / "bundle.tar"
    manifest = Manifest(
        schema=SCHEMA,
        gilometer=__version__,
        created=datetime.datetime.now(datetime.UTC),
        machine=os.uname().machine,
        builds=tuple(builds),
        members={name: content(path) for name, path in members.items()},
    )
    with members[IMAGES].open("rb") as file:
        if odd := _tags(file) ^ set(manifest.images):
            raise HostError(f"the engine saves other images than it was asked for: {min(odd)}")
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    # Not compressed: gzip would take longer than all the rest, and layers that builds share are in it once anyway.
    # Who has a slow way to the other machine compresses the file as a whole, with the best tool on both.
    total = sum(content.size for content in manifest.members.values()) / 1e6
    with progress.task(f"writing {target.name}", total=total) as task, tarfile.open(part, "w") as archive:
        archive.addfile(_member(_MANIFEST, len(encoded)), io.BytesIO(encoded))
        for name, path in members.items():
            with path.open("rb") as file:
                archive.addfile(_member(name, manifest.members[name].size), file)
            task.update(archive.offset / 1e6, name)
    sha256 = content(part).sha256
    part.rename(target)
    return sha256


def content(path: Path) -> Content:
    """What a file holds.  OSError where it cannot be read."""
    with path.open("rb") as file:
        return Content(sha256=hashlib.file_digest(file, "sha256").hexdigest(), size=file.tell())


def _member(name: str, size: int) -> tarfile.TarInfo:
    """Nobody's file: who wrote the bundle is nothing to whom it is for."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member


# -- reading -----------------------------------------------------------------------------------------------------------


@contextmanager
def unpacking(path: Path, progress: Progress) -> Iterator[Bundle]:
    """A bundle, verified from its first to its last byte.

    RequestError where it is no bundle, is damaged, or newer than this Gilometer; HostError where it is for another
    kind of machine.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        try:
            archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - open as long as what reads it
            manifest = _manifest(path, archive)
            _verify(path, archive, manifest, progress)
        except (tarfile.TarError, EOFError) as error:
            raise _damaged(path, str(error)) if _looks_like_one(path) else _foreign(path) from error
        yield Bundle(manifest, archive)


def _manifest(path: Path, archive: tarfile.TarFile) -> Manifest:
    first = archive.next()
    if first is None or first.name != _MANIFEST or not first.isreg() or first.size > _MANIFEST_BYTES:
        raise _foreign(path)
    data = _open(archive, first).read()
    try:
        schema = msgspec.json.decode(data, type=_Schema).schema
        if schema > SCHEMA:
            raise RequestError(
                f"{path} has schema {schema}; this Gilometer reads up to {SCHEMA}", hint="Update Gilometer."
            )
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise _damaged(path, f"{_MANIFEST}: {error}") from error
    if manifest.machine != os.uname().machine:
        raise HostError(f"{path} is for {manifest.machine} machines, and this is one of {os.uname().machine}")
    return manifest


def _verify(path: Path, archive: tarfile.TarFile, manifest: Manifest, progress: Progress) -> None:
    """Every member that the manifest names is there, once, and holds what it says; and there is nothing else."""
    for name in manifest.members:
        if not _MEMBER.fullmatch(name):
            raise _damaged(path, f"{name} has no place in a bundle")
    awaited = dict(manifest.members)
    total = sum(content.size for content in awaited.values()) / 1e6
    with progress.task(f"verifying {path.name}", total=total) as task:
        done = 0
        for member in iter(archive.next, None):
            content = awaited.pop(member.name, None)
            if content is None or not member.isreg():
                raise _damaged(path, f"{member.name} has no place in a bundle")
            digest = hashlib.sha256()
            for chunk in chunks(_open(archive, member)):
                digest.update(chunk)
                done += len(chunk)
                task.update(done / 1e6, member.name)
            if (digest.hexdigest(), member.size) != (content.sha256, content.size):
                raise _damaged(path, f"{member.name} is not what was packed")
    if awaited:
        raise _damaged(path, f"{min(awaited)} is missing")
    _verify_tags(path, archive, manifest)


def _verify_tags(path: Path, archive: tarfile.TarFile, manifest: Manifest) -> None:
    """The images have the tags that the manifest names and no others: an engine would move any tag that it is given."""
    if IMAGES not in manifest.members:
        raise _damaged(path, f"{IMAGES} is missing")
    if odd := _tags(_open(archive, archive.getmember(IMAGES))) ^ set(manifest.images):
        raise _damaged(path, f"{IMAGES} and {_MANIFEST} do not agree about {min(odd)}")


def _tags(file: IO[bytes]) -> set[str]:
    """The tags that an engine would give to what it saved into a file.  ReadError where that does not say it."""
    with tarfile.open(fileobj=file, mode="r:") as images:
        try:
            listed = msgspec.json.decode(_open(images, images.getmember(_MANIFEST)).read(), type=list[_Listed])
        except (KeyError, msgspec.DecodeError) as error:
            raise tarfile.ReadError(f"{IMAGES} does not list its images") from error
    return {tag for image in listed for tag in image.tags or ()}


class _Listed(msgspec.Struct):
    """An image in the list that an engine writes into what it saves."""

    tags: list[str] | None = msgspec.field(name="RepoTags")


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """What a file holds, piece by piece."""
    return iter(lambda: file.read(_CHUNK), b"")


def _open(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None:
        raise tarfile.ReadError(f"{member.name} is no file")
    return file


def _looks_like_one(path: Path) -> bool:
    """Whether a damaged file begins as a bundle does."""
    with path.open("rb") as file:
        return file.read(len(_MANIFEST) + 1) == f"{_MANIFEST}\0".encode()


def _foreign(path: Path) -> RequestError:
    return RequestError(f"{path} is no bundle", hint="inv bundle writes one.")


def _damaged(path: Path, why: str) -> RequestError:
    return RequestError(
        f"{path} is damaged: {why}; nothing was loaded",
        hint="Carry it over again, and compare its sha256 with what inv bundle printed.",
    )
