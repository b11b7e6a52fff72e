"""What the sections of a page show, as plain data: sentences, charts and rows, before a page is made of it."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from markupsafe import Markup

from harness.model import Case, Split, Strategy
from harness.stats import Effect, Verdict
from reports import accounts, advice, charts, drift, laws, marks, parity, prose
from reports.evidence import Peak, Series
from reports.findings import MARGIN, Advice, Comparison, Findings, Speedup, Suite
from reports.words import sharing

MULTIPLES = 24
"""Most charts of workloads side by side.  Nobody looks at more, and each takes as long to draw as fifty rows."""
LINES = 100
"""Most cases in the chart of effects, and in that of raw values."""
VALUES = 400
"""Most values of one case that are drawn."""
_HEATS = (math.log(1 + MARGIN), math.log(1.25), math.log(1.6))
"""Where a ratio becomes warmer, in either direction."""

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


def plain(case: Case) -> bool:
    """Whether it is shared by threads with a share of the job each, or by nothing."""
    return case.by_threads and case.split is Split.SHARE


def _families(members: Iterable[tuple[Key, T]]) -> dict[Key, list[T]]:
    """Members by what they have in common, in the order in which they come."""
    found: defaultdict[Key, list[T]] = defaultdict(list)
    for key, member in members:
        found[key].append(member)
    return dict(found)


# -- suites ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Glance:
    """A table of suites: categories down, thread counts across."""

    build: str
    cpus: tuple[int, ...]
    threads: tuple[int, ...]
    rows: tuple[tuple[str | None, tuple[Suite | None, ...]], ...]


def glance(findings: Findings, every: Sequence[Suite]) -> Iterator[Glance]:
    """One for each CPU set and contender that has suites."""
    for cpus in findings.cpu_sets:
        for build in findings.contenders:
            suites = {(s.threads, s.category): s for s in every if (s.build, s.cpus) == (build, cpus)}
            threads = tuple(sorted({threads for threads, _ in suites}))
            categories = dict.fromkeys(category for _, category in suites if category is not None)
            rows = [(c, tuple(suites.get((t, c)) for t in threads)) for c in (*categories, None)]
            if suites:
                # With one category "all" would say the same again.
                yield Glance(build, cpus, threads, tuple(rows if len(categories) > 1 else rows[:-1]))


# -- advice ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counsel:
    """What to do about one build on one CPU set."""

    build: str
    baseline: str
    cpus: tuple[int, ...]
    sentence: str
    facts: tuple[tuple[str, str], ...]
    rows: tuple[Advice, ...]
    """The clearest first: where the build wins, where it loses, and the rest."""
    threads: int
    """The most that a job was shared over; 1 where none was."""
    memory: bool
    """Whether memory was measured of any."""


def counsels(findings: Findings) -> Iterator[Counsel]:
    """One for each contender and CPU set that there is a choice about."""
    for (build, cpus), members in _families(((one.build, one.case.cpus), one) for one in findings.advice).items():
        yield Counsel(
            build=build,
            baseline=members[0].baseline,
            cpus=cpus,
            sentence=advice.sentence(members),
            facts=tuple(advice.facts(findings, members)),
            rows=tuple(sorted(members, key=_clarity)),
            threads=max((one.gain.case.threads for one in members if one.gain), default=1),
            memory=any(one.memory for one in members),
        )


def _clarity(one: Advice) -> tuple[int, float]:
    order = (Verdict.FASTER, Verdict.SLOWER, Verdict.SAME, Verdict.UNDECIDED)
    rank = order.index(one.verdict) if one.verdict else len(order)
    return rank, -abs(one.judgement.effect.log) if one.judgement else 0.0


# -- effects -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forest:
    """The chart of effects, and what it leaves out."""

    chart: Markup
    sentence: str
    left_out: str


def telling(comparisons: Sequence[Comparison], most: int = LINES) -> tuple[Comparison, ...]:
    """Those that a reader would miss most, in the order of the plan: the surest differences, then the largest."""
    judged = [one for one in comparisons if one.judgement]
    chosen = {id(one) for one in sorted(judged, key=_surely, reverse=True)[:most]}
    return tuple(one for one in judged if id(one) in chosen)


def _surely(comparison: Comparison) -> tuple[float, float]:
    """How far the nearer end of its interval is from 1, and how far the effect is."""
    found = comparison.judgement
    if found is None or math.isnan(found.low):
        return 0.0, 0.0
    return max(math.log(found.low), -math.log(found.high), 0.0), abs(found.effect.log)


def forest(findings: Findings) -> Forest:
    """Empty where no case has a figure."""
    sentence = prose.effects_sentence(findings)
    drawn = telling(findings.comparisons)
    every = sum(one.judgement is not None for one in findings.comparisons)
    chart = Markup(charts.forest(drawn, findings.run.plan.builds, description=sentence))
    return Forest(chart, sentence, prose.left_out(len(drawn), every, "case", "the surest differences"))


@dataclass(frozen=True, slots=True)
class Cell:
    """A ratio on the heat map."""

    comparison: Comparison
    heat: str
    """"", or how warm it is: "slower-1" to "slower-3", "faster-1" to "faster-3"; only of decided differences."""


@dataclass(frozen=True, slots=True)
class Heat:
    """Workloads down, numbers of workers across: how long a build takes relative to the baseline."""

    build: str
    cpus: tuple[int, ...]
    threads: tuple[int, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]
    sentence: str


def heats(findings: Findings) -> Iterator[Heat]:
    """One for each contender and CPU set where jobs were shared over several numbers of workers."""
    judged = (((one.build, one.case.cpus), one) for one in findings.comparisons if one.judgement)
    for (build, cpus), members in _families(judged).items():
        threads = tuple(sorted({one.case.threads for one in members}))
        if len(threads) > 1:
            rows = _families((_heat_name(one.case), one) for one in members)
            yield Heat(
                build=build,
                cpus=cpus,
                threads=threads,
                rows=tuple((name, _cells(row, threads)) for name, row in rows.items()),
                sentence=prose.heat_sentence(members, build),
            )


def _heat_name(case: Case) -> str:
    """A workload, and what shares it where that is no thread; alone it is nobody's."""
    return case.workload if plain(case) else f"{case.workload}, {sharing(case).partition(' ')[2]}"


