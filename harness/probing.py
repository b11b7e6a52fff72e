"""Packages tried on a build: fetched with the network and executing nothing, then executed without the network.

Two cells on the build's image.  In the *shop* the build's own interpreter asks an index and downloads wheels, with the
host's certificates and settings of pip; a wheel is only ever unpacked.  In the *trial*, one for each package, they are
installed and everything is imported: no network, read-only, nobody's user, limits.  Only answers come out.
"""

from __future__ import annotations

import email
import hashlib
import os
import re
import shutil
import tarfile
import tempfile
import threading
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness import network
from harness.audit import Evidence, File, Import, Module, Offer, Smoke, SourceBuild, offer
from harness.docker_client import Connection
from harness.docker_engine import Cell, Walls, cell
from harness.engine import ENVIRONMENT, Worker
from harness.equipment import pip_folder
from harness.model import BuildFacts

SMOKE = Path(__file__).parent.parent / "workloads" / "audit"
"""Thread smoke tests, a script for each package."""

_TOOLS = Path(__file__).parent.parent / "images" / "audit"
_OUTPUT = 8 << 20
"""Bytes kept of what the probe prints, a line for each module."""
_FETCH_SECONDS = 1800
_INSTALL_SECONDS = 600
_TRIAL_SECONDS = 1800
_POLL_SECONDS = 0.02
_NO_WHEEL = re.compile(r"No matching distribution found for (?P<package>[A-Za-z0-9][A-Za-z0-9._-]*)")
_ERROR = re.compile(r"(?:\w*Error|error): .+")
_OFFLINE = ENVIRONMENT | {
    "PYTHONPATH": "/desk/pip",
    "PYTHONPYCACHEPREFIX": "/cache/compiled",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "TMPDIR": "/target",
}
_BUILD_SYSTEM = ("setuptools", "wheel")
"""What builds a source archive that does not say what does (PEP 518)."""


class InterruptedAuditError(Exception):
    """Somebody set the event that stops all work."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where packages come from: the index that the host's pip is configured for, a folder of files, or both."""

    ingredients: network.Ingredients
    folder: Path | None = None
    """Wheels and source archives that are taken beside those of the index."""
    alone: bool = False
    """Nothing is asked of an index: the folder has everything."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The folders of this host that cells see."""

    tools: Path
    """audit/, smoke/ and host/."""
    downloads: Path
    """A folder for each package; the shop writes to it."""
    cache: Path
    """Wheels that an index gave, and pip compiled: it outlives the audit."""
    index: Index


