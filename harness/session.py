"""The verbs: the only room that wires the others together."""

from __future__ import annotations

import contextlib
import datetime
import json
import secrets
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

import harness
from harness import host, lock, noise, request, specs, store
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
    Run,
    Sample,
)
from harness.plan import estimate_seconds, first_look_seconds, make_plan
from harness.request import BenchOptions
from harness.screen import Screen, clock
from harness.workbench import Workbench, workbench

if TYPE_CHECKING:
    from harness.engine import Engine

ROOT = Path(__file__).parent.parent
WORKLOADS = ROOT / "workloads"
RESULTS = ROOT / "results"


# -- set-up ------------------------------------------------------------------------------------------------------------


def setup() -> None:
    """Engine, base image and the default pair of images, each found or made; says which."""
    _provide_engine(Screen())
    build(BenchOptions())


def provide_test_tools() -> None:
    """A browser and a compiler, where they can be installed."""
    from harness import provision

    screen = Screen()
    for done in provision.ensure_test_tools(screen):
        screen.say(done)


def build(options: BenchOptions) -> None:
    """Images only; prints what each build is."""
    screen = Screen()
    with measuring("building images", screen):
        built, _ = _builds(options, screen)
    for facts in built:
        gil = "free-threaded" if facts.free_threaded else "with the GIL"
        print(f"{facts.build.name}: CPython {facts.release} {gil}, {facts.optimize}, image {facts.image[:19]}")


def prepare(*names: str) -> tuple[BuildFacts, ...]:
    """The images of the builds named, or of the default pair, made where they are missing."""
    screen = Screen()
    with measuring("building images", screen):
        return _builds(BenchOptions(builds=",".join(names) or None), screen)[0]


def doctor(*, as_json: bool) -> None:
    """Prints what this host can do and what disturbs measurements on it."""
    from harness import docker_client, images

    facts = host.facts()
    findings = list(noise.findings(facts))
    try:
        with measuring("inv doctor", Screen(), wait=False):
            findings.append(noise.speeds(noise.probe_speeds(facts.cpus)))
    except HostError as error:
        findings.append(noise.Finding("CPU speed", noise.State.NOTE, f"not tried: {error.message}"))
    try:
        found = docker_client.find()
        found.client.close()
        findings.append(noise.Finding("engine", noise.State.OK, f"{found.name} at {found.address.url}"))
    except HostError as error:
        findings.append(noise.Finding("engine", noise.State.WARN, error.message, error.hint))
    try:
        pair, warnings = images.Foundry().choose_pair()
        text = "; ".join((f"{' and '.join(one.name for one in pair)} can be made here", *warnings))
        findings.append(noise.Finding("builds", noise.State.NOTE if warnings else noise.State.OK, text))
    except HostError as error:
        findings.append(noise.Finding("builds", noise.State.WARN, error.message, error.hint))
    if as_json:
        print(json.dumps(msgspec.to_builtins(findings), indent=1))
    else:
        print(*findings, sep="\n")


# -- bench -------------------------------------------------------------------------------------------------------------


def dry_run(options: BenchOptions) -> None:
    """Prints the plan and an estimate; touches nothing."""
    plan = make_plan(request.resolve(options, WORKLOADS), ())
    seats = max(len(block.cases) for block in plan.blocks) * len(plan.builds)
    print(f"{len(plan.cases)} cases on {' and '.join(plan.builds)}, seed {plan.seed}:")
    print(*(f"  {case.id}" for case in plan.cases), sep="\n")
    print(f"{_extent(plan)}, not counting images that have to be built.  A block has up to {seats} workers.")
    if options.budget and (text := _too_short(plan)):
        print(text)


def bench(options: BenchOptions, *, set_up: bool = False, as_json: bool = False) -> int:
    """Plan, execute, report.  Returns the exit status: 0, or 4 where a measurement failed or is invalid."""
    screen = Screen()
    request.resolve(options, WORKLOADS)  # what is wrong with the request is said before anything is touched
    # From here on all of it disturbs, and is disturbed by, another run: compiling more than anything.
    with measuring(f"inv bench, {options.builds or 'default builds'}", screen, wait=options.wait):
        if set_up and options.engine == "docker":
            _provide_engine(screen)
        facts, warnings = _builds(options, screen)
        plan = make_plan(request.resolve(options, WORKLOADS, tuple(fact.build.name for fact in facts)), facts)
        return _bench(options, plan, facts, warnings, screen, as_json=as_json)


