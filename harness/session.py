"""The machine made ready: engine, images, lock; and what stands in the way of good measurements on it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness import host, lock, noise, request, scripts, tuning
from harness.engine import DOCKER_AND_CHROOT
from harness.errors import HostError
from harness.model import Build, BuildFacts, EngineFacts, Isolation, Optimize, Workload
from harness.request import BenchOptions
from harness.screen import Screen
from harness.workbench import Workbench

if TYPE_CHECKING:
    from harness.engine import Engine
    from harness.images import Foundry

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
    show(built)


def show(built: Iterable[BuildFacts]) -> None:
    """Prints what builds are, a line each."""
    for facts in built:
        gil = "free-threaded" if facts.free_threaded else "with the GIL"
        image = f"image {facts.image[:19]} of {facts.size / 1e6:.0f} MB"
        print(f"{facts.build.name}: CPython {facts.release} {gil}, {facts.optimize}, {image}")


def prepare(*names: str) -> tuple[BuildFacts, ...]:
    """The images of the builds named, or of the default pair, made where they are missing."""
    screen = Screen()
    with measuring("building images", screen):
        return builds(BenchOptions(builds=",".join(names) or None), screen)[0]


def doctor(*, as_json: bool) -> None:
    """Prints what this host can do, what disturbs measurements on it, and what can be changed; changes nothing."""
    from harness import docker_client, images

    facts, changes = host.facts(), tuning.changes()
    findings = [*noise.findings(facts, changes), *_tuned(changes)]
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


def tune(*, yes: bool, root: Path = Path("/")) -> None:
    """Prints what would make this machine quieter, and at what cost; asks, and does it.

    Args:
        yes: do not ask.

    Raises:
        HostError: there is nobody to ask, this is not root, another run is measuring, or what is there now cannot be
            kept; then nothing was changed.
    """
    if not yes and not os.isatty(0):
        raise HostError(
            "--tune asks before it changes anything, and there is no terminal to ask on; nothing was changed",
            hint="inv doctor says what it would change, and inv doctor --tune --yes agrees to it.",
        )
    with _sole_root("inv doctor --tune" + " --yes" * yes, root):
        changes = tuning.changes(root)
        if not changes:
            print("Nothing to change: every setting that tuning knows is as measurements want it, or is not here.")
            return
        print("Until the next boot, or inv doctor --untune:", *changes, sep="\n\n", end="\n\n")
        if not yes and not _agreed():
            print("Nothing was changed.")
            return
        for line in tuning.report(tuning.tune(changes, root), "changed", "refused"):
            print(line)
        if tuning.recall(root):
            print(f"What was there before is kept in {root / tuning.STATE}; inv doctor --untune restores it.")


def untune(root: Path = Path("/")) -> None:
    """Restores what was there before tuning.  HostError where some of it cannot be restored."""
    state = tuning.recall(root)
    if not state:
        print("Nothing to restore: this machine was not tuned.")
        return
    with _sole_root("inv doctor --untune", root):
        restored = tuning.untune(state, root)
    if tuning.has_booted(state, root):
        print(f"This machine was tuned {_when(state)}, and has booted since: its settings are the boot's own again.")
        return
    for line in tuning.report(restored, "restored", "lost"):
        print(line)
    if lost := [one for one in restored if not one.took]:
        raise HostError(
            f"{len(lost)} of {len(state.before)} files do not hold what they held before tuning; they are named above",
            hint="The next boot sets them anew.",
        )
    print(f"Everything is as it was when this machine was tuned {_when(state)}.")


@contextlib.contextmanager
def _sole_root(command: str, root: Path) -> Iterator[None]:
    """As root, and while nobody measures: a setting that changes in the middle of a run spoils it."""
    if os.geteuid() != 0:
        raise HostError(f"{command} needs root; nothing was changed", hint=f"sudo ./{command}")
    path = root / lock.LOCK.relative_to("/")
    with lock.measuring_lock(wait=False, progress=Screen(), describe=command, path=path):
        yield


def _agreed() -> bool:
    print("Change this? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:  # Ctrl-D leaves the cursor behind the question
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def _when(state: tuning.Tuned) -> str:
    return f"at {state.since:%H:%M on %Y-%m-%d}"


def _tuned(changes: Sequence[tuning.Change]) -> Iterator[noise.Finding]:
    """Whether tuning has been here, or has nothing to do."""
    try:
        state = tuning.recall()
    except HostError as error:
        yield noise.Finding("tuning", noise.State.WARN, error.message, error.hint)
        return
    if state and not tuning.has_booted(state):
        settings = ", ".join(dict.fromkeys(value.setting for value in state.before))
        advice = "inv doctor --untune restores what was there before."
        yield noise.Finding("tuning", noise.State.NOTE, f"tuned {_when(state)}: {settings}", advice)
    elif not changes:
        yield noise.Finding("tuning", noise.State.OK, "inv doctor --tune would change nothing here")


# -- the steps ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def measuring(what: str, screen: Screen, *, wait: bool = True) -> Iterator[None]:
    """This machine's lock: two runs at once would disturb each other."""
    with lock.measuring_lock(wait=wait, progress=screen, describe=what):
        yield


