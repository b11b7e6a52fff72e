"""Runs that are there already: their history on one page, and their samples in other people's formats."""

from __future__ import annotations

import json
from pathlib import Path

from harness import specs, store, table
from harness.errors import HostError, RequestError
from harness.runs import RESULTS, find_run, show, write_pyperf
from harness.screen import Screen

FORMATS = ("pyperf", "csv", "parquet")


def history(folder: str | None = None, *, as_json: bool = False) -> None:
    """Write the page over all runs in a folder, results/ where none is named, and print where it is.

    RequestError where there is no run.
    """
    from reports import index, page
    from reports.digest import Broken, Digest, find, fleets, read
    from reports.trends import history as over_time

    results = Path(folder) if folder else RESULTS
    directories = list(find(results))
    of_fleets = list(fleets(results))
    if not (directories or of_fleets):
        raise RequestError(f"there is no run in {show(results)}", hint="Make one: ./inv quickstart")
    with Screen().task("reading runs", total=len(directories)) as task:
        read_: list[Digest | Broken] = [one for one in of_fleets if isinstance(one, Broken)]
        for number, directory in enumerate(directories, start=1):
            read_.append(read(directory))
            task.update(number)
    found = over_time(read_)
    pages = {one.parent.name for one in results.glob(f"*/{page.PAGE}")}
    path = index.write(results, found, pages, [one for one in of_fleets if not isinstance(one, Broken)])
    if as_json:
        print(json.dumps(index.data(found), indent=1, allow_nan=False))
    else:
        print(f"\n{index.text(found)}\n\nHistory: {show(path)}")


def import_(before: str, after: str, out: str = "imported.html") -> None:
    """Compare two files of pyperf, print what they say of each other, and write a page of it.

    RequestError where one is none, or they have no benchmark in common.
    """
    from reports import imported, imported_page

    found = imported.compare(Path(before), Path(after))
    path = imported_page.write(found, Path(out))
    print(f"{imported_page.text(found)}\n\nPage: {show(path.resolve())}")


def export(name: str, format_: str, out: str) -> None:
    """Write the samples of a run into a folder, made where it is missing, and print what was written.

    RequestError where there is no such run or format, or nothing was measured.
    """
    chosen = specs.choose("--format", format_, FORMATS)
    run, journal = store.load(find_run(name))
    if next(table.rows(run, journal), None) is None:
        raise RequestError(f"{run.id} has no samples to export")
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"cannot write {folder}: {error.strerror}") from error
    if chosen == "pyperf":
        written = write_pyperf(folder, run, journal)
        if not written:
            raise RequestError(f"{run.id} has no valid samples, and pyperf could not tell that", hint="Export csv.")
    else:
        written = [folder / f"samples.{chosen}"]
        {"csv": table.write_csv, "parquet": table.write_parquet}[chosen](written[0], run, journal)
    print(*map(show, written), sep="\n")
