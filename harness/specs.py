"""What a user can name: workloads, sizes of CPU sets, thread counts.  Read strictly, with what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import pyperformance, scripts
from harness.errors import RequestError
from harness.model import Measure, Strategy, Workload

EVERYTHING = "all"
"""Names every workload."""

_AUDITS = "audit"
"""The folder of scripts that `inv audit` executes, which are no workloads."""

_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "eight": 8, "sixteen": 16}
_SECONDS = {"h": 3600, "m": 60, "s": 1}


def load_workloads(folder: Path) -> tuple[Workload, ...]:
    """Every workload below `folder`, by name.  RequestError where one's PEP 723 block is wrong."""
    paths = (path for path in sorted(folder.glob("*/*.py")) if not path.name.startswith("_"))
    return tuple(_load_workload(folder, path) for path in paths if path.parent.name != _AUDITS)


def _load_workload(folder: Path, script: Path) -> Workload:
    helpers = (*sorted(folder.glob("_*.py")), *sorted(script.parent.glob("_*.py")))
    path = script.relative_to(folder)
    return scripts.describe(
        script,
        name=path.with_suffix("").as_posix(),
        path=path.as_posix(),
        sha256=scripts.content_hash((file.name, file) for file in (script, *helpers)),
    )


def select_workloads(names: str | None, workloads: Sequence[Workload]) -> tuple[Workload, ...]:
    """The workloads that a comma list names; for None those of the core, or all where there is none.

    An item is one of `workloads` by its name or its bare name, a category of them, "all", or else a benchmark of the
    suite pyperformance, a path to a script or a folder of scripts, or an entry point of an installed distribution.
    """
    if names is None:
        return tuple(w for w in workloads if w.core) or tuple(workloads)
    taken = {w.name: w for w in workloads}
    chosen: dict[str, Workload] = {}
    for name in split("--workloads", names):
        ours = [w for w in workloads if name in (EVERYTHING, w.name, w.category, w.name.rpartition("/")[2])]
        begun = any(workload.category == pyperformance.NAME for workload in chosen.values())
        suite = [script.workload for script in pyperformance.find(name, more=begun)]
        found = suite or ours or [script.workload for script in scripts.find(name)]
        if not found:
            valid = {EVERYTHING} | {w.name for w in workloads} | {w.category for w in workloads} | scripts.names()
            valid |= pyperformance.names()
            raise RequestError(f'--workloads: there is no workload "{name}"{nearest(name, valid)}')
        for workload in found:
            _refuse_twins(taken.setdefault(workload.name, workload), workload)
            chosen[workload.name] = workload
    return tuple(chosen.values())


def _refuse_twins(first: Workload, second: Workload) -> None:
    if first.source != second.source:
        other = first.source or "one of Gilometer's own"
        raise RequestError(
            f"--workloads: {second.source} would be {second.name}, which is the name of {other}",
            hint="A script is named after its folder and itself: rename one of them.",
        )


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
