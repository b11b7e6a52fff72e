"""Gilometer's tasks.  Each is a few lines over harness.session, which is imported only when a task executes."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

Body = TypeVar("Body", bound=Callable[..., Any])

_BENCH_HELP = {
    "cores": "CPU-set sizes, such as 4,16; without it, one set of all CPUs this process may use",
    "threads": "thread counts, such as 1,2,4; without it, the powers of two up to each set's size, and that size",
    "strategies": "what shares a job: threads, pool, processes, interpreters, asyncio, or all that make sense for it",
    "split": "share, each gets its part of one job, or whole, each gets a whole job",
    "builds": "interpreters to compare, the first is the baseline, such as 3.14,3.14t (see images/builds.toml)",
    "workloads": "names or categories, such as pure_python,numeric/matrix, or all, and paths of scripts and folders of "
    "your own, such as ./mine.py; without it, a core of each category",
    "profile": "quick, standard or rigorous: how much time for how much precision",
    "engine": "docker, or host: plain processes, for machines without a container engine",
    "optimize": "plain or pgo-lto, for builds from source",
    "source": "a CPython tarball, directory or git repository (PATH, PATH@REF or URL@REF) to build from",
    "resume": "a run directory whose remaining blocks are to be executed",
    "skip_unavailable": "execute the sizes that fit this machine, instead of refusing when one does not",
    "dry_run": "print the plan and an estimate of the time; touch nothing",
    "seed": "makes the order of everything repeatable",
    "blocks": "exactly this many rounds over all workloads, instead of stopping where intervals are narrow enough",
    "budget": "time to measure, such as 90s, 10m or 2h, spent where intervals are widest; without it, the profile's",
    "measures": "what to measure: time, capacity, memory; without it, what the profile has time for",
    "size": "how much work a job is: quick, tens of milliseconds; full, as large as what it stands for; or published, "
    "as large as where its code was published, if it was",
    "placement": "where threads execute: pinned, each to a CPU of its own, or free, wherever the scheduler puts them",
    "stress": "hunt races instead of measuring: more threads than CPUs, taking turns as often as they can",
    "timeout": "seconds of silence after which a worker is stopped",
    "fleet": "measure on the hosts of a fleet instead: the address of its scheduler, or a file that has it",
    "spread": "with --fleet: class, on one host of each hardware class; shard, identical hosts divide the work; all",
    "certificates": "with a fleet at tls://: a folder with ca.pem, cert.pem and key.pem",
    "no_wait": "refuse, instead of waiting, while another run measures on this machine",
    "json": "print the findings as JSON on stdout",
}

_RELEASES_OPTIONS = (
    "cores", "threads", "workloads", "profile", "engine", "optimize", "measures", "seed", "blocks", "budget", "no_wait",
    "json",
)  # fmt: skip
_AA_OPTIONS = (
    "cores", "threads", "workloads", "profile", "engine", "measures", "seed", "blocks", "budget", "no_wait", "json",
)  # fmt: skip


def verb(**options: Any) -> Callable[[Body], Body]:
    """An Invoke task whose errors are one message and the right exit status."""

    def decorate(body: Body) -> Body:
        @functools.wraps(body)
        def execute(context: Context, *args: Any, **kwargs: Any) -> None:
            from harness.errors import GilometerError

            signal.signal(
                signal.SIGTERM, signal.default_int_handler
            )  # whoever ends us otherwise wants no less tidiness
            try:
                status = body(context, *args, **kwargs)
                sys.stdout.flush()
            except BrokenPipeError:  # whoever reads, such as head, has read enough
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise Exit(code=141) from None
            except GilometerError as error:
                raise Exit(f"gilometer: {error}", code=error.status) from None
            except KeyboardInterrupt:
                raise Exit("gilometer: interrupted", code=130) from None
            if status:
                sys.exit(status)

        made: Body = task(**options)(execute)
        return made

    return decorate


@verb(help={"source": _BENCH_HELP["source"]})
def quickstart(_: Context, source: str | None = None) -> int:
    """Everything at once: engine, images, a quick bench of every workload, and its report.

    Example: inv quickstart
    """
    from harness import runs
    from harness.request import BenchOptions

    return runs.bench(BenchOptions(source=source), set_up=True)


@verb(help={"bundle": "take the images from a file that inv bundle wrote, without any network"})
def setup(_: Context, bundle: str | None = None) -> None:
    """Engine, base image and images: find or make each, and say which.

    Example: inv setup
    Example: inv setup --bundle gilometer-bundle.tar
    """
    from harness import session, shipping

    if bundle is None:
        session.setup()
    else:
        shipping.unpack(bundle)


@verb(
    help={
        "builds": "the interpreters to pack, such as 3.14,3.14t (see images/builds.toml); without it, the default pair",
        "out": "the file to write; without it, gilometer-bundle.tar",
    }
)
def bundle(_: Context, builds: str | None = None, out: str | None = None) -> None:
    """Pack builds into one file for a machine without network, where inv setup --bundle unpacks it.

    Example: inv bundle --builds 3.14,3.14t --out /media/stick/gilometer.tar
    """
    from harness import shipping
    from harness.request import BenchOptions

    shipping.pack(BenchOptions(builds=builds), out)


@verb(
    help={
        "tune": "change the settings that disturb measurements, until the next boot; asks first (needs root)",
        "untune": "restore what was there before --tune (needs root)",
        "yes": "the answer to what --tune asks",
        "json": "print as JSON on stdout",
    }
)
def doctor(_: Context, tune: bool = False, untune: bool = False, yes: bool = False, json: bool = False) -> None:
    """What this host can do: engine, CPUs, sources of noise, sources of interpreters.  Changes nothing unless told to.

    Example: inv doctor --tune
    """
    from harness import session
    from harness.errors import RequestError

    if tune and untune:
        raise RequestError("--untune restores what --tune has changed; leave one of them out")
    if json and (tune or untune):
        raise RequestError("--json prints what doctor finds, and --tune and --untune act; leave one of them out")
    if yes and not tune:
        raise RequestError("--yes answers what --tune asks, and nothing else does; leave it out")
    if tune:
        session.tune(yes=yes)
    elif untune:
        session.untune()
    else:
        session.doctor(as_json=json)


@verb(
    help={name: _BENCH_HELP[name] for name in ("builds", "optimize", "source")}
    | {
        "list": "print which builds are made, can be made here, and cannot and why; make none",
        "facts": "print what builds are, side by side, such as 3.14,3.14t",
        "json": "print --list or --facts as JSON on stdout",
    }
)
def build(
    _: Context,
    builds: str | None = None,
    optimize: str | None = None,
    source: str | None = None,
    list: bool = False,  # noqa: A002 - the option's name
    facts: str | None = None,
    json: bool = False,
) -> None:
    """Build images only, or say what there is.

    Example: inv build --builds 3.14,3.14t --optimize pgo-lto
    """
    from harness import session
    from harness.errors import RequestError
    from harness.request import BenchOptions

    if list and facts is not None:
        raise RequestError("--list shows what there is, and --facts what it is; leave one of them out")
    if list or facts is not None:
        from harness import showroom

        if builds or optimize:
            raise RequestError("--list shows all, --facts those that it names; leave out --builds and --optimize")
        if facts is not None:
            showroom.facts(facts, as_json=json)
        else:
            showroom.offers(source=source, as_json=json)
        return
    if json:
        raise RequestError("--json prints what --list or --facts find; name one of them")
    session.build(BenchOptions(builds=builds, optimize=optimize, source=source))


@verb(help=_BENCH_HELP)
def bench(
    _: Context,
    cores: str | None = None,
    threads: str | None = None,
    strategies: str = "threads",
    split: str = "share",
    builds: str | None = None,
    workloads: str | None = None,
    profile: str = "quick",
    engine: str = "docker",
    optimize: str | None = None,
    source: str | None = None,
    resume: str | None = None,
    skip_unavailable: bool = False,
    dry_run: bool = False,
    seed: str | None = None,
    blocks: str | None = None,
    budget: str | None = None,
    size: str = "quick",
    measures: str | None = None,
    placement: str = "pinned",
    stress: bool = False,
    timeout: str = "120",
    fleet: str | None = None,
    spread: str | None = None,
    certificates: str | None = None,
    no_wait: bool = False,
    json: bool = False,
) -> int:
    """Plan, execute, report.

    Example: inv bench --cores 4,16 --builds 3.14,3.14t --workloads pure_python
    Example: inv bench --fleet tls://bench.example:8786 --certificates ~/.gilometer --spread class
    """
    from harness import fleets, runs
    from harness.errors import RequestError
    from harness.request import BenchOptions

    options = BenchOptions(
        cores=cores,
        threads=threads,
        strategies=strategies,
        split=split,
        builds=builds,
        workloads=workloads,
        profile=profile,
        engine=engine,
        optimize=optimize,
        source=source,
        skip_unavailable=skip_unavailable,
        seed=seed,
        blocks=blocks,
        budget=budget,
        size=size,
        measures=measures,
        placement=placement,
        stress=stress,
        timeout=timeout,
        wait=not no_wait,
    )
    if resume and (dry_run or options != BenchOptions(wait=options.wait)):
        raise RequestError("--resume goes on with a run as it was planned; leave the other options out")
    if fleet is None and not resume and (spread or certificates):
        raise RequestError("--spread and --certificates are for a fleet; name it with --fleet, or leave them out")
    if dry_run:
        if fleet is not None:
            raise RequestError("--dry-run plans for this machine; inv fleet status says what a fleet offers")
        runs.dry_run(options)
        return 0
    if resume and (of_fleet := fleets.find(resume)):
        return fleets.resume(of_fleet, fleet=fleet, certificates=certificates, as_json=json)
    if resume:
        return runs.resume(resume, wait=not no_wait, as_json=json)
    if fleet is not None:
        spread = spread or "class"
        return fleets.bench(options, fleet, spread=spread, certificates=certificates, as_json=json)
    return runs.bench(options, as_json=json)


@verb(
    positional=["listen"],
    help={
        "listen": "tls://HOST:PORT, where workers and clients find it; tcp:// only on loopback",
        "certificates": _BENCH_HELP["certificates"],
        "silence": "after which a worker is taken for dead, and its block is measured again, such as 30s or 2m",
    },
)
def scheduler(_: Context, listen: str, certificates: str | None = None, silence: str = "60s") -> None:
    """Be the scheduler of a fleet, where its workers and its clients meet, until Ctrl-C.

    Example: inv scheduler tls://0.0.0.0:8786 --certificates ~/.gilometer
    """
    from harness import fleets

    fleets.scheduler(listen, certificates=certificates, silence=silence)


@verb(
    help={
        "scheduler": "its address, such as tls://bench.example:8786, or a file that has it",
        "certificates": _BENCH_HELP["certificates"],
        "name": "of this host in the fleet; without it, its own",
        "class_": "name of its hardware class; without it, model and cores",
        "slots": "CPU sets that measure at the same time; they disturb each other through what they share",
        "cores": "sizes of CPU sets that can be asked for, such as 4,16, the largest being that of a slot; without it, "
        "the powers of two up to all CPUs",
        "builds": "interpreters to offer, made where missing; without it, those whose images are here",
        "engine": _BENCH_HELP["engine"],
    },
)
def worker(
    _: Context,
    scheduler: str,
    certificates: str | None = None,
    name: str | None = None,
    class_: str | None = None,
    slots: str = "1",
    cores: str | None = None,
    builds: str | None = None,
    engine: str = "docker",
) -> None:
    """Offer this machine to a fleet, and measure what it is asked for, until Ctrl-C.

    Example: inv worker --scheduler tls://bench.example:8786 --certificates ~/.gilometer
    """
    from harness import fleets

    options = fleets.WorkerOptions(certificates, name, class_, slots, cores, builds, engine)
    fleets.worker(scheduler, options)


@verb(
    positional=["what"],
    help={
        "what": "status: hosts, slots, classes, images, what is measured where, what is left, and an estimate; "
        "init: make certificates for a new fleet, and a file for --fleet; send: carry a bundle of images to its hosts",
        "folder": "with init: where they are written; without it, fleet",
        "bundle": "with send: a file that inv bundle wrote",
        "scheduler": "its address, such as tls://bench.example:8786, or a file that has it; "
        "with init: HOST or HOST:PORT, without it the first of --hosts",
        "certificates": _BENCH_HELP["certificates"],
        "hosts": "with init: names or IP addresses of those that measure, such as bench1,bench2",
        "days": "with init: for how long certificates are good",
        "renew": "with init: replace all certificates of a fleet, which shuts out everybody who has an old one",
        "json": "with status: print as JSON on stdout",
    },
)
def fleet(
    _: Context,
    what: str,
    folder: str | None = None,
    bundle: str | None = None,
    scheduler: str | None = None,
    certificates: str | None = None,
    hosts: str | None = None,
    days: str = "365",
    renew: bool = False,
    json: bool = False,
) -> int:
    """Machines that measure together: who is there, and how far they are; certificates for new ones; images for all.

    Example: inv fleet init --folder ~/fleet --hosts bench1,bench2
    Example: inv fleet status --scheduler ~/fleet/fleet.toml
    Example: inv fleet send --bundle gilometer-bundle.tar --scheduler ~/fleet/fleet.toml
    """
    from harness import specs
    from harness.errors import RequestError

    chosen = specs.choose("inv fleet", what, ["init", "send", "status"])
    given = {
        "--certificates": certificates,
        "--json": json,
        "--hosts": hosts,
        "--renew": renew,
        "--folder": folder,
        "--bundle": bundle,
    }
    takes = {
        "init": {"--hosts", "--renew", "--folder"},
        "send": {"--certificates", "--bundle"},
        "status": {"--certificates", "--json"},
    }
    if odd := [name for name, value in given.items() if value and name not in takes[chosen]]:
        raise RequestError(f"inv fleet {chosen} does not take {', '.join(odd)}")
    if chosen == "init":
        from harness import founding

        founding.init(folder or "fleet", hosts, scheduler=scheduler, days=days, renew=renew)
        return 0
    from harness import fleets

    if scheduler is None:
        raise RequestError(f"inv fleet {chosen} asks a scheduler: name it with --scheduler")
    if chosen == "send":
        if bundle is None:
            raise RequestError("inv fleet send carries a bundle: name it with --bundle", hint="inv bundle writes one.")
        return fleets.send(bundle, scheduler, certificates=certificates)
    fleets.status(scheduler, certificates=certificates, as_json=json)
    return 0


@verb(
    help={
        "build": "the interpreter; without it, the free-threaded one of the default pair",
        **{name: _BENCH_HELP[name] for name in _AA_OPTIONS},
    }
)
def aa(
    _: Context,
    build: str | None = None,
    cores: str | None = None,
    threads: str | None = None,
    workloads: str | None = None,
    profile: str = "quick",
    engine: str = "docker",
    measures: str | None = None,
    seed: str | None = None,
    blocks: str | None = None,
    budget: str | None = None,
    no_wait: bool = False,
    json: bool = False,
) -> int:
    """A build against itself: how often that looks like a difference here, and how large the noise is, case by case.

    The noise floors that it finds are kept for this host: later runs call no smaller difference faster or slower.

    Example: inv aa --build 3.14t --workloads pure_python
    """
    from harness import runs
    from harness.request import BenchOptions

    options = BenchOptions(
        cores=cores,
        threads=threads,
        builds=build,
        workloads=workloads,
        profile=profile,
        engine=engine,
        measures=measures,
        seed=seed,
        blocks=blocks,
        budget=budget,
        wait=not no_wait,
    )
    return runs.aa(options, as_json=json)


@verb(
    help={
        "build": "the interpreter, such as 3.14t (see images/builds.toml); without it, the default free-threaded one",
        "profile": "quick, standard or rigorous: intervals of ±5 %, ±2 % or ±1 % for each workload, if time allows",
        "budget": "time to measure, such as 90s, 10m or 2h, spent where intervals are widest; without it, 4m",
        **{name: _BENCH_HELP[name] for name in ("workloads", "seed", "blocks", "no_wait", "json")},
    }
)
def overhead(
    _: Context,
    build: str | None = None,
    workloads: str | None = None,
    profile: str = "standard",
    seed: str | None = None,
    blocks: str | None = None,
    budget: str | None = None,
    no_wait: bool = False,
    json: bool = False,
) -> int:
    """What the container itself costs: one build in it, and the same files on the host without it, turn by turn.

    Example: inv overhead --build 3.14t --workloads pure_python
    """
    from harness import runs
    from harness.request import BenchOptions

    options = BenchOptions(
        builds=build,
        threads="1",
        workloads=workloads,
        profile=profile,
        seed=seed,
        blocks=blocks,
        budget=budget,
        wait=not no_wait,
    )
    return runs.overhead(options, as_json=json)


@verb(
    help={
        "builds": "interpreters of several releases, such as 3.13,3.14,3.14t (see images/builds.toml); "
        "without it, 3.13 and 3.14 with and without the GIL",
        "base": "the one that all others are compared with; without it, the first",
        **{name: _BENCH_HELP[name] for name in _RELEASES_OPTIONS},
    }
)
def releases(
    _: Context,
    builds: str | None = None,
    base: str | None = None,
    cores: str | None = None,
    threads: str | None = None,
    workloads: str | None = None,
    profile: str = "quick",
    engine: str = "docker",
    optimize: str | None = None,
    measures: str = "time",
    seed: str | None = None,
    blocks: str | None = None,
    budget: str | None = None,
    no_wait: bool = False,
    json: bool = False,
) -> int:
    """Releases side by side: each against a base, its predecessor, and its twin with the GIL, on one page.

    Example: inv releases --builds 3.13,3.13t,3.14,3.14t --base 3.13 --workloads pure_python
    """
    from harness import runs
    from harness.request import BenchOptions

    options = BenchOptions(
        cores=cores,
        threads=threads,
        builds=builds,
        workloads=workloads,
        profile=profile,
        engine=engine,
        optimize=optimize,
        measures=measures,
        seed=seed,
        blocks=blocks,
        budget=budget,
        wait=not no_wait,
    )
    return runs.releases(options, base=base, as_json=json)


@verb(positional=["name"], help={"name": "of the workload, as a Python module has it, such as sort_lines"})
def new_workload(_: Context, name: str) -> None:
    """Write a first workload of your own, commented and working, to NAME.py in the folder where you are.

    Example: inv new-workload sort_lines
    """
    from pathlib import Path

    from harness import scaffold

    path = scaffold.write(name, Path.cwd())
    print(f"{path.name} is a workload.  Measure it: ./inv bench --workloads ./{path.name}")


@verb(help={"run": "directory of a run, or of a reproduction", "json": _BENCH_HELP["json"]})
def report(_: Context, run: str, json: bool = False) -> None:
    """Write a run's pages again from its raw data.

    Example: inv report results/20260314-101500-3.14-3.14t
    """
    from harness import fleets, reproducing, runs

    if reproduction := reproducing.find(run):
        reproducing.explain(reproduction, "json" if json else "text")
    elif of_fleet := fleets.find(run):
        fleets.report(of_fleet, as_json=json)
    else:
        runs.report(run, as_json=json)


@verb(
    positional=["run_a", "run_b"],
    help={
        "run_a": "a run directory: what was before",
        "run_b": "the run that is compared with it",
        "fail_on_regression": "exit status 5 where a case is known to have regressed by more than that, such as 5%",
        "format": "text, html, markdown (for a pull request), json or csv",
        "out": "a file to write to, instead of stdout",
    },
)
def compare(
    _: Context,
    run_a: str,
    run_b: str,
    fail_on_regression: str | None = None,
    format: str = "text",  # noqa: A002 - the option's name
    out: str | None = None,
) -> None:
    """Two runs side by side: what differs between them, what improved, and what regressed.

    Example: inv compare results/BEFORE results/AFTER --fail-on-regression 5%
    """
    from harness import comparing

    comparing.compare(run_a, run_b, gate=fail_on_regression, form=format, out=out)


@verb(
    iterable=["packages"],
    help={
        "packages": "what to audit, such as lxml or numpy==2.4.6; ./inv takes any number of them without -p, too",
        "requirements": "a requirements file, locked or not, whose packages are audited",
        "top": "audit the libraries of workloads/audit/top.txt: much used ones with extension modules",
        "builds": "free-threaded builds to try them on; without it, the newest that is made here",
        "find_links": "a folder of wheels and source archives that are taken beside those of the index",
        "no_index": "take packages from --find-links only",
        "build_source": "where there is no wheel, build one; setup scripts execute without network or compiler",
        "timeout": "seconds for each import",
        "fail_on": "exit status 5 on what it names: gil, threads, import, build, or any",
        "format": "text, html, markdown or json",
        "out": "a file to write to, instead of stdout",
    },
)
def audit(
    _: Context,
    packages: list[str],
    requirements: str | None = None,
    top: bool = False,
    builds: str | None = None,
    find_links: str | None = None,
    no_index: bool = False,
    build_source: bool = False,
    timeout: str = "60",
    fail_on: str | None = None,
    format: str = "text",  # noqa: A002 - the option's name
    out: str | None = None,
) -> int:
    """Which packages keep the GIL off: each is installed and imported on free-threaded builds, in containers.

    Example: inv audit lxml numpy
    Example: inv audit -r requirements.txt --fail-on gil
    """
    from harness import auditing

    return auditing.run(
        auditing.AuditOptions(
            packages=packages,
            requirements=requirements,
            top=top,
            builds=builds,
            find_links=find_links,
            no_index=no_index,
            build_source=build_source,
            timeout=timeout,
            fail_on=fail_on,
            form=format,
            out=out,
        )
    )


@verb(
    iterable=["packages"],
    help={
        "packages": "what you depend on, such as lxml or numpy==2.4.6",
        "requirements": "a requirements file, locked or not",
        "build": "the free-threaded build to move to; without it, the newest that is made here",
        "run": "the run that says what it would gain; without it, the newest of such a build in results/",
        "tries": "how many other releases of each package that is not ready are tried",
        "format": "text, markdown or json",
        "out": "a file to write to, instead of stdout",
    },
)
def advise(
    _: Context,
    packages: list[str],
    requirements: str | None = None,
    build: str | None = None,
    run: str | None = None,
    tries: str = "6",
    format: str = "text",  # noqa: A002 - the option's name
    out: str | None = None,
) -> int:
    """What stands in the way of a move to a free-threaded build, which releases help, and what it would gain.

    Example: inv advise -r requirements.txt
    """
    from harness import advising

    return advising.advise(
        advising.AdviseOptions(
            packages=packages, requirements=requirements, build=build, run=run, tries=tries, form=format, out=out
        )
    )


@verb(
    help={
        "folder": "where the runs are; results/ without it",
        "json": "print runs and trends as JSON on stdout",
    }
)
def history(_: Context, folder: str | None = None, json: bool = False) -> None:
    """A page over all runs: what each said, the trend of every case, and between which runs it changed.

    Example: inv history
    """
    from harness import archive

    archive.history(folder, as_json=json)


@verb(
    positional=["run"],
    help={
        "run": "a run directory",
        "format": "pyperf, a suite per build, or csv or parquet, a row per value",
        "out": "the folder to write into, made where it is missing",
    },
)
def export(_: Context, run: str, out: str, format: str = "pyperf") -> None:  # noqa: A002 - the option's name
    """Write the samples of a run as files of other tools.

    Example: inv export results/20260314-101500-3.14-3.14t --format csv --out samples
    """
    from harness import archive

    archive.export(run, format, out)


@verb(
    name="import",
    positional=["before", "after"],
    help={
        "before": "a file that pyperf or pyperformance wrote",
        "after": "the one that is compared with it",
        "out": "the page to write",
    },
)
def import_(_: Context, before: str, after: str, out: str = "imported.html") -> None:
    """Two files of pyperf side by side, as a page: processes are compared, and all benchmarks judged together.

    Example: inv import 3.14.json 3.14t.json --out comparison.html
    """
    from harness import archive

    archive.import_(before, after, out)


@verb(help={"only": "unit, integration or browser", "k": "passed to pytest"})
def test(_: Context, only: str | None = None, k: str | None = None) -> int:
    """Execute the whole test suite, after everything it needs was set up.

    Example: inv test --only unit
    """
    from harness import workshop

    return workshop.test(only, k)


@verb(
    positional=["name"],
    help={
        "name": "a source of published numbers, such as article, or one of your runs; or list, for all sources, "
        "what of them this machine can test, and how long that takes",
        "strict": "refuse where a release cannot be had, instead of taking the nearest one that can",
        "format": "text, markdown or json",
        **{name: _BENCH_HELP[name] for name in ("size", "budget", "no_wait")},
    },
)
def reproduce(
    _: Context,
    name: str,
    strict: bool = False,
    size: str = "quick",
    budget: str | None = None,
    format: str = "text",  # noqa: A002 - the option's name
    no_wait: bool = False,
) -> int:
    """Published numbers held against this machine, or a run made once more and compared with what it was.

    Example: inv reproduce article
    """
    from harness import reproducing

    if name == "list":
        reproducing.offers()
        return 0
    return reproducing.reproduce(name, reproducing.Options(strict, size, budget, format, not no_wait))


@verb(help={"update": "look for new releases of CPython and new base images, check signatures, and pin what is good"})
def pins(_: Context, update: bool = False) -> None:
    """What images are made of, by content: images/pins.toml, shown or brought up to date.

    Example: inv pins --update
    """
    from harness import workshop

    workshop.pins(update=update)


@verb(help={"fix": "mend what can be mended automatically"})
def lint(_: Context, fix: bool = False) -> int:
    """ruff and mypy.

    Example: inv lint --fix
    """
    from harness import workshop

    return workshop.lint(fix=fix)
