"""Charts as static SVG: Altair draws them, vl-convert writes them, no JavaScript remains.

Ink is `currentColor`, so that a chart is readable on whatever page it stands on; the builds' colours have a contrast of
3:1 on white and on black paper, and a shape each.  The same data give the same bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import cycle, islice, pairwise
from typing import Any, Literal
from xml.sax.saxutils import escape

import altair as alt
import vl_convert

from harness.stats import Verdict
from reports import prose
from reports.findings import MARGIN, Comparison, Speedup

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#7F6A00", "#6E7B8B")
_SHAPES = (
    "M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0Z",
    "M0,-1.2L1.2,0L0,1.2L-1.2,0Z",
    "M-.85,-.85H.85V.85H-.85Z",
    "M0,-1L1.1,.9H-1.1Z",
    "M0,1L-1.1,-.9H1.1Z",
)
"""Circle, diamond, square, triangles: paths in the square from -1 to 1, as Vega wants them."""

_INK = "currentColor"
_PAPER = "var(--paper, white)"
_TICKS = (1, 2, 0.5, 1.5, 0.67, 4, 0.25, 3, 0.33, 10, 0.1, 5, 0.2, 1.25, 0.8, 1.1, 0.9, 1.05, 0.95)
"""Ratios worth a label, the most important first."""

_LABEL, _BUILD = 76, 110
"""Room for the labels left of the plot, and what a build's name adds."""
_PLOT = 270
_LINE = 22


_CONFIG = {
    "font": "Helvetica",
    "background": "transparent",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "labelFontSize": 12,
        "labelPadding": 6,
        "titleColor": _INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": _INK,
        "gridOpacity": 0.12,
        "domain": False,
        "ticks": False,
    },
}


