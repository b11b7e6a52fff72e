"""pyperformance, the benchmark suite of CPython's developers, as a set of workloads: its scripts as they are.

They come with the distribution that is locked with Gilometer.  Its MANIFEST lists benchmarks; each has a folder with a
script, or shares one with another benchmark and is told apart by arguments.  What a folder asks for in its
requirements.txt is locked by us, in images/requirements/pyperformance.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import util
from pathlib import Path

from harness.errors import HostError
from harness.requirements import canonical
from harness.scripts import Script

NAME = "pyperformance"

SHORT = "short"
"""Names a part of the suite that takes minutes instead of hours."""

_SHORT = frozenset(
    (
        *("chaos", "comprehensions", "coroutines", "deltablue", "float", "generators", "hexiom", "json_dumps"),
        *("json_loads", "nbody", "nqueens", "pathlib", "pickle_pure_python", "pidigits", "regex_compile", "regex_dna"),
        *("regex_effbot", "regex_v8", "richards", "sqlite_synth"),
    )
)
"""Twenty that need no packages and take no more than a fifth of a second each time.

Chosen so that they are to free threading what the suite is: in the table of facebookexperimental's run of 2025-11-16
(reports/published/ft-geomean.toml) their geometric mean is 1.091 where that of the whole suite is 1.090.
"""

_LISTED = re.compile(r"(?P<name>\w+)\s+<local(:(?P<base>\w+))?>")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def find(text: str, *, more: bool) -> tuple[Script, ...]:
    """The scripts that "pyperformance", "pyperformance:NAME" or "pyperformance/NAME" means; none where it is neither.

    NAME may be "short", a part of the suite.

    A bare name is one of the suite where it is `more` of it: pyperformance:nbody,json_loads.
    """
    suite, _, name = text.replace(":", "/", 1).partition("/")
    if suite == NAME:
        wanted = _SHORT if name == SHORT else {name}
        return tuple(script for script in _scripts() if not name or script.label in wanted)
    return tuple(script for script in _scripts() if script.label == text) if more else ()


def names() -> set[str]:
    """What can be asked for."""
    return {NAME, f"{NAME}:{SHORT}"} | {f"{NAME}:{script.label}" for script in _scripts()}


@cache
def _scripts() -> tuple[Script, ...]:
    """All benchmarks, in the order of the suite."""
    spec = util.find_spec(NAME)
    if spec is None or spec.origin is None:
        raise HostError("pyperformance is not installed here", hint="./inv installs all that requirements.txt names.")
    return tuple(_read(Path(spec.origin).parent / "data-files" / "benchmarks"))


def _read(folder: Path) -> Iterator[Script]:
    for line in (folder / "MANIFEST").read_text(encoding="utf-8").splitlines():
        if match := _LISTED.fullmatch(line.strip()):
            name, base = match["name"], match["base"] or match["name"]
            home = folder / f"bm_{base}"
            about = _about(home / "pyproject.toml") | (_about(home / f"bm_{name}.toml") if match["base"] else {})
            yield Script(
                file=home / "run_benchmark.py",
                category=NAME,
                label=name,
                arguments=tuple(map(str, about.get("extra_opts", ()))),
                needs=_needs(home / "requirements.txt"),
            )


def _about(file: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads(file.read_text(encoding="utf-8"))["tool"]["pyperformance"]
    return found


def _needs(file: Path) -> tuple[str, ...]:
    """Names of the packages that a benchmark asks for."""
    if not file.exists():
        return ()
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return tuple(canonical(match[0]) for line in lines if (match := _PACKAGE.match(line)))
