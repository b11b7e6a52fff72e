"""A run over several machines, as data: who offers what, who measures which share, and what travels between them.

A fleet run is a folder with a `FleetRun` (fleet.json), a journal of who was asked for what (attempts.jsonl), and a
folder per share, `shares/NAME`, that is an ordinary run: its plan was made for one host's CPUs, and its outcomes.jsonl
holds what that host measured.  So everything that reads a run reads a share, and a fleet of one is a run of its host.

Pairs never cross hosts: what is handed out is a block, and all seats of a block sit on one host.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from harness.journal import JournalLine
from harness.model import Block, BuildFacts, EngineFacts, HostFacts, Plan, Struct, cpu_list

FLEET = "fleet.json"
ATTEMPTS = "attempts.jsonl"
SHARES = "shares"


class Spread(StrEnum):
    """Which hosts measure what."""

    CLASS = "class"
    """All of it on one host of each hardware class."""
    SHARD = "shard"
    """Within each class every group of cases on one of its hosts, so that identical hosts divide the work."""
    ALL = "all"
    """All of it on every host."""


# -- what is offered ---------------------------------------------------------------------------------------------------


class HardwareClass(Struct, frozen=True, kw_only=True):
    """What hosts have in common whose measurements may stand in one table."""

    name: str
    """As its worker was told, or made of the rest: hosts of one name and different hardware are different classes."""
    machine: str
    """Architecture: x86_64, aarch64."""
    cpu_model: str
    sockets: int
    cores: int
    """Physical."""
    cpus: int
    """Logical, of those that the worker may use."""
    smt: bool
    """Whether some of these share a core."""
    memory: int
    """GiB, rounded."""
    kernel: str

    def __str__(self) -> str:
        smt = f"{self.cpus} CPUs" if self.smt else "no SMT"
        sockets = f"{self.sockets} sockets, " if self.sockets > 1 else ""
        return f"{self.name} ({self.cpu_model}, {sockets}{self.cores} cores, {smt}, {self.memory} GiB, {self.kernel})"


class CpuSet(Struct, frozen=True, kw_only=True):
    """What a case can be measured on, and what a reader must know of that, as `host.choose_cpus` and `advice` say."""

    cpus: tuple[int, ...]
    advice: tuple[str, ...] = ()


class Slot(Struct, frozen=True, kw_only=True):
    """A CPU set on which one block at a time is measured; no other slot of its host has a CPU of the same cores."""

    number: int
    """On its host, from 0."""
    cpus: tuple[int, ...]
    sets: tuple[CpuSet, ...]
    """Those that a plan may have here, each within `cpus`, ascending in size and of different sizes."""

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(one.cpus) for one in self.sets)


class Offer(Struct, frozen=True, kw_only=True):
    """What a worker announces of its host when it joins."""

    host: str
    """Unique in a fleet."""
    hardware: HardwareClass
    slots: tuple[Slot, ...]
    builds: tuple[BuildFacts, ...]
    """Those whose images are here; `BuildFacts.image` is the content hash that is verified before each block."""
    facts: HostFacts
    engine: EngineFacts
    gilometer: str
    """Content hash of the code that executes blocks: hosts with another one are not asked."""

    def has_images(self, images: Iterable[str]) -> bool:
        """Whether all of these are here, the very same."""
        return set(images) <= {build.image for build in self.builds}

    def slots_for(self, cpus: Iterable[int]) -> tuple[Slot, ...]:
        """The slots that hold a CPU set."""
        wanted = set(cpus)
        return tuple(slot for slot in self.slots if wanted <= {*slot.cpus})

    def __str__(self) -> str:
        sets = ", ".join(f"{cpu_list(slot.cpus)} (--cores {','.join(map(str, slot.sizes))})" for slot in self.slots)
        names = ", ".join(build.build.name for build in self.builds) or "no build"
        return f"{self.host}: {self.hardware.name}, CPUs {sets}; {names}"


# -- what is planned ---------------------------------------------------------------------------------------------------


class Share(Struct, frozen=True, kw_only=True):
    """What one host at a time is asked to measure: an ordinary run below `shares/`, with a plan for its CPUs."""

    name: str
    """Of its folder."""
    hardware: HardwareClass
    host: str
    """That it was planned for.  Where that one is gone, another one of the same class may go on with it."""


class FleetRun(Struct, frozen=True, kw_only=True):
    """fleet.json."""

    schema: int
    id: str
    created: str
    """ISO 8601, UTC."""
    command: str
    scheduler: str
    """Address."""
    certificates: str
    """Folder, absolute; empty without."""
    spread: Spread
    shares: tuple[Share, ...]


class Assigned(Struct, frozen=True, kw_only=True, tag="assigned"):
    """A host was asked for a block: a line of attempts.jsonl, written before the question leaves."""

    share: str
    block: int
    """Its index in the plan of the share."""
    attempt: int
    """From 1; every question for a block has the next number, also after a resume."""
    cases: tuple[str, ...]
    host: str
    at: float
    """Unix time, seconds."""


class Lost(Struct, frozen=True, kw_only=True, tag="lost"):
    """An attempt that no answer is expected of any more: a line of attempts.jsonl."""

    share: str
    block: int
    attempt: int
    why: str
    at: float


class Answered(Struct, frozen=True, kw_only=True, tag="answered"):
    """An attempt whose answer stands in outcomes.jsonl of its share: a line of attempts.jsonl."""

    share: str
    block: int
    attempt: int
    at: float


AttemptLine = Assigned | Lost | Answered


# -- what travels ------------------------------------------------------------------------------------------------------


class Setting(Struct, frozen=True, kw_only=True):
    """What all blocks of a share have in common."""

    plan: Plan
    """Without its blocks."""
    builds: tuple[BuildFacts, ...]
    gilometer: str
    """As in `Offer`."""


class BlockTask(Struct, frozen=True, kw_only=True):
    """One block to measure, complete: nothing else has to be known to execute it."""

    run: str
    share: str
    attempt: int
    block: Block
    """With as many values as are wanted now."""
    loops: dict[str, int]
    """Of those of its cases that are calibrated."""
    setting: Setting

    @property
    def key(self) -> str:
        return task_key(self.run, self.share, self.block.index, self.attempt)


class Answer(Struct, frozen=True, kw_only=True):
    """What a worker says to a task."""

    key: str
    host: str
    lines: tuple[JournalLine, ...] = ()
    """Calibrations that were missing, and the record of the block."""
    refusal: str = ""
    """Why it was not executed at all."""


class Parcel(Struct, frozen=True, kw_only=True):
    """A piece of a bundle, for a host that lacks its images."""

    key: str
    sha256: str
    """Of the whole file."""
    size: int
    """Bytes of the whole file."""
    offset: int
    """Where the piece begins; one that does not begin where the last one ended is dropped."""
    content: bytes
    """Empty: only to ask how much is there."""


class Receipt(Struct, frozen=True, kw_only=True):
    """What a worker says to a parcel."""

    key: str
    have: int
    """Bytes from the beginning of the file that are there now."""
    refusal: str = ""
    """Why it does not take it."""


class Unanswered(Struct, frozen=True, kw_only=True):
    """A task that nobody will answer."""

    key: str
    why: str


class SchedulerGoneError(Exception):
    """The scheduler does not answer any more, and everything that it was asked is lost."""


def task_key(run: str, share: str, block: int, attempt: int) -> str:
    """How an attempt is called wherever names are seen: by the scheduler, in logs, in `inv fleet status`."""
    return f"{run}/{share}/{block}/{attempt}"


def attempt_of(key: str) -> tuple[str, int, int]:
    """Share, block and attempt in a `task_key`."""
    _, share, block, attempt = key.rsplit("/", 3)
    return share, int(block), int(attempt)


# -- what `inv fleet status` reads -------------------------------------------------------------------------------------


class ShareNote(Struct, frozen=True, kw_only=True):
    """How far a share is."""

    name: str
    hardware: str
    host: str
    here: bool
    """Whether that host is there."""
    done: int
    left: int
    """Blocks that may still come."""
    seconds_left: float | None
    """At the pace so far; None where nothing was measured yet."""


class RunNote(Struct, frozen=True, kw_only=True):
    """How far a run is: what its client leaves with the scheduler."""

    run: str
    at: float
    """Unix time, seconds."""
    shares: tuple[ShareNote, ...]
    ended: bool = False
