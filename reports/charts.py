"""Charts as static SVG, drawn by Altair."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

import altair as alt

from harness.model import Measure
from harness.stats import Verdict
from reports import words
from reports.drawing import INK, PAPER, Vega, clipped, compiled, signs, svg, ticks
from reports.evidence import Moment, NoiseOfBlock
from reports.findings import MARGIN, Comparison, Speedup
from reports.marks import COLOURS, SHAPES

_LABEL, _BUILD = 76, 110
"""Room for the labels left of the plot, and what a build's name adds."""
_PLOT = 270
_LINE = 22
_SQUARE = 340
_STRIP, _COLUMNS = 560, 140
"""Width of the chart of noise, and the most bars in it."""

T = TypeVar("T")
Curve = Sequence[tuple[float, float]]
"""A polyline: workers and speedup."""
_NO_CURVES: Mapping[str, Curve] = MappingProxyType({})


def forest(comparisons: Iterable[Comparison], builds: Sequence[str], *, description: str) -> str:
    """Ratio and corrected interval of every case that has one, on a logarithmic scale; empty where there is none.

    A full marker is a decided case, a hollow one an undecided one or one that is the same.
    """
    rows, headings = _forest_rows(tuple(comparisons), several_builds=len(builds) > 2)
    if not rows:
        return ""
    low = min(0.87, *(row["low"] for row in rows)) / 1.03
    high = max(1.15, *(row["high"] for row in rows)) * 1.03
    x = alt.X(
        "ratio:Q",
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(values=ticks(low, high, length=_PLOT), format=".2~f", labelOverlap=False),
        title=f"← faster\u2003\u2003time relative to {clipped(builds[0], 18)}\u2003\u2003slower →",
    )
    lines = len(rows) + len(headings)
    y = alt.Y("line:O", axis=None, scale=alt.Scale(domain=list(range(lines))))
    base = alt.Chart(alt.NamedData(name="rows")).encode(y=y)
    colour, shape = signs(builds)
    band = (
        alt.Chart(alt.InlineData(values=[{"from": 1 / (1 + MARGIN), "to": 1 + MARGIN}]))
        .mark_rect(fill=INK, fillOpacity=0.07)
        .encode(x=alt.X("from:Q"), x2="to:Q")
    )
    one = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(stroke=INK, strokeOpacity=0.6).encode(x="one:Q")
    whisker = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=colour)
    point = base.mark_point(size=55, strokeWidth=1.8, opacity=1).encode(
        x=x,
        stroke=colour,
        shape=shape,
        fill=alt.condition("datum.decided", colour, alt.value(PAPER)),
    )
    name = -_LABEL - _BUILD * (len(builds) > 2)
    chart = alt.layer(
        band,
        one,
        whisker,
        point,
        _column(alt.Chart(alt.NamedData(name="headings")).encode(y=y), "workload", name, weight="bold"),
        _column(base, "label", name + 8),
        _column(base, "ratio_text", _PLOT + 14),
        _column(base, "interval", _PLOT + 58),
        _column(base, "verdict", _PLOT + 148),
    )
    vega = compiled(chart.properties(width=_PLOT, height=_LINE * lines))
    data = {"rows": rows, "headings": headings}
    return svg(vega, data, key="effects", title="Effects with their intervals", description=description)


