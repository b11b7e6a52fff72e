"""What an audit finds of one package on one build: evidence as plain data, and the answer that follows from it.

Nothing here acts.  Evidence is what was seen (harness/auditing.py collects it), and an answer is a pure function of it,
so that every answer carries what it rests on and can be given again from a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from harness.errors import RegressionError, RequestError
from harness.model import Struct

SCHEMA = 1
"""Version of audit.json.  History: 1, the first (0.1.0)."""

STABLE_ABI = re.compile(r"-(abi3t?)(\.abi3t?)*-")
"""In a wheel's name: compiled for the stable ABI, which has a form for free-threaded builds, abi3t, from 3.15 on."""


class Answer(StrEnum):
    """What a package is on a free-threaded build, the best first."""

    READY = "ready"
    TURNS_GIL_ON = "works but turns the GIL on"
    SOURCE_ONLY = "source build only"
    NO_BUILD = "no build"
    UNSAFE = "unsafe in threads"
    FAILS = "does not import"
    HANGS = "hangs"
    CRASHES = "crashes"
    UNKNOWN = "not known"
    """Nothing could be tried, through no fault of the package: the index did not answer, it was interrupted."""


# -- evidence ----------------------------------------------------------------------------------------------------------


class Seen(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what is kept as evidence: what is not there is as by default."""


class File(Seen, frozen=True, kw_only=True):
    """A file that an index has of a package."""

    name: str
    fits: bool
    """Whether the build can install it: a wheel of its tags, or a source distribution for its release."""
    sha256: str = ""
    """As the index says it; empty where it does not."""
    why_not: str = ""
    """In pip's words, where it does not fit."""

    @property
    def is_wheel(self) -> bool:
        return self.name.endswith(".whl")

    @property
    def version(self) -> Version | None:
        """None where the name is not one that packaging tools write."""
        try:
            return parse_wheel_filename(self.name)[1] if self.is_wheel else parse_sdist_filename(self.name)[1]
        except (InvalidWheelFilename, InvalidSdistFilename):
            return None

    @property
    def tag(self) -> str:
        """Of a wheel: python-abi-platform, such as cp314-cp314t-manylinux_2_28_x86_64."""
        return "-".join(self.name.removesuffix(".whl").split("-")[-3:]) if self.is_wheel else ""


class Offer(Seen, frozen=True, kw_only=True):
    """What an index offers of the release that was asked for: the newest one, or the newest that a specifier allows."""

    version: str = ""
    """Empty where no release is like that."""
    wheel: File | None = None
    """The wheel that the build can install, of this very release."""
    sdist: File | None = None
    other_tags: tuple[str, ...] = ()
    """Tags of this release's wheels for this machine that the build cannot load."""
    newest_with_wheel: str = ""
    """The newest release with a wheel for the build, of those that the specifier allows; empty where none has one."""
    complaint: str = ""
    """Why the index could not be asked; all else is empty then."""


class Ending(StrEnum):
    """How a fresh process ended that was to import something."""

    DONE = "done"
    REFUSED = "refused"
    """The import raised an error."""
    EXITED = "exited"
    """The import ended the process."""
    DIED = "died"
    """Of a signal."""
    HUNG = "hung"
    """It was stopped at the time limit."""


class Attempt(Seen, frozen=True, kw_only=True):
    """Something attempted at import that its container refuses or keeps in.

    Audit events of Python say so: what native code does by itself is contained all the same, and not seen.
    """

    what: str
    """Such as "opens a socket", "starts a process", "writes outside"."""
    detail: str = ""
    """The first one: address, command or path."""
    times: int = 1


class Import(Seen, frozen=True, kw_only=True):
    """One import in a fresh process of the build, without network, as nobody in particular."""

    module: str
    ending: Ending
    forced: bool = False
    """With PYTHON_GIL=0: the GIL stays off whatever is loaded."""
    gil: bool | None = None
    """Whether the GIL is on after it; None, or absent, where nobody was left to ask."""
    turned_on_by: str = ""
    """The module that the GIL was turned on for, as the RuntimeWarning names it."""
    warning: str = ""
    """The text of that RuntimeWarning."""
    error: str = ""
    """REFUSED: the exception, on one line.  EXITED: the status.  DIED: the signal's name, and what limit was met."""
    output: int = 0
    """Bytes that were printed."""
    said: str = ""
    """The end of what was printed."""
    attempts: tuple[Attempt, ...] = ()
    seconds: float = 0.0


class Module(Seen, frozen=True, kw_only=True):
    """An extension module of the package."""

    name: str
    file: str
    """Below the folder that the package is installed in."""
    declares: bool | None = None
    """Whether it declares Py_mod_gil as not used, read from its definition without executing it; None if unreadable."""
    alone: Import
    """Imported first in a fresh process, with the packages that it lies in."""
    forced: Import | None = None
    """The same with PYTHON_GIL=0; tried where it is not imported without the GIL anyway."""


class Smoke(Seen, frozen=True, kw_only=True):
    """A thread smoke test: the same work in one thread and in several.

    It is a script workloads/audit/NAME.py, named after the package with _ for -.  It executes in a fresh process of the
    build with the package on its path, and the last line that it prints is JSON with what it found: `threads`, `same`,
    `seconds` and `said`, as below.  Everything else is seen from outside.
    """

    script: str
    """Name in workloads/audit/."""
    ending: Ending
    threads: int = 0
    same: bool | None = None
    """Whether several threads came to the answers of one; None where it did not get so far."""
    seconds: tuple[float, float] | None = None
    """Of all the work: in one thread, and in several."""
    gil: bool | None = None
    """Whether the GIL was on at its end."""
    said: str = ""
    """What differs, or the error or signal; of the same answers perhaps how it scaled."""

    @property
    def speedup(self) -> float | None:
        """How many times as fast several threads are; None where it was not timed."""
        return self.seconds[0] / self.seconds[1] if self.seconds and self.seconds[1] else None


class SourceBuild(Seen, frozen=True, kw_only=True):
    """An attempt to build a wheel from the source distribution, whose setup scripts execute: no network, limits."""

    wheel: str = ""
    """Name of the wheel that was built; empty where none was."""
    complaint: str = ""
    """Why there is none."""
    attempts: tuple[Attempt, ...] = ()
    """What the setup scripts attempted and were refused."""


class Evidence(Seen, frozen=True, kw_only=True):
    """Everything that was seen of one package on one build."""

    asked: str
    """The requirement as it was given, such as lxml or numpy==2.4.6."""
    package: str
    """Its canonical name."""
    build: str
    offer: Offer
    installed: dict[str, str] = msgspec.field(default_factory=dict)
    """What was installed, the package and all it needs: name to version; empty where nothing was."""
    wheels: dict[str, str] = msgspec.field(default_factory=dict)
    """File name to sha256 of all that was installed."""
    refusal: str = ""
    """Why it could not be installed though there is a wheel: a dependency that has none, in most cases."""
    missing: str = ""
    """The dependency that has no wheel for the build."""
    missing_offer: Offer | None = None
    """What the index offers of it."""
    imports: tuple[Import, ...] = ()
    """Of the package's own top-level names, each in a fresh process, plainly and with PYTHON_GIL=0."""
    modules: tuple[Module, ...] = ()
    """Its extension modules."""
    smoke: Smoke | None = None
    """None where no smoke test of it is known, or there was nothing to test."""
    source_build: SourceBuild | None = None
    """None where it was not tried."""
    trouble: str = ""
    """What kept the audit itself from going on; what was seen up to there counts."""
    seconds: float = 0.0


class Finding(Seen, frozen=True, kw_only=True):
    """The answer for one package on one build."""

    answer: Answer
    because: str
    """The evidence that decides, as a clause."""
    module: str
    """The module that turns the GIL on, crashes, hangs or does not import; empty where no single one is to blame."""
    evidence: Evidence

    @property
    def version(self) -> str:
        """Of the release that was judged; empty where there is none."""
        return self.evidence.installed.get(self.evidence.package) or self.evidence.offer.version


class AuditedBuild(Struct, frozen=True, kw_only=True):
    """A build that packages were tried on."""

    name: str
    release: str
    """Such as 3.14.6."""
    image: str


class Audit(Struct, frozen=True, kw_only=True):
    """What an audit found: audit.json."""

    schema: int
    id: str
    created: str
    command: str
    gilometer: str
    builds: tuple[AuditedBuild, ...]
    findings: tuple[Finding, ...]
    """By build, then in the order in which packages were named."""
    seconds: float
    """How long it took."""


class Gate(StrEnum):
    """What --fail-on can name."""

    GIL = "gil"
    """The GIL comes back."""
    THREADS = "threads"
    """Threads come to other answers, or crash or hang it."""
    IMPORT = "import"
    """It does not import, hangs or crashes."""
    BUILD = "build"
    """There is no wheel."""
    ANY = "any"
    """Anything but ready."""


# -- what is asked for -------------------------------------------------------------------------------------------------


def requirement(text: str) -> Requirement:
    """A package as users name it: lxml, numpy==2.4.6, uvicorn[standard]>=0.30.  RequestError where it is none."""
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f'"{text}" names no package: {reason}', hint="Such as lxml, or numpy==2.4.6.") from None
    if found.url:
        raise RequestError(f'"{text}" is an address, and packages are audited by name', hint=f"Name it: {found.name}")
    return found


