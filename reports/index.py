"""The page over all runs: what was measured when, how each case developed, and between which runs it changed."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup

import harness
from harness.fleet import FleetRun
from harness.model import Measure
from harness.steps import FEWEST, RATE, SIDE
from reports import marks, page, words
from reports.digest import Digest, Result
from reports.trends import Change, Family, History, Shift, Trend

SCHEMA = 1
"""Version of what `data` returns.  History: 1, the first (0.1.0)."""

LATEST = 10
"""Runs of a case whose figures stand in a table; the picture has all."""

_LONGEST = 60
"""Of a value that changed, to be told in full."""


def write(results: Path, history: History, pages: Collection[str], fleets: Sequence[FleetRun] = ()) -> Path:
    """Write the page into `results`, and return its path.  HostError where it cannot be written.

    Args:
        pages: names of runs that have a page of their own, those of fleets included.
        fleets: runs of fleets, which are listed and in no trend.
    """
    return page.save(results, render(history, pages, fleets))


def render(history: History, pages: Collection[str], fleets: Sequence[FleetRun] = ()) -> str:
    """The page as HTML, readable without its script.  The same history gives the same bytes."""
    return page.shaped(
        "index.html",
        "filter.js",
        gilometer=harness.__version__,
        history=history,
        headline=headline(history),
        pages=pages,
        fleets=sorted(fleets, key=lambda one: one.created, reverse=True),
        machines=sorted({str(run.machine) for run in history.runs}),
        pairs=sorted({pair for run in history.runs for pair in _pairs(run)}),
        pairs_of=_pairs,
        href=lambda run: f"{quote(run)}/{page.PAGE}",
        steps=tuple(_steps(history)),
        sentence=shift_sentence,
        changed=changed,
        rows=_rows,
        signs=page.SIGNS,
        verdict_on=words.verdict_on,
        interval=_interval,
        value=_value,
        latest=LATEST,
        fewest=FEWEST,
        side=SIDE,
        rate=RATE,
        change=lambda shift: words.change(shift.step.ratio, shift.first.result.measure),
    )


# -- sentences ---------------------------------------------------------------------------------------------------------


def headline(history: History) -> str:
    """What the page says in one sentence."""
    runs = words.count(len(history.runs), "run")
    if not history.trends:
        return f"{runs}, and no case that was measured in two of them under the same conditions"
    found = len(history.shifts)
    steps = "no step" if not found else words.count(found, "step")
    return f"{runs}: {steps} in the {words.count(history.trends, 'trend')} of cases that were measured more than once"


def shift_sentence(shift: Shift) -> str:
    """What changed, by how much, and which of the two builds moved."""
    result = shift.first.result
    levels = f"ratio {math.exp(shift.step.before):.3f} before, {math.exp(shift.step.after):.3f} since"
    amount = words.change(shift.step.ratio, result.measure, precise=abs(shift.step.after - shift.step.before) < 0.03)
    told = f"{amount} than before relative to the baseline: {levels}"
    verb = "held" if result.measure is Measure.MEMORY else "took"
    moved = [
        f"{name} {verb} {_value(result, before)} before and {_value(result, since)} since"
        for name, (before, since) in (
            (result.build, shift.seconds or (None, None)),
            (shift.first.digest.builds[0], shift.baseline_seconds or (None, None)),
        )
        if before is not None
    ]
    return f"{told}{'; ' * bool(moved)}{words.listed(moved)}."


def changed(changes: Sequence[Change]) -> str:
    """What else changed at a step."""
    if not changes:
        return "Nothing that runs record changed with it."
    return f"Changed with it: {'; '.join(map(_changed, changes))}."


def _changed(change: Change) -> str:
    if max(len(change.before), len(change.after)) > _LONGEST:
        return change.what
    return f"{change.what} {change.before or 'none'} → {change.after or 'none'}"


def text(history: History) -> str:
    """The same for a terminal: the headline, each step in a line or two, and what could not be read."""
    lines = [f"{headline(history)}."]
    for family, trend, shift in history.shifts:
        since = f"since {shift.first.digest.run}, {shift_sentence(shift)}"
        lines.append(f"{trend.name}, {family.build} against {family.baseline}: {since}  {changed(shift.changes)}")
    lines += [f"{one.run} could not be read: {one.reason}" for one in history.broken]
    return "\n".join(words.printable(line) for line in lines)


def data(history: History) -> dict[str, Any]:
    """What the page says, as plain data for JSON; docs/formats.md explains it."""
    return {
        "schema": SCHEMA,
        "headline": headline(history),
        "runs": [
            msgspec.to_builtins(run) | {"results": len(run.results), "machine": str(run.machine)}
            for run in history.runs
        ],
        "broken": msgspec.to_builtins(history.broken),
        "trends": [_trend(family, trend) for family in history.families for trend in family.trends],
    }


def _trend(family: Family, trend: Trend) -> dict[str, Any]:
    return {
        "machine": str(family.machine),
        "size": family.size,
        "baseline": family.baseline,
        "build": family.build,
        "case": trend.case,
        "measure": str(trend.last.measure),
        "points": [
            {
                "run": point.digest.run,
                "ratio": point.result.ratio,
                "low": point.result.low,
                "high": point.result.high,
                "verdict": words.verdict_on(point.result.measure, point.result.verdict),
                "value": point.result.seconds,
                "baseline_value": point.result.baseline_seconds,
            }
            for point in trend.points
        ],
        "steps": [
            {
                "run": shift.first.digest.run,
                "before": math.exp(shift.step.before),
                "after": math.exp(shift.step.after),
                "p": shift.step.p,
                "changes": [dataclasses.asdict(change) for change in shift.changes],
            }
            for shift in trend.shifts
        ],
    }


# -- tables ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Steps:
    """Cases that changed between the same two runs."""

    family: Family
    first: Digest
    """The run behind the step."""
    last: Digest
    """The run before it; other cases may have another one."""
    changes: tuple[Change, ...]
    shifts: tuple[tuple[Trend, Shift], ...]


def _steps(history: History) -> Iterator[_Steps]:
    alike: defaultdict[tuple[int, str, str, tuple[Change, ...]], list[tuple[Family, Trend, Shift]]] = defaultdict(list)
    for family, trend, shift in history.shifts:
        key = history.families.index(family), shift.first.digest.run, shift.last.digest.run, shift.changes
        alike[key].append((family, trend, shift))
    for members in alike.values():
        family, _, shift = members[0]
        together = tuple((trend, one) for _, trend, one in members)
        yield _Steps(family, shift.first.digest, shift.last.digest, shift.changes, together)


@dataclass(frozen=True, slots=True)
class _Row:
    """One trend."""

    trend: Trend
    picture: Markup
    times: Markup


def _rows(family: Family) -> Iterator[_Row]:
    places = {run: place for place, run in enumerate(family.runs)}
    for trend in family.trends:
        yield _Row(trend, Markup(_picture(trend, places)), Markup(_times(trend, places)))


def _picture(trend: Trend, places: dict[str, int]) -> str:
    dots = [
        marks.Dot(
            at=places[point.digest.run],
            log=point.log,
            low=math.log(point.result.low) if point.result.low else None,
            high=math.log(point.result.high) if point.result.high else None,
        )
        for point in trend.points
    ]
    firsts = [dots[0].at, *(places[shift.first.digest.run] for shift in trend.shifts)]
    lasts = [*(places[shift.last.digest.run] for shift in trend.shifts), dots[-1].at]
    heights = [trend.shifts[0].step.before, *(shift.step.after for shift in trend.shifts)] if trend.shifts else []
    levels = list(zip(firsts, lasts, heights, strict=True)) if heights else []
    return marks.history(dots, levels, runs=len(places))


def _times(trend: Trend, places: dict[str, int]) -> str:
    builds = (
        [(places[point.digest.run], point.result.baseline_seconds) for point in trend.points],
        [(places[point.digest.run], point.result.seconds) for point in trend.points],
    )
    known = [[(at, value) for at, value in line if value] for line in builds]
    return marks.durations(known, runs=len(places))


def _pairs(run: Digest) -> list[str]:
    """Every build against the baseline, as filters name them."""
    return [f"{build} against {run.labels[0]}" for build in run.labels[1:]] or [run.labels[0]]


def _interval(result: Result) -> str:
    return "–" if result.low is None or result.high is None else f"{result.low:.3f} – {result.high:.3f}"


def _value(result: Result, value: float | None) -> str:
    if value is None:
        return "–"
    return words.size(value) if result.measure is Measure.MEMORY else words.seconds(value)
