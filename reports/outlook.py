"""What stands in the way of a move to a free-threaded build, and what it would gain: answers joined with a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name

from harness.audit import Answer, Finding
from harness.remedies import Remedy
from reports import advice
from reports.findings import Findings
from reports.words import count, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """For one build."""

    build: str
    release: str
    """Such as 3.14.6."""
    findings: Sequence[Finding]
    remedies: Mapping[str, Remedy]
    """By package, of those that are not ready."""
    measured: Findings | None
    """The run that gains are taken from; None where there is none of such a build."""

    @property
    def blocked(self) -> list[Finding]:
        """What is known to stand in the way."""
        return [one for one in self.findings if one.answer not in (Answer.READY, Answer.UNKNOWN)]


def headline(outlook: Outlook) -> str:
    """How many packages stand in the way, and of how many another release does not."""
    blocked, every = outlook.blocked, count(len(outlook.findings), "package")
    unknown = sum(one.answer is Answer.UNKNOWN for one in outlook.findings)
    open_ = f" {count(unknown, 'package')} could not be tried." if unknown else ""
    if not blocked:
        nothing = "None" if unknown else "Nothing"
        return (
            f"{nothing} of {every} is known to stand in the way of {outlook.build}, CPython {outlook.release}.{open_}"
        )
    helped = sum(bool(outlook.remedies[one.evidence.package].newest) for one in blocked)
    stand = "stands" if len(blocked) == 1 else "stand"
    other = (
        f" Another release of {helped} of them is ready." if helped else " No other release that was tried is ready."
    )
    return f"{len(blocked)} of {every} {stand} in the way of {outlook.build}, CPython {outlook.release}.{other}{open_}"


def what_to_do(finding: Finding, remedy: Remedy | None) -> str:
    """A sentence; it claims nothing of releases that were not tried."""
    if finding.answer is Answer.READY:
        return "Nothing."
    if remedy is None:
        return "Audit it again; it could not be tried."
    tried = f"{len(remedy.tried)} of {count(remedy.with_wheel, 'release')} with a wheel tried"
    if not remedy.with_wheel:
        return "Use processes with it, on a build with the GIL: no release has a wheel for this build."
    if not remedy.newest:
        return f"Use processes with it: none that was tried is ready ({tried})."
    if remedy.newest == remedy.oldest:
        return f"Take {remedy.newest}, the one release tried that is ready ({tried})."
    first = "older ones were not all tried"
    if remedy.settled:
        first = "no older one has a wheel" if remedy.tried[0] == remedy.oldest else "the one before it is not"
    return f"Take {remedy.newest}; the oldest tried that is ready is {remedy.oldest}, {first} ({tried})."


def gains(outlook: Outlook) -> Iterator[tuple[str, str]]:
    """What a run measured: about workloads that use one of the packages, and about all; what and a sentence."""
    run = outlook.measured
    if run is None:
        return
    names = [one.evidence.package for one in outlook.findings]
    for package in names:
        users = _users(run, package)
        if some := [one for one in run.advice if one.case.workload in users]:
            yield f"workloads that use {package}", advice.sentence(some)
    if run.advice:
        yield "all workloads of that run", advice.sentence(run.advice)


def _users(run: Findings, package: str) -> set[str]:
    """Names of the workloads that say that they use a package."""
    plan = run.run.plan
    return {one.name for one in plan.workloads if package in {canonicalize_name(name) for name in one.dependencies}}


def not_measured(outlook: Outlook) -> str:
    """What no run says anything of, as a sentence; empty where there is nothing."""
    run = outlook.measured
    if run is None:
        return "What it would gain is not measured: no run in results/ compares such a build. ./inv bench makes one."
    missing = [one.evidence.package for one in outlook.findings if not _users(run, one.evidence.package)]
    return (
        f"No workload of {run.run.id} uses {listed(missing)}; measure your own: ./inv bench --workloads ./mine.py."
        * bool(missing)
    )
