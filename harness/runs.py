"""Runs: plan, execute, resume, report."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import harness
from harness import floors, host, request, scripts, specs, store
from harness.builds import resolve
from harness.engine import DOCKER_AND_CHROOT
from harness.errors import HostError, RequestError
from harness.journal import BlockRecord, Ended, Failure, JournalLine, Sample, last_valid
from harness.model import SCHEMA, Block, BuildFacts, EngineFacts, HostFacts, NoiseFloor, Plan, Run
from harness.plan import Request, estimate_seconds, first_look_seconds, make_plan
from harness.request import BenchOptions
from harness.screen import Screen, clock
from harness.session import build_twice, builds, measuring, open_engine, provide_engine
from harness.troubles import Troubles
from harness.workbench import Workbench, workbench

if TYPE_CHECKING:
    from harness.engine import Engine
    from harness.rehearsal import Trouble
    from reports.findings import Findings

ROOT = Path(__file__).parent.parent
WORKLOADS = ROOT / "workloads"
RESULTS = ROOT / "results"

RELEASES = "3.13,3.13t,3.14,3.14t"
"""Compared where none are named."""


class Telling(Enum):
    """What is printed of a run when it has ended; its page is written in any case."""

    TEXT = auto()
    JSON = auto()
    PAGE = auto()
    """Nothing."""

    @classmethod
    def of(cls, as_json: bool) -> Telling:
        return cls.JSON if as_json else cls.TEXT


# -- verbs -------------------------------------------------------------------------------------------------------------


def dry_run(options: BenchOptions) -> None:
    """Prints the plan and an estimate; touches nothing."""
    plan = make_plan(request.resolve(options, WORKLOADS), ())
    seats = max(len(block.cases) for block in plan.blocks) * len(plan.builds)
    print(f"{len(plan.cases)} cases on {' and '.join(plan.builds)}, seed {plan.seed}:")
    print(*(f"  {case.id}" for case in plan.cases), sep="\n")
    print(f"{extent(plan)}, not counting images that have to be built.  A block has up to {seats} workers.")
    if options.budget and (text := _too_short(plan)):
        print(text)


def bench(options: BenchOptions, *, set_up: bool = False, as_json: bool = False) -> int:
    """Plan, execute, report.  Returns the exit status: 0, or 4 where a measurement failed or is invalid."""
    screen = Screen()
    wanted = request.resolve(options, WORKLOADS)  # what is wrong with it is said before anything is touched
    # From here on all of it disturbs, and is disturbed by, another run: compiling more than anything.
    with measuring(f"inv bench, {options.builds or 'default builds'}", screen, wait=options.wait):
        if set_up and options.engine == "docker":
            provide_engine(screen)
        facts, warnings = builds(options, screen, wanted.workloads)
        return _bench(options, wanted, facts, warnings, screen, Telling.of(as_json))[1]


def overhead(options: BenchOptions, *, as_json: bool = False) -> int:
    """Measure what the container costs: one build in its container, against the same on the host without one."""
    from harness import chroot_engine

    screen = Screen()
    wanted = request.resolve_overhead(options, WORKLOADS)
    chroot_engine.check()
    with measuring(f"inv overhead, {options.builds or 'default build'}", screen, wait=options.wait):
        facts, warnings = build_twice(options, screen, wanted.workloads)
        options = dataclasses.replace(options, engine=DOCKER_AND_CHROOT)
        return _bench(options, wanted, facts, warnings, screen, Telling.of(as_json))[1]


def measure(options: BenchOptions, wanted: Request, screen: Screen, *, command: str) -> tuple[Path, int]:
    """A run for something that `command` tells more of: its directory and exit status; nothing is printed of it."""
    with measuring(command, screen, wait=options.wait):
        facts, warnings = builds(options, screen, wanted.workloads)
        return _bench(options, wanted, facts, warnings, screen, Telling.PAGE, command=command)


def again(run: Run, screen: Screen, *, command: str, wait: bool = True) -> tuple[Path, int]:
    """The plan of a run once more, with the same seed on the same builds: a new directory, and its exit status.

    RequestError where its workloads are no longer the same, HostError where this machine cannot execute the plan.
    """
    refuse_changes(run)
    if missing := {cpu for case in run.plan.cases for cpu in case.cpus} - set(host.read_topology().allowed):
        raise HostError(f"this machine has no CPU {min(missing)}, which the plan of {run.id} needs")
    names = ",".join(fact.build.name.partition("#")[0] for fact in run.builds)
    options = BenchOptions(builds=names, engine=run.engine.kind, wait=wait)
    with measuring(command, screen, wait=wait):
        facts, warnings = builds(options, screen, run.plan.workloads)
        with workbench(WORKLOADS, run.plan.workloads) as bench_, open_engine(options.engine, bench_, screen) as engine:
            return _record(run.plan, facts, warnings, engine, bench_, screen, Telling.PAGE, command=command)


def _bench(
    options: BenchOptions,
    wanted: Request,
    facts: tuple[BuildFacts, ...],
    warnings: tuple[str, ...],
    screen: Screen,
    telling: Telling,
    *,
    command: str = "",
) -> tuple[Path, int]:
    with workbench(WORKLOADS, wanted.workloads) as bench_, open_engine(options.engine, bench_, screen) as engine:
        plan, troubles = _plan(wanted, facts, engine, bench_, screen)
        if options.budget and (text := _too_short(plan)):
            screen.say(f"warning: {text}")
        command = command or request.command(options, plan)
        directory, status = _record(plan, facts, warnings, engine, bench_, screen, telling, command=command)
        return directory, status or (4 if troubles else 0)


def _record(
    plan: Plan,
    facts: tuple[BuildFacts, ...],
    warnings: tuple[str, ...],
    engine: Engine,
    bench_: Workbench,
    screen: Screen,
    telling: Telling,
    *,
    command: str,
) -> tuple[Path, int]:
    """A new run of a plan: its directory, and its exit status."""
    run = new_run(plan, facts, (*warnings, *_advice(plan)), host.facts(), engine.facts(), command=command)
    directory = store.create(RESULTS, run)
    screen.say(f"{extent(plan)}; results go to {show(directory)}")
    return directory, _execute(directory, run, engine, bench_, screen, telling)


def new_run(
    plan: Plan,
    facts: tuple[BuildFacts, ...],
    warnings: tuple[str, ...],
    machine: HostFacts,
    engine: EngineFacts,
    *,
    command: str,
) -> Run:
    """A run that begins now, with what is known of the machine's noise."""
    now = datetime.datetime.now(datetime.UTC)
    return Run(
        schema=SCHEMA,
        id=run_id(now, plan.builds),
        created=now.isoformat(timespec="seconds"),
        command=command,
        gilometer=harness.__version__,
        revision=_revision(),
        plan=plan,
        builds=facts,
        host=machine,
        engine=engine,
        warnings=warnings,
        noise_floors=_floors(facts, machine, plan),
    )


