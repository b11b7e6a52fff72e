"""Is one client fast enough for a large fleet?  A thousand hosts that are made up, and everything else as it is.

    python -m benchmarks.fleet_simulation [--hosts 1000] [--cases 200] [--seconds 2.5] [--rounds 2] [--wire 2000]

The client that conducts a fleet's run is real: who is asked, what is decided, journals on the disk, and every task and
every answer as the bytes that would travel.  Hosts answer after as many seconds as their blocks would take, and time in
which the client only waits is skipped, so that an hour of a fleet takes minutes.  What the client itself takes passes
for all hosts, and a slot is idle from the moment when its block ends until the next question reaches it.

First the wire is measured, with a real scheduler and a real worker that answers at once: what a question and its answer
cost the client is charged for every block of the simulation, and what they cost all three together says how many blocks
per second one scheduler can pass on.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import math
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec

from benchmarks._fleet import fleet_of_one
from benchmarks._markdown import percent, table
from harness import store, wire
from harness.conducting import Chief, Desk
from harness.dispatch import Campaign, Dispatcher
from harness.fleet import ATTEMPTS, Answer, BlockTask, FleetRun, Offer, Share, Spread, Unanswered
from harness.journal import BlockRecord
from harness.model import SCHEMA, Run
from harness.progress import Silent
from harness.troubles import Troubles
from tests import fleets_made_up, made_up

_OPEN = 400
"""Questions that are out at a time while the wire is measured."""


# -- the fleet ---------------------------------------------------------------------------------------------------------


def planned(cases: int, rounds: int) -> Run:
    """What each host measures: so many cases, two to a block, on two builds."""
    workloads = [made_up.workload(f"pure_python/number_{number:04}", threaded=True) for number in range(cases // 2)]
    run = made_up.run(workloads=workloads, blocks=rounds, values=5, gauged=True)
    return msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05))


@dataclass
class Hosts:
    """A crew that is not there, and the clock of its world, in seconds."""

    offered: Mapping[str, Offer]
    answers: Mapping[int, tuple[BlockRecord, ...]]
    """By the index of a block, what the measurement of it could leave."""
    seconds: float
    """That a block takes, on average."""
    wire: float
    """Of the client's time for a question and its answer."""
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    skipped: float = 0.0
    busy: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Seconds in which a host measured."""
    done: dict[str, float] = field(default_factory=dict)
    """When its last block ended."""
    asked: int = 0
    _began: float = field(default_factory=time.perf_counter)
    _due: list[tuple[float, int, bytes]] = field(default_factory=list)

    def now(self) -> float:
        return time.perf_counter() - self._began + self.skipped

    def offers(self) -> Mapping[str, Offer]:
        return self.offered

    def ask(self, worker: str, task: BlockTask) -> None:
        msgspec.json.encode(task)
        self.skipped += self.wire
        self.asked += 1
        took = self.seconds * math.exp(self.rng.gauss(-0.02, 0.2))
        self.busy[worker] += took
        record = msgspec.structs.replace(self.rng.choice(self.answers[task.block.index]), seconds=took)
        answer = Answer(key=task.key, host=self.offered[worker].host, lines=(record,))
        began = time.perf_counter()
        self.done[worker] = self.now() + took
        heapq.heappush(self._due, (self.done[worker], self.asked, msgspec.json.encode(answer)))
        self._began += time.perf_counter() - began  # a host's work, not the client's

    def events(self, seconds: float) -> Iterator[Answer | Unanswered]:
        now = self.now()
        if self._due and self._due[0][0] > now:
            self.skipped += min(seconds, self._due[0][0] - now)
        while self._due and self._due[0][0] <= self.now():
            yield msgspec.json.decode(heapq.heappop(self._due)[2], type=Answer)

    def forget(self, key: str) -> None:
        raise AssertionError(f"{key} is lost, and nobody ever leaves")

    def publish(self, run: str, data: bytes) -> None:  # noqa: ARG002 - the protocol's names
        self.skipped += self.wire

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went, in the time of the fleet."""

    blocks: int
    span: float
    """Seconds until the last block had ended."""
    busy: tuple[float, ...]
    """Of every host, the share of the time until its last block ended in which it measured; ascending."""


