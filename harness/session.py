"""The verbs: the only room that wires the others together."""

from __future__ import annotations

import contextlib
import datetime
import json
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness import builds as build_specs
from harness import host, lock, specs, store
from harness.errors import HostError, RequestError
from harness.model import (
    SCHEMA,
    Block,
    BlockRecord,
    Build,
    BuildFacts,
    Calibration,
    Ended,
    Failure,
    JournalLine,
    Optimize,
    Plan,
    Profile,
    Run,
    Sample,
)
from harness.plan import Request, estimate_seconds, make_plan
from harness.screen import Screen, clock
from harness.workbench import workbench

if TYPE_CHECKING:
    from harness.engine import Engine
    from harness.workbench import Workbench

ROOT = Path(__file__).parent.parent
WORKLOADS = ROOT / "workloads"
RESULTS = ROOT / "results"

_ENGINES = ("docker", "host")


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What `inv bench` was asked for, as typed."""

    cores: str | None = None
    threads: str | None = None
    builds: str | None = None
    workloads: str | None = None
    profile: str = Profile.QUICK
    engine: str = "docker"
    optimize: str = Optimize.PLAIN
    source: str | None = None
    skip_unavailable: bool = False
    seed: str | None = None
    blocks: str | None = None
    timeout: str = "120"
    wait: bool = True


# -- set-up ------------------------------------------------------------------------------------------------------------


def setup() -> None:
    """Engine, base image and the default pair of images, each found or made."""
    from harness import provision

    screen = Screen()
    for done in provision.ensure_engine(screen):
        screen.say(done)
    build(BenchOptions())


def build(options: BenchOptions) -> None:
    """Images only; prints what each build is."""
    screen = Screen()
    wanted, warnings = _choose_builds(options)
    for warning in warnings:
        screen.say(f"warning: {warning}")
    for facts in _ensure_images(wanted, options, screen):
        print(f"{facts.build.name}: {facts.release}, {facts.optimize}, image {facts.image[:19]}")


def doctor(*, as_json: bool) -> None:
    """Prints what this host can do and what disturbs measurements on it."""
    from harness import doctor as doctor_room

    findings = doctor_room.examine()
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=1))
    else:
        for finding in findings:
            print(finding)


# -- bench -------------------------------------------------------------------------------------------------------------


def dry_run(options: BenchOptions) -> None:
    """Prints the plan and an estimate; touches nothing."""
    request = _request(options, _named_or_default(options))
    plan = make_plan(request, {})
    print(f"{len(plan.cases)} cases on {len(plan.builds)} builds ({', '.join(plan.builds)}), seed {plan.seed}:")
    for case in plan.cases:
        print(f"  {case.id}")
    print(
        f"{len(plan.blocks)} blocks of up to {max(len(block.cases) for block in plan.blocks) * len(plan.builds)} "
        f"workers, {plan.warmups} + {plan.values} turns each; about {clock(estimate_seconds(plan))}, "
        "not counting images that have to be built."
    )


def bench(options: BenchOptions, *, set_up: bool = False, as_json: bool = False) -> int:
    """Plan, execute, report.  Returns the exit status: 0, or 4 where a measurement failed or is invalid."""
    screen = Screen()
    _request(options, _named_or_default(options))  # what is wrong with the request is said before anything is built
    if set_up:
        from harness import provision

        for done in provision.ensure_engine(screen):
            screen.say(done)
    if options.engine == "host":
        from harness import host_builds

        wanted, warnings = host_builds.choose(options.builds), ()
        facts = host_builds.ensure(wanted, screen)
    else:
        wanted, warnings = _choose_builds(options)
        for warning in warnings:
            screen.say(f"warning: {warning}")
        facts = _ensure_images(wanted, options, screen)
    facts = _distinct(facts)
    request = _request(options, tuple(fact.build.name for fact in facts))
    plan = make_plan(request, {fact.build.name: frozenset(fact.packages) for fact in facts})
    with (
        _measuring(options, screen, describe=", ".join(plan.builds)),
        workbench(WORKLOADS) as bench_,
    ):
        engine = _open_engine(options.engine, bench_, screen)
        now = datetime.datetime.now(datetime.UTC)
        run = Run(
            schema=SCHEMA,
            id=_run_id(now, plan),
            created=now.isoformat(timespec="seconds"),
            command=_command(options, plan),
            gilometer=harness.__version__,
            revision=_revision(),
            plan=plan,
            builds=facts,
            host=host.facts(),
            engine=engine.facts(),
            warnings=(*warnings, *_advice(plan)),
        )
        directory = store.create(RESULTS, run)
        screen.say(
            f"{len(plan.blocks)} blocks, about {clock(estimate_seconds(plan))}; results go to {_show(directory)}"
        )
        return _execute(directory, run, engine, bench_, screen, as_json=as_json)


def resume(name: str, options: BenchOptions, *, as_json: bool = False) -> int:
    """Execute what a run has not recorded yet.  RequestError where its builds or workloads are no longer the same."""
    screen = Screen()
    directory = _find_run(name)
    run = store.load_run(directory)
    _refuse_changes(run)
    with (
        _measuring(options, screen, describe=", ".join(run.plan.builds)),
        workbench(WORKLOADS) as bench_,
    ):
        engine = _open_engine(run.engine.kind, bench_, screen)
        store.mend(directory)
        return _execute(directory, run, engine, bench_, screen, as_json=as_json)


def report(name: str, *, as_json: bool = False) -> None:
    """Write the pages of a run again."""
    directory = _find_run(name)
    _explain(directory, as_json=as_json)


# -- the steps of a bench ----------------------------------------------------------------------------------------------


def _execute(directory: Path, run: Run, engine: Engine, bench_: Workbench, screen: Screen, *, as_json: bool) -> int:
    from harness.execution import Execution

    loops, done = store.recorded(store.load_journal(directory))
    builds = {fact.build.name: fact for fact in run.builds}
    execution = Execution(run.plan, builds, engine, bench_, loops=loops, done=done)
    began = time.monotonic()
    interrupted = False
    with store.Journal(directory) as journal:
        try:
            with screen.task("measuring", total=len(run.plan.blocks)) as task:
                finished = len(done)
                for line in execution:
                    journal.append(line)
                    _show_line(line, run.plan.blocks, screen)
                    finished += isinstance(line, BlockRecord)
                    task.update(finished, note=_note(line, run.plan.blocks))
        except KeyboardInterrupt:
            interrupted = True
        wall = time.monotonic() - began
        journal.append(Ended(complete=not interrupted, wall_seconds=wall, worker_seconds=execution.worker_seconds))
    if interrupted:
        screen.say(f"interrupted; everything finished is kept.  Go on with: ./inv bench --resume {_show(directory)}")
    screen.say(f"workers were running for {execution.worker_seconds / wall:.0%} of {clock(wall)}")
    _write_pyperf(directory, run)
    _explain(directory, as_json=as_json)
    if interrupted:
        return 130
    return 4 if _failures(store.load_journal(directory)) else 0


def _explain(directory: Path, *, as_json: bool) -> None:
    """The page, and its verdict on the terminal."""
    from reports import page, summary
    from reports.analysis import analyse

    findings = analyse(*store.load(directory))
    path = page.write(directory, findings)
    if as_json:
        print(json.dumps(summary.data(findings), indent=1))
    else:
        print(summary.text(findings))
        print(f"\nReport: {path}")


def _write_pyperf(directory: Path, run: Run) -> None:
    from harness import samples

    journal = store.load_journal(directory)
    for name in run.plan.builds:
        found = [outcome for outcome in _outcomes(journal) if isinstance(outcome, Sample) and outcome.build == name]
        samples.write_pyperf(directory / "pyperf" / f"{name}.json", found)


def _show_line(line: JournalLine, blocks: Sequence[Block], screen: Screen) -> None:
    """Failures are said when they happen."""
    match line:
        case BlockRecord():
            for outcome in line.outcomes:
                if isinstance(outcome, Failure):
                    where = f"block {line.index + 1} of {len(blocks)}"
                    screen.say(f"{where}: {outcome.case} on {outcome.build}: {outcome.reason}: {outcome.message}")
        case Calibration(failure=Failure() as failure):
            screen.say(f"calibration: {failure.case} on {failure.build}: {failure.reason}: {failure.message}")
        case _:
            pass


def _note(line: JournalLine, blocks: Sequence[Block]) -> str:
    return blocks[line.index].workload if isinstance(line, BlockRecord) else ""


def _outcomes(journal: Sequence[JournalLine]) -> Iterator[Sample | Failure]:
    for line in journal:
        if isinstance(line, BlockRecord):
            yield from line.outcomes


def _failures(journal: Sequence[JournalLine]) -> bool:
    return any(isinstance(outcome, Failure) for outcome in _outcomes(journal))


# -- the request -------------------------------------------------------------------------------------------------------


def _request(options: BenchOptions, builds: tuple[str, ...]) -> Request:
    """The request with every name checked and every CPU set chosen; raises before anything is touched."""
    profile = Profile(specs.choose("--profile", options.profile, list(Profile)))
    specs.choose("--engine", options.engine, _ENGINES)
    specs.choose("--optimize", options.optimize, [Optimize.PLAIN, Optimize.PGO_LTO])
    topology = host.read_topology()
    available = len(topology.allowed)
    workloads = specs.select_workloads(options.workloads, specs.load_workloads(WORKLOADS))
    threads = None if options.threads is None else specs.counts("--threads", options.threads, available)
    sizes = (available,) if options.cores is None else specs.counts("--cores", options.cores, available)
    fitting = tuple(size for size in sizes if size <= available)
    if len(fitting) < len(sizes) and not (options.skip_unavailable and fitting):
        raise HostError(
            f"--cores {options.cores}: this machine has {available} CPU{'s' * (available > 1)}, "
            f"so {', '.join(str(size) for size in sizes if size > available)} cannot be had",
            hint=f"--skip-unavailable runs the sizes that fit ({', '.join(map(str, fitting))})"
            if fitting
            else f"None of the sizes fits; try: --cores {available}",
        )
    return Request(
        builds=builds,
        workloads=workloads,
        cpu_sets=tuple(host.choose_cpus(topology, size) for size in fitting),
        threads=threads,
        profile=profile,
        blocks=None if options.blocks is None else specs.whole_number("--blocks", options.blocks),
        seed=secrets.randbelow(2**32) if options.seed is None else specs.whole_number("--seed", options.seed, least=0),
        timeout_seconds=specs.whole_number("--timeout", options.timeout),
    )


def _named_or_default(options: BenchOptions) -> tuple[str, ...]:
    if options.builds is None or options.engine == "host":
        return ("the GIL build", "the free-threaded build") if options.builds is None else _split_builds(options)
    return tuple(build.name for build in build_specs.resolve(_split_builds(options)))


def _split_builds(options: BenchOptions) -> tuple[str, ...]:
    return tuple(specs.split("--builds", options.builds or ""))


def _choose_builds(options: BenchOptions) -> tuple[tuple[Build, ...], tuple[str, ...]]:
    """The builds to compare, and what a reader must know of the choice."""
    raise NotImplementedError


def _ensure_images(wanted: Sequence[Build], options: BenchOptions, screen: Screen) -> tuple[BuildFacts, ...]:
    raise NotImplementedError


def _distinct(facts: Sequence[BuildFacts]) -> tuple[BuildFacts, ...]:
    """Facts with distinct names: a build that was named twice is an A/A comparison."""
    raise NotImplementedError


def _advice(plan: Plan) -> tuple[str, ...]:
    topology = host.read_topology()
    sets = dict.fromkeys(case.cpus for case in plan.cases)
    return tuple(dict.fromkeys(text for cpus in sets for text in host.advice(topology, cpus)))


@contextlib.contextmanager
def _measuring(options: BenchOptions, screen: Screen, *, describe: str) -> Iterator[None]:
    """The machine's lock: two runs at once would disturb each other."""
    with lock.measuring_lock(wait=options.wait, progress=screen, describe=describe):
        yield


