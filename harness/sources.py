"""Release tarballs of CPython, from python.org or from the host's own Debian mirror.

Finding out what can be had costs a question per release and site; answers are kept for a day, so that asking again is
free.  What was downloaded is kept for good, and verified each time it is used.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec
import requests

from harness.errors import HostError, MeasurementError, RequestError
from harness.progress import Progress

PYTHON_ORG = "https://www.python.org/ftp/python/"

_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")
_CONNECT_SECONDS, _READ_SECONDS = 3, 20
_CHUNK = 1 << 18
_NOBODY_BEHIND = (502, 503, 504)
"""What a proxy says where it reaches nobody."""


class Answer(StrEnum):
    """What a site says when it is asked for a release."""

    THERE = "there"
    ABSENT = "absent"
    SILENT = "silent"


_LIFETIME = {Answer.THERE: 86400.0, Answer.ABSENT: 86400.0, Answer.SILENT: 600.0}
"""Seconds for which an answer is believed; a network that was down a moment ago may be up again."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place that publishes release tarballs."""

    name: str
    address: Callable[[str], str | None]
    """The URL of a release; None where this host has no such site."""
    stamp: str = ""
    """Changes whenever old answers mean nothing any more."""


@dataclass(frozen=True, slots=True)
class Material:
    """Source of CPython that can be had, and all that decides what is built from it."""

    release: str
    identity: str
    """sha256:... of a tarball or of a tree's content, git:... of a commit."""
    origin: str
    """Where it comes from, for people."""
    provide: Callable[[Path, Progress], None]
    """Writes it, verified, as a tar archive (compressed or not) with one directory in it.

    Raises MeasurementError where it is not what was pinned; HostError where it cannot be read.
    """
    kept: Path | None = None
    """Where it lies once it was provided, if it is kept."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What is kept, with the note where it came from."""
        return tuple(path for path in (self.kept, self.kept and _note_of(self.kept)) if path and path.exists())


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where Gilometer keeps what can be had again: XDG_CACHE_HOME/gilometer."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gilometer"


def sites(debian_mirror: Callable[[], str | None], stamp: str) -> tuple[Site, ...]:
    """Who publishes release tarballs, in the order in which they are asked."""

    def at_python_org(release: str) -> str:
        directory = re.sub(r"(a|b|rc)\d+$", "", release)
        return f"{PYTHON_ORG}{directory}/Python-{release}.tar.xz"

    def at_debian(release: str) -> str | None:
        mirror = debian_mirror()
        package = f"python{series_of(release)}"
        version = re.sub(r"(a|b|rc)(\d+)$", r"~\1\2", release)
        return f"{mirror}pool/main/p/{package}/{package}_{version}.orig.tar.xz" if mirror else None

    return (Site("python.org", at_python_org), Site("this host's Debian mirror", at_debian, stamp))


@dataclass(slots=True)
class Tarballs:
    """Release tarballs of CPython."""

    pins: Mapping[str, str]
    """Release to sha256."""
    sites: Sequence[Site]
    folder: Path = field(default_factory=lambda: cache_folder() / "sources")
    _silent: set[str] = field(default_factory=set)

    def locate(self, series: str) -> Material:
        """The newest release of a series that can be had.  HostError where none can, with what was tried."""
        candidates = candidate_releases(self.pins, series)
        for release in candidates:
            if self._cached(release).exists():
                return self._material(release, _site_of(self._cached(release)), "")
            for site in self.sites:
                if self._ask(site, release) is Answer.THERE and (url := site.address(release)):
                    return self._material(release, site.name, url)
        raise HostError(
            f"the source of CPython {series} cannot be had here; tried {self._tried(candidates)}",
            hint="--source PATH takes a release tarball or a git tree that you have.",
        )

    def _material(self, release: str, site: str, url: str) -> Material:
        sha256 = self.pins[release]
        kept = self._cached(release)

        def provide(destination: Path, progress: Progress) -> None:
            was_there = kept.exists()
            bring(url, kept, sha256, destination, progress)
            if not was_there:
                _note_of(kept).write_text(site, encoding="utf-8")

        return Material(release, f"sha256:{sha256}", f"Python-{release}.tar.xz from {site}", provide, kept)

    def _cached(self, release: str) -> Path:
        return self.folder / f"Python-{release}.tar.xz"

    def _ask(self, site: Site, release: str) -> Answer:
        if site.name in self._silent:
            return Answer.SILENT
        question = f"{site.name} {site.stamp} {release}"
        answers = _read_answers(self.folder / "answers.json")
        if question in answers:
            answer, _ = answers[question]
        else:
            url = site.address(release)
            answer = Answer.ABSENT if url is None else ask(url)
            answers[question] = (answer, time.time())
            _write_answers(self.folder / "answers.json", answers)
        if answer is Answer.SILENT:
            self._silent.add(site.name)
        return answer

    def _tried(self, candidates: Sequence[str]) -> str:
        releases = f"{candidates[-1]} to {candidates[0]}" if candidates else "nothing: no release of it is pinned"
        parts = [
            f"{site.name}, which does not answer" if site.name in self._silent else f"{site.name} for {releases}"
            for site in self.sites
        ]
        return " and ".join(parts) if candidates else releases


