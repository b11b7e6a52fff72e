"""Hosts that nobody has, and what they offer."""

from __future__ import annotations

from collections.abc import Sequence

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
from harness.journal import JournalLine
from harness.model import SCHEMA, Run
from reports.analysis import analyse
from reports.findings import Findings

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


def run(shares: Sequence[tuple[Share, Run]], spread: Spread = Spread.ALL) -> FleetRun:
    """A fleet's run of these shares."""
    first = shares[0][1]
    return FleetRun(
        schema=SCHEMA,
        id="20260314-101500-fleet",
        created=first.created,
        command=f"{first.command} --fleet tls://bench0:8786 --spread {spread}",
        scheduler="tls://bench0:8786",
        certificates="",
        spread=spread,
        shares=tuple(one for one, _ in shares),
    )


def attempts(shares: Sequence[tuple[Share, Run]]) -> list[AttemptLine]:
    """Every block of every share was answered at the first attempt, but for the first: it was lost, and asked again."""
    found: list[AttemptLine] = []
    for one, plan in shares:
        for block in plan.plan.blocks:
            for attempt in (1, 2) if block.index == 0 else (1,):
                key = {"share": one.name, "block": block.index, "attempt": attempt}
                asked = Assigned(**key, cases=block.cases, host=one.host, at=float(attempt))
                lost = block.index == 0 and attempt == 1
                found += [asked, Lost(**key, why="its worker went away", at=1.5) if lost else Answered(**key, at=1.5)]
    return found


def findings(shares: Sequence[tuple[Share, Run]], journals: Sequence[Sequence[JournalLine]]) -> dict[str, Findings]:
    """What each share says, by name."""
    return {one.name: analyse(run, journal) for (one, run), journal in zip(shares, journals, strict=True)}
