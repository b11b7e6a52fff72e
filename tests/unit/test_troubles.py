"""What goes wrong is said when it happens, and what a script of somebody's had to say of it once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from harness.journal import BlockRecord, Calibration, Disturbance, Failure, JournalLine, Reason
from harness.model import Plan
from harness.progress import Silent, Task
from harness.troubles import Troubles
from tests import made_up
from tests.toys import facts


class Lines(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextmanager
    def task(self, label: str, total: float | None = None) -> Iterator[Task]:
        yield self


@pytest.fixture
def plan() -> Plan:
    return made_up.run((facts("a"), facts("b"))).plan


def failure(plan: Plan, message: str = "ValueError: bad") -> Failure:
    return Failure(
        case=plan.blocks[0].cases[0], build="a", reason=Reason.CRASHED, message=message, output="Traceback\nValueError"
    )


def record(plan: Plan, *outcomes: Failure, invalid: tuple[Disturbance, ...] = ()) -> JournalLine:
    return BlockRecord(index=0, started=0, seconds=1, outcomes=outcomes, noise=None, invalid=invalid)


def said(plan: Plan, *lines: JournalLine) -> list[str]:
    screen = Lines()
    troubles = Troubles(plan, screen)
    for line in lines:
        troubles.show(line)
    return screen.said


def test_a_failure_and_an_invalid_block_are_a_line_each(plan: Plan) -> None:
    where = f"block 1 of {len(plan.blocks)}"
    case = plan.blocks[0].cases[0]
    lines = [record(plan, failure(plan)), record(plan, invalid=(Disturbance.STOLEN, Disturbance.CROWDED))]
    assert said(plan, *lines) == [
        f"{where}: {case} on a: crashed: ValueError: bad",
        f"{where}: {plan.blocks[0].workload}: invalid, to be measured again: "
        f"{Disturbance.STOLEN}, {Disturbance.CROWDED}",
    ]
    assert said(plan, Calibration(case=case, loops=0, seconds=1, failure=failure(plan))) == [
        f"calibration: {case} on a: crashed: ValueError: bad"
    ]
    assert said(plan, Calibration(case=case, loops=1, seconds=1)) == []


def test_of_somebodys_script_its_own_words_are_shown_once(plan: Plan) -> None:
    theirs = msgspec.structs.replace(
        plan, workloads=tuple(msgspec.structs.replace(one, source="/home/her/mine.py") for one in plan.workloads)
    )
    words = "  | Traceback\n  | ValueError"
    lines = [record(theirs, failure(theirs)), record(theirs, failure(theirs)), record(theirs, failure(theirs, "other"))]
    assert [line == words for line in said(theirs, *lines)] == [False, True, False, False, True]