def _cells(row: Iterable[Comparison], threads: Iterable[int]) -> tuple[Cell | None, ...]:
    by_threads = {one.case.threads: Cell(one, _warmth(one)) for one in row}
    return tuple(by_threads.get(number) for number in threads)


def _warmth(comparison: Comparison) -> str:
    if not comparison.is_different or comparison.judgement is None:
        return ""
    return f"{comparison.verdict}-{1 + sum(abs(comparison.judgement.effect.log) >= heat for heat in _HEATS[1:])}"


# -- threads -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scaling:
    """Threads on one workload and CPU set."""

    workload: str
    strategy: Strategy | None
    cpus: tuple[int, ...]
    chart: Markup
    sentence: str
    curved: bool
    """Whether the chart has the curve of a law."""


@dataclass(frozen=True, slots=True)
class Multiples:
    """Charts of threads side by side, and what they leave out."""

    charts: tuple[Scaling, ...]
    left_out: str

    @property
    def curved(self) -> bool:
        return any(one.curved for one in self.charts)


_Family = tuple[str, tuple[int, ...], Strategy | None]


def multiples(findings: Findings, speedups: Iterable[Speedup], key: str) -> Multiples:
    """The workloads in which builds gain most differently, in the order of the plan."""
    families = _families((_family(one), one) for one in speedups)
    chosen = set(sorted(families, key=lambda family: _apart(families[family]), reverse=True)[:MULTIPLES])
    drawn = {family: members for family, members in families.items() if family in chosen}
    answers = [one.answer for members in drawn.values() for one in members if one.answer]
    top = max((max(answer.ratio, answer.high) for answer in answers), default=1.0)
    return Multiples(
        tuple(
            _scaling(findings, members, top, f"{key}-{number}")
            for number, members in enumerate(drawn.values(), start=1)
        ),
        prose.left_out(len(drawn), len(families), "workload", "those in which builds gain most differently"),
    )


def _family(speedup: Speedup) -> _Family:
    return speedup.case.workload, speedup.case.cpus, speedup.case.strategy


def _apart(members: Sequence[Speedup]) -> float:
    """How far the gains of builds lie apart, in logs."""
    logs = [one.answer.log for one in members if one.answer]
    return max(logs) - min(logs) if logs else -1.0


def _scaling(findings: Findings, members: Sequence[Speedup], top: float, key: str) -> Scaling:
    first = members[0].case
    found = [one for one in findings.laws if _is_of(one.case, first)]
    curves = {one.build: curve for one in found if (curve := laws.curve(one))}
    sentence = prose.speedup_sentence(members)
    chart = charts.speedup(members, findings.run.plan.builds, top=top, key=key, description=sentence, curves=curves)
    return Scaling(first.workload, first.strategy, first.cpus, Markup(chart), sentence, bool(curves))


def _is_of(one: Case, other: Case) -> bool:
    """Whether both are the same work, shared in the same way."""
    return (one.workload, one.cpus, one.strategy, one.measure) == (
        other.workload,
        other.cpus,
        other.strategy,
        other.measure,
    )


