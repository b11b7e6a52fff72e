"""Scripts as workloads: what a script says of itself, and what it needs of what lies beside it.

Any pyperf script is one, wherever it lies.  What it needs is found without importing it: the interpreter that does may
be another one, and importing executes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, util
from pathlib import Path
from typing import Annotated

import msgspec

from harness.errors import RequestError
from harness.model import Split, Strategy, Workload
from harness.requirements import NONE, Requirements, canonical, read

_WORKLOADS = Path(__file__).resolve().parent.parent / "workloads"
LIBRARY = (_WORKLOADS / "gilometer.py", _WORKLOADS / "_parallel.py")
"""What any script may import inside a worker."""

_LOCKS = _WORKLOADS.parent / "images" / "requirements"
"""Here lie the lock files of suites, which bring none: CATEGORY/FOLDER.txt for the script in a suite's FOLDER."""

_SHARED = (Strategy.THREADS, Strategy.POOL, Strategy.PROCESSES, Strategy.INTERPRETERS)
"""What can share the job of a script that leaves this to `gilometer`, where it does not say."""

ENTRY_POINTS = "gilometer.workloads"
"""The group of entry points by which a distribution brings workloads: a package of scripts, or a module that is one."""

_PEP723 = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
_IMPORT = re.compile(r"(?m)^[ \t]*(?:from[ \t]+(?P<one>\w+)[\w.]*[ \t]+import\b|import[ \t]+(?P<many>[\w., \t]+))")


class _About(msgspec.Struct, forbid_unknown_fields=True):
    """The [tool.gilometer] table of a workload's PEP 723 block."""

    summary: str = ""
    strategies: tuple[Strategy, ...] | None = None
    splits: tuple[Split, ...] = tuple(Split)
    core: bool = False
    sized: bool = False
    capacity: bool = False
    full_seconds: float = 0.0
    published_seconds: float = 0.0
    turn_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """A script of somebody's: a workload without change."""

    file: Path
    """Absolute."""
    category: str
    label: str = ""
    """Its name in a suite, whose scripts have a folder each; everything in that is the script's."""
    arguments: tuple[str, ...] = ()
    """What it is told beside pyperf's options."""
    needs: tuple[str, ...] = ()
    """Names of the packages that a suite says it depends on."""

    @property
    def name(self) -> str:
        """category/name, as those of Gilometer have."""
        return f"{self.category}/{self.label or self.file.stem}"

    @cached_property
    def workload(self) -> Workload:
        """RequestError where the script's PEP 723 block is wrong, a file that it names is missing, or its requirements
        are not locked."""
        library = LIBRARY if self._uses_library else ()
        path = self.file.relative_to(self.root)
        contents = [(file.relative_to(self.root).as_posix(), file) for file in self.files]
        return describe(
            self.file,
            name=self.name,
            path=f"{self.name}/{path.as_posix()}",
            sha256=content_hash([*contents, *((file.name, file) for file in library)]),
            source=str(self.file),
            requirements=self.requirements.sha256,
            strategies=_SHARED if library else (),
            arguments=self.arguments,
            needs=self.needs,
        )

    @property
    def is_benchmark(self) -> bool:
        """Whether it looks like one: it imports pyperf or Gilometer's own library, or a module beside it does."""
        return "pyperf" in self._imported or self._uses_library

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """The script, the modules beside it that it imports, and what it names in `files`."""
        if self.label:
            return tuple(sorted(_below(self.file.parent)))
        found: dict[Path, None] = {}
        left = [self.file, *self._named()]
        while left:
            if (file := left.pop()) not in found:
                found[file] = None
                if file.suffix == ".py":
                    for name in _imports(_text(file)):
                        left += _beside(self.file.parent, name)
        return tuple(sorted(found))

    @cached_property
    def root(self) -> Path:
        """The folder that holds all of its files: below it they are for a worker where they are for the author."""
        return Path(os.path.commonpath([file.parent for file in self.files]))

    @cached_property
    def requirements(self) -> Requirements:
        """What NAME.requirements.txt or else requirements.txt beside it pins, or for a suite our lock file."""
        ours = _LOCKS / self.category / f"{self.file.parent.name}.txt"
        beside = (self.file.with_name(name) for name in (f"{self.file.stem}.requirements.txt", "requirements.txt"))
        return next((read(file) for file in ((ours,) if self.label else beside) if file.is_file()), NONE)

    def copy(self, workloads: Path) -> None:
        """Put its files where its workload's path says, below `workloads`."""
        for file in self.files:
            copy = workloads / self.name / file.relative_to(self.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)

    @cached_property
    def _imported(self) -> set[str]:
        return {name for file in self.files if file.suffix == ".py" for name in _imports(_text(file))}

    @property
    def _uses_library(self) -> bool:
        return not self._imported.isdisjoint(file.stem for file in LIBRARY)

    def _named(self) -> Iterator[Path]:
        for name in _about(self.file)[0].files:
            path = absolute(str(self.file.parent / name))
            if not path.exists():
                raise RequestError(f"{self.file}: files: there is no {name} beside it")
            yield from _below(path)


