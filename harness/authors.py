"""What a worker said, as the author of its script wants it: their files where they lie, and no frames of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from harness.engine import Place, Worker
from harness.model import Workload

_LINES = 40
"""How much of what a script said is shown: a traceback stands at the end."""

_HEADER = re.compile(r"(?P<indent> *)Traceback \(most recent call last\):")


@dataclass(frozen=True, slots=True)
class Home:
    """Where the files of a script lie: for a worker, and for the author."""

    theirs: str
    """As a worker sees it, with a slash at its end."""
    authors: str
    ours: tuple[str, ...]
    """What is in the path of every module that only measures."""

    def translate(self, output: str) -> str:
        """What a worker said, with the author's paths; of a traceback only what is not ours."""
        said = "\n".join(self._without_ours(output.splitlines()))
        return re.sub(re.escape(self.theirs) + r'(?=[^"\n:]*(?:", line \d|:\d))', lambda _: self.authors, said)

    def _without_ours(self, lines: Sequence[str]) -> Iterator[str]:
        number = 0
        while number < len(lines):
            line = lines[number]
            number += 1
            yield line
            if header := _HEADER.fullmatch(line):
                frames: list[list[str]] = []
                while number < len(lines) and lines[number].startswith(header["indent"] + "  "):
                    if not frames or lines[number].startswith(header["indent"] + '  File "'):
                        frames.append([])
                    frames[-1].append(lines[number])
                    number += 1
                yield from (line for frame in self._kept(frames) for line in frame)

    def _kept(self, frames: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
        """The author's frames, and what they called: all that comes after the last of ours."""
        last = max((number for number, frame in enumerate(frames) if self._is_ours(frame[0])), default=-1)
        kept = [frame for number, frame in enumerate(frames) if number > last or self.theirs in frame[0]]
        return kept or frames

    def _is_ours(self, frame: str) -> bool:
        return any(part in frame for part in self.ours)


def home(place: Place, workload: Workload) -> Home:
    """The home of a script that somebody brought."""
    inside = PurePath(*PurePath(workload.path).parts[2:])  # below its own folder, category/name
    return Home(
        theirs=f"{place.tools}/workloads/{PurePath(workload.path).parents[len(inside.parts) - 1]}/",
        authors=f"{Path(workload.source).parents[len(inside.parts) - 1]}/",
        ours=("/pyperf/", f"{place.tools}/hook/"),
    )


@dataclass(frozen=True, slots=True)
class AuthoredWorker:
    """A worker that executes somebody's script."""

    worker: Worker
    home: Home

    def poll(self) -> int | None:
        """As the worker's."""
        return self.worker.poll()

    def output(self) -> str:
        """What it said, as its author wants it."""
        return self.home.translate(self.worker.output())

    def kill(self) -> None:
        """As the worker's."""
        self.worker.kill()


def authored(worker: Worker, place: Place, workload: Workload) -> Worker:
    """The worker, its output translated where its script is somebody's."""
    return AuthoredWorker(worker, home(place, workload)) if workload.source else worker


def quoted(output: str) -> str:
    """The end of what a script said, for a terminal."""
    lines = output.splitlines()
    left_out = ["  | ..."] if len(lines) > _LINES else []
    return "\n".join((*left_out, *(f"  | {line}" for line in lines[-_LINES:])))