def _plan(
    wanted: Request, facts: tuple[BuildFacts, ...], engine: Engine, bench_: Workbench, screen: Screen
) -> tuple[Plan, tuple[Trouble, ...]]:
    """The plan of what can be measured, and what is wrong with the other scripts, which is also said.

    RequestError where nothing is left.
    """
    from harness.rehearsal import rehearse

    rehearsal = rehearse(
        wanted.workloads,
        facts,
        engine,
        bench_,
        cpus=wanted.cpu_sets[0],
        timeout_seconds=wanted.timeout_seconds,
        progress=screen,
    )
    if not rehearsal.workloads:
        raise RequestError("\n".join(map(str, rehearsal.troubles)), hint=rehearsal.troubles[0].hint)
    for trouble in rehearsal.troubles:
        screen.say(f"{trouble}\n  {trouble.hint}" if trouble.hint else str(trouble))
    names = tuple(fact.build.name for fact in facts)
    plan = make_plan(dataclasses.replace(wanted, builds=names, workloads=rehearsal.workloads), facts)
    skipped = (*plan.skipped, *(trouble.skipped for trouble in rehearsal.troubles))
    return msgspec.structs.replace(plan, skipped=skipped), rehearsal.troubles


def aa(options: BenchOptions, *, as_json: bool = False) -> int:
    """A bench of one build against itself, the free-threaded one of the default pair where none was named."""
    request.resolve(options, WORKLOADS)
    name = options.builds
    if name is None:
        screen = Screen()
        with measuring("inv aa", screen, wait=options.wait):
            last = builds(options, screen)[0][-1].build
        name = last.executable or last.name
    elif "," in name:
        raise RequestError(f"--build: {name} is more than one build", hint="inv aa takes one at a time.")
    return bench(dataclasses.replace(options, builds=f"{name},{name}"), as_json=as_json)


