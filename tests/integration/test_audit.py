"""Packages whose truth is known, audited on a real build: compiled for it here, in a folder that is all their index."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import docker
import pytest

from harness import audit, auditing, network, session
from harness.audit import Answer, Ending, Finding
from harness.docker_engine import WORKER_LABEL
from harness.model import BuildFacts
from harness.probing import Index
from harness.progress import Silent
from harness.screen import Screen
from reports import audit_text
from tests.conftest import required
from tests.wheels import extension, put, put_source

HOSTILE = """
import os, socket, subprocess, sys, time

for _ in range(4096):
    print("x" * 1023)
for path in ("/etc/hostile", "/target/hostile.py", "/desk/hostile"):
    try:
        open(path, "w")
    except OSError:
        pass
for address in (("192.0.2.1", 80), ("198.51.100.1", 443)):
    try:
        socket.create_connection(address, timeout=1)
    except OSError:
        pass
subprocess.run([sys.executable, "-c", "print('a program')"])
for _ in range(300):
    try:
        child = os.fork()
    except OSError:
        break
    if not child:
        time.sleep(600)
"""
SETUP = """
import os, socket
for path in ("/etc/setup", "/wheels/setup", "/opt/python/setup"):
    try:
        open(path, "w")
        raise SystemExit("it could write " + path)
    except OSError:
        pass
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
    raise SystemExit("it could connect")
except OSError:
    pass
"""
RACE = """
import json, threading
import races
each, threads, rounds, counted, right = 500_000, 4, 20, 0, 0
while counted == right and rounds:
    workers = [threading.Thread(target=races.count, args=(each,)) for _ in range(threads)]
    for one in workers: one.start()
    for one in workers: one.join()
    counted, right, rounds = races.count(0), right + each * threads, rounds - 1
