"""Scaling laws of one build on one workload: fitted to its speedups, and put into words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from harness import scaling
from harness.scaling import LEAST_BLOCKS, Estimate, Fit, Law, Point, Unfitted
from reports.findings import Laws, Speedup
from reports.words import count, listed, share, sharing

_NUMBERS = {2: "two", 3: "three"}


def of(speedups: Iterable[Speedup], confidence: float) -> Iterator[Laws]:
    """The laws of every build on every workload, way of sharing its job and CPU set, in the order in which they come.

    What is undecided is no answer and does not count.  Nor do more workers than CPUs: they wait for one another, which
    neither law is about.
    """
    families: defaultdict[tuple[object, ...], list[Speedup]] = defaultdict(list)
    for speedup in speedups:
        case = speedup.case
        family = case.workload, case.strategy, case.split, case.cpus, case.measure, case.placement, speedup.build
        families[family].append(speedup)
    for members in families.values():
        most = max(members, key=lambda member: member.case.threads)
        logs = _logs(members)
        amdahl, usl = (scaling.fit(law, logs, confidence) for law in Law)
        yield Laws(case=most.case, base=most.base, build=most.build, amdahl=amdahl, usl=usl)


def _logs(members: Sequence[Speedup]) -> dict[int, list[float]]:
    """Per worker count the log speedups over one worker, nan where a block has none."""
    known: dict[int, Mapping[int, float]] = {
        speedup.case.threads: dict(zip(speedup.blocks, speedup.answer.logs, strict=True))
        for speedup in members
        if speedup.answer and speedup.base.threads == 1 and speedup.case.threads <= len(speedup.case.cpus)
    }
    every = sorted({block for series in known.values() for block in series})
    return {workers: [series.get(block, math.nan) for block in every] for workers, series in known.items()}


def curve(laws: Laws, points: int = 33) -> tuple[tuple[float, float], ...]:
    """A polyline: workers and speedup, from 1 worker to the most that were measured; empty where no law was fitted.

    Of the two laws it is the one with more parameters, where enough was measured for it.
    """
    for fit in (laws.usl, laws.amdahl):
        if isinstance(fit, Fit):
            each = [1 + (fit.most - 1) * step / (points - 1) for step in range(points)]
            return tuple((workers, fit.speedup(workers).value) for workers in each)
    return ()


# -- words -------------------------------------------------------------------------------------------------------------


def sentences(laws: Laws) -> tuple[str, ...]:
    """What the laws say of one build: one sentence, or two, for each law."""
    if laws.base.threads != 1:
        return ("No scaling law is fitted: nothing was measured with one worker.",)
    return tuple(_sentences(laws))


def _sentences(laws: Laws) -> Iterator[str]:
    if isinstance(laws.amdahl, Unfitted):
        yield _why_not(laws.amdahl, len(laws.case.cpus))
        return  # the other law needs more still
    yield (
        f"{Law.AMDAHL} on {_where(laws, laws.amdahl)}: as if {share(laws.amdahl.sigma.value)} of the work were serial "
        f"(95 % interval {_span(laws.amdahl.sigma)}); {_agreement(laws.amdahl)}."
    )
    if isinstance(laws.usl, Unfitted):
        yield _why_not(laws.usl, len(laws.case.cpus))
        return
    sigma, kappa = laws.usl.sigma, laws.usl.kappa
    yield (
        f"{Law.USL} on {_where(laws, laws.usl)}: contention {share(sigma.value)}, coherency {share(kappa.value)} "
        f"(95 % intervals {_span(sigma)} and {_span(kappa)}); {_best(laws.usl)}; {_agreement(laws.usl)}."
    )


def _where(laws: Laws, fit: Fit) -> str:
    """What a law is about: "3.14t, 2 to 16 threads"."""
    return f"{laws.build}, {fit.points[0].workers} to {sharing(msgspec.structs.replace(laws.case, threads=fit.most))}"


def _best(fit: Fit) -> str:
    """The best number of workers, as a clause."""
    if (best := fit.best) is None:
        return "no best number of workers is known, since coherency may be 0"
    beyond = f", beyond the {fit.most} that were measured" if best.value > fit.most else ""
    workers = "worker" if _about(best.value) == "1" else "workers"
    return f"best at about {_about(best.value)} {workers} ({_about(best.low)} to {_about(best.high)}){beyond}"


def _agreement(fit: Fit) -> str:
    """Which points leave the curve, as a clause."""
    leaving = [point for point in fit.points if point.leaves]
    if not leaving:
        return "no measured point leaves the curve"
    (first, how_far), *rest = [(point.workers, _distance(point)) for point in leaving]
    where = [f"{count(first, 'worker')} ({how_far})", *(f"{workers} ({how_far})" for workers, how_far in rest)]
    return f"what was measured leaves the curve at {listed(where)}"


def _distance(point: Point) -> str:
    return f"{share(abs(math.expm1(point.residual)))} {'above' if point.residual > 0 else 'below'}"


def _why_not(unfitted: Unfitted, cpus: int) -> str:
    """What is missing to a fit, and what would have it."""
    law = unfitted.law
    return (
        f"{law} is not fitted: it needs {_NUMBERS[law.least_counts]} worker counts from 2 to the number of CPUs "
        f"({cpus} here) with {count(LEAST_BLOCKS, 'block')} each, such as 1,2,4,8 on 8 CPUs; "
        f"measured: {listed([str(workers) for workers in unfitted.counts]) or 'none'}."
    )


def _span(estimate: Estimate) -> str:
    return f"{share(estimate.low)} to {share(estimate.high)}"


def _about(workers: float) -> str:
    """A number of workers with two significant digits, and no fractions of one."""
    return f"{max(1.0, float(f'{workers:.2g}')):.0f}"
