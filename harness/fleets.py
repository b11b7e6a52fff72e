"""Fleets: be a scheduler or a worker, plan over what is offered, execute, resume, and see how it goes."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import secrets
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness import builds, delivery, host, offers, request, runs, session, specs, store
from harness.conducting import GIVE_UP_SECONDS, Chief, Desk, abandoned
from harness.delivery import Doormat
from harness.dispatch import Campaign, Dispatcher
from harness.errors import HostError, RequestError
from harness.fleet import (
    ATTEMPTS,
    FLEET,
    FleetRun,
    HardwareClass,
    Offer,
    RunNote,
    SchedulerGoneError,
    Share,
    Spread,
)
from harness.fleet_telling import Measured, tell
from harness.journal import Ended
from harness.model import SCHEMA, Build, BuildFacts, Plan, Run, Source, Workload
from harness.offers import Post
from harness.plan import Request, estimate_seconds, make_plan
from harness.request import BenchOptions
from harness.screen import Screen, clock
from harness.station import Station
from harness.troubles import Troubles
from harness.workbench import workbench

if TYPE_CHECKING:
    from harness.images import Foundry

# -- where a fleet is --------------------------------------------------------------------------------------------------


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A fleet in a file (TOML)."""

    scheduler: str
    certificates: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A scheduler, and what to identify with."""

    address: str
    certificates: Path | None

    @classmethod
    def of(cls, text: str, certificates: str | None) -> Place:
        """Of an address, or of a file that has one.  RequestError for anything else."""
        from harness import wire

        path = Path(text)
        if "://" in text or not path.is_file():
            return cls(wire.address(text), Path(certificates).absolute() if certificates else None).announced()
        try:
            found = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            raise RequestError(
                f"{text} does not describe a fleet: {error}", hint='scheduler = "tls://HOST:8786"'
            ) from None
        folder = certificates or (path.parent / found.certificates if found.certificates else "")
        return cls(wire.address(found.scheduler), Path(folder).absolute() if folder else None).announced()

    def announced(self) -> Place:
        """Itself; where its certificate ends soon, that is said.  RequestError where it is not good."""
        from harness import certificates

        if self.certificates and self.address.startswith("tls:"):
            now = datetime.datetime.now(datetime.UTC)
            if warning := certificates.check(certificates.Files(self.certificates), now).warning(now):
                Screen().say(warning)
        return self


# -- verbs -------------------------------------------------------------------------------------------------------------


def scheduler(listen: str, *, certificates: str | None, silence: str) -> None:
    """Be the scheduler of a fleet until interrupted."""
    from harness import wire

    place = Place.of(listen, certificates)
    wire.schedule(place.address, place.certificates, Screen(), specs.duration("--silence", silence))


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What `inv worker` was asked for, as typed; tasks.py says what each means."""

    certificates: str | None = None
    name: str | None = None
    class_: str | None = None
    slots: str = "1"
    cores: str | None = None
    builds: str | None = None
    engine: str = "docker"


def worker(where: str, options: WorkerOptions) -> None:
    """Offer this host to a fleet until interrupted."""
    from harness import wire

    place, screen = Place.of(where, options.certificates), Screen()
    wire.security(place.address, place.certificates, listens=True)  # said before the engine is asked
    offer = offer_of_this_host(options, screen)
    hands = _Hands(Station(offer, options.engine, runs.WORKLOADS, screen), Doormat(offer, screen))
    os.sched_setaffinity(0, offers.housekeeping(host.read_topology(), offer.slots))
    try:
        wire.serve(place.address, place.certificates, hands, screen)
    finally:
        hands.station.close()
        hands.doormat.close()


@dataclass(frozen=True, slots=True)
class _Hands:
    """What a worker has at its host."""

    station: Station
    doormat: Doormat

    @property
    def offer(self) -> Offer:
        return self.doormat.offer

    def measure(self, data: bytes) -> bytes:
        return self.station.measure(data)

    def receive(self, data: bytes) -> bytes:
        receipt = self.doormat.receive(data)
        self.station.offer = self.doormat.offer
        return receipt


def send(name: str, fleet: str, *, certificates: str | None) -> int:
    """Carry a bundle to every host of a fleet that lacks its images, and print what became of each.

    Returns 3 where a host did not take it, else 0.
    """
    from harness import wire

    screen, place = Screen(), Place.of(fleet, certificates)
    try:
        with wire.Crew(place.address, place.certificates) as crew:
            fates = delivery.send(Path(name), crew, screen)
    except SchedulerGoneError as error:
        raise HostError(f"the scheduler at {place.address} went away", hint="Send it again: it goes on.") from error
    if not fates:
        raise HostError("no worker has joined, so there is nobody to send it to", hint="inv worker offers a host.")
    for one, refusal in sorted(fates.items()):
        print(f"{one}: {refusal or 'has every image of it'}")
    return 3 if any(fates.values()) else 0