def bring(url: str, kept: Path, sha256: str, destination: Path, progress: Progress) -> None:
    """Copy the file of `url` to `destination`; it is downloaded once, to `kept`, and verified each time.

    HostError where it cannot be fetched, MeasurementError where it is not what was pinned: then it is not kept.
    """
    if not kept.exists():
        download(url, kept, lambda part: verify(part, sha256, name=url), progress)
    try:
        verify(kept, sha256)
    except MeasurementError:
        kept.unlink()
        raise
    shutil.copyfile(kept, destination)


def download(url: str, target: Path, check: Callable[[Path], None], progress: Progress) -> None:
    """Fetch `url` to `target`, which appears only once it is whole and `check` does not object to it.

    HostError where it cannot be fetched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}")
    try:
        with (
            requests.get(url, stream=True, timeout=(_CONNECT_SECONDS, _READ_SECONDS)) as response,
            progress.task(f"downloading {target.name}", total=_length(response)) as task,
            part.open("wb") as file,
        ):
            response.raise_for_status()
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                task.update(file.tell() / 1e6, f"{file.tell() / 1e6:.0f} MB")
        check(part)
        part.replace(target)
    except requests.RequestException as error:
        raise HostError(f"{url} could not be downloaded: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _length(response: requests.Response) -> float | None:
    """Of what will be downloaded, in MB; None where the server does not say."""
    length = response.headers.get("Content-Length")
    return int(length) / 1e6 if length else None


def _note_of(kept: Path) -> Path:
    """Beside a kept tarball: the site it came from, so that the second build of a pair says the same as the first."""
    return kept.with_name(f"{kept.name}.site")


def _site_of(kept: Path) -> str:
    return _note_of(kept).read_text(encoding="utf-8") if _note_of(kept).exists() else "an earlier download"


def ask(url: str) -> Answer:
    """Whether there is a file at `url`."""
    try:
        status = requests.head(url, timeout=(_CONNECT_SECONDS, _READ_SECONDS), allow_redirects=True).status_code
    except requests.RequestException:
        return Answer.SILENT
    match status:
        case 200:
            return Answer.THERE
        case 404 | 410:
            return Answer.ABSENT
        case _:  # a proxy that refuses, a server in trouble: says nothing of the file
            return Answer.SILENT


def answers(url: str) -> bool:
    """Whether a server answers at `url`, whatever it says; whom to trust is for who uses it."""
    try:
        status = requests.head(url, timeout=(_CONNECT_SECONDS, _READ_SECONDS)).status_code
    except requests.exceptions.SSLError:
        return True
    except requests.RequestException:
        return False
    return status not in _NOBODY_BEHIND


def verify(path: Path, sha256: str, *, name: str = "") -> None:
    """Raise MeasurementError, naming both sums, where a file's sha256 is not what was pinned."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise MeasurementError(
            f"{name or path}: its sha256 is {found}, pinned is {sha256}",
            hint="It is not the file that was released; nothing was built from it.",
        )


def candidate_releases(releases: Iterable[str], series: str) -> list[str]:
    """The releases of a series, newest first; no pre-releases once there is a final one."""
    ours = sorted((r for r in releases if series_of(r) == series), key=release_key, reverse=True)
    return [release for release in ours if _is_final(release)] or ours


def release_key(release: str) -> tuple[int, int, int, str, int]:
    """Sorts releases by age: 3.15.0b3 before 3.15.0rc1 before 3.15.0."""
    match = _RELEASE.fullmatch(release)
    if match is None:
        raise RequestError(f'"{release}" is not a release of CPython such as 3.14.0 or 3.15.0b3')
    major, minor, micro, stage, number = match.groups()
    return int(major), int(minor), int(micro), stage or "release", int(number or 0)


def series_of(release: str) -> str:
    """3.14 of 3.14.0rc2."""
    return ".".join(release.split(".")[:2])


def _is_final(release: str) -> bool:
    return release_key(release)[3] == "release"


_Answers = dict[str, tuple[Answer, float]]


def _read_answers(path: Path) -> _Answers:
    """Answers that are still believed."""
    try:
        answers = msgspec.json.decode(path.read_bytes(), type=_Answers)
    except (OSError, msgspec.DecodeError):
        return {}
    now = time.time()
    return {question: kept for question, kept in answers.items() if 0 <= now - kept[1] < _LIFETIME[kept[0]]}


def _write_answers(path: Path, answers: _Answers) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_bytes(msgspec.json.encode(answers))
    scratch.replace(path)