def _open_engine(kind: str, bench_: Workbench, screen: Screen) -> Engine:
    if kind == "host":
        from harness.host_engine import HostEngine

        return HostEngine(bench_)
    from harness.docker_client import find
    from harness.docker_engine import DockerEngine

    engine = DockerEngine(find(), bench_)
    if removed := engine.remove_left_behind():
        screen.say(f"removed {removed} containers that a killed run of Gilometer had left behind")
    return engine


def _refuse_changes(run: Run) -> None:
    """A resumed run must measure what its plan says; RequestError shows what changed."""
    now = {workload.name: workload.sha256 for workload in specs.load_workloads(WORKLOADS)}
    changed = [
        f"workload {workload.name}: {workload.sha256[:12]} then, {now.get(workload.name, 'gone')[:12]} now"
        for workload in run.plan.workloads
        if now.get(workload.name) != workload.sha256
    ]
    if changed:
        raise RequestError(
            "this run cannot be resumed, its plan is no longer what would be executed: " + "; ".join(changed),
            hint=f"Make a new run instead: {run.command}",
        )


# -- names -------------------------------------------------------------------------------------------------------------


def _find_run(name: str) -> Path:
    """A run by path, or by its name in results/; RequestError names the nearest."""
    for candidate in (Path(name), RESULTS / name):
        if (candidate / store.RUN).exists():
            return candidate
    if name.startswith("-"):
        raise RequestError(f"expected a run, got {name}", hint="Help on a task: inv --help TASK")
    runs = [path.name for path in RESULTS.glob("*") if (path / store.RUN).exists()]
    if not runs:
        raise RequestError(f"there is no run {name}, nor any other in {_show(RESULTS)}")
    raise RequestError(f'there is no run "{name}"{specs.nearest(name, runs)}')


def _run_id(now: datetime.datetime, plan: Plan) -> str:
    stem = f"{now:%Y%m%d-%H%M%S}-{'-'.join(plan.builds)}".replace("/", "_")
    taken = (RESULTS / stem).exists()
    return f"{stem}-{secrets.token_hex(2)}" if taken else stem


def _command(options: BenchOptions, plan: Plan) -> str:
    """The command that makes the same run again: everything that was left open is filled in."""
    sizes = dict.fromkeys(len(case.cpus) for case in plan.cases)
    words = ["./inv", "bench", "--builds", ",".join(plan.builds), "--cores", ",".join(map(str, sizes))]
    if options.threads:
        words += ["--threads", options.threads]
    if options.workloads:
        words += ["--workloads", options.workloads]
    words += ["--profile", plan.profile, "--seed", str(plan.seed)]
    if options.blocks:
        words += ["--blocks", options.blocks]
    if options.engine != "docker":
        words += ["--engine", options.engine]
    if options.optimize != Optimize.PLAIN:
        words += ["--optimize", options.optimize]
    if options.source:
        words += ["--source", options.source]
    return shlex.join(words)


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


def _show(path: Path) -> str:
    """A path as short as it can be said from here."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
