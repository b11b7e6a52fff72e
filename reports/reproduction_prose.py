"""What became of published numbers, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.claims import Claim, Place, Range
from harness.model import Measure, Run, Size, Strategy
from harness.stats import Effect
from reports.reproduction import Outcome, Result, judge
from reports.words import count, listed

_WAYS = {
    Strategy.SERIAL: "thread",
    Strategy.THREADS: "thread",
    Strategy.POOL: "thread of a pool",
    Strategy.PROCESSES: "process",
    Strategy.INTERPRETERS: "interpreter",
    Strategy.ASYNCIO: "asyncio task",
}
_FIGURES = {
    Measure.TIME: "{a} is {ratio} times as fast as {b}",
    Measure.CAPACITY: "{a} gets {ratio} times as much done as {b}",
    Measure.MEMORY: "{b} takes {ratio} times as much memory as {a}",
}


def paragraph(one: Result, published: str) -> str:
    """What was published, what was found, and why that is the verdict; whole sentences."""
    return " ".join(_sentences(one, published))


def _sentences(one: Result, published: str) -> Iterator[str]:
    yield f"Published: {published}, so {_span(one.accepted)} is accepted."
    if one.effect:
        yield f"Here {_figure(one.claim, one.effect)}: {_where(one.effect, one.accepted)}."
    elif one.prediction:
        yield f"{_capital(one.why)}."
        yield (
            f"From fewer threads Amdahl's law predicts {_interval(one.prediction)}, {_expected(one)}; "
            "a prediction reproduces nothing."
        )
    elif one.why:
        yield f"{_capital(one.why)}."
    if one.effect and one.why:
        yield f"Measured {one.why}."
    if one.beside and one.claim.beside:
        yield f"As {one.claim.beside.says}, which decides nothing, it is {_interval(one.beside)}."
    if one.claim.reading:
        yield one.claim.reading
    if one.claim.contradicts:
        yield f"It contradicts {listed(list(one.claim.contradicts))}: not all of them can hold."


def _figure(claim: Claim, effect: Effect) -> str:
    slow, fast = claim.places
    text = _FIGURES[claim.measure].format(a=_place(fast, slow), b=_place(slow, fast), ratio=f"{effect.ratio:.3f}")
    return f"{text} ({_span(effect)}, {count(effect.n, 'block')})"


def _place(place: Place, other: Place) -> str:
    """What is peculiar to one side of a claim."""
    way = count(place.threads, _WAYS[place.strategy])
    if place.build == other.build:
        return f"{place.build} on {way}"
    return place.build if place.threads == other.threads == 1 else f"{place.build} on {way}"


def _where(effect: Effect, accepted: Range) -> str:
    match judge(effect, accepted):
        case Outcome.REPRODUCED:
            return "the whole interval is inside of that, so it is reproduced"
        case Outcome.CONTRADICTED:
            side = "above" if effect.low > accepted.high else "below"
            return f"the whole interval is {side} that, so it is not reproduced"
    return f"the interval reaches {_ends(effect, accepted)}, so that nothing is decided"


def _ends(effect: Effect, accepted: Range) -> str:
    below, above = effect.low < accepted.low, effect.high > accepted.high
    return "beyond both ends of it" if below and above else f"{'below' if below else 'above'} it"


def _expected(one: Result) -> str:
    """Where a prediction lies."""
    assert one.prediction is not None
    return {
        Outcome.REPRODUCED: "which is what was published",
        Outcome.CONTRADICTED: "which is not what was published",
    }.get(judge(one.prediction, one.accepted), "which may or may not be what was published")


def conditions(runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """What it was measured in: names and values."""
    first = runs[0]
    cpus = max(len(case.cpus) for run in runs for case in run.plan.cases)
    yield "machine", f"{count(cpus, 'CPU')}, {first.host.cpu_model}"
    yield "system", f"{first.host.kernel}, {first.engine.kind} {first.engine.version}".rstrip()
    builds = {fact.build.name: fact for run in runs for fact in run.builds}
    yield "builds", "; ".join(f"{name} ({fact.release}, {fact.optimize})" for name, fact in sorted(builds.items()))
    sizes = sorted({run.plan.size for run in runs})
    yield "sizes", "the workloads' quick sizes" if sizes == [Size.QUICK] else listed(sizes)
    yield "method", "pairs in lockstep on the same CPUs, intervals over blocks; seconds are never compared"


def _span(range_: Range | Effect) -> str:
    return f"{range_.low:.2f} to {range_.high:.2f}"


def _interval(effect: Effect) -> str:
    return f"{effect.ratio:.2f} ({_span(effect)})"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
