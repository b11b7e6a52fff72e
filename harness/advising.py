"""What stands in the way of a move to a free-threaded build, what to do about it, and what the move would gain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from harness import audit, network, session, sources, specs, store
from harness.audit import Answer, File, Finding
from harness.auditing import AuditOptions, connected, deliver, free_threaded, packages, survey
from harness.errors import RequestError
from harness.model import BuildFacts
from harness.probing import Index, Prober, open_desk, open_shop
from harness.progress import Progress
from harness.remedies import Remedy, next_try, releases, remedy
from harness.runs import RESULTS, find_run
from harness.screen import Screen

if TYPE_CHECKING:
    from reports.findings import Findings
    from reports.outlook import Outlook

FORMATS = ("text", "markdown", "json")
READY = frozenset({Answer.READY})
ASKS_FOR_A_REMEDY = frozenset(Answer) - {Answer.READY, Answer.UNKNOWN}


@dataclass(frozen=True, slots=True)
class AdviseOptions:
    """What `inv advise` was asked for, as typed; tasks.py says what each means."""

    packages: Sequence[str] = ()
    requirements: str | None = None
    build: str | None = None
    run: str | None = None
    tries: str = "6"
    form: str = "text"
    out: str | None = None


def advise(options: AdviseOptions) -> int:
    """Audit, try other releases of what is not ready, and say it beside what a run measured.

    Returns the exit status: 0, or 4 where a package could not be tried.  RequestError where the request is wrong.
    """
    from reports import outlook
    from reports.outlook import Outlook

    wanted = packages(AuditOptions(packages=options.packages, requirements=options.requirements))
    write = _writer(specs.choose("--format", options.form, FORMATS))
    tries = specs.whole_number("--tries", options.tries)
    screen = Screen()
    with session.measuring("inv advise", screen):
        facts = free_threaded(options.build, screen)
        if len(facts) > 1:
            raise RequestError("--build takes one build", hint="Advice is about a move to one of them.")
        index = Index(network.ingredients("debian"))
        found = survey(wanted, facts, index, screen)
        remedies = seek(found, facts[0], index, screen, tries=tries)
    found_out = Outlook(
        build=facts[0].build.name,
        release=facts[0].release,
        findings=found,
        remedies=remedies,
        measured=_measured(options.run, facts[0].release),
    )
    deliver(write(found_out), outlook.headline(found_out), options.out, "Advice")
    return 4 if any(one.answer is Answer.UNKNOWN for one in found) else 0


def seek(
    found: Sequence[Finding], facts: BuildFacts, index: Index, progress: Progress, *, tries: int
) -> dict[str, Remedy]:
    """By package: what trying at most so many other releases of it came to; of those that are not ready."""
    blocked = {one.evidence.package: one for one in found if one.answer in ASKS_FOR_A_REMEDY}
    if not blocked:
        return {}
    files = _files(list(blocked), facts, index)
    every = {name: releases(files[name], judged=_version(one)) for name, one in blocked.items()}
    seen: dict[str, dict[Version, bool]] = {name: {} for name in blocked}
    known = {name: {judged: False} for name, one in blocked.items() if (judged := _version(one)) in every[name]}
    while trying := _next(every, seen, known, tries):
        asked = [f"{name}=={version}" for name, version in trying.items()]
        answers = survey([(one, audit.requirement(one)) for one in asked], [facts], index, progress)
        for (name, version), answer in zip(trying.items(), answers, strict=True):
            seen[name][version] = answer.answer in READY
    return {name: remedy(every[name], known.get(name, {}) | seen[name]) for name in blocked}


def _next(
    every: Mapping[str, Sequence[Version]],
    seen: Mapping[str, Mapping[Version, bool]],
    known: Mapping[str, Mapping[Version, bool]],
    tries: int,
) -> dict[str, Version]:
    """The release of each package to try next, of those that have tries left and something to learn."""
    candidates = {
        name: next_try(versions, {**known.get(name, {}), **seen[name]})
        for name, versions in every.items()
        if len(seen[name]) < tries
    }
    return {name: version for name, version in candidates.items() if version is not None}


def _version(finding: Finding) -> Version | None:
    """The release that was judged."""
    try:
        return Version(finding.version)
    except InvalidVersion:
        return None


def _files(names: Sequence[str], facts: BuildFacts, index: Index) -> dict[str, tuple[File, ...]]:
    """What the index has of each."""
    with (
        connected() as connection,
        open_desk(index, sources.cache_folder() / "audits") as desk,
        open_shop(connection, facts, desk) as shop,
    ):
        prober = Prober(connection, facts, desk, shop)
        return {name: prober.files(name)[0] for name in names}


def _writer(form: str) -> Callable[[Outlook], str]:
    from reports import outlook_text

    match form:
        case "markdown":
            return outlook_text.markdown_of
        case "json":
            return lambda found: json.dumps(outlook_text.data(found), indent=1, allow_nan=False)
    return outlook_text.text


# -- what was measured -------------------------------------------------------------------------------------------------


def _measured(name: str | None, release: str) -> Findings | None:
    """The run that was named, or the newest one that compares a build of this series with another; None without one."""
    from reports.analysis import analyse

    if name is not None:
        return analyse(*store.load(find_run(name)))
    for path in sorted(RESULTS.glob("*/run.json"), reverse=True):
        try:
            findings = analyse(*store.load(path.parent))
        except RequestError:
            continue  # of a newer Gilometer, or not a run any more: said by inv report, and no reason to give no advice
        if any(_is_of(one.build, findings, release) for one in findings.advice):
            return findings
    return None


def _is_of(build: str, findings: Findings, release: str) -> bool:
    facts = next((one for one in findings.run.builds if one.build.name == build), None)
    return facts is not None and facts.build.free_threaded and facts.build.series == ".".join(release.split(".")[:2])