def applies(wanted: Requirement, release: str) -> bool:
    """Whether a requirement's marker, if it has one, wants it on a release of CPython such as 3.14.6."""
    series = ".".join(release.split(".")[:2])
    environment = {
        "python_full_version": release,
        "python_version": series,
        "platform_python_implementation": "CPython",
    }
    return wanted.marker is None or wanted.marker.evaluate(environment)


def offer(files: Iterable[File], wanted: Requirement, machine: str) -> Offer:
    """The release to judge: the newest that `wanted` allows, with a wheel or without; `machine` is as uname says it.

    As pip does, pre-releases count only where the specifier names one or there is nothing else.
    """
    by_version: dict[Version, list[File]] = {}
    for file in files:
        if (version := file.version) is not None:
            by_version.setdefault(version, []).append(file)
    allowed = sorted(wanted.specifier.filter(by_version))
    if not allowed:
        return Offer()
    newest = by_version[allowed[-1]]
    with_wheel = [version for version in allowed if _wheel(by_version[version])]
    return Offer(
        version=str(allowed[-1]),
        wheel=_wheel(newest),
        sdist=next((file for file in newest if not file.is_wheel), None),
        other_tags=tuple(sorted(file.tag for file in newest if not file.fits and _is_for(file.tag, machine))),
        newest_with_wheel=str(with_wheel[-1]) if with_wheel else "",
    )