def marker(builds: Sequence[str], build: str) -> str:
    """The sign of a build in every chart, to stand beside its name."""
    index = list(builds).index(build)
    return (
        f'<svg class="marker" width="12" height="12" viewBox="-1.3 -1.3 2.6 2.6" aria-hidden="true">'
        f'<path d="{_SHAPES[index % len(_SHAPES)]}" fill="{_COLOURS[index % len(_COLOURS)]}"/></svg>'
    )


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
        axis=alt.Axis(values=_ticks(low, high), format=".2~f", labelOverlap=False),
        title=f"← faster\u2003\u2003time relative to {_clipped(builds[0], 18)}\u2003\u2003slower →",
    )
    lines = len(rows) + len(headings)
    y = alt.Y("line:O", axis=None, scale=alt.Scale(domain=list(range(lines))))
    base = alt.Chart(alt.NamedData(name="rows")).encode(y=y)
    colour, shape = _signs(builds)
    band = (
        alt.Chart(alt.InlineData(values=[{"from": 1 / (1 + MARGIN), "to": 1 + MARGIN}]))
        .mark_rect(fill=_INK, fillOpacity=0.07)
        .encode(x=alt.X("from:Q"), x2="to:Q")
    )
    one = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(stroke=_INK, strokeOpacity=0.6).encode(x="one:Q")
    whisker = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=colour)
    point = base.mark_point(size=55, strokeWidth=1.8, opacity=1).encode(
        x=x,
        stroke=colour,
        shape=shape,
        fill=alt.condition("datum.decided", colour, alt.value(_PAPER)),
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
    spec = _spec(chart, width=_PLOT, height=_LINE * lines)
    data = {"rows": rows, "headings": headings}
    return _svg(spec, data, key="effects", title="Effects with their intervals", description=description)


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
            where = f" on {prose.count(len(case.cpus), 'CPU')}" if several_sets else ""
            headings.append({"line": len(rows) + len(headings), "workload": _clipped(case.workload, 50) + where})
        known = not math.isnan(judgement.low)
        low, high = (judgement.low, judgement.high) if known else (effect.ratio, effect.ratio)
        build = f", {_clipped(comparison.build, 18)}" if several_builds else ""
        rows.append(
            {
                "line": len(rows) + len(headings),
                "label": prose.count(case.threads, "thread") + build,
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


def _ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis from `low` to `high`, far enough apart for their labels."""
    apart = 36 / _PLOT * math.log(high / low)
    chosen: list[float] = []
    for tick in _TICKS:
        if low <= tick <= high and all(abs(math.log(tick / other)) >= apart for other in chosen):
            chosen.append(tick)
    return sorted(chosen)


def _column(base: alt.Chart, field: str, at: float, weight: Literal["normal", "bold"] = "normal") -> alt.Chart:
    """A column of text beside the plot."""
    text = base.mark_text(align="left", baseline="middle", fontSize=12, fontWeight=weight, fill=_INK)
    column: alt.Chart = text.encode(x=alt.value(at), text=f"{field}:N")
    return column


def _clipped(text: str, length: int) -> str:
    """What is too long for its column ends in an ellipsis; the tables have it in full."""
    return text if len(text) <= length else text[: length - 1] + "…"


def speedup(speedups: Sequence[Speedup], builds: Sequence[str], *, top: float, key: str, description: str) -> str:
    """Speedup of one workload against threads, with intervals and the ideal line; empty where nothing was measured.

    `top` is the highest speedup that the axis must hold: charts that stand side by side share it.
    """
    measured = [(s, s.effect) for s in speedups if s.effect is not None]
    if not measured:
        return ""
    base = measured[0][0].base.threads
    counts = tuple(sorted({base, *(s.case.threads for s, _ in measured)}))
    present = dict.fromkeys(s.build for s, _ in measured)
    rows = [{"build": build, "threads": base, "speedup": 1.0, "low": 1.0, "high": 1.0} for build in present]
    for s, effect in measured:
        low, high = (effect.ratio, effect.ratio) if math.isnan(effect.low) else (effect.low, effect.high)
        rows.append({"build": s.build, "threads": s.case.threads, "speedup": effect.ratio, "low": low, "high": high})
    top = max(top, counts[-1] / base) * 1.05
    ends = [{"threads": counts[-1], "speedup": e.ratio} for s, e in measured if s.case.threads == counts[-1]]
    # Numbers that would stand on one another are left to the sentence below the chart.
    apart = sorted(end["speedup"] for end in ends)
    legible = all(after - before > 0.09 * top for before, after in pairwise(apart))
    labels = [end | {"text": prose.times(end["speedup"])} for end in ends] if legible else []
    spec = _speedup_spec(tuple(builds), counts, top)
    return _svg(
        spec, {"rows": rows, "labels": labels}, key=key, title="Speedup against threads", description=description
    )


@lru_cache(maxsize=16)
def _speedup_spec(builds: tuple[str, ...], counts: tuple[int, ...], top: float) -> dict[str, Any]:
    """The chart without its data, the same for all workloads: to make it takes longer than to draw it."""
    base, most = counts[0], counts[-1]
    x = alt.X(
        "threads:Q",
        scale=alt.Scale(domain=[base - 0.08 * (most - base), most + 0.04 * (most - base)], nice=False),
        axis=alt.Axis(values=list(counts), format="d", grid=False),
        title="threads",
    )
    y = alt.Y("speedup:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5), title="speedup")
    colour, shape = _signs(builds)
    ideal = alt.InlineData(values=[{"threads": count, "speedup": count / base} for count in (base, most)])
    lines = alt.Chart(alt.NamedData(name="rows")).encode(x=x, color=colour)
    chart = alt.layer(
        alt.Chart(ideal).mark_line(stroke=_INK, strokeOpacity=0.55, strokeDash=[4, 4], strokeWidth=1).encode(x=x, y=y),
        lines.mark_line(strokeWidth=2).encode(y=y),
        lines.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q"),
        lines.mark_point(size=60, filled=True, opacity=1).encode(y=y, shape=shape),
        alt.Chart(alt.NamedData(name="labels"))
        .mark_text(align="left", dx=9, fontSize=12, fill=_INK)
        .encode(x=x, y=y, text="text:N"),
    )
    return _spec(chart, width=180, height=165)


def sparkline(logs: Sequence[float], blocks: Sequence[int], *, centre: float, last: int, reach: float) -> str:
    """One dot per block, from block 0 on the left to `last`, the last executed, on the right, by its log ratio.

    The line is at `centre`, the full height is `reach` above and below it; what lies beyond stands at the edge.
    """
    width, height, inset = 150, 26, 4.0
    dots = []
    for log, block in zip(logs, blocks, strict=True):
        x = inset + (width - 2 * inset) * (block / last if last else 0.5)
        part = max(-1.0, min(1.0, (log - centre) / reach)) if reach else 0.0
        dots.append(f'<circle cx="{x:.1f}" cy="{height / 2 - part * (height / 2 - inset):.1f}" r="1.8"/>')
    return (
        f'<svg class="sparkline" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path d="M0,{height / 2}H{width}" stroke="currentColor" stroke-opacity=".3"/>'
        f'<g fill="currentColor">{"".join(dots)}</g></svg>'
    )


def _signs(builds: Sequence[str]) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of every build, the same in all charts; they repeat where there are more builds than signs."""
    colours, shapes = (list(islice(cycle(signs), len(builds))) for signs in (_COLOURS, _SHAPES))
    return (
        alt.Color("build:N", scale=alt.Scale(domain=list(builds), range=colours), legend=None),
        alt.Shape("build:N", scale=alt.Scale(domain=list(builds), range=shapes), legend=None),
    )


def _spec(chart: alt.LayerChart | alt.FacetChart, *, width: int, height: int) -> dict[str, Any]:
    """The chart as Vega-Lite.  It is our own and drawn by tests: to validate it would take longer than to draw it."""
    spec: dict[str, Any] = chart.properties(width=width, height=height).to_dict(validate=False)
    return spec


def _svg(spec: dict[str, Any], data: dict[str, list[dict[str, Any]]], *, key: str, title: str, description: str) -> str:
    """The chart as an <svg> element with an accessible name, without fonts and without a background.

    `data` are the data sets that the specification names; those that it brings along stay.
    """
    spec = spec | {"datasets": spec.get("datasets", {}) | data}
    svg = vl_convert.vegalite_to_svg(spec, config=_CONFIG, allowed_base_urls=[])
    opening, _, drawn = svg.partition(">")
    width, height = re.findall(r'(?<=\s)(?:width|height)="([\d.]+)"', opening)
    drawn = re.sub(r' font-family="[^"]*"', "", drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-labelledby="{key}-title {key}-desc"><title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(description)}</desc>{drawn}'
    )
