"""A fleet's run as a page that stands alone, with links to the page and the raw data of each share."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

import harness
from harness.fleet import ATTEMPTS, FLEET, SHARES, AttemptLine, FleetRun
from harness.model import Measure
from harness.planning import CONFIDENCE
from harness.store import OUTCOMES, RUN
from reports import across, charts, classes, fleet_prose, marks, page, prose, words
from reports.classes import Column
from reports.findings import MARGIN, Findings, Speedup, case_name
from reports.sections import MULTIPLES


def write(directory: Path, fleet: FleetRun, shares: Mapping[str, Findings], attempts: Sequence[AttemptLine]) -> Path:
    """Write the page of the run in `directory`, and return its path.  HostError where it cannot be written."""
    return page.save(directory, render(fleet, shares, attempts))


def render(fleet: FleetRun, shares: Mapping[str, Findings], attempts: Sequence[AttemptLine]) -> str:
    """The page as HTML.  The same findings, by share, and attempts give the same bytes."""
    columns = classes.columns(fleet, shares)
    tables = [(title, classes.rows(columns, measure)) for title, measure in _TABLES]
    builds = columns[0].first.run.plan.builds if columns else ()
    return page.shaped(
        "fleet.html",
        "tables.js",
        fleet=fleet,
        gilometer=harness.__version__,
        columns=columns,
        headline=fleet_prose.headline(columns),
        differences=fleet_prose.differences(columns),
        reservations=fleet_prose.reservations(shares),
        verdicts=[(column, fleet_prose.statements(column)[len(columns) == 1 :]) for column in columns],
        extent=fleet_prose.extent(fleet),
        where=tuple(_where(fleet, shares, attempts)),
        facts=tuple(fleet_prose.facts(columns)) if columns else (),
        tables=[(title, rows, fleet_prose.agreement(rows, columns)) for title, rows in tables if rows],
        gains=[one for question in _QUESTIONS if (one := _gains(columns, question)).workloads],
        together=_together(fleet, shares),
        together_heads=across.HEADER,
        note=across.NOTE,
        builds=builds,
        several_builds=len(builds) > 2,
        several_hosts=any(len(column.hosts) > 1 for column in columns),
        baseline=builds[0] if builds else "",
        failures=[(name, one) for name, findings in shares.items() for one in findings.failures],
        marker=lambda build: Markup(marks.marker(builds, build)),
        interval=_interval,
        verdict_on=words.verdict_on,
        here_now=prose.HERE_NOW,
        signs=page.SIGNS,
        files=(FLEET, ATTEMPTS),
        confidence=CONFIDENCE,
        margin=MARGIN,
    )


_TABLES = (("Time", Measure.TIME), ("Peak memory of a process", Measure.MEMORY))


def _interval(low: float, high: float, digits: int = 3) -> str:
    return "–" if math.isnan(low) else f"{low:.{digits}f} – {high:.{digits}f}"


# -- who and where -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Where:
    """A share, and where to read more of it."""

    name: str
    host: str
    hardware: str
    cpus: tuple[tuple[int, ...], ...]
    blocks: str
    measured_by: str
    lost: str
    links: tuple[tuple[str, str], ...]


def _where(fleet: FleetRun, shares: Mapping[str, Findings], attempts: Sequence[AttemptLine]) -> Iterator[_Where]:
    for share in fleet.shares:
        found = shares.get(share.name)
        measured_by, lost = fleet_prose.measured_by(attempts, share.name)
        coverage = found.coverage if found else None
        folder = f"{SHARES}/{quote(share.name, safe='')}"
        yield _Where(
            name=share.name,
            host=share.host,
            hardware=share.hardware.name,
            cpus=found.cpu_sets if found else (),
            blocks=f"{coverage.blocks} of {coverage.planned_blocks}" if coverage else "–",
            measured_by=measured_by,
            lost=lost,
            links=tuple((text, f"{folder}/{file}") for text, file in _FILES),
        )


_FILES = (("page", page.PAGE), (RUN, RUN), (OUTCOMES, OUTCOMES))


@dataclass(frozen=True, slots=True)
class _Together:
    """A case of several classes with the same images."""

    figures: tuple[str, ...]
    hosts: tuple[str, ...]


def _together(fleet: FleetRun, shares: Mapping[str, Findings]) -> tuple[_Together, ...]:
    """Only what is in no column: cases of hosts of several classes."""
    homes = {share.host: share.hardware for share in fleet.shares}
    found = across.together(shares, {share.name: share.host for share in fleet.shares})
    return tuple(_Together(across.row(one), one.hosts) for one in found if len({homes[host] for host in one.hosts}) > 1)


# -- threads -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Question:
    """What can be asked about threads."""

    measure: Measure
    key: str
    title: str
    gain: str
    how: str


_QUESTIONS = (
    _Question(
        Measure.TIME,
        "completion",
        "Time to completion: when is the job done?",
        "speedup",
        "One job, split over more threads, on the same build: how many times as fast it is done.",
    ),
    _Question(
        Measure.CAPACITY,
        "capacity",
        "Capacity: how much work gets done meanwhile?",
        "capacity",
        "How much work all threads together get done in short windows, against one thread on the same CPUs.",
    ),
)


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    svg: Markup
    sentence: str


@dataclass(frozen=True, slots=True)
class _Gain:
    """A workload's gain on one build and number of threads, column by column."""

    workload: str
    build: str
    threads: str
    cells: tuple[Speedup | None, ...]


