"""Hosts that nobody has, and what they offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from harness.fleet import (
    Answered,
    Assigned,
    AttemptLine,
    CpuSet,
    FleetRun,
    HardwareClass,
    Lost,
    Offer,
    Share,
    Slot,
    Spread,
)
from harness.journal import JournalLine, Reason
from harness.model import SCHEMA, Measure, Run, Workload
from reports.analysis import analyse
from reports.findings import Findings
from tests import made_up

CODE = "the code"


def hardware(name: str, machine: str = "x86_64", cpus: int = 4) -> HardwareClass:
    """A class; one name, one hardware."""
    return HardwareClass(
        name=name,
        machine=machine,
        cpu_model="Made Up",
        sockets=1,
        cores=cpus,
        cpus=cpus,
        smt=False,
        memory=2 * cpus,
        kernel="6.1",
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


@dataclass(frozen=True)
class Measured:
    """A share, and what its host left."""

    share: Share
    run: Run
    journal: tuple[JournalLine, ...]

    @cached_property
    def findings(self) -> Findings:
        return analyse(self.run, self.journal)


def measured(
    host: str,
    kind: str = "one",
    *,
    cpus: int = 2,
    machine: str = "x86_64",
    image: str = "sha256:1",
    cost: float = 1.24,
    seed: int = 1,
    names: Sequence[str] = ("3.14", "3.14t"),
    blocks: int = 8,
    workloads: Sequence[Workload] = made_up.WORKLOADS,
    measures: Sequence[Measure] = (Measure.TIME,),
    warnings: tuple[str, ...] = (),
    crashes: str = "",
) -> Measured:
    """A share of a host on which free threading costs so much, on as many threads as 1, 2, 4, ... of its CPUs.

    `image` begins the names of its images; `crashes` is the last output of workers that crash on numpy/inverse.
    """
    builds = [
        msgspec.structs.replace(one, image=image + one.build.name, machine=machine)
        for one in (made_up.build(name, release="3.14.0") for name in names)
    ]
    threads = [count for count in (1, 2, 4, 8) if count <= cpus]
    plan = made_up.run(
        builds,
        workloads=workloads,
        threads=threads,
        cpus=tuple(range(cpus)),
        blocks=blocks,
        measures=measures,
        warnings=warnings,
    )
    plan = msgspec.structs.replace(plan, host=msgspec.structs.replace(plan.host, name=host, cpu_model="Made Up"))
    failures = []
    if crashes:
        failures = [made_up.failure(plan, "numpy/inverse", "3.14t", Reason.CRASHED, output=crashes)]
    journal = made_up.journal(plan, made_up.truth(cost), seed=seed, failures=failures)
    return Measured(Share(name=host, hardware=hardware(kind, machine, cpus), host=host), plan, journal)


def run(shares: Sequence[Measured], spread: Spread = Spread.ALL) -> FleetRun:
    """A fleet's run of these shares."""
    first = shares[0].run
    return FleetRun(
        schema=SCHEMA,
        id="20260314-101500-fleet",
        created=first.created,
        command=f"{first.command} --fleet tls://bench0:8786 --spread {spread}",
        scheduler="tls://bench0:8786",
        certificates="",
        spread=spread,
        shares=tuple(one.share for one in shares),
    )


def attempts(shares: Sequence[Measured]) -> list[AttemptLine]:
    """The first block of every share was lost once and asked for again; everything else was answered at once."""
    found: list[AttemptLine] = []
    for one in shares:
        name, host = one.share.name, one.share.host
        for block in one.run.plan.blocks:
            index, cases = block.index, block.cases
            if index == 0:
                found.append(Assigned(share=name, block=0, attempt=1, cases=cases, host="gone", at=1.0))
                found.append(Lost(share=name, block=0, attempt=1, why="its worker went away", at=1.5))
            attempt = 2 if index == 0 else 1
            found.append(Assigned(share=name, block=index, attempt=attempt, cases=cases, host=host, at=2.0))
            found.append(Answered(share=name, block=index, attempt=attempt, at=2.5))
    return found


def findings(shares: Sequence[Measured]) -> dict[str, Findings]:
    """What each share says, by name."""
    return {one.share.name: one.findings for one in shares}
