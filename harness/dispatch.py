"""Who is asked for which block, and which answer counts.  Pure: it knows neither the wire nor the clock.

A campaign is a share on its way through its plan: one block at a time, because what comes next follows from what came
before (`harness.stopping`).  The dispatcher has one campaign at a time on each slot of each host that is there.  An
attempt ends in one of two ways: it is answered, or it is lost and its block is asked for again, as the next attempt.
An answer to anything but the attempt that is open is dropped, so whatever comes late or twice never counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from harness import store
from harness.fleet import Answer, Assigned, AttemptLine, BlockTask, Offer, Setting, Share, Slot
from harness.journal import Attempts, BlockRecord, Calibration, JournalLine
from harness.model import Block, Run
from harness.stopping import Stopping

PATIENCE_SECONDS = 60.0
"""For how long a share waits for its own host, before another one of the same class may go on with it."""


class Campaign:
    """A share, the journal that it has so far, and the attempt that is open.

    Args:
        run: the name of the fleet run.
        code: content hash of this Gilometer, as in `Offer`.
        attempts: of all shares, as recorded.
    """

    def __init__(
        self,
        run: str,
        share: Share,
        plan: Run,
        code: str,
        journal: Sequence[JournalLine] = (),
        attempts: Iterable[AttemptLine] = (),
    ) -> None:
        asked = [one for one in attempts if isinstance(one, Assigned) and one.share == share.name]
        self.share = share
        self.host = asked[-1].host if asked else share.host
        self.open: BlockTask | None = None
        self.refusals: dict[str, str] = {}
        """Hosts that do not execute it, and why."""
        self.stopping = Stopping(plan.plan)
        decided = [one for line in journal for one in self.stopping.feed(line)]
        self.owed: list[JournalLine] = [one for one in decided if one not in journal]
        """Decisions that the journal lacks, because the client ended in between."""
        self._run = run
        self._setting = Setting(
            plan=msgspec.structs.replace(plan.plan, blocks=()),
            builds=plan.builds,
            gilometer=code,
        )
        self._loops, done = store.recorded(journal)
        self.cpus = frozenset(cpu for case in plan.plan.cases for cpu in case.cpus)
        self._invalid = Attempts()
        for line in journal:
            if isinstance(line, BlockRecord):
                self._invalid.ended(line)
        self.done = len(done)
        self._pending = [block for block in plan.plan.blocks if block.index not in done]
        self._asked = Counter(one.block for one in asked)

    @property
    def images(self) -> frozenset[str]:
        return frozenset(build.image for build in self._setting.builds)

    @property
    def code(self) -> str:
        return self._setting.gilometer

    @property
    def finished(self) -> bool:
        """Whether nothing is open and nothing more is wanted."""
        return self.open is None and self._next() is None

    def has(self, index: int) -> bool:
        """Whether a block is measured, and not to be measured again."""
        return all(block.index != index for block in self._pending)

    def ask(self) -> BlockTask | None:
        """Open the next attempt; None where one is open, or nothing is wanted."""
        block = self._next()
        if self.open is not None or block is None:
            return None
        self._asked[block.index] += 1
        self.open = BlockTask(
            run=self._run,
            share=self.share.name,
            attempt=self._asked[block.index],
            block=msgspec.structs.replace(block, values=self.stopping.values(block)),
            loops={case: loops for case, loops in self._loops.items() if case in block.cases},
            setting=self._setting,
        )
        return self.open

    def take(self, answer: Answer) -> list[JournalLine]:
        """What an answer adds to the journal, decisions that follow included; nothing where it is not to the open one.

        The attempt is then closed; without a record of its block in the answer, the block is asked for again.
        """
        if self.open is None or answer.key != self.open.key:
            return []
        index, self.open = self.open.block.index, None
        if answer.refusal:
            self.refusals[answer.host] = answer.refusal
        lines: list[JournalLine] = []
        for line in answer.lines:
            match line:
                case Calibration(case=case, loops=found) if found:
                    self._loops[case] = found
                case BlockRecord():
                    self._record(line, index)
                case _:
                    pass
            lines += [line, *self.stopping.feed(line)]
        return lines

    def lose(self, key: str) -> bool:
        """Whether that was the open attempt, which is closed without an answer."""
        if self.open is None or self.open.key != key:
            return False
        self.open = None
        return True

    def _next(self) -> Block | None:
        return next(filter(self.stopping.wanted, self._pending), None)

    def _record(self, record: BlockRecord, index: int) -> None:
        """A block that broke a rule is put behind all others, as a run on one machine does."""
        (block,) = [one for one in self._pending if one.index == index == record.index]
        self._pending.remove(block)
        if self._invalid.ended(record):
            self.done += 1
        else:
            self._pending.append(block)


@dataclass(frozen=True, slots=True)
class Question:
    """A task, and the worker that is to be asked."""

    address: str
    task: BlockTask

    def line(self, host: str, now: float) -> Assigned:
        """What the journal of attempts says of it."""
        block = self.task.block
        return Assigned(
            share=self.task.share,
            block=block.index,
            attempt=self.task.attempt,
            cases=block.cases,
            host=host,
            at=now,
        )


@dataclass(frozen=True, slots=True)
class _Seat:
    """Where an open attempt is executed."""

    address: str
    slot: int
    campaign: Campaign


class Dispatcher:
    """Hands the blocks of campaigns to the hosts that are there.

    `now` is in seconds, of any clock that only goes forward.
    """

    def __init__(self, campaigns: Iterable[Campaign], now: float, patience: float = PATIENCE_SECONDS) -> None:
        self._campaigns = {one.share.name: one for one in campaigns}
        self._patience = patience
        self._offers: dict[str, Offer] = {}
        self._addresses: dict[str, str] = {}
        self._busy: dict[str, _Seat] = {}
        self._taken: dict[str, set[int]] = {}
        self._idle: set[str] = set()
        self._unfinished: dict[str, Campaign] = {}
        self._of_host: dict[str, list[Campaign]] = {}
        self._orphans: dict[str, float] = {}
        for campaign in self._campaigns.values():
            if not campaign.finished:
                self._unfinished[campaign.share.name] = campaign
                self._of_host.setdefault(campaign.host, []).append(campaign)
                self._orphans[campaign.share.name] = now

    @property
    def finished(self) -> bool:
        return not self._unfinished

    @property
    def open(self) -> int:
        """How many attempts are out."""
        return len(self._busy)

    @property
    def stranded(self) -> tuple[Campaign, ...]:
        """Campaigns with something left to measure and nobody there to ask."""
        return tuple(self._unfinished[name] for name in self._orphans if self._unfinished[name].open is None)

    def host(self, address: str) -> str:
        """The name of the host whose worker has an address."""
        return self._offers[address].host

    def join(self, address: str, offer: Offer) -> str:
        """A worker is there; why its host is not asked anything, empty where it is."""
        if (first := self._addresses.get(offer.host)) is not None:
            return f"{offer.host} is offered twice, by {first} and by {address}: the second is not asked"
        self._offers[address] = offer
        self._addresses[offer.host] = address
        self._taken[address] = set()
        self._idle.add(address)
        for campaign in self._unfinished.values():  # whatever was wrong with it may be mended
            campaign.refusals.pop(offer.host, None)
        for campaign in self._of_host.get(offer.host, ()):
            if _fits(campaign, offer):
                self._orphans.pop(campaign.share.name, None)
        return ""

    def leave(self, address: str, now: float) -> tuple[str, ...]:
        """A worker is gone; the attempts that are lost with it, each of which is to be given to `lose`."""
        if (offer := self._offers.pop(address, None)) is None:
            return ()
        del self._addresses[offer.host]
        self._idle.discard(address)
        for campaign in self._of_host.get(offer.host, ()):
            self._orphans[campaign.share.name] = now
        return tuple(key for key, seat in self._busy.items() if seat.address == address)

    def questions(self, now: float) -> Iterator[Question]:
        """Open an attempt on every slot that is free and has something to measure."""
        self._adopt(now)
        while self._idle:
            address = self._idle.pop()
            for campaign in list(self._of_host.get(self._offers[address].host, ())):
                if task := self._ask(address, campaign):
                    yield Question(address, task)

    def answer(self, answer: Answer, now: float) -> tuple[Campaign, list[JournalLine]] | None:
        """Whose journal an answer belongs to, and the lines that it adds; None where it comes late or twice."""
        seat = self._leave_seat(answer.key)
        if seat is None:
            return None
        lines = seat.campaign.take(answer)
        if answer.host in seat.campaign.refusals and seat.campaign.host == answer.host:
            self._orphans[seat.campaign.share.name] = now - self._patience  # nothing to wait for
        self._settle(seat.campaign)
        return seat.campaign, lines

    def lose(self, key: str) -> Campaign | None:
        """Close an attempt that nobody will answer; whose it was, None where it was closed already."""
        seat = self._leave_seat(key)
        if seat is None:
            return None
        seat.campaign.lose(key)
        self._settle(seat.campaign)
        return seat.campaign

    def _ask(self, address: str, campaign: Campaign) -> BlockTask | None:
        slot = self._free(address, campaign)
        if slot is None or campaign.share.name in self._orphans:
            return None
        task = campaign.ask()
        if task is not None:
            self._taken[address].add(slot.number)
            self._busy[task.key] = _Seat(address, slot.number, campaign)
        return task

    def _free(self, address: str, campaign: Campaign) -> Slot | None:
        slots = self._offers[address].slots_for(campaign.cpus)
        return next((slot for slot in slots if slot.number not in self._taken[address]), None)

    def _leave_seat(self, key: str) -> _Seat | None:
        seat = self._busy.pop(key, None)
        if seat is not None:
            self._taken[seat.address].discard(seat.slot)
            if seat.address in self._offers:
                self._idle.add(seat.address)
        return seat

    def _settle(self, campaign: Campaign) -> None:
        name = campaign.share.name
        if campaign.finished and name in self._unfinished:
            del self._unfinished[name]
            self._of_host[campaign.host].remove(campaign)
            self._orphans.pop(name, None)

    def _adopt(self, now: float) -> None:
        """Give what waits for a host that does not come to another one of the same class, the least burdened."""
        for name, since in list(self._orphans.items()):
            campaign = self._unfinished[name]
            if now - since < self._patience or campaign.open is not None:
                continue
            able = [one for one in self._offers.items() if _fits(campaign, one[1])]
            if not able:
                continue
            address, offer = min(able, key=lambda one: (len(self._of_host.get(one[1].host, ())), one[1].host))
            self._of_host[campaign.host].remove(campaign)
            campaign.host = offer.host
            self._of_host.setdefault(offer.host, []).append(campaign)
            del self._orphans[name]
            self._idle.add(address)


def _fits(campaign: Campaign, offer: Offer) -> bool:
    """Whether a host can go on with a campaign."""
    return (
        offer.hardware == campaign.share.hardware
        and offer.gilometer == campaign.code
        and offer.host not in campaign.refusals
        and offer.has_images(campaign.images)
        and bool(offer.slots_for(campaign.cpus))
    )
