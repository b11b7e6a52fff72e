"""The workloads as the harness executes them: worker processes of a real interpreter with real pyperf."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import json
import math
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.model import WRONG_ANSWER_STATUS
from tests.answers import ANSWERS

ROOT = Path(__file__).parents[2]
WORKLOADS = ROOT / "workloads"
NAMES = sorted(
    path.relative_to(WORKLOADS).with_suffix("").as_posix()
    for path in WORKLOADS.glob("*/*.py")
    if not path.name.startswith("_") and path.parent.name != "audit"  # those smoke tests are no workloads
)

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")

Write = Callable[[str], Path]


def script(name: str) -> Path:
    return WORKLOADS / f"{name}.py"


def execute(path: Path, *arguments: str, worker: bool = True) -> subprocess.CompletedProcess[str]:
    """One worker process with one warm-up and one value, or pyperf's own manager with one worker."""
    how = ["--worker", "--worker-task=0", "-w", "1"] if worker else ["-p", "1", "-w", "0"]
    command = [sys.executable, "-W", "error", str(path), *how, "-l", "1", "-n", "1", "-q", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def metadata(path: Path) -> dict[str, Any]:
    suite = json.loads(path.read_text())
    values = [value for run in suite["benchmarks"][0]["runs"] for value in run.get("values", ())]
    assert values
    assert all(value > 0 for value in values)
    found: dict[str, Any] = suite["metadata"]
    return found


def block(text: str) -> dict[str, Any]:
    """The inline script metadata, by the regular expression of PEP 723."""
    (content,) = (
        match["content"]
        for match in re.finditer(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$", text)
        if match["type"] == "script"
    )
    return tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in content.splitlines()))


