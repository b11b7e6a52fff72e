"""What an interpreter is: what it says of itself through images/facts.py, and what it was made of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.model import Build, BuildFacts, Isolation, Source, Struct


class Answers(Struct, frozen=True, kw_only=True):
    """What images/facts.py prints."""

    release: str
    version: str
    free_threaded: bool
    gil_enabled: bool
    executable: str
    base_executable: str
    compiler: str
    configure: str
    shared: bool
    libc: str
    machine: str
    packages: dict[str, str]
    turns_gil_on: dict[str, str]
    no_subinterpreters: dict[str, str]
    system_packages: dict[str, str]
    commit: str
    jit: str
    tail_calls: bool
    frame_pointers: bool | None
    allocator: str


def describe(
    build: Build,
    answers: Answers,
    *,
    executable: str,
    origin: str,
    image: str = "",
    base: str = "",
    recipe: str = "",
    ingredients: Mapping[str, str] | None = None,
    layers: Sequence[str] = (),
    size: int = 0,
) -> BuildFacts:
    """The facts of a build: its answers, and where it came from; an interpreter of the host has no image."""
    return BuildFacts(
        build=build,
        release=answers.release,
        version=answers.version,
        free_threaded=answers.free_threaded,
        gil_enabled=answers.gil_enabled,
        executable=executable,
        compiler=answers.compiler,
        configure=answers.configure,
        optimize=optimization(build, answers.configure),
        link="shared" if answers.shared else "static",
        libc=answers.libc,
        machine=answers.machine,
        packages=answers.packages,
        turns_gil_on=answers.turns_gil_on,
        no_subinterpreters=answers.no_subinterpreters,
        image=image,
        base=base,
        recipe=recipe,
        origin=origin,
        ingredients=dict(ingredients or {}),
        isolation=Isolation.CONTAINER if image else Isolation.NONE,
        commit=answers.commit,
        jit=answers.jit,
        tail_calls=answers.tail_calls,
        frame_pointers=answers.frame_pointers,
        allocator=answers.allocator,
        system_packages=answers.system_packages if image else {},
        layers=tuple(layers),
        size=size,
    )


def abi(build: Build) -> str:
    """The ABI tag of a build's wheels: cp314t."""
    return f"cp{build.series.replace('.', '')}{'t' if build.free_threaded else ''}"


def optimization(build: Build, configure: str) -> str:
    """What was really done: plain, pgo, lto or pgo-lto.

    Packages do not tell, it stands in their debian/rules: `make profile-opt` with -flto, for Debian's builds and for
    deadsnakes' with the GIL.  deadsnakes' free-threaded one is a bare `make`, with LTO in its linker flags only, where
    it does nothing.
    """
    match build.source:
        case Source.DEBIAN:
            return "pgo-lto"
        case Source.DEADSNAKES:
            return "plain" if build.free_threaded else "pgo-lto"
        case Source.SOURCE | Source.OFFICIAL | Source.UV | Source.HOST:
            done = (("pgo", "--enable-optimizations" in configure), ("lto", re.search(r"--with-lto(?!=no)", configure)))
            return "-".join(name for name, was_done in done if was_done) or "plain"