def releases(options: BenchOptions, *, base: str | None = None, as_json: bool = False) -> int:
    """A bench of builds of several releases, the base first; its report has a page that follows them through releases.

    RequestError where the builds are of one release series, or the base is none of them.
    """
    names = specs.split("--builds", options.builds or RELEASES)
    if base is not None:
        first = specs.choose("--base", base, names)
        names = [first, *(name for name in names if name != first)]
    if options.engine == "docker" and len({build.series for build in resolve(names)}) == 1:
        raise RequestError(
            f"--builds: {', '.join(names)} are of one release series", hint="Name builds of several, such as 3.13,3.14."
        )
    return bench(dataclasses.replace(options, builds=",".join(names)), as_json=as_json)


def resume(name: str, *, wait: bool = True, as_json: bool = False) -> int:
    """Execute what a run has not recorded yet.  RequestError where its workloads or images are no longer the same."""
    screen = Screen()
    directory = find_run(name)
    run = store.load_run(directory)
    refuse_changes(run)
    with (
        measuring(" and ".join(run.plan.builds), screen, wait=wait),
        workbench(WORKLOADS, run.plan.workloads) as bench_,
        open_engine(run.engine.kind, bench_, screen) as engine,
    ):
        if missing := [fact.build.name for fact in run.builds if not engine.has(fact)]:
            raise HostError(
                f"this run cannot be resumed here: the images of {', '.join(missing)} are gone",
                hint=f"Make a new run instead: {run.command}",
            )
        store.mend(directory)
        return _execute(directory, run, engine, bench_, screen, Telling.of(as_json))


def report(name: str, *, as_json: bool = False) -> None:
    """Write the pages of a run again."""
    directory = find_run(name)
    _explain(directory, *store.load(directory), Telling.of(as_json))


def _execute(directory: Path, run: Run, engine: Engine, bench_: Workbench, screen: Screen, telling: Telling) -> int:
    from harness.execution import Execution
    from harness.stopping import Stopping

    lines = [*store.load_journal(directory)]
    loops, done = store.recorded(lines)
    stopping = Stopping(run.plan)
    settled = [one for line in lines for one in stopping.feed(line)]
    builds = {fact.build.name: fact for fact in run.builds}
    execution = Execution(run.plan, builds, engine, bench_, loops=loops, done=done, steering=stopping)
    began = time.monotonic()
    interrupted = False
    troubles = Troubles(run.plan, screen)
    with store.Journal(directory) as journal:

        def record(line: JournalLine) -> None:
            journal.append(line)
            lines.append(line)

        try:
            with screen.task("measuring", total=len(done) + stopping.left) as task:
                finished = len(done)
                for one in settled:
                    if one not in lines:  # the execution before was killed in between
                        record(one)
                for line in execution:
                    record(line)
                    for one in stopping.feed(line):
                        record(one)
                    troubles.show(line)
                    finished += isinstance(line, BlockRecord)
                    task.update(finished, note=_note(line, run.plan.blocks), total=finished + stopping.left)
        except KeyboardInterrupt:
            interrupted = True
        wall = time.monotonic() - began
        complete, seconds = execution.complete, execution.worker_seconds
        record(Ended(complete=complete, wall_seconds=wall, worker_seconds=seconds))
    if not complete:
        why = "interrupted" if interrupted else "the engine went away and did not come back"
        screen.say(f"{why}; everything finished is kept.  Go on with: ./inv bench --resume {show(directory)}")
    screen.say(f"workers were running for {execution.worker_seconds / wall:.0%} of {clock(wall)}")
    status = conclude(directory, run, lines, telling, learn=directory.parent if complete else None)[1]
    return 130 if interrupted else status


