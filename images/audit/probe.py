"""What an installed package does on this interpreter: executed inside a throw-away container, by the build itself.

    probe.py INSTRUCTIONS      find modules, import each in a fresh process, print a line of JSON for each;
                               or build a source archive, which executes its setup scripts

This process never imports the package: child.py does.  What a child prints is counted and forgotten but for its end,
and it is killed, with everything it started, when its time is over.
"""

import contextlib
import ctypes
import importlib.machinery
import importlib.metadata
import json
import os
import pathlib
import re
import resource
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

_CHILD = str(pathlib.Path(__file__).with_name("child.py"))
_KEPT = 2000
"""Bytes kept of what a child prints, and characters of an error."""
_REPORTED = 200_000
"""Bytes taken of what a child reports."""
_TEST = re.compile(r"(^|_)(tests?|testing)(_|$)")
_GIL = re.compile(r"The global interpreter lock \(GIL\) has been enabled to load module '([^']+)'")
_SLOT_GIL = 4
_GIL_NOT_USED = 1
_LIMITS = {
    "memory": (("/sys/fs/cgroup/memory.events", "oom_kill"), ("/sys/fs/cgroup/memory/memory.oom_control", "oom_kill")),
    "processes": (("/sys/fs/cgroup/pids.events", "max"), ("/sys/fs/cgroup/pids/pids.events", "max")),
}


# -- in the process that watches ---------------------------------------------------------------------------------------


def watch(instructions: dict[str, Any]) -> None:
    """Print what an installed package consists of and does."""
    target = instructions["target"]
    distributions = {_canonical(d.metadata["Name"]): d for d in importlib.metadata.distributions(path=[target])}
    _say(installed={name: one.version for name, one in distributions.items()})
    names, modules = _contents(distributions[instructions["package"]], pathlib.Path(target))
    _say(total=len(names) + len(modules))
    child = _Child(target, instructions["seconds"])
    for name in names:
        plain = child.load(name)
        _say(imported=plain)
        if plain["ending"] == "done":
            _say(imported=child.load(name, forced=True))
    for name, file in modules:
        alone = child.load(name)
        forced = child.load(name, forced=True) if alone["gil"] else None
        declares = _declares(name, pathlib.Path(target, file))
        _say(module={"name": name, "file": file, "declares": declares, "alone": alone, "forced": forced})
    if script := instructions["smoke"]:
        _say(smoke=child.smoke(script))


def build(instructions: dict[str, Any]) -> None:
    """Make a wheel in /tmp/built of a source archive, with builders that are installed already."""
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir=/tmp/built"]
    path = ["/desk/audit/hook", instructions["builders"], "/desk/pip"]
    seen = _Child("", instructions["seconds"]).execute(
        ["-m", "pip", "wheel", *options, instructions["build"]], {"PYTHONPATH": ":".join(path)}
    )
    try:
        reported = pathlib.Path("/tmp/attempts").read_bytes()[:_REPORTED]
    except OSError:
        reported = b""
    made = sorted(path.name for path in pathlib.Path("/tmp/built").glob("*.whl"))
    complaint = (
        "" if made else f"stopped after {instructions['seconds']:.0f} s" if seen["ended"] == "hung" else seen["said"]
    )
    attempts = [*_reports(reported)[1], *seen["attempts"]]
    _say(built={"wheel": made[0] if made else "", "complaint": complaint[-_KEPT:], "attempts": attempts})


def _say(**line: object) -> None:
    print(json.dumps(line), flush=True)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _contents(
    distribution: importlib.metadata.Distribution, target: pathlib.Path
) -> tuple[list[str], list[tuple[str, str]]]:
    """Names to import, of packages and modules at the top; extension modules with their files; tests are neither."""
    files = [
        file for file in distribution.files or () if ".." not in file.parts and not file.parts[0].endswith("-info")
    ]
    modules = sorted((name, str(file)) for file in files if (name := _module(file, target)))
    packages = {file.parts[:-1] for file in files if file.name == "__init__.py" and len(file.parts) > 1}
    tops = {one for one in packages if not any(one[:n] in packages for n in range(1, len(one)))}
    tops |= {(file.name.partition(".")[0],) for file in files if len(file.parts) == 1 and _suffix(file.name)}
    names = [one for one in sorted(tops) if all(map(str.isidentifier, one)) and not _TEST.search(".".join(one))]
    public = [one for one in names if not one[0].startswith("_")]
    loaded = {name for name, _ in modules}
    return [name for name in map(".".join, public or names) if name not in loaded][:8], modules


def _suffix(name: str) -> str:
    return next((one for one in importlib.machinery.all_suffixes() if name.endswith(one)), "")


