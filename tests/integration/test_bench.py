"""`inv bench` on real containers: what can go wrong becomes a recorded outcome, and the rest of the run is complete."""

from __future__ import annotations

import contextlib
import html
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from harness import runs, store
from harness.journal import BlockRecord, Failure, Reason, Sample
from harness.model import BuildFacts
from harness.request import BenchOptions
from tests.conftest import required
from tests.integration.processes import start_bench
from tests.toys import write_toys

Pair = tuple[str, str]


def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *names: str, threaded: bool = False) -> Path:
    folder = write_toys(tmp_path / "workloads", *names, threaded=threaded)
    monkeypatch.setattr(runs, "WORKLOADS", folder)
    return folder


def bench(
    results: Path,
    pair: Pair,
    *,
    blocks: int = 2,
    timeout: int = 60,
    cores: str | None = None,
    threads: str | None = None,
) -> tuple[int, Path]:
    options = BenchOptions(
        builds=",".join(pair), blocks=str(blocks), timeout=str(timeout), seed="1", cores=cores, threads=threads
    )
    status = runs.bench(options)
    (directory,) = results.iterdir()
    return status, directory


def outcomes(directory: Path) -> list[Sample | Failure]:
    return [o for line in store.load_journal(directory) if isinstance(line, BlockRecord) for o in line.outcomes]


def failures(directory: Path) -> list[Failure]:
    return [outcome for outcome in outcomes(directory) if isinstance(outcome, Failure)]


def page(directory: Path) -> str:
    return (directory / "index.html").read_text()


def no_container_is_left() -> bool:
    with contextlib.closing(docker.from_env()) as client:
        return client.containers.list(all=True, filters={"label": "org.gilometer.worker"}) == []


def test_a_good_run_ends_well_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair
) -> None:
    toys(tmp_path, monkeypatch, "good")
    status, directory = bench(results, pair)
    assert status == 0
    samples = [outcome for outcome in outcomes(directory) if isinstance(outcome, Sample)]
    assert len(samples) == 4
    assert {(sample.build, sample.evidence.gil_enabled) for sample in samples} == {(pair[0], True), (pair[1], False)}
    assert {sample.evidence.throttled_periods for sample in samples} == {0}
    assert {sample.metadata["hostname"] for sample in samples} == {"gilometer"}
    assert no_container_is_left()


def test_the_samples_load_in_pyperf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair) -> None:
    toys(tmp_path, monkeypatch, "good")
    _, directory = bench(results, pair)
    files = [str(directory / "pyperf" / f"{build}.json") for build in pair]
    compared = subprocess.run(
        [sys.executable, "-m", "pyperf", "compare_to", "--table", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert compared.returncode == 0, compared.stderr
    assert "toy/good" in compared.stdout


@pytest.mark.parametrize(
    ("toy", "reason", "said"),
    [
        ("wrong", Reason.WRONG_ANSWER, "expected 4, got 5"),
        ("raises", Reason.CRASHED, "a toy that divides by zero"),
        ("killed", Reason.KILLED, "SIGKILL"),
        ("leaks_busy_threads", Reason.STRAY, "its threads did not wait"),
        ("leaks_idle_threads", Reason.STRAY, "leaks threads: "),
        ("leaves_a_process", Reason.STRAY, "left running: 1"),
        ("forks", Reason.STRAY, "a process that the workload forked came back"),
        ("fills", Reason.CRASHED, "No space left on device"),
        ("endless", Reason.TIMED_OUT, "silent for 5 s"),
        ("busy", Reason.TIMED_OUT, "silent for 5 s"),
    ],
)
def test_a_worker_that_ends_badly_is_recorded_and_the_rest_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, toy: str, reason: Reason, said: str, pair: Pair
) -> None:
    toys(tmp_path, monkeypatch, toy, "good")
    status, directory = bench(results, pair, timeout=5 if reason is Reason.TIMED_OUT else 60)
    assert status == 4
    found = failures(directory)
    assert {failure.case for failure in found} == {f"toy/{toy} threads=1 cpus={_all_cpus()}"}
    assert {failure.reason for failure in found} == {reason}
    assert all(said in failure.message for failure in found)
    assert len(found) == 4
    assert len(outcomes(directory)) == 8, "the other workload is complete"
    assert str(reason) in page(directory)
    assert said.split("'")[0] in page(directory)
    assert no_container_is_left()


def test_an_extension_that_turns_the_gil_on_is_no_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair_includes: Path, pair: Pair
) -> None:
    required(shutil.which("gcc"), "gcc")
    folder = toys(tmp_path, monkeypatch, "good")
    source = tmp_path / "old.c"
    source.write_text(
        "#include <Python.h>\n"
        'static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "old", NULL, -1, NULL};\n'
        "PyMODINIT_FUNC PyInit_old(void) { return PyModule_Create(&definition); }\n"
    )
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f"-I{pair_includes}", str(source), "-o", str(folder / "toy" / "old.so")], check=True
    )
    script = folder / "toy" / "good.py"
    importing = (
        "import importlib.machinery, importlib.util, sys, sysconfig\n"
        'if sysconfig.get_config_var("Py_GIL_DISABLED"):\n'
        '    loader = importlib.machinery.ExtensionFileLoader("old", __file__.replace("good.py", "old.so"))\n'
        '    importlib.util.module_from_spec(importlib.util.spec_from_loader("old", loader))\n'
    )
    script.write_text(script.read_text().replace("import pyperf\n", f"import pyperf\n{importing}"))
    status, directory = bench(results, pair)
    assert status == 4
    assert {(failure.build, failure.reason) for failure in failures(directory)} == {(pair[1], Reason.GIL_ENABLED)}
    assert all("module old turned the GIL back on" in failure.message for failure in failures(directory))
    assert len(outcomes(directory)) - len(failures(directory)) == 2, "the GIL build's samples are good"
    assert "turned the GIL back on" in page(directory)


