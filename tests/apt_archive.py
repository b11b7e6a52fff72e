"""An APT archive with deadsnakes' names, made of interpreters that we built, signed with a throw-away key."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "1.0-1"
_LIBRARIES = (
    *("libbz2-1.0", "libc6", "libffi8", "liblzma5", "libncursesw6", "libreadline8t64", "libsqlite3-0", "libssl3t64"),
    *("libuuid1", "libzstd1", "zlib1g"),
)
"""Of Debian, which is the base here; deadsnakes' packages depend on Ubuntu's."""


def unpacked(archive: bytes, folder: Path) -> Path:
    """/opt/python of an image, as the engine gives it: python/ below `folder`."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extraction_filter = getattr(tarfile, "tar_filter", None)  # Debian 12's 3.11 has none
        tar.extractall(folder)
    return folder / "python"


@dataclass(frozen=True, slots=True)
class Package:
    """What becomes a .deb."""

    name: str
    depends: Sequence[str]
    tree: Path


def packages(series: str, with_gil: Path, free_threaded: Path, folder: Path) -> list[Package]:
    """Both interpreters of a series as deadsnakes names them; they share the standard library.

    `with_gil` and `free_threaded` are what is meant to be in python3.X and python3.X-nogil: a test can swap them.
    """
    stdlib, plain, venv, nogil = (
        Package(name, depends, folder / name)
        for name, depends in (
            (f"libpython{series}-stdlib", _LIBRARIES),
            (f"python{series}", (f"libpython{series}-stdlib (= {VERSION})",)),
            (f"python{series}-venv", (f"python{series} (= {VERSION})",)),
            (f"python{series}-nogil", (f"libpython{series}-stdlib (= {VERSION})",)),
        )
    )
    lib = f"usr/lib/python{series}"
    source = _library(with_gil)
    elsewhere = shutil.ignore_patterns("site-packages", "ensurepip")
    shutil.copytree(source, stdlib.tree / lib, symlinks=True, ignore=elsewhere)
    shutil.copytree(source / "ensurepip", venv.tree / lib / "ensurepip")
    _install(_executable(with_gil), plain.tree / f"usr/bin/python{series}")
    _install(_executable(free_threaded), nogil.tree / f"usr/bin/python{series}t")
    (nogil.tree / f"usr/bin/python{series}-nogil").symlink_to(f"python{series}t")
    (nogil.tree / "usr/lib").mkdir(parents=True)
    (nogil.tree / f"usr/lib/python{series}t").symlink_to(f"python{series}")
    own = _library(free_threaded)
    for path in (*own.glob("lib-dynload/*.so"), *own.glob("_sysconfigdata*.py")):
        if not (stdlib.tree / lib / path.relative_to(own)).exists():
            _install(path, nogil.tree / lib / path.relative_to(own))
    return [stdlib, plain, venv, nogil]


def _executable(python: Path) -> Path:
    return (python / "bin/python3").resolve()


def _library(python: Path) -> Path:
    (found,) = python.glob("lib/python3.*")
    return found


def _install(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


@dataclass(slots=True)
class Key:
    """An OpenPGP key of its own home; `close` ends the agent that gpg starts for it."""

    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="gilometer-key-")))

    def __post_init__(self) -> None:
        self.home.chmod(0o700)
        who = "Gilometer's test <test@example.org>"
        self._gpg("--passphrase", "", "--quick-gen-key", who, "ed25519", "sign", "never")

    @property
    def fingerprint(self) -> str:
        lines = self._gpg("--with-colons", "--list-keys").decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    @property
    def public(self) -> bytes:
        """Armoured."""
        return self._gpg("--armor", "--export")

    def signed(self, text: bytes) -> bytes:
        """Clear-signed."""
        return self._gpg("--clearsign", input_=text)

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "gpg-agent"], check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def _gpg(self, *arguments: str, input_: bytes | None = None) -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--pinentry-mode", "loopback", *arguments]
        return subprocess.run(command, input=input_, capture_output=True, check=True).stdout


@contextmanager
def keys(count: int) -> Iterator[list[Key]]:
    """So many throw-away keys."""
    made: list[Key] = []
    try:
        made += [Key() for _ in range(count)]
        yield made
    finally:
        for key in made:
            key.close()


def debs(wanted: Sequence[Package], folder: Path) -> dict[str, bytes]:
    """The .deb of every package by its path in an archive."""
    made = {}
    for package in wanted:
        control = {
            "Package": package.name,
            "Version": VERSION,
            "Architecture": _architecture(),
            "Maintainer": "Gilometer's tests <test@example.org>",
            "Depends": ", ".join(package.depends),
            "Description": "made by a test",
        }
        (package.tree / "DEBIAN").mkdir()
        (package.tree / "DEBIAN/control").write_text("".join(f"{name}: {value}\n" for name, value in control.items()))
        path = folder / f"{package.name}.deb"
        build = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(package.tree), str(path)]
        subprocess.run(build, capture_output=True, check=True)
        made[f"pool/{package.name}_{VERSION}_{_architecture()}.deb"] = path.read_bytes()
        shutil.rmtree(package.tree)
    return made


def index(pool: Mapping[str, bytes], codename: str, folder: Path) -> tuple[dict[str, bytes], bytes]:
    """What lies below dists/CODENAME, and the text of its Release file, not signed."""
    paragraphs = []
    for path, content in pool.items():
        deb = folder / "one.deb"
        deb.write_bytes(content)
        control = subprocess.run(["dpkg-deb", "--field", str(deb)], capture_output=True, check=True).stdout.decode()
        sha256 = hashlib.sha256(content).hexdigest()
        paragraphs.append(f"{control.strip()}\nFilename: {path}\nSize: {len(content)}\nSHA256: {sha256}\n")
    listing = "\n".join(paragraphs).encode()
    name = f"main/binary-{_architecture()}/Packages"
    files = {name: listing, f"{name}.gz": gzip.compress(listing)}
    sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in files.items())
    release = (
        f"Origin: test\nLabel: test\nSuite: {codename}\nCodename: {codename}\n"
        f"Architectures: {_architecture()}\nComponents: main\n"
        f"Date: {datetime.datetime.now(datetime.UTC):%a, %d %b %Y %H:%M:%S} UTC\nSHA256:\n{sums}"
    )
    return files, release.encode()


def _architecture() -> str:
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, check=True).stdout.decode().strip()
