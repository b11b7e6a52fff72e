"""Which builds there are: images/builds.toml and images/pins.toml, decoded strictly, and names resolved to builds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import RequestError
from harness.model import Build, Compiler, Optimize, Source, Struct
from harness.specs import nearest

_T = TypeVar("_T")

IMAGES = Path(__file__).resolve().parent.parent / "images"
"""builds.toml, pins.toml, the Dockerfiles and what goes into them."""

DEFAULT_SOURCE = Source.SOURCE
"""What a name without a source means: 3.14t is 3.14t-source."""


_PYTHON = "python"
"""Repository of Docker's python images."""

_WITH_GIL_ONLY = {
    Source.DEBIAN: "Debian packages no Python without the GIL",
    Source.OFFICIAL: "Docker publishes no python image without the GIL",
}
"""Who has no free-threaded builds."""

_DECIDED = {"--disable-gil", "--enable-optimizations", "--with-lto", "--enable-experimental-jit", "--prefix", "CC"}
"""Arguments of ./configure that a build's other keys, or its recipe, give."""


class BasePin(Struct, frozen=True, kw_only=True):
    """A base image."""

    image: str
    """Readable tag, such as debian:trixie-slim; with its registry in front where that is not Docker's own."""
    digest: str
    """What the tag stood for when it was pinned, sha256:...; empty where nobody has asked a registry yet."""

    @property
    def distribution(self) -> str:
        """debian or ubuntu; Docker's python images are Debian's with an interpreter."""
        return "debian" if self._name == _PYTHON else self._name

    @property
    def is_bare(self) -> bool:
        """Whether it is the distribution and nothing else, which can be bootstrapped."""
        return self._name == self.distribution

    @property
    def reference(self) -> str:
        """What to pull."""
        return f"{self._repository}@{self.digest}"

    @property
    def pinned(self) -> str:
        """Tag and digest, for people."""
        return f"{self.image}@{self.digest}" if self.digest else f"{self.image}, no digest pinned"

    @property
    def _repository(self) -> str:
        return self.image.rpartition(":")[0]

    @property
    def _name(self) -> str:
        return self._repository.rpartition("/")[2]


class DeadsnakesPin(Struct, frozen=True, kw_only=True):
    """The PPA and the key that signs it."""

    fingerprint: str
    archive: str
    """URL below which dists/ lies."""
    keyserver: str
    """Where the key is asked for by its fingerprint (HKP over HTTP)."""


class StandalonePins(Struct, frozen=True, kw_only=True):
    """python-build-standalone's archives."""

    site: str
    """URL below which a folder per day of release lies."""
    files: dict[str, str]
    """Name to sha256."""


class Signer(Struct, frozen=True, kw_only=True):
    """Who signs the releases of a series with sigstore: its release manager."""

    identity: str
    """E-mail address."""
    issuer: str
    """URL of who vouches for it (OpenID Connect)."""


class Pins(Struct, frozen=True, kw_only=True):
    """pins.toml, which `inv pins --update` writes."""

    bases: dict[str, BasePin]
    """By suite."""
    deadsnakes: DeadsnakesPin
    standalone: StandalonePins
    cpython: dict[str, str]
    """Release to sha256 of Python-RELEASE.tar.xz."""
    signers: dict[str, Signer]
    """By series."""


class _Entry(Struct, frozen=True, kw_only=True):
    """One table of builds.toml; its key is the build's name."""

    series: str
    free_threaded: bool
    source: Source
    optimize: Optimize
    base: str = ""
    executable: str = ""
    compiler: Compiler = Compiler.GCC
    configure: tuple[str, ...] = ()
    jit: bool = False


class _Catalogue(Struct, frozen=True, kw_only=True):
    """builds.toml."""

    builds: dict[str, _Entry]


def load_pins(path: Path = IMAGES / "pins.toml") -> Pins:
    """Everything that is pinned.  Raises RequestError where the file is not what it should be."""
    return _decode(path, Pins)


