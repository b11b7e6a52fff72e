"""Builds become images: found by the content hash of their recipe, or made; then asked what they are.

The recipe is everything that decides what is in an image: Dockerfile, arguments, source, requirements, base image.  How
the host reaches the network is not part of it, since whatever comes that way is checked by hash or signature.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from harness import bases, docker_client, interpreters, network, sources, standalone, trees
from harness.buildlog import BuildLog
from harness.builds import IMAGES, BasePin, Pins, load, load_pins
from harness.docker_client import LABEL
from harness.docker_images import Images
from harness.engine import jit_switch
from harness.equipment import RECIPE, Outfitter
from harness.errors import HostError, RequestError
from harness.model import Build, BuildFacts, Compiler, Optimize, Source
from harness.progress import Progress
from harness.requirements import Requirements

PREFERRED_SERIES = ("3.14", "3.13")
"""What is compared when nobody names builds, the first that can be had."""

_BUILD = f"{LABEL}.build"
_ORIGIN = f"{LABEL}.origin"
_INGREDIENTS = f"{LABEL}.ingredients"
_EXECUTABLE = "/opt/python/bin/python"
_COMPILER = {Compiler.GCC: (), Compiler.CLANG: ("CC=clang",)}
_TOOLS = {Compiler.GCC: (), Compiler.CLANG: ("clang", "lld", "llvm")}
_JIT_TOOLS = ("clang-19", "llvm-19", "python3")
"""Of 3.14: its machine code is made from templates, by one certain release of LLVM."""
_EVALUATE = """
import json, sys
def value(expression):
    try:
        return repr(eval(expression, {"sys": sys}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
print(json.dumps({expression: value(expression) for expression in sys.argv[1:]}))
"""
_CONFIGURE = {Optimize.PLAIN: (), Optimize.PGO_LTO: ("--enable-optimizations", "--with-lto")}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what is in an image."""

    dockerfile: str
    arguments: Mapping[str, str]
    requirements: str
    base: bases.Base
    material: sources.Material | None
    """None for packages."""

    @property
    def sha256(self) -> str:
        """Content hash."""
        inputs = {
            "dockerfile": self.dockerfile,
            "arguments": dict(sorted(self.arguments.items())),
            "requirements": self.requirements,
            "base": self.base.image,
            "source": self.material.identity if self.material else "",
        }
        return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is of a build here: an image of `size` bytes, an origin to make one from, or an obstacle."""

    build: Build
    size: int | None = None
    origin: str = ""
    obstacle: str = ""


class Foundry:
    """Makes images of builds, once each.

    `source` is what --source names: the CPython that builds from source are made of, instead of a release.  `pins` are
    those of pins.toml where they are not given.
    """

    def __init__(self, *, source: str | None = None, cache: Path | None = None, pins: Pins | None = None) -> None:
        self._source = source
        self._given_pins = pins
        self._cache = cache or sources.cache_folder()
        self._obstacles: dict[str, str] = {}

    def choose_pair(self, optimize: Optimize = Optimize.PLAIN) -> tuple[tuple[Build, ...], tuple[str, ...]]:
        """The pair of builds to compare when nobody names any, and what a reader must know of the choice.

        HostError where the source of no series can be had.
        """
        if self._local is not None:
            return self._pair(sources.series_of(self._local.release), optimize), ()
        refusals: list[HostError] = []
        for series in PREFERRED_SERIES:
            try:
                self._tarballs.locate(series)
            except HostError as error:
                refusals.append(error)
                continue
            warnings = (f"CPython {series} is compared: {error.message}" for error in refusals)
            return self._pair(series, optimize), tuple(warnings)
        raise HostError("; ".join(error.message for error in refusals), hint=refusals[0].hint)

    def material(self, build: Build) -> sources.Material | None:
        """What a build is compiled from or unpacked from, None for packages.  HostError where it cannot be had."""
        if build.source is Source.UV:
            return self._archives.locate(build)
        if build.source is not Source.SOURCE:
            return None
        if self._local is None:
            return self._tarballs.locate(build.series)
        if sources.series_of(self._local.release) != build.series:
            raise RequestError(f"--source is CPython {self._local.release}, so {build.name} cannot be made of it")
        return self._local

    def offer(self, build: Build) -> Offer:
        """Whether a build can be had here, as far as that can be told without making it.

        HostError where the engine does not answer.
        """
        pin = self._pins.bases[build.base]
        try:
            material = self.material(build)
            base = bases.find(self._images, build.base, pin)
            if base and (made := self._images.find({RECIPE: self._recipe(build, base, material).sha256})):
                found = self._images.inspect(made)
                return Offer(build, size=found.size if found else 0)
        except (HostError, RequestError) as error:
            return Offer(build, obstacle=error.message)
        obstacle = "" if base else self._once(build.base, lambda: bases.obstacle(self._images, pin))
        if build.source is Source.DEADSNAKES and not obstacle:
            release = f"{self._pins.deadsnakes.archive}/dists/{build.base}/InRelease"
            obstacle = self._once(release, lambda: _archive_obstacle(release))
        obstacle = obstacle or self._silence(build, pin)
        origin = material.origin if material else _packager(build, pin)
        return Offer(build, origin=origin, obstacle=obstacle)

    def _silence(self, build: Build, pin: BasePin) -> str:
        """Who does not answer of those that packages come from; a build that is not made takes some in any case."""
        apt = build.source not in (Source.OFFICIAL, Source.UV)

        def ask() -> str:
            wanted = network.ingredients(pin.distribution).suppliers(apt=apt)
            silent = [f"{name} does not answer" for name, url in wanted.items() if not sources.answers(url)]
            return f"packages are missing: {' and '.join(silent)}" if silent else ""

        return self._once(f"packages of {pin.distribution} {apt}", ask)

    def find(self, build: Build) -> str | None:
        """Id of the image that `ensure` would take; None where it would make one."""
        base = bases.find(self._images, build.base, self._pins.bases[build.base])
        return self._images.find({RECIPE: self.expected(build, base)}) if base else None

    def expected(self, build: Build, base: bases.Base) -> str:
        """Content hash of the recipe of a build's image on a base.  HostError where its source cannot be had."""
        return self._recipe(build, base, self.material(build)).sha256

    def _once(self, subject: str, ask: Callable[[], str]) -> str:
        """The obstacle to a subject that several builds share: asking the network for it takes seconds."""
        if subject not in self._obstacles:
            self._obstacles[subject] = ask()
        return self._obstacles[subject]

    def close(self) -> None:
        """Close the connections to the engine, where there are any."""
        if "_images" in self.__dict__:
            self._images.close()

    def ensure(self, build: Build, progress: Progress) -> BuildFacts:
        """The image of a build, made where it is missing, and what it is.

        HostError where something that it needs cannot be had, MeasurementError where building fails.
        """
        material = self.material(build)
        base = bases.ensure(self._images, build.base, self._pins.bases[build.base], progress)
        recipe = self._recipe(build, base, material)
        image = self._images.find({RECIPE: recipe.sha256}) or self._make(build, recipe, progress)
        return self._facts(build, image, recipe)

    def _recipe(self, build: Build, base: bases.Base, material: sources.Material | None) -> Recipe:
        return Recipe(
            dockerfile=(IMAGES / f"{build.source}.Dockerfile").read_text(encoding="utf-8"),
            arguments=arguments(build, self._pins),
            requirements=(IMAGES / "requirements" / f"{interpreters.abi(build)}.txt").read_text(encoding="utf-8"),
            base=base,
            material=material,
        )

    def equip(self, facts: BuildFacts, locks: Sequence[Requirements], progress: Progress) -> BuildFacts:
        """The build with what scripts require, each lock a further layer of its image, made where it is missing."""
        if not locks:
            return facts
        ingredients = network.ingredients(self._pins.bases[facts.build.base].distribution)
        return Outfitter(self._images, ingredients, self._cache / "logs").equip(facts, locks, progress)

    def _make(self, build: Build, recipe: Recipe, progress: Progress) -> str:
        ingredients = network.ingredients(self._pins.bases[build.base].distribution)
        labels = {
            LABEL: "1",
            _BUILD: build.name,
            RECIPE: recipe.sha256,
            _ORIGIN: f"{recipe.material.origin} ({recipe.material.identity})" if recipe.material else "",
            _INGREDIENTS: msgspec.json.encode(ingredients.record()).decode(),
        }
        name = f"{build.name}-{recipe.sha256[:12]}"
        with tempfile.TemporaryDirectory(prefix="gilometer-build-") as folder:
            _fill_context(Path(folder), build, recipe, ingredients, progress)
            output = BuildLog(build)
            with progress.task(f"building {build.name}", total=output.total) as task:

                def show(line: str) -> None:
                    output.read(line)
                    task.update(output.done, output.note)

                return self._images.build(
                    Path(folder),
                    arguments={"BASE": recipe.base.image, **recipe.arguments, **ingredients.proxies},
                    labels=labels,
                    tag=f"gilometer/{build.name}:{recipe.sha256[:12]}",
                    log=self._cache / "logs" / f"{name}.log",
                    on_line=show,
                )

    def _facts(self, build: Build, image: str, recipe: Recipe) -> BuildFacts:
        answers = self._ask(build, image)
        found = self._images.inspect(image)
        labels = found.labels if found else {}
        if answers.free_threaded is not build.free_threaded or not answers.release.startswith(f"{build.series}."):
            raise RequestError(f"{build.name} became {answers.version}: builds.toml or --source says otherwise")
        return interpreters.describe(
            build,
            answers,
            executable=_EXECUTABLE,
            image=image,
            base=recipe.base.description,
            recipe=recipe.sha256,
            origin=labels.get(_ORIGIN) or self._package_origin(build, answers.system_packages),
            layers=found.layers if found else (),
            size=found.size if found else 0,
            ingredients=msgspec.json.decode(labels.get(_INGREDIENTS, "{}"), type=dict[str, str]),
        )

    def _package_origin(self, build: Build, packages: Mapping[str, str]) -> str:
        """Who packaged it, and which version; that of an image is its base."""
        if build.source is Source.OFFICIAL:
            return _packager(build, self._pins.bases[build.base])
        suffix = "-nogil" if build.free_threaded else ""
        name = f"python{build.series}{suffix}"
        return f"{build.source} package {name} {packages.get(name, 'of unknown version')}"

    def _ask(self, build: Build, image: str) -> interpreters.Answers:
        """What the interpreter in an image says of itself; asked once per image and switch."""
        script = (IMAGES / "facts.py").read_text(encoding="utf-8")
        asked = hashlib.sha256(f"{script}{jit_switch(build)}".encode()).hexdigest()
        kept = self._cache / "facts" / f"{_short(image)}-{asked[:12]}.json"
        if kept.exists():
            return msgspec.json.decode(kept.read_bytes(), type=interpreters.Answers)
        printed = self._images.execute(image, [_EXECUTABLE, "-s", "-P", "-c", script], jit_switch(build))
        answers = msgspec.json.decode(printed, type=interpreters.Answers)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(printed, encoding="utf-8")
        return answers

    def answers(self, facts: BuildFacts, expressions: Sequence[str]) -> dict[str, str]:
        """What Python expressions are in the interpreter of an image, as repr() or the error; `sys` is there."""
        printed = self._images.execute(facts.image, [facts.executable, "-s", "-P", "-c", _EVALUATE, *expressions])
        return msgspec.json.decode(printed, type=dict[str, str])

    def _pair(self, series: str, optimize: Optimize) -> tuple[Build, ...]:
        wanted = (series, Source.SOURCE, optimize, False)
        pair = [b for b in load().values() if (b.series, b.source, b.optimize, b.is_variant) == wanted]
        pair.sort(key=lambda build: build.free_threaded)
        if [build.free_threaded for build in pair] != [False, True]:
            raise RequestError(f"builds.toml has no pair of {series} builds from source with optimize = {optimize!r}")
        return tuple(pair)

    @cached_property
    def _pins(self) -> Pins:
        return self._given_pins or load_pins()

    @cached_property
    def _images(self) -> Images:
        return Images(docker_client.connect())

    @cached_property
    def _local(self) -> sources.Material | None:
        return trees.from_path(self._source, self._pins.cpython, self._cache / "sources") if self._source else None

    @cached_property
    def _archives(self) -> standalone.Archives:
        return standalone.Archives(self._pins.standalone, os.uname().machine, self._cache / "sources")

    @cached_property
    def _tarballs(self) -> sources.Tarballs:
        sites = sources.sites(lambda: network.apt_mirror("debian"), network.apt_stamp())
        return sources.Tarballs(self._pins.cpython, sites, self._cache / "sources")


def _archive_obstacle(url: str) -> str:
    return "" if sources.ask(url) is sources.Answer.THERE else "its archive does not answer here"


def arguments(build: Build, pins: Pins) -> dict[str, str]:
    """Build arguments of a build's Dockerfile, BASE apart."""
    match build.source:
        case Source.SOURCE:
            flags = [
                *(["--disable-gil"] if build.free_threaded else []),
                *_CONFIGURE[build.optimize],
                *_COMPILER[build.compiler],
                *(["--enable-experimental-jit"] if build.jit else []),
                *build.configure,
            ]
            tools = [*_TOOLS[build.compiler], *(_JIT_TOOLS if build.jit else [])]
            return {"CONFIGURE": shlex.join(flags), "TOOLS": " ".join(tools)}
        case Source.DEBIAN:
            return {"PACKAGE": f"python{build.series}"}
        case Source.OFFICIAL | Source.UV:
            return {}
        case Source.DEADSNAKES:
            return {
                "PACKAGE": f"python{build.series}" + ("-nogil" if build.free_threaded else ""),
                "VENV_PACKAGE": f"python{build.series}-venv",
                "INTERPRETER": f"python{build.series}" + ("t" if build.free_threaded else ""),
                "FREE_THREADED": str(int(build.free_threaded)),
                "FINGERPRINT": pins.deadsnakes.fingerprint,
                "KEYSERVER": pins.deadsnakes.keyserver,
                "PPA": pins.deadsnakes.archive,
            }
        case Source.HOST:
            raise RequestError(f"{build.name} is an interpreter of the host, which no image is made of")


def _fill_context(
    folder: Path, build: Build, recipe: Recipe, ingredients: network.Ingredients, progress: Progress
) -> None:
    """Everything that the Dockerfile copies."""
    host = folder / "host"
    host.mkdir()
    (folder / "Dockerfile").write_text(recipe.dockerfile, encoding="utf-8")
    (folder / "requirements.txt").write_text(recipe.requirements, encoding="utf-8")
    (host / "apt.conf").write_text(ingredients.apt_conf("/host/ca.crt"), encoding="utf-8")
    (host / "sources.list").write_text(ingredients.sources_list(build.base), encoding="utf-8")
    (host / "pip.conf").write_text(ingredients.pip_conf(), encoding="utf-8")
    (host / "ca.crt").write_bytes(ingredients.ca_bundle)
    if recipe.material:
        recipe.material.provide(folder / "python.tar", progress)


def _packager(build: Build, pin: BasePin) -> str:
    """Who made what is not compiled here."""
    if build.source is Source.OFFICIAL:
        return f"Docker's image {pin.image}"
    return f"packages of {build.source.capitalize()}"


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]
