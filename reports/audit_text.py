"""An audit in words: for a terminal, as Markdown, and the sentences that its page shows as evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.audit import Answer, Audit, Ending, Evidence, Finding, Import, Module, Offer, attempts
from reports import markdown
from reports.summary import columns, wrapped
from reports.words import count, printable, times

_HEADER = ("package", "version", "answer", "why")
_SHOWN = 110
"""Characters of a reason in a terminal's table."""

SIGNS = {
    Answer.READY: "✓",
    Answer.TURNS_GIL_ON: "▲",
    Answer.SOURCE_ONLY: "○",
    Answer.NO_BUILD: "○",
    Answer.UNSAFE: "✗",
    Answer.FAILS: "✗",
    Answer.HANGS: "✗",
    Answer.CRASHES: "✗",
    Answer.UNKNOWN: "?",
}

ORDER = (
    *(Answer.CRASHES, Answer.HANGS, Answer.FAILS, Answer.UNSAFE, Answer.TURNS_GIL_ON),
    *(Answer.NO_BUILD, Answer.SOURCE_ONLY, Answer.UNKNOWN, Answer.READY),
)
"""What stands in the way comes first."""

MEANINGS = {
    Answer.READY: "It installs from a wheel, everything in it that was tried imports, and the GIL stays off.",
    Answer.TURNS_GIL_ON: "It works, but loading one of its modules, or of a package that it needs, turns the GIL on "
    "for the whole process: the module does not declare that it does without. PYTHON_GIL=0 keeps the GIL off all the "
    "same, at one’s own risk.",
    Answer.SOURCE_ONLY: "There is no wheel that this build can load. It may be compiled from its source.",
    Answer.NO_BUILD: "There is neither a wheel that this build can load nor a source archive for it.",
    Answer.UNSAFE: "Several threads come to other answers than one, or crash or hang it.",
    Answer.FAILS: "It installs, and importing it raises an error.",
    Answer.HANGS: "Importing it does not come to an end.",
    Answer.CRASHES: "Importing it, or one of its modules, ends the process with a signal.",
    Answer.UNKNOWN: "It could not be tried.",
}

NOTE = (
    "Each module was imported in a fresh process of the build, in a container without network, without rights and with "
    "limits. What a package attempts there, such as a connection, is named where Python tells of it; what native code "
    "does by itself is contained, and not seen. “Ready” says that nothing turned the GIL on and nothing failed here. "
    "It is no proof that a package is safe in threads; a thread smoke test, where one is named, tried a little of it."
)


# -- sentences ---------------------------------------------------------------------------------------------------------


def headline(audit: Audit) -> str:
    """What was found, build by build."""
    return "; ".join(_headline(audit, build.name, build.release) for build in audit.builds) + "."


def _headline(audit: Audit, build: str, release: str) -> str:
    findings = of_build(audit, build)
    ready = sum(one.answer is Answer.READY for one in findings)
    are = "is" if ready == 1 else "are"
    return f"{ready} of {count(len(findings), 'package')} {are} ready for {build}, CPython {release}"


def tally(audit: Audit, build: str) -> list[tuple[Answer, list[str]]]:
    """The packages that each answer was given to, what stands in the way first."""
    found: dict[Answer, list[str]] = {}
    for one in worst_first(audit, build):
        found.setdefault(one.answer, []).append(one.evidence.package)
    return list(found.items())


def worst_first(audit: Audit, build: str) -> list[Finding]:
    """The findings of a build, those that stand in the way first."""
    return sorted(of_build(audit, build), key=lambda one: (ORDER.index(one.answer), one.evidence.package))


def of_build(audit: Audit, build: str) -> list[Finding]:
    """The findings of a build, in the order in which packages were named."""
    return [one for one in audit.findings if one.evidence.build == build]


def account(finding: Finding) -> Iterator[str]:
    """The evidence, a sentence each: everything that the answer rests on."""
    evidence = finding.evidence
    if evidence.offer.complaint:
        yield f"The index could not be asked: {evidence.offer.complaint}."
        return
    yield from _offered(evidence)
    if others := {name: one for name, one in evidence.installed.items() if name != evidence.package}:
        listed = ", ".join(f"{name} {version}" for name, version in sorted(others.items()))
        yield f"Installed with {listed}."
    if evidence.refusal:
        yield f"It could not be installed: {evidence.refusal}."
    if (made := evidence.source_build) is not None:
        yield f"A wheel was built from its source: {made.wheel}." if made.wheel else f"Building it: {made.complaint}."
    for one in evidence.imports:
        yield _imported(one)
    yield from _modules(evidence.modules)
    yield from _smoke(evidence)
    yield from _attempts(evidence)
    if evidence.trouble:
        yield f"The audit of it did not come to its end: {evidence.trouble}."


def _offered(evidence: Evidence) -> Iterator[str]:
    offer = evidence.offer
    if not offer.version:
        yield f"The index has no release of {evidence.asked}."
    elif offer.wheel is not None:
        yield f"Wheel: {offer.wheel.name}."
    else:
        yield _no_wheel(offer, evidence.package)
    if evidence.missing_offer is not None:
        yield f"It needs {evidence.missing}. {_no_wheel(evidence.missing_offer, evidence.missing)}"


