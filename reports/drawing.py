"""What all charts share: their ink, the ticks of ratios, the signs of builds, and how Altair's charts become SVG.

vl-convert writes them and no JavaScript remains.  Ink is `currentColor`, so that a chart is readable on whatever page
it stands on.  The same data give the same bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any
from xml.sax.saxutils import escape

import altair as alt
import vl_convert

from reports.marks import COLOURS, SHAPES

INK = "currentColor"
PAPER = "var(--paper, white)"
_TICKS = (1, 2, 0.5, 1.5, 0.67, 4, 0.25, 3, 0.33, 10, 0.1, 5, 0.2, 1.25, 0.8, 1.1, 0.9, 1.05, 0.95)
"""Ratios worth a label, the most important first."""

Vega = dict[str, Any]

_CONFIG = {
    "font": "Helvetica",
    "background": "transparent",
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "labelFontSize": 12,
        "labelPadding": 6,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": INK,
        "gridOpacity": 0.12,
        "domain": False,
        "ticks": False,
    },
}


def ticks(low: float, high: float, *, length: int, label: int = 36) -> list[float]:
    """Ticks of a logarithmic axis from `low` to `high`, far enough apart for their labels; both in pixels."""
    apart = label / length * math.log(high / low)
    chosen: list[float] = []
    for tick in _TICKS:
        if low <= tick <= high and all(abs(math.log(tick / other)) >= apart for other in chosen):
            chosen.append(tick)
    return sorted(chosen)


def clipped(text: str, length: int) -> str:
    """What is too long for its column ends in an ellipsis; the tables have it in full."""
    return text if len(text) <= length else text[: length - 1] + "…"


def signs(builds: Sequence[str]) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape of every build, the same in all charts; they repeat where there are more builds than signs."""
    colours, shapes = (list(islice(cycle(every), len(builds))) for every in (COLOURS, SHAPES))
    return (
        alt.Color("build:N", scale=alt.Scale(domain=list(builds), range=colours), legend=None),
        alt.Shape("build:N", scale=alt.Scale(domain=list(builds), range=shapes), legend=None),
    )


def compiled(chart: alt.LayerChart | alt.FacetChart | alt.VConcatChart) -> Vega:
    """The chart as Vega, without the data sets that it names.

    It is our own and drawn by tests: to validate it would take longer than to draw it.
    """
    vega: Vega = vl_convert.vegalite_to_vega(chart.to_dict(validate=False), config=_CONFIG)
    return vega


def svg(vega: Vega, data: dict[str, list[dict[str, Any]]], *, key: str, title: str, description: str) -> str:
    """The chart as an <svg> element with an accessible name, without fonts and without a background.

    `data` are the data sets that the chart names; those that it brings along stay.
    """
    filled = [one | {"values": data[one["name"]]} if one["name"] in data else one for one in vega["data"]]
    written = vl_convert.vega_to_svg(vega | {"data": filled}, allowed_base_urls=[])
    opening, _, drawn = written.partition(">")
    width, height = re.findall(r'(?<=\s)(?:width|height)="([\d.]+)"', opening)
    # The whole drawing is one image with a name: its parts are none.
    drawn = re.sub(r' (?:font-family|role|aria-roledescription)="[^"]*"', "", drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-labelledby="{key}-title {key}-desc"><title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(description)}</desc>{drawn}'
    )
