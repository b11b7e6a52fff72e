"""From what was typed to what is measured: every name checked and every CPU set chosen, before anything is touched."""

from __future__ import annotations

import dataclasses
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path

from harness import builds, host, scripts, specs
from harness.engine import DOCKER_AND_CHROOT
from harness.errors import HostError, RequestError
from harness.model import Build, Measure, Optimize, Placement, Plan, Profile, Size, Source, Split, Strategy
from harness.plan import Request

ENGINES = ("docker", "host")
_OVERHEAD_SECONDS = 240.0
"""What `inv overhead` may take where nobody says it."""
_STRESS_THREADS = 4
"""For each CPU, where races are hunted."""
_STRESS_BLOCKS = 4
"""Processes of each build and workload: what races depends on where things are in memory, too."""
_UNDECIDED = ("the GIL build", "the free-threaded build")
"""Stand-ins for the names of builds that are chosen later, by what can be had."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What `inv bench` was asked for, as typed; tasks.py says what each means."""

    cores: str | None = None
    threads: str | None = None
    strategies: str = Strategy.THREADS
    split: str = Split.SHARE
    builds: str | None = None
    workloads: str | None = None
    profile: str = Profile.QUICK
    engine: str = "docker"
    optimize: str | None = None
    source: str | None = None
    skip_unavailable: bool = False
    seed: str | None = None
    blocks: str | None = None
    budget: str | None = None
    timeout: str = "120"
    size: str = Size.QUICK
    measures: str | None = None
    placement: str = Placement.PINNED
    stress: bool = False
    wait: bool = True


def resolve(
    options: BenchOptions,
    workloads: Path,
    names: tuple[str, ...] | None = None,
    cpu_sets: tuple[tuple[int, ...], ...] | None = None,
) -> Request:
    """The request.

    `names` are those of the builds, where they are known already, and `cpu_sets` those of another machine, chosen
    there; without them this machine's are chosen.

    Raises RequestError for what makes no sense, HostError for what this machine does not have.
    """
    profile = Profile(specs.choose("--profile", options.profile, list(Profile)))
    if cpu_sets is None:
        topology = host.read_topology()
        available = len(topology.allowed)
        cpu_sets = tuple(host.choose_cpus(topology, size) for size in _sizes(options, available))
    else:
        available = max(map(len, cpu_sets))
    chosen = specs.select_workloads(options.workloads, specs.load_workloads(workloads))
    if options.blocks is not None and options.budget is not None:
        raise RequestError("--blocks is a fixed number of blocks, which no --budget shortens: leave one of them out")
    request = Request(
        builds=names or _names(options) or _UNDECIDED,
        workloads=chosen,
        cpu_sets=cpu_sets,
        threads=None if options.threads is None else specs.counts("--threads", options.threads, available),
        strategies=specs.strategies(options.strategies),
        split=Split(specs.choose("--split", options.split, list(Split))),
        profile=profile,
        size=Size(specs.choose("--size", options.size, list(Size))),
        measures=None if options.measures is None else specs.measures(options.measures),
        placement=Placement(specs.choose("--placement", options.placement, list(Placement))),
        blocks=None if options.blocks is None else specs.whole_number("--blocks", options.blocks),
        budget_seconds=None if options.budget is None else specs.duration("--budget", options.budget),
        seed=secrets.randbelow(2**32) if options.seed is None else specs.whole_number("--seed", options.seed, least=0),
        timeout_seconds=specs.whole_number("--timeout", options.timeout),
    )
    return _stressed(request, options) if options.stress else request


def _stressed(request: Request, options: BenchOptions) -> Request:
    """The request of a hunt for races: many more threads than CPUs, wherever the scheduler puts them."""
    for option, given in (("--measures", options.measures), ("--budget", options.budget)):
        if given is not None:
            raise RequestError(f"--stress hunts races and measures nothing: leave out {option}")
    strategies = tuple(one for one in request.strategies if one in (Strategy.THREADS, Strategy.POOL))
    if not strategies:
        raise RequestError(f"--stress: {options.strategies} share nothing that could race; there are: threads, pool")
    return dataclasses.replace(
        request,
        measures=(Measure.TIME,),
        strategies=strategies,
        threads=request.threads or (_STRESS_THREADS * max(map(len, request.cpu_sets)),),
        placement=Placement.FREE,
        blocks=request.blocks or _STRESS_BLOCKS,
        stress=True,
    )


