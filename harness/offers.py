"""What a host can offer a fleet, and which hosts are asked for what.  Pure, but for `code`, which reads the sources."""

from __future__ import annotations

import hashlib
import heapq
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import host, scripts
from harness.errors import HostError, RequestError
from harness.fleet import CpuSet, HardwareClass, Offer, Slot, Spread
from harness.host import Topology
from harness.model import BuildFacts, HostFacts
from harness.workbench import HOOK

# -- a host ------------------------------------------------------------------------------------------------------------


def slots(topology: Topology, count: int = 1, sizes: Sequence[int] = ()) -> tuple[Slot, ...]:
    """Disjoint CPU sets of one size, none of which shares a core with another.

    Args:
        sizes: of the CPU sets that a plan may ask for; the largest is that of a slot.  Without them a single slot has
            every CPU, several ones have as many whole cores as there are for each, and a plan may ask for the powers
            of two up to that.

    Raises:
        HostError: there are not as many cores.
    """
    usable = topology.select(topology.allowed)
    cores = len({cpu.siblings for cpu in usable})
    if count > cores:
        raise HostError(f"{count} slots cannot be had: there are {cores} cores", hint=f"Try: --slots {cores}")
    size = max(sizes) if sizes else len(usable) if count == 1 else cores // count
    wanted = sorted(sizes or {size, *(1 << power for power in range(size.bit_length()))})
    left, found = topology, []
    for number in range(count):
        try:
            cpus = host.choose_cpus(left, size)
        except HostError as error:
            reason = f"slot {number + 1} of {count} has no {size} CPUs on cores of its own: {error.message}"
            raise HostError(reason, hint="Ask for fewer --slots, or smaller --cores.") from None
        found.append(Slot(number=number, cpus=cpus, sets=tuple(_sets(topology, cpus, wanted))))
        left = Topology(topology.cpus, _apart(left, cpus))
    return tuple(found)


def housekeeping(topology: Topology, offered: Iterable[Slot]) -> tuple[int, ...]:
    """CPUs for the worker itself: those on cores of no slot, or all where none is left."""
    left = topology
    for slot in offered:
        left = Topology(topology.cpus, _apart(left, slot.cpus))
    return left.allowed or topology.allowed


def hardware(topology: Topology, facts: HostFacts, name: str = "") -> HardwareClass:
    """The class of a host, with the name that it was given, or one that is made of model and cores."""
    usable = topology.select(topology.allowed)
    model = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((R|TM)\)|CPU|@.*", "", facts.cpu_model).lower()).strip("-")
    return HardwareClass(
        name=name or f"{model}-{facts.cores}c{len(usable)}t",
        machine=platform.machine(),
        cpu_model=facts.cpu_model,
        sockets=len({cpu.package for cpu in usable}),
        cores=facts.cores,
        cpus=len(usable),
        smt=len(usable) > facts.cores,
        memory=round(facts.memory / (1 << 30)),
        kernel=facts.kernel,
    )


def code() -> str:
    """Content hash of what executes blocks: two hosts that measure for one run must have the same."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted((*root.glob("*.py"), *HOOK.glob("*.py"), *scripts.LIBRARY)):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sets(topology: Topology, cpus: tuple[int, ...], sizes: Iterable[int]) -> Iterator[CpuSet]:
    for size in sizes:
        chosen = host.choose_cpus(Topology(topology.cpus, cpus), size)
        yield CpuSet(cpus=chosen, advice=host.advice(topology, chosen))


def _apart(topology: Topology, cpus: tuple[int, ...]) -> tuple[int, ...]:
    """What is left of the allowed CPUs without the cores of these."""
    taken = {sibling for cpu in topology.select(cpus) for sibling in cpu.siblings}
    return tuple(cpu for cpu in topology.allowed if cpu not in taken)


# -- a fleet -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Post:
    """A slot of a host that is to measure."""

    offer: Offer
    slot: Slot
    sets: tuple[CpuSet, ...]
    """Those of the slot that were asked for."""
    builds: tuple[BuildFacts, ...]

    @property
    def name(self) -> str:
        """Unique in a fleet, and fit for a folder."""
        host = re.sub(r"[^A-Za-z0-9._-]+", "-", self.offer.host)
        return host if len(self.offer.slots) == 1 else f"{host}.{self.slot.number}"


def posts(offers: Sequence[Offer], spread: Spread, builds: Sequence[str], sizes: Sequence[int] | None) -> list[Post]:
    """Who measures: of every class that offers the builds and CPU-set sizes one slot, or all of them.

    Args:
        sizes: of CPU sets; None: the largest that each slot has.

    Raises:
        RequestError: nobody offers a build or a size, naming what is offered; or hosts of one class offer different
            images of one build.
    """
    if not offers:
        raise RequestError("nobody offers anything: no worker has joined", hint="inv worker offers a host.")
    _refuse_what_nobody_has(offers, builds, sizes)
    found: list[Post] = []
    for offer in sorted(offers, key=lambda one: (one.hardware.name, one.host)):
        by_name = {build.build.name: build for build in offer.builds}
        if all(name in by_name for name in builds):
            for slot in offer.slots:
                by_size = {len(one.cpus): one for one in slot.sets}
                sets = slot.sets[-1:] if sizes is None else tuple(by_size[n] for n in sizes if n in by_size)
                if sets:
                    found.append(Post(offer, slot, sets, tuple(by_name[name] for name in builds)))
    _refuse_mixtures(found)
    return list({one.offer.hardware: one for one in reversed(found)}.values()) if spread is Spread.CLASS else found


def divided(costs: Sequence[float], parts: int) -> list[tuple[int, ...]]:
    """Indices of jobs for each of so many hosts, so that these end at about the same time.

    The longest job first, always to the host that is least burdened (Graham 1969): the last host ends at most a third
    later than it would have to.  Indices of a part ascend.
    """
    found: list[list[int]] = [[] for _ in range(parts)]
    burdens = [(0.0, part) for part in range(parts)]
    for index in sorted(range(len(costs)), key=lambda one: -costs[one]):
        burden, part = heapq.heappop(burdens)
        found[part].append(index)
        heapq.heappush(burdens, (burden + costs[index], part))
    return [tuple(sorted(part)) for part in found]


def _refuse_what_nobody_has(offers: Sequence[Offer], builds: Sequence[str], sizes: Sequence[int] | None) -> None:
    listed = "Offered is: " + "; ".join(map(str, offers))
    named = [{one.build.name for one in offer.builds} for offer in offers]
    if missing := [name for name in builds if not any(name in names for names in named)]:
        raise RequestError(f"nobody offers the builds {', '.join(missing)}", hint=listed)
    able = [offer for offer, names in zip(offers, named, strict=True) if names >= set(builds)]
    if not able:
        raise RequestError(f"no host offers all of the builds {', '.join(builds)}", hint=listed)
    there = {size for offer in able for slot in offer.slots for size in slot.sizes}
    if missing := [str(size) for size in sizes or () if size not in there]:
        raise RequestError(f"nobody offers CPU sets of {', '.join(missing)}", hint=listed)


def _refuse_mixtures(found: Sequence[Post]) -> None:
    images: dict[tuple[str, str], tuple[str, str]] = {}
    for post in found:
        for build in post.builds:
            key = post.offer.hardware.name, build.build.name
            host_, image = images.setdefault(key, (post.offer.host, build.image))
            if image != build.image:
                raise RequestError(
                    f"{host_} and {post.offer.host} are of one class and have different images of {build.build.name}: "
                    f"{image[:19]} and {build.image[:19]}",
                    hint="Give both the same ones: inv bundle on one, and inv fleet send to the other.",
                )