class _Files(msgspec.Struct):
    """A line of images/audit/releases.py."""

    package: str
    files: tuple[File, ...]
    complaint: str


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of images/audit/probe.py, which is one of these."""

    installed: dict[str, str] | None = None
    total: int | None = None
    imported: Import | None = None
    module: Module | None = None
    smoke: Smoke | None = None
    built: SourceBuild | None = None


@contextmanager
def open_desk(index: Index, cache: Path, smoke: Path = SMOKE) -> Iterator[Desk]:
    """Copies of what cells read, so that nothing changes meanwhile, and room for downloads; removed at the end."""
    (cache / "wheels").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="audit-", dir=cache, ignore_cleanup_errors=True) as name:
        tools, downloads = Path(name) / "tools", Path(name) / "downloads"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(_TOOLS, tools / "audit", ignore=ignored)
        shutil.copytree(pip_folder(), tools / "pip" / "pip", ignore=ignored)
        if smoke.is_dir():
            shutil.copytree(smoke, tools / "smoke", ignore=ignored)
        (tools / "host").mkdir()
        (tools / "host" / "pip.conf").write_text(index.ingredients.pip_conf(), encoding="utf-8")
        (tools / "host" / "ca.crt").write_bytes(index.ingredients.ca_bundle)
        for path in (Path(name), tools, *tools.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        downloads.mkdir()
        yield Desk(tools, downloads, cache, index)


def _environment(index: Index, *, with_kept: bool) -> dict[str, str]:
    """Of pip in the shop: what the host says of its index, and perhaps the wheels that are kept."""
    folders = ["/offered"] * bool(index.folder) + ["/cache/wheels"] * (with_kept and not index.alone)
    settings = {
        "PYTHONPATH": "/desk/pip",
        "PYTHONPYCACHEPREFIX": "/cache/compiled",
        "PIP_CONFIG_FILE": "/desk/host/pip.conf",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": " ".join(folders),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_ROOT_USER_ACTION": "ignore",
        "TMPDIR": "/wheels",  # some wheels are larger than /tmp
    }
    if index.ingredients.ca_bundle:
        settings["PIP_CERT"] = "/desk/host/ca.crt"
    if index.alone:
        settings["PIP_NO_INDEX"] = "1"
    return {**ENVIRONMENT, **index.ingredients.proxies, **settings}


@contextmanager
def open_shop(connection: Connection, facts: BuildFacts, desk: Desk) -> Iterator[Cell]:
    """A cell that downloads for a build; it has the network and executes nothing of any package."""
    shown = {desk.tools: "/desk"} | ({desk.index.folder: "/offered"} if desk.index.folder else {})
    walls = Walls(shown=shown, given={desk.downloads: "/wheels", desk.cache: "/cache"}, network=not desk.index.alone)
    with cell(connection.client, facts, walls) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Prober:
    """Tries packages on one build, one after the other; for one thread, several probers work side by side."""

    connection: Connection
    facts: BuildFacts
    desk: Desk
    shop: Cell
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends all work, with InterruptedAuditError."""
    seconds: float = 60.0
    """Given to one import, and to a smoke test."""
    build_source: bool = False
    """Whether source archives are built where there is no wheel, which executes their setup scripts."""

    def examine(self, asked: str, wanted: Requirement) -> Evidence:
        """Everything that is to be seen of a package, `wanted`, which was `asked` for in these words.

        HostError where the engine does not answer, InterruptedAuditError where `stop` is set.
        """
        began = time.monotonic()
        name = canonicalize_name(wanted.name)
        evidence = Evidence(asked=asked, package=name, build=self.facts.build.name, offer=self.offer(wanted))
        with tempfile.TemporaryDirectory(dir=self.desk.downloads, prefix=f"{name}-") as made:
            Path(made).chmod(0o755)
            evidence = self._try(evidence, wanted, Path(made))
        return msgspec.structs.replace(evidence, seconds=round(time.monotonic() - began, 3))

    def files(self, name: str) -> tuple[tuple[File, ...], str]:
        """The files that the index has of a package, or why it could not be asked."""
        status, printed = self._in_shop(["/desk/audit/releases.py", "files", name])
        lines = [line for line in printed.splitlines() if line.startswith("{")]
        if status or not lines:
            return (), _complaint(printed) or "the index could not be asked"
        found = msgspec.json.decode(lines[-1], type=_Files)
        return found.files, found.complaint

    def offer(self, wanted: Requirement) -> Offer:
        """What the index offers of a package."""
        files, complaint = self.files(wanted.name)
        return Offer(complaint=complaint) if complaint else offer(files, wanted, self.facts.machine)

    # -- in the shop ---------------------------------------------------------------------------------------------------

    def _try(self, evidence: Evidence, wanted: Requirement, folder: Path) -> Evidence:
        offered = evidence.offer
        if offered.wheel is not None:
            extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
            complaint = self._download(folder, f"{wanted.name}{extras}=={offered.version}")
            return self._refused(evidence, complaint) if complaint else self._trial(evidence, folder)
        if self.build_source and offered.sdist is not None and offered.sdist.fits:
            if complaint := self._download_source(wanted.name, offered.sdist.name, folder):
                return msgspec.structs.replace(evidence, source_build=SourceBuild(complaint=complaint))
            return self._trial(evidence, folder)
        return evidence

    def _refused(self, evidence: Evidence, complaint: str) -> Evidence:
        """Nothing could be downloaded: where a dependency is to blame, what the index offers of that."""
        match = _NO_WHEEL.search(complaint)
        missing = canonicalize_name(match["package"]) if match else ""
        found = self.offer(Requirement(missing)) if missing and missing != evidence.package else None
        return msgspec.structs.replace(evidence, refusal=complaint, missing=missing * bool(found), missing_offer=found)

    def _download(self, folder: Path, *wanted: str) -> str:
        """Wheels of packages and of all that they need.  Why not, in pip's words; empty where they are there."""
        if not wanted:
            return ""
        place = f"/wheels/{folder.relative_to(self.desk.downloads)}"
        argv = ["-m", "pip", "download", "--quiet", "--only-binary=:all:", f"--dest={place}", *wanted]
        status, printed = self._in_shop(argv, with_kept=True)
        if status:
            return _complaint(printed) or "pip did not say why"
        self._keep(folder)
        return ""

    def _keep(self, folder: Path) -> None:
        """Have what an index gave at hand for the next audit, whether or not the index lets pip keep it."""
        own = self.desk.index.folder
        for wheel in () if self.desk.index.alone else folder.glob("*.whl"):
            if not (own and (own / wheel.name).exists()):
                with suppress(FileExistsError):
                    os.link(wheel, self.desk.cache / "wheels" / wheel.name)

    def _download_source(self, name: str, file: str, folder: Path) -> str:
        """A source archive, wheels of what builds it, and of what it needs.  Why not; empty where they are there."""
        argv = ["/desk/audit/releases.py", "source", name, file, f"/wheels/{folder.name}"]
        status, printed = self._in_shop(argv)
        if status:
            return _complaint(printed)
        builders, needs = _read_source(folder / file)
        (folder / "builders").mkdir()
        return self._download(folder / "builders", *builders) or self._download(folder, *needs)

    def _in_shop(self, argv: list[str], *, with_kept: bool = False) -> tuple[int, str]:
        user = f"{os.getuid()}:{os.getgid()}"
        worker = self.shop.start(argv, _environment(self.desk.index, with_kept=with_kept), user=user, kept=_OUTPUT)
        status = self._wait(worker, _FETCH_SECONDS)
        return (1 if status is None else status), worker.output()

    # -- in the trial --------------------------------------------------------------------------------------------------

    def _trial(self, evidence: Evidence, folder: Path) -> Evidence:
        """Install and execute what the folder holds, and build it before where it is a source archive."""
        wheels = {path.name: _sha256(path) for path in sorted(folder.glob("*.whl"))}
        evidence = msgspec.structs.replace(evidence, wheels=wheels, offer=_taken(evidence, wheels))
        walls = Walls(shown={self.desk.tools: "/desk", folder: "/wheels", self.desk.cache: "/cache"}, own="/target")
        with cell(self.connection.client, self.facts, walls) as trial:
            paths = [f"/wheels/{name}" for name in wheels]
            if evidence.offer.wheel is None:
                builders = sorted(path.name for path in (folder / "builders").glob("*.whl"))
                made = self._build(trial, evidence, builders)
                evidence = msgspec.structs.replace(evidence, source_build=made)
                if not made.wheel:
                    return evidence
                paths.append(f"/tmp/built/{made.wheel}")
            if complaint := self._install(trial, "/target", paths):
                return msgspec.structs.replace(evidence, refusal=complaint)
            return self._probe(trial, evidence)

    def _install(self, trial: Cell, target: str, paths: list[str]) -> str:
        """Unpack wheels as root, so that what is imported cannot change them.  Why not, or nothing."""
        if not paths:
            return ""
        options = ["--quiet", "--no-index", "--no-deps", "--no-compile", "--no-warn-script-location"]
        worker = trial.start(
            ["-m", "pip", "install", *options, f"--target={target}", *paths],
            _OFFLINE,
            user="0:0",
            kept=_OUTPUT,
        )
        return "" if self._wait(worker, _INSTALL_SECONDS) == 0 else _complaint(worker.output()) or "pip did not say why"

    def _probe(self, trial: Cell, evidence: Evidence) -> Evidence:
        script = f"{evidence.package.replace('-', '_')}.py"
        instructions = {
            "target": "/target",
            "package": evidence.package,
            "seconds": self.seconds,
            "smoke": f"/desk/smoke/{script}" if (self.desk.tools / "smoke" / script).exists() else "",
        }
        worker = self._execute(trial, instructions)
        status = self._wait(worker, _TRIAL_SECONDS)
        return _read(worker.output(), status, evidence)

    def _build(self, trial: Cell, evidence: Evidence, builders: list[str]) -> SourceBuild:
        """A wheel of the source archive, in /tmp/built; its setup scripts execute as nobody, without network."""
        assert evidence.offer.sdist is not None
        if complaint := self._install(trial, "/target/builders", [f"/wheels/builders/{name}" for name in builders]):
            return SourceBuild(complaint=complaint)
        instructions = {
            "build": f"/wheels/{evidence.offer.sdist.name}",
            "builders": "/target/builders",
            "seconds": _INSTALL_SECONDS / 2,
        }
        worker = self._execute(trial, instructions)
        self._wait(worker, _INSTALL_SECONDS)
        found = next((line.built for line in _lines(worker.output()) if line.built), None)
        if found is None:
            return SourceBuild(complaint="what watched the build did not survive it")
        return msgspec.structs.replace(found, complaint=_complaint(found.complaint) if found.complaint else "")

    def _execute(self, trial: Cell, instructions: dict[str, object]) -> Worker:
        argv = ["-I", "/desk/audit/probe.py", msgspec.json.encode(instructions).decode()]
        return trial.start(argv, ENVIRONMENT, kept=_OUTPUT)

    def _wait(self, worker: Worker, seconds: float) -> int | None:
        """Exit status of a worker; None where it was stopped at the limit."""
        deadline = time.monotonic() + seconds
        while (status := worker.poll()) is None:
            if self.stop.is_set():
                raise InterruptedAuditError
            if time.monotonic() > deadline:
                worker.kill()
                return None
            time.sleep(_POLL_SECONDS)
        return status