def _bench(
    options: BenchOptions,
    plan: Plan,
    facts: tuple[BuildFacts, ...],
    warnings: tuple[str, ...],
    screen: Screen,
    *,
    as_json: bool,
) -> int:
    with workbench(WORKLOADS) as bench_, open_engine(options.engine, bench_, screen) as engine:
        now = datetime.datetime.now(datetime.UTC)
        run = Run(
            schema=SCHEMA,
            id=_run_id(now, plan),
            created=now.isoformat(timespec="seconds"),
            command=request.command(options, plan),
            gilometer=harness.__version__,
            revision=_revision(),
            plan=plan,
            builds=facts,
            host=host.facts(),
            engine=engine.facts(),
            warnings=(*warnings, *_advice(plan)),
        )
        directory = store.create(RESULTS, run)
        if options.budget and (text := _too_short(plan)):
            screen.say(f"warning: {text}")
        screen.say(f"{_extent(plan)}; results go to {_show(directory)}")
        return _execute(directory, run, engine, bench_, screen, as_json=as_json)


def resume(name: str, *, wait: bool = True, as_json: bool = False) -> int:
    """Execute what a run has not recorded yet.  RequestError where its workloads or images are no longer the same."""
    screen = Screen()
    directory = _find_run(name)
    run = store.load_run(directory)
    _refuse_changes(run)
    with (
        measuring(" and ".join(run.plan.builds), screen, wait=wait),
        workbench(WORKLOADS) as bench_,
        open_engine(run.engine.kind, bench_, screen) as engine,
    ):
        if missing := [fact.build.name for fact in run.builds if not engine.has(fact)]:
            raise HostError(
                f"this run cannot be resumed here: the images of {', '.join(missing)} are gone",
                hint=f"Make a new run instead: {run.command}",
            )
        store.mend(directory)
        return _execute(directory, run, engine, bench_, screen, as_json=as_json)


def report(name: str, *, as_json: bool = False) -> None:
    """Write the pages of a run again."""
    _explain(_find_run(name), as_json=as_json)


# -- the steps ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def measuring(what: str, screen: Screen, *, wait: bool = True) -> Iterator[None]:
    """This machine's lock: two runs at once would disturb each other."""
    with lock.measuring_lock(wait=wait, progress=screen, describe=what):
        yield


@contextlib.contextmanager
def open_engine(kind: str, bench_: Workbench, screen: Screen) -> Iterator[Engine]:
    """The engine, with nothing of ours left in it.  Only with the measuring lock held."""
    if kind == "host":
        from harness.host_engine import HostEngine

        yield HostEngine(bench_)
        return
    from harness.docker_client import find
    from harness.docker_engine import DockerEngine

    with contextlib.closing(DockerEngine(find(), bench_)) as engine:
        if removed := engine.remove_left_behind():
            screen.say(f"removed {removed} containers that a killed run of Gilometer had left behind")
        yield engine


def _provide_engine(screen: Screen) -> None:
    from harness import provision

    for done in provision.ensure_engine(screen):
        screen.say(done)


def _builds(options: BenchOptions, screen: Screen) -> tuple[tuple[BuildFacts, ...], tuple[str, ...]]:
    """Facts of the builds to compare, their images made where missing, and what a reader must know of the choice."""
    if options.engine == "host":
        from harness import host_builds

        return _distinct([host_builds.ensure(one, screen) for one in host_builds.choose(options.builds)]), ()
    from harness.images import Foundry

    wanted: Sequence[Build] | None = request.named_builds(options)
    warnings: tuple[str, ...] = ()
    with contextlib.closing(Foundry(source=options.source)) as foundry:
        if wanted is None:
            wanted, warnings = foundry.choose_pair(request.optimize(options) or Optimize.PLAIN)
        for warning in warnings:
            screen.say(f"warning: {warning}")
        return _distinct([foundry.ensure(one, screen) for one in wanted]), warnings