print(json.dumps({"threads": threads, "same": counted == right, "said": f"counted to {counted} instead of {right}"}))
"""
AGREES = 'print(\'{"threads": 4, "same": true, "seconds": [2.0, 1.0]}\')'


@pytest.fixture(scope="module")
def before(pair_facts: tuple[BuildFacts, ...]) -> tuple[set[str], set[str]]:
    """Containers and volumes before any audit."""
    return made_here()


@pytest.fixture(scope="module")
def found(
    before: object, pair_facts: tuple[BuildFacts, ...], pair_includes: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Finding]:
    """Every package audited, by name."""
    required(shutil.which("gcc"), "gcc")
    facts = pair_facts[1]
    series = facts.build.series.replace(".", "")
    own = f"cp{series}-cp{series}t-linux_{platform.machine()}"
    suffix = f".cpython-{series}t-{platform.machine()}-linux-gnu.so"
    index, smoke = tmp_path_factory.mktemp("index"), tmp_path_factory.mktemp("smoke")

    def native(name: str, **how: object) -> None:
        put(index, name, {f"{name}{suffix}": extension(name, pair_includes, **how)}, own)  # type: ignore[arg-type]

    native("declares")
    native("silent", declares=False)
    native("crashes", execute="raise(SIGSEGV)")
    native("races")
    native("hangs", execute="for (;;) pause()")
    native("greedy", execute="for (size_t n = 0; n < 4096; n++) memset(malloc(1 << 20), 1, 1 << 20)")
    core = extension("_core", pair_includes, declares=False)
    put(index, "wraps", {"wraps/__init__.py": "from . import _core", f"wraps/_core{suffix}": core}, own)
    put(
        index, "stable", {"stable.abi3.so": extension("stable", pair_includes)}, f"cp39-abi3-linux_{platform.machine()}"
    )
    put(index, "broken", {"broken/__init__.py": "raise RuntimeError('no such luck')"})
    put(index, "hostile", {"hostile/__init__.py": HOSTILE})
    put_source(index, "unbuilt", SETUP)
    (smoke / "races.py").write_text(RACE)
    (smoke / "declares.py").write_text(AGREES)
    longest = ["hangs", "hostile"]
    names = [*longest, *sorted({path.name.split("-")[0] for path in index.iterdir()} - {*longest}), "nowhere"]
    with session.measuring("tests of audits", Screen()):
        findings = auditing.survey(
            [(name, audit.requirement(name)) for name in names],
            [facts],
            Index(network.ingredients("debian"), index, alone=True),
            Silent(),
            seconds=15,
            build_source=True,
            smoke=smoke,
            cache=tmp_path_factory.mktemp("cache"),
        )
    assert [one.evidence.package for one in findings] == names
    return {one.evidence.package: one for one in findings}


@pytest.mark.parametrize(
    ("package", "answer", "because"),
    [
        ("declares", Answer.READY, "1 extension module keeps the GIL off; 4 threads agree with one"),
        ("silent", Answer.TURNS_GIL_ON, "loading silent turns it on"),
        ("wraps", Answer.TURNS_GIL_ON, "loading wraps._core turns it on, which importing wraps does"),
        ("crashes", Answer.CRASHES, "importing crashes ends with SIGSEGV"),
        ("greedy", Answer.CRASHES, "importing greedy ends with SIGKILL, at the limit of memory"),
        ("races", Answer.UNSAFE, "4 threads come to other answers than one: counted to "),
        ("hangs", Answer.HANGS, "importing hangs was stopped after 15 s"),
        ("stable", Answer.NO_BUILD, "stable 1.0 has no wheel for this build, only abi3 ones"),
        ("broken", Answer.FAILS, "importing broken fails: RuntimeError: no such luck"),
        ("unbuilt", Answer.SOURCE_ONLY, "unbuilt 1.0 has no wheel for this build; built from source, "),
        ("nowhere", Answer.UNKNOWN, "the index has no release of nowhere"),
    ],
)
def test_each_gets_its_true_answer(found: dict[str, Finding], package: str, answer: Answer, because: str) -> None:
    one = found[package]
    assert (one.answer, one.because[: len(because)]) == (answer, because), one


def test_what_decides_is_told_with_its_evidence(found: dict[str, Finding]) -> None:
    (declares,), (silent,) = found["declares"].evidence.modules, found["silent"].evidence.modules

    assert (declares.declares, declares.alone.gil, declares.forced) == (True, False, None)
    assert (silent.declares, silent.alone.gil, silent.alone.turned_on_by) == (False, True, "silent")
    assert "has been enabled to load module 'silent'" in silent.alone.warning
    assert silent.forced is not None
    assert (silent.forced.ending, silent.forced.gil) == (Ending.DONE, False), "with PYTHON_GIL=0"
    (wheel,) = found["silent"].evidence.wheels
    assert found["silent"].evidence.offer.wheel.name == wheel  # type: ignore[union-attr]
    assert found["declares"].evidence.smoke.speedup == 2.0  # type: ignore[union-attr]
    assert all(list(audit_text.account(one)) for one in found.values()), "no answer without evidence"


def test_a_hostile_package_is_contained_and_named(found: dict[str, Finding]) -> None:
    hostile = found["hostile"]
    plain, _ = hostile.evidence.imports
    attempts = {one.what: one for one in plain.attempts}

    assert plain.output >= 4 << 20
    assert len(plain.said) <= 2000
    assert attempts["writes outside of its own folder"].detail == "/etc/hostile"
    assert attempts["connects"].detail == "192.0.2.1:80"
    assert attempts["connects"].times == 2
    assert "-c print('a program')" in attempts["starts a program"].detail
    assert attempts["leaves processes behind"].times > 50
    assert "meets the limit of processes" in attempts
    assert "forks" in attempts
    assert "contained: " in hostile.because
    assert "connects (192.0.2.1:80)" in hostile.because


def test_setup_scripts_are_contained_and_named(found: dict[str, Finding]) -> None:
    made = found["unbuilt"].evidence.source_build

    assert made is not None
    assert made.wheel == "unbuilt-1.0-py3-none-any.whl", made.complaint
    attempts = {one.what: one.detail for one in made.attempts}
    assert attempts["writes outside of its own folder"] == "/etc/setup"
    assert attempts["connects"] == "192.0.2.1:80"


def test_nothing_is_left(found: dict[str, Finding], before: tuple[set[str], set[str]]) -> None:
    containers, volumes = made_here()

    assert containers - before[0] == set()
    assert volumes - before[1] == set()


def made_here() -> tuple[set[str], set[str]]:
    """Containers that were started from here, and volumes, that the engine has now."""
    client = docker.from_env()
    try:
        containers = client.containers.list(all=True, filters={"label": f"{WORKER_LABEL}={platform.node()}"})
        return {str(one.id) for one in containers}, {str(one.id) for one in client.volumes.list()}
    finally:
        client.close()
