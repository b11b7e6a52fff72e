"""What a fleet's run says, in words: what differs between its classes, their verdicts, and who measured what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.fleet import Answered, Assigned, AttemptLine, FleetRun, Lost, Spread
from harness.model import BuildFacts
from harness.stats import Verdict
from reports import parity, prose, verdict
from reports.classes import Column, Overall, Row, overall
from reports.findings import MARGIN, Findings
from reports.verdict import Statement
from reports.words import change_of, count, listed, share

_SPELLED_OUT = 4
"""Columns that a headline names one by one."""

_SPREADS = {
    Spread.CLASS: "one host of each class measured everything",
    Spread.SHARD: "the hosts of a class divided the cases",
    Spread.ALL: "every host measured everything",
}


# -- what differs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the columns side by side."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len({*self.values}) > 1


def facts(columns: Sequence[Column]) -> Iterator[Fact]:
    """Columns side by side: hosts, hardware, and what each build was."""
    yield Fact("hosts", tuple(listed(one.hosts) for one in columns))
    yield Fact("CPUs of a case", tuple(str(one.cpus) for one in columns))
    for name, told in _hardware(columns):
        yield Fact(name, told)
    hosts = [one.first.run.host for one in columns]
    yield Fact("system", tuple(host.distribution for host in hosts))
    engines = [one.first.run.engine for one in columns]
    yield Fact("engine", tuple(f"{engine.kind} {engine.version}" for engine in engines))
    for build in columns[0].first.run.plan.builds:
        same = [_facts(one.first, build) for one in columns]
        yield Fact(f"{build}: release", tuple(one.release if one else "unknown" for one in same))
        yield Fact(f"{build}: compiler", tuple(one.compiler if one else "unknown" for one in same))
        yield Fact(f"{build}: image", tuple(_image(one) for one in same))


def _hardware(columns: Sequence[Column]) -> Iterator[tuple[str, tuple[str, ...]]]:
    classes = [one.hardware for one in columns]
    yield "architecture", tuple(one.machine for one in classes)
    yield "processor", tuple(one.cpu_model for one in classes)
    yield "sockets", tuple(str(one.sockets) for one in classes)
    yield "cores", tuple(str(one.cores) for one in classes)
    yield "CPUs", tuple(str(one.cpus) for one in classes)
    yield "SMT", tuple("yes" if one.smt else "no" for one in classes)
    yield "memory", tuple(f"{one.memory} GiB" for one in classes)
    yield "kernel", tuple(one.kernel for one in classes)


def _facts(findings: Findings, build: str) -> BuildFacts | None:
    return next((fact for fact in findings.run.builds if fact.build.name == build), None)


def _image(fact: BuildFacts | None) -> str:
    if fact is None:
        return "unknown"
    return fact.image.removeprefix("sha256:")[:12] if fact.image else "none, the host’s own"


def differences(columns: Sequence[Column]) -> tuple[str, ...]:
    """What a reader of columns side by side has to know first; empty of one column."""
    return tuple(_differences(columns)) if len(columns) > 1 else ()


def _differences(columns: Sequence[Column]) -> Iterator[str]:
    machines = _groups(columns, [one.hardware.machine for one in columns])
    if len(machines) > 1:
        where = listed([f"{name} ({listed(titles)})" for name, titles in machines.items()])
        yield f"Architectures differ: {where}. Builds were compiled for each, so nothing of one is pooled with another."
    yield from _images_differ(columns)
    if hardware := [name for name, told in _hardware(columns) if name != "architecture" and len({*told}) > 1]:
        yield (
            f"Classes differ in {listed(hardware)}. What is compared between them are ratios, which every host "
            "measured itself; seconds of two machines are nowhere put together."
        )
    sizes = _groups(columns, [count(one.cpus, "CPU") for one in columns])
    if len(sizes) > 1:
        where = listed([f"{size} on {listed(titles)}" for size, titles in sizes.items()])
        yield f"CPU sets differ in size: {where}."


def _images_differ(columns: Sequence[Column]) -> Iterator[str]:
    """Builds that are not the same everywhere, those that differ in the same way in one sentence."""
    alike: defaultdict[tuple[tuple[str, ...], ...], list[str]] = defaultdict(list)
    besides: dict[str, None] = {}
    for build in columns[0].first.run.plan.builds:
        known = [_facts(one.first, build) for one in columns]
        same = _groups(columns, [(one.image or one.version) if one else "unknown" for one in known])
        if len(same) > 1:
            alike[tuple(map(tuple, same.values()))].append(build)
            for name, values in parity.side_by_side([one for one in known if one]):
                if name in _TELLING and len({*values}) > 1:
                    besides[name] = None
    for groups, builds in alike.items():
        where = listed([f"{'another' if number else 'one'} on {listed(one)}" for number, one in enumerate(groups)])
        what = f" They differ in {listed([*besides])}." if besides else ""
        yield f"Images of {listed(builds)} are not the same: {where}.{what} Different images are never pooled."


_TELLING = (
    "release",
    "compiler",
    "configure",
    "optimisation",
    "libpython",
    "frame pointers",
    "interpreter",
    "JIT",
    "allocator",
    "libc",
    "kind of source",
    "commit",
    "base image",
)
"""Facts of a build that tell why an image is another one."""


def _groups(columns: Sequence[Column], values: Sequence[str]) -> dict[str, list[str]]:
    """Titles of columns by what they have."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for column, value in zip(columns, values, strict=True):
        found[value].append(column.title)
    return dict(found)


