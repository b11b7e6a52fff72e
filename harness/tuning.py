"""Settings of this machine that disturb measurements and can be changed while it is up: which, at what cost, and back.

`changes` reads /proc and /sys below a root and says what tuning would change there; `tune` writes down what it finds,
changes it and reads it back; `untune` restores it.  Everything lies below the root, what was written down too, so that
all of it works on a machine made up of files.

Left alone: transparent huge pages, which are part of what is measured; SMT, isolated CPUs and swap areas, where
`inv doctor` only gives advice.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.errors import HostError
from harness.model import Struct, cpu_list

STATE = Path("var/lib/gilometer/tuned.json")
"""What was there before, below the root."""

_CPU = "sys/devices/system/cpu"
_POLICIES = f"{_CPU}/cpufreq/policy[0-9]*"
"""CPUs that share a frequency share one of these folders, named after the lowest of them."""
_POLICY = re.compile(r"/policy(\d+)/")


class Value(Struct, frozen=True):
    """What one file of the kernel's holds, or is to hold."""

    setting: str
    path: str
    """Absolute, as the machine itself names it, whatever the root."""
    value: str


class Tuned(Struct, frozen=True):
    """What was there before the first tuning of a boot."""

    boot: str
    """The kernel's boot_id."""
    since: datetime.datetime
    """With the machine's offset."""
    before: tuple[Value, ...]
    """In the order in which to restore them."""


@dataclass(frozen=True, slots=True)
class Change:
    """One setting that tuning would change."""

    setting: str
    before: tuple[Value, ...]
    """The files that hold something else."""
    after: str
    """What all of them are to hold."""
    now: str
    """`before` in words."""
    then: str
    """`after` in words."""
    gain: str
    cost: str
    along: tuple[Value, ...] = ()
    """Files that some drivers change along with these, and do not change back."""

    def __str__(self) -> str:
        files = _fold({value.path: f"{value.value} -> {self.after}" for value in self.before})
        return "\n".join(
            (
                f"{self.setting}: {self.now} -> {self.then}",
                f"  gain  {self.gain}",
                f"  cost  {self.cost}",
                *(f"  file  {path}: {text}" for path, text in files),
            )
        )


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a file that was to hold something else."""

    wanted: Value
    before: str
    after: str
    """Read back; empty where it cannot be read."""
    error: str = ""
    """The kernel's words."""

    @property
    def took(self) -> bool:
        """The file holds what it was to hold."""
        return self.after == self.wanted.value

    def __str__(self) -> str:
        if self.took:
            return f"{self.before} -> {self.after}"
        return f"cannot be {self.wanted.value}: {self.error or f'it holds {self.after}'}"


# -- what would change -------------------------------------------------------------------------------------------------


def changes(root: Path = Path("/")) -> tuple[Change, ...]:
    """What tuning would change on the machine below `root`, in a fixed order; changes nothing."""
    return tuple(change for knob in _knobs(root) if (change := _change(knob, root)))


@dataclass(frozen=True, slots=True)
class _Knob:
    """A setting that tuning knows."""

    setting: str
    files: str
    """Glob below the root."""
    good: tuple[str, ...]
    """Values that suit measurements; tuning writes the first."""
    gain: str
    cost: str
    words: Mapping[str, str] = field(default_factory=dict)
    """What values mean, where they do not say it themselves."""
    along: str = ""
    """Glob of the files that some drivers change along."""


def _knobs(root: Path) -> Iterator[_Knob]:
    yield _Knob(
        "governor",
        f"{_POLICIES}/scaling_governor",
        good=("performance",),
        gain="no worker begins its turn on a CPU that has slowed down meanwhile",
        cost="power, heat and battery: CPUs no longer slow down when there is little to do",
        along=f"{_POLICIES}/energy_performance_preference",
    )
    for file, on, off in (("intel_pstate/no_turbo", "0", "1"), ("cpufreq/boost", "1", "0")):
        yield _Knob(
            "turbo",
            f"{_CPU}/{file}",
            good=(off,),
            gain="one busy core gets no faster than many, so speedups over threads are not understated",
            cost="peak speed: everything on this machine gets slower, work on one thread most of all",
            words={on: "on", off: "off"},
            along=f"{_POLICIES}/scaling_max_freq",
        )
    yield _Knob(
        "swappiness",
        "proc/sys/vm/swappiness",
        good=("1", "0"),
        gain="a waiting worker stays in memory, and no value waits for the disk"
        + ("" if _has_swap(root) else " (there is no swap now)"),
        cost="when memory is short, cached files go first, and are read from disk again",
    )
    yield _Knob(
        "NUMA balancing",
        "proc/sys/kernel/numa_balancing",
        good=("0",),
        gain="no page faults for it, and no pages moved between nodes, during a value",
        cost="programs whose memory is on a far node stay slow",
        words={"0": "off", "1": "on", "2": "memory tiering"},
    )
    yield _Knob(
        "NMI watchdog",
        "proc/sys/kernel/nmi_watchdog",
        good=("0",),
        gain="no regular interrupt on every CPU, and one more hardware counter for perf",
        cost="a CPU that hangs with interrupts off goes unnoticed",
        words={"0": "off", "1": "on"},
    )
    yield _Knob(
        "ASLR",
        "proc/sys/kernel/randomize_va_space",
        good=("2",),
        gain="every process has a memory layout of its own, and results hold for all of them",
        cost="none: this is the kernel's default, and the safer one",
        words={"0": "off", "1": "in part", "2": "full"},
    )