def _is_for(tag: str, machine: str) -> bool:
    """Whether a wheel is for Linux on such a machine, or for any."""
    platform = tag.rpartition("-")[2]
    return platform == "any" or ("linux" in platform and platform.endswith(f"_{machine}"))


def _wheel(files: Iterable[File]) -> File | None:
    return next((file for file in files if file.is_wheel and file.fits), None)


# -- gates -------------------------------------------------------------------------------------------------------------

_GATES = {
    Gate.THREADS: {Answer.UNSAFE},
    Gate.IMPORT: {Answer.FAILS, Answer.HANGS, Answer.CRASHES},
    Gate.BUILD: {Answer.SOURCE_ONLY, Answer.NO_BUILD},
    Gate.ANY: set(Answer) - {Answer.READY},
}


def tripped(findings: Iterable[Finding], gates: Sequence[Gate]) -> RegressionError | None:
    """The error for what gates do not let pass; None where they let everything pass.

    A gate for the GIL looks at the evidence: a package may turn it on and do worse, too.
    """
    caught = [one for one in findings if any(_trips(one, gate) for gate in gates)]
    if not caught:
        return None
    lines = (f"  {one.evidence.package} {one.version} on {one.evidence.build}: {one.because}" for one in caught)
    what = "package" if len(caught) == 1 else "packages"
    return RegressionError("\n".join([f"{len(caught)} {what} caught by --fail-on {','.join(gates)}:", *lines]))