# -- memory ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Memory:
    """One build against the baseline in one case: the peaks of processes, and beside them those of containers."""

    comparison: Comparison
    process: tuple[Peak | None, Peak | None]
    """Of the baseline and of the build."""
    container: Comparison | None


def memories(findings: Findings) -> Iterator[Memory]:
    """One for each comparison of memory."""
    peaks = {(peak.case.id, peak.build): peak for peak in findings.peaks}
    containers = {(one.case.id, one.build): one for one in findings.container_memories}
    for one in findings.memories:
        both = peaks.get((one.case.id, one.baseline)), peaks.get((one.case.id, one.build))
        yield Memory(one, both, containers.get((one.case.id, one.build)))


# -- samples -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Strip:
    """The blocks of one comparison."""

    comparison: Comparison
    dots: Markup
    values: Markup
    """Every value of both builds; empty where they are not drawn."""
    lowest: float
    median: float
    highest: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Strips:
    """The blocks of every comparison as dots on one scale."""

    sentence: str
    rows: tuple[Strip, ...]
    left_out: str


def strips(findings: Findings) -> Strips:
    """Blocks of every comparison that has a figure."""
    judged = [(one, one.judgement.effect) for one in findings.comparisons if one.judgement]
    reach = max((abs(log - effect.log) for _, effect in judged for log in effect.logs), default=0.0)
    last = max((block for comparison, _ in judged for block in comparison.blocks), default=0)
    series = {(one.case.id, one.build): one for one in findings.series}
    drawn = telling(findings.comparisons)
    with_values = {id(one) for one in drawn}
    sentence = prose.blocks_sentence([effect for _, effect in judged], reach)
    rows = tuple(_strip(one, effect, last, reach, series if id(one) in with_values else {}) for one, effect in judged)
    return Strips(sentence, rows, prose.left_out(len(drawn), len(judged), "case", "the surest differences"))


def _strip(
    comparison: Comparison, effect: Effect, last: int, reach: float, series: Mapping[tuple[str, str], Series]
) -> Strip:
    both = [series.get((comparison.case.id, build)) for build in (comparison.baseline, comparison.build)]
    blocks = [dict(zip(one.blocks, one.samples, strict=True)) for one in both if one]
    return Strip(
        comparison=comparison,
        dots=Markup(marks.sparkline(effect.logs, comparison.blocks, centre=effect.log, last=last, reach=reach)),
        values=Markup(marks.values(blocks, most=VALUES)) if len(blocks) == 2 else Markup(),
        lowest=math.exp(min(effect.logs)),
        median=math.exp(statistics.median(effect.logs)),
        highest=math.exp(max(effect.logs)),
        deviation=effect.sd,
    )


@dataclass(frozen=True, slots=True)
class Drift:
    """How the machine changed in the course of the run."""

    sentence: str
    chart: Markup


def drifts(findings: Findings) -> Drift:
    """Empty with less than two blocks."""
    course = drift.moments(findings)
    sentence = drift.sentence(findings, course)
    if not sentence:
        return Drift("", Markup())
    return Drift(sentence, Markup(charts.drift(course, findings.baseline, description=sentence)))


@dataclass(frozen=True, slots=True)
class Medians:
    """A series with its medians as text."""

    series: Series
    unit: str
    figures: str


def medians(findings: Findings) -> Iterator[Medians]:
    """One for each series."""
    for series in findings.series:
        yield Medians(series, *_scaled(series.medians))


def _scaled(values: tuple[float, ...]) -> tuple[str, str]:
    """The unit that suits a row of durations, and the row in it."""
    scale, unit = next(
        (s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")) if max(values) >= s or u == "ns"
    )
    return unit, "  ".join(f"{value / scale:.4g}" for value in values)


def noise(findings: Findings) -> Markup:
    """The chart of noise."""
    return Markup(charts.noise(findings.ledger.blocks, description=accounts.noise_sentence(findings)))


# -- cases and builds --------------------------------------------------------------------------------------------------


def groups(findings: Findings) -> dict[str, list[Comparison]]:
    """Comparisons by workload."""
    return _families((one.case.workload, one) for one in findings.comparisons)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the builds side by side."""

    name: str
    values: tuple[str, ...]
    differs: bool
    confounds: bool


def facts(findings: Findings) -> Iterator[Fact]:
    """Builds side by side."""
    by_name = {one.build.name: one for one in findings.run.builds}
    builds = [by_name[name] for name in findings.run.plan.builds if name in by_name]
    confounding = {difference.what for pair in findings.parity for difference in pair.differences}
    for name, values in parity.side_by_side(builds):
        shown = tuple(value or "none" for value in values)
        yield Fact(name, shown, len(set(shown)) > 1, name in confounding)
