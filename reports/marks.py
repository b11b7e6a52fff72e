"""Small pictures inside text and tables, drawn by hand: each build's sign, and a case's blocks."""

from __future__ import annotations

from collections.abc import Sequence

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


def marker(builds: Sequence[str], build: str) -> str:
    """The sign of a build in every chart, to stand beside its name."""
    index = list(builds).index(build)
    return (
        f'<svg class="marker" width="12" height="12" viewBox="-1.3 -1.3 2.6 2.6" aria-hidden="true">'
        f'<path d="{SHAPES[index % len(SHAPES)]}" fill="{COLOURS[index % len(COLOURS)]}"/></svg>'
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
        dots.append(f'<circle cx="{x:.1f}" cy="{height / 2 - part * (height / 2 - inset):.1f}" r="1.8"/>')
    return (
        f'<svg class="sparkline" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<path d="M0,{height / 2}H{width}" stroke="currentColor" stroke-opacity=".3"/>'
        f'<g fill="currentColor">{"".join(dots)}</g></svg>'
    )