def imports(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports; it must parse as Python 3.11."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 11))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


ABOUT = {name: block(script(name).read_text()) for name in NAMES}
SHARED_OUT = [name for name in NAMES if ABOUT[name]["tool"]["gilometer"].get("strategies")]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a workload into a workloads folder elsewhere, as the container has it."""
    folder = tmp_path / "workloads" / "mine"
    folder.mkdir(parents=True)
    shutil.copy(WORKLOADS / "_parallel.py", folder.parent)

    def write(text: str) -> Path:
        path = folder / "workload.py"
        path.write_text(text)
        return path

    return write


def body(work: str, *, expected: str, combine: str = "sum") -> str:
    """A workload whose parts are the numbers of the threads."""
    head = """\
        import os, sys, time
        from pathlib import Path
        sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
        from _parallel import Scale, run
        """
    return (
        dedent(head)
        + dedent(work)
        + dedent(
            f"""
        if __name__ == "__main__":
            run("mine/workload", sizes={{"quick": Scale(expected={expected}, colour="red")}}, job=lambda colour: colour,
                split=lambda job, count: list(range(count)), work=work, combine={combine})
        """
        )
    )


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of the workloads folder."""
    monkeypatch.syspath_prepend(WORKLOADS)
    monkeypatch.syspath_prepend(WORKLOADS / "scraping")
    return importlib.import_module


# -- the catalogue -----------------------------------------------------------------------------------------------------


def test_the_core_is_what_the_article_measures() -> None:
    assert [name for name in NAMES if ABOUT[name]["tool"]["gilometer"].get("core")] == [
        "mixed/hybrid",
        "numeric/matrix",
        "numeric/sum_squares",
        "pure_python/cpu_bound",
        "pure_python/process_data",
        "pure_python/records",
        "scraping/fetch_parse_lxml",
        "scraping/fetch_parse_stdlib",
    ]


@pytest.mark.parametrize("name", SHARED_OUT)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_answer_is_right_whatever_the_number_of_threads(name: str, threads: int, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    result = execute(
        script(name), "--threads", str(threads), "--strategy", "threads", "--size", "quick", "-o", str(output)
    )
    assert (result.returncode, result.stderr) == (0, "")
    sample = metadata(output)
    strategy = "serial" if threads == 1 else "threads"
    assert (sample["name"], sample["threads"], sample["strategy"]) == (name, threads, strategy)
    assert (sample["size"], sample["split"]) == ("quick", "share")
    assert sample["placement"] == ("inherited" if threads == 1 else "pinned")


@pytest.mark.parametrize(
    "name", [name for name in SHARED_OUT if "asyncio" in ABOUT[name]["tool"]["gilometer"]["strategies"]]
)
@pytest.mark.parametrize("tasks", [2, 5])
def test_the_answer_is_right_whatever_the_number_of_tasks(name: str, tasks: int, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    result = execute(script(name), "--threads", str(tasks), "--strategy", "asyncio", "-o", str(output))
    assert (result.returncode, result.stderr) == (0, "")
    assert metadata(output)["strategy"] == "asyncio"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("start/")])
def test_a_workload_without_a_job_takes_no_options(name: str, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    result = execute(script(name), "-o", str(output))
    assert (result.returncode, result.stderr) == (0, "")
    assert metadata(output)["name"] == name
    assert "unrecognized arguments: --threads" in execute(script(name), "--threads", "1").stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_block_at_the_top_says_what_the_script_is(name: str) -> None:
    text = script(name).read_text()
    assert text.startswith("# /// script\n")
    assert ABOUT[name]["requires-python"] == ">=3.11"
    about = ABOUT[name]["tool"]["gilometer"]
    sized = set() if name.startswith("start/") else {"sized", "full_seconds"}
    assert (
        about.keys() - {"capacity", "core", "published_seconds", "turn_seconds", "strategies", "splits"}
        == {"summary"} | sized
    )
    assert re.fullmatch(r"[^\n]{20,120}\.", about["summary"])
    assert about.get("sized", False) is bool(sized)
    assert len(ast.get_docstring(ast.parse(text)) or "") > 200


@pytest.mark.parametrize("name", NAMES)
def test_a_script_imports_the_packages_it_names_and_nothing_of_the_harness(name: str) -> None:
    path = script(name)
    helpers = {helper.stem: helper for folder in (WORKLOADS, path.parent) for helper in folder.glob("_*.py")}
    modules: set[str] = set()
    left = [path]
    while left:
        found = imports(left.pop()) - modules
        left += [helpers[module] for module in found & helpers.keys()]
        modules |= found
    distributions = importlib.metadata.packages_distributions()
    outside = modules - helpers.keys() - sys.stdlib_module_names
    assert sorted(package for module in outside for package in distributions[module]) == ABOUT[name]["dependencies"]


def threads_after_import(path: Path, **environment: str) -> int:
    """How many threads a process has that has only imported a workload: one, and those of BLAS."""
    code = f"import os, runpy; runpy.run_path({str(path)!r}); print(len(os.listdir('/proc/self/task')))"
    command = [sys.executable, "-c", code]
    folder = {"PYTHONPATH": str(path.parent)}  # as if it were the script
    return int(subprocess.check_output(command, env={**os.environ, **folder, **environment}, text=True))


@pytest.mark.parametrize("name", [name for name in NAMES if "numpy" in ABOUT[name]["dependencies"]])
def test_numpy_gets_one_blas_thread_unless_the_workload_is_about_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in BLAS_THREADS:
        monkeypatch.delenv(variable, raising=False)
    cpus = len(os.sched_getaffinity(0))
    assert threads_after_import(script(name)) == (cpus if name == "numeric/matrix_blas_threads" else 1)


def test_the_workload_about_blas_threads_has_them_where_the_harness_asks_for_one() -> None:
    one = dict.fromkeys(BLAS_THREADS, "1")
    assert threads_after_import(script("numeric/matrix_blas_threads"), **one) == len(os.sched_getaffinity(0))


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """What a script defines; what it changes when it is imported is changed back in the end."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for variable in (*BLAS_THREADS, "OPENBLAS_THREAD_TIMEOUT"):
        monkeypatch.setenv(variable, "1")

    def define(name: str) -> dict[str, Any]:
        monkeypatch.syspath_prepend(script(name).parent)
        return runpy.run_path(str(script(name)))

    return define


@pytest.mark.parametrize("name", ANSWERS)
def test_the_expected_answers_are_found_in_another_way_too(name: str, define: Callable[[str], dict[str, Any]]) -> None:
    workload = define(name)
    for scale in workload["SIZES"].values():
        assert scale.expected == ANSWERS[name](workload, **scale.parameters)


def test_as_many_walks_fall_to_a_barrier_as_theory_says(define: Callable[[str], dict[str, Any]]) -> None:
    """By the reflection principle: P(lowest <= -b) = P(end <= -b) + P(end < -b), within five standard deviations."""
    monte_carlo = define("mixed/monte_carlo")
    steps: int = monte_carlo["STEPS"]

    def at_most(place: int) -> float:
        return 0.5**steps * sum(math.comb(steps, up) for up in range(steps + 1) if 2 * up - steps <= place)

    for scale in monte_carlo["SIZES"].values():
        walks = scale.parameters["scenarios"] // 8 * monte_carlo["WALKS"]
        for barrier, fallen in scale.expected.items():
            share = at_most(-barrier) + at_most(-barrier - 1)
            assert abs(fallen - walks * share) < 5 * math.sqrt(walks * share * (1 - share))


def test_the_expected_answers_follow_from_what_the_workloads_say(
    define: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each computed without the kernel: by closed forms, and from the server's formulas instead of its pages."""

    def squares_below(limit: int) -> int:
        return (limit - 1) * limit * (2 * limit - 1) // 6

    def items(count: int) -> Iterator[int]:
        number = 1
        for _ in range(count):
            number = (1_664_525 * number + 1_013_904_223) % 2**32
            yield number * 2000 // 2**32

    def scales(name: str) -> Any:
        return define(name)["SIZES"].values()

    for scale in scales("pure_python/cpu_bound"):
        assert scale.expected == squares_below(scale.parameters["iterations"])
    for scale in scales("pure_python/process_data"):
        assert scale.expected == sum(map(squares_below, items(scale.parameters["items"])))
    for scale in scales("mixed/hybrid"):
        assert scale.expected == (squares_below(1000) - squares_below(101)) * scale.parameters["numbers"] // 1000
    for scale in scales("numeric/sum_squares"):
        assert scale.expected == scale.parameters["arrays"] * squares_below(1000) * scale.parameters["numbers"] // 1000
    for scale in scales("scraping/_client"):
        pages, products = scale.parameters["pages"], scale.parameters["products"]
        titles = sum(len(f"Fine & useful things, page {number}") for number in range(pages))
        cents = sum(number * 7919 % 250_000 for number in range(pages * products))
        assert scale.expected == (pages, titles, pages * (products + 5), pages * products, cents)
    server = runpy.run_path(str(script("scraping/_server")))
    for scale in scales("scraping/fetch"):
        pages = range(scale.parameters["pages"])
        assert scale.expected == sum(len(server["page"](number, scale.parameters["products"])) for number in pages)
    for scale in scales("io/sleeps"):
        assert scale.expected == scale.parameters["sleeps"] * scale.parameters["sleep_ms"]
    monkeypatch.syspath_prepend(WORKLOADS / "io")
    for scale in scales("io/sockets"):
        assert scale.expected == scale.parameters["messages"]
    for scale in scales("contention/_rows"):
        numbers = 100 * scale.parameters["rows"]
        assert scale.expected == (scale.parameters["rows"], 2 * sum(range(numbers)))
    for scale in scales("contention/object_churn"):
        trees = scale.parameters["trees"]
        assert scale.expected == 9 * sum(range(trees)) + trees * sum(range(8))
    for scale in scales("contention/shared_class_attributes"):
        bookings = scale.parameters["bookings"]
        assert scale.expected == 2 * sum(range(bookings)) + bookings * (2 - 1 - 5)

    kernels = runpy.run_path(str(script("contention/_shared")))
    for name, size, expected in (
        ("LOCK", 1000, lambda n: (n, n, n // 1000 * sum(range(1000)), n // 1000 * squares_below(1000))),
        ("COUNTER", 1, lambda n: (n, n)),
        ("DICT", 1000, lambda n: (n // 1000 * sum(range(1000)), n, n // 1000 * sum(range(1000)))),
        ("QUEUE", 1, lambda n: (sum(range(n)), 0)),
        ("LIST", 100, lambda n: (n, n, n // 100 * sum(range(100)))),
        ("SETTINGS", 1000, lambda n: (100 * n, n // 1000)),
    ):
        for scale in kernels[name].sizes.values():
            assert scale.parameters["steps"] % size == 0
            assert scale.expected == expected(scale.parameters["steps"])


# -- contention --------------------------------------------------------------------------------------------------------

TORN = """\
from pathlib import Path
from threading import Barrier
from _shared import Kernel, Scale, run_own, run_shared

class Torn:
    value = 0

both_have_read = Barrier(2)

def count(torn, steps):
    for _ in steps:
        value = torn.value
        both_have_read.wait(timeout=30)
        torn.value = value + 1
    return len(steps)

RUN("mine/workload", Kernel({"quick": Scale(steps=20, expected=(20, 20))}, Torn, count, lambda torn: (torn.value,)))
"""


@pytest.mark.parametrize(
    ("run", "status", "said"),
    [("run_shared", WRONG_ANSWER_STATUS, "wrong answer: expected (20, 20), got (20, 10)\n"), ("run_own", 0, "")],
)
def test_a_lost_update_is_a_wrong_answer(write: Write, run: str, status: int, said: str) -> None:
    path = write(TORN.replace("RUN", run))
    shutil.copy(WORKLOADS / "contention" / "_shared.py", path.parent)
    result = execute(path, "--threads", "2")
    assert (result.returncode, result.stderr) == (status, said)


LOSSES: dict[str, Callable[[Any], object]] = {
    "LOCK": lambda statistics: setattr(statistics, "squares", statistics.squares - 1),
    "COUNTER": lambda counter: setattr(counter, "value", counter.value - 1),
    "DICT": lambda table: table.popitem(),
    "QUEUE": lambda queue: queue.put(0),
    "LIST": lambda collected: collected.remove(0),
    "SETTINGS": lambda settings: settings.current.update(edition=settings.current["edition"] - 1),
}


@pytest.mark.parametrize("name", LOSSES)
def test_each_kernel_notices_what_its_object_lacks(name: str, contention: Callable[[str], dict[str, Any]]) -> None:
    kernel = contention("_shared")[name]
    scale = kernel.sizes["quick"]
    things = [kernel.make(), kernel.make()]
    steps = range(scale.parameters["steps"])
    parts = [steps[: len(steps) // 3], steps[len(steps) // 3 :]]
    results = [(thing, kernel.use(thing, part)) for thing, part in zip(things, parts, strict=True)]
    assert kernel.answer(results) == scale.expected
    LOSSES[name](things[1])
    assert kernel.answer(results) != scale.expected


def test_rows_that_went_missing_are_noticed_and_the_next_execution_has_all(
    contention: Callable[[str], dict[str, Any]],
) -> None:
    queued = contention("queued")
    desk = queued["job"](rows=3)
    desk.todo.get()
    assert queued["collect"]([queued["process_rows"](desk)] * 2)[0] == 2
    assert queued["collect"]([queued["process_rows"](desk)] * 2)[0] == 3


def test_every_shared_object_has_its_control(contention: Callable[[str], dict[str, Any]]) -> None:
    kernels = {kernel for kernel, value in contention("_shared").items() if type(value).__name__ == "Kernel"}
    runs = re.compile(r"^    (run_shared|run_own)\(\"contention/\w+\", ([A-Z]+)\)$", re.MULTILINE)
    texts = [script(name).read_text() for name in NAMES if name.startswith("contention/")]
    assert sorted(runs.findall("".join(texts))) == [
        (run, kernel) for run in ("run_own", "run_shared") for kernel in sorted(kernels)
    ]


@pytest.fixture
def contention(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """What a file of that category defines."""
    monkeypatch.setattr(sys, "path", [str(WORKLOADS / "contention"), *sys.path])
    return lambda name: runpy.run_path(str(script(f"contention/{name}")))


# -- fresh interpreters ------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(write: Write) -> Callable[[str], Path]:
    """Write a workload that times the import of one module, and says what its own process has imported."""

    def write_fresh(module: str) -> Path:
        path = write(
            f"import sys\nfrom _fresh import run_fresh\nrun_fresh('mine/workload', [{module!r}])\n"
            f"print('imported:', {module!r} in sys.modules)\n"
        )
        shutil.copy(WORKLOADS / "start" / "_fresh.py", path.parent)
        return path

    return write_fresh


def test_the_process_that_times_an_import_has_imported_the_same(fresh: Callable[[str], Path]) -> None:
    result = execute(fresh("colorsys"))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("imported: True\n")


def test_an_interpreter_that_fails_is_an_error_with_its_own_words(fresh: Callable[[str], Path]) -> None:
    path = fresh("beside_the_script")
    path.with_name("beside_the_script.py").touch()  # where the fresh interpreter does not look
    result = execute(path)
    assert result.returncode == 1
    assert "ModuleNotFoundError: No module named 'beside_the_script'" in result.stderr
    assert result.stderr.rstrip().endswith("returned non-zero exit status 1.")


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_wrong_answer_ends_the_worker_with_its_own_status(write: Write, threads: str) -> None:
    result = execute(write(body("def work(part): return 7", expected="20")), "--threads", threads)
    assert result.returncode == WRONG_ANSWER_STATUS
    assert result.stderr == f"wrong answer: expected 20, got {7 * int(threads)}\n"


def test_an_error_in_a_thread_ends_the_worker_at_once_with_its_traceback(write: Write) -> None:
    work = """
        def work(part):
            if part == 1:
                raise LookupError("nothing there")
            time.sleep(300)
        """
    result = execute(write(body(work, expected="None")), "--threads", "3")
    assert result.returncode == 1
    assert 'raise LookupError("nothing there")' in result.stderr
    assert result.stderr.endswith("LookupError: nothing there\n")


def test_an_error_in_the_main_thread_ends_the_worker_with_its_traceback(write: Write) -> None:
    result = execute(write(body("def work(part): return 1 // part", expected="None")))
    assert result.returncode == 1
    assert result.stderr.endswith("ZeroDivisionError: integer division or modulo by zero\n")


CAPABLE = [name for name in NAMES if ABOUT[name]["tool"]["gilometer"].get("capacity")]


@pytest.mark.parametrize("name", CAPABLE)
@pytest.mark.parametrize("threads", [1, 2])
def test_capacity_counts_pieces_whose_answers_are_right(name: str, threads: int, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    ended = execute(script(name), "--measure=capacity", f"--threads={threads}", f"--output={output}")
    assert ended.returncode == 0, ended.stderr
    assert metadata(output)["measure"] == "capacity"


@pytest.mark.parametrize("threads", ["1", "2"])
def test_a_wrong_answer_ends_a_worker_that_counts_pieces(write: Write, threads: str) -> None:
    ended = execute(write(body("def work(part): return 7", expected="20")), "--measure=capacity", "--threads", threads)
    assert ended.returncode == WRONG_ANSWER_STATUS


@pytest.mark.parametrize("threads", ["0", "-1", "two", "1.5"])
def test_a_thread_count_that_makes_no_sense_is_refused(threads: str) -> None:
    result = execute(script("pure_python/cpu_bound"), "--threads", threads)
    assert result.returncode == 2
    assert f"argument --threads: expected a number from 1, got '{threads}'" in result.stderr


def test_a_size_that_the_workload_lacks_is_refused() -> None:
    result = execute(script("pure_python/cpu_bound"), "--size", "huge")
    assert result.returncode == 2
    assert "choose from" in result.stderr


# -- threads -----------------------------------------------------------------------------------------------------------

AFFINITY = "def work(part): return sorted(os.sched_getaffinity(0))"


def affinities(path: Path, *arguments: str) -> list[list[int]]:
    """The CPUs of each thread, then those of the main thread, in the last execution."""
    result = execute(path, *arguments)
    assert result.returncode == 0, result.stderr
    line = [line for line in result.stdout.splitlines() if line.startswith("[[")][-1]
    found: list[list[int]] = json.loads(line)
    return found


@pytest.fixture
def seen(write: Write) -> Path:
    """A workload that prints the affinity of its threads and of its main thread."""
    return write(body(AFFINITY, expected="None", combine="lambda results: print([*results, work(None)])"))


def test_each_thread_of_a_team_has_a_cpu_of_its_own_and_the_process_keeps_all(seen: Path) -> None:
    allowed = os.sched_getaffinity(0)
    *team, main = affinities(seen, "--threads", str(len(allowed)))
    assert main == sorted(allowed)
    if len(allowed) > 1:
        assert sorted(team) == [[cpu] for cpu in sorted(allowed)]


def test_more_threads_than_cpus_go_round(seen: Path) -> None:
    count = len(os.sched_getaffinity(0))
    *team, _ = affinities(seen, "--threads", str(count + 2))
    assert team[count] == team[0]
    assert all(len(cpus) == 1 for cpus in team)


def test_threads_placed_freely_may_use_all_cpus(seen: Path) -> None:
    assert affinities(seen, "--threads", "2", "--placement", "free") == [sorted(os.sched_getaffinity(0))] * 3


def test_a_team_stays_on_the_cpus_that_pyperf_was_given(seen: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    assert affinities(seen, "--threads", "2", "--affinity", str(cpu)) == [[cpu]] * 3


def test_the_threads_of_a_worker_live_as_long_as_it_does(write: Write) -> None:
    work = """
        import threading
        made = set()
        def work(part):
            made.add(threading.get_ident())
        """
    result = execute(write(body(work, expected="2", combine="lambda results: len(made)")), "--threads", "2", "-n", "5")
    assert (result.returncode, result.stderr) == (0, "")


def test_threads_of_a_team_are_at_work_at_the_same_time(write: Write) -> None:
    work = """
        import threading
        meeting = threading.Barrier(3)
        def work(part):
            meeting.wait(timeout=30)
            return 1
        """
    result = execute(write(body(work, expected="3")), "--threads", "3")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_team_takes_every_core_before_the_second_half_of_one(load: Callable[[str], ModuleType]) -> None:
    cores_first = load("_parallel").cores_first
    assert cores_first({0, 1, 2, 3}, lambda cpu: str(cpu // 2)) == [0, 2, 1, 3]
    assert cores_first({0, 1, 2, 3}, lambda cpu: str(cpu % 2)) == [0, 1, 2, 3]
    assert cores_first({5, 4, 1}, lambda cpu: str(cpu // 4)) == [1, 4, 5]


@pytest.mark.parametrize(("length", "count"), [(10, 3), (7, 7), (3, 5), (0, 2), (1_000_001, 16)])
def test_chunks_cover_a_job_once_and_differ_by_one_at_most(
    load: Callable[[str], ModuleType], length: int, count: int
) -> None:
    parts = load("_parallel").chunks(range(length), count)
    assert len(parts) == count
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, length)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


# -- ways of sharing a job ---------------------------------------------------------------------------------------------

EXECUTORS = ["pool", "processes", *(["interpreters"] if sys.version_info >= (3, 14) else [])]


@pytest.mark.parametrize("strategy", EXECUTORS)
def test_each_worker_of_an_executor_has_a_cpu_of_its_own_and_is_there_before_the_first_value(
    write: Write, strategy: str
) -> None:
    work = """
        def work(part):
            time.sleep(0.1)  # long enough for the other workers to take the other parts
            return sorted(os.sched_getaffinity(0))
        """
    path = write(body(work, expected="None", combine="lambda results: print(results)"))
    allowed = sorted(os.sched_getaffinity(0))
    result = execute(path, "--threads", str(len(allowed)), "--strategy", strategy)
    assert result.returncode == 0, result.stderr
    assert [sorted(json.loads(line)) for line in result.stdout.splitlines() if line.startswith("[[")] == [
        [[cpu] for cpu in allowed]
    ] * 2


@pytest.mark.parametrize("strategy", EXECUTORS)
@pytest.mark.parametrize("name", ["pure_python/cpu_bound", "pure_python/records"])
def test_the_answer_is_right_whatever_shares_the_job(name: str, strategy: str, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    result = execute(script(name), "--threads", "3", "--strategy", strategy, "-o", str(output))
    assert (result.returncode, result.stderr) == (0, "")
    assert (metadata(output)["strategy"], metadata(output)["threads"]) == (strategy, 3)


@pytest.mark.parametrize("strategy", EXECUTORS)
def test_an_error_in_a_worker_of_an_executor_ends_the_process_with_its_traceback(write: Write, strategy: str) -> None:
    work = """
        def work(part):
            raise LookupError("nothing there")
        """
    result = execute(write(body(work, expected="None")), "--threads", "2", "--strategy", strategy)
    assert result.returncode == 1
    assert "LookupError: nothing there" in result.stderr


def test_a_process_that_dies_ends_the_worker(write: Write) -> None:
    result = execute(write(body("def work(part): os._exit(3)", expected="None")), "--threads=2", "--strategy=processes")
    assert result.returncode == 1
    assert "BrokenProcessPool" in result.stderr


def test_tasks_of_an_event_loop_wait_together(write: Write) -> None:
    work = """
        import asyncio
        arrived = []
        async def task(part):
            arrived.append(part)
            while len(arrived) % 3:
                await asyncio.sleep(0)
            return 1
        def work(part): return 3
        """
    path = write(body(work, expected="3").replace("work=work", "work=work, task=task"))
    for threads in ("3", "1"):
        result = execute(path, "--threads", threads, "--strategy", "asyncio")
        assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("strategy", ["threads", *EXECUTORS])
def test_each_may_get_a_whole_job_whose_answer_is_checked(write: Write, strategy: str) -> None:
    path = write(body("def work(part): return part + 5", expected="5"))
    arguments = ("--threads", "3", "--strategy", strategy)
    assert execute(path, *arguments, "--split", "whole").returncode == 0
    shared = execute(path, *arguments)
    assert (shared.returncode, shared.stderr) == (WRONG_ANSWER_STATUS, "wrong answer: expected 5, got 18\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--threads=2", "--strategy=serial"), "--strategy serial is one part, not --threads 2"),
        (("--threads=2", "--strategy=asyncio"), "--strategy asyncio: this workload has no coroutine"),
        (("--threads=2", "--strategy=pool", "--measure=capacity"), "--measure capacity counts what threads do"),
        (("--threads=2", "--strategy=fibres"), "choose from"),
    ],
)
def test_a_way_that_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    result = execute(script("pure_python/cpu_bound"), *arguments)
    assert result.returncode == 2
    assert said in result.stderr


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_a_script_executed_by_hand_hands_its_options_to_its_workers(write: Write, tmp_path: Path) -> None:
    output = tmp_path / "run.json"
    path = write(body("def work(part): return 1", expected="3"))
    result = execute(path, "--threads", "3", "--placement", "free", "-o", str(output), worker=False)
    assert result.returncode == 0, result.stderr
    sample = metadata(output)
    assert (sample["threads"], sample["placement"], sample["colour"]) == (3, "free", "red")


def test_the_process_that_starts_workers_makes_no_job(write: Write, tmp_path: Path) -> None:
    made = tmp_path / "made"
    text = body("def work(part): return 1", expected="1").replace("job=lambda colour: colour", "job=job")
    path = write(f"def job(colour):\n    open({str(made)!r}, 'a').write('job\\n')\n" + text)
    assert execute(path, worker=False).returncode == 0
    assert made.read_text() == "job\n"


# -- the servers -------------------------------------------------------------------------------------------------------


OPENED = {
    "scraping": "import _client; urls = _client.open_site(pages=4, products=4, latency_ms=50)",
    "io": "import _echo; urls = [f'http://{_echo.ADDRESS}:{_echo.open_server(latency_ms=50)}']",
}


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that has opened a site of 4 pages, or another server, and prints the URLs."""
    category = getattr(request, "param", "scraping")
    code = f"import sys\n{OPENED[category]}\nprint(*urls, flush=True)\nsys.stdin.read()"
    command = [sys.executable, "-c", code]
    folder = WORKLOADS / category
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def urls_of(client: subprocess.Popen[str]) -> list[str]:
    assert client.stdout is not None
    return client.stdout.readline().split()


def test_the_server_makes_each_answer_wait_for_the_stated_latency(
    load: Callable[[str], ModuleType], client: subprocess.Popen[str]
) -> None:
    urls = urls_of(client)
    start = time.monotonic()
    pages = list(load("_client").fetch(urls))
    assert time.monotonic() - start >= 4 * 0.050
    assert [page.count(b"<article") for page in pages] == [1, 9, 2, 4]
    assert len(set(pages)) == 4


@pytest.mark.parametrize("client", OPENED, indirect=True)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None], ids=["killed", "terminated", "done"])
def test_the_server_ends_with_its_client(client: subprocess.Popen[str], end: signal.Signals | None) -> None:
    port = urlsplit(urls_of(client)[0]).port
    assert listens(port)
    if end is None:
        client.communicate()
        assert client.returncode == 0
        assert not listens(port), "the client did not wait for its server"
    else:
        client.send_signal(end)
    deadline = time.monotonic() + 30
    while listens(port):
        assert time.monotonic() < deadline, "the server outlived its client"
        time.sleep(0.02)


def listens(port: int | None) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
