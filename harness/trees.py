"""CPython's source that the user has: a tarball, a directory, a git repository."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HostError, RequestError
from harness.progress import Progress
from harness.sources import Material, verify

_TARBALL = re.compile(r"Python-(?P<release>\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)\.(?:tar\.xz|tgz)")
_PATCHLEVEL = Path("Include/patchlevel.h")
_URL = re.compile(r"\w+://|[\w.-]+@[\w.-]+:")
_MADE = frozenset({".git", "__pycache__", ".o", ".a", ".so", ".pyc"})
"""Names and suffixes of what a build leaves in its tree."""


def from_path(text: str, pins: Mapping[str, str], cache: Path) -> Material:
    """What `--source` names: a tarball, a directory, or REPOSITORY@REF, a folder or a URL.

    What is fetched from a URL is kept below `cache`.

    A file that is named as a release must be that release.  A clean git tree is its commit; one with changes, and a
    directory without git, is what it holds.
    """
    if _URL.match(text):
        return _fetched(text, cache)
    path = Path(text).expanduser()
    if path.is_file():
        return _tarball(path, pins)
    if path.is_dir():
        return _tree(path)
    repository, at, ref = text.rpartition("@")
    if at and Path(repository).expanduser().is_dir():
        return _commit(Path(repository).expanduser(), ref)
    raise RequestError(f"--source: there is neither a file nor a directory {text}")


def _tarball(path: Path, pins: Mapping[str, str]) -> Material:
    if named := _TARBALL.fullmatch(path.name):
        release = named["release"]
        if release in pins:
            verify(path, pins[release])
    else:
        release = _release_in_archive(path)
    with path.open("rb") as file:
        identity = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"

    def provide(destination: Path, progress: Progress) -> None:  # noqa: ARG001 - Material's signature
        shutil.copyfile(path, destination)

    return Material(release, identity, f"the file {path.name}", provide)


def _tree(path: Path) -> Material:
    inside = _git(path, "rev-parse", "--is-inside-work-tree", check=False).strip()
    if inside == "false" or (inside and not _git(path, "status", "--porcelain")):
        return _commit(path, "HEAD")
    if inside:
        names = _git(path, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        files = [Path(name) for name in names if name and (path / name).exists()]
    else:
        found = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
        files = [file for file in found if file.suffix not in _MADE and not _MADE.intersection(file.parts)]
    files.sort()
    if not (path / _PATCHLEVEL).is_file():
        raise RequestError(f"--source: {path} holds no {_PATCHLEVEL}: it is not CPython's source")
    release = _release_in_header((path / _PATCHLEVEL).read_text(encoding="utf-8"), str(path))
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256((path / file).read_bytes()).hexdigest()
        digest.update(f"{file}\0{os.access(path / file, os.X_OK)}\0{content}\n".encode())

    def provide(destination: Path, progress: Progress) -> None:
        with tarfile.open(destination, "w") as archive, progress.task("packing the source", total=len(files)) as task:
            for done, file in enumerate(files):
                archive.add(path / file, arcname=str(Path("cpython") / file), recursive=False)
                task.update(done, str(file))

    origin = f"the tree {path.resolve().name}" + (", changed since its last commit" if inside else "")
    return Material(release, f"sha256:{digest.hexdigest()}", origin, provide)


def _commit(repository: Path, ref: str, name: str = "") -> Material:
    """A commit; `name` says it to people where git cannot describe it, without tags and history."""
    commit = _git(repository, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").strip()
    release = _release_in_header(_git(repository, "show", f"{commit}:{_PATCHLEVEL}"), f"{repository} at {ref}")
    described = name or _git(repository, "describe", "--tags", "--always", commit).strip()

    def provide(destination: Path, progress: Progress) -> None:
        with progress.task(f"packing the source at {described}"):
            _git(repository, "archive", "--format=tar", "--prefix=cpython/", f"--output={destination}", commit)

    return Material(release, f"git:{commit}", f"git {described} (commit {commit[:12]})", provide)


def _fetched(text: str, cache: Path) -> Material:
    """A tag, branch or commit of a repository elsewhere: only that one, without the history."""
    url, _, ref = text.rpartition("@")
    user_only = "://" in url and "/" not in url.partition("://")[2]  # https://user@host/repository
    if user_only or not _URL.match(url):
        url, ref = text, "HEAD"
    repository = cache / f"git-{hashlib.sha256(url.encode()).hexdigest()[:12]}"
    repository.mkdir(parents=True, exist_ok=True)
    _git(repository, "init", "--quiet", "--bare")
    kept = f"refs/gilometer/{hashlib.sha256(ref.encode()).hexdigest()[:12]}"
    _git(repository, "fetch", "--quiet", "--depth=1", "--no-tags", "--end-of-options", url, f"+{ref}:{kept}")
    return _commit(repository, kept, name=ref)


def _git(path: Path, *arguments: str, check: bool = True) -> str:
    """git's answer; empty where `check` is off and it has none."""
    try:
        done = subprocess.run(["git", "-C", str(path), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise HostError(f"git cannot be executed: {error}", hint="Install git, or give --source a tarball.") from error
    if done.returncode and check:
        raise RequestError(f"--source: git {arguments[0]} in {path}: {done.stderr.strip().splitlines()[-1]}")
    return "" if done.returncode else done.stdout


def _release_in_archive(path: Path) -> str:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.partition("/")[2] == str(_PATCHLEVEL) and (file := archive.extractfile(member)):
                    return _release_in_header(file.read().decode(), path.name)
    except (tarfile.TarError, EOFError) as error:
        raise RequestError(f"--source: {path} is not a tar archive: {error}") from error
    raise RequestError(f"--source: {path} holds no {_PATCHLEVEL}: it is not CPython's source")


def _release_in_header(text: str, name: str) -> str:
    """3.14.0b1 of patchlevel.h, whose PY_VERSION is 3.14.0b1+ between releases."""
    if match := re.search(r'#define PY_VERSION\s+"([^"+]+)', text):
        return match[1]
    raise RequestError(f"--source: {name}: its {_PATCHLEVEL} tells no release")
