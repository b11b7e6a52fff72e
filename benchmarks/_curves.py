"""Power against time: of blocks, from a recorded series; of pairs of suites, from the deviation between them; drawn."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import altair as alt
import vl_convert
from scipy import stats as scipy_stats

from benchmarks._laboratory import Measured
from harness import stats
from harness.planning import LOOKS

SIZES = (6, *LOOKS)
"""Blocks in a window: fewer than 6 are never significant."""

LEVEL = 0.05
"""Of false alarms that a test may give."""


# -- of blocks ---------------------------------------------------------------------------------------------------------


class Point(NamedTuple):
    """Of a power curve."""

    number: int
    """Blocks, or pairs."""
    seconds: float
    power: float


def first_with(power: float, points: Sequence[Point]) -> Point | None:
    """The first of `points`, ascending, from which on all have that power."""
    reached = None
    for point in reversed(points):
        if point.power < power:
            break
        reached = point
    return reached


class Observation(NamedTuple):
    """A block that counts."""

    log: float
    seconds: float
    """With those of the blocks before it that do not count."""


def observations(blocks: Sequence[Measured]) -> list[Observation]:
    """Blocks that count, with the time that others have cost them."""
    found, seconds = [], 0.0
    for block in blocks:
        seconds += block.seconds
        if block.log is not None:
            found.append(Observation(block.log, seconds))
            seconds = 0.0
    return found


def windows(series: Sequence[Observation], size: int) -> list[Sequence[Observation]]:
    """All runs of `size` neighbours."""
    return [series[start : start + size] for start in range(len(series) - size + 1)]


def says_slower(effect: stats.Effect) -> bool:
    """Whether the whole interval lies above 1."""
    return effect.low > 1


def curve(
    series: Sequence[Observation], says: Callable[[stats.Effect], bool], sizes: Sequence[int] = SIZES
) -> list[Point]:
    """For every size that `series` has, the share of its windows of which `says` is true."""
    points = []
    for size in sizes:
        if found := windows(series, size):
            hits = sum(says(stats.effect([one.log for one in window])) for window in found)
            seconds = statistics.fmean(sum(one.seconds for one in window) for window in found)
            points.append(Point(size, seconds, hits / len(found)))
    return points


# -- of pairs ----------------------------------------------------------------------------------------------------------


def t_power(pairs: int, effect: float, sd: float) -> float:
    """Power of Student's two-sided t test of `pairs` log ratios: that it finds a slowdown of `effect`, relative.

    The noncentral t distribution; finding the opposite does not count.  0 with one pair, which has no deviation.
    """
    if pairs < 2:
        return 0.0
    limit = float(scipy_stats.t.isf(LEVEL / 2, pairs - 1))
    return float(scipy_stats.nct.sf(limit, pairs - 1, math.sqrt(pairs) * math.log1p(effect) / sd))


def z_power(pairs: int, effect: float, sd: float) -> float:
    """The same of a test that need not estimate `sd`."""
    limit = float(scipy_stats.norm.isf(LEVEL / 2))
    return float(scipy_stats.norm.sf(limit - math.sqrt(pairs) * math.log1p(effect) / sd))


def pair_curve(power: Callable[[int, float, float], float], effect: float, sd: float, seconds: float) -> list[Point]:
    """Power of 1, 2, 3 ... pairs of `seconds` each, until there is hardly any doubt left."""
    points = [Point(1, seconds, power(1, effect, sd))]
    while points[-1].power < 0.99:
        number = len(points) + 1
        points.append(Point(number, number * seconds, power(number, effect, sd)))
    return points


def sd_interval(sd: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a standard deviation that was estimated from `number` normal observations."""
    df = number - 1
    low, high = (sd * math.sqrt(df / float(scipy_stats.chi2.isf(tail, df))) for tail in (0.025, 0.975))
    return low, high


# -- drawn -------------------------------------------------------------------------------------------------------------

_COLOURS = ("#0072B2", "#D55E00")
_INK = "#767676"
"""Readable on white and on black paper: nobody knows on which the chart will stand."""

_TICKS = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1200, 3600, 7200, 18_000, 36_000)
_CLOCK = (
    "datum.value < 60 ? datum.value + ' s' : datum.value < 3600 ? datum.value / 60 + ' min' : datum.value / 3600 + ' h'"
)

_CONFIG: dict[str, Any] = {
    "font": "Helvetica, Arial, sans-serif",
    "background": "transparent",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "labelFontSize": 12,
        "titleColor": _INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": _INK,
        "gridOpacity": 0.2,
        "domain": False,
        "ticks": False,
    },
}


def draw(curves: Mapping[str, Sequence[Point]], *, goal: float, title: str) -> str:
    """An SVG of at most two curves by their names, over the logarithm of time, with a line at the power `goal`."""
    seconds = [point.seconds for points in curves.values() for point in points]
    low, high = min(seconds) / 1.2, max(seconds) * 1.2
    x = alt.X(
        "seconds:Q",
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        axis=alt.Axis(values=[tick for tick in _TICKS if low <= tick <= high], labelExpr=_CLOCK, grid=False),
        title="time spent measuring",
    )
    y = alt.Y(
        "power:Q",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", values=[0, 0.2, 0.4, 0.6, 0.8, 1]),
        title=title,
    )
    colour = alt.Color("way:N", scale=alt.Scale(domain=list(curves), range=list(_COLOURS)), legend=None)
    lines = alt.Chart(_rows(curves)).encode(x=x, y=y, color=colour)
    middles = {way: [min(points, key=lambda point: abs(point.power - 0.5))] for way, points in curves.items()}
    names = alt.Chart(_rows(middles)).encode(x=x, y=y, color=colour)
    drawing = alt.layer(
        alt.Chart(alt.InlineData(values=[{"power": goal}]))
        .mark_rule(stroke=_INK, strokeDash=[4, 4])
        .encode(y=alt.Y("power:Q")),
        lines.mark_line(strokeWidth=2),
        lines.mark_point(size=16, filled=True, opacity=1),
        names.mark_text(align="left", dx=12, dy=4, fontSize=13, fontWeight="bold").encode(text="way:N"),
    )
    spec = drawing.properties(width=460, height=230).to_dict(validate=False)
    svg = vl_convert.vegalite_to_svg(spec, config=_CONFIG, allowed_base_urls=[])
    opening, _, drawn = svg.partition(">")
    return f'{opening} role="img"><title>{escape(title)}, against the time spent measuring</title>{drawn}'


def _rows(curves: Mapping[str, Sequence[Point]]) -> alt.InlineData:
    rows = [{"way": way} | point._asdict() for way, points in curves.items() for point in points]
    return alt.InlineData(values=rows)
