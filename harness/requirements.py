"""What scripts require: requirements files that are locked, every package pinned and with its hashes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RequestError

_PINNED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^]]*\])?\s*(===?\s*[^\s;*]+|@\s*\S+)\s*(;.*)?")
_HASH = re.compile(r"\s--hash[= ]\s*\w+:[0-9a-f]+")
_NESTED = re.compile(r"(?:-r|--requirement)[= ]?\s*(?P<file>\S+)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_OURS = "pyperf"
"""Every image carries it, in the version that Gilometer speaks to: a lock may name it and is not asked for it."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a lock file pins, pyperf apart."""

    lines: tuple[str, ...]
    """For pip: one package each, with its hashes."""

    @property
    def sha256(self) -> str:
        """Content hash; empty where nothing is required."""
        return hashlib.sha256(self.text.encode()).hexdigest() if self.lines else ""

    @property
    def text(self) -> str:
        """A requirements file."""
        return "".join(f"{line}\n" for line in self.lines)


NONE = Requirements(())


def read(file: Path) -> Requirements:
    """What a requirements file pins.  RequestError, saying how to lock it, where it is not locked."""
    kept = []
    for number, line in _logical_lines(_read(file)):
        match = _PINNED.fullmatch(_HASH.sub("", line).strip())
        if wrong := _mistake(line, is_pinned=match is not None):
            raise RequestError(f"{file}, line {number}: {wrong}", hint=_how_to_lock(file))
        if match is not None and canonical(match["name"]) != _OURS:
            kept.append(line)
    return Requirements(tuple(kept))


def names(file: Path, *, outer: tuple[Path, ...] = ()) -> list[str]:
    """The packages that a requirements file asks for, locked or not, and those of the files that it names.

    RequestError where it cannot be read, or asks for something that has no name to look up.  `outer` are the files that
    led here.
    """
    if file.resolve() in outer:
        raise RequestError(f"{file} names itself, by way of {outer[-1].name}")
    found = []
    for number, line in _logical_lines(_read(file)):
        bare = _HASH.sub("", line).strip()
        if nested := _NESTED.fullmatch(bare):
            found += names(file.parent / nested["file"], outer=(*outer, file.resolve()))
        elif bare.startswith("-"):
            option = bare.partition(" ")[0]
            raise RequestError(f"{file}, line {number}: {option} is an option of pip, and packages are wanted here")
        else:
            found.append(bare)
    return found


def canonical(name: str) -> str:
    """A package's name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{file} cannot be read: {error}") from error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that a backslash continues joined; each with the number that it begins at."""
    began = 0
    parts: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        began = began if parts else number
        bare = _COMMENT.sub("", line).strip()
        parts.append(bare.removesuffix("\\").strip())
        if not bare.endswith("\\"):
            joined = " ".join(filter(None, parts))
            parts = []
            if joined:
                yield began, joined
    if joined := " ".join(filter(None, parts)):
        yield began, joined


def _mistake(line: str, *, is_pinned: bool) -> str:
    """What is wrong with a line, as the end of a sentence; empty where nothing is."""
    shown = line.partition(" ")[0]
    if line.startswith("-"):
        return f"{shown} is an option of pip, and a lock names packages only"
    if not _HASH.search(line):
        return f"{shown} has no --hash"
    return "" if is_pinned else f"{shown} is not pinned with == to one version"


def _how_to_lock(file: Path) -> str:
    unlocked = file.with_suffix(".in").name
    own = "  If it is not for this script, give it one of its own, NAME.requirements.txt, which may be empty."
    return (
        "Both builds get the same packages, so they are locked.  Write what the script needs into "
        f"{unlocked}, and: uv pip compile --universal --generate-hashes {unlocked} -o {file.name}"
        f"{own if file.name == 'requirements.txt' else ''}"
    )
