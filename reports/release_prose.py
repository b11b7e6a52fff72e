"""Releases side by side, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model import BuildFacts
from harness.stats import Verdict
from reports.findings import Comparison, Suite, case_name
from reports.prose import finding, parity_sentence
from reports.releases import Contrast, Releases
from reports.words import change_of, count, ends, interval, listed


def headlines(releases: Releases) -> tuple[str, ...]:
    """What became of code on the fewest threads: line by line through the releases, and what free threading costs."""
    return tuple(_headlines(releases))


def _headlines(releases: Releases) -> Iterator[str]:
    costs = [(one, suite) for one in releases.against_gil if (suite := _on_fewest(releases, one))]
    if costs:
        told = [f"{_is(suite)} on {one.build.release} ({interval(suite.judgement.effect)})" for one, suite in costs]
        yield f"Without the GIL, code on {_where(costs[0][1])} is {listed(told)}"
    for one in releases.across:
        if suite := _on_fewest(releases, one):
            path = f"from {one.against.release} to {one.build.release}"
            yield f"{kind(one.build)} it {_became(suite)} {path}"


def _on_fewest(releases: Releases, one: Contrast) -> Suite | None:
    found = [suite for cpus, threads in releases.threads if (suite := one.overall(cpus, threads))]
    return found[0] if found else None


def _where(suite: Suite) -> str:
    return f"{count(suite.threads, 'thread')} ({count(len(suite.cases), 'workload')})"


def _became(suite: Suite) -> str:
    effect = suite.judgement.effect
    match suite.judgement.verdict:
        case Verdict.FASTER | Verdict.SLOWER:
            return f"became {change_of(effect)} ({interval(effect)})"
        case Verdict.SAME:
            return f"stayed the same to within 5 % ({interval(effect)})"
    return f"changed by an amount that this run cannot tell from none ({interval(effect)})"


def _is(suite: Suite) -> str:
    known = suite.judgement.verdict is not Verdict.UNDECIDED
    return change_of(suite.judgement.effect) if known else "undecided"


def kind(build: BuildFacts) -> str:
    """Which line a build is of, at the beginning of a sentence."""
    return "Free-threaded" if build.free_threaded else "With the GIL"


def cell(suite: Suite | None) -> tuple[str, str]:
    """A mean in a table, and its interval; "–" where there is none."""
    return (finding(suite), ends(suite.judgement.effect)) if suite else ("–", "")


def moved(comparison: Comparison) -> str:
    """A case that changed, and by how much."""
    judgement = comparison.judgement
    assert judgement is not None
    name = case_name(comparison.case, with_cpus=False)
    return f"{name}: {change_of(judgement.effect)} ({interval(judgement.effect)})"


def chart_sentence(releases: Releases) -> str:
    """What to see in the chart."""
    steps = [
        f"{name(one.build)} after {name(one.against)} {_is(suite)}"
        for one in releases.against_predecessor
        if (suite := _on_fewest(releases, one))
    ]
    return f"On the fewest threads, step by step: {listed(steps)}." if steps else ""


def confounded(releases: Releases) -> tuple[str, ...]:
    """Which comparisons are about more than they seem to be."""
    every = (*releases.against_predecessor, *releases.against_gil, *releases.across)
    return tuple(dict.fromkeys(parity_sentence(one.parity) for one in every if one.parity.differences))


def name(build: BuildFacts) -> str:
    """A build in a sentence, with the release that it turned out to be."""
    return f"{build.build.name} ({build.release})"


def text(releases: Releases) -> str:
    """The headlines for a terminal."""
    lines: Sequence[str] = headlines(releases)
    return "\n".join(f"{line}." for line in lines)
