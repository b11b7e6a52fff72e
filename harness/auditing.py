"""Which packages keep the GIL off: each tried on free-threaded builds, side by side, and the answers written."""

from __future__ import annotations

import contextlib
import datetime
import queue
import secrets
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from packaging.requirements import Requirement

import harness
from harness import audit, builds, docker_client, host, network, requirements, session, sources, specs
from harness.audit import Answer, Audit, AuditedBuild, Finding, Gate, judge
from harness.docker_engine import remove_left_behind
from harness.errors import HostError, RequestError
from harness.model import Build, BuildFacts, Source
from harness.probing import SMOKE, Index, InterruptedAuditError, Prober, open_desk, open_shop
from harness.progress import Progress
from harness.runs import RESULTS, ROOT, show
from harness.screen import Screen

if TYPE_CHECKING:
    from harness.images import Foundry

FORMATS = ("text", "html", "markdown", "json")
AUDIT = "audit.json"
TOP = ROOT / "workloads" / "audit" / "top.txt"
"""What --top audits."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What `inv audit` was asked for, as typed; tasks.py says what each means."""

    packages: Sequence[str] = ()
    requirements: str | None = None
    top: bool = False
    builds: str | None = None
    find_links: str | None = None
    no_index: bool = False
    build_source: bool = False
    timeout: str = "60"
    fail_on: str | None = None
    form: str = "text"
    out: str | None = None


def run(options: AuditOptions) -> int:
    """Audit, write what was found to results/, and say it.

    Returns the exit status: 0, or 4 where a package could not be tried.  RequestError where the request is wrong,
    RegressionError, after everything was written, where --fail-on names what was found.
    """
    from reports import audit_text

    wanted = packages(options)
    gates = tuple(Gate(specs.choose("--fail-on", one, list(Gate))) for one in _items("--fail-on", options.fail_on))
    write = _writer(specs.choose("--format", options.form, FORMATS))
    seconds = specs.whole_number("--timeout", options.timeout)
    folder = _folder(options)
    screen = Screen()
    began = time.monotonic()
    with session.measuring("inv audit", screen):
        facts = free_threaded(options.builds, screen)
        index = Index(network.ingredients("debian"), folder, alone=options.no_index)
        found = survey(wanted, facts, index, screen, seconds=seconds, build_source=options.build_source)
    audited = Audit(
        schema=audit.SCHEMA,
        id=_id(facts),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command(options),
        gilometer=harness.__version__,
        builds=tuple(AuditedBuild(name=one.build.name, release=one.release, image=one.image) for one in facts),
        findings=found,
        seconds=round(time.monotonic() - began, 1),
    )
    directory = _keep(audited)
    screen.say(f"all the evidence: {show(directory)}")
    deliver(write(audited), audit_text.headline(audited), options.out, "Audit")
    if error := audit.tripped(found, gates):
        raise error
    return 4 if any(one.answer is Answer.UNKNOWN for one in found) else 0


# -- what to audit, and where ------------------------------------------------------------------------------------------


Wanted = tuple[str, Requirement]
"""A package in the words in which it was asked for, and what they mean."""


def packages(options: AuditOptions) -> list[Wanted]:
    """What was asked for, each once.  RequestError where nothing was, or something is no package."""
    texts = list(options.packages)
    if options.requirements is not None:
        texts += requirements.names(Path(options.requirements))
    if options.top:
        texts += requirements.names(TOP)
    if not texts:
        raise RequestError(
            "nothing to audit", hint="Name packages, or -r FILE, or --top: ./inv audit numpy lxml, ./inv audit --top"
        )
    return [(text, audit.requirement(text)) for text in dict.fromkeys(texts)]


def free_threaded(names: str | None, screen: Progress) -> tuple[BuildFacts, ...]:
    """The builds named, or the newest free-threaded one that is made here, or else the default one; made if missing.

    RequestError where one has the GIL.
    """
    from harness.images import Foundry

    with contextlib.closing(Foundry()) as foundry:
        chosen = builds.resolve(specs.split("--builds", names)) if names else (_newest(foundry),)
        for one in chosen:
            if not one.free_threaded:
                raise RequestError(
                    f"--builds: {one.name} has the GIL, and an audit asks who turns it on",
                    hint=f"Such as {one.series}t.",
                )
        return tuple(foundry.ensure(one, screen) for one in dict.fromkeys(chosen))


def _newest(foundry: Foundry) -> Build:
    known = [one for one in builds.load().values() if one.free_threaded and one.source is not Source.HOST]
    made = []
    for one in known:
        with contextlib.suppress(HostError, RequestError):
            if not one.is_variant and foundry.find(one):
                made.append(one)
    if made:
        return max(made, key=lambda one: [int(part) for part in one.series.split(".")])
    return foundry.choose_pair()[0][-1]


def _folder(options: AuditOptions) -> Path | None:
    if options.find_links is None:
        if options.no_index:
            raise RequestError("--no-index leaves nowhere to take packages from; name a folder with --find-links")
        return None
    folder = Path(options.find_links).resolve()
    if not folder.is_dir():
        raise RequestError(f"--find-links: there is no folder {options.find_links}")
    return folder


def _items(option: str, text: str | None) -> list[str]:
    return [] if text is None else specs.split(option, text)


# -- trying them -------------------------------------------------------------------------------------------------------