def _change(knob: _Knob, root: Path) -> Change | None:
    before = tuple(value for value in _values(knob.setting, knob.files, root) if value.value not in knob.good)
    if not before:
        return None
    found = sorted({value.value for value in before})
    return Change(
        knob.setting,
        before,
        after=knob.good[0],
        now=", ".join(knob.words.get(value, value) for value in found),
        then=knob.words.get(knob.good[0], knob.good[0]),
        gain=knob.gain,
        cost=knob.cost,
        along=tuple(_values(knob.setting, knob.along, root)) if knob.along else (),
    )


def _values(setting: str, files: str, root: Path) -> Iterator[Value]:
    """What the files hold, policies in the order of their numbers; what cannot be read is left out."""
    for path in sorted(root.glob(files), key=lambda path: (len(str(path)), path)):
        if text := _read(path):
            yield Value(setting, f"/{path.relative_to(root)}", text)


def _has_swap(root: Path) -> bool:
    return len(_read(root / "proc/swaps").splitlines()) > 1  # a heading, and a line for each area


# -- changing it, and back ---------------------------------------------------------------------------------------------


def tune(wanted: Iterable[Change], root: Path = Path("/")) -> tuple[Written, ...]:
    """Write down what is there, then change it, and read it back: what became of each file.

    What an earlier tuning of this boot wrote down stays as it is.

    Raises:
        HostError: it cannot be written down; then nothing was changed.
    """
    wanted = tuple(wanted)
    state = recall(root)
    if not state or has_booted(state, root):
        state = Tuned(_boot(root), datetime.datetime.now().astimezone().replace(microsecond=0), ())
    known = {value.path for value in state.before}
    found = (value for change in wanted for value in (*change.before, *change.along) if value.path not in known)
    _keep(msgspec.structs.replace(state, before=(*state.before, *found)), root)
    written = tuple(
        _write(Value(change.setting, value.path, change.after), root) for change in wanted for value in change.before
    )
    if not known and all(one.after == one.before for one in written):
        _forget(root)
    return written


def untune(state: Tuned, root: Path = Path("/")) -> tuple[Written, ...]:
    """Restore what was there and forget it: what became of each file that holds something else now.

    After a boot there is nothing to restore: every setting is the boot's own again.
    """
    differing = () if has_booted(state, root) else state.before
    # One by one: what drivers change along is looked at only after the setting itself was restored.
    restored = tuple(_write(value, root) for value in differing if _read(_below(root, value.path)) != value.value)
    _forget(root)
    return restored


def report(written: Iterable[Written], took: str, refused: str) -> Iterator[str]:
    """A line for each outcome, led by one of the two words; CPUs' files that fared alike share one."""
    outcomes: dict[tuple[str, str], dict[str, str]] = {}
    for one in written:
        outcomes.setdefault((took if one.took else refused, one.wanted.setting), {})[one.wanted.path] = str(one)
    width = max(len(took), len(refused))
    for (word, setting), texts in outcomes.items():
        for path, text in _fold(texts):
            yield f"{word:<{width}}  {setting}: {path}: {text}"


# -- what was there before ---------------------------------------------------------------------------------------------


def recall(root: Path = Path("/")) -> Tuned | None:
    """What tuning wrote down; None where it did not.

    Raises:
        HostError: it cannot be read.
    """
    path = root / STATE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Tuned)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        hint = "Remove it and reboot: then every setting is the boot's own again."
        raise HostError(f"{path} is damaged: {error}", hint=hint) from error


def has_booted(state: Tuned, root: Path = Path("/")) -> bool:
    """Since it was tuned: then nothing of the tuning is left."""
    return state.boot != _boot(root)


def _keep(state: Tuned, root: Path) -> None:
    """Whole or not at all, and on the disk before anything is changed."""
    path = root / STATE
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise HostError(
            f"cannot write {path}: {error.strerror}",
            hint="Nothing was changed, since what is there now could not be restored.",
        ) from error


def _forget(root: Path) -> None:
    (root / STATE).unlink(missing_ok=True)


# -- files -------------------------------------------------------------------------------------------------------------


def _boot(root: Path) -> str:
    return _read(root / "proc/sys/kernel/random/boot_id")


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _read(path: Path) -> str:
    """Content of a small file; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _write(wanted: Value, root: Path) -> Written:
    path = _below(root, wanted.path)
    before, error = _read(path), ""
    try:
        file = os.open(path, os.O_WRONLY | os.O_TRUNC)  # never O_CREAT: a setting that is gone is gone
        try:
            os.write(file, wanted.value.encode())
        finally:
            os.close(file)
    except OSError as refusal:
        error = refusal.strerror or str(refusal)
    return Written(wanted, before, _read(path), error)


def _fold(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Files with their texts; those that differ in their policy alone and have one text are one: .../policy[0-3]/..."""
    alike: dict[tuple[str, str], list[str]] = {}
    for path, text in texts.items():
        alike.setdefault((_POLICY.sub("/policy*/", path), text), []).append(path)
    for (pattern, text), paths in alike.items():
        if len(paths) == 1:
            yield paths[0], text
        else:
            policies = cpu_list(tuple(int(number) for path in paths for number in _POLICY.findall(path)))
            yield pattern.replace("*", f"[{policies}]"), text
