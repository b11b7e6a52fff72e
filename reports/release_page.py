"""Releases side by side as a page that stands alone, beside a run's own page and in its style."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from harness.model import Case
from harness.stats import Verdict
from reports import charts, marks, page, words
from reports import release_prose as prose
from reports.findings import Comparison, case_name
from reports.releases import Contrast, Releases, version

PAGE = "releases.html"

_KINDS = ("with the GIL", "free-threaded")


def write(run_dir: Path, releases: Releases) -> Path:
    """Write the page of the run in `run_dir`, and return its path.  HostError where it cannot be written."""
    return page.save(run_dir, render(releases), PAGE)


def render(releases: Releases) -> str:
    """The page as HTML.  The same releases give the same bytes."""
    return page.shaped(
        "releases.html",
        "tables.js",
        releases=releases,
        run=releases.run,
        headlines=prose.headlines(releases),
        confounded=prose.confounded(releases),
        several_cpu_sets=len({cpus for cpus, _ in releases.threads}) > 1,
        charts=tuple(_charts(releases)),
        chart_sentence=prose.chart_sentence(releases),
        kinds=[(Markup(marks.marker(_KINDS, kind)), kind) for kind in _KINDS],
        rows=tuple(_rows(releases)),
        tables=(
            (f"Against {prose.name(releases.base)}, the base", releases.against_base),
            ("Against the release before, of the same kind", releases.against_predecessor),
            ("Without the GIL against the same release with it", releases.against_gil),
        ),
        categories=_categories(releases),
        movers=tuple(_movers(releases)),
        cell=prose.cell,
        moved=prose.moved,
        name=prose.name,
        signs=page.SIGNS,
        verdict_on=words.verdict_on,
        figure=_figure,
    )


@dataclass(frozen=True, slots=True)
class _Chart:
    threads: int
    cpus: tuple[int, ...]
    svg: Markup


def _charts(releases: Releases) -> Iterator[_Chart]:
    for number, (cpus, threads) in enumerate(releases.threads):
        points = list(_points(releases, cpus, threads))
        description = f"Geometric means over all workloads, on {words.count(threads, 'thread')}."
        base = releases.base.build.name
        svg = charts.releases(points, _KINDS, base, key=f"releases-{number}", description=description)
        yield _Chart(threads, cpus, Markup(svg))


def _points(releases: Releases, cpus: tuple[int, ...], threads: int) -> Iterator[charts.Point]:
    by_build = {one.build.build.name: one for one in releases.against_base}
    ordered = sorted(releases.builds, key=lambda build: version(build.release))
    for build in ordered:
        kind = _KINDS[build.free_threaded]
        contrast = by_build.get(build.build.name)
        if contrast is None:
            yield charts.Point(kind, build.release, 1.0, 1.0, 1.0)
        elif suite := contrast.overall(cpus, threads):
            effect = suite.judgement.effect
            low, high = (effect.ratio if math.isnan(end) else end for end in (effect.low, effect.high))
            yield charts.Point(kind, build.release, effect.ratio, low, high)


@dataclass(frozen=True, slots=True)
class _Movers:
    contrast: Contrast
    improved: tuple[Comparison, ...]
    regressed: tuple[Comparison, ...]


def _movers(releases: Releases) -> Iterator[_Movers]:
    for one in releases.against_predecessor:
        yield _Movers(one, one.movers(Verdict.FASTER), one.movers(Verdict.SLOWER))


def _categories(releases: Releases) -> list[str]:
    found = dict.fromkeys(one.category for contrast in releases.against_base for one in contrast.suites)
    return [category for category in found if category is not None]


@dataclass(frozen=True, slots=True)
class _Row:
    """A case: its time on each build, over that on the base."""

    name: str
    cells: tuple[Comparison | None, ...]


def _rows(releases: Releases) -> Iterator[_Row]:
    several = len({case.cpus for case in releases.run.plan.cases}) > 1
    found: dict[Case, list[Comparison]] = {}
    for contrast in releases.against_base:
        for one in contrast.comparisons:
            found.setdefault(one.case, []).append(one)
    for case, comparisons in found.items():
        yield _Row(case_name(case, with_cpus=several), tuple(comparisons))


def _figure(comparison: Comparison) -> str:
    return f"{comparison.judgement.effect.ratio:.3f}" if comparison.judgement else "–"
