"""What workers see of a place, whichever engine opened it."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from harness.docker_engine import DockerEngine
from harness.engine import Place, Worker
from harness.model import BuildFacts

_INSIDE = """
import json, os, socket
from pathlib import Path
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "cpus": status["Cpus_allowed_list"],
    "user": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no new privileges": status["NoNewPrivs"],
    "routes": Path("/proc/net/route").read_text().splitlines()[1:],
    "interfaces": [name for _, name in socket.if_nameindex()],
    "writable": [path for path in ("/", "/usr", "/gilometer", "/exchange", "/tmp") if os.access(path, os.W_OK)],
    "host": os.uname().nodename,
    "files": os.sysconf("SC_OPEN_MAX"),
    "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in ("net", "pid", "mnt", "ipc")},
}))
"""


def said(worker: Worker) -> str:
    """What a worker wrote until it ended."""
    deadline = time.monotonic() + 30
    while worker.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return worker.output()


def verify_places(engine: DockerEngine, build: BuildFacts) -> None:
    """A place has its CPUs, few rights and no network; one beside it shares that nothing of a network, and no more."""
    cpu = max(os.sched_getaffinity(0))
    with engine.open(build, (cpu,)) as place, engine.open(build, (cpu,), place) as beside:
        found, found_beside = _ask(place), _ask(beside)
        namespaces, others = found.pop("namespaces"), found_beside.pop("namespaces")
        assert {name for name, one in namespaces.items() if others[name] == one} == {"net"}
        assert found == {
            "cpus": str(cpu),
            "user": 10001,
            "capabilities": 0,
            "no new privileges": "1",
            "routes": [],
            "interfaces": ["lo"],
            "writable": ["/exchange", "/tmp"],
            "host": "gilometer",
            "files": 1024,
        }
        assert found_beside == found
        place.clear()  # what it was started with for the second time is not what the one beside it has
        assert _ask(beside) == found_beside | {"namespaces": others}


def _ask(place: Place) -> Any:
    return json.loads(said(place.start(["-c", _INSIDE], {})))
