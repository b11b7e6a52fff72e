"""Two runs of results/ side by side: read, compare, write, and trip the gate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harness import specs, store
from harness.errors import HostError, RequestError
from harness.runs import find_run, show

if TYPE_CHECKING:
    from reports.compare import Contrast

FORMATS = ("text", "html", "markdown", "json", "csv")


def compare(name_a: str, name_b: str, *, gate: str | None = None, form: str = "text", out: str | None = None) -> None:
    """Say what changed from run A to run B.

    RequestError where a name, a format or the gate is wrong, or the runs cannot be compared; RegressionError, after
    everything was written, where a case is known to have regressed by more than the gate lets pass.
    """
    from reports import compare as comparison
    from reports import compare_prose
    from reports.analysis import analyse

    threshold = None if gate is None else percentage("--fail-on-regression", gate)
    write = _writer(specs.choose("--format", form, FORMATS), threshold)
    (run_a, journal_a), (run_b, journal_b) = (store.load(find_run(name)) for name in (name_a, name_b))
    comparison.check(run_a, run_b)
    contrast = comparison.compare(analyse(run_a, journal_a), analyse(run_b, journal_b))
    _deliver(write(contrast), out, str(compare_prose.headline(contrast)))
    if threshold is not None and (error := compare_prose.tripped(contrast, threshold)):
        raise error


def repeat(directory_a: Path, directory_b: Path, *, form: str = "text") -> None:
    """Say whether a run that was made again says what it did, and what changed besides."""
    from reports import compare as comparison
    from reports.analysis import analyse

    found_a, found_b = (analyse(*store.load(directory)) for directory in (directory_a, directory_b))
    print(_writer(form, None)(comparison.compare(found_a, found_b, comparison.Question.REPEATED)))


def percentage(option: str, text: str) -> float:
    """A share: "5%" or "2.5 %" is 0.05 or 0.025.  RequestError on anything else."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip(), re.ASCII):
        return float(found[1]) / 100
    guess = f'; did you mean "{text.strip()}%"?' if re.fullmatch(r"\d+(\.\d+)?", text.strip(), re.ASCII) else ""
    raise RequestError(f'{option}: "{text}" is no percentage, such as 5%{guess}')


def _writer(form: str, threshold: float | None) -> Callable[[Contrast], str]:
    from reports import compare_page, compare_text

    match form:
        case "html":
            return compare_page.render
        case "markdown":
            return compare_text.comment
        case "json":
            return lambda contrast: json.dumps(compare_text.data(contrast, threshold), indent=1, allow_nan=False)
        case "csv":
            return compare_text.table
    return compare_text.text


def _deliver(text: str, out: str | None, headline: str) -> None:
    """To the file, and the verdict to the terminal; or all of it to the terminal."""
    if out is None:
        print(text)
        return
    path = Path(out)
    try:
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error
    print(f"{headline}\n\nComparison: {show(path)}")