def resolve_overhead(options: BenchOptions, workloads: Path) -> Request:
    """The request of `inv overhead`: quick sizes, because long turns tell no more of a container than short ones.

    In a few minutes all workloads together are known well; `budget` gives each of them more.
    """
    if options.builds and "," in options.builds:
        raise RequestError(
            f"--build: {options.builds} is more than one build", hint="inv overhead takes one at a time."
        )
    request = resolve(options, workloads)
    budget = request.budget_seconds or _OVERHEAD_SECONDS
    return dataclasses.replace(request, size=Size.QUICK, measures=(Measure.TIME,), budget_seconds=budget)


def named_builds(options: BenchOptions) -> tuple[Build, ...] | None:
    """The builds of builds.toml that were named; None where the choice was left open."""
    wanted = optimize(options)
    if options.builds is None:
        return None
    known = builds.load()
    named = builds.resolve(specs.split("--builds", options.builds), known)
    for build in named:
        if build.source is Source.HOST:
            raise RequestError(f"{build.name} is an interpreter of this host", hint="Measure it with --engine host.")
    return named if wanted is None else tuple(builds.optimized(build, wanted, known) for build in named)


def optimize(options: BenchOptions) -> Optimize | None:
    """The optimisation that was asked for; None where each build's own is meant."""
    if options.optimize is None:
        return None
    return Optimize(specs.choose("--optimize", options.optimize, [Optimize.PLAIN, Optimize.PGO_LTO]))


def _names(options: BenchOptions) -> tuple[str, ...]:
    """Names of the builds as far as they are known before any was made; the host's interpreters keep theirs."""
    if specs.choose("--engine", options.engine, ENGINES) == "host":
        return tuple(specs.split("--builds", options.builds)) if options.builds else ()
    return tuple(build.name for build in named_builds(options) or ())


def command(options: BenchOptions, plan: Plan) -> str:
    """The command that makes the same run again: everything that was left open is filled in."""
    if options.engine == DOCKER_AND_CHROOT:
        words = ["./inv", "overhead", "--build", plan.builds[-1]]
    else:
        words = ["./inv", "bench", *_bench_words(options, plan)]
    words += ["--workloads", _lasting(options.workloads, plan)] if options.workloads else []
    words += ["--profile", plan.profile, "--seed", str(plan.seed)]
    words += ["--blocks", options.blocks] if options.blocks else []
    words += ["--budget", options.budget] if options.budget else []
    words += ["--timeout", options.timeout] if options.timeout != BenchOptions().timeout else []
    return shlex.join(words)


def _lasting(workloads: str, plan: Plan) -> str:
    """What --workloads named, wherever it is repeated: the paths of scripts in full."""
    sources = [Path(workload.source) for workload in plan.workloads if workload.source]
    found = {*sources, *(source.parent for source in sources)}
    paths = {item: scripts.absolute(item) for item in specs.split("--workloads", workloads)}
    return ",".join(str(path) if path in found else item for item, path in paths.items())


def _bench_words(options: BenchOptions, plan: Plan) -> list[str]:
    """Of the command of a bench, what is its own."""
    sizes = dict.fromkeys(len(case.cpus) for case in plan.cases)
    # A build that was named twice has a number behind its second name; an interpreter of the host may have been a path.
    names = ",".join(name.partition("#")[0] for name in plan.builds)
    if options.engine == "host" and options.builds:
        names = options.builds
    words = ["--builds", names, "--cores", ",".join(map(str, sizes))]
    words += ["--threads", options.threads] if options.threads else []
    words += ["--strategies", options.strategies] if options.strategies != Strategy.THREADS else []
    words += ["--split", options.split] if options.split != Split.SHARE else []
    words += ["--size", options.size] if options.size != Size.QUICK else []
    words += ["--measures", options.measures] if options.measures else []
    words += ["--placement", options.placement] if options.placement != Placement.PINNED else []
    words += ["--stress"] if options.stress else []
    words += ["--engine", options.engine] if options.engine != "docker" else []
    words += ["--source", options.source] if options.source else []
    return words


def _sizes(options: BenchOptions, available: int) -> tuple[int, ...]:
    """Sizes of CPU sets.  HostError where one does not fit and leaving it out was not asked for."""
    if options.cores is None:
        return (available,)
    sizes = specs.counts("--cores", options.cores, available)
    fitting = tuple(size for size in sizes if size <= available)
    if len(fitting) == len(sizes) or (options.skip_unavailable and fitting):
        return fitting
    too_large = ", ".join(str(size) for size in sizes if size > available)
    raise HostError(
        f"--cores {options.cores}: this machine has {available} CPU{'s' * (available > 1)}, "
        f"so {too_large} cannot be had",
        hint=f"--skip-unavailable runs the sizes that fit ({', '.join(map(str, fitting))})"
        if fitting
        else f"None of these sizes fits; try: --cores {available}",
    )