def offer_of_this_host(options: WorkerOptions, screen: Screen) -> Offer:
    """Its slots, its class, and the builds whose images are here.  HostError where it cannot offer what was asked."""
    topology, facts = host.read_topology(), host.facts()
    sizes = specs.counts("--cores", options.cores, len(topology.allowed)) if options.cores else ()
    slots = offers.slots(topology, specs.whole_number("--slots", options.slots), sizes)
    kind = specs.choose("--engine", options.engine, request.ENGINES)
    name = options.name or facts.name
    with workbench(runs.WORKLOADS) as bench:
        engine = session.engine_facts(kind, bench)
    found = _builds_here(options, kind, screen)
    if not found:
        screen.say("no image of any build is here yet: inv fleet send brings some, or inv build makes them")
    return Offer(
        host=name,
        hardware=offers.hardware(topology, facts, options.class_ or ""),
        slots=slots,
        builds=found,
        facts=facts,
        engine=engine,
        gilometer=offers.code(),
    )


def _builds_here(options: WorkerOptions, kind: str, screen: Screen) -> tuple[BuildFacts, ...]:
    """Those that were named, made where missing; otherwise all whose images are here, of which none is made."""
    if kind == "host":
        return session.builds(BenchOptions(builds=options.builds, engine=kind), screen)[0]
    from harness.images import Foundry

    named = request.named_builds(BenchOptions(builds=options.builds))
    wanted = named or [build for build in builds.load().values() if build.source is not Source.HOST]
    with contextlib.closing(Foundry()) as foundry, screen.task("looking for images", total=len(wanted)) as task:
        missing = []
        for number, build in enumerate(wanted):
            task.update(number, build.name)
            if not _is_here(foundry, build):
                missing.append(build)
        if named and missing:
            with session.measuring("inv worker, building images", screen):
                return tuple(foundry.ensure(build, screen) for build in named)
        return tuple(foundry.ensure(build, screen) for build in wanted if build not in missing)


def _is_here(foundry: Foundry, build: Build) -> bool:
    """Whether its image is; not where its source cannot be had, because then nobody can tell which one it is."""
    try:
        return foundry.find(build) is not None
    except (HostError, RequestError):
        return False


def bench(options: BenchOptions, fleet: str, *, spread: str, certificates: str | None, as_json: bool = False) -> int:
    """Plan over what a fleet offers, execute, report.  Returns the exit status, as a run on one machine does."""
    from harness import wire

    screen, place = Screen(), Place.of(fleet, certificates)
    wanted = Spread(specs.choose("--spread", spread, list(Spread)))
    for option, given in (("--source", options.source), ("--stress", options.stress)):
        if given:
            raise RequestError(f"{option} is for this machine; a fleet measures builds that its hosts have")
    options = dataclasses.replace(options, seed=options.seed or str(secrets.randbelow(2**32)))
    request.resolve(options, runs.WORKLOADS, cpu_sets=((0,),))  # what is wrong with it is said before anybody is asked
    with wire.Crew(place.address, place.certificates) as crew:
        there = tuple(one for one in crew.offers().values() if one.engine.kind == options.engine)
    posts = offers.posts(there, wanted, _names(options, there), _sizes(options))
    shares = dict(_shares(options, posts, wanted))
    now = datetime.datetime.now(datetime.UTC)
    first = next(iter(shares.values()))[1]
    fleet_run = FleetRun(
        schema=SCHEMA,
        id=runs.run_id(now, first.plan.builds),
        created=now.isoformat(timespec="seconds"),
        command=_command(options, first.plan, fleet, wanted, certificates),
        scheduler=place.address,
        certificates=str(place.certificates or ""),
        spread=wanted,
        shares=tuple(share for share, _ in shares.values()),
    )
    directory = store.create_fleet(runs.RESULTS, fleet_run, {name: run for name, (_, run) in shares.items()})
    for share, run in shares.values():
        screen.say(f"{share.name} ({share.hardware.name}): {runs.extent(run.plan)}")
    screen.say(f"results go to {runs.show(directory)}")
    return _execute(directory, fleet_run, place, screen, as_json=as_json)


def find(name: str) -> Path | None:
    """A fleet's run by path, or by its name in results/; None where it is none."""
    return next((path for path in (Path(name), runs.RESULTS / name) if (path / FLEET).exists()), None)


