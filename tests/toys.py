"""Small workloads that behave, and misbehave, on purpose."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.model import Build, BuildFacts, Isolation, Optimize, Source

_HEAD = """\
# /// script
# dependencies = []
# [tool.gilometer]
# summary = "A toy."
# core = true
# strategies = {strategies}
# ///
import os, signal, socket, sys, time
import pyperf

def namespace(kind):
    return os.readlink("/proc/self/ns/" + kind)

if "--threads" in sys.argv:
    place = sys.argv.index("--threads")
    threads = int(sys.argv[place + 1])
    del sys.argv[place : place + 4]
turns = 0

def work(loops):
    global turns
    turns += 1
    began = time.perf_counter()
    for _ in range(loops):
        sum(i * i for i in range(2000))
    value = time.perf_counter() - began
    {after}
    return value

where = {{"toy_" + kind: namespace(kind) for kind in ("ipc", "net", "pid")}}
pyperf.Runner(metadata=where).bench_time_func("toy", work)
"""

# A calibrating worker takes few turns with one loop, so misbehaviour that waits for the lockstep hook spares it.
_MEASURED = 'if "--hook=lockstep" in sys.argv and turns == 3: '

TOYS = {
    "good": "pass",
    "wrong": _MEASURED + 'print("wrong answer: expected 4, got 5", file=sys.stderr); sys.exit(65)',
    "raises": _MEASURED + 'raise ZeroDivisionError("a toy that divides by zero")',
    "killed": _MEASURED + "os.kill(os.getpid(), signal.SIGKILL)",
    "leaks_busy_threads": _MEASURED
    + 'import threading; threading.Thread(target=exec, args=("while True: pass",), daemon=True).start()',
    "leaks_idle_threads": "import threading; threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()",
    "leaves_a_process": _MEASURED + 'import subprocess; subprocess.Popen(["sleep", "3600"])',
    "forks": _MEASURED + "os.fork()",
    "endless": _MEASURED + "time.sleep(3600)",
    "busy": _MEASURED + "exec('while True: pass')",
    "fills": _MEASURED + 'open("/tmp/much", "wb").write(b"x" * (1 << 30))',
    "chatty": _MEASURED + 'print("y" * (8 << 20))',
    "chatty_raises": _MEASURED + 'print("y" * (8 << 20), flush=True); raise ValueError("a toy that said too much")',
    "hungry": "bytearray(100 << 20)",
    "delegates": (
        "import subprocess; "
        'subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.2: pass"], check=True)'
    ),
    "never_calibrates": 'raise RuntimeError("broken from the start")',
}


def write_toys(folder: Path, *names: str, threaded: bool = False) -> Path:
    """A workloads folder with the toys named, in the category "toy"."""
    (folder / "toy").mkdir(parents=True)
    for name in names:
        text = _HEAD.format(after=TOYS[name], strategies='["threads"]' if threaded else "[]")
        (folder / "toy" / f"{name}.py").write_text(text)
    return folder


def facts(
    name: str,
    *,
    packages: dict[str, str] | None = None,
    turns_gil_on: dict[str, str] | None = None,
    no_subinterpreters: dict[str, str] | None = None,
    release: str = sys.version.partition(" ")[0],
) -> BuildFacts:
    """This very interpreter as a build."""
    build = Build(
        name=name,
        series="3",
        free_threaded=False,
        source=Source.HOST,
        optimize=Optimize.PACKAGED,
        executable=sys.executable,
    )
    return BuildFacts(
        build=build,
        release=release,
        version=" ".join(sys.version.split()),
        free_threaded=False,
        gil_enabled=True,
        executable=sys.executable,
        compiler="",
        configure="",
        optimize="",
        link="",
        libc="",
        machine="",
        packages=packages or {},
        turns_gil_on=turns_gil_on or {},
        no_subinterpreters=no_subinterpreters or {},
        image="",
        base="",
        recipe="",
        origin="",
        isolation=Isolation.NONE,
    )
