"""What a user can name: workloads, sizes of CPU sets, thread counts.  Read strictly, with what was probably meant."""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from harness.errors import RequestError
from harness.model import Measure, Split, Strategy, Workload

EVERYTHING = "all"
"""Names every workload."""

_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "eight": 8, "sixteen": 16}
_SECONDS = {"h": 3600, "m": 60, "s": 1}

_PEP723 = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


class _About(msgspec.Struct, forbid_unknown_fields=True):
    """The [tool.gilometer] table of a workload's PEP 723 block."""

    summary: str = ""
    strategies: tuple[Strategy, ...] = ()
    splits: tuple[Split, ...] = tuple(Split)
    core: bool = False
    sized: bool = False
    capacity: bool = False
    full_seconds: float = 0.0


def load_workloads(folder: Path) -> tuple[Workload, ...]:
    """Every workload below `folder`, by name.  RequestError where one's PEP 723 block is wrong."""
    scripts = (path for path in sorted(folder.glob("*/*.py")) if not path.name.startswith("_"))
    return tuple(_load_workload(folder, script) for script in scripts)


def _load_workload(folder: Path, script: Path) -> Workload:
    text = script.read_text(encoding="utf-8")
    block = _inline_metadata(script, text)
    try:
        about = msgspec.convert(block.get("tool", {}).get("gilometer", {}), _About)
        requirements = msgspec.convert(block.get("dependencies", []), tuple[str, ...])
    except msgspec.ValidationError as error:
        raise RequestError(f"{script}: in its [tool.gilometer] block: {error}") from error
    helpers = (*sorted(folder.glob("_*.py")), *sorted(script.parent.glob("_*.py")))
    return Workload(
        name=script.relative_to(folder).with_suffix("").as_posix(),
        path=script.relative_to(folder).as_posix(),
        sha256=_sha256((script, *helpers)),
        summary=about.summary,
        dependencies=tuple(re.split(r"[^A-Za-z0-9._-]", name, maxsplit=1)[0].lower() for name in requirements),
        strategies=about.strategies,
        splits=about.splits,
        core=about.core,
        sized=about.sized,
        capacity=about.capacity,
        full_seconds=about.full_seconds,
    )


def _inline_metadata(script: Path, text: str) -> dict[str, dict[str, object]]:
    """The script's inline metadata as PEP 723 defines it; empty where it has none."""
    match = _PEP723.search(text)
    if match is None:
        return {}
    content = "".join(line[2:] if line.startswith("# ") else line[1:] for line in match["content"].splitlines(True))
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{script}: its PEP 723 block is not TOML: {error}") from error


def _sha256(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def select_workloads(names: str | None, workloads: Sequence[Workload]) -> tuple[Workload, ...]:
    """The workloads that a comma list names: names, bare names, categories, or "all"; for None those of the core."""
    if names is None:
        return tuple(w for w in workloads if w.core)
    chosen: dict[str, Workload] = {}
    for name in split("--workloads", names):
        found = [w for w in workloads if name in (EVERYTHING, w.name, w.category, w.name.rpartition("/")[2])]
        if not found:
            valid = {EVERYTHING} | {w.name for w in workloads} | {w.category for w in workloads}
            raise RequestError(f'--workloads: there is no workload "{name}"{nearest(name, valid)}')
        chosen |= {w.name: w for w in found}
    return tuple(chosen.values())


def split(option: str, text: str) -> list[str]:
    """The items of a comma list.  RequestError where one is empty."""
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        full = ",".join(filter(None, items))
        raise RequestError(f'{option}: "{text}" has an empty item' + (f'; did you mean "{full}"?' if full else ""))
    return items


def counts(option: str, text: str, available: int) -> tuple[int, ...]:
    """A comma list of whole numbers from 1, in the order given, without repeats.

    `available` (CPUs) serves only to name the nearest valid choice in the RequestError.
    """
    return tuple(dict.fromkeys(whole_number(option, item, meant=available) for item in split(option, text)))


def whole_number(option: str, text: str, *, least: int = 1, meant: int | None = None) -> int:
    """One whole number from `least`.  RequestError names the nearest valid choice, or `meant` where there is none."""
    try:
        number = int(text)
    except ValueError:
        guess = _WORDS.get(text.lower(), meant)
        suggestion = "" if guess is None else f"; did you mean {guess}?"
        raise RequestError(f'{option}: "{text}" is not a whole number{suggestion}') from None
    if number < least:
        raise RequestError(f"{option}: {number} is too small; the nearest valid choice is {least}")
    return number


def duration(option: str, text: str) -> float:
    """Seconds of a duration such as 90s, 10m or 2h.  RequestError names the nearest valid choice."""
    match = re.fullmatch(r"(-?\d{1,9}(?:\.\d{1,9})?)\s*([a-z]*)", text.strip().lower())
    if not match:
        raise RequestError(f'{option}: "{text}" is not a duration such as 90s, 10m or 2h')
    unit = match[2][:1] if match[2][:1] in _SECONDS else "m"
    seconds = round(float(match[1]) * _SECONDS[unit])
    if seconds < 1:
        raise RequestError(f"{option}: {text} is too short; the nearest valid choice is 1s")
    if not re.fullmatch(r"\d+[smh]", text):
        meant = next(f"{seconds // size}{name}" for name, size in _SECONDS.items() if not seconds % size)
        raise RequestError(f'{option}: "{text}" is not a duration such as 90s, 10m or 2h; did you mean {meant}?')
    return float(seconds)


def measures(text: str) -> tuple[Measure, ...]:
    """What to measure, in the order in which measures are declared; RequestError names the nearest."""
    wanted = {choose("--measures", name, list(Measure)) for name in split("--measures", text)}
    return tuple(measure for measure in Measure if measure in wanted)


def strategies(text: str) -> tuple[Strategy, ...]:
    """What a job is to be shared by, in the order in which strategies are declared; every one for "all"."""
    sharing = [strategy for strategy in Strategy if strategy is not Strategy.SERIAL]
    wanted = {choose("--strategies", name, [EVERYTHING, *sharing]) for name in split("--strategies", text)}
    return tuple(strategy for strategy in sharing if wanted & {EVERYTHING, strategy})


def choose(option: str, text: str, valid: Iterable[str]) -> str:
    """`text` if it is one of `valid`; RequestError naming the nearest otherwise."""
    options = list(valid)
    if text not in options:
        raise RequestError(f'{option}: there is no "{text}"{nearest(text, options)}')
    return text


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of an error sentence: what was probably meant, or what there is."""
    options = sorted(valid)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.4)
    return f'; did you mean "{close[0]}"?' if close else f"; there are: {', '.join(options)}"