def again(workload: Workload) -> Script:
    """The script of somebody's that became a workload, as it is now."""
    file, name = Path(workload.source), workload.name.partition("/")[2].partition(":")[0]
    label = "" if name == file.stem else name
    return Script(file, workload.category, label, workload.arguments, workload.dependencies)


def hash_now(workload: Workload) -> str:
    """The hash of somebody's workload as it is now; "gone" where it is none any more."""
    try:
        return again(workload).workload.sha256
    except RequestError:
        return "gone"


def locks(workloads: Iterable[Workload]) -> tuple[Requirements, ...]:
    """What the scripts of somebody's among them require, each lock once, always in the same order."""
    found = {one.requirements: again(one).requirements for one in workloads if one.requirements}
    return tuple(found[sha256] for sha256 in sorted(found))


def find(text: str) -> tuple[Script, ...]:
    """The scripts that a path or the name of an entry point means; none where it is neither.

    A path is what exists, ends with .py, or begins as only paths do.  RequestError where nothing is there.
    """
    try:
        if text.startswith((".", "/", "~")) or text.endswith(".py") or Path(text).exists():
            return _at(absolute(text))
    except (OSError, RuntimeError, ValueError) as error:  # too long, nobody's home, or nothing that a path can hold
        raise RequestError(f"--workloads: {text!r} is no path: {error}") from None
    name, _, stem = text.partition("/")
    found = [_of_entry_point(point) for point in metadata.entry_points(group=ENTRY_POINTS, name=name)]
    return tuple(script for several in found for script in several if stem in ("", script.file.stem))


def absolute(text: str) -> Path:
    """A path without `~` and `..`, links as they are: a script is where its author sees it."""
    return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() follows links


def names() -> set[str]:
    """The entry points that installed distributions declare."""
    return {point.name for point in metadata.entry_points(group=ENTRY_POINTS)}


def _at(path: Path) -> tuple[Script, ...]:
    if path.is_dir():
        return _in_folder(path, path.name)
    if not path.is_file():
        raise RequestError(f"--workloads: there is neither a script nor a folder {path}")
    if path.suffix != ".py":
        raise RequestError(f"--workloads: {path} is no Python script: its name does not end with .py")
    return (Script(path, path.parent.name or "mine"),)


def _in_folder(folder: Path, category: str) -> tuple[Script, ...]:
    """The scripts of a folder: what looks like a benchmark, but for modules that others of them import."""
    modules = (Script(file, category) for file in sorted(folder.glob("*.py")) if not file.name.startswith("_"))
    found = tuple(script for script in modules if script.is_benchmark)
    if not found:
        raise RequestError(f"--workloads: {folder} holds no script: no .py file in it imports pyperf or gilometer")
    helpers = {file for script in found for file in script.files if file != script.file}
    return tuple(script for script in found if script.file not in helpers)


