"""The room of Jinja: one self-contained page per run.  No network, and no fonts of its own.

The script of a page does nothing but sort and filter tables: everything is there without it.

Whatever a run contains is text to the page: autoescape is on everywhere, and only what we drew ourselves is markup.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from harness.errors import HostError
from harness.gauge import LEAST_BLOCKS, TOLERANCE
from harness.journal import ATTEMPTS
from harness.model import Case, Strategy, cpu_list
from harness.planning import CONFIDENCE
from harness.scaling import Fit
from harness.stats import Verdict
from reports import accounts, dependencies, laws, marks, prose, sections, verdict, words
from reports.findings import MARGIN, Findings

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
    return save(run_dir, render(findings))


def save(folder: Path, html: str, name: str = PAGE) -> Path:
    """Write a folder's page, and return its path.  HostError where it cannot be written."""
    path = folder / name
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error
    return path


def render(findings: Findings) -> str:
    """The page as HTML.  The same findings give the same bytes."""
    by_threads, otherwise = (
        [one for one in findings.speedups if (one.case.strategy is Strategy.THREADS) is wanted]
        for wanted in (True, False)
    )
    every_way = [way for choice in findings.choices for way in choice.ways]
    return shaped(
        "page.html",
        "tables.js",
        findings=findings,
        run=findings.run,
        plan=findings.run.plan,
        verdict=verdict.verdict(findings),
        reservations=verdict.reservations(findings),
        glance=tuple(sections.glance(findings, findings.suites)),
        counsels=tuple(sections.counsels(findings)),
        forest=sections.forest(findings),
        heats=tuple(sections.heats(findings)),
        floors_sentence=prose.floors_sentence(findings),
        alarms=[(alarms, prose.alarms_sentence(alarms)) for alarms in findings.false_alarms],
        outcomes_sentence=accounts.outcomes_sentence(findings),
        precision_sentences=accounts.precision_sentences(findings),
        values_sentence=accounts.values_sentence(findings),
        noise_sentence=accounts.noise_sentence(findings),
        noise_facts=tuple(accounts.noise_facts(findings)),
        noise_chart=sections.noise(findings),
        rules=accounts.RULES,
        parity_sentences=[prose.parity_sentence(pair) for pair in findings.parity],
        memory_sentence=prose.memory_sentence(findings),
        memory_glance=tuple(sections.glance(findings, findings.memory_suites)),
        memories=tuple(sections.memories(findings)),
        completions=sections.multiples(findings, by_threads, "speedup"),
        laws=[(one, laws.sentences(one)) for one in findings.laws if isinstance(one.amdahl, Fit)],
        other_ways=sections.multiples(findings, otherwise, "way"),
        way_names=_WAYS,
        ways=[strategy for strategy in Strategy if strategy in {way.case.strategy for way in every_way}],
        behind=lambda way: words.change(math.exp(way.behind)),
        capacities=sections.multiples(findings, findings.capacities, "capacity"),
        groups=sections.groups(findings),
        strips=sections.strips(findings),
        drift=sections.drifts(findings),
        medians=tuple(sections.medians(findings)),
        times_of={(series.case.id, series.build): series for series in findings.series},
        facts=tuple(sections.facts(findings)),
        dependencies=dependencies.dependencies(findings.run),
        marker=lambda build: Markup(marks.marker(findings.run.plan.builds, build)),
        between=words.between,
        changed=words.change_of,
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


def shaped(template: str, script: str, **context: object) -> str:
    """A page as its template has it, with the only script that it may execute."""
    made = _environment()
    source = made.get_template(script).render()
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    return made.get_template(template).render(script=Markup(source), script_digest=digest, **context)


def _environment() -> jinja2.Environment:
    """Templates and filters of all pages; autoescape is on."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "breakable": _breakable,
        "counted": words.count,
        "cpus": cpu_list,
        "duration": words.duration,
        "emphasised": _emphasised,
        "plus_minus": words.plus_minus,
        "prose": _unbroken,
        "seconds": words.seconds,
        "share": words.share,
        "shared_by": words.sharing,
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


def _breakable(name: str) -> Markup:
    """The name of a workload that may be broken behind its folders."""
    return Markup("/<wbr>").join(name.split("/"))


def _sharing(case: Case) -> str:
    """What shares a job, below a head that says "threads": "2", or "2 processes"."""
    return str(case.threads) if sections.plain(case) else words.sharing(case)


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