def _no_wheel(offer: Offer, name: str) -> str:
    abis = dict.fromkeys(tag.rpartition("-")[0] for tag in offer.other_tags)
    others = f" Its wheels for this machine are {', '.join(abis)}." if abis else ""
    stable = (
        " A free-threaded build cannot load abi3." if any("-abi3-" in f"-{tag}-" for tag in offer.other_tags) else ""
    )
    source = f" There is a source archive, {offer.sdist.name}." if offer.sdist else " There is no source archive."
    older = f" The newest release with a wheel for it is {offer.newest_with_wheel}." if offer.newest_with_wheel else ""
    return f"{name} {offer.version} has no wheel for this build.{others}{stable}{source}{older}"


def _imported(one: Import) -> str:
    """What came of an import."""
    how = f"With PYTHON_GIL=0, importing {one.module}" if one.forced else f"Importing {one.module}"
    printed = f" It printed {one.output:,} bytes." if one.output else ""
    match one.ending:
        case Ending.DONE if one.gil:
            name = f" for {one.turned_on_by}" if one.turned_on_by else ""
            said = f" Python says: “{one.warning}”" if one.warning else ""
            return f"{how} turns the GIL on{name}.{said}{printed}"
        case Ending.DONE:
            return f"{how} works{'' if one.forced else ' and the GIL stays off'}.{printed}"
        case Ending.REFUSED:
            return f"{how} raises {one.error}.{printed}"
        case Ending.EXITED:
            return f"{how}: {one.error}.{printed}"
        case Ending.DIED:
            return f"{how} ends with {one.error}.{printed}"
        case Ending.HUNG:
            return f"{how} was stopped after {one.seconds:.0f} s.{printed}"


def _modules(modules: Sequence[Module]) -> Iterator[str]:
    """Those that kept the GIL off by name, all others with what came of them."""
    fine = [one for one in modules if one.alone.ending is Ending.DONE and not one.alone.gil]
    if fine:
        declared = sum(one.declares is True for one in fine)
        read = f", {declared} of them by a Py_mod_gil that could be read" if declared else ""
        yield f"{count(len(fine), 'extension module')} kept the GIL off{read}: {', '.join(one.name for one in fine)}."
    for one in modules:
        if one in fine:
            continue
        said = {True: " It declares that it does without the GIL.", False: " It does not declare Py_mod_gil."}
        forced = f" {_imported(one.forced)}" if one.forced else ""
        yield f"{_imported(one.alone)}{said.get(one.declares, '') if one.declares is not None else ''}{forced}"


def _smoke(evidence: Evidence) -> Iterator[str]:
    smoke = evidence.smoke
    if smoke is None:
        return
    name = f"The thread smoke test {smoke.script}"
    if smoke.ending in (Ending.DIED, Ending.HUNG):
        yield f"{name} failed: {smoke.said}."
    elif smoke.same is None:
        yield f"{name} could not judge: {smoke.said}."
    elif not smoke.same:
        yield f"{name}: {smoke.threads} threads come to other answers than one: {smoke.said}."
    else:
        speed = f", {times(smoke.speedup)} as fast" if smoke.speedup and not smoke.said else ""
        on = ", with the GIL on" if smoke.gil else ""
        said = f"; {smoke.said}" if smoke.said else ""
        yield f"{name}: {smoke.threads} threads come to the same answers as one{speed}{on}{said}."


def _attempts(evidence: Evidence) -> Iterator[str]:
    """What was attempted and kept in, once for each kind."""
    for what, (attempt, doing) in attempts(evidence).items():
        times_ = f", {attempt.times} times" if attempt.times > 1 else ""
        detail = f" ({attempt.detail}{times_})" if attempt.detail else times_
        yield f"Contained: {doing} {what}{detail}."


# -- terminal and Markdown ---------------------------------------------------------------------------------------------


def row(finding: Finding) -> tuple[str, str, str, str]:
    """Package, version, answer and why."""
    return finding.evidence.package, finding.version, finding.answer.value, finding.because


def text(audit: Audit) -> str:
    """A table for each build; no colours, and nothing that a terminal would obey."""
    parts = []
    for build in audit.builds:
        rows = [row(one) for one in worst_first(audit, build.name)]
        short = [(*cells, why if len(why) <= _SHOWN else f"{why[: _SHOWN - 1]}…") for *cells, why in rows]
        parts += [wrapped(f"{_headline(audit, build.name, build.release)}."), columns(_HEADER, short)]
    return printable("\n\n".join([*parts, wrapped(NOTE)]))


def markdown_of(audit: Audit) -> str:
    """For a pull request: a table for each build, and the evidence folded away."""
    parts = []
    for build in audit.builds:
        findings = worst_first(audit, build.name)
        parts.append(f"**{markdown.escaped(_headline(audit, build.name, build.release))}.**")
        parts.append(markdown.table(_HEADER, [row(one) for one in findings]))
        for one in findings:
            lines = "\n".join(f"- {markdown.escaped(sentence)}" for sentence in account(one))
            name = markdown.escaped(f"{one.evidence.package} {one.version}: {one.answer.value}")
            parts.append(f"<details><summary>{name}</summary>\n\n{lines}\n\n</details>")
    return "\n\n".join([*parts, f"<sub>{markdown.escaped(NOTE)}</sub>"])
