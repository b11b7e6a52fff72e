"""New pins: releases of CPython with their signatures checked, and what the tags of base images stand for today.

This is what writes images/pins.toml; its text stays as it is around what changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import tomlkit

from harness.builds import Pins, Signer
from harness.errors import HostError, MeasurementError, RequestError
from harness.progress import Progress
from harness.sources import PYTHON_ORG, download, release_key, series_of

_SECONDS = 20
_FOLDER = re.compile(r'href="(3\.\d+\.\d+)/"')
_TARBALL = re.compile(r'href="Python-([^"/]+)\.tar\.xz"')

Check = Callable[[Path, bytes, Signer], None]
"""Checks a file against its sigstore bundle, which has to be by this signer.

MeasurementError where it is not, HostError where nobody can tell here.
"""


@dataclass(frozen=True, slots=True)
class News:
    """A pin that is new, or why there is none."""

    subject: str
    """CPython RELEASE, or the readable tag of a base image."""
    pin: str = ""
    """sha256 of a tarball, digest of an image; empty where it could not be found out."""
    doubt: str = ""
    """What could not be checked or found out, and why."""


# -- CPython -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Releases:
    """Where python.org publishes CPython: a folder per release, with its pre-releases."""

    kept: Path
    """Folder of downloads, the same that builds use."""
    check: Check
    site: str = PYTHON_ORG

    def news(self, pins: Pins, series: str, progress: Progress) -> Iterator[News]:
        """Every release of a series that is newer than those pinned, the oldest first.

        MeasurementError where one is not signed as it should be, RequestError where nobody knows by whom.
        """
        try:
            found = self._newer(pins, series)
        except HostError as error:
            yield News(f"CPython {series}", doubt=error.message)
            return
        if found and series not in pins.signers:
            raise RequestError(
                f"pins.toml does not say who signs CPython {series}",
                hint="Name its release manager below [signers], as python.org's page on sigstore does.",
            )
        for release in found:
            yield self._pinned(release, pins.signers[series], progress)

    def _newer(self, pins: Pins, series: str) -> list[str]:
        newest = max((release_key(one) for one in pins.cpython if series_of(one) == series), default=None)
        folders = [one for one in _FOLDER.findall(_text(self.site)) if series_of(one) == series]
        recent = [one for one in folders if newest is None or release_key(one)[:3] >= newest[:3]]
        found = {release for one in recent for release in _TARBALL.findall(_text(f"{self.site}{one}/"))}
        return sorted((one for one in found if newest is None or release_key(one) > newest), key=release_key)

    def _pinned(self, release: str, signer: Signer, progress: Progress) -> News:
        """Its tarball is downloaded, and kept only if its signature does not speak against it."""
        folder = ".".join(map(str, release_key(release)[:3]))
        url = f"{self.site}{folder}/Python-{release}.tar.xz"
        doubts = []

        def examine(tarball: Path) -> None:
            try:
                self.check(tarball, _bytes(f"{url}.sigstore"), signer)
            except HostError as error:
                doubts.append(f"its signature could not be checked: {error.message}")
            except MeasurementError as error:
                raise MeasurementError(f"{url}: {error.message}", hint="Nothing was pinned.") from None

        target = self.kept / f"Python-{release}.tar.xz"
        target.unlink(missing_ok=True)
        download(url, target, examine, progress)
        with target.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return News(f"CPython {release}", pin=sha256, doubt="".join(doubts))


def sigstore(tarball: Path, bundle: bytes, signer: Signer) -> None:
    """A `Check` by sigstore's own library, against the public-good instance."""
    from sigstore.errors import Error, VerificationError
    from sigstore.models import Bundle, InvalidBundle
    from sigstore.verify import Verifier, policy

    try:
        verifier = Verifier.production()
    except (Error, requests.RequestException, OSError) as error:
        raise HostError(f"sigstore's keys cannot be had ({error})") from error
    try:
        identity = policy.Identity(identity=signer.identity, issuer=signer.issuer)
        verifier.verify_artifact(tarball.read_bytes(), Bundle.from_json(bundle), identity)
    except (VerificationError, InvalidBundle) as error:
        raise MeasurementError(f"its signature by {signer.identity} does not hold: {error}") from error


# -- base images -------------------------------------------------------------------------------------------------------


def bases(pins: Pins, digest: Callable[[str], str]) -> Iterator[News]:
    """Of every base image whose tag has moved its new digest, which `digest` asks a registry for."""
    for pin in pins.bases.values():
        try:
            found = digest(pin.image)
        except HostError as error:
            yield News(pin.image, doubt=error.message)
        else:
            if found != pin.digest:
                yield News(pin.image, pin=found)


# -- pins.toml ---------------------------------------------------------------------------------------------------------


def amended(text: str, news: Iterable[News]) -> str:
    """The text of pins.toml with what is new; a release whose signature was not checked has a comment that says so."""
    document: Any = tomlkit.parse(text)
    releases = dict(document["cpython"].items())
    for one in (one for one in news if one.pin):
        _, _, release = one.subject.partition("CPython ")
        if release:
            entry = tomlkit.string(one.pin)
            releases[release] = entry.comment("signature not checked") if one.doubt else entry
        for table in document["bases"].values():
            if table["image"] == one.subject:
                table["digest"] = one.pin
    table = tomlkit.table()
    for release in sorted(releases, key=lambda one: (*map(int, series_of(one).split(".")), release_key(one))):
        table.append(release, releases[release])
    document["cpython"] = table
    return tomlkit.dumps(document)


def _text(url: str) -> str:
    return _bytes(url).decode(errors="replace")


def _bytes(url: str) -> bytes:
    try:
        with requests.get(url, timeout=_SECONDS) as response:
            response.raise_for_status()
            return response.content
    except requests.RequestException as error:
        raise HostError(f"{url} cannot be had") from error