def _trips(finding: Finding, gate: Gate) -> bool:
    if gate is Gate.GIL:
        return any(one.gil for one in _plain(finding.evidence))
    return finding.answer in _GATES[gate]


# -- from evidence to an answer ----------------------------------------------------------------------------------------


def judge(evidence: Evidence) -> Finding:
    """The answer that the evidence gives.  What is worst decides: a crash before a GIL that comes back."""
    shown = [f"{what} ({one.detail[:40]})" if one.detail else what for what, (one, _) in attempts(evidence).items()]
    kept = f"; contained: {', '.join(shown)}" if shown else ""
    for rule in (_undecided, _not_installable, _crashed, _hung, _unimportable, _unsafe, _turned_on, _built):
        if found := rule(evidence):
            answer, because, module = found
            return Finding(answer=answer, because=because + kept, module=module, evidence=evidence)
    return Finding(answer=Answer.READY, because=_ready(evidence) + kept, module="", evidence=evidence)


def attempts(evidence: Evidence) -> dict[str, tuple[Attempt, str]]:
    """What was attempted and kept in: by what it is, the first one, and what was being done then."""
    found: dict[str, tuple[Attempt, str]] = {}
    for attempt in evidence.source_build.attempts if evidence.source_build else ():
        found.setdefault(attempt.what, (attempt, "building it"))
    forced = [one.forced for one in evidence.modules if one.forced]
    for one in (*_plain(evidence), *(one for one in evidence.imports if one.forced), *forced):
        for attempt in one.attempts:
            found.setdefault(attempt.what, (attempt, f"importing {one.module}"))
    return found


_Found = tuple[Answer, str, str] | None


def _undecided(evidence: Evidence) -> _Found:
    offered = evidence.offer
    if offered.complaint:
        return Answer.UNKNOWN, offered.complaint, ""
    if not offered.version:
        return Answer.UNKNOWN, f"the index has no release of {evidence.asked}", ""
    if evidence.trouble and not _bad(evidence):
        return Answer.UNKNOWN, evidence.trouble, ""
    return None


def _not_installable(evidence: Evidence) -> _Found:
    if evidence.installed:
        return None
    if evidence.offer.wheel is None:
        answer, because = _without_wheel(evidence.offer, f"{evidence.package} {evidence.offer.version}")
        made = evidence.source_build
        return answer, because + (f"; building it fails: {made.complaint}" if made and made.complaint else ""), ""
    if evidence.missing and evidence.missing_offer is not None:
        answer, because = _without_wheel(evidence.missing_offer, evidence.missing)
        return answer, f"it needs {evidence.missing}: {because}", ""
    return Answer.UNKNOWN, f"it could not be installed: {evidence.refusal}", ""


def _without_wheel(offered: Offer, name: str) -> tuple[Answer, str]:
    """Of a release that the build has no wheel of."""
    abi = f", only {_for_others(offered.other_tags)}" if offered.other_tags else ""
    older = f"; the newest with one is {offered.newest_with_wheel}" if offered.newest_with_wheel else ""
    because = f"{name} has no wheel for this build{abi}{older}"
    return (Answer.SOURCE_ONLY if offered.sdist is not None and offered.sdist.fits else Answer.NO_BUILD), because


