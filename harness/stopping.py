"""When a group of blocks has told enough: at preset looks, by the width of its intervals, and within a budget.

Pure: everything follows from the plan and the journal, so that a resumed run stops where the whole one would have.
The p-value has no say.  Time is what the journal has recorded of blocks and calibrations.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from harness import stats
from harness.journal import BlockRecord, Calibration, JournalLine, Sample, Settled, Stop
from harness.model import Block, Case, Group, Measure, Plan
from harness.planning import CONFIDENCE, LOOKS, confidence_at_looks, enough, next_look

Seat = tuple[str, str]
"""Case id and build."""

Pair = tuple[Seat, Seat]
"""What is compared: baseline, and the other."""


@dataclass(slots=True)
class _State:
    """What is known of one group."""

    logs: dict[Pair, dict[int, float]]
    """For every ratio that has to be known, its log by block."""
    estimate: Callable[[Sequence[float], Sequence[float]], float]
    """The log of a ratio in one block, from the values of its two seats."""
    cap: int
    recorded: set[int] = field(default_factory=set)
    """Indices of its blocks, failed ones included."""
    width: float = math.inf
    """Half-width of the widest interval at the last look; inf where there is none yet."""
    settled: Settled | None = None

    @property
    def first_look(self) -> int:
        return min(LOOKS[0], self.cap)

    @property
    def looks(self) -> bool:
        """Whether this is a number of blocks at which it may stop."""
        return next_look(len(self.recorded) - 1, self.cap) == len(self.recorded)

    def take(self, record: BlockRecord) -> None:
        """Note what became of a block, and look where it is time to."""
        values = {(one.case, one.build): one.values for one in record.outcomes if isinstance(one, Sample)}
        for (a, b), logs in self.logs.items():
            if a in values and b in values:
                logs[record.index] = self.estimate(values[a], values[b])
        self.recorded.add(record.index)
        if self.looks:
            self.width = self.widest()

    def widest(self) -> float:
        """Half-width of the widest interval over all blocks so far; inf where one is not known yet.

        A ratio of which no block has both sides is left out: more blocks would not help it.
        """
        level = confidence_at_looks(CONFIDENCE)
        widths = [stats.effect(list(logs.values()), level).half_width for logs in self.logs.values() if logs]
        return max((math.inf if math.isnan(width) else width for width in widths), default=math.inf)


class Stopping:
    """Says of every planned block whether it is still wanted; fed with the journal, line by line.

    A plan without a target wants all of its blocks, and nothing of it ever settles.

    Up to its first look every group is measured.  From then on, where there is a budget, blocks go to the wider half
    of the groups that have not settled, so that it is spent where intervals are widest; without one, to all of them.
    """

    def __init__(self, plan: Plan) -> None:
        self._target = plan.target
        self._budget = math.inf if plan.budget_seconds is None else plan.budget_seconds
        self._group_of = {block.index: block.group for block in plan.blocks}
        self._seconds = 0.0
        planned: defaultdict[Group, list[Block]] = defaultdict(list)
        for block in plan.blocks:
            planned[block.group].append(block)
        cases = {case.id: case for case in plan.cases}
        self._states = {
            group: _State(
                logs={pair: {} for pair in _compared([cases[id_] for id_ in group], plan.builds)},
                estimate=_estimate(cases[group[0]]),
                cap=len(blocks),
            )
            for group, blocks in planned.items()
        }

    def feed(self, line: JournalLine) -> tuple[Settled, ...]:
        """Take note of a line; returns the groups that settle with it, in the order of the plan."""
        if isinstance(line, BlockRecord | Calibration):
            self._seconds += line.seconds
        if isinstance(line, BlockRecord):
            self._states[self._group_of[line.index]].take(line)
        if self._target is None:
            return ()
        settled = []
        for group, state in self._states.items():
            if state.settled is None and (reason := self._reason(state, self._target)):
                state.settled = _settled(group, state, reason)
                settled.append(state.settled)
        return tuple(settled)

    def wanted(self, block: Block) -> bool:
        """Whether it should be executed now.  What is not wanted now may be later, after other groups have settled."""
        state = self._states[block.group]
        if self._target is None or len(state.recorded) < state.first_look:
            return True
        return state.settled is None and (math.isinf(self._budget) or state.width >= self._middle_width())

    @property
    def left(self) -> int:
        """How many blocks may still come: what the groups can use, as far as the budget seems to reach."""
        recorded = sum(len(state.recorded) for state in self._states.values())
        owed = usable = 0
        for state in self._states.values():
            if state.settled is None:
                owed += max(0, state.first_look - len(state.recorded))
                usable += state.cap - len(state.recorded)
        if not recorded or math.isinf(self._budget):
            return usable
        affordable = max(0, math.ceil((self._budget - self._seconds) / (self._seconds / recorded)))
        return max(owed, min(usable, affordable))

    def _reason(self, state: _State, target: float) -> Stop | None:
        """Why a group should get no more blocks; None where it should."""
        if len(state.recorded) < state.first_look:
            return None
        if not any(state.logs.values()):
            return Stop.NOTHING
        if enough(state.width, target):
            return Stop.TARGET
        if len(state.recorded) == state.cap:
            return Stop.CAP
        return Stop.BUDGET if self._seconds >= self._budget else None

    def _middle_width(self) -> float:
        """The width that the wider half of the unsettled groups has at least."""
        widths = sorted(state.width for state in self._states.values() if state.settled is None)
        return widths[len(widths) // 2]


def _settled(group: Group, state: _State, reason: Stop) -> Settled:
    width = state.widest()  # the budget may end between two looks
    return Settled(
        cases=group,
        blocks=len(state.recorded),
        half_width=width if math.isfinite(width) else None,
        reason=reason,
    )


def _compared(cases: Sequence[Case], builds: Sequence[str]) -> tuple[Pair, ...]:
    """Of time every build with the first one; of capacity, or of a single build, more threads with the fewest."""
    baseline, *contenders = builds
    if contenders and cases[0].measure is Measure.TIME:
        return tuple(((case.id, baseline), (case.id, build)) for case in cases for build in contenders)
    fewest, *more = sorted(cases, key=lambda case: case.threads)
    return tuple(((fewest.id, build), (case.id, build)) for case in more for build in builds)


def _estimate(case: Case) -> Callable[[Sequence[float], Sequence[float]], float]:
    match case.measure:
        case Measure.TIME:
            return stats.block_effect
        case Measure.CAPACITY:
            return lambda alone, together: stats.block_capacity(alone, together, len(case.cpus))
        case _:
            assert_never(case.measure)
