"""A host's side of a fleet: executes the blocks that it is asked for, with what executes them in a run of this host.

One machine measures one thing at a time, so the machine's lock is held for a *shift*: from the first block that is
asked for until nobody has asked for a while.  Containers stay open meanwhile, as they do in a run.  Where a host offers
several slots, their blocks share the shift and disturb each other through caches, memory and the clock of the package:
so one slot is what a host offers unless it is told otherwise, and a run warns of more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness import session, specs
from harness.engine import Engine
from harness.errors import GilometerError, HostError, RequestError
from harness.execution import Execution
from harness.fleet import Answer, BlockTask, Offer, Setting, Slot
from harness.journal import BlockRecord, JournalLine
from harness.model import BuildFacts, Isolation, Workload
from harness.screen import Screen
from harness.workbench import Workbench, workbench

_SHIFT_SECONDS = 2.0
"""Without a question for as long a shift ends, and others may measure on this machine."""


class Station:
    """Executes tasks, from any thread.

    Args:
        kind: of the engine, docker or host.
        workloads: the folder that they are in; a task that wants others is refused.
    """

    def __init__(self, offer: Offer, kind: str, workloads: Path, screen: Screen) -> None:
        self.offer = offer
        self._kind = kind
        self._workloads = workloads
        self._screen = screen
        self._mutex = threading.Lock()
        self._shift: ExitStack | None = None
        self._bays: dict[int, _Bay] = {}
        self._at_work = 0
        self._last = 0.0

    def measure(self, data: bytes) -> bytes:
        """A `BlockTask` as JSON in, an `Answer` as JSON out; what cannot be executed is refused in the answer."""
        task = msgspec.json.decode(data, type=BlockTask)
        lines: list[JournalLine] = []
        refusal = ""
        try:
            slot = self._slot(task)
            with self._bay(slot) as bay:
                lines += bay.execute(task)
        except GilometerError as error:
            refusal = error.message
        return msgspec.json.encode(
            Answer(key=task.key, host=self.offer.host, lines=tuple(lines), refusal=refusal),
        )

    def close(self) -> None:
        """End the shift, whatever is being measured; nothing of it is left."""
        shift, self._shift = self._shift, None
        if shift is not None:
            shift.close()

    def _slot(self, task: BlockTask) -> Slot:
        if task.setting.gilometer != self.offer.gilometer:
            raise RequestError(f"{self.offer.host} has another Gilometer than whoever asks")
        cpus = {cpu for case in task.setting.plan.cases if case.id in task.block.cases for cpu in case.cpus}
        found = self.offer.slots_for(cpus | {*task.block.cpus, task.block.home})
        if not found:
            raise RequestError(f"{self.offer.host} offers no slot with the CPUs of this plan")
        return found[0]

    @contextmanager
    def _bay(self, slot: Slot) -> Iterator[_Bay]:
        with self._mutex:
            if self._shift is None:
                self._shift = self._open()
            self._at_work += 1
            bay = self._bays[slot.number]
        try:
            with bay.mutex:
                yield bay
        finally:
            with self._mutex:
                self._at_work -= 1
                self._last = time.monotonic()
            leaving = threading.Timer(_SHIFT_SECONDS, self._leave)
            leaving.daemon = True
            leaving.start()

    def _open(self) -> ExitStack:
        """The machine's lock, and an engine for every slot: all of them first, since each removes what was left."""
        with ExitStack() as stack:
            stack.enter_context(session.measuring(f"inv worker, {self.offer.host}", self._screen))
            self._bays = {}
            for slot in self.offer.slots:
                bench = stack.enter_context(workbench(self._workloads))
                engine = stack.enter_context(session.open_engine(self._kind, bench, self._screen))
                bay = self._bays[slot.number] = _Bay(bench, engine, self.offer.builds)
                stack.callback(bay.close)
            return stack.pop_all()

    def _leave(self) -> None:
        with self._mutex:
            if not self._at_work and time.monotonic() - self._last >= _SHIFT_SECONDS:
                self.close()


@dataclass
class _Bay:
    """Where the blocks of one slot are executed during a shift."""

    bench: Workbench
    engine: Engine
    offered: tuple[BuildFacts, ...]
    mutex: threading.Lock = field(default_factory=threading.Lock)
    _setting: Setting | None = None
    _execution: Execution | None = None
    _known: dict[str, Workload] = field(default_factory=dict)

    def execute(self, task: BlockTask) -> Iterator[JournalLine]:
        """The lines of one block.  GilometerError where its images or workloads are not here, or the engine is away."""
        execution = self._of(task.setting)
        record = False
        for line in execution.execute(task.block, task.loops):
            record = record or isinstance(line, BlockRecord)
            yield line
        if not record:
            raise HostError("the engine went away and did not come back")

    def close(self) -> None:
        """Nothing that was opened for a block is left."""
        if self._execution is not None:
            self._execution.__exit__()
        self._setting = self._execution = None

    def _of(self, setting: Setting) -> Execution:
        """An execution of what the setting says, which is kept open while blocks of the same setting come."""
        if self._execution is None or setting != self._setting:
            self.close()
            self._verify(setting)
            builds = {fact.build.name: fact for fact in setting.builds}
            self._execution = Execution(setting.plan, builds, self.engine, self.bench, loops={}, done=())
            self._setting = setting
        return self._execution

    def _verify(self, setting: Setting) -> None:
        """Every image by its content hash, and every workload by that of its sources.

        What is executed comes from here: a plan names it, and cannot bring an executable or arguments of its own.
        """
        offered = {*map(_executed, self.offered)}
        for fact in setting.builds:
            if _executed(fact) not in offered or not self.engine.has(fact):
                raise HostError(f"the image of {fact.build.name}, {fact.image[:19]}, is not here, or not the same")
        if not self._known:
            self._known = {one.name: one for one in specs.load_workloads(self.bench.tools / "workloads")}
        for workload in setting.plan.workloads:
            if workload != self._known.get(workload.name):
                raise RequestError(f"the workload {workload.name} is not here, or not the same")


def _executed(fact: BuildFacts) -> tuple[str, str, Isolation, bool]:
    """Of a build, what decides which program is started."""
    return fact.image, fact.executable, fact.isolation, fact.build.jit
