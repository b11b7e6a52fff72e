"""A first workload of somebody's own: the template, under its name, where they are."""

from __future__ import annotations

import keyword
import sys
from pathlib import Path

from harness.errors import HostError, RequestError
from harness.scripts import LIBRARY

TEMPLATE = LIBRARY[0].with_name("template.py")
"""Works as it is; wherever its own name stands in it, the new one is put."""

_TAKEN = frozenset({"pyperf", "psutil", *(file.stem for file in LIBRARY), *sys.stdlib_module_names})


def write(name: str, folder: Path) -> Path:
    """Make NAME.py in `folder`.

    RequestError where `name` cannot be that of a script, or is there already; HostError where it cannot be written.
    """
    if wrong := _mistake(name):
        raise RequestError(f'"{name}" {wrong}', hint="A workload is named as modules are: sort_lines, for instance.")
    path = folder / f"{name}.py"
    text = TEMPLATE.read_text(encoding="utf-8").replace(TEMPLATE.stem, name)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise RequestError(f"{path.name} is there already, and is left as it is") from None
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error
    return path


def _mistake(name: str) -> str:
    """Why a script cannot have this name, as the end of a sentence; empty where it can."""
    if not name.isidentifier():
        return "is no name of a module, which has letters, digits and underscores, and no digit first"
    if keyword.iskeyword(name):
        return "is no name of a module, but a word of the language"
    if name.startswith("_"):
        return "begins with an underscore, as modules do that are no script"
    if name in _TAKEN:
        return "is the name of a module that the script, or what it imports, would then not find"
    return ""