def _module(file: importlib.metadata.PackagePath, target: pathlib.Path) -> str:
    """The name of the extension module that a file is; empty where it is something else, a library perhaps."""
    suffix = next((one for one in importlib.machinery.EXTENSION_SUFFIXES if file.name.endswith(one)), "")
    parts = (*file.parts[:-1], file.name.removesuffix(suffix)) if suffix else ()
    if not parts or not all(map(str.isidentifier, parts)) or any(map(_TEST.search, parts)):
        return ""
    data = (target / file).read_bytes()
    named = (b"PyInit_" + parts[-1].encode(), b"PyModExport_" + parts[-1].encode())
    if not any(symbol + b"\0" in data for symbol in named):
        return ""
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class _Child:
    """Fresh processes, one after the other."""

    def __init__(self, target: str, seconds: float) -> None:
        self._target = target
        self._seconds = seconds
        self._ours = _processes()

    def load(self, name: str, *, forced: bool = False) -> dict[str, Any]:
        """Import one name in a process of its own."""
        seen = self._execute("import", name, forced=forced)
        ended = seen["ended"]
        outcome = seen["lines"].get("outcome", {})
        found = {"module": name, "forced": forced, "gil": outcome.get("gil"), "error": ""}
        if ended == "hung":
            found |= {"ending": "hung", "error": "after the import, as the interpreter ended" if outcome else ""}
        elif ended < 0:
            late = ", after the import, as the interpreter ended" if outcome else ""
            found |= {"ending": "died", "error": _signal(-ended) + _met(seen["limits"]) + late}
        elif "raised" in outcome:
            found |= {"ending": "refused", "error": outcome["raised"] + _met(seen["limits"])}
        elif "gil" in outcome and ended == 0:
            found |= {"ending": "done"}
        else:
            found |= {"ending": "exited", "error": f"the import ended the process with status {ended}"}
        text = seen["lines"].get("warning", {}).get("text", "") or _warned(seen["said"])
        by = _GIL.search(text)
        culprit = by[1] if by else outcome.get("culprit", "")
        return found | {
            "turned_on_by": culprit if found["gil"] and not forced else "",
            "warning": text,
            "output": seen["output"],
            "said": seen["said"][-_KEPT:],
            "attempts": seen["attempts"],
            "seconds": seen["seconds"],
        }

    def smoke(self, script: str) -> dict[str, Any]:
        """Execute a smoke test."""
        seen = self._execute("script", script, forced=False)
        ended = seen["ended"]
        outcome = seen["lines"].get("outcome", {})
        last = next(reversed(seen["said"].strip().splitlines()), "")
        try:
            answer = json.loads(last)
            found = {key: answer[key] for key in ("threads", "same", "seconds", "said") if key in answer}
        except (ValueError, TypeError):
            found = {"said": last[-_KEPT:]}
        found |= {"script": pathlib.Path(script).name, "gil": outcome.get("gil")}
        if ended == "hung":
            return found | {"ending": "hung", "said": f"stopped after {self._seconds:.0f} s"}
        if ended < 0:
            return found | {"ending": "died", "said": _signal(-ended) + _met(seen["limits"])}
        if "raised" in outcome:
            return found | {"ending": "refused", "said": outcome["raised"]}
        return found | {"ending": "done" if ended == 0 else "exited"}

    def _execute(self, verb: str, subject: str, *, forced: bool) -> dict[str, Any]:
        options = ["-I", "-X", "pycache_prefix=/tmp/pycache", *(["-X", "gil=0"] if forced else [])]
        return self.execute([*options, _CHILD, verb, subject, "{report}", self._target])

    def execute(self, argv: list[str], environment: dict[str, str] | None = None) -> dict[str, Any]:
        """Start the interpreter with `argv`, in which {report} becomes a descriptor, and follow it to its end."""
        began, before = time.monotonic(), _met_limits()
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                [sys.executable, *(word.replace("{report}", str(writing)) for word in argv)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[writing],
                start_new_session=True,
                env={**os.environ, **(environment or {})},
                cwd="/tmp",
            )
        finally:
            os.close(writing)
        seen = _follow(process, reading, self._seconds)
        os.close(reading)
        if left := self._end_others():
            first = f"{left[0]}" if len(left) == 1 else f"{left[0]} and {len(left) - 1} more"
            seen["attempts"].append({"what": "leaves processes behind", "detail": first, "times": len(left)})
        seen["limits"] = [what for what, count in _met_limits().items() if count > before.get(what, 0)]
        if "processes" in seen["limits"]:
            seen["attempts"].append({"what": "meets the limit of processes", "detail": ""})
        if "memory" in seen["limits"]:
            seen["attempts"].append({"what": "meets the limit of memory", "detail": ""})
        seen["seconds"] = round(time.monotonic() - began, 3)
        return seen

    def _end_others(self) -> list[str]:
        """Kill whatever a child left; returns what it was, by name."""
        left = {}
        for _ in range(50):
            others = {pid: name for pid, name in _processes().items() if pid not in self._ours}
            if not others:
                break
            left |= others
            for number in (signal.SIGSTOP, signal.SIGKILL):  # what is stopped starts no more of its kind
                for pid in others:
                    with contextlib.suppress(OSError):
                        os.kill(pid, number)
            time.sleep(0.01)
        return list(left.values())