@contextlib.contextmanager
def open_engine(kind: str, bench_: Workbench, screen: Screen) -> Iterator[Engine]:
    """The engine of this kind, with nothing of ours left in it.  Only with the measuring lock held."""
    if kind == "host":
        from harness.host_engine import HostEngine

        yield HostEngine(bench_)
        return
    from harness.docker_client import find
    from harness.docker_engine import DockerEngine

    with contextlib.closing(DockerEngine(find(), bench_)) as docker:
        if removed := docker.remove_left_behind():
            screen.say(f"removed {removed} containers that a killed run of Gilometer had left behind")
        if kind != DOCKER_AND_CHROOT:
            yield docker
            return
        from harness.chroot_engine import ChrootEngine

        with ChrootEngine(docker, bench_) as engine:
            if removed := engine.remove_left_behind():
                screen.say(f"removed {removed} unpacked images that a killed run of Gilometer had left behind")
            yield engine


def engine_facts(kind: str, bench_: Workbench) -> EngineFacts:
    """What a report must say of an engine, docker or host; opens nothing in it.  HostError where it does not answer."""
    if kind == "host":
        from harness.host_engine import HostEngine

        return HostEngine(bench_).facts()
    from harness.docker_client import find
    from harness.docker_engine import DockerEngine

    with contextlib.closing(DockerEngine(find(), bench_)) as docker:
        return docker.facts()


def provide_engine(screen: Screen) -> None:
    from harness import provision

    for done in provision.ensure_engine(screen):
        screen.say(done)


def builds(
    options: BenchOptions, screen: Screen, workloads: Iterable[Workload] = ()
) -> tuple[tuple[BuildFacts, ...], tuple[str, ...]]:
    """Facts of the builds to compare, and what a reader must know of the choice.

    Their images are made where missing, each with what `workloads` require.
    """
    locks = scripts.locks(workloads)
    if options.engine == "host":
        from harness import host_builds

        found = [host_builds.ensure(one, screen) for one in host_builds.choose(options.builds)]
        return distinct([host_builds.equip(facts, locks, screen) for facts in found]), ()
    with open_foundry(options, screen) as (foundry, wanted, warnings):
        return distinct([foundry.equip(foundry.ensure(one, screen), locks, screen) for one in wanted]), warnings


def build_twice(
    options: BenchOptions, screen: Screen, workloads: Iterable[Workload]
) -> tuple[tuple[BuildFacts, ...], tuple[str, ...]]:
    """One build on the host without its container, the baseline, and in it; without a name the free-threaded one."""
    with open_foundry(options, screen) as (foundry, wanted, warnings):
        facts = foundry.equip(foundry.ensure(wanted[-1], screen), scripts.locks(workloads), screen)
    twin = msgspec.structs.replace(facts.build, name=f"{facts.build.name}@host")
    return (msgspec.structs.replace(facts, build=twin, isolation=Isolation.NONE), facts), warnings


@contextlib.contextmanager
def open_foundry(options: BenchOptions, screen: Screen) -> Iterator[tuple[Foundry, Sequence[Build], tuple[str, ...]]]:
    """A foundry, the builds to make in it, and what a reader must know of their choice, which is also said."""
    from harness.images import Foundry

    with contextlib.closing(Foundry(source=options.source)) as foundry:
        if named := request.named_builds(options):
            yield foundry, named, ()
            return
        chosen, warnings = foundry.choose_pair(request.optimize(options) or Optimize.PLAIN)
        for warning in warnings:
            screen.say(f"warning: {warning}")
        yield foundry, chosen, warnings


# -- small things ------------------------------------------------------------------------------------------------------


def distinct(facts: Sequence[BuildFacts]) -> tuple[BuildFacts, ...]:
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
