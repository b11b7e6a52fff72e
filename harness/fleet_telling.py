"""What a fleet's run has to say: its page, those of its shares, and the text of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import runs, store
from harness.fleet import FleetRun
from harness.journal import JournalLine
from harness.model import SCHEMA, Run
from harness.runs import Telling

if TYPE_CHECKING:
    from reports.findings import Findings


@dataclass(frozen=True, slots=True)
class Measured:
    """A share, as far as it was measured."""

    run: Run
    lines: Sequence[JournalLine]
    new: bool = False
    """Whether it has just become complete: then what it tells of the noise of its host is kept."""


def tell(directory: Path, fleet: FleetRun, measured: Mapping[str, Measured], *, as_json: bool) -> int:
    """Write the page of every share, by name, and that of the run in `directory`, and print what they say.

    Returns the exit status.  HostError where a page cannot be written.
    """
    from reports import across, fleet_page, summary

    telling = Telling.TEXT if len(measured) == 1 and not as_json else Telling.PAGE
    folders = {name: store.share_directory(directory, name) for name in measured}
    findings: dict[str, Findings] = {}
    status = 0
    for name, one in measured.items():
        learn = runs.RESULTS if one.new else None
        found, result = runs.conclude(folders[name], one.run, one.lines, telling, learn=learn)
        status = max(status, result)
        if found:
            findings[name] = found
    page = fleet_page.write(directory, fleet, findings, store.load_attempts(directory))
    together = across.together(findings, {share.name: share.host for share in fleet.shares})
    if as_json:
        data = {name: summary.data(found) for name, found in findings.items()}
        whole = {"schema": SCHEMA, "run": fleet.id, "shares": data, "together": list(across.data(together))}
        print(json.dumps(whole, indent=1, allow_nan=False))
        return status
    if telling is Telling.PAGE:
        classes = {share.name: share.hardware.name for share in fleet.shares}
        for name, found in findings.items():
            print(f"\n{name} ({classes[name]}): {runs.show(folders[name] / 'index.html')}")
            print(summary.text(found))
        if table := across.text(together):
            print(f"\n{table}")
    print(f"\nFleet: {runs.show(page)}")
    return status