def _follow(process: "subprocess.Popen[bytes]", reading: int, seconds: float) -> dict[str, Any]:
    """Read what a child prints and reports until it ends; it is killed when its time is over."""
    output, said, reported = 0, b"", b""
    deadline = time.monotonic() + seconds
    ended = "hung"
    ending = os.pidfd_open(process.pid)
    printed = process.stdout.fileno()
    for number in (printed, reading):
        os.set_blocking(number, False)
    with selectors.DefaultSelector() as selector:
        for number in (ending, printed, reading):
            selector.register(number, selectors.EVENT_READ)
        last = False
        while not last and time.monotonic() < deadline:
            ready = {key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
            last = ending in ready
            for number in {printed, reading} if last else ready - {ending}:
                while True:
                    try:
                        piece = os.read(number, 65536)
                    except BlockingIOError:
                        break
                    if not piece:
                        if number in selector.get_map():
                            selector.unregister(number)
                        break
                    if number == reading:
                        reported += piece[: max(0, _REPORTED - len(reported))]
                    else:
                        output += len(piece)
                        said = (said + piece)[-8 * _KEPT :]
                    if time.monotonic() > deadline:
                        break
        if last:
            ended = process.wait()
    process.kill()
    process.wait()
    process.stdout.close()
    os.close(ending)
    lines, attempts = _reports(reported)
    return {
        "ended": ended, "output": output, "said": said.decode(errors="replace"), "lines": lines, "attempts": attempts,
    }  # fmt: skip


def _reports(reported: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Lines by what they are, and attempts with their counts."""
    lines, attempts = {}, {}
    for text in reported.decode(errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not isinstance(line, dict):
            continue
        if "attempt" in line:
            attempts[line["attempt"]["what"]] = line["attempt"]
        for what, count in line.get("counts", {}).items():
            attempts.setdefault(what, {"what": what})["times"] = count
        lines |= {name: value for name, value in line.items() if isinstance(value, dict)}
    return lines, list(attempts.values())


def _warned(said: str) -> str:
    """The warning that the GIL came back, among other things that were printed."""
    line = next((line for line in said.splitlines() if _GIL.search(line)), "")
    return line[line.index("The global") :] if line else ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _met(limits: list[str]) -> str:
    return "".join(f", at the limit of {what}" for what in limits)


def _met_limits() -> dict[str, int]:
    """How often each limit of the container was met so far."""
    met = {}
    for what, places in _LIMITS.items():
        for path, field in places:
            try:
                text = pathlib.Path(path).read_text(encoding="ascii")
            except OSError:
                continue
            met[what] = sum(int(line.split()[1]) for line in text.splitlines() if line.split()[0] == field)
    return met


def _processes() -> dict[int, str]:
    """Every process that is alive here: number to what it executes."""
    found = {}
    for pid in filter(str.isdigit, (path.name for path in pathlib.Path("/proc").iterdir())):
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")[2]
            command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state[:1] not in ("Z", "X"):
            found[int(pid)] = command.strip()[:80] or "a process"
    return found


# -- what a module's definition says -----------------------------------------------------------------------------------


class _Base(ctypes.Structure):
    _fields_ = [
        ("head", ctypes.c_char * object.__basicsize__),
        ("init", ctypes.c_void_p),
        ("index", ctypes.c_ssize_t),
        ("copy", ctypes.c_void_p),
    ]


class _Slot(ctypes.Structure):
    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Definition(ctypes.Structure):
    """PyModuleDef, of multi-phase initialisation (PEP 489)."""

    _fields_ = [
        ("base", _Base),
        ("name", ctypes.c_char_p),
        ("doc", ctypes.c_char_p),
        ("size", ctypes.c_ssize_t),
        ("methods", ctypes.c_void_p),
        ("slots", ctypes.POINTER(_Slot)),
    ]


def _declares(name: str, path: pathlib.Path) -> bool | None:
    """Whether a module's definition has Py_mod_gil as not used; None where it cannot be read.

    The definition is what its PyInit function returns: the module itself is neither made nor executed.  Loading a
    library executes its constructors, so a forked process does it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            for number in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)
            signal.alarm(20)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.write(writing, {True: b"y", False: b"n", None: b"?"}[_read_definition(name.rpartition(".")[2], path)])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = file.read(1)
    os.waitpid(child, 0)
    return {b"y": True, b"n": False}.get(answer)


def _read_definition(stem: str, path: pathlib.Path) -> bool | None:
    initialise = getattr(ctypes.PyDLL(str(path)), f"PyInit_{stem}")
    initialise.restype = ctypes.py_object
    definition = initialise()
    if type(definition).__name__ != "moduledef":  # single-phase initialisation, which made a module
        return None
    slots = ctypes.cast(id(definition), ctypes.POINTER(_Definition)).contents.slots
    if not slots:
        return False
    for number in range(64):
        if slots[number].slot == 0:
            return False
        if slots[number].slot == _SLOT_GIL:
            return slots[number].value == _GIL_NOT_USED
    return None


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    build(wanted) if "build" in wanted else watch(wanted)