def _taken(evidence: Evidence, wheels: Mapping[str, str]) -> Offer:
    """The offer with the wheel that pip took, where several fit."""
    own = (name for name in wheels if canonicalize_name(name.partition("-")[0]) == evidence.package)
    taken = next(own, "") if evidence.offer.wheel else ""
    wheel = File(name=taken, fits=True, sha256=wheels[taken]) if taken else evidence.offer.wheel
    return msgspec.structs.replace(evidence.offer, wheel=wheel)


def _read(printed: str, status: int | None, evidence: Evidence) -> Evidence:
    """What the probe saw, as far as it came."""
    lines = _lines(printed)
    trouble = ""
    if status != 0:
        how = "was stopped at the limit" if status is None else f"ended with status {status}"
        seen = sum(line.imported is not None or line.module is not None for line in lines)
        trouble = f"what watched it {how} after {seen} imports: {_last_line(printed)}"
    return msgspec.structs.replace(
        evidence,
        installed={name: version for line in lines for name, version in (line.installed or {}).items()},
        imports=tuple(line.imported for line in lines if line.imported),
        modules=tuple(line.module for line in lines if line.module),
        smoke=next((line.smoke for line in lines if line.smoke), None),
        trouble=trouble,
    )


def _lines(printed: str) -> list[_Line]:
    """Those lines that the probe wrote: a package may have written others between them."""
    found = []
    for line in printed.splitlines():
        with suppress(msgspec.DecodeError):
            found.append(_line.decode(line))
    return found


