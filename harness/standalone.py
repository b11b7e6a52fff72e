"""python-build-standalone: the interpreters that uv installs, as archives of one installed tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from harness.builds import StandalonePins
from harness.errors import HostError
from harness.model import Build
from harness.progress import Progress
from harness.sources import Answer, Material, ask, bring, release_key, series_of

_NAME = re.compile(
    r"cpython-(?P<release>[^+]+)\+(?P<date>\d{8})-(?P<machine>[^-]+)-unknown-linux-gnu"
    r"(?P<free_threaded>-freethreaded)?-install_only_stripped\.tar\.gz"
)


@dataclass(slots=True)
class Archives:
    """The archives that are pinned."""

    pins: StandalonePins
    machine: str
    """As uname says it."""
    folder: Path
    """Where downloads are kept."""
    _silent: bool = field(default=False, init=False)

    def locate(self, build: Build) -> Material:
        """The newest release of a build's series.  HostError where none is pinned for this machine, or can be had."""
        found = dict(self._releases(build))
        if not found:
            raise HostError(f"no archive of {build.name} is pinned for {self.machine} machines")
        release = max(found, key=release_key)
        name, url = found[release]
        kept, sha256 = self.folder / name, self.pins.files[name]
        if not kept.exists():
            self._refuse_absent(name, url)

        def provide(destination: Path, progress: Progress) -> None:
            bring(url, kept, sha256, destination, progress)

        return Material(release, f"sha256:{sha256}", f"{name} of python-build-standalone", provide, kept)

    def _releases(self, build: Build) -> Iterator[tuple[str, tuple[str, str]]]:
        """Release, and name and URL of its archive."""
        wanted = (build.series, build.free_threaded, self.machine)
        for of in filter(None, map(_NAME.fullmatch, self.pins.files)):
            if (series_of(of["release"]), of["free_threaded"] is not None, of["machine"]) == wanted:
                yield of["release"], (of[0], f"{self.pins.site}/{of['date']}/{quote(of[0])}")

    def _refuse_absent(self, name: str, url: str) -> None:
        answer = Answer.SILENT if self._silent else ask(url)
        self._silent = answer is Answer.SILENT
        if answer is not Answer.THERE:
            why = "does not answer here" if self._silent else f"does not have {name}"
            raise HostError(f"the site of python-build-standalone {why}")