def conclude(
    directory: Path, run: Run, lines: Sequence[JournalLine], telling: Telling, *, learn: Path | None
) -> tuple[Findings | None, int]:
    """Write everything that follows from the journal of a run: its findings, and its exit status.

    `learn` is where to keep what a build that was compared with itself tells of its host.
    """
    from harness import provenance

    write_pyperf(directory / "pyperf", run, lines)
    provenance.write(directory / "builds", run)
    findings = _explain(directory, run, lines, telling)
    if learn and findings:
        _learn(learn, findings)
    failed = any(isinstance(outcome, Failure) for outcome in _outcomes(lines))
    return findings, 4 if failed or _never_valid(run.plan, lines) else 0


def _explain(directory: Path, run: Run, journal: Sequence[JournalLine], telling: Telling) -> Findings | None:
    """The page, and its verdict on the terminal; a hunt for races measures nothing, and has no page."""
    from reports import page, release_page, release_prose, releases, stress, summary
    from reports.analysis import analyse

    if run.plan.stress:
        data = telling is Telling.JSON
        print(json.dumps(stress.data(run, journal), indent=1) if data else f"\n{stress.text(run, journal)}")
        return None
    findings = analyse(run, journal)
    path = page.write(directory, findings)
    through = releases.compare(run, journal) if releases.spans(run) else None
    beside = release_page.write(directory, through) if through else None
    if telling is Telling.JSON:
        print(json.dumps(summary.data(findings), indent=1, allow_nan=False))
    if telling is not Telling.TEXT:
        return findings
    print(f"\n{summary.text(findings)}\n\nReport: {show(path)}")
    if through and beside:
        print(f"\n{release_prose.text(through)}\n\nReleases: {show(beside)}")
    return findings


def _floors(facts: Sequence[BuildFacts], machine: HostFacts, plan: Plan) -> tuple[NoiseFloor, ...]:
    """What is known of this host's noise; nothing where it is the noise that is measured."""
    names = {fact.build.name.partition("#")[0] for fact in facts}
    return floors.known(RESULTS, machine, plan.cases) if len(names) > 1 else ()


def _learn(results: Path, findings: Findings) -> None:
    """Keep what a build compared with itself tells of this host."""
    alike = {pair.build for pair in findings.parity if not pair.compared}
    found = [
        floors.Noise(case=one.case.id, change=one.judgement.effect.size, build=one.build, run=findings.run.id)
        for one in (*findings.comparisons, *findings.memories)
        if one.build in alike and one.judgement
    ]
    floors.learn(results, findings.run.host, found)


def write_pyperf(folder: Path, run: Run, journal: Sequence[JournalLine]) -> list[Path]:
    """A suite per build, of the samples that count, below `folder`; a build without any has no file."""
    from harness import samples

    records = last_valid(line for line in journal if isinstance(line, BlockRecord))
    written = []
    for name in run.plan.builds:
        outcomes = (outcome for record in records for outcome in record.outcomes)
        found = [one for one in outcomes if isinstance(one, Sample) and one.build == name]
        path = folder / f"{name}.json"
        samples.write_pyperf(path, found)
        written += [path] if found else []
    return written


