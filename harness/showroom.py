"""Builds, shown: which of them can be had on this machine, and what those that were made turned out to be."""

from __future__ import annotations

import contextlib
import json

import msgspec

from harness import builds, session, specs
from harness.images import Foundry
from harness.model import Source
from harness.screen import Screen
from reports import parity, summary


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
    print(summary.columns(("build", "here"), [(offer.build.name, offer.state) for offer in found]))
    print(f"\n{_advice(sum(offer.size is not None for offer in found), sum(bool(offer.obstacle) for offer in found))}")


def facts(names: str, *, as_json: bool = False) -> None:
    """Prints what builds are, side by side, made where they are missing; differences are marked."""
    found = session.prepare(*specs.split("--facts", names))
    if as_json:
        print(json.dumps(msgspec.to_builtins(found), indent=1))
        return
    rows = [("≠" if len(set(values)) > 1 else "", name, *values) for name, values in parity.side_by_side(found)]
    print(summary.columns(("", "", *(one.build.name for one in found)), rows))


def _advice(made: int, obstacles: int) -> str:
    parts = [f"{made} made"]
    if obstacles:
        parts.append(f"{obstacles} cannot be had here")
    return f"{', '.join(parts)}.  ./inv build --builds NAME makes one, ./inv build --facts NAME says what it is."
