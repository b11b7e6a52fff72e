"""A fresh process that imports one name, or executes a smoke test, and says through a descriptor what came of it.

    child.py import NAME FD FOLDER
    child.py script FILE FD FOLDER

It imports next to nothing itself, so that what is seen is of the package.
"""

import contextlib
import importlib
import os
import runpy
import sys
import warnings

_GIL = "The global interpreter lock (GIL) has been enabled"
_KEPT = 2000
"""Characters of an error."""

sys.path[:0] = [os.path.dirname(__file__)]  # noqa: PTH120 - pathlib is for others to import
from watch import Report, Watch, to_descriptor  # noqa: E402

del sys.path[0]


def load(name: str) -> None:
    """Import a name."""
    importlib.import_module(name)


def execute(path: str) -> None:
    """Execute a script."""
    sys.path.append(os.path.dirname(path))  # noqa: PTH120 - last: a smoke test is named like what it tests
    sys.argv = [path]
    runpy.run_path(path, run_name="__main__")


def main(verb: str, subject: str, descriptor: str, folder: str) -> None:
    """Do it, watched."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("1000")  # where memory ends, this process ends, and not the one that watches
    report = to_descriptor(int(descriptor))

    def show(message: object, *_args: object, **_options: object) -> None:
        if _GIL in str(message):
            report({"warning": {"text": str(message)}})

    warnings.simplefilter("default")
    warnings.showwarning = show
    sys.path[:0] = [folder]
    watch = Watch(report)
    try:
        {"import": load, "script": execute}[verb](subject)
    except SystemExit:
        if verb == "script":
            _tell(watch, report)
        raise
    except BaseException as error:
        _tell(watch, report, error)
        sys.exit(1)
    _tell(watch, report)


def _tell(watch: Watch, report: Report, error: BaseException | None = None) -> None:
    watch.finish()
    outcome: dict[str, object] = {"gil": watch.see_gil(), "culprit": watch.culprit}
    if error is not None:
        first = next(iter(str(error).splitlines()), "")
        outcome["raised"] = f"{type(error).__name__}: {first}"[:_KEPT] if first else type(error).__name__
    report({"outcome": outcome})


if __name__ == "__main__":
    main(*sys.argv[1:])