_line = msgspec.json.Decoder(_Line)


def _read_source(archive: Path) -> tuple[list[str], list[str]]:
    """What a source archive says that builds it, and what it needs, read without executing anything of it."""
    text = {name: _member(archive, name) for name in ("pyproject.toml", "PKG-INFO")}
    with suppress(tomllib.TOMLDecodeError):
        system = tomllib.loads(text["pyproject.toml"]).get("build-system", {})
        builders = system.get("requires") if isinstance(system, dict) else None
        needs = email.message_from_string(text["PKG-INFO"]).get_all("Requires-Dist", [])
        return list(_BUILD_SYSTEM if builders is None else builders), list(needs)
    return list(_BUILD_SYSTEM), []


def _member(archive: Path, name: str) -> str:
    """A file at the top of a source archive; empty where it is not there."""
    with suppress(OSError, KeyError, tarfile.TarError, zipfile.BadZipFile):
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as zipped:
                found = next((one for one in zipped.namelist() if one.count("/") == 1 and one.endswith(f"/{name}")), "")
                return zipped.read(found).decode(errors="replace")
        with tarfile.open(archive) as packed:
            for member in packed:
                if member.isfile() and member.name.count("/") == 1 and member.name.endswith(f"/{name}"):
                    file = packed.extractfile(member)
                    return file.read().decode(errors="replace") if file else ""
    return ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _complaint(printed: str) -> str:
    """The line that says why, of what pip printed."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    said = [line.partition("ERROR: ")[2] for line in lines if "ERROR: " in line]
    if nothing := next((line for line in said if _NO_WHEEL.search(line)), ""):
        return nothing
    errors = [match[0] for line in lines if (match := _ERROR.search(line))]
    return (errors or said or lines or [""])[-1][:300]


def _last_line(printed: str) -> str:
    return next((line.strip() for line in reversed(printed.splitlines()) if line.strip()), "")[:300]
