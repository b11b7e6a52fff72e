"""How far a build is, read from its own output.

The bar is in estimated seconds of a machine with two free cores: what is said of time is the bar's own extrapolation,
and the note says what is really going on.
"""

from __future__ import annotations

import re

from harness.model import Build, Optimize, Source

_STEP = re.compile(r"^(Step|(\[\d+/\d+\] )?STEP) \d+/\d+ ?: (?P<what>.*)")
"""Docker's, and Podman's, which has the number of the stage before it where there are several."""
_OBJECT = re.compile(r" -c .*-o (?P<name>[\w./+-]+\.o)\b")
_PROGRAM = re.compile(r"^(?:gcc|clang)\b.* -o (?P<name>python|libpython[\w.]+\.so[\d.]*) ")
_TEST = re.compile(r"^\d+:\d\d:\d\d .*\[ *(?P<done>\d+)/(?P<total>\d+)[^]]*\] (?P<name>\w+)")
_UNPACKED = re.compile(r"^Setting up (?P<name>\S+)")
_OBJECTS = 350
"""Object files of one compilation of CPython; a few more or fewer per release."""
_PREPARED, _CONFIGURED, _COMPILED, _PROFILED, _INSTALLED = 40.0, 45.0, 170.0, 900.0, 30.0
"""Estimated seconds of each phase."""
_LINKED = 240.0
"""Of a link that optimises all files together, which it does alone on one core, and prints nothing."""


class BuildLog:
    """Reads a build's output line by line."""

    def __init__(self, build: Build) -> None:
        compiled = build.source is Source.SOURCE
        rounds = 2 if build.optimize is Optimize.PGO_LTO else 1
        self._compiling = (_COMPILED * rounds + (_PROFILED + _LINKED * rounds) * (rounds - 1)) if compiled else 0.0
        self.total = _PREPARED + _INSTALLED + (_CONFIGURED + self._compiling if compiled else 0.0)
        """Of `done`."""
        self.done = 0.0
        self.note = ""
        self._objects = 0
        self._linked = 0
        self._rounds = rounds
        self._profiled = 0.0

    def read(self, line: str) -> None:
        """Take in one line; `done` never goes back."""
        if step := _STEP.match(line):
            self._step(step["what"])
        elif found := _OBJECT.search(line):
            self._objects += 1
            self._compile(f"compiling, {self._objects} of about {_OBJECTS * self._rounds} objects: {found['name']}")
        elif program := _PROGRAM.match(line):
            why = ", all of it compiled once more" if self._rounds > 1 else ""
            self._advance(self.done, f"linking {program['name']}{why}")
        elif test := _TEST.match(line):
            self._profiled = int(test["done"]) / int(test["total"])
            self._linked = 1
            self._compile(f"profiling, test {test['done']} of {test['total']}: {test['name']}")
        elif package := _UNPACKED.match(line):
            self._advance(min(_PREPARED - 1, self.done + 0.3), f"installing {package['name']}")
        elif line.startswith("checking "):
            self._advance(min(_PREPARED + _CONFIGURED - 1, self.done + 0.05), line.partition("...")[0])

    def _step(self, what: str) -> None:
        if "./configure" in what:
            self._advance(_PREPARED, "configuring")
        elif "make -j" in what:
            self._advance(_PREPARED + _CONFIGURED, "compiling")
        elif "make install" in what:
            self._advance(_PREPARED + _CONFIGURED + self._compiling, "installing")
        elif "pip install" in what:
            self._advance(self.total - _INSTALLED / 2, "installing what the workloads import")

    def _compile(self, note: str) -> None:
        compiled = min(self._objects / _OBJECTS, self._rounds) * _COMPILED
        learned = (self._profiled * _PROFILED + self._linked * _LINKED) * (self._rounds - 1)
        self._advance(_PREPARED + _CONFIGURED + compiled + learned, note)

    def _advance(self, done: float, note: str) -> None:
        self.done = max(self.done, min(done, self.total))
        self.note = note