# -- verdicts ----------------------------------------------------------------------------------------------------------


def headline(columns: Sequence[Column]) -> Statement:
    """The first contender in all columns; of one column what that says."""
    if not columns:
        return Statement("No verdict", "nothing was measured")
    build = next(iter(columns[0].first.contenders), "")
    found = {one.title: known for one in columns if (known := overall(one, build))}
    if len(columns) == 1 or not found:
        return statements(columns[0])[0]
    suite = next(iter(found.values())).suite
    subject, against, work = build, suite.baseline, verdict.work(suite)
    by_verdict = {one: [title for title in found if found[title].suite.judgement.verdict is one] for one in Verdict}
    decided = [title for title in found if title in by_verdict[Verdict.FASTER] + by_verdict[Verdict.SLOWER]]
    same, undecided = by_verdict[Verdict.SAME], by_verdict[Verdict.UNDECIDED]
    parts = []
    if len(decided) > _SPELLED_OUT:
        tally = [(by_verdict[one], one) for one in (Verdict.SLOWER, Verdict.FASTER) if by_verdict[one]]
        parts += [f"{one} than {against} on {_of(titles, columns)}" for titles, one in tally]
    else:
        amounts = {title: change_of(found[title].suite.judgement.effect) for title in decided}
        parts += [
            f"{amount}{f' than {against}' * (number == 0)} on {title}"
            for number, (title, amount) in enumerate(amounts.items())
        ]
    if same:
        parts.append(f"as fast{'' if parts else f' as {against}'}, to within {MARGIN * 100:.0f} %, on {_named(same)}")
    if not parts:
        claim = f"It is undecided on {_named(undecided)} whether {subject} runs {work} faster or slower than {against}"
        return Statement(claim, "", "undecided")
    left = f"; undecided on {_named(undecided)}" if undecided else ""
    figure = parts[0].partition(" than ")[0].partition(",")[0]
    return Statement(f"{subject} runs {work} {listed(parts)}{left}", "", figure)


def _of(titles: Sequence[str], columns: Sequence[Column]) -> str:
    every = len(columns)
    return f"all {every} classes" if len(titles) == every else f"{len(titles)} of {every} classes"


def _named(titles: Sequence[str]) -> str:
    return listed(titles) if len(titles) <= _SPELLED_OUT else count(len(titles), "class")


