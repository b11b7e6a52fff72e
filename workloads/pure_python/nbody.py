# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "The sun and four planets under gravity, step by step, in 48 systems that are shared out over the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.3
# ///
"""Bodies that attract one another, moved in small steps of time; each system begins with somewhat other velocities.

It stands for simulations and parameter studies in plain Python: floating-point arithmetic on attributes of a few
objects, which live long and change all the time.  Every intermediate result is a new float object, so allocating and
freeing small objects counts for much.  The systems know nothing of each other.

Nothing but addition, multiplication, division and the square root is in it, which IEEE 754 rounds alike everywhere. The
answer is rounded all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import combinations
from math import fsum, pi, sqrt
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, chunks, run

SIZES = {
    "quick": Scale(systems=48, steps=100, expected=(-0.205717134, 8730.039683)),
    "full": Scale(systems=48, steps=4_000, expected=(-0.205670482, 9606.270411)),
}

GRAVITY = 4 * pi * pi
"""In AU cubed, per solar mass and year squared."""

DAYS = 365.24
"""Of a year."""

STEP = 0.01
"""Years."""

Row = tuple[float, float, float, float, float, float, float]
"""A body as it travels between workers: the fields of Body."""


@dataclass
class Body:
    """Position in AU, velocity in AU per year, mass in solar masses."""

    x: float
    y: float
    z: float
    vx: float
    vy: float
    vz: float
    mass: float


class Share(NamedTuple):
    """Systems of one worker, and how many steps each of them takes."""

    systems: Sequence[Sequence[Row]]
    steps: int


# Positions, velocities per day and masses as in the n-body program of the Computer Language Benchmarks Game, rounded.
PLANETS: tuple[Row, ...] = (
    (4.84143144, -1.16032004, -0.10362204, 0.00166007664, 0.00769901118, -0.0000690460017, 0.000954791938),
    (8.34336671, 4.12479856, -0.403523417, -0.0027674251, 0.00499852801, 0.0000230417298, 0.00028588598),
    (12.8943695, -15.1111514, -0.223307578, 0.00296460138, 0.00237847174, -0.0000296589569, 0.0000436624404),
    (15.3796971, -25.9193146, 0.179258773, 0.00268067772, 0.0016282417, -0.0000951592255, 0.0000515138902),
)


def job(systems: int, steps: int) -> Share:
    """Velocities differ by up to half a per cent; the sun's is such that the system stays where it is."""
    random = Random(703).random

    def planets() -> list[Row]:
        rows: list[Row] = []
        for x, y, z, vx, vy, vz, mass in PLANETS:
            factor = DAYS * (0.995 + 0.01 * random())
            rows.append((x, y, z, vx * factor, vy * factor, vz * factor, mass))
        return rows

    def with_sun(rows: list[Row]) -> list[Row]:
        vx, vy, vz = (-fsum(row[axis] * row[6] for row in rows) for axis in (3, 4, 5))
        return [(0.0, 0.0, 0.0, vx, vy, vz, 1.0), *rows]

    return Share([with_sun(planets()) for _ in range(systems)], steps)


def split(job: Share, count: int) -> list[Share]:
    return [Share(systems, job.steps) for systems in chunks(job.systems, count)]


def advance(bodies: Sequence[Body], pairs: Sequence[tuple[Body, Body]]) -> None:
    """One step: velocities first, then positions."""
    for one, other in pairs:
        dx = one.x - other.x
        dy = one.y - other.y
        dz = one.z - other.z
        squared = dx * dx + dy * dy + dz * dz
        pull = GRAVITY * STEP / (squared * sqrt(squared))
        one.vx -= dx * other.mass * pull
        one.vy -= dy * other.mass * pull
        one.vz -= dz * other.mass * pull
        other.vx += dx * one.mass * pull
        other.vy += dy * one.mass * pull
        other.vz += dz * one.mass * pull
    for body in bodies:
        body.x += STEP * body.vx
        body.y += STEP * body.vy
        body.z += STEP * body.vz


def simulate(share: Share) -> list[list[Row]]:
    """The systems after their last step."""
    systems: list[list[Row]] = []
    for rows in share.systems:
        bodies = [Body(*row) for row in rows]
        pairs = list(combinations(bodies, 2))
        for _ in range(share.steps):
            advance(bodies, pairs)
        systems.append([astuple(body) for body in bodies])
    return systems


def energy_and_reach(results: Sequence[list[list[Row]]]) -> tuple[float, float]:
    """The energy of all systems, and all distances between their bodies, added up and rounded."""
    systems = [system for result in results for system in result]
    moving = fsum(mass * (vx * vx + vy * vy + vz * vz) / 2 for rows in systems for *_, vx, vy, vz, mass in rows)
    pairs = [pair for system in systems for pair in combinations(system, 2)]
    falling = fsum(GRAVITY * one[6] * other[6] / distance(one, other) for one, other in pairs)
    return round(moving - falling, 9), round(fsum(distance(one, other) for one, other in pairs), 6)


def distance(one: Row, other: Row) -> float:
    dx, dy, dz = one[0] - other[0], one[1] - other[1], one[2] - other[2]
    return sqrt(dx * dx + dy * dy + dz * dz)


if __name__ == "__main__":
    run("pure_python/nbody", sizes=SIZES, job=job, split=split, work=simulate, combine=energy_and_reach)
