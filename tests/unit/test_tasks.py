"""The command line: what is wrong with a request is one line and the right exit status, before anything is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def inv(*arguments: str, cpus: str = "0", folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """`inv` in a folder, on a machine of as many CPUs as `cpus` lists, with no engine to be found."""
    return subprocess.run(
        ["taskset", "--cpu-list", cpus, sys.executable, "-m", "invoke", *arguments],
        cwd=folder,
        env=os.environ | {"DOCKER_HOST": "unix:///nowhere/docker.sock"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_of_no_build_is_refused_before_anybody_waits_and_writes_nothing(tmp_path: Path) -> None:
    ended = inv("--search-root", str(ROOT), "bundle", "--builds", "9.99", folder=tmp_path)
    assert ended.returncode == 2
    assert 'there is no build "9.99"' in ended.stderr
    assert "waiting" not in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cores", "0"), "nearest valid choice is 1"),
        (("--cores", "four"), "did you mean 4?"),
        (("--cores", "2,"), 'did you mean "2"?'),
        (("--threads", "0"), "nearest valid choice is 1"),
        (("--builds", "3.14x"), 'did you mean "3.14'),
        (("--builds", "3.14,"), 'did you mean "3.14"?'),
        (("--workloads", "nosuch"), "there is no workload"),
        (("--workloads", "cpu_bond"), "did you mean"),
        (("--workloads", "cpu_bound,./nosuch.py"), "there is neither a script nor a folder"),
        (("--workloads", "./docs"), "holds no script"),
        (("--profile", "fast"), "--profile"),
        (("--engine", "dokcer"), 'did you mean "docker"?'),
        (("--optimize", "pgo"), 'did you mean "pgo-lto"?'),
        (("--blocks", "0"), "nearest valid choice is 1"),
        (("--blocks", "many"), "not a whole number"),
        (("--budget", "10"), "did you mean 10m?"),
        (("--budget", "0m"), "nearest valid choice is 1s"),
        (("--budget", "soon"), "such as 90s, 10m or 2h"),
        (("--budget", "10m", "--blocks", "3"), "leave one of them out"),
        (("--seed", "x"), "not a whole number"),
        (("--timeout", "0"), "nearest valid choice is 1"),
        (("--resume", "nosuch"), "there is no run"),
        (("--resume", "nosuch", "--blocks", "3"), "leave the other options out"),
        (("--resume", "nosuch", "--dry-run"), "leave the other options out"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_status_2(arguments: tuple[str, ...], said: str) -> None:
    ended = inv("bench", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert ended.stdout == ""


def test_a_new_workload_is_written_where_one_is_and_never_twice(tmp_path: Path) -> None:
    made = inv("--search-root", str(ROOT), "new-workload", "mine", folder=tmp_path)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == "mine.py is a workload.  Measure it: ./inv bench --workloads ./mine.py\n"
    for name, said in (("mine", "mine.py is there already"), ("mi-ne", "no name of a module")):
        refused = inv("--search-root", str(ROOT), "new-workload", name, folder=tmp_path)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tune", "--untune"), "leave one of them out"),
        (("--tune", "--yes", "--json"), "leave one of them out"),
        (("--untune", "--json"), "leave one of them out"),
        (("--yes",), "leave it out"),
        (("--untune", "--yes"), "leave it out"),
    ],
)
def test_a_doctor_who_is_told_two_things_does_neither(arguments: tuple[str, ...], said: str) -> None:
    ended = inv("doctor", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert ended.stdout == ""


def test_tuning_asks_and_without_a_terminal_to_ask_on_changes_nothing() -> None:
    before = Path("/proc/sys/vm/swappiness").read_text()
    ended = inv("doctor", "--tune")
    assert ended.returncode == 3
    assert "there is no terminal to ask on; nothing was changed" in ended.stderr
    assert "inv doctor --tune --yes" in ended.stderr
    assert ended.stdout == ""
    assert Path("/proc/sys/vm/swappiness").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--list", "--facts", "3.14"), "leave one of them out"),
        (("--list", "--builds", "3.14"), "leave out --builds and --optimize"),
        (("--facts", "3.14x"), 'did you mean "3.14'),
        (("--json",), "name one of them"),
    ],
)
def test_a_wrong_question_about_builds_ends_in_exit_status_2(arguments: tuple[str, ...], said: str) -> None:
    ended = inv("build", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--build", "3.14,3.14t"), "is more than one build"),
        (("--build", "3.14x"), 'did you mean "3.14'),
        (("--workloads", "nosuch"), "there is no workload"),
        (("--blocks", "3", "--budget", "2m"), "leave one of them out"),
    ],
)
def test_a_wrong_request_for_overhead_ends_in_exit_status_2(arguments: tuple[str, ...], said: str) -> None:
    ended = inv("overhead", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("more", [(), ("--skip-unavailable",)])
def test_sizes_that_do_not_fit_are_refused_with_exit_status_3(more: tuple[str, ...]) -> None:
    ended = inv("bench", "--cores", "4,16", *more)
    assert ended.returncode == 3
    assert "this machine has 1 CPU, so 4, 16 cannot be had" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_with_skip_unavailable_the_sizes_that_fit_are_planned() -> None:
    ended = inv("bench", "--cores", "1,4", "--skip-unavailable", "--dry-run")
    assert ended.returncode == 0
    assert "cpus=0" in ended.stdout


def test_a_dry_run_prints_the_plan_and_touches_nothing(tmp_path: Path) -> None:
    before = sorted((ROOT / "results").rglob("*")) if (ROOT / "results").exists() else []
    ended = inv("bench", "--dry-run", "--seed", "7", "--builds", "3.14,3.14t", "--workloads", "pure_python/cpu_bound")
    assert ended.returncode == 0
    assert "pure_python/cpu_bound threads=1 cpus=0" in ended.stdout
    assert "seed 7" in ended.stdout
    assert "about" in ended.stdout
    assert (sorted((ROOT / "results").rglob("*")) if (ROOT / "results").exists() else []) == before


def test_a_dry_run_says_how_much_it_is_at_most() -> None:
    arguments = ("bench", "--dry-run", "--builds", "3.14,3.14t", "--workloads", "pure_python/cpu_bound")
    assert "at most 16 blocks in at most about" in inv(*arguments).stdout
    assert "at most" not in inv(*arguments, "--blocks", "3").stdout
    assert "first look" not in inv(*arguments).stdout
    short = inv(*arguments, "--budget", "1s").stdout
    assert "first look at every workload takes about" in short
    assert "more than the 1.0 s that there are" in short


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    arguments = ("bench", "--dry-run", "--builds", "3.14,3.14t", "--workloads", "pure_python/cpu_bound")
    process = subprocess.Popen(
        [sys.executable, "-m", "invoke", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert (process.wait(timeout=60), said) == (141, "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status",), "inv fleet status asks a scheduler: name it with --scheduler"),
        (("status", "--scheduler", "tcp://127.0.0.1:9", "--renew"), "inv fleet status does not take --renew"),
        (("send", "--scheduler", "tcp://127.0.0.1:9"), "inv fleet send carries a bundle: name it with --bundle"),
        (("send", "--bundle", "a.tar", "--json", "--hosts", "a"), "inv fleet send does not take --json, --hosts"),
        (("init", "--folder", "x", "--certificates", "x"), "inv fleet init does not take --certificates"),
        (("sned", "--folder", "x"), 'there is no "sned"; did you mean "send"?'),
    ],
)
def test_a_wrong_request_about_a_fleet_ends_in_exit_status_2(arguments: tuple[str, ...], said: str) -> None:
    ended = inv("fleet", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_a_fleet_is_founded_in_the_folder_that_was_named(tmp_path: Path) -> None:
    ended = inv("fleet", "init", "--folder", str(tmp_path / "mine"), "--hosts", "bench1")
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in (tmp_path / "mine").iterdir()} >= {"fleet.toml", "hosts", "scheduler"}


def test_every_task_has_help_with_an_example() -> None:
    listed = inv("--list")
    assert listed.returncode == 0
    tasks = [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert {"quickstart", "setup", "doctor", "build", "bench", "overhead", "report", "test", "lint"} <= set(tasks)
    for task in tasks:
        assert "Example: inv" in inv("--help", task).stdout, task


def test_listing_the_tasks_imports_nothing_heavy() -> None:
    program = (
        "import sys, tasks\n"
        "heavy = {'pandas', 'docker', 'numpy', 'scipy', 'altair', 'jinja2', 'pyperf', 'rich', 'msgspec'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    assert ended.returncode == 0
