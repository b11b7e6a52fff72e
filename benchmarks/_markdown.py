"""Tables for docs/method.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def table(rows: Iterable[Sequence[str]]) -> None:
    """Print rows as they come; the first is the header."""
    for number, row in enumerate(rows):
        print(f"| {' | '.join(row)} |", flush=True)
        if not number:
            print(f"|{'---|' * len(row)}")


def percent(share: float | np.floating, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"
