"""Are two builds alike but for what is compared?  Whatever else differs confounds the comparison, and is named."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from harness.model import BuildFacts, Isolation, Workload
from reports.findings import Difference, Parity

_FREE_THREADING = "free threading"
_RELEASE = "the release"
_OPTIMISATION = "optimisation"
CONTAINER = "the container"
"""What is compared where one build is measured in its container and outside of it."""
_MAKING = "how they were made"

_NOWHERE = "none"


def parity(baseline: BuildFacts, build: BuildFacts, workloads: Sequence[Workload]) -> Parity:
    """What a comparison of the two is about, and what else they differ in that reaches any of the workloads."""
    compared = _compared(baseline, build)
    same_thing = _identity(baseline) == _identity(build)
    return Parity(
        build=build.build.name,
        baseline=baseline.build.name,
        compared="" if same_thing else compared,
        differences=tuple(
            difference
            for difference in ([] if same_thing else _differences(baseline, build, compared))
            if any(reaches(difference, workload) for workload in workloads)
        ),
    )


def reaches(difference: Difference, workload: Workload) -> bool:
    """Whether the difference can change what `workload` measures."""
    return not difference.package or difference.package in {_canonical(name) for name in workload.dependencies}


def _identity(facts: BuildFacts) -> tuple[str, str, Isolation, bool]:
    """Two names of one interpreter have the same."""
    return facts.image, facts.executable, facts.isolation, facts.build.jit


def _compared(baseline: BuildFacts, build: BuildFacts) -> str:
    """The one thing that is meant to differ: a pair made to be compared differs in one of these."""
    if baseline.free_threaded != build.free_threaded:
        return _FREE_THREADING
    if baseline.release != build.release:
        return _RELEASE
    if baseline.optimize != build.optimize:
        return _OPTIMISATION
    if baseline.isolation != build.isolation:
        return CONTAINER
    return _MAKING


def _differences(baseline: BuildFacts, build: BuildFacts, compared: str) -> Iterator[Difference]:
    pairs = [("machine", baseline.machine, build.machine)]
    if compared != _MAKING:
        pairs += [
            ("compiler", baseline.compiler, build.compiler),
            ("libpython", baseline.link, build.link),
            ("JIT", baseline.jit or _NOWHERE, build.jit or _NOWHERE),
            ("libc", baseline.libc, build.libc),
            ("base image", baseline.base, build.base),
            ("kind of source", str(baseline.build.source), str(build.build.source)),
        ]
    if compared != CONTAINER:
        pairs.append(("isolation", baseline.isolation, build.isolation))
    if compared not in (_MAKING, _RELEASE):
        pairs += [
            ("release", baseline.release, build.release),
            ("origin", _origin(baseline), _origin(build)),
            ("frame pointers", _whether(baseline.frame_pointers), _whether(build.frame_pointers)),
            ("interpreter", _interpreter(baseline), _interpreter(build)),
        ]
    if compared not in (_MAKING, _OPTIMISATION):
        pairs += [
            ("optimisation", baseline.optimize, build.optimize),
            ("configure", *_only(_configure(baseline), _configure(build))),
        ]
    for what, left, right in pairs:
        if left != right:
            yield Difference(what=what, baseline=left or _NOWHERE, build=right or _NOWHERE)
    left_packages, right_packages = packages(baseline), packages(build)
    for name in sorted({*left_packages, *right_packages}):
        left, right = left_packages.get(name, _NOWHERE), right_packages.get(name, _NOWHERE)
        if left != right:
            yield Difference(what=f"package {name}", baseline=left, build=right, package=name)


def _origin(facts: BuildFacts) -> str:
    """Packagers give the free-threaded twin of a package another name, not another version."""
    return facts.origin.replace("-nogil", "")


def _whether(known: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[known]


def _interpreter(facts: BuildFacts) -> str:
    return {True: "tail calls", False: "one function", None: ""}[facts.tail_calls]


def _configure(facts: BuildFacts) -> frozenset[str]:
    """Arguments of ./configure without those that choose free threading or where it is installed."""
    try:
        arguments = shlex.split(facts.configure)
    except ValueError:  # an unbalanced quote
        arguments = facts.configure.split()
    harmless = re.compile(r"--(disable-gil|enable-gil|prefix=.*|exec-prefix=.*)")
    return frozenset(argument for argument in arguments if not harmless.fullmatch(argument))


def _only(left: frozenset[str], right: frozenset[str]) -> tuple[str, str]:
    """What is in one of two sets and not in the other."""
    return " ".join(sorted(left - right)), " ".join(sorted(right - left))


def packages(facts: BuildFacts) -> dict[str, str]:
    """Versions of the packages by normalised name."""
    return {_canonical(name): version for name, version in facts.packages.items()}


def _canonical(name: str) -> str:
    """A package's normalised name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


# -- side by side ------------------------------------------------------------------------------------------------------


def side_by_side(builds: Sequence[BuildFacts]) -> list[tuple[str, list[str]]]:
    """Every fact that is known of any build by its name, with its value for each of the builds; empty where unknown."""
    rows = [
        ("release", [b.release for b in builds]),
        ("free-threaded", [_whether(b.free_threaded) for b in builds]),
        ("GIL in a fresh process", ["on" if b.gil_enabled else "off" for b in builds]),
        ("version", [b.version for b in builds]),
        ("compiler", [b.compiler for b in builds]),
        ("configure", [b.configure for b in builds]),
        ("optimisation", [b.optimize for b in builds]),
        ("libpython", [b.link for b in builds]),
        ("frame pointers", [_whether(b.frame_pointers) for b in builds]),
        ("interpreter", [_interpreter(b) for b in builds]),
        ("JIT", [b.jit for b in builds]),
        ("allocator", [b.allocator for b in builds]),
        ("libc", [b.libc for b in builds]),
        ("machine", [b.machine for b in builds]),
        ("kind of source", [str(b.build.source) for b in builds]),
        ("origin", [b.origin for b in builds]),
        ("commit", [b.commit for b in builds]),
        ("base image", [b.base for b in builds]),
        ("image", [b.image for b in builds]),
        ("recipe", [b.recipe for b in builds]),
        ("executable", [b.executable for b in builds]),
        ("isolation", [str(b.isolation) for b in builds]),
        ("size", [f"{b.size / 1e6:.0f} MB" if b.size else "" for b in builds]),
        ("layers", [" ".join(one.removeprefix("sha256:")[:12] for one in b.layers) for b in builds]),
        *_by_name("package", [packages(b) for b in builds]),
        *_by_name("system package", _without_shared([b.system_packages for b in builds])),
        *_by_name("the host’s", [b.ingredients for b in builds]),
    ]
    return [(name, values) for name, values in rows if any(values)]


def _without_shared(tables: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """What is not the same in all of them: the other hundred lines say nothing of a comparison."""
    return [
        {name: one for name, one in table.items() if any(other.get(name) != one for other in tables)}
        for table in tables
    ]


def _by_name(prefix: str, tables: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """One line for every name that any of the builds has."""
    for name in sorted({name for table in tables for name in table}):
        yield f"{prefix} {name}", [table.get(name, "") for table in tables]
