"""A fleet's run on its way: who has come and gone, what is asked, and what is written down of it.

It knows neither the wire nor how a run was planned: the crew that it asks is given to it, and so is its clock.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import msgspec

from harness import store
from harness.dispatch import Campaign, Dispatcher
from harness.errors import HostError
from harness.fleet import (
    Answer,
    Answered,
    Assigned,
    AttemptLine,
    BlockTask,
    FleetRun,
    Lost,
    Offer,
    RunNote,
    SchedulerGoneError,
    ShareNote,
    Unanswered,
    attempt_of,
)
from harness.journal import BlockRecord, JournalLine
from harness.model import Run
from harness.progress import Progress, Task
from harness.troubles import Troubles

GIVE_UP_SECONDS = 600.0
"""For how long a run waits while nobody is there who could measure what is left of it."""

_LOOK_SECONDS = 1.0
"""Between two looks at who is there."""
_TELL_SECONDS = 0.5
"""Between two looks of the progress bar at all shares."""
_NOTE_SECONDS = 2.0
"""Between two notes for `inv fleet status`."""


class Crew(Protocol):
    """Workers that can be asked, by their addresses.  Any call may raise SchedulerGoneError."""

    def offers(self) -> Mapping[str, Offer]:
        """What is offered now, by the address of the worker."""

    def ask(self, worker: str, task: BlockTask) -> None:
        """Have a worker execute a task."""

    def events(self, seconds: float) -> Iterator[Answer | Unanswered]:
        """What has come, waited for as long."""

    def forget(self, key: str) -> None:
        """No answer to this attempt is wanted any more."""

    def publish(self, run: str, data: bytes) -> None:
        """Leave a note on a run with the scheduler."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(self, *_: object) -> None:
        """Leave."""


@dataclass
class Desk:
    """A share of a run that is being executed, and where its lines go."""

    directory: Path
    run: Run
    campaign: Campaign
    lines: list[JournalLine]
    journal: store.Journal
    troubles: Troubles
    seconds: float = 0.0
    """Of the blocks that were measured in this execution."""
    _measured: int = 0
    """How many these were."""
    _left: int | None = None

    def record(self, lines: Sequence[JournalLine]) -> None:
        """Append lines to the journal, and say what went wrong."""
        if not lines:
            return
        self.journal.append(*lines)
        self.lines += lines
        self._left = None
        for line in lines:
            self.troubles.show(line)
            if isinstance(line, BlockRecord):
                self.seconds += line.seconds
                self._measured += 1

    @property
    def left(self) -> int:
        """How many blocks may still come.  Counted once per answer: a fleet has many shares, and is asked often."""
        if self._left is None:
            self._left = self.campaign.stopping.left
        return self._left

    def note(self, there: frozenset[str]) -> ShareNote:
        return ShareNote(
            name=self.campaign.share.name,
            hardware=self.campaign.share.hardware.name,
            host=self.campaign.host,
            here=self.campaign.host in there,
            done=self.campaign.done,
            left=self.left,
            seconds_left=self.left * self.seconds / self._measured if self._measured else None,
        )


