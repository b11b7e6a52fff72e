"""Small pictures inside text and tables, drawn by hand: each build's sign, a case's blocks, and its history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#7F6A00", "#6E7B8B")
"""Of builds: with a contrast of 3:1 on white and on black paper, and a shape each."""
SHAPES = (
    "M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0Z",
    "M0,-1.2L1.2,0L0,1.2L-1.2,0Z",
    "M-.85,-.85H.85V.85H-.85Z",
    "M0,-1L1.1,.9H-1.1Z",
    "M0,1L-1.1,-.9H1.1Z",
)
"""Circle, diamond, square, triangles: paths in the square from -1 to 1, as Vega wants them."""
_DASHES = ("", 'stroke-dasharray="4 2"')
"""Of the baseline and of the build, for eyes that cannot tell their colours."""


def marker(builds: Sequence[str], build: str) -> str:
    """The sign of a build in every chart, to stand beside its name."""
    index = list(builds).index(build)
    return (
        f'<svg class="marker" width="12" height="12" viewBox="-1.3 -1.3 2.6 2.6" aria-hidden="true">'
        f'<path d="{SHAPES[index % len(SHAPES)]}" fill="{COLOURS[index % len(COLOURS)]}"/></svg>'
    )


_PENS = (
    ('stroke-width="30" stroke-linecap="round"', "h0"),
    ('stroke-width="12" stroke-linecap="butt"', "h40"),
)
"""Of the values of the first build and of another one: a dot, and a dash."""


def values(builds: Sequence[Mapping[int, Sequence[float]]], *, most: int) -> str:
    """Every value of two builds by block, blocks from left to right: of the first build dots, of the other dashes.

    The scale is logarithmic, from the shortest value at the bottom to the longest at the top.  Where there are more
    than `most` values, every block shows as many of its first ones as fit.
    """
    width, height, inset = 1700, 340, 30
    columns = {block: column for column, block in enumerate(sorted({block for one in builds for block in one}))}
    every = [math.log(value) for one in builds for block in one.values() for value in block]
    low, high = min(every), max(every)
    scale = (height - 2 * inset) / (high - low) if high > low else 0.0
    shown = max(1, most // (len(columns) * len(builds)))
    paths = []
    for number, (one, (pen, mark)) in enumerate(zip(builds, _PENS, strict=True)):
        places = "".join(
            f"M{inset + (width - 2 * inset) * (columns[block] + 0.3 + 0.4 * number) / len(columns):.0f},"
            f"{height - inset - scale * (math.log(value) - low):.0f}{mark}"
            for block, found in one.items()
            for value in found[:shown]
        )
        paths.append(f'<path d="{places}" stroke="{COLOURS[number]}" {pen}/>')
    return (
        f'<svg class="sparkline" width="{width // 10}" height="{height // 10}" viewBox="0 0 {width} {height}" '
        f'aria-hidden="true" fill="none">{"".join(paths)}</svg>'
    )


def sparkline(logs: Sequence[float], blocks: Sequence[int], *, centre: float, last: int, reach: float) -> str:
    """One dot per block, from block 0 on the left to `last`, the last executed, on the right, by its log ratio.

    The line is at `centre`, the full height is `reach` above and below it; what lies beyond stands at the edge.
    """
    width, height, inset = 150, 26, 4.0
    dots = []
    for log, block in zip(logs, blocks, strict=True):
        x = inset + (width - 2 * inset) * (block / last if last else 0.5)
        part = max(-1.0, min(1.0, (log - centre) / reach)) if reach else 0.0
        dots.append(f"M{x:.1f},{height / 2 - part * (height / 2 - inset):.1f}h0")
    return (
        f'<svg class="sparkline" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true" '
        f'stroke="currentColor"><path d="M0,{height / 2}H{width}" stroke-opacity=".3"/>'
        f'<path d="{"".join(dots)}" stroke-width="3.6" stroke-linecap="round"/></svg>'
    )


@dataclass(frozen=True, slots=True)
class Dot:
    """An estimate in a history: its place in the order of runs, and logs."""

    at: int
    log: float
    low: float | None
    high: float | None


def history(dots: Sequence[Dot], levels: Sequence[tuple[int, int, float]], *, runs: int) -> str:
    """One dot per run with its interval, the oldest on the left; each level from one run to another is a line.

    The height is that of the dots, and of 4 % at least; what of an interval lies beyond ends at the edge.  Where a new
    level begins there is a triangle at the bottom.
    """
    width, height, inset = 260, 44, 6.0
    lowest, highest = min(dot.log for dot in dots), max(dot.log for dot in dots)
    widen = max(0.0, 0.04 - (highest - lowest)) / 2
    lowest, highest = lowest - widen, highest + widen

    def x(at: float) -> float:
        return inset + (width - 2 * inset) * (at / (runs - 1) if runs > 1 else 0.5)

    def y(log: float) -> float:
        part = (log - lowest) / (highest - lowest)
        return max(1.0, min(height - 1.0, height - inset - part * (height - 2 * inset)))

    whiskers = "".join(
        f"M{x(dot.at):.1f},{y(dot.low):.1f}V{y(dot.high):.1f}"
        for dot in dots
        if dot.low is not None and dot.high is not None
    )
    # A line of no length with round ends is a dot, in a tenth of the bytes of a circle.
    points = "".join(f"M{x(dot.at):.1f},{y(dot.log):.1f}h0" for dot in dots)
    steady = "".join(f"M{x(first):.1f},{y(level):.1f}H{x(last):.1f}" for first, last, level in levels)
    feet = "".join(f"M{x(first) - 4:.1f},{height}h8l-4,-7Z" for first, _, _ in levels[1:])
    one = f'<path class="one" d="M0,{y(0.0):.1f}H{width}"/>' if lowest <= 0 <= highest else ""
    return (
        f'<svg class="trend" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">{one}'
        f'<path class="level" d="{steady}"/><path class="whisker" d="{whiskers}"/><path class="dots" d="{points}"/>'
        + (f'<path class="foot" d="{feet}"/>' if feet else "")
        + "</svg>"
    )


def durations(series: Sequence[Sequence[tuple[int, float]]], *, runs: int) -> str:
    """How long each build took, as a line from run to run: pairs of the run's place and a value, on one log scale."""
    width, height, inset = 130, 44, 6.0
    logs = [math.log(value) for line in series for _, value in line]
    if not logs:
        return ""
    lowest, highest = min(logs), max(logs)
    reach = max(highest - lowest, 0.04)

    def place(at: int, value: float) -> str:
        x = inset + (width - 2 * inset) * (at / (runs - 1) if runs > 1 else 0.5)
        middle = math.log(value) - (lowest + highest) / 2
        return f"{x:.1f},{height / 2 - middle / reach * (height - 2 * inset):.1f}"

    lines = "".join(
        f'<path d="M{"L".join(place(*pair) for pair in line)}" stroke="{COLOURS[number]}" {_DASHES[number]}/>'
        for number, line in enumerate(series)
        if line
    )
    return (
        f'<svg class="durations" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<g fill="none" stroke-width="1.6" stroke-linejoin="round">{lines}</g></svg>'
    )