@dataclass(frozen=True, slots=True)
class _Gains:
    """An answer of all columns to one question about threads."""

    question: _Question
    workloads: tuple[tuple[str, tuple[_Chart, ...]], ...]
    left_out: str
    rows: tuple[_Gain, ...]
    undecided: bool
    """Whether a chart has a mark that is no answer."""


def _gains(columns: Sequence[Column], question: _Question) -> _Gains:
    """Columns side by side on the same axes: the workloads in which builds gain most differently."""
    found = [classes.gains(column, question.measure) for column in columns]
    families: defaultdict[str, list[list[Speedup]]] = defaultdict(lambda: [[] for _ in columns])
    for number, speedups in enumerate(found):
        for one in speedups:
            families[one.case.workload][number].append(one)
    most = max(1, MULTIPLES // max(1, len(columns)))
    chosen = {*sorted(families, key=lambda name: _apart(families[name]), reverse=True)[:most]}
    drawn = {name: members for name, members in families.items() if name in chosen}
    every = [one for members in drawn.values() for some in members for one in some]
    top = max((max(one.answer.ratio, one.answer.high) for one in every if one.answer), default=1.0)
    threads = sorted({case.threads for one in every for case in (one.base, one.case)})
    return _Gains(
        question,
        tuple(
            (name, tuple(_charts(columns, members, top, threads, f"{question.key}-{number}")))
            for number, (name, members) in enumerate(drawn.items(), start=1)
        ),
        prose.left_out(len(drawn), len(families), "workload", "those in which builds gain most differently"),
        tuple(_rows(found)),
        any(one.effect and not one.decided for one in every),
    )


def _apart(members: Sequence[Sequence[Speedup]]) -> float:
    """How far gains lie apart, in logs."""
    logs = [one.answer.log for some in members for one in some if one.answer]
    return max(logs) - min(logs) if logs else -1.0


def _charts(
    columns: Sequence[Column], members: Sequence[Sequence[Speedup]], top: float, threads: Sequence[int], key: str
) -> Iterator[_Chart]:
    for number, (column, some) in enumerate(zip(columns, members, strict=True), start=1):
        if some:
            sentence = prose.speedup_sentence(some)
            builds = column.first.run.plan.builds
            svg = charts.speedup(
                some, builds, top=top, key=f"{key}-{number}", description=f"{column.title}. {sentence}", threads=threads
            )
            yield _Chart(column.title, Markup(svg), sentence)


def _rows(found: Sequence[Sequence[Speedup]]) -> Iterator[_Gain]:
    by_column = [{(_name(one), one.build): one for one in speedups} for speedups in found]
    for key, one in {key: one for speedups in reversed(by_column) for key, one in speedups.items()}.items():
        threads = f"{one.base.threads} → {one.case.threads}"
        yield _Gain(one.case.workload, one.build, threads, tuple(speedups.get(key) for speedups in by_column))


def _name(one: Speedup) -> str:
    return f"{case_name(one.case, with_cpus=False)}, {one.base.threads}"
