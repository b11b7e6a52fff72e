"""Builds, shown: which of them can be had on this machine, and what those that were made turned out to be."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import textwrap
from collections.abc import Sequence

import msgspec

from harness import builds, session, specs
from harness.images import Foundry, Offer
from harness.model import Source
from harness.screen import Screen
from reports import parity, summary

_WIDTH = 120
"""Columns for values, of all builds together."""

_SUM = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


def offers(*, source: str | None = None, as_json: bool = False) -> None:
    """Prints every build of builds.toml and whether it is made, can be made, or why not.  Makes nothing."""
    screen = Screen()
    wanted = [build for build in builds.load().values() if build.source is not Source.HOST]
    found = []
    with contextlib.closing(Foundry(source=source)) as foundry, screen.task("asking", total=len(wanted)) as task:
        for number, build in enumerate(wanted):
            task.update(number, build.name)
            found.append(foundry.offer(build))
    if as_json:
        print(json.dumps(msgspec.to_builtins(found), indent=1))
        return
    obstacles = list(dict.fromkeys(offer.obstacle for offer in found if offer.obstacle))
    print(summary.columns(("build", "here"), [(offer.build.name, _state(offer, obstacles)) for offer in found]))
    for number, obstacle in enumerate(obstacles, 1):
        print(f"\n({number}) {obstacle}")
    print("\n./inv build --builds NAME makes one, and ./inv build --facts NAME says what it is.")


def facts(names: str, *, as_json: bool = False) -> None:
    """Prints what builds are, side by side, made where they are missing; differences are marked."""
    found = session.prepare(*specs.split("--facts", names))
    if as_json:
        print(json.dumps(msgspec.to_builtins(found), indent=1))
        return
    rows: list[tuple[str, ...]] = []
    for name, values in parity.side_by_side(found):
        shown = (_SUM.sub(r"\1…", value) for value in values)
        cells = [textwrap.wrap(value, _WIDTH // len(found), break_on_hyphens=False) for value in shown]
        first, *further = itertools.zip_longest(*cells, fillvalue="")
        rows.append(("≠" if len(set(values)) > 1 else "", name, *first))
        rows += (("", "", *line) for line in further)
    print(summary.columns(("", "", *(one.build.name for one in found)), rows))


def _state(offer: Offer, obstacles: Sequence[str]) -> str:
    """In a few words; the obstacle by its number."""
    if offer.obstacle:
        return f"cannot be made ({obstacles.index(offer.obstacle) + 1})"
    return f"can be made of {offer.origin}" if offer.size is None else f"made, {offer.size / 1e6:.0f} MB"
