"""Runs that are there already: their history on one page, and their samples in other people's formats."""

from __future__ import annotations

import json
from pathlib import Path

from harness.errors import RequestError
from harness.runs import RESULTS, show
from harness.screen import Screen


def history(folder: str | None = None, *, as_json: bool = False) -> None:
    """Write the page over all runs in a folder, results/ where none is named, and print where it is.

    RequestError where there is no run.
    """
    from reports import index, page
    from reports.digest import find, read
    from reports.trends import history as over_time

    results = Path(folder) if folder else RESULTS
    directories = list(find(results))
    if not directories:
        raise RequestError(f"there is no run in {show(results)}", hint="Make one: ./inv quickstart")
    with Screen().task("reading runs", total=len(directories)) as task:
        read_ = []
        for number, directory in enumerate(directories, start=1):
            read_.append(read(directory))
            task.update(number)
    found = over_time(read_)
    path = index.write(results, found, {one.name for one in directories if (one / page.PAGE).exists()})
    if as_json:
        print(json.dumps(index.data(found), indent=1, allow_nan=False))
    else:
        print(f"\n{index.text(found)}\n\nHistory: {show(path)}")
