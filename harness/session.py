"""The machine made ready: engine, images, lock; and what stands in the way of good measurements on it."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from harness import host, lock, noise, request
from harness.errors import HostError
from harness.model import Build, BuildFacts, Optimize
from harness.request import BenchOptions
from harness.screen import Screen
from harness.workbench import Workbench

if TYPE_CHECKING:
    from harness.engine import Engine

# -- set-up ------------------------------------------------------------------------------------------------------------


def setup() -> None:
    """Engine, base image and the default pair of images, each found or made; says which."""
    provide_engine(Screen())
    build(BenchOptions())


def provide_test_tools() -> None:
    """A browser and a compiler, where they can be installed."""
    from harness import provision

    screen = Screen()
    for done in provision.ensure_test_tools(screen):
        screen.say(done)


def build(options: BenchOptions) -> None:
    """Images only; prints what each build is."""
    screen = Screen()
    with measuring("building images", screen):
        built, _ = builds(options, screen)
    for facts in built:
        gil = "free-threaded" if facts.free_threaded else "with the GIL"
        print(f"{facts.build.name}: CPython {facts.release} {gil}, {facts.optimize}, image {facts.image[:19]}")


def prepare(*names: str) -> tuple[BuildFacts, ...]:
    """The images of the builds named, or of the default pair, made where they are missing."""
    screen = Screen()
    with measuring("building images", screen):
        return builds(BenchOptions(builds=",".join(names) or None), screen)[0]


def doctor(*, as_json: bool) -> None:
    """Prints what this host can do and what disturbs measurements on it."""
    from harness import docker_client, images

    facts = host.facts()
    findings = list(noise.findings(facts))
    try:
        with measuring("inv doctor", Screen(), wait=False):
            findings.append(noise.speeds(noise.probe_speeds(facts.cpus)))
    except HostError as error:
        findings.append(noise.Finding("CPU speed", noise.State.NOTE, f"not tried: {error.message}"))
    try:
        found = docker_client.find()
        found.client.close()
        findings.append(noise.Finding("engine", noise.State.OK, f"{found.name} at {found.address.url}"))
    except HostError as error:
        findings.append(noise.Finding("engine", noise.State.WARN, error.message, error.hint))
    try:
        pair, warnings = images.Foundry().choose_pair()
        text = "; ".join((f"{' and '.join(one.name for one in pair)} can be made here", *warnings))
        findings.append(noise.Finding("builds", noise.State.NOTE if warnings else noise.State.OK, text))
    except HostError as error:
        findings.append(noise.Finding("builds", noise.State.WARN, error.message, error.hint))
    if as_json:
        print(json.dumps(msgspec.to_builtins(findings), indent=1))
    else:
        print(*findings, sep="\n")


# -- the steps ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def measuring(what: str, screen: Screen, *, wait: bool = True) -> Iterator[None]:
    """This machine's lock: two runs at once would disturb each other."""
    with lock.measuring_lock(wait=wait, progress=screen, describe=what):
        yield


@contextlib.contextmanager
def open_engine(kind: str, bench_: Workbench, screen: Screen) -> Iterator[Engine]:
    """The engine, with nothing of ours left in it.  Only with the measuring lock held."""
    if kind == "host":
        from harness.host_engine import HostEngine

        yield HostEngine(bench_)
        return
    from harness.docker_client import find
    from harness.docker_engine import DockerEngine

    with contextlib.closing(DockerEngine(find(), bench_)) as engine:
        if removed := engine.remove_left_behind():
            screen.say(f"removed {removed} containers that a killed run of Gilometer had left behind")
        yield engine


def provide_engine(screen: Screen) -> None:
    from harness import provision

    for done in provision.ensure_engine(screen):
        screen.say(done)


def builds(options: BenchOptions, screen: Screen) -> tuple[tuple[BuildFacts, ...], tuple[str, ...]]:
    """Facts of the builds to compare, their images made where missing, and what a reader must know of the choice."""
    if options.engine == "host":
        from harness import host_builds

        return _distinct([host_builds.ensure(one, screen) for one in host_builds.choose(options.builds)]), ()
    from harness.images import Foundry

    wanted: Sequence[Build] | None = request.named_builds(options)
    warnings: tuple[str, ...] = ()
    with contextlib.closing(Foundry(source=options.source)) as foundry:
        if wanted is None:
            wanted, warnings = foundry.choose_pair(request.optimize(options) or Optimize.PLAIN)
        for warning in warnings:
            screen.say(f"warning: {warning}")
        return _distinct([foundry.ensure(one, screen) for one in wanted]), warnings


# -- small things ------------------------------------------------------------------------------------------------------


def _distinct(facts: Sequence[BuildFacts]) -> tuple[BuildFacts, ...]:
    """Facts with distinct names: a build that was named twice is an A/A comparison, its second name has a number."""
    seen: Counter[str] = Counter()
    distinct = []
    for fact in facts:
        seen[fact.build.name] += 1
        if (number := seen[fact.build.name]) > 1:
            build_ = msgspec.structs.replace(fact.build, name=f"{fact.build.name}#{number}")
            distinct.append(msgspec.structs.replace(fact, build=build_))
        else:
            distinct.append(fact)
    return tuple(distinct)
