"""Published numbers held against this machine, and runs of our own made once more."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

import harness
from harness import builds, claims, host, request, runs, specs, store
from harness.claims import Claim, Measured, Part, Publication, Reproduction
from harness.errors import HostError, RequestError
from harness.images import Foundry
from harness.model import Build, BuildFacts, Measure, Profile, Size
from harness.plan import Need, Request, estimate_seconds, make_plan
from harness.request import BenchOptions
from harness.runs import ROOT, WORKLOADS, again, find_run, measure, show
from harness.screen import Screen, clock

PUBLISHED = ROOT / "reports" / "published"
FORMATS = ("text", "markdown", "json")

_GROUP_SECONDS = 100.0
"""Time to measure that a workload gets at most where nobody says otherwise: a verdict mostly comes sooner."""

_PATIENCE = "900"
"""Seconds that a worker may be silent for where jobs are as large as published."""

_MEMBER_SECONDS = 25.0
"""And one of a set of workloads, whose mean is known better than any of them."""


@dataclass(frozen=True, slots=True)
class Options:
    """How `inv reproduce` was asked to do it, as typed."""

    strict: bool = False
    """Refuse where a release cannot be had, instead of taking the nearest."""
    size: str = Size.QUICK
    budget: str | None = None
    form: str = "text"
    wait: bool = True


@dataclass(frozen=True, slots=True)
class Agenda:
    """What becomes of the claims of a source on this machine, before anything of it is measured."""

    publication: Publication
    cpus: int
    builds: Mapping[str, Build]
    """For each build that a claim names and that can be measured, the one that stands for it."""
    obstacles: Mapping[str, str]
    """Of the builds that cannot, why."""
    workloads: Mapping[str, tuple[str, ...]]
    """Names of what claims call their workload."""

    @property
    def parts(self) -> list[Part]:
        """What is measured, a run each."""
        measured = [claim for claim in self.publication.claims if not self.hindrance(claim)]
        return claims.parts(measured, self.names)

    @property
    def names(self) -> dict[str, str]:
        return {asked: build.name for asked, build in self.builds.items()}

    def hindrance(self, claim: Claim) -> str:
        """Why nothing can be measured for a claim; empty where something can."""
        slow, fast = claim.places
        if missing := [place.build for place in claim.places if place.build in self.obstacles]:
            return f"{missing[0]} cannot be had here: {self.obstacles[missing[0]]}"
        if slow.build != fast.build and self.builds[slow.build] == self.builds[fast.build]:
            return f"{self.builds[slow.build].name} would stand for both {slow.build} and {fast.build} here"
        return ""

    def reservation(self, claim: Claim) -> str:
        """Why a claim cannot be tested, be it measured for a prediction or not; empty where it can."""
        if claim.threads > self.cpus:
            return f"takes {claim.threads} CPUs, and there are {self.cpus}"
        return self.hindrance(claim)


def offers() -> None:
    """Prints every source of claims: which of them this machine can test, and how long that takes at most."""
    from reports.summary import columns

    screen, rows, reasons = Screen(), [], []
    publications = claims.load(PUBLISHED)
    with screen.task("asking for builds", total=len(publications)) as task, _builds_here(told=True) as offer:
        for number, (name, publication) in enumerate(publications.items()):
            task.update(number, name)
            agenda = _agenda(publication, offer, strict=False)
            why = {claim.id: agenda.reservation(claim) for claim in publication.claims}
            share = f"{sum(not one for one in why.values())} of {len(why)}"
            rows.append((name, publication.title, share, _time(agenda)))
            reasons += [
                f"{name}: {', '.join(id_ for id_, one in why.items() if one == reason)}: {reason}"
                for reason in dict.fromkeys(filter(None, why.values()))
            ]
    print(columns(("source", "title", "testable here", "takes at most"), rows))
    if reasons:
        print("\nNot testable here:", *(f"  {reason}" for reason in reasons), sep="\n")
    print("\n./inv reproduce SOURCE measures what its claims are about, until they are decided.")


def _time(agenda: Agenda) -> str:
    """What the plans for all claims take, images apart."""
    requests = [_request(part, agenda, Options())[0] for part in agenda.parts]
    seconds = sum(estimate_seconds(make_plan(request, ())) for request in requests)
    return f"about {clock(seconds)}" if requests else "–"


def reproduce(name: str, options: Options) -> int:
    """A source of claims by its name, or one of our own runs.  Returns the exit status of what was measured."""
    specs.choose("--format", options.form, FORMATS)
    specs.choose("--size", options.size, list(Size))
    if options.budget is not None:
        specs.duration("--budget", options.budget)
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
    screen = Screen()
    with _builds_here() as offer:
        agenda = _agenda(publication, offer, strict=options.strict)
    if not agenda.parts:
        raise HostError(
            f"none of the claims of {name} can be tested here: {agenda.hindrance(publication.claims[0])}",
            hint="inv build --list says which builds can be had.",
        )
    command, now = _command(name, options), datetime.datetime.now(datetime.UTC)
    directory = runs.RESULTS / f"{now:%Y%m%d-%H%M%S}-reproduce-{name}"
    measured: list[Measured] = []
    facts: dict[str, BuildFacts] = {}
    for part in agenda.parts:
        wanted, bench = _request(part, agenda, options)
        made, status = measure(bench, wanted, screen, command=command)
        if status == 130:
            return status
        ids = tuple(claim.id for claim in part.claims)
        measured.append(Measured(run=os.path.relpath(made, directory), claims=ids))
        facts |= {one.build.name: one for one in store.load_run(made).builds}
    reproduction = Reproduction(
        schema=claims.REPRODUCTION,
        created=now.isoformat(timespec="seconds"),
        gilometer=harness.__version__,
        command=command,
        source=name,
        publication=publication,
        measured=tuple(measured),
        names=agenda.names,
        workloads=dict(agenda.workloads),
        hindrances={claim.id: why for claim in publication.claims if (why := agenda.hindrance(claim))},
        answers=_answers(publication, facts),
    )
    store.create_reproduction(directory, reproduction)
    explain(directory, options.form)
    return 0


def _answers(publication: Publication, facts: Mapping[str, BuildFacts]) -> dict[str, dict[str, dict[str, str]]]:
    """What every build answers to the checks that show what the source gets wrong."""
    with contextlib.closing(Foundry()) as foundry:
        return {
            one.id: {name: foundry.answers(facts[name], one.checks) for name in sorted(facts)}
            for one in publication.corrections
            if one.checks
        }


def explain(directory: Path, form: str = "text") -> None:
    """What became of the claims, from the raw data: the page, and the verdicts on the terminal."""
    from reports import reproduction, reproduction_page, reproduction_text

    kept, loaded = store.load_reproduction(directory)
    results = reproduction.collected(kept, loaded)
    path = reproduction_page.write(directory, kept, results, [run for run, _ in loaded])
    match form:
        case "json":
            names = [Path(one.run).name for one in kept.measured]
            print(json.dumps(reproduction_text.data(kept.publication, results, names), indent=1, allow_nan=False))
        case "markdown":
            print(reproduction_text.comment(kept.publication, results))
        case _:
            print(f"\n{reproduction_text.text(kept.publication, results)}\n\nPage: {show(path)}")


def find(name: str) -> Path | None:
    """The directory of a reproduction, by path or by its name in results/; None where there is none."""
    places = (Path(name), runs.RESULTS / name)
    return next((place for place in places if (place / store.REPRODUCTION).exists()), None)


def _agenda(publication: Publication, offer: Callable[[Build], str], *, strict: bool) -> Agenda:
    """Which builds stand for those that claims name: the same, or of the nearest release that can be had.

    Args:
        offer: why a build cannot be had; empty where it can.

    Raises:
        RequestError: a claim names a build or a workload that there is not.
        HostError: with `strict`, where a build cannot be had.
    """
    catalogue, known = builds.load(), specs.load_workloads(WORKLOADS)
    asked_for: dict[str, Build] = {}
    workloads: dict[str, tuple[str, ...]] = {}
    for claim in publication.claims:
        try:
            for place in claim.places:
                (asked_for[place.build],) = request.named_builds(BenchOptions(builds=place.build)) or ()
            workloads[claim.workload] = tuple(one.name for one in specs.select_workloads(claim.workload, known))
        except RequestError as error:
            raise RequestError(f"{publication.title}, claim {claim.id}: {error.message}", hint=error.hint) from None
    chosen, obstacles = {}, {}
    for name, asked in sorted(asked_for.items()):
        if not (obstacle := offer(asked)):
            chosen[name] = asked
            continue
        if strict:
            raise HostError(
                f"{asked.name} cannot be had here: {obstacle}", hint="Without --strict the nearest release is taken."
            )
        alike = [one for one in catalogue.values() if _is_alike(one, asked) and not offer(one)]
        if alike:
            chosen[name] = min(alike, key=lambda one: (abs(_minor(one) - _minor(asked)), one.series))
        else:
            obstacles[name] = obstacle
    return Agenda(
        publication=publication,
        cpus=len(host.read_topology().allowed),
        builds=chosen,
        obstacles=obstacles,
        workloads=workloads,
    )


@contextlib.contextmanager
def _builds_here(*, told: bool = False) -> Iterator[Callable[[Build], str]]:
    """A function that says why a build cannot be had here; empty where it can.

    HostError where the engine does not answer; with `told` it is what is said of every build.
    """
    with contextlib.closing(Foundry()) as foundry:

        @functools.cache
        def obstacle(build: Build) -> str:
            try:
                return foundry.offer(build).obstacle
            except HostError as error:
                if told:
                    return error.message
                raise

        yield obstacle


def _is_alike(one: Build, other: Build) -> bool:
    """Whether two builds differ in their release series only, and in the base image that has it."""
    plain = {"name": "", "series": "", "base": ""}
    return msgspec.structs.replace(one, **plain) == msgspec.structs.replace(other, **plain)


def _minor(build: Build) -> int:
    return int(build.series.split(".")[1])


def _request(part: Part, agenda: Agenda, options: Options) -> tuple[Request, BenchOptions]:
    """What a part needs and nothing else: of claims that need more CPUs, what a prediction rests on."""
    from reports import reproduction

    needs = frozenset(need for claim in part.claims for need in _needs(claim, agenda))
    bench = BenchOptions(
        builds=",".join(part.builds),
        workloads=",".join(dict.fromkeys(claim.workload for claim in part.claims)),
        threads=",".join(map(str, sorted({need.threads for need in needs}))),
        strategies=",".join(sorted({need.strategy for need in needs})),
        measures=",".join(one for one in Measure if one in {need.measure for need in needs}),
        profile=Profile.STANDARD,
        size=options.size,
        budget=_budget(part, agenda, options),
        timeout=_PATIENCE if options.size == Size.PUBLISHED else BenchOptions().timeout,
        wait=options.wait,
    )
    wanted = [
        reproduction.sought(agenda.publication, claim, agenda.names, agenda.workloads[claim.workload])
        for claim in part.claims
        if not agenda.reservation(claim)
    ]
    return dataclasses.replace(request.resolve(bench, WORKLOADS), only=needs, sought=tuple(wanted)), bench


def _needs(claim: Claim, agenda: Agenda) -> Iterator[Need]:
    """The cases of a claim in all of its readings; where there are too few CPUs, those of one thread and of all."""
    fits = claim.threads <= agenda.cpus
    for one in claim.readings if fits else (claim,):
        for place in one.places:
            for threads in (place.threads,) if fits else dict.fromkeys((1, agenda.cpus)):
                way = (place.strategy, one.split) if threads > 1 else ()
                for workload in agenda.workloads[claim.workload]:
                    yield Need(workload, claim.measure, threads, *way)


def _budget(part: Part, agenda: Agenda, options: Options) -> str:
    """What a part may take: of the time that was given to all of them its share."""
    seconds = _seconds(part, agenda)
    if options.budget is not None:
        whole = math.fsum(_seconds(one, agenda) for one in agenda.parts)
        seconds *= specs.duration("--budget", options.budget) / whole
    return f"{max(1, round(seconds))}s"


def _seconds(part: Part, agenda: Agenda) -> float:
    """What the groups of a part may take, each workload and measure once."""
    most: dict[tuple[str, Measure], float] = {}
    for claim in part.claims:
        names = agenda.workloads[claim.workload]
        for name in names:
            seconds = _MEMBER_SECONDS if len(names) > 1 else _GROUP_SECONDS
            most[name, claim.measure] = max(seconds, most.get((name, claim.measure), 0.0))
    return math.fsum(most.values())


def _command(name: str, options: Options) -> str:
    words = ["./inv", "reproduce", name]
    words += ["--strict"] * options.strict
    words += ["--size", options.size] if options.size != Size.QUICK else []
    words += ["--budget", options.budget] if options.budget else []
    return " ".join(words)


# -- runs --------------------------------------------------------------------------------------------------------------


def _run(directory: Path, options: Options) -> int:
    """Make a run once more, and say whether it says what it did."""
    from harness import comparing
    from reports import compare

    screen = Screen()
    run = store.load_run(directory)
    compare.check_measured(run)
    made, status = again(run, screen, command=f"./inv reproduce {run.id}", wait=options.wait)
    if status != 130:
        comparing.repeat(directory, made, form=options.form)
    return status
