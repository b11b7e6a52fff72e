"""Hosts that nobody has, and what they offer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.fleet import CpuSet, HardwareClass, Offer, Share, Slot
from harness.model import Run

CODE = "the code"


def hardware(name: str) -> HardwareClass:
    """A class; one name, one hardware."""
    return HardwareClass(
        name=name, machine="x86_64", cpu_model="Made Up", sockets=1, cores=4, cpus=4, smt=False, memory=8, kernel="6.1"
    )


def slot(number: int, *sets: tuple[int, ...]) -> Slot:
    """A slot of the largest of these sets, which are ascending in size."""
    return Slot(number=number, cpus=sets[-1], sets=tuple(CpuSet(cpus=one) for one in sets))


def offer(run: Run, host: str, kind: str = "one", *, slots: Sequence[Slot] = (), code: str = CODE) -> Offer:
    """A host that can measure `run`, on one slot where nothing else is said."""
    cpus = tuple(sorted({cpu for case in run.plan.cases for cpu in case.cpus}))
    return Offer(
        host=host,
        hardware=hardware(kind),
        slots=tuple(slots) or (slot(0, cpus),),
        builds=run.builds,
        facts=msgspec.structs.replace(run.host, name=host),
        engine=run.engine,
        gilometer=code,
    )


def share(name: str, host: str, kind: str = "one") -> Share:
    """A share that was planned for a host."""
    return Share(name=name, hardware=hardware(kind), host=host)