def survey(
    wanted: Sequence[Wanted],
    facts: Iterable[BuildFacts],
    index: Index,
    progress: Progress,
    *,
    seconds: float = 60.0,
    build_source: bool = False,
    smoke: Path = SMOKE,
    cache: Path | None = None,
) -> tuple[Finding, ...]:
    """The answer for every package on every build, as many packages at once as there are CPUs.

    Needs the machine to itself, as a measurement does.  HostError where the engine does not answer; after an interrupt
    no container is left.
    """
    found: list[Finding] = []
    with connected() as connection, open_desk(index, cache or sources.cache_folder() / "audits", smoke) as desk:
        remove_left_behind(connection.client)
        for one in facts:

            def serve(jobs: Jobs, one: BuildFacts = one) -> None:
                with connected() as own, open_shop(own, one, desk) as shop:
                    jobs.serve(Prober(own, one, desk, shop, jobs.stop, seconds, build_source))

            fitting = [(asked, what) for asked, what in wanted if audit.applies(what, one.release)]
            found += Jobs(fitting).execute(serve, f"auditing on {one.build.name}", progress)
    return tuple(found)


@contextlib.contextmanager
def connected() -> Iterator[docker_client.Connection]:
    """The engine, by a connection of one's own: one is not for several threads."""
    connection = docker_client.find()
    with contextlib.closing(connection.client):
        yield connection


class Jobs:
    """Packages that wait to be tried, and the findings of those that were."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.stop = threading.Event()
        """Ends all work."""
        self._wanted = wanted
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._found: dict[int, Finding] = {}
        for number in range(len(wanted)):
            self._waiting.put(number)

    def serve(self, prober: Prober) -> None:
        """Take one after the other until none is left."""
        with contextlib.suppress(queue.Empty, InterruptedAuditError):
            while not self.stop.is_set():
                number = self._waiting.get_nowait()
                self._found[number] = judge(prober.examine(*self._wanted[number]))

    def execute(self, serve: Callable[[Jobs], None], label: str, progress: Progress) -> list[Finding]:
        """Serve from as many threads as there are CPUs; findings in the order in which packages were named."""
        threads = max(1, min(len(self._wanted), len(host.read_topology().allowed)))
        with progress.task(label, total=len(self._wanted)) as task, ThreadPoolExecutor(threads) as pool:
            try:
                serving: set[Future[None]] = {pool.submit(serve, self) for _ in range(threads)}
                while serving:
                    ended, serving = wait(serving, timeout=0.2, return_when=FIRST_COMPLETED)
                    task.update(len(self._found), self._note())
                    for one in ended:
                        one.result()
            except BaseException:
                self.stop.set()
                raise
        return [self._found[number] for number in sorted(self._found)]

    def _note(self) -> str:
        """The last that was found."""
        last = next(reversed(list(self._found.values())), None)
        return f"{last.evidence.package}: {last.answer}" if last else ""


# -- telling -----------------------------------------------------------------------------------------------------------


def command(options: AuditOptions) -> str:
    """The command line that asks for the same."""
    words = ["./inv", "audit", *options.packages]
    for name, value, default in (
        ("-r", options.requirements, None),
        ("--top", options.top, False),
        ("--builds", options.builds, None),
        ("--no-index", options.no_index, False),
        ("--build-source", options.build_source, False),
        ("--timeout", options.timeout, "60"),
    ):
        if value != default:
            words += [name] if value is True else [name, Path(str(value)).name if name == "-r" else str(value)]
    return shlex.join(words)


def _id(facts: Sequence[BuildFacts]) -> str:
    stem = f"{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}-audit-{'-'.join(one.build.name for one in facts)}"
    return f"{stem}-{secrets.token_hex(2)}" if (RESULTS / stem).exists() else stem


def _keep(audited: Audit) -> Path:
    """A directory in results/ with the evidence and the page."""
    from reports import audit_page, page

    directory = RESULTS / audited.id
    try:
        directory.mkdir(parents=True)
        (directory / AUDIT).write_bytes(encode(audited))
    except OSError as error:
        raise HostError(f"cannot write {directory}: {error.strerror}") from error
    page.save(directory, audit_page.render(audited))
    return directory


def encode(audited: Audit) -> bytes:
    """audit.json."""
    return msgspec.json.format(msgspec.json.encode(audited), indent=1) + b"\n"


def load(directory: Path) -> Audit:
    """An audit that was kept.  RequestError where there is none, or one that is newer than this Gilometer."""
    try:
        data = (directory / AUDIT).read_bytes()
        if msgspec.json.decode(data, type=_Schema).schema != audit.SCHEMA:
            raise RequestError(f"{directory / AUDIT} is of another Gilometer")
        return msgspec.json.decode(data, type=Audit)
    except (OSError, msgspec.DecodeError) as error:
        raise RequestError(f"{directory / AUDIT} cannot be read: {error}") from error


class _Schema(msgspec.Struct):
    """The one field that every version of audit.json has."""

    schema: int


def _writer(form: str) -> Callable[[Audit], str]:
    from reports import audit_page, audit_text

    match form:
        case "html":
            return audit_page.render
        case "markdown":
            return audit_text.markdown_of
        case "json":
            return lambda audited: encode(audited).decode()
    return audit_text.text


def deliver(text: str, headline: str, out: str | None, what: str) -> None:
    """To the file, and the headline to the terminal; or all of it to the terminal.  HostError where that fails."""
    if out is None:
        print(text.rstrip("\n"))
    else:
        try:
            Path(out).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        except OSError as error:
            raise HostError(f"cannot write {out}: {error.strerror}") from error
        print(f"{headline}\n\n{what}: {out}")