def load(path: Path = IMAGES / "builds.toml", pins: Pins | None = None) -> dict[str, Build]:
    """Every build, by name, in the file's order.  Raises RequestError where the file is not what it should be."""
    bases = (pins or load_pins()).bases
    catalogue = _decode(path, _Catalogue).builds
    for name, entry in catalogue.items():
        if wrong := _mistake(name, entry, bases):
            raise RequestError(f"{path.name}: build {name}: {wrong}")
    return {name: Build(name=name, **msgspec.structs.asdict(entry)) for name, entry in catalogue.items()}


def resolve(names: Iterable[str], builds: Mapping[str, Build] | None = None) -> tuple[Build, ...]:
    """The builds that were named, in that order.  RequestError names the nearest where a name does not exist."""
    if builds is None:
        builds = load()
    return tuple(_find(name, builds) for name in names)


def optimized(build: Build, optimize: Optimize, builds: Mapping[str, Build]) -> Build:
    """The build that differs from `build` in its optimisation only; a packaged build is what it is.

    Raises RequestError where no build of builds.toml is like that.
    """
    if build.optimize in (optimize, Optimize.PACKAGED):
        return build
    wanted = msgspec.structs.replace(build, optimize=optimize, name="")
    for candidate in builds.values():
        if msgspec.structs.replace(candidate, name="") == wanted:
            return candidate
    raise RequestError(f'builds.toml has no build like "{build.name}" with optimize = "{optimize}"')


def _find(asked: str, builds: Mapping[str, Build]) -> Build:
    suffix = f"-{DEFAULT_SOURCE}"
    for name in (asked, asked + suffix):
        if name in builds:
            return builds[name]
    with_gil = builds.get(asked.replace("t-", "-", 1))
    if with_gil and (why := _WITH_GIL_ONLY.get(with_gil.source)):
        raise RequestError(
            f'there is no build "{asked}": {why}', hint=f"{with_gil.series}t{suffix} is compiled here, from a release."
        )
    short = [name.removesuffix(suffix) for name in builds if name.endswith(suffix)]
    raise RequestError(f'there is no build "{asked}"{nearest(asked.strip().lower(), [*short, *builds])}')


def _mistake(name: str, entry: _Entry, bases: Mapping[str, BasePin]) -> str:
    """What is wrong with an entry, as the end of a sentence; empty where nothing is."""
    if not re.fullmatch(r"3\.\d+", entry.series):
        return f"series {entry.series!r} is not a release series such as 3.14"
    if not re.fullmatch(r"[a-z0-9.-]+", name):
        return "a name has lower-case letters, digits, dots and dashes only"
    stem = entry.series + "t" * entry.free_threaded
    if not name.startswith(f"{stem}-"):
        return f"its name does not begin with {stem}-"
    if (entry.optimize is Optimize.PACKAGED) is (entry.source is Source.SOURCE):
        return f"source {entry.source} does not go with optimize {entry.optimize}"
    if entry.source is not Source.SOURCE and (entry.configure or entry.compiler is not Compiler.GCC):
        return f"source {entry.source} is compiled already: compiler and configure are for source"
    if entry.free_threaded and entry.source in _WITH_GIL_ONLY:
        return _WITH_GIL_ONLY[entry.source]
    if taken := _DECIDED & {argument.partition("=")[0] for argument in entry.configure}:
        return f"configure has {min(taken)}, which other keys and the recipe decide"
    if entry.source is Source.HOST:
        return "" if entry.executable else "source host needs an executable"
    if entry.base not in bases:
        return f"base {entry.base!r} is none of {', '.join(bases)}"
    if bases[entry.base].is_bare is (entry.source is Source.OFFICIAL):
        return f"source {entry.source} does not go with base {entry.base}, which is {bases[entry.base].image}"
    return ""


def _decode(path: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise RequestError(f"{path.name} cannot be read: {error}") from None
