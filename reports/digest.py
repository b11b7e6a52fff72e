"""What a run says in a few lines: what a history of many runs needs of each, kept beside the run once it was made."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import NormalDist

import msgspec

from harness import store
from harness.errors import GilometerError
from harness.fleet import FLEET, FleetRun
from harness.journal import JournalLine
from harness.model import BuildFacts, Measure, Run, Struct
from harness.stats import Verdict
from reports import stress, verdict
from reports.analysis import analyse
from reports.findings import Comparison, Findings, case_name
from reports.words import count, listed, span

DIGEST = "digest.json"
"""In a run's directory; it can always be made again."""

_FLEETING = {"load", "memory available", "steal", "swap used"}
"""Settings of a host that never stay."""


class Machine(Struct, frozen=True, kw_only=True):
    """Hosts that are alike, and what executed workers on them."""

    cpu_model: str
    cpus: int
    cores: int
    memory: int
    """GiB."""
    engine: str
    """Its kind."""

    def __str__(self) -> str:
        extent = f"{count(self.cpus, 'CPU')}, {count(self.cores, 'core')}, {self.memory} GiB"
        return f"{self.cpu_model or 'unknown processor'}, {extent}, {self.engine}"


class Result(Struct, frozen=True, kw_only=True):
    """One build against the baseline in one case."""

    case: str
    """Its id."""
    name: str
    """The case as a report names it."""
    workload: str
    measure: Measure
    build: str
    ratio: float
    low: float | None
    high: float | None
    """Ends of this case's own interval; None with one block."""
    error: float | None
    """Standard error of the log ratio, from the interval."""
    verdict: Verdict
    seconds: float | None
    """Median of the build; of memory bytes."""
    baseline_seconds: float | None


class Digest(Struct, frozen=True, kw_only=True):
    """A run, or what is wrong with it."""

    run: str
    """Name of its directory."""
    created: str
    """UTC, to the second, so that text sorts as time does."""
    command: str
    asked: str
    """What was asked, in short."""
    builds: tuple[str, ...]
    """The first is the baseline."""
    labels: tuple[str, ...]
    """What each build is, without its release: what may be compared over time."""
    host: str
    machine: Machine
    size: str
    verdict: str
    troubles: tuple[str, ...]
    """Failures, blocks that were lost, an execution that did not end."""
    results: tuple[Result, ...]
    circumstances: dict[str, str]
    """What may have changed from one run to the next, name to value."""
    workloads: dict[str, str]
    """Name to sha256."""


class Broken(Struct, frozen=True, kw_only=True):
    """A directory in which there is no run that can be read."""

    run: str
    reason: str


class _Kept(Struct, frozen=True, kw_only=True):
    """digest.json."""

    of: str
    """What it was made from and by; anything else makes it stale."""
    digest: Digest


def read(directory: Path) -> Digest | Broken:
    """The digest of the run in `directory`: as it is kept there, or made and kept, where that can be written."""
    of = _provenance(directory)
    path = directory / DIGEST
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        if kept.of == of:
            return msgspec.structs.replace(kept.digest, run=directory.name)
    try:
        digest = make(directory.name, *store.load(directory))
    except GilometerError as error:
        return Broken(
            run=directory.name, reason=error.message.replace(f"{directory}/", "").replace(f"{directory} ", "")
        )
    except Exception as error:  # one run that makes no sense must not keep the others from being listed
        return Broken(run=directory.name, reason=f"cannot be analysed: {type(error).__name__}: {error}")
    with contextlib.suppress(OSError):  # of somebody else, or on a full disk: it is made again next time
        path.write_bytes(msgspec.json.encode(_Kept(of=of, digest=digest)) + b"\n")
    return digest


def find(results: Path) -> Iterator[Path]:
    """Directories of runs in `results`, by name; what was never begun to be written is empty."""
    for path in sorted(results.iterdir()) if results.is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            names = {one.name for one in path.iterdir()}
            if not names or names & {store.RUN, store.OUTCOMES}:
                yield path


def fleets(results: Path) -> Iterator[FleetRun | Broken]:
    """Runs of fleets in `results`, each with the name of its directory as id."""
    for path in sorted(results.glob(f"*/{FLEET}")):
        directory = path.parent
        try:
            yield msgspec.structs.replace(store.load_fleet(directory), id=directory.name)
        except GilometerError as error:
            yield Broken(run=directory.name, reason=error.message.replace(f"{directory}/", ""))