@dataclass
class Chief:
    """Executes a fleet's run: asks, listens, writes down."""

    fleet: FleetRun
    progress: Progress
    desks: Mapping[str, Desk]
    attempts: store.Journal
    dispatcher: Dispatcher
    hire: Callable[[], Crew]
    """Connects to the scheduler.  HostError where there is none."""
    clock: Callable[[], float] = time.monotonic
    _there: Mapping[str, Offer] = field(default_factory=dict)
    _stranded: tuple[str, ...] = ()
    _stranded_since: float = 0.0
    _closed: list[AttemptLine] = field(default_factory=list)
    """How attempts ended: written together with the next questions."""
    _looked: float = 0.0
    _told: float = 0.0
    _noted: float = 0.0

    def measure(self, task: Task) -> bool:
        """Until everything is measured; whether it was, and not given up because nobody was there any more."""
        while True:
            try:
                with self._crew() as crew:
                    return self._measure(crew, task)
            except SchedulerGoneError:
                self.progress.say("the scheduler is gone; waiting for it")
                for address in list(self._there):
                    self._leave(address, "the scheduler went away")
                self._there = {}
            finally:
                self._write()

    def _measure(self, crew: Crew, task: Task) -> bool:
        hope = True
        while hope and not self.dispatcher.finished:
            hope = self._round(crew, task)
        with contextlib.suppress(SchedulerGoneError):
            self._publish(crew, ended=True)
        return hope

    def _crew(self) -> Crew:
        """A connection to the scheduler, waited for."""
        began = self.clock()
        while True:
            try:
                return self.hire()
            except HostError:
                if self.clock() - began > GIVE_UP_SECONDS:
                    raise
                time.sleep(_LOOK_SECONDS)

    def _round(self, crew: Crew, task: Task) -> bool:
        """Ask who is free, and take what came; whether there is hope."""
        now = self.clock()
        if now - self._looked >= _LOOK_SECONDS:
            self._look(crew)
        questions = list(self.dispatcher.questions(now))
        self._write(*(one.line(self.dispatcher.host(one.address), time.time()) for one in questions))
        for one in questions:
            crew.ask(one.address, one.task)
        for event in crew.events(_LOOK_SECONDS / 2):
            if isinstance(event, Answer):
                self._take(event)
            else:
                self._lose(event.key, event.why)
                self._look(crew)  # before its worker is asked again, which may be gone
        if now - self._told >= _TELL_SECONDS:
            self._tell(task)
        if now - self._noted >= _NOTE_SECONDS:
            self._publish(crew)
        return self._hope(now)

    def _write(self, *questions: AttemptLine) -> None:
        """How attempts ended, and who is asked next, in one go: the disk is what a large fleet waits for."""
        if lines := [*self._closed, *questions]:
            self._closed.clear()
            self.attempts.append(*lines)

    def _tell(self, task: Task) -> None:
        self._told = self.clock()
        done = sum(desk.campaign.done for desk in self.desks.values())
        left = sum(desk.left for desk in self.desks.values())
        task.update(done, f"{self.dispatcher.open} at a time", total=done + left)

    def _look(self, crew: Crew) -> None:
        """See who has come and who has gone."""
        there = crew.offers()
        self._looked = self.clock()
        for address in self._there.keys() - there.keys():
            self.progress.say(f"{self._there[address].host} is gone")
            for key in self._leave(address, "its worker went away"):
                crew.forget(key)
        for address in there.keys() - self._there.keys():
            refusal = self.dispatcher.join(address, there[address])
            self.progress.say(refusal or f"{there[address].host} ({there[address].hardware.name}) is there")
        self._there = dict(there)

    def _leave(self, address: str, why: str) -> tuple[str, ...]:
        lost = self.dispatcher.leave(address, self.clock())
        for key in lost:
            self._lose(key, why)
        return lost

    def _take(self, answer: Answer) -> None:
        found = self.dispatcher.answer(answer, self.clock())
        if found is None:
            return
        campaign, lines = found
        self.desks[campaign.share.name].record(lines)
        share, block, attempt = attempt_of(answer.key)
        if any(isinstance(line, BlockRecord) for line in lines):
            self._closed.append(Answered(share=share, block=block, attempt=attempt, at=time.time()))
        else:
            self._write_off(answer.key, answer.refusal)
            self.progress.say(f"{answer.host} does not measure {share}: {answer.refusal}")

    def _lose(self, key: str, why: str) -> None:
        if self.dispatcher.lose(key):
            self._write_off(key, why)
            share, block, _ = attempt_of(key)
            self.progress.say(f"{share}: block {block} is lost, {why}; it is measured again")

    def _write_off(self, key: str, why: str) -> None:
        share, block, attempt = attempt_of(key)
        self._closed.append(Lost(share=share, block=block, attempt=attempt, why=why, at=time.time()))

    def _hope(self, now: float) -> bool:
        """Say what waits for a host; False where everything has, for too long."""
        stranded = tuple(one.share.name for one in self.dispatcher.stranded)
        if stranded != self._stranded:
            self._stranded, self._stranded_since = stranded, now
            for campaign in self.dispatcher.stranded:
                self.progress.say(
                    f"{campaign.share.name} waits for {campaign.host}, or another {campaign.share.hardware}"
                )
        return not stranded or bool(self.dispatcher.open) or now - self._stranded_since < GIVE_UP_SECONDS

    def _publish(self, crew: Crew, *, ended: bool = False) -> None:
        self._noted = self.clock()
        there = frozenset(offer.host for offer in self._there.values())
        shares = tuple(desk.note(there) for desk in self.desks.values())
        note = RunNote(run=self.fleet.id, at=time.time(), shares=shares, ended=ended)
        crew.publish(self.fleet.id, msgspec.json.encode(note))


def abandoned(asked: Sequence[AttemptLine], desks: Mapping[str, Desk]) -> Iterator[AttemptLine]:
    """How the attempts ended that a client which was killed had left open."""
    left = {(one.share, one.block, one.attempt): one for one in asked if isinstance(one, Assigned)}
    for one in asked:
        if not isinstance(one, Assigned):
            left.pop((one.share, one.block, one.attempt), None)
    for share, block, attempt in left:
        if desks[share].campaign.has(block):  # it ended right after it had written down the answer
            yield Answered(share=share, block=block, attempt=attempt, at=time.time())
        else:
            yield Lost(share=share, block=block, attempt=attempt, why="whoever asked has ended", at=time.time())