def _forest_rows(
    comparisons: Sequence[Comparison], *, several_builds: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines with a mark, and lines that only name the workload of those below them."""
    several_sets = len({comparison.case.cpus for comparison in comparisons}) > 1
    rows: list[dict[str, Any]] = []
    headings: list[dict[str, Any]] = []
    above = None
    for comparison in comparisons:
        if (judgement := comparison.judgement) is None:
            continue
        effect, case = judgement.effect, comparison.case
        if above != (above := (case.workload, case.cpus)):
            where = f" on {words.count(len(case.cpus), 'CPU')}" if several_sets else ""
            headings.append({"line": len(rows) + len(headings), "workload": clipped(case.workload, 50) + where})
        known = not math.isnan(judgement.low)
        low, high = (judgement.low, judgement.high) if known else (effect.ratio, effect.ratio)
        build = f", {clipped(comparison.build, 18)}" if several_builds else ""
        rows.append(
            {
                "line": len(rows) + len(headings),
                "label": words.sharing(case) + build,
                "build": comparison.build,
                "ratio": effect.ratio,
                "low": low,
                "high": high,
                "ratio_text": f"{effect.ratio:.3f}",
                "interval": f"{low:.3f} – {high:.3f}" if known else "one block",
                "verdict": judgement.verdict.value,
                "decided": judgement.verdict in (Verdict.FASTER, Verdict.SLOWER),
            }
        )
    return rows, headings


def _column(base: alt.Chart, field: str, at: float, weight: Literal["normal", "bold"] = "normal") -> alt.Chart:
    """A column of text beside the plot."""
    text = base.mark_text(align="left", baseline="middle", fontSize=12, fontWeight=weight, fill=INK)
    column: alt.Chart = text.encode(x=alt.value(at), text=f"{field}:N")
    return column


def speedup(
    speedups: Sequence[Speedup],
    builds: Sequence[str],
    *,
    top: float,
    key: str,
    description: str,
    curves: Mapping[str, Curve] = _NO_CURVES,
    threads: Sequence[int] = (),
) -> str:
    """Gain of one workload against threads, with intervals and the ideal line; empty where nothing was measured.

    What is undecided is a pale hollow mark off the line, without a number.  `top` is the highest gain that is decided:
    charts that stand side by side share it, and `threads`, those numbers of threads that are on the axis of all of them
    (those measured, where none are given).  `curves` are the laws of those builds that have one: their line.  The line
    of the others goes from mark to mark.
    """
    measured = [(s, s.effect) for s in speedups if s.effect is not None]
    if not measured:
        return ""
    base, measure = measured[0][0].base.threads, measured[0][0].case.measure
    most = max(s.case.threads for s, _ in measured)
    counts = tuple(sorted({base, *(s.case.threads for s, _ in measured), *threads}))
    top = max(top, counts[-1] / base) * 1.05
    rows = [_speedup_row(build, base) for build in dict.fromkeys(s.build for s, _ in measured)]
    for s, effect in measured:
        known = not math.isnan(effect.low)
        figures = (effect.ratio, effect.low, effect.high) if known else (effect.ratio,) * 3
        rows.append(_speedup_row(s.build, s.case.threads, *(min(top, figure) for figure in figures), decided=s.decided))
    lines = [
        {"build": build, "threads": threads, "gain": min(top, gain)}
        for build in dict.fromkeys(row["build"] for row in rows)
        for threads, gain in curves.get(build, ())
    ]
    lines += [row for row in rows if row["decided"] and row["build"] not in curves]
    last = [s.answer for s, _ in measured if s.case.threads == most]
    ends = [{"threads": most, "gain": answer.ratio} for answer in last if answer]
    # Numbers that would stand on one another are left to the sentence below the chart.
    apart = sorted(end["gain"] for end in ends)
    legible = all(after - before > 0.09 * top for before, after in pairwise(apart))
    labels = [end | {"text": words.times(end["gain"])} for end in ends] if legible else []
    vega = _speedup(tuple(builds), counts, top, measure)
    data = {"rows": rows, "lines": lines, "labels": labels}
    return svg(vega, data, key=key, title=_GAINS[measure], description=description)


_GAINS = {Measure.TIME: "Speedup against threads, time to completion", Measure.CAPACITY: "Capacity against threads"}


def _speedup_row(
    build: str, threads: int, gain: float = 1.0, low: float = 1.0, high: float = 1.0, *, decided: bool = True
) -> dict[str, Any]:
    return {"build": build, "threads": threads, "gain": gain, "low": low, "high": high, "decided": decided}


@lru_cache(maxsize=16)
def _speedup(builds: tuple[str, ...], counts: tuple[int, ...], top: float, measure: Measure) -> Vega:
    """The chart without its data, the same for all workloads: to make it takes as long as to draw it."""
    base, most = counts[0], counts[-1]
    x = alt.X(
        "threads:Q",
        scale=alt.Scale(domain=[base - 0.08 * (most - base), most + 0.04 * (most - base)], nice=False),
        axis=alt.Axis(values=list(counts), format="d", grid=False),
        title="threads",
    )
    title = "speedup" if measure is Measure.TIME else "capacity"
    y = alt.Y("gain:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5), title=title)
    colour, shape = signs(builds)
    ideal = alt.InlineData(values=[{"threads": count, "gain": count / base} for count in (base, most)])
    measured = alt.Chart(alt.NamedData(name="rows")).encode(x=x)
    lines = alt.Chart(alt.NamedData(name="lines")).encode(x=x, y=y, color=colour)
    pale = alt.condition("datum.decided", alt.value(1), alt.value(0.7))
    chart = alt.layer(
        alt.Chart(ideal).mark_line(stroke=INK, strokeOpacity=0.55, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y),
        lines.mark_line(strokeWidth=2),
        measured.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour, opacity=pale),
        measured.mark_point(size=60, strokeWidth=1.8).encode(
            y=y,
            stroke=colour,
            shape=shape,
            fill=alt.condition("datum.decided", colour, alt.value(PAPER)),
            opacity=pale,
        ),
        alt.Chart(alt.NamedData(name="labels"))
        .mark_text(align="left", dx=9, fontSize=12, fill=INK)
        .encode(x=x, y=y, text="text:N"),
    )
    return compiled(chart.properties(width=180, height=165))


class Point(NamedTuple):
    """A release in a chart of releases."""

    kind: str
    release: str
    ratio: float
    low: float
    high: float


def releases(points: Sequence[Point], kinds: Sequence[str], base: str, *, key: str, description: str) -> str:
    """Time relative to the base through releases, which are in order, with intervals; a line for each kind of build."""
    order = list(dict.fromkeys(point.release for point in points))
    low = min(0.93, *(point.low for point in points)) / 1.02
    high = max(1.07, *(point.high for point in points)) * 1.02
    x = alt.X("release:O", sort=order, title=None, axis=alt.Axis(labelAngle=0, grid=False))
    y = alt.Y(
        "ratio:Q",
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(values=ticks(low, high, length=_PLOT), format=".2~f"),
        title=f"time relative to {clipped(base, 18)}",
    )
    colour, shape = signs(kinds)
    rows = alt.Chart(alt.NamedData(name="rows")).encode(x=x)
    chart = alt.layer(
        alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(stroke=INK, strokeOpacity=0.6).encode(y="one:Q"),
        alt.Chart(alt.NamedData(name="lines")).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        rows.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour),
        rows.mark_point(size=60, strokeWidth=1.8).encode(y=y, stroke=colour, fill=colour, shape=shape),
    )
    vega = compiled(chart.properties(width=max(180, 90 * len(order)), height=200))
    found = [point._asdict() | {"build": point.kind} for point in points]
    lines = list({(row["build"], row["release"]): row for row in found}.values())  # one of each release
    data = {"rows": found, "lines": lines}
    return svg(vega, data, key=key, title="Time through releases", description=description)


class Held(NamedTuple):
    """A published number in a chart of them."""

    name: str
    published: float
    accepted: tuple[float, float]
    """The ends of what counts as published."""
    found: float
    interval: tuple[float, float]
    kind: str
    """One of `KINDS`."""


KINDS = ("reproduced", "not reproduced", "undecided", "predicted")
_KIND_SHAPES = ("circle", "cross", "circle", "diamond")


def agreement(held: Sequence[Held], *, description: str) -> str:
    """Measured against published, with intervals and the diagonal, on logarithmic scales; empty where nothing is held.

    Names stand in a column at the right, in the order of what was found, each with a line to its mark.
    """
    if not held:
        return ""
    ends = [end for one in held for end in (*one.accepted, *one.interval)]
    low, high = min(0.9, *ends) / 1.05, max(1.1, *ends) * 1.05
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(values=ticks(low, high, length=_SQUARE), format=".2~f")
    x = alt.X("published:Q", scale=scale, axis=axis, title="published")
    y = alt.Y("found:Q", scale=scale, axis=axis, title="measured here")
    rows = alt.Chart(alt.NamedData(name="rows"))
    pale = alt.condition("datum.kind == 'predicted'", alt.value(0.55), alt.value(1))
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(KINDS), range=list(_KIND_SHAPES)), legend=None)
    full = alt.condition("datum.kind == 'undecided' || datum.kind == 'predicted'", alt.value(PAPER), alt.value(INK))
    diagonal = alt.InlineData(values=[{"published": end, "found": end} for end in (low, high)])
    chart = alt.layer(
        alt.Chart(diagonal)
        .mark_line(stroke=INK, strokeOpacity=0.55, strokeDash=[4, 4], strokeWidth=1)
        .encode(x=x, y=y),
        alt.Chart(alt.NamedData(name="leaders"))
        .mark_rule(stroke=INK, strokeOpacity=0.25)
        .encode(x=x, y=y, x2="right:Q", y2="label:Q"),
        rows.mark_rule(stroke=INK, strokeWidth=5, strokeOpacity=0.22).encode(x=alt.X("from:Q"), x2="to:Q", y=y),
        rows.mark_rule(stroke=INK, strokeWidth=1.6).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", opacity=pale),
        rows.mark_point(size=60, strokeWidth=1.8, stroke=INK).encode(x=x, y=y, shape=shape, fill=full, opacity=pale),
        alt.Chart(alt.NamedData(name="leaders"))
        .mark_text(align="left", baseline="middle", dx=6, fontSize=12, fill=INK)
        .encode(x=alt.X("right:Q"), y=alt.Y("label:Q"), text="name:N"),
    )
    found = [
        {
            "name": one.name,
            "published": one.published,
            "found": one.found,
            "from": one.accepted[0],
            "to": one.accepted[1],
            "low": one.interval[0],
            "high": one.interval[1],
            "kind": one.kind,
        }
        for one in held
    ]
    places = _apart([one.found for one in held], low, high, step=16 / _SQUARE)
    leaders = [row | {"right": high, "label": place} for row, place in zip(found, places, strict=True)]
    vega = compiled(chart.properties(width=_SQUARE, height=_SQUARE))
    data = {"rows": found, "leaders": leaders}
    return svg(vega, data, key="agreement", title="Measured against published", description=description)


def _apart(values: Sequence[float], low: float, high: float, *, step: float) -> list[float]:
    """Where labels of values on a logarithmic axis stand: in their order, `step` of the axis apart or more."""
    whole = math.log(high / low)
    order = sorted(range(len(values)), key=lambda index: values[index])
    wanted = [math.log(values[index] / low) / whole for index in order]
    placed: list[float] = []
    for at in wanted:
        placed.append(max(at, placed[-1] + step) if placed else max(at, 0.0))
    over = max(0.0, placed[-1] - 1)
    for number in reversed(range(len(placed))):  # pushed up by those below them, they come down as far as there is room
        limit = placed[number + 1] - step if number + 1 < len(placed) else 1.0
        placed[number] = min(placed[number] - over if number + 1 == len(placed) else placed[number], limit)
    found = dict(zip(order, placed, strict=True))
    return [low * math.exp(whole * found[index]) for index in range(len(values))]


def noise(blocks: Sequence[NoiseOfBlock], *, description: str) -> str:
    """CPU time that others and the hypervisor took, measurement by measurement; empty where neither could be read.

    There are `_COLUMNS` bars at most: where several measurements share one, it shows the highest.
    """
    if not any(block.stolen is not None or block.others is not None for block in blocks):
        return ""
    rows = [_noise_row(number, part) for number, part in enumerate(_parted(blocks, _COLUMNS))]
    top = max(0.05, *(row["both"] for row in rows)) * 1.1
    crosses = [{"middle": row["middle"], "top": top} for row in rows if row["invalid"]]
    x = alt.X("column:Q", scale=alt.Scale(domain=[0, len(rows)], nice=False), axis=None)
    y = alt.Y(
        "stolen:Q",
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(tickCount=3, format=".0%"),
        title=None,
    )
    bars = alt.Chart(alt.NamedData(name="rows")).encode(x=x, x2="end:Q")
    chart = alt.layer(
        bars.mark_rect(fill=INK, fillOpacity=0.9).encode(y=y, y2="zero:Q"),
        bars.mark_rect(fill=INK, fillOpacity=0.35).encode(y=y, y2="both:Q"),
        alt.Chart(alt.NamedData(name="crosses"))
        .mark_text(text="×", fontSize=14, fontWeight="bold", baseline="bottom", dy=2, fill=INK)
        .encode(x=alt.X("middle:Q"), y="top:Q"),
    )
    vega = compiled(chart.properties(width=_STRIP, height=70))
    data = {"rows": rows, "crosses": crosses}
    return svg(vega, data, key="noise", title="What else took CPU time", description=description)


def drift(course: Sequence[Moment], baseline: str, *, description: str) -> str:
    """The baseline's times over the run's time, and below them, on the same scale, the ratios of the same blocks.

    There are `_COLUMNS` marks at most: where several blocks share one, it is at their median, with a line from the
    lowest to the highest.
    """
    panels = (
        (f"time of {clipped(baseline, 18)}, over its median", [(m.started, m.speed) for m in course]),
        ("ratio, over its effect", [(m.started, m.ratio) for m in course if not math.isnan(m.ratio)]),
    )
    rows = [
        _drift_row(part) | {"panel": number}
        for number, (_, points) in enumerate(panels)
        for part in _parted(points, _COLUMNS)
    ]
    reach = max(math.log(1.1), *(abs(row[end]) for row in rows for end in ("low", "high"))) * 1.05
    minutes = max(row["minutes"] for row in rows)
    marked = ticks(math.exp(-reach), math.exp(reach), length=84, label=20)
    y = alt.Y(
        "log:Q",
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=alt.Axis(values=[math.log(tick) for tick in marked], labelExpr="format(exp(datum.value), '.2~f')"),
        title=None,
    )
    charted = []
    for number, (panel, points) in enumerate(panels):
        if not points:
            continue
        x = alt.X(
            "minutes:Q",
            scale=alt.Scale(domain=[-0.01 * minutes, 1.01 * minutes], nice=False),
            axis=alt.Axis(grid=False, tickCount=6),
            title="minutes since the run began" if points is panels[-1][1] else None,
        )
        base = alt.Chart(alt.NamedData(name="rows")).transform_filter(f"datum.panel == {number}").encode(x=x)
        charted.append(
            alt.layer(
                base.mark_rule(stroke=INK, strokeOpacity=0.35).encode(y=alt.Y("low:Q"), y2="high:Q"),
                base.mark_point(
                    filled=True, size=22, opacity=0.85, fill=INK if number else COLOURS[0], shape=SHAPES[number]
                ).encode(y=y),
            ).properties(width=_STRIP, height=84, title=alt.Title(panel, anchor="start", fontSize=12, color=INK))
        )
    stacked = alt.vconcat(*charted, spacing=18).resolve_scale(x="shared")
    return svg(
        compiled(stacked), {"rows": rows}, key="drift", title="Drift over the run’s time", description=description
    )


def _drift_row(points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    logs = [log for _, log in points]
    return {
        "minutes": statistics.fmean(started for started, _ in points) / 60,
        "log": statistics.median(logs),
        "low": min(logs),
        "high": max(logs),
    }


def _parted(members: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Consecutive parts, as alike in length as can be, and not more than `most`."""
    parts = min(most, len(members))
    for number in range(parts):
        yield members[number * len(members) // parts : (number + 1) * len(members) // parts]


def _noise_row(column: int, blocks: Sequence[NoiseOfBlock]) -> dict[str, Any]:
    stolen = max(block.stolen or 0.0 for block in blocks)
    others = max(block.others or 0.0 for block in blocks)
    return {
        "column": column + 0.1,
        "middle": column + 0.5,
        "end": column + 0.9,
        "zero": 0.0,
        "stolen": stolen,
        "both": stolen + others,
        "invalid": any(block.invalid for block in blocks),
    }