@pytest.mark.skipif(
    (os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()) == 1, reason="1 CPU"
)
def test_a_container_whose_cpu_set_is_not_as_planned_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, pair: Pair
) -> None:
    toys(tmp_path, monkeypatch, "good", threaded=True)
    stop = threading.Event()
    thief = threading.Thread(target=_take_cpus_away, args=(stop,))
    thief.start()
    try:
        status, directory = bench(results, pair, cores="2", threads="2")
    finally:
        stop.set()
        thief.join()
    assert status == 4
    assert {failure.reason for failure in failures(directory)} == {Reason.WRONG_CPUS}
    assert all("was allowed CPUs 0" in failure.message for failure in failures(directory))
    assert "was allowed CPUs 0" in page(directory)


def _take_cpus_away(stop: threading.Event) -> None:
    with contextlib.closing(docker.from_env()) as client:
        while not stop.is_set():
            for container in client.containers.list(filters={"label": "org.gilometer.worker"}):
                if container.attrs["HostConfig"]["CpusetCpus"] != "0":
                    with contextlib.suppress(docker.errors.APIError):  # it may be gone by now
                        container.update(cpuset_cpus="0")
            time.sleep(0.05)


def test_a_stopped_engine_is_recorded_and_the_run_goes_on_when_it_is_back(
    tmp_path: Path, results: Path, own_engine: OwnEngine, pair: Pair
) -> None:
    folder = write_toys(tmp_path / "workloads", "good")
    process = start_bench(results, folder, pair, 12, DOCKER_HOST=own_engine.url)
    own_engine.stop_when_a_block_is_recorded(results)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 4, said
    (directory,) = results.iterdir()
    assert {failure.reason for failure in failures(directory)} <= {Reason.ENGINE, Reason.KILLED}
    lost = [failure.message for failure in failures(directory) if failure.reason is Reason.ENGINE]
    assert lost
    last = [line for line in store.load_journal(directory) if isinstance(line, BlockRecord)][-1]
    assert last.index == 11
    assert all(isinstance(outcome, Sample) for outcome in last.outcomes), "the engine is back"
    assert lost[0] in html.unescape(page(directory))


class OwnEngine:
    """A second engine, for this test to stop and start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        folder = self._folder
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("unshare", "--net", "dockerd"),  # in its own network: --bridge=none deletes docker0
                    f"--host={self.url}",
                    f"--data-root={folder}/data",
                    f"--exec-root={folder}/exec",
                    f"--pidfile={folder}/pid",
                    "--bridge=none",
                    "--iptables=false",
                    "--ip6tables=false",
                ],
                stdout=log,
                stderr=log,
            )
        for _ in range(300):
            if subprocess.run(["docker", "-H", self.url, "info"], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError((folder / "log").read_text()[-2000:])

    def stop(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def stop_when_a_block_is_recorded(self, results: Path) -> None:
        deadline = time.monotonic() + 60
        while not any('"type":"block"' in path.read_text() for path in results.glob("*/outcomes.jsonl")):
            assert time.monotonic() < deadline, "no block was recorded"
            time.sleep(0.05)
        self.stop()
        time.sleep(1)
        self.start()


@pytest.fixture
def own_engine(pair_facts: tuple[BuildFacts, ...]) -> Iterator[OwnEngine]:
    import tempfile

    required(os.geteuid() == 0 and shutil.which("dockerd"), "root and dockerd")
    with tempfile.TemporaryDirectory(prefix="gilometer-engine-", ignore_cleanup_errors=True) as name:
        engine = OwnEngine(Path(name))
        engine.start()
        try:
            images = docker.from_env(timeout=300)
            inner = docker.DockerClient(base_url=engine.url, timeout=300)
            bases = images.images.list(name="gilometer/base")
            for image in (*bases, *(images.images.get(facts.image) for facts in pair_facts)):
                inner.images.load(b"".join(image.save(named=bool(image.tags))))
            inner.close()
            images.close()
            yield engine
        finally:
            engine.stop()


def test_a_second_run_waits_or_refuses_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Path, capsys: pytest.CaptureFixture[str], pair: Pair
) -> None:
    from harness import lock
    from harness.errors import HostError
    from harness.progress import Silent

    toys(tmp_path, monkeypatch, "good")
    holder = lock.measuring_lock(wait=True, progress=Silent(), describe="another run")
    with holder, pytest.raises(HostError, match="another run"):
        runs.bench(BenchOptions(builds=",".join(pair), blocks="1", wait=False))
    assert not results.exists()


def _all_cpus() -> str:
    from harness.model import cpu_list

    return cpu_list(tuple(os.sched_getaffinity(0)))