def resume(directory: Path, *, fleet: str | None = None, certificates: str | None = None, as_json: bool = False) -> int:
    """Execute what a fleet's run has not recorded yet, on its own scheduler or another one."""
    fleet_run = store.load_fleet(directory)
    kept = certificates or fleet_run.certificates or None
    store.mend(directory, ATTEMPTS)
    for share in fleet_run.shares:
        folder = store.share_directory(directory, share.name)
        runs.refuse_changes(store.load_run(folder))
        store.mend(folder)
    return _execute(directory, fleet_run, Place.of(fleet or fleet_run.scheduler, kept), Screen(), as_json=as_json)


def report(directory: Path, *, as_json: bool = False) -> None:
    """Write the page of a fleet's run and those of its shares again."""
    fleet_run = store.load_fleet(directory)
    measured = {
        share.name: Measured(*store.load(store.share_directory(directory, share.name))) for share in fleet_run.shares
    }
    tell(directory, fleet_run, measured, as_json=as_json)


def status(fleet: str, *, certificates: str | None, as_json: bool = False) -> None:
    """Prints hosts, slots, classes and images, what is measured where, what is left, and an estimate."""
    from harness import wire

    place = Place.of(fleet, certificates)
    try:
        with wire.Crew(place.address, place.certificates) as crew:
            there, executing = crew.offers(), crew.executing()
            notes = [msgspec.json.decode(data, type=RunNote) for data in crew.published().values()]
    except SchedulerGoneError as error:
        raise HostError(f"the scheduler at {place.address} went away") from error
    if as_json:
        hosts = [
            {"offer": msgspec.to_builtins(offer), "executing": executing.get(address, ())}
            for address, offer in there.items()
        ]
        print(json.dumps({"schema": SCHEMA, "hosts": hosts, "runs": msgspec.to_builtins(notes)}, indent=1))
    else:
        print("\n".join(_status_lines(there, executing, notes)))


# -- planning ----------------------------------------------------------------------------------------------------------


def _names(options: BenchOptions, there: Sequence[Offer]) -> tuple[str, ...]:
    """Builds to compare: those named, or the newest pair that somebody offers."""
    if options.builds is not None:
        if options.engine == "host":
            return tuple(Path(name).name for name in specs.split("--builds", options.builds))
        return tuple(build.name for build in request.named_builds(options) or ())
    pairs = [pair for offer in there for pair in _pairs([fact.build for fact in offer.builds])]
    if not pairs:
        raise RequestError("nobody offers a build with the GIL and its free-threaded twin", hint="Name --builds.")
    return max(pairs)[1]


def _pairs(there: Sequence[Build]) -> Iterator[tuple[tuple[bool, tuple[int, ...]], tuple[str, str]]]:
    """Builds and their free-threaded twins, with how much they are to be preferred: from source, then new."""
    for one in there:
        for other in there:
            alike = (one.series, one.source, one.optimize) == (other.series, other.source, other.optimize)
            if alike and other.free_threaded and not (one.free_threaded or one.is_variant or other.is_variant):
                series = tuple(map(int, one.series.split(".")))
                yield (one.source is Source.SOURCE, series), (one.name, other.name)


def _sizes(options: BenchOptions) -> tuple[int, ...] | None:
    """Sizes of CPU sets that were asked for; None: the largest of each slot."""
    return None if options.cores is None else specs.counts("--cores", options.cores, 1)


def _shares(options: BenchOptions, posts: Sequence[Post], spread: Spread) -> Iterator[tuple[str, tuple[Share, Run]]]:
    """A share for every post that gets something to measure, and its run, by name."""
    alike: defaultdict[HardwareClass, list[Post]] = defaultdict(list)
    for post in posts:
        alike[post.offer.hardware].append(post)
    parts: dict[HardwareClass, list[tuple[Workload, ...]]] = {}
    for post in posts:
        facts = session.distinct(post.builds)
        names = tuple(fact.build.name for fact in facts)
        wanted = request.resolve(options, runs.WORKLOADS, names, tuple(one.cpus for one in post.sets))
        if any(workload.source for workload in wanted.workloads):
            raise RequestError("a fleet measures the workloads of Gilometer, which its hosts can verify")
        if spread is Spread.SHARD:
            kind = post.offer.hardware
            if kind not in parts:
                parts[kind] = _parts(wanted, facts, len(alike[kind]))
            wanted = dataclasses.replace(wanted, workloads=parts[kind][alike[kind].index(post)])
        if not wanted.workloads:
            continue
        plan = make_plan(wanted, facts)
        share = Share(name=post.name, hardware=post.offer.hardware, host=post.offer.host)
        command = request.command(options, plan)
        run = runs.new_run(plan, facts, tuple(_warnings(post)), post.offer.facts, post.offer.engine, command=command)
        yield share.name, (share, msgspec.structs.replace(run, id=f"{run.id}-{share.name}"))


