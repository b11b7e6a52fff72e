"""The room of Jinja: one self-contained page per run.  No network, no JavaScript, no fonts of its own.

Whatever a run contains is text to the page: autoescape is on everywhere, and only what we drew ourselves is markup.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from harness.errors import HostError
from harness.gauge import LEAST_BLOCKS, TOLERANCE
from harness.journal import ATTEMPTS
from harness.model import Case, Split, Strategy, cpu_list
from harness.planning import CONFIDENCE
from harness.scaling import Fit
from harness.stats import Verdict
from reports import accounts, charts, laws, marks, parity, prose, verdict, words
from reports.evidence import Peak, Series
from reports.findings import MARGIN, Comparison, Findings, Speedup, Suite

PAGE = "index.html"
_TEMPLATES = Path(__file__).with_name("templates")

_WAYS = {
    Strategy.THREADS: "threads",
    Strategy.POOL: "a pool of threads",
    Strategy.PROCESSES: "processes",
    Strategy.INTERPRETERS: "interpreters",
    Strategy.ASYNCIO: "asyncio",
}

SIGNS = {Verdict.FASTER: "▼", Verdict.SLOWER: "▲", Verdict.SAME: "=", Verdict.UNDECIDED: "?"}


def write(run_dir: Path, findings: Findings) -> Path:
    """Write the page of the run in `run_dir`, and return its path.  HostError where it cannot be written."""
    path = run_dir / PAGE
    try:
        path.write_text(render(findings), encoding="utf-8")
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error
    return path


def render(findings: Findings) -> str:
    """The page as HTML.  The same findings give the same bytes."""
    scalings = tuple(_scalings(findings, findings.speedups, "speedup"))
    every_way = [way for choice in findings.choices for way in choice.ways]
    return (
        environment()
        .get_template("page.html")
        .render(
            findings=findings,
            run=findings.run,
            plan=findings.run.plan,
            verdict=verdict.verdict(findings),
            reservations=verdict.reservations(findings),
            glance=tuple(_glance(findings, findings.suites)),
            forest=_forest(findings),
            effects_sentence=prose.effects_sentence(findings),
            floors_sentence=prose.floors_sentence(findings),
            alarms=[(alarms, prose.alarms_sentence(alarms)) for alarms in findings.false_alarms],
            outcomes_sentence=accounts.outcomes_sentence(findings),
            precision_sentences=accounts.precision_sentences(findings),
            values_sentence=accounts.values_sentence(findings),
            noise_sentence=accounts.noise_sentence(findings),
            noise_facts=tuple(accounts.noise_facts(findings)),
            noise_chart=_noise(findings),
            rules=accounts.RULES,
            parity_sentences=[prose.parity_sentence(pair) for pair in findings.parity],
            memory_sentence=prose.memory_sentence(findings),
            memory_glance=tuple(_glance(findings, findings.memory_suites)),
            memories=tuple(_memories(findings)),
            completions=[one for one in scalings if one.strategy is Strategy.THREADS],
            laws=[(one, laws.sentences(one)) for one in findings.laws if isinstance(one.amdahl, Fit)],
            other_ways=[one for one in scalings if one.strategy is not Strategy.THREADS],
            way_names=_WAYS,
            ways=[strategy for strategy in Strategy if strategy in {way.case.strategy for way in every_way}],
            behind=lambda way: words.change(math.exp(way.behind)),
            capacities=tuple(_scalings(findings, findings.capacities, "capacity")),
            groups=_groups(findings),
            strips=_strips(findings),
            medians=[_Medians(series, *_scaled(series.medians)) for series in findings.series],
            times_of={(series.case.id, series.build): series for series in findings.series},
            facts=tuple(_facts(findings)),
            marker=lambda build: Markup(marks.marker(findings.run.plan.builds, build)),
            interval=_interval,
            glanced=prose.finding,
            here_now=prose.HERE_NOW,
            least_blocks=LEAST_BLOCKS,
            tolerance=TOLERANCE,
            attempts=ATTEMPTS,
            interval_of=words.ends,
            verdict_on=words.verdict_on,
            signs=SIGNS,
            confidence=CONFIDENCE,
            margin=MARGIN,
            several_cpu_sets=len(findings.cpu_sets) > 1,
        )
    )


def environment() -> jinja2.Environment:
    """What all pages are made with: their templates and filters; autoescape is on."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "counted": words.count,
        "cpus": cpu_list,
        "duration": words.duration,
        "emphasised": _emphasised,
        "plus_minus": words.plus_minus,
        "prose": _unbroken,
        "seconds": words.seconds,
        "share": words.share,
        "sharing_of": _sharing,
        "size": words.size,
        "span": words.span,
        "times": words.times,
    }
    made.tests["known"] = lambda value: value is not None and not math.isnan(value)
    return made