def _of_entry_point(point: metadata.EntryPoint) -> tuple[Script, ...]:
    """The scripts of a package, or a module that is one, found without importing either."""
    top, *rest = point.value.split(".")
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    modules = [Path(spec.origin)] if spec and spec.origin and not places else []
    for path in modules if not rest else [place.joinpath(*rest).with_suffix(".py") for place in places]:
        if path.is_file():
            return (Script(path, point.name),)
    for path in (place.joinpath(*rest) for place in places):
        if path.is_dir():
            return _in_folder(path, point.name)
    raise RequestError(
        f'--workloads: the entry point "{point.name}" of {point.dist.name if point.dist else "a distribution"} names '
        f'"{point.value}", which is neither a package nor a module that is installed here'
    )


def describe(
    script: Path,
    *,
    name: str,
    path: str,
    sha256: str,
    source: str = "",
    requirements: str = "",
    strategies: tuple[Strategy, ...] = (),
    arguments: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
) -> Workload:
    """The workload that a script is, as its PEP 723 block says.  RequestError where that is wrong.

    `strategies` are what can share its job, and `needs` what it depends on, where it does not say.
    """
    about, dependencies = _about(script)
    return Workload(
        name=name,
        path=path,
        sha256=sha256,
        summary=about.summary,
        dependencies=dependencies or needs,
        arguments=arguments,
        strategies=strategies if about.strategies is None else about.strategies,
        splits=about.splits,
        core=about.core,
        sized=about.sized,
        capacity=about.capacity,
        full_seconds=about.full_seconds,
        published_seconds=about.published_seconds,
        turn_seconds=about.turn_seconds,
        source=source,
        requirements=requirements,
    )


def content_hash(files: Iterable[tuple[str, Path]]) -> str:
    """Content hash of files by the names that they have for a worker.  RequestError where one cannot be read."""
    digest = hashlib.sha256()
    for name, file in files:
        digest.update(name.encode() + b"\0" + _read(file) + b"\0")
    return digest.hexdigest()


def _about(script: Path) -> tuple[_About, tuple[str, ...]]:
    """What the script's PEP 723 block says for us, and the names of the packages that it depends on."""
    block = _inline_metadata(script)
    try:
        about = msgspec.convert(block.get("tool", {}).get("gilometer", {}), _About)
        dependencies = msgspec.convert(block.get("dependencies", []), tuple[str, ...])
    except msgspec.ValidationError as error:
        raise RequestError(f"{script}: in its [tool.gilometer] block: {error}") from error
    return about, tuple(canonical(re.split(r"[^A-Za-z0-9._-]", name, maxsplit=1)[0]) for name in dependencies)


def _inline_metadata(script: Path) -> dict[str, dict[str, object]]:
    """The script's inline metadata as PEP 723 defines it; empty where it has none."""
    match = _PEP723.search(_text(script))
    if match is None:
        return {}
    content = "".join(line[2:] if line.startswith("# ") else line[1:] for line in match["content"].splitlines(True))
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{script}: its PEP 723 block is not TOML: {error}") from error


def _imports(text: str) -> set[str]:
    """Top-level names of what a module imports, read line by line: its syntax may be newer than this interpreter."""
    names: set[str] = set()
    for match in _IMPORT.finditer(text):
        several = match["one"] or match["many"]
        names |= {one.split()[0].partition(".")[0] for one in several.split(",") if one.strip()}
    return names - {""}


def _beside(folder: Path, name: str) -> Iterator[Path]:
    """The files of a module or package of that name in `folder`."""
    for file in (folder / f"{name}.py", *folder.glob(f"{name}.*.so")):
        if file.is_file():
            yield file
    if any((folder / name).glob("*.py")):
        yield from _below(folder / name)


def _below(path: Path) -> Iterator[Path]:
    """A file, or the files of a folder and those in it, without what is hidden or compiled."""
    if path.is_file():
        yield path
        return
    for file in path.rglob("*"):
        inner = file.relative_to(path).parts
        if file.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inner):
            yield file


def _text(file: Path) -> str:
    return _read(file).decode(errors="replace")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RequestError(f"{file} cannot be read: {error.strerror}") from error
