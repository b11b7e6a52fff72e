"""A fleet's run as columns: what hosts of one class say together, and the classes beside one another.

A column has one hardware class, the same images and CPU sets of one size.  Its hosts are pooled by their ratios
(`harness.pooling`); columns are not, and nobody's seconds ever are.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.fleet import FleetRun, HardwareClass
from harness.model import Measure, Run, Strategy
from harness.pooling import Pooled, pooled
from harness.stats import Effect, Judgement, Verdict, judge, unpaired_mean
from reports.findings import MARGIN, Comparison, Findings, Speedup, Suite, case_name
from reports.words import count, listed, sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A share in a column."""

    share: str
    host: str
    findings: Findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Shares whose ratios may be pooled."""

    title: str
    """The name of its class, and what it takes besides to tell it from the other columns."""
    hardware: HardwareClass
    cpus: int
    """Of each CPU set."""
    members: tuple[Member, ...]
    """One at least, in the order of the fleet's run."""

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(member.host for member in self.members))

    @property
    def first(self) -> Findings:
        """Of any of its shares: their builds are the same."""
        return self.members[0].findings

    @property
    def level(self) -> float:
        """The strictest of its shares', so that intervals hold at `CONFIDENCE`."""
        return max(member.findings.level for member in self.members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One build against the baseline in one case, as a column has it."""

    judgement: Judgement
    """Of one share its own; of several hosts that of their pooled effect, whose blocks are hosts."""
    measure: Measure
    hosts: tuple[str, ...]
    """That it rests on."""
    between: float | None
    """Standard deviation between hosts, relative; None of one host."""
    confounders: tuple[str, ...]
    is_below_floor: bool

    @property
    def is_different(self) -> bool:
        return self.judgement.verdict.is_different


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A case in all columns."""

    case: str
    build: str
    cells: tuple[Cell | None, ...]

    @property
    def verdicts(self) -> frozenset[Verdict]:
        """Those that are decided."""
        found = {cell.judgement.verdict for cell in self.cells if cell}
        return frozenset(found - {Verdict.UNDECIDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """One build against the baseline over all workloads of a column, on the fewest threads."""

    suite: Suite
    hosts: tuple[str, ...]
    between: float | None
    """As of a cell."""


# -- columns -----------------------------------------------------------------------------------------------------------


def columns(fleet: FleetRun, shares: Mapping[str, Findings]) -> tuple[Column, ...]:
    """In the order of the fleet's shares, then of their CPU sets; shares without findings are left out."""
    found: defaultdict[tuple[HardwareClass, object, int], list[Member]] = defaultdict(list)
    for share in fleet.shares:
        if share.name in shares:
            findings = shares[share.name]
            member = Member(share=share.name, host=share.host, findings=findings)
            for cpus in dict.fromkeys(len(one) for one in findings.cpu_sets):
                found[share.hardware, images(findings.run), cpus].append(member)
    bare = [
        Column(title=hardware.name, hardware=hardware, cpus=cpus, members=tuple(members))
        for (hardware, _, cpus), members in found.items()
    ]
    return tuple(replace(column, title=title) for column, title in zip(bare, _titles(bare), strict=True))


def images(run: Run) -> tuple[tuple[str, str, str], ...]:
    """What was executed, by build: pooled is only what has the same.  Without an image it is the version."""
    return tuple(sorted((fact.build.name, fact.image or fact.version, fact.machine) for fact in run.builds))


def _titles(found: Sequence[Column]) -> list[str]:
    """The shortest ones of which no two are alike."""
    spellings: tuple[Callable[[Column], str], ...] = (
        lambda one: one.hardware.name,
        lambda one: f"{one.hardware.name}, {count(one.cpus, 'CPU')}",
        lambda one: f"{one.hardware.name} ({listed(one.hosts)})",
        lambda one: f"{one.hardware.name}, {count(one.cpus, 'CPU')} ({listed([one.share for one in one.members])})",
    )
    every = [[spell(one) for one in found] for spell in spellings]
    return next((titles for titles in every if len({*titles}) == len(titles)), every[-1])


# -- hosts together ----------------------------------------------------------------------------------------------------


def together(found: Iterable[tuple[str, Effect]], confidence: float) -> Pooled | None:
    """A random-effects summary of hosts' effects; None of fewer than two hosts with two blocks each.

    Several effects of one host, from its slots, are one: they are not independent of their host.
    """
    effects = [one for _, one in _by_host(found, confidence)]
    if len(effects) < 2:
        return None
    return pooled([one.log for one in effects], [one.sd**2 / one.n for one in effects], confidence)


def knows_its_noise(effect: Effect) -> bool:
    """Whether it knows how noisy it is, without which it has no weight."""
    return effect.n > 1 and effect.sd > 0


def _by_host(found: Iterable[tuple[str, Effect]], confidence: float) -> list[tuple[str, Effect]]:
    by_host: defaultdict[str, list[Effect]] = defaultdict(list)
    for host, effect in found:
        if knows_its_noise(effect):
            by_host[host].append(effect)
    return [(host, unpaired_mean(effects, confidence)) for host, effects in by_host.items()]


def _effect(found: Sequence[tuple[str, Effect]], confidence: float) -> tuple[Effect, tuple[str, ...], float | None]:
    """One effect of them all, the hosts that it rests on, and what is between these."""
    known = _by_host(found, confidence)
    if (of_all := together(found, confidence)) is None:
        host, effect = known[0] if known else max(found, key=lambda one: one[1].n)
        return effect, (host,), None
    effect = Effect(
        ratio=math.exp(of_all.mean),
        low=math.exp(of_all.low),
        high=math.exp(of_all.high),
        n=of_all.n,
        sd=of_all.error * math.sqrt(of_all.n),
        p=of_all.p,
    )
    return effect, tuple(host for host, _ in known), math.expm1(of_all.tau)


# -- cases -------------------------------------------------------------------------------------------------------------


def rows(every: Sequence[Column], measure: Measure) -> tuple[Row, ...]:
    """Every case that a column has a figure of, in the order of the plans."""
    cells = [_cells(column, measure) for column in every]
    keys = dict.fromkeys(key for one in cells for key in one)
    return tuple(
        Row(case=case, build=build, cells=tuple(one.get((case, build)) for one in cells)) for case, build in keys
    )


_Key = tuple[str, str]
"""A case without its CPUs, and the build."""


def _cells(column: Column, measure: Measure) -> dict[_Key, Cell]:
    found: defaultdict[_Key, list[tuple[str, Comparison]]] = defaultdict(list)
    for member in column.members:
        every = member.findings.memories if measure is Measure.MEMORY else member.findings.comparisons
        for one in every:
            if one.judgement and len(one.case.cpus) == column.cpus:
                found[case_name(one.case, with_cpus=False), one.build].append((member.host, one))
    shared = {key: members for key, members in found.items() if len(members) > 1}
    cells = {key: _own(*members[0]) for key, members in found.items() if key not in shared}
    cells |= _pooled(shared, column.level, measure)
    return {key: cells[key] for key in found}


def _own(host: str, one: Comparison) -> Cell:
    assert one.judgement is not None
    return Cell(
        judgement=one.judgement,
        measure=one.case.measure,
        hosts=(host,),
        between=None,
        confounders=one.confounders,
        is_below_floor=one.is_below_floor,
    )


def _pooled(
    found: Mapping[_Key, Sequence[tuple[str, Comparison]]], confidence: float, measure: Measure
) -> dict[_Key, Cell]:
    """Cells of several shares, judged together."""
    effects = {key: _effect([*_effects(members)], confidence) for key, members in found.items()}
    floors = [max(one.noise_floor for _, one in members) for members in found.values()]
    judged = judge(
        [effect for effect, _, _ in effects.values()], margin=MARGIN, noise_floors=floors, confidence=confidence
    )
    return {
        key: Cell(
            judgement=judgement,
            measure=measure,
            hosts=hosts,
            between=between,
            confounders=tuple(dict.fromkeys(what for _, one in found[key] for what in one.confounders)),
            is_below_floor=not judgement.verdict.is_different and (judgement.low > 1 or judgement.high < 1),
        )
        for (key, (_, hosts, between)), judgement in zip(effects.items(), judged, strict=True)
    }


def _effects(found: Iterable[tuple[str, Comparison | Suite]]) -> Iterator[tuple[str, Effect]]:
    for host, one in found:
        if one.judgement:
            yield host, one.judgement.effect


# -- all workloads -----------------------------------------------------------------------------------------------------


def overall(column: Column, build: str) -> Overall | None:
    """Of the fewest threads; None where no share has it.

    Hosts that measured the same cases are pooled by their geometric means; where they divided the cases, it is the mean
    over those of all.
    """
    found = [
        (member.host, suite)
        for member in column.members
        for suite in member.findings.suites
        if (suite.build, suite.category, len(suite.cpus)) == (build, None, column.cpus)
    ]
    fewest = min((suite.threads for _, suite in found), default=0)
    found = [(host, suite) for host, suite in found if suite.threads == fewest]
    if not found:
        return None
    host, suite = found[0]
    if len(found) == 1:
        return Overall(suite=suite, hosts=(host,), between=None)
    cases = {case_name(one.case, with_cpus=False): one for _, suite in found for one in suite.cases}
    if all({case_name(one.case, with_cpus=False) for one in other.cases} == {*cases} for _, other in found):
        effect, hosts, between = _effect([*_effects(found)], column.level)
    else:
        cells = _cells(column, suite.measure)
        effects = [cells[name, build].judgement.effect for name in cases if (name, build) in cells]
        effect, hosts, between = unpaired_mean(effects, column.level), column.hosts, None
    (judgement,) = judge([effect], margin=MARGIN, confidence=column.level)
    # What hosts could detect is no number of blocks.
    whole = replace(suite, judgement=replace(judgement, mde=math.nan), cases=tuple(cases.values()))
    return Overall(suite=whole, hosts=hosts, between=between)


# -- threads -----------------------------------------------------------------------------------------------------------


def gains(column: Column, measure: Measure) -> tuple[Speedup, ...]:
    """What threads bring, of time to completion or of capacity; of several hosts pooled, as far as they know it."""
    found: defaultdict[tuple[str, str], list[tuple[str, Speedup]]] = defaultdict(list)
    for member in column.members:
        every = member.findings.capacities if measure is Measure.CAPACITY else member.findings.speedups
        for one in every:
            case = one.case
            if len(case.cpus) == column.cpus and case.strategy is Strategy.THREADS:
                found[f"{case_name(case, with_cpus=False)}, {sharing(one.base)}", one.build].append((member.host, one))
    return tuple(_gain(members, column.level) for members in found.values())


def _gain(found: Sequence[tuple[str, Speedup]], confidence: float) -> Speedup:
    if not (answers := [(host, one.answer) for host, one in found if one.answer]):
        return max((one for _, one in found), key=lambda one: one.undisturbed)
    first = next(one for _, one in found if one.answer)
    if len(answers) == 1:
        return first
    effect, _, _ = _effect(answers, confidence)
    return replace(
        first,
        effect=effect,
        blocks=(),
        planned=sum(one.planned for _, one in found),
        turns=sum(one.turns for _, one in found),
        undisturbed=sum(one.undisturbed for _, one in found),
    )