def _outcomes(journal: Sequence[JournalLine]) -> Iterator[Sample | Failure]:
    for line in journal:
        if isinstance(line, BlockRecord):
            yield from line.outcomes


def _never_valid(plan: Plan, journal: Sequence[JournalLine]) -> bool:
    """Whether a group was measured and has not one valid block."""
    records = [line for line in journal if isinstance(line, BlockRecord)]
    valid = {plan.blocks[record.index].group for record in records if not record.invalid}
    return any(plan.blocks[record.index].group not in valid for record in records)


def _note(line: JournalLine, blocks: Sequence[Block]) -> str:
    return blocks[line.index].workload if isinstance(line, BlockRecord) else ""


def extent(plan: Plan) -> str:
    """How much a run is, before anything of it was measured."""
    time_ = f"about {clock(estimate_seconds(plan))}"
    if plan.target is None:
        return f"{len(plan.blocks)} blocks, {time_}"
    until = f"intervals are ±{plan.target * 100:g} % or less"
    if plan.questions:
        several = len(plan.questions) > 1
        until = f"{len(plan.questions)} published numbers are decided" if several else "a published number is decided"
    return f"at most {len(plan.blocks)} blocks in at most {time_}, until {until}"


def _too_short(plan: Plan) -> str:
    """What to know of a budget that does not even pay for the first look; empty where it does."""
    first = first_look_seconds(plan)
    if plan.budget_seconds is None or first <= plan.budget_seconds:
        return ""
    return (
        f"the first look at every workload takes about {clock(first)}, more than the {clock(plan.budget_seconds)} that "
        "there are: it is taken nevertheless, and nothing is measured beyond it."
    )


def _advice(plan: Plan) -> tuple[str, ...]:
    topology = host.read_topology()
    sets = dict.fromkeys(case.cpus for case in plan.cases)
    return tuple(dict.fromkeys(text for cpus in sets for text in host.advice(topology, cpus)))


def refuse_changes(run: Run) -> None:
    """A resumed run must measure what its plan says; RequestError shows what changed."""
    ours = {workload.name: workload.sha256 for workload in specs.load_workloads(WORKLOADS)}
    now = {
        workload.name: scripts.hash_now(workload) if workload.source else ours.get(workload.name, "gone")
        for workload in run.plan.workloads
    }
    changed = [
        f"workload {workload.name}: {workload.sha256[:12]} then, {now[workload.name][:12]} now"
        for workload in run.plan.workloads
        if now[workload.name] != workload.sha256
    ]
    if changed:
        raise RequestError(
            "this run cannot be resumed, its plan is no longer what would be executed: " + "; ".join(changed),
            hint=f"Make a new run instead: {run.command}",
        )


def find_run(name: str) -> Path:
    """A run by path, or by its name in results/; RequestError names the nearest."""
    for candidate in (Path(name), RESULTS / name):
        if (candidate / store.RUN).exists():
            return candidate
    if name.startswith("-"):
        raise RequestError(f"expected a run, got {name}", hint="Help on a task: inv --help TASK")
    runs = [path.name for path in RESULTS.glob("*") if (path / store.RUN).exists()]
    if not runs:
        raise RequestError(f"there is no run {name}, nor any other in {show(RESULTS)}")
    raise RequestError(f'there is no run "{name}"{specs.nearest(name, runs)}')


def run_id(now: datetime.datetime, builds: Sequence[str]) -> str:
    """A name for a run that begins now, that no other in results/ has."""
    stem = f"{now:%Y%m%d-%H%M%S}-{'-'.join(builds)}"
    return f"{stem}-{secrets.token_hex(2)}" if (RESULTS / stem).exists() else stem


def _revision() -> str:
    """git's name for the harness's own source; empty where there is no git or no checkout."""
    try:
        found = subprocess.run(
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def show(path: Path) -> str:
    """A path as short as it can be said from here."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