def _parts(wanted: Request, facts: Sequence[BuildFacts], hosts: int) -> list[tuple[Workload, ...]]:
    """What each of so many hosts measures, by what a round of each workload takes."""

    def seconds(workload: Workload) -> float:
        try:
            return estimate_seconds(make_plan(dataclasses.replace(wanted, workloads=(workload,), blocks=1), facts))
        except RequestError:  # nothing of it can be measured here, which the plan that has it will say
            return 0.0

    costs = {one: seconds(one) for one in wanted.workloads}
    able = [one for one, cost in costs.items() if cost]
    first, *rest = offers.divided([costs[one] for one in able], hosts)
    hopeless = tuple(one for one, cost in costs.items() if not cost)
    return [tuple(able[index] for index in first) + hopeless, *(tuple(able[index] for index in part) for part in rest)]


def _warnings(post: Post) -> Iterator[str]:
    yield from dict.fromkeys(text for one in post.sets for text in one.advice)
    if (count := len(post.offer.slots)) > 1:
        yield (
            f"{post.offer.host} offers {count} slots: what is measured on one shares caches, memory and the clock of "
            "its package with what is measured on the others at the same time"
        )


def _command(options: BenchOptions, plan: Plan, fleet: str, spread: Spread, certificates: str | None) -> str:
    words = [request.command(options, plan), "--fleet", fleet, "--spread", spread]
    return " ".join([*words, *(["--certificates", certificates] if certificates else [])])


# -- executing ---------------------------------------------------------------------------------------------------------


def _execute(directory: Path, fleet: FleetRun, place: Place, screen: Screen, *, as_json: bool) -> int:
    from harness import wire

    began = time.monotonic()
    complete = interrupted = False
    asked = store.load_attempts(directory)
    code = offers.code()
    with ExitStack() as stack:
        desks: dict[str, Desk] = {}
        for share in fleet.shares:
            folder = store.share_directory(directory, share.name)
            run, lines = store.load(folder)
            campaign = Campaign(fleet.id, share, run, code, lines, asked)
            journal = stack.enter_context(store.Journal(folder))
            desks[share.name] = Desk(folder, run, campaign, [*lines], journal, Troubles(run.plan, screen))
            desks[share.name].record(campaign.owed)
        attempts = stack.enter_context(store.Journal(directory, ATTEMPTS))
        for line in abandoned(asked, desks):
            attempts.append(line)
        dispatcher = Dispatcher([desk.campaign for desk in desks.values()], time.monotonic())
        chief = Chief(fleet, screen, desks, attempts, dispatcher, lambda: wire.Crew(place.address, place.certificates))
        try:
            with screen.task("measuring") as task:
                complete = chief.measure(task)
        except KeyboardInterrupt:
            interrupted = True
        wall = time.monotonic() - began
        for desk in desks.values():
            ended = Ended(complete=desk.campaign.finished, wall_seconds=wall, worker_seconds=desk.seconds)
            desk.record([ended])
    if not complete:
        why = (
            "interrupted" if interrupted else f"nobody has been there to measure the rest for {clock(GIVE_UP_SECONDS)}"
        )
        screen.say(f"{why}; everything finished is kept.  Go on with: ./inv bench --resume {runs.show(directory)}")
    measured = {name: Measured(desk.run, desk.lines, new=desk.campaign.finished) for name, desk in desks.items()}
    result = tell(directory, fleet, measured, as_json=as_json)
    return 130 if interrupted else result if complete else 3


# -- status ------------------------------------------------------------------------------------------------------------


def _status_lines(
    there: Mapping[str, Offer], executing: Mapping[str, Sequence[str]], notes: Sequence[RunNote]
) -> Iterator[str]:
    slots = sum(len(offer.slots) for offer in there.values())
    yield f"{len(there)} hosts, {slots} slots, {len({offer.hardware for offer in there.values()})} classes"
    for address, offer in sorted(there.items(), key=lambda one: one[1].host):
        yield f"\n{offer}"
        yield f"  {offer.hardware}"
        keys = executing.get(address, ())
        yield f"  measuring {', '.join(keys)}" if keys else "  idle"
    for note in notes:
        yield f"\n{note.run}" + (", ended" if note.ended else f", as of {clock(time.time() - note.at)} ago")
        for share in note.shares:
            where = share.host if share.here or note.ended else f"{share.host}, which is not there"
            pace = "" if share.seconds_left is None or not share.left else f", about {clock(share.seconds_left)}"
            yield f"  {share.name} ({share.hardware}) on {where}: {share.done} blocks, at most {share.left} left{pace}"