def _for_others(tags: Sequence[str]) -> str:
    """Wheels that a build cannot load, by what they are compiled for."""
    abis = list(dict.fromkeys(tag.split("-")[1] for tag in tags))
    shown = ", ".join(abis[:4]) + (", …" if len(abis) > 4 else "")
    if set(abis) == {"abi3"}:
        return "abi3 ones, which no free-threaded build can load"
    return f"ones for {shown}"


def _crashed(evidence: Evidence) -> _Found:
    if dead := _first(evidence, Ending.DIED):
        return Answer.CRASHES, f"importing {dead.module} ends with {dead.error}", dead.module
    return None


def _hung(evidence: Evidence) -> _Found:
    if hung := _first(evidence, Ending.HUNG):
        return Answer.HANGS, f"importing {hung.module} was stopped after {hung.seconds:.0f} s", hung.module
    return None


def _unimportable(evidence: Evidence) -> _Found:
    """Only the package's own names count: extension modules for what is not installed refuse, and are not missed."""
    own = [one for one in evidence.imports if not one.forced] or _plain(evidence)
    for one in own:
        if one.ending in (Ending.REFUSED, Ending.EXITED):
            return Answer.FAILS, f"importing {one.module} fails: {one.error}", one.module
    return None


def _unsafe(evidence: Evidence) -> _Found:
    smoke = evidence.smoke
    if smoke is None:
        return None
    if smoke.ending in (Ending.DIED, Ending.HUNG):
        how = "crash it" if smoke.ending is Ending.DIED else "make it hang"
        return Answer.UNSAFE, f"{smoke.threads or 'several'} threads {how}: {smoke.said}", ""
    if smoke.same is False:
        return Answer.UNSAFE, f"{smoke.threads} threads come to other answers than one: {smoke.said}", ""
    return None


def _turned_on(evidence: Evidence) -> _Found:
    if one := next((one for one in _plain(evidence) if one.gil), None):
        module = one.turned_on_by
        because = f"loading {module} turns it on" + f", which importing {one.module} does" * (one.module != module)
        return Answer.TURNS_GIL_ON, because if module else f"importing {one.module} turns it on", module
    return None


def _built(evidence: Evidence) -> _Found:
    """There is no wheel, and one that was built here keeps the GIL off."""
    if evidence.offer.wheel is not None:
        return None
    _, because = _without_wheel(evidence.offer, f"{evidence.package} {evidence.offer.version}")
    return Answer.SOURCE_ONLY, f"{because}; built from source, {_ready(evidence)}", ""


def _ready(evidence: Evidence) -> str:
    tried = len(evidence.modules)
    if not tried:
        pure = "no extension modules of its own; " if evidence.installed else ""
        return f"{pure}the GIL stays off when it is imported"
    failed = [one.name for one in evidence.modules if one.alone.ending is not Ending.DONE]
    modules = "1 extension module keeps" if tried == 1 else f"{tried - len(failed)} of {tried} extension modules keep"
    shown = f"{failed[0]} and {len(failed) - 1} more do" if len(failed) > 1 else f"{''.join(failed)} does"
    but = f", and {shown} not import here" if failed else ""
    smoke = evidence.smoke
    threads = f"; {smoke.threads} threads agree with one" if smoke and smoke.same else ""
    return f"{modules} the GIL off{but}{threads}"


def _plain(evidence: Evidence) -> list[Import]:
    """Every import without PYTHON_GIL=0: the package's own names first."""
    return [*(one for one in evidence.imports if not one.forced), *(one.alone for one in evidence.modules)]


def _first(evidence: Evidence, ending: Ending) -> Import | None:
    return next((one for one in _plain(evidence) if one.ending is ending), None)


def _bad(evidence: Evidence) -> bool:
    """Whether what was seen before the audit had to stop decides already."""
    return any(one.ending in (Ending.DIED, Ending.HUNG) or one.gil for one in _plain(evidence))