def simulated(hosts: int, run: Run, seconds: float, wire_seconds: float, folder: Path) -> Outcome:
    """Have a fleet measure everything."""
    offered = {f"tls://{number}": fleets_made_up.offer(run, f"host-{number:04}") for number in range(hosts)}
    found = [line for line in made_up.journal(run) if isinstance(line, BlockRecord)]
    crew = Hosts(offered, {one.index: (one,) for one in found}, seconds, wire_seconds)
    shares = tuple(fleets_made_up.share(one.host, one.host) for one in offered.values())
    fleet = FleetRun(
        schema=SCHEMA,
        id=run.id,
        created=run.created,
        command="",
        scheduler="",
        certificates="",
        spread=Spread.ALL,
        shares=shares,
    )
    with ExitStack() as stack:
        desks = {share.name: stack.enter_context(_desk(fleet, share, run, folder)) for share in shares}
        attempts = stack.enter_context(store.Journal(folder, ATTEMPTS))
        began = crew.now()
        dispatcher = Dispatcher([desk.campaign for desk in desks.values()], began)
        chief = Chief(fleet, Silent(), desks, attempts, dispatcher, lambda: crew, clock=crew.now)
        if not chief.measure(Silent()):
            raise SystemExit("the run was given up")
    done = {worker: at - began for worker, at in crew.done.items()}
    busy = sorted(crew.busy[worker] / took for worker, took in done.items())
    return Outcome(crew.asked, max(done.values()), tuple(busy))


@contextlib.contextmanager
def _desk(fleet: FleetRun, share: Share, run: Run, folder: Path) -> Iterator[Desk]:
    place = folder / share.name
    place.mkdir()
    with store.Journal(place) as journal:
        campaign = Campaign(fleet.id, share, run, fleets_made_up.CODE)
        yield Desk(place, run, campaign, [], journal, Troubles(run.plan, Silent()))


# -- the wire ----------------------------------------------------------------------------------------------------------


def measured_wire(blocks: int, run: Run) -> tuple[float, float]:
    """Seconds of the client's CPUs, and of everybody's time, for a question and its answer; as many are asked."""
    with (
        fleet_of_one("benchmarks.fleet_simulation", "--worker") as address,
        wire.Crew(address, None) as crew,  # which waits for its scheduler
    ):
        while not (there := tuple(crew.offers())):
            time.sleep(1)
        return _asked(crew, there[0], run, blocks)


def _asked(crew: wire.Crew, worker: str, run: Run, blocks: int) -> tuple[float, float]:
    share = fleets_made_up.share("a", "a")
    task = Campaign(run.id, share, run, fleets_made_up.CODE).ask()
    assert task
    asked = answered = 0
    cpu, wall = time.process_time(), time.perf_counter()
    while answered < blocks:
        while asked < min(blocks, answered + _OPEN):
            asked += 1
            crew.ask(worker, msgspec.structs.replace(task, attempt=asked))
        for event in crew.events(1.0):
            if isinstance(event, Unanswered):
                raise SystemExit(event.why)
            answered += 1
    return (time.process_time() - cpu) / blocks, (time.perf_counter() - wall) / blocks


def serve(address: str, run: Run) -> None:
    """Be a worker that measures nothing and answers at once."""
    record = next(line for line in made_up.journal(run) if isinstance(line, BlockRecord))
    slots = [fleets_made_up.slot(number, (0, 1)) for number in range(_OPEN)]
    wire.serve(address, None, _Quick(fleets_made_up.offer(run, "a", slots=slots), record), Silent())


@dataclass(frozen=True)
class _Quick:
    """A host that has measured before it is asked."""

    offer: Offer
    record: BlockRecord

    def measure(self, data: bytes) -> bytes:
        task = msgspec.json.decode(data, type=BlockTask)
        return msgspec.json.encode(Answer(key=task.key, host=self.offer.host, lines=(self.record,)))

    def receive(self, data: bytes) -> bytes:
        raise AssertionError(f"nobody sends anything, and {len(data)} bytes came")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=2.5, help="that a block takes, on average")
    parser.add_argument("--rounds", type=int, default=2, help="blocks of each case")
    parser.add_argument("--wire", type=int, default=2000, help="blocks to measure the wire with")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    run = planned(asked.cases, asked.rounds)
    if asked.worker:
        serve(asked.worker, run)
        return
    client, everybody = measured_wire(asked.wire, run)
    print(f"wire, per block: {1e3 * client:.2f} ms of the client, {1e3 * everybody:.2f} ms of everybody\n")
    with tempfile.TemporaryDirectory(prefix="gilometer-simulation-") as folder:
        found = simulated(asked.hosts, run, asked.seconds, client, Path(folder))
    mean = math.fsum(found.busy) / len(found.busy)
    table(
        [
            ["hosts", "cases", "blocks", "took", "blocks alone", "slots busy", "the least busy slot"],
            [
                f"{asked.hosts}",
                f"{len(run.plan.cases)}",
                f"{found.blocks}",
                f"{found.span:.0f} s",
                f"{asked.seconds * found.blocks / asked.hosts:.0f} s",
                percent(mean),
                percent(found.busy[0]),
            ],
        ]
    )


if __name__ == "__main__":
    main()