# -- words -------------------------------------------------------------------------------------------------------------


def _unbroken(text: object) -> Markup:
    """A sentence in which no number is parted from its unit, and no compound is broken."""
    unbroken = str(escape(text)).replace(" %", "&nbsp;%")
    return Markup(re.sub(r"(free|single)-threaded", r'<span class="whole">\g<0></span>', unbroken))


def _sharing(case: Case) -> str:
    """What shares a job, below a head that says "threads": "2", or "2 processes"."""
    plain = case.strategy in (None, Strategy.SERIAL, Strategy.THREADS) and case.split is Split.SHARE
    return str(case.threads) if plain else words.sharing(case)


def _emphasised(statement: verdict.Statement) -> Markup:
    """A claim with the words that carry it marked."""
    before, figure, after = (
        statement.claim.partition(statement.figure) if statement.figure else (statement.claim, "", "")
    )
    marked = Markup("<strong>{}</strong>").format(_unbroken(figure)) if figure else ""
    return _unbroken(before) + marked + _unbroken(after)


def _interval(low: float, high: float, digits: int = 3) -> str:
    """An interval as figures."""
    return "–" if math.isnan(low) else f"{low:.{digits}f} – {high:.{digits}f}"


def _scaled(values: tuple[float, ...]) -> tuple[str, str]:
    """The unit that suits a row of durations, and the row in it."""
    scale, unit = next(
        (s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")) if max(values) >= s or u == "ns"
    )
    return unit, "  ".join(f"{value / scale:.4g}" for value in values)


# -- what the sections show --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Glance:
    """A table of suites: categories down, thread counts across."""

    build: str
    cpus: tuple[int, ...]
    threads: tuple[int, ...]
    rows: tuple[tuple[str | None, tuple[Suite | None, ...]], ...]


def _glance(findings: Findings, every: Sequence[Suite]) -> Iterator[_Glance]:
    for cpus in findings.cpu_sets:
        for build in findings.contenders:
            suites = {(s.threads, s.category): s for s in every if (s.build, s.cpus) == (build, cpus)}
            threads = tuple(sorted({threads for threads, _ in suites}))
            categories = dict.fromkeys(category for _, category in suites if category is not None)
            rows = [(c, tuple(suites.get((t, c)) for t in threads)) for c in (*categories, None)]
            if suites:
                # With one category "all" would say the same again.
                yield _Glance(build, cpus, threads, tuple(rows if len(categories) > 1 else rows[:-1]))


def _forest(findings: Findings) -> Markup:
    sentence = prose.effects_sentence(findings)
    return Markup(charts.forest(findings.comparisons, findings.run.plan.builds, description=sentence))


@dataclass(frozen=True, slots=True)
class _Scaling:
    """Threads on one workload and CPU set."""

    workload: str
    strategy: Strategy | None
    cpus: tuple[int, ...]
    chart: Markup
    sentence: str
    speedups: tuple[Speedup, ...]


def _scalings(findings: Findings, speedups: Sequence[Speedup], key: str) -> Iterator[_Scaling]:
    families: defaultdict[tuple[str, tuple[int, ...], Strategy | None], list[Speedup]] = defaultdict(list)
    for speedup in speedups:
        families[speedup.case.workload, speedup.case.cpus, speedup.case.strategy].append(speedup)
    top = max((max(s.answer.ratio, s.answer.high) for s in speedups if s.answer), default=1.0)
    for number, ((workload, cpus, strategy), members) in enumerate(families.items(), start=1):
        sentence = prose.speedup_sentence(members)
        chart = charts.speedup(members, findings.run.plan.builds, top=top, key=f"{key}-{number}", description=sentence)
        yield _Scaling(workload, strategy, cpus, Markup(chart), sentence, tuple(members))


@dataclass(frozen=True, slots=True)
class _Memory:
    """One build against the baseline in one case: the peaks of processes, and beside them those of containers."""

    comparison: Comparison
    process: tuple[Peak | None, Peak | None]
    """Of the baseline and of the build."""
    container: Comparison | None


def _memories(findings: Findings) -> Iterator[_Memory]:
    peaks = {(peak.case.id, peak.build): peak for peak in findings.peaks}
    containers = {(one.case.id, one.build): one for one in findings.container_memories}
    for one in findings.memories:
        both = peaks.get((one.case.id, one.baseline)), peaks.get((one.case.id, one.build))
        yield _Memory(one, both, containers.get((one.case.id, one.build)))


def _noise(findings: Findings) -> Markup:
    return Markup(charts.noise(findings.ledger.blocks, description=accounts.noise_sentence(findings)))


def _groups(findings: Findings) -> dict[str, list[Comparison]]:
    """Comparisons by workload."""
    groups: defaultdict[str, list[Comparison]] = defaultdict(list)
    for comparison in findings.comparisons:
        groups[comparison.case.workload].append(comparison)
    return dict(groups)


@dataclass(frozen=True, slots=True)
class _Strip:
    """The blocks of one comparison."""

    comparison: Comparison
    dots: Markup
    lowest: float
    median: float
    highest: float
    deviation: float


@dataclass(frozen=True, slots=True)
class _Strips:
    """The blocks of every comparison as dots on one scale."""

    sentence: str
    rows: tuple[_Strip, ...]


@dataclass(frozen=True, slots=True)
class _Medians:
    """A series with its medians as text."""

    series: Series
    unit: str
    figures: str


def _strips(findings: Findings) -> _Strips:
    judged = [(c, c.judgement.effect) for c in findings.comparisons if c.judgement]
    reach = max((abs(log - effect.log) for _, effect in judged for log in effect.logs), default=0.0)
    last = max((block for comparison, _ in judged for block in comparison.blocks), default=0)
    return _Strips(
        sentence=prose.blocks_sentence([effect for _, effect in judged], reach),
        rows=tuple(
            _Strip(
                comparison=comparison,
                dots=Markup(marks.sparkline(effect.logs, comparison.blocks, centre=effect.log, last=last, reach=reach)),
                lowest=math.exp(min(effect.logs)),
                median=math.exp(statistics.median(effect.logs)),
                highest=math.exp(max(effect.logs)),
                deviation=effect.sd,
            )
            for comparison, effect in judged
        ),
    )


@dataclass(frozen=True, slots=True)
class _Fact:
    """One line of the builds side by side."""

    name: str
    values: tuple[str, ...]
    differs: bool
    confounds: bool


def _facts(findings: Findings) -> Iterator[_Fact]:
    by_name = {facts.build.name: facts for facts in findings.run.builds}
    builds = [by_name[name] for name in findings.run.plan.builds if name in by_name]
    confounding = {difference.what for pair in findings.parity for difference in pair.differences}
    lines = [
        ("release", [b.release for b in builds]),
        ("free-threaded", ["yes" if b.free_threaded else "no" for b in builds]),
        ("GIL in a fresh process", ["on" if b.gil_enabled else "off" for b in builds]),
        ("version", [b.version for b in builds]),
        ("compiler", [b.compiler for b in builds]),
        ("configure", [b.configure for b in builds]),
        ("optimisation", [b.optimize for b in builds]),
        ("libpython", [b.link for b in builds]),
        ("libc", [b.libc for b in builds]),
        ("machine", [b.machine for b in builds]),
        ("kind of source", [str(b.build.source) for b in builds]),
        ("origin", [b.origin for b in builds]),
        ("base image", [b.base for b in builds]),
        ("image", [b.image for b in builds]),
        ("recipe", [b.recipe for b in builds]),
        ("executable", [b.executable for b in builds]),
        ("isolation", [str(b.isolation) for b in builds]),
        *_by_name("package", [parity.packages(b) for b in builds]),
        *_by_name("the host’s", [b.ingredients for b in builds]),
    ]
    for name, values in lines:
        shown = tuple(value or "none" for value in values)
        yield _Fact(name, shown, len(set(shown)) > 1, name in confounding)


def _by_name(prefix: str, tables: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """One line for every name that any of the builds has."""
    for name in sorted({name for table in tables for name in table}):
        yield f"{prefix} {name}", [table.get(name, "") for table in tables]
