"""What workloads depend on, and whether it keeps the GIL off: as the images of a run say, where it was imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model import BuildFacts, Run

_TOOLS = frozenset({"pyperf", "psutil"})
"""Of Gilometer: in every image, and in no measured code."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A package, and what became of it in every free-threaded build of a run."""

    package: str
    found: tuple[str, ...]
    """By build, in the order of `Dependencies.builds`."""
    turns_gil_on: bool
    """In any of them."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Of all workloads of a run, also of those that were left out for one."""

    builds: tuple[str, ...]
    packages: tuple[Dependency, ...]


def dependencies(run: Run) -> Dependencies | None:
    """None where there is nothing to tell: no free-threaded build, or no package."""
    builds = [one for one in run.builds if one.free_threaded and one.build.name in run.plan.builds]
    packages = tuple(_tell(name, builds, run) for name in _needed(run, builds))
    return Dependencies(tuple(one.build.name for one in builds), packages) if builds and packages else None


def _needed(run: Run, builds: list[BuildFacts]) -> Iterator[str]:
    named = {package for workload in run.plan.workloads for package in workload.dependencies}
    left_out = {package for build in builds for package in build.turns_gil_on}
    yield from sorted((named | left_out) - _TOOLS)


def _tell(package: str, builds: list[BuildFacts], run: Run) -> Dependency:
    found = tuple(_in(build, package, run) for build in builds)
    return Dependency(package, found, any(package in build.turns_gil_on for build in builds))


def _in(build: BuildFacts, package: str, run: Run) -> str:
    if version := build.packages.get(package):
        module = build.turns_gil_on.get(package)
        return f"{version}: {module} turns the GIL on" if module else f"{version}: keeps the GIL off"
    locks = {workload.requirements for workload in run.plan.workloads if package in workload.dependencies}
    for environment in (build.environments[lock] for lock in sorted(locks & build.environments.keys())):
        if environment.refusal:
            return environment.refusal
        if version := environment.packages.get(package):
            return f"{version}: in its workloads, each of which shows at its end whether the GIL is off"
    return "not installed"
