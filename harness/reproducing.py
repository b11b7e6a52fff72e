"""Published numbers held against this machine, and runs of our own made once more."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import builds, claims, host, request, specs, store
from harness.claims import Claim, Part, Publication
from harness.errors import HostError, RequestError
from harness.images import Foundry
from harness.model import Build, Measure, Optimize, Size
from harness.plan import Request
from harness.request import BenchOptions
from harness.runs import ROOT, WORKLOADS, again, find_run, measure, show
from harness.screen import Screen, clock

if TYPE_CHECKING:
    from reports.reproduction import Result

PUBLISHED = ROOT / "reports" / "published"
FORMATS = ("text", "markdown", "json")

_GROUP_SECONDS = 100.0
"""Time to measure that a workload gets where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Options:
    """How `inv reproduce` was asked to do it, as typed."""

    strict: bool = False
    """Refuse where a release cannot be had, instead of taking the nearest."""
    size: str = Size.QUICK
    budget: str | None = None
    form: str = "text"
    wait: bool = True


def offers() -> None:
    """Prints every source of claims: how many of them this machine can test, and how long that takes."""
    from reports.summary import columns

    cpus = len(host.read_topology().allowed)
    rows = []
    for name, publication in claims.load(PUBLISHED).items():
        testable, _ = claims.fitting(publication.claims, cpus)
        seconds = sum(_GROUP_SECONDS * _groups(part) for part in claims.parts(testable))
        share = f"{len(testable)} of {len(publication.claims)}"
        rows.append((name, publication.title, share, f"about {clock(seconds)}"))
    print(columns(("source", "title", "testable here", "takes"), rows))
    print("\n./inv reproduce SOURCE measures what its claims are about.")


def reproduce(name: str, options: Options) -> int:
    """A source of claims by its name, or one of our own runs.  Returns the exit status of what was measured."""
    specs.choose("--format", options.form, FORMATS)
    specs.choose("--size", options.size, list(Size))
    publications = claims.load(PUBLISHED)
    if name in publications:
        return _claims(name, publications[name], options)
    try:
        directory = find_run(name)
    except RequestError as error:
        raise RequestError(f'there is no source and no run "{name}"{specs.nearest(name, publications)}') from error
    return _run(directory, options)


# -- claims ------------------------------------------------------------------------------------------------------------


def _claims(name: str, publication: Publication, options: Options) -> int:
    from reports import reproduction

    screen = Screen()
    cpus = len(host.read_topology().allowed)
    names = _stand_ins(publication.claims, strict=options.strict)
    found: dict[str, reproduction.Result] = {}
    directories = []
    for part in claims.parts(publication.claims):
        wanted, bench = _request(part, names, cpus, options)
        directory, status = measure(bench, wanted, screen, command=_command(name, options))
        directories.append(directory)
        if status == 130:
            return status
        run, journal = store.load(directory)
        stand_ins = {asked: build.name for asked, build in names.items()}
        measured = reproduction.Measurement(run=run, journal=journal, names=stand_ins)
        found |= {one.claim.id: one for one in reproduction.results(publication, part.claims, measured)}
    _tell(publication, [found[claim.id] for claim in publication.claims], directories, options)
    return 0


def _request(part: Part, names: Mapping[str, Build], cpus: int, options: Options) -> tuple[Request, BenchOptions]:
    """What a part needs and nothing else: of claims that need more CPUs, what a prediction rests on."""
    seats = {
        (claim.workload, threads)
        for claim in part.claims
        for place in claim.places
        for threads in ((place.threads,) if _fits(claim, cpus) else (1, cpus))
    }
    bench = BenchOptions(
        builds=",".join(names[one].name for one in part.builds),
        workloads=",".join(dict.fromkeys(claim.workload for claim in part.claims)),
        threads=",".join(map(str, sorted({threads for _, threads in seats}))),
        strategies=",".join(sorted({place.strategy for claim in part.claims for place in claim.places})),
        measures=",".join(one for one in Measure if one in {claim.measure for claim in part.claims}),
        profile="standard",
        size=options.size,
        budget=options.budget or f"{_GROUP_SECONDS * _groups(part):.0f}s",
        wait=options.wait,
    )
    return dataclasses.replace(request.resolve(bench, WORKLOADS), only=frozenset(seats)), bench


def _fits(claim: Claim, cpus: int) -> bool:
    return not claims.fitting([claim], cpus)[1]


def _groups(part: Part) -> int:
    """Workloads and measures, each of which is measured by itself."""
    return len({(claim.workload, claim.measure) for claim in part.claims})


def _stand_ins(wanted: Iterable[Claim], *, strict: bool) -> dict[str, Build]:
    """For each build that a claim names the one that is measured: the same, or of the nearest release that can be had.

    HostError where there is none, or with `strict` not the same.
    """
    catalogue = builds.load()
    with contextlib.closing(Foundry()) as foundry:
        obstacles = {build.name: foundry.offer(build).obstacle for build in catalogue.values() if _is_plain(build)}
    chosen: dict[str, Build] = {}
    for name in sorted({place.build for claim in wanted for place in claim.places}):
        (asked,) = builds.resolve([name], catalogue)
        chosen[name] = _nearest(asked, [catalogue[one] for one, obstacle in obstacles.items() if not obstacle])
        if chosen[name] != asked and strict:
            raise HostError(
                f"{asked.name} cannot be had here: {obstacles[asked.name]}",
                hint="Without --strict the nearest release is taken.",
            )
    return chosen


def _is_plain(build: Build) -> bool:
    """Whether it is one of those that a release's name stands for."""
    return build.source is builds.DEFAULT_SOURCE and build.optimize is Optimize.PLAIN and not build.is_variant


def _nearest(asked: Build, available: Sequence[Build]) -> Build:
    alike = [one for one in available if one.free_threaded is asked.free_threaded]
    if not alike:
        raise HostError(f"no build like {asked.name} can be had here", hint="inv build --list says why.")
    return min(alike, key=lambda one: (abs(_minor(one) - _minor(asked)), one.series))


def _minor(build: Build) -> int:
    return int(build.series.split(".")[1])


def _command(name: str, options: Options) -> str:
    words = ["./inv", "reproduce", name]
    words += ["--strict"] * options.strict
    words += ["--size", options.size] if options.size != Size.QUICK else []
    words += ["--budget", options.budget] if options.budget else []
    return " ".join(words)


def _tell(publication: Publication, found: Sequence[Result], directories: Sequence[Path], options: Options) -> None:
    from reports import reproduction_text

    match options.form:
        case "json":
            names = [directory.name for directory in directories]
            print(json.dumps(reproduction_text.data(publication, found, names), indent=1, allow_nan=False))
        case "markdown":
            print(reproduction_text.comment(publication, found))
        case _:
            print(f"\n{reproduction_text.text(publication, found)}\n\nRuns: {', '.join(map(show, directories))}")


# -- runs --------------------------------------------------------------------------------------------------------------


def _run(directory: Path, options: Options) -> int:
    """Make a run once more and compare it with what it was."""
    from harness import comparing

    screen = Screen()
    run = store.load_run(directory)
    made, status = again(run, screen, command=f"./inv reproduce {run.id}", wait=options.wait)
    if status != 130:
        comparing.compare(str(directory), str(made), form=options.form)
    return status