def _execute(directory: Path, run: Run, engine: Engine, bench_: Workbench, screen: Screen, *, as_json: bool) -> int:
    from harness.execution import Execution
    from harness.stopping import Stopping

    recorded = store.load_journal(directory)
    loops, done = store.recorded(recorded)
    stopping = Stopping(run.plan)
    settled = [one for line in recorded for one in stopping.feed(line)]
    builds = {fact.build.name: fact for fact in run.builds}
    execution = Execution(run.plan, builds, engine, bench_, loops=loops, done=done, wanted=stopping.wanted)
    began = time.monotonic()
    interrupted = False
    with store.Journal(directory) as journal:
        try:
            with screen.task("measuring", total=len(done) + stopping.left) as task:
                finished = len(done)
                for one in settled:
                    if one not in recorded:  # the execution before was killed in between
                        journal.append(one)
                for line in execution:
                    journal.append(line)
                    for one in stopping.feed(line):
                        journal.append(one)
                    _show_failures(line, run.plan.blocks, screen)
                    finished += isinstance(line, BlockRecord)
                    task.update(finished, note=_note(line, run.plan.blocks), total=finished + stopping.left)
        except KeyboardInterrupt:
            interrupted = True
        wall = time.monotonic() - began
        complete, seconds = execution.complete, execution.worker_seconds
        journal.append(Ended(complete=complete, wall_seconds=wall, worker_seconds=seconds))
    if not complete:
        why = "interrupted" if interrupted else "the engine went away and did not come back"
        screen.say(f"{why}; everything finished is kept.  Go on with: ./inv bench --resume {_show(directory)}")
    screen.say(f"workers were running for {execution.worker_seconds / wall:.0%} of {clock(wall)}")
    _write_pyperf(directory, run)
    _explain(directory, as_json=as_json)
    if interrupted:
        return 130
    return 4 if any(isinstance(outcome, Failure) for outcome in _outcomes(store.load_journal(directory))) else 0


def _explain(directory: Path, *, as_json: bool) -> None:
    """The page, and its verdict on the terminal."""
    from reports import page, summary
    from reports.analysis import analyse

    findings = analyse(*store.load(directory))
    path = page.write(directory, findings)
    if as_json:
        print(json.dumps(summary.data(findings), indent=1, allow_nan=False))
    else:
        print(f"\n{summary.text(findings)}\n\nReport: {_show(path)}")


def _write_pyperf(directory: Path, run: Run) -> None:
    from harness import samples

    journal = store.load_journal(directory)
    for name in run.plan.builds:
        found = [outcome for outcome in _outcomes(journal) if isinstance(outcome, Sample) and outcome.build == name]
        samples.write_pyperf(directory / "pyperf" / f"{name}.json", found)


def _outcomes(journal: Sequence[JournalLine]) -> Iterator[Sample | Failure]:
    for line in journal:
        if isinstance(line, BlockRecord):
            yield from line.outcomes


def _show_failures(line: JournalLine, blocks: Sequence[Block], screen: Screen) -> None:
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


# -- small things ------------------------------------------------------------------------------------------------------


def _distinct(facts: Sequence[BuildFacts]) -> tuple[BuildFacts, ...]:
    """Facts with distinct names: a build that was named twice is an A/A comparison, its second name has a number."""
    seen: Counter[str] = Counter()
    distinct = []
    for fact in facts:
        seen[fact.build.name] += 1
        if (number := seen[fact.build.name]) > 1:
            build_ = msgspec.structs.replace(fact.build, name=f"{fact.build.name}#{number}")
            distinct.append(msgspec.structs.replace(fact, build=build_))
        else:
            distinct.append(fact)
    return tuple(distinct)


def _extent(plan: Plan) -> str:
    """How much a run is, before anything of it was measured."""
    time_ = f"about {clock(estimate_seconds(plan))}"
    if plan.target is None:
        return f"{len(plan.blocks)} blocks, {time_}"
    return f"at most {len(plan.blocks)} blocks in at most {time_}, until intervals are ±{plan.target * 100:g} % or less"


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
    stem = f"{now:%Y%m%d-%H%M%S}-{'-'.join(plan.builds)}"
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


def _show(path: Path) -> str:
    """A path as short as it can be said from here."""
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