def statements(column: Column) -> tuple[Statement, ...]:
    """The verdict of one column, a statement for each contender; where there is none, what its first share says."""
    if column.first.false_alarms:
        return verdict.verdict(column.first)[:1]
    found = [(build, overall(column, build)) for build in column.first.contenders]
    told = tuple(_statement(column, build, one) for build, one in found if one)
    return told or verdict.verdict(column.first)[:1]


def _statement(column: Column, build: str, found: Overall) -> Statement:
    subject, against = verdict.sides(column.first, build)
    where = prose.hardware(column.first, found.suite.cpus)
    if len(found.hosts) > 1:
        where += f" on each of {count(len(found.hosts), 'host')}"
    told = verdict.judged(found.suite, f"{where}, ", subject, against)
    return replace(told, evidence=told.evidence + _apart(found))


def _apart(found: Overall) -> str:
    if found.between is not None:
        return f"; between hosts there is a standard deviation of {share(found.between)}"
    return f"; {listed(found.hosts)} divided the workloads" if len(found.hosts) > 1 else ""


def agreement(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Whether columns say the same of a case; empty where no two of them decide one."""
    titles = [one.title for one in columns]
    both = [
        row
        for row in rows
        if sum(one is not None and one.judgement.verdict is not Verdict.UNDECIDED for one in row.cells) > 1
    ]
    if not both:
        return ""
    apart = [row for row in both if len(row.verdicts) > 1]
    opening = f"Of {count(len(both), 'case')} that several columns decide, they agree on {len(both) - len(apart)}"
    if not apart:
        return f"{opening}."
    opposed = [row for row in apart if {Verdict.FASTER, Verdict.SLOWER} <= row.verdicts]
    if not opposed:
        return f"{opening}; nowhere is a build faster in one and slower in another."
    named = [f"{row.case} ({_by_column(row, titles)})" for row in opposed[:3]]
    more = f" and {len(opposed) - 3} more" if len(opposed) > 3 else ""
    return f"{opening}. Faster in one and slower in another: {'; '.join(named)}{more}."


def _by_column(row: Row, titles: Sequence[str]) -> str:
    found: defaultdict[Verdict, list[str]] = defaultdict(list)
    for title, cell in zip(titles, row.cells, strict=True):
        if cell and cell.is_different:
            found[cell.judgement.verdict].append(title)
    return ", ".join(f"{one} on {listed(where)}" for one, where in found.items())


# -- who measured what -------------------------------------------------------------------------------------------------


def extent(fleet: FleetRun) -> str:
    """How much was measured on how many hosts."""
    hosts = count(len({share.host for share in fleet.shares}), "host")
    classes = count(len({share.hardware for share in fleet.shares}), "class")
    return f"{hosts} of {classes}: {_SPREADS[fleet.spread]}."


def measured_by(attempts: Sequence[AttemptLine], name: str) -> tuple[str, str]:
    """Which hosts answered for how many blocks of a share, and what was lost; each empty where there is nothing."""
    hosts = {(one.block, one.attempt): one.host for one in attempts if isinstance(one, Assigned) and one.share == name}
    answered: defaultdict[str, set[int]] = defaultdict(set)
    lost: Counter[str] = Counter()
    for one in attempts:
        if one.share == name and isinstance(one, Answered):
            answered[hosts.get((one.block, one.attempt), "a host that is not known")].add(one.block)
        elif one.share == name and isinstance(one, Lost):
            lost[one.why] += 1
    told = [f"{host} ({count(len(blocks), 'block')})" for host, blocks in answered.items()]
    why = [f"{count(number, 'attempt')} lost: {reason}" for reason, number in lost.items()]
    return listed(told), "; ".join(why)


def reservations(shares: Mapping[str, Findings]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What readers of shares must not miss, and of which it is true."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, findings in shares.items():
        for text in verdict.reservations(findings):
            found[text].append(name)
    return tuple((text, tuple(names)) for text, names in found.items())