def make(name: str, run: Run, journal: tuple[JournalLine, ...]) -> Digest:
    """What the run says."""
    findings = None if run.plan.stress else analyse(run, journal)
    facts = {one.build.name: one for one in run.builds}
    cpu_model, cpus, cores, memory = run.host.kind
    return Digest(
        run=name,
        created=_utc(run.created),
        command=run.command,
        asked=_asked(run),
        builds=run.plan.builds,
        labels=tuple(_label(build, facts.get(build)) for build in run.plan.builds),
        host=run.host.name,
        machine=Machine(cpu_model=cpu_model, cpus=cpus, cores=cores, memory=memory, engine=run.engine.kind),
        size=run.plan.size,
        verdict=str(next(iter(verdict.verdict(findings))).claim) if findings else "A hunt for races",
        troubles=tuple(_troubles(findings) if findings else _races(run, journal)),
        results=tuple(_results(findings)) if findings else (),
        circumstances=dict(_circumstances(run)),
        workloads={workload.name: workload.sha256 for workload in run.plan.workloads},
    )


def _utc(created: str) -> str:
    return f"{datetime.fromisoformat(created).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _asked(run: Run) -> str:
    plan = run.plan
    names = [workload.name for workload in plan.workloads]
    workloads = names[0] if len(names) == 1 else count(len(names), "workload")
    threads = span([case.threads for case in plan.cases]) if plan.cases else "0"
    measures = listed(list(dict.fromkeys(str(case.measure) for case in plan.cases)))
    return f"{workloads}, {threads} thread{'s' * (threads != '1')}, {measures}, {plan.profile}, size {plan.size}"


def _label(name: str, facts: BuildFacts | None) -> str:
    """Named alike and optimised otherwise is another build; a new release of it is not."""
    return f"{name} ({facts.optimize})" if facts else name


def _troubles(findings: Findings) -> Iterator[str]:
    coverage = findings.coverage
    for reason, number in sorted(_failed(findings).items()):
        yield f"{count(number, 'sample')} failed: {reason}"
    if uncalibrated := {group.case for group in findings.failures if not group.blocks}:
        yield f"{count(len(uncalibrated), 'calibration')} failed"
    if lost := findings.ledger.lost:
        yield f"{count(len(lost), 'block')} lost to disturbances"
    if not coverage.complete:
        yield f"not finished: {coverage.blocks} of {count(coverage.planned_blocks, 'block')}"


def _failed(findings: Findings) -> Counter[str]:
    failed: Counter[str] = Counter()
    for group in findings.failures:
        failed[str(group.reason)] += len(group.blocks)
    return +failed


def _races(run: Run, journal: tuple[JournalLine, ...]) -> Iterator[str]:
    if found := sum(len(hunt.races) for hunt in stress.hunts(run, journal)):
        yield f"{count(found, 'failure')} that races can be the reason of"


def _results(findings: Findings) -> Iterator[Result]:
    seconds = {(one.case.id, one.build): one.median for one in findings.series}
    seconds |= {(one.case.id, one.build): one.process for one in findings.peaks}
    for one in (*findings.comparisons, *findings.memories):
        if one.judgement:
            effect = one.judgement.effect
            known = not math.isnan(effect.low)
            yield Result(
                case=one.case.id,
                name=_name(one),
                workload=one.case.workload,
                measure=one.case.measure,
                build=one.build,
                ratio=effect.ratio,
                low=effect.low if known else None,
                high=effect.high if known else None,
                error=math.log(effect.high / effect.low) / 2 / _quantile(findings.level) if known else None,
                verdict=one.judgement.verdict,
                seconds=seconds.get((one.case.id, one.build)),
                baseline_seconds=seconds.get((one.case.id, one.baseline)),
            )


def _name(one: Comparison) -> str:
    return f"{'memory of ' * (one.case.measure is Measure.MEMORY)}{case_name(one.case, with_cpus=True)}"


@cache
def _quantile(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _circumstances(run: Run) -> Iterator[tuple[str, str]]:
    for facts in run.builds:
        name = facts.build.name
        yield f"{name}: release", facts.release
        yield f"{name}: origin", facts.origin
        yield f"{name}: compiler", facts.compiler
        yield f"{name}: recipe", facts.recipe[:12]
        for package, version in facts.packages.items():
            yield f"{name}: {package}", version
    yield "Gilometer", run.revision or run.gilometer
    yield "host", run.host.name
    yield "kernel", run.host.kernel
    yield "engine", run.engine.version
    for setting, value in run.host.settings.items():
        if setting not in _FLEETING:
            yield setting, value


# -- what a digest was made from ---------------------------------------------------------------------------------------


def _provenance(directory: Path) -> str:
    """Names the state of a run's files by size and time of change, and the code that read them."""
    states = [_state(directory / name) for name in (store.RUN, store.OUTCOMES)]
    return " ".join([_code(), *states])


def _state(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return "none"
    return f"{stat.st_size}@{stat.st_mtime_ns}"


@cache
def _code() -> str:
    """Hash of everything that a digest can depend on: one that other code made is no longer believed."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("harness/*.py"), *root.glob("reports/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
