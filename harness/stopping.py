"""When a group of blocks has told enough: at preset looks, by the width of its intervals, and within a budget.

Where a plan has questions, published numbers that are to be decided, groups stop by where these intervals lie instead:
as soon as every question that a group is asked is decided.

Pure: everything follows from the plan and the journal, so that a resumed run stops where the whole one would have.
The p-value has no say.  Time is what the journal has recorded of blocks and calibrations.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness import planning, questions, stats
from harness.gauge import LEAST_BLOCKS, Best
from harness.journal import Attempts, BlockRecord, Calibration, Depth, JournalLine, Sample, Settled, Stop
from harness.model import Block, Case, Group, Measure, Plan, Question, Seat
from harness.planning import enough, next_look
from harness.ratios import Ratio, ratios
from harness.stats import Effect, Series


@dataclass(slots=True)
class _State:
    """What is known of one group."""

    group: Group
    targets: tuple[Ratio, ...]
    """Ratios that have to be known as precisely as was asked."""
    extras: tuple[Ratio, ...]
    """Speedups beside them, which only have to have an interval: they rest on undisturbed turns."""
    windows: int
    """Values of one round: of capacity as many as CPUs, else one."""
    cap: int
    first_look: int
    best: Best
    level: float
    """Confidence of its intervals."""
    samples: dict[int, dict[Seat, Sample]] = field(default_factory=dict)
    """Of the valid blocks, by index."""
    seconds: list[float] = field(default_factory=list)
    """How long these took."""
    done: set[int] = field(default_factory=set)
    """Indices of the blocks that are not measured again."""
    attempts: Attempts = field(default_factory=Attempts)
    width: float = math.inf
    """Half-width of the widest target at the last look; inf where there is none yet."""
    decided: bool = False
    """Whether all extras had an interval at the last look."""
    depth: Depth | None = None
    settled: Settled | None = None

    @property
    def looks(self) -> bool:
        """Whether this is a number of blocks at which it may stop."""
        return next_look(len(self.done) - 1, self.cap, self.first_look) == len(self.done)

    def take(self, record: BlockRecord) -> None:
        """Note what became of a block, and look where it is time to."""
        if not self.attempts.ended(record):
            return
        if not record.invalid:
            found = {(one.case, one.build): one for one in record.outcomes if isinstance(one, Sample)}
            self.samples[record.index] = found
            self.seconds.append(record.seconds)
            for sample in found.values():
                self.best.note(sample)
        self.done.add(record.index)
        if self.looks:
            self.width = self.widest()
            self.decided = not any(math.isinf(width) for width in self._widths(self.extras))

    def widest(self) -> float:
        """Half-width of the widest target over all blocks so far; inf where one is not known yet."""
        return max(self._widths(self.targets), default=math.inf)

    def comparable(self) -> bool:
        """Whether any block has both sides of a target."""
        return any(map(self._measured, self.targets))

    def seconds_to(self, target: float) -> float:
        """What a target is expected to take from here; inf where it is out of reach, or nobody can tell."""
        if math.isinf(self.width):
            return math.inf
        return self.seconds_until(planning.blocks_to_reach(target, self.width, len(self.samples), self.level))

    def seconds_until(self, blocks: int) -> float:
        """What so many blocks in all are expected to take from here; inf where there are not as many."""
        if blocks > self.cap or not self.seconds:
            return math.inf
        return max(0, blocks - len(self.done)) * math.fsum(self.seconds) / len(self.seconds)

    def of(self, seat: Seat) -> dict[int, Sample]:
        """Samples of a seat, by block."""
        return {index: found[seat] for index, found in self.samples.items() if seat in found}

    def deepen(self) -> Depth | None:
        """Values per worker from what the blocks so far showed; None where they show too little."""
        found = [
            planning.variances(processes)
            for ratio in self.targets
            if len(processes := [[*pairs] for pairs in self._pairs(ratio) if len(pairs) > 1]) > 1
        ]
        if not found:
            return None
        turns = self._turns_seconds()
        round_seconds = turns / self._rounds()
        block_seconds = max(0.0, (math.fsum(self.seconds) - turns) / len(self.samples))
        most = planning.most_values(block_seconds, round_seconds)

        def wished(one: planning.Variances) -> int:
            return planning.values_per_worker(one, block_seconds, round_seconds, most)

        widest = max(found, key=wished)
        rounds = wished(widest)
        return Depth(
            cases=self.group,
            values=self.windows * rounds if self.windows > 1 else planning.even(rounds),
            within=widest.within,
            between=widest.between,
            block_seconds=block_seconds,
            value_seconds=round_seconds / self.windows,
        )

    def _turns_seconds(self) -> float:
        """All turns that were values, summed."""
        return math.fsum(
            turn.returned - turn.granted
            for found in self.samples.values()
            for sample in found.values()
            for turn in sample.turns[-len(sample.values) :]
        )

    def _rounds(self) -> float:
        """Rounds of all blocks."""
        return sum(max(len(one.values) for one in found.values()) for found in self.samples.values()) / self.windows

    def _widths(self, wanted: tuple[Ratio, ...]) -> list[float]:
        """Half-widths, inf where there is no interval yet.

        A ratio of which no block has both sides is left out: more blocks would not help it.
        """
        widths = []
        for ratio in wanted:
            if self._measured(ratio):
                logs = [stats.block_estimate(pairs) for pairs in self._pairs(ratio) if len(pairs)]
                width = stats.half_width(logs, self.level) if logs else math.nan
                enough_blocks = not ratio.is_gauged or len(logs) >= min(LEAST_BLOCKS, len(self.samples))
                widths.append(width if enough_blocks and not math.isnan(width) else math.inf)
        return widths

    def _measured(self, ratio: Ratio) -> bool:
        """Whether any block has both sides."""
        return any(ratio.under in found and ratio.over in found for found in self.samples.values())

    def _pairs(self, ratio: Ratio) -> list[Series]:
        return [ratio.pairs(found, self.best) for found in self.samples.values()]


@dataclass(slots=True)
class _Asked:
    """What is known of one question."""

    question: Question
    cases: Mapping[str, Case]
    states: tuple[_State, ...]
    """Of the groups that it is asked."""
    level: float
    looked: int = 0
    """Blocks of each group at the last look."""
    effect: Effect | None = None
    """Of all blocks at the last look."""

    @property
    def decided(self) -> bool:
        low, high = self.question.low, self.question.high
        return self.effect is not None and questions.contains(self.effect, low, high) is not None

    def look(self) -> None:
        """Where all groups that are still measured have got as many blocks as at a look, take it."""
        blocks = min((len(state.done) for state in self.states if state.settled is None), default=self.looked)
        first = self.states[0]
        if blocks != self.looked and next_look(blocks - 1, first.cap, first.first_look) == blocks:
            self.looked = blocks
            samples = {seat: state.of(seat) for state in self.states for seat in self._seats(state)}
            self.effect = questions.effect(self.question, self.cases, samples, first.best, self.level)

    def comparable(self, state: _State) -> bool:
        """Whether any block of a group has both sides of it."""
        pairs = zip(self.question.slow, self.question.fast, strict=True)
        return any(slow in found and fast in found for slow, fast in pairs for found in state.samples.values())

    def seconds(self) -> float:
        """What deciding it is expected to take from here, all groups together; inf where nobody can tell."""
        if self.effect is None or not self.effect.half_width > 0:
            return math.inf
        centre, ends = self.effect.log, (self.question.low, self.question.high)
        needed = math.expm1(min(abs(centre - math.log(end)) for end in ends))
        if not needed > 0:
            return math.inf
        blocks = planning.blocks_to_reach(needed, self.effect.half_width, self.effect.n, self.level)
        return math.fsum(state.seconds_until(blocks) for state in self.states)

    def _seats(self, state: _State) -> list[Seat]:
        return [seat for seat in (*self.question.slow, *self.question.fast) if seat[0] in state.group]


class Stopping:
    """Says of every planned block whether it is still wanted; fed with the journal, line by line.

    A plan without a target wants all of its blocks as they are planned, and nothing of it ever settles.

    Up to its first look every group is measured.  Then it settles on how many values a worker measures from there on.
    From then on, where there is a budget, blocks go to groups whose target it can still pay for, of these to the wider
    half: it is spent where intervals are widest.  What is left of it then goes to the others.  Where there are
    questions it goes to those that it can still pay for.
    """

    def __init__(self, plan: Plan) -> None:
        self._target = plan.target
        self._budget = math.inf if plan.budget_seconds is None else plan.budget_seconds
        self._group_of = {block.index: block.group for block in plan.blocks}
        self._seconds = 0.0
        self._favoured: frozenset[Group] | None = None
        best = Best()
        planned: defaultdict[Group, list[Block]] = defaultdict(list)
        for block in plan.blocks:
            planned[block.group].append(block)
        cases = {case.id: case for case in plan.cases}
        level = planning.level(plan)
        self._states: dict[Group, _State] = {}
        for group, blocks in planned.items():
            found = tuple(ratios([cases[id_] for id_ in group], plan.builds))
            measure = blocks[0].measure
            of_builds = tuple(ratio for ratio in found if not ratio.is_speedup)
            self._states[group] = _State(
                group=group,
                targets=of_builds or found,
                extras=tuple(ratio for ratio in found if ratio.is_speedup) if of_builds else (),
                windows=len(blocks[0].cpus) if measure is Measure.CAPACITY else 1,
                cap=len(blocks),
                first_look=min(planning.first_look(measure), len(blocks)),
                best=best,
                level=level,
            )
        self._asked: dict[Group, list[_Asked]] = {group: [] for group in self._states}
        for question in plan.questions:
            ids = {id_ for id_, _ in (*question.slow, *question.fast)}
            states = tuple(state for group, state in self._states.items() if not ids.isdisjoint(group))
            asked = _Asked(question=question, cases=cases, states=states, level=level)
            for state in states:
                self._asked[state.group].append(asked)

    def feed(self, line: JournalLine) -> tuple[Depth | Settled, ...]:
        """Take note of a line; returns what is decided with it, group by group in the order of the plan."""
        self._favoured = None
        if isinstance(line, BlockRecord | Calibration):
            self._seconds += line.seconds
        if isinstance(line, BlockRecord):
            group = self._group_of[line.index]
            self._states[group].take(line)
            for asked in self._asked[group]:
                asked.look()
        return () if self._target is None else tuple(self._decide(self._target))

    def _decide(self, target: float) -> list[Depth | Settled]:
        decided: list[Depth | Settled] = []
        for group, state in self._states.items():
            if state.settled is not None or len(state.done) < state.first_look:
                continue
            if reason := self._reason(state, target):
                state.settled = _settled(group, state, reason)
                decided.append(state.settled)
            elif state.depth is None and (depth := state.deepen()):
                state.depth = depth
                decided.append(depth)
        return decided

    def wanted(self, block: Block) -> bool:
        """Whether it should be executed now.  What is not wanted now may be later, after other groups have settled."""
        state = self._states[block.group]
        if self._target is None or len(state.done) < state.first_look:
            return True
        return state.settled is None and (math.isinf(self._budget) or block.group in self._favourites(self._target))

    def values(self, block: Block) -> int:
        """How many values each worker of a block should measure."""
        state = self._states[block.group]
        return state.depth.values if state.depth and len(state.done) >= state.first_look else block.values

    @property
    def left(self) -> int:
        """How many blocks may still come: what the groups can use, as far as the budget seems to reach."""
        done = sum(len(state.done) for state in self._states.values())
        owed = usable = 0
        for state in self._states.values():
            if state.settled is None:
                owed += max(0, state.first_look - len(state.done))
                usable += state.cap - len(state.done)
        if not done or math.isinf(self._budget):
            return usable
        affordable = max(0, math.ceil((self._budget - self._seconds) / (self._seconds / done)))
        return max(owed, min(usable, affordable))

    def _reason(self, state: _State, target: float) -> Stop | None:
        """Why a group should get no more blocks; None where it should."""
        asked = self._asked[state.group]
        if not (any(one.comparable(state) for one in asked) if asked else state.comparable()):
            return Stop.NOTHING
        if asked and all(one.decided for one in asked):
            return Stop.DECIDED
        if not asked and enough(state.width, target) and state.decided:
            return Stop.TARGET
        if len(state.done) == state.cap:
            return Stop.CAP
        return Stop.BUDGET if self._seconds >= self._budget else None

    def _favourites(self, target: float) -> frozenset[Group]:
        """Groups that get the next blocks."""
        if self._favoured is None:
            open_ = [state for state in self._states.values() if state.settled is None]
            left = self._budget - self._seconds
            payable = [state for state in open_ if self._is_asked_and_payable(state, left)]
            reachable = [s for s in open_ if not enough(s.width, target) and s.seconds_to(target) <= left] or open_
            middle = sorted(state.width for state in reachable)[len(reachable) // 2] if reachable else 0.0
            wider = [state for state in reachable if state.width >= middle]
            self._favoured = frozenset(state.group for state in payable or wider)
        return self._favoured

    def _is_asked_and_payable(self, state: _State, left: float) -> bool:
        """Whether a question that is asked of a group may still be decided in the time that is left."""
        return any(not one.decided and one.seconds() <= left for one in self._asked[state.group])


def _settled(group: Group, state: _State, reason: Stop) -> Settled:
    width = state.width if state.looks else state.widest()  # the budget may end between two looks
    return Settled(
        cases=group,
        blocks=len(state.done),
        half_width=width if math.isfinite(width) else None,
        reason=reason,
    )
