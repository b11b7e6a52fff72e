"""Anybody's script is a workload without change: found by its path, with what it needs of what lies beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import scripts, specs
from harness.errors import RequestError
from harness.model import Strategy, Workload
from harness.workbench import workbench
from tests.toys import write_toys

PLAIN = "import pyperf\npyperf.Runner().bench_func('x', len, ())\n"
THREADED = "from gilometer import bench\nbench(len, ['x'])\n"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file of a project, which is also where we are."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")

    def write(name: str, text: str = PLAIN) -> Path:
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def chosen(names: str, known: tuple[Workload, ...] = ()) -> list[Workload]:
    return list(specs.select_workloads(names, known))


def names_of(text: str) -> list[str]:
    return [workload.name for workload in chosen(text)]


# -- what is named -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["mine.py", "./mine.py", "../project/mine.py", "{folder}/mine.py"])
def test_a_script_is_named_by_its_path(write: Write, text: str) -> None:
    path = write("mine.py")
    (workload,) = chosen(text.format(folder=path.parent))
    assert (workload.name, workload.source, workload.path) == ("project/mine", str(path), "project/mine/mine.py")
    assert (workload.strategies, workload.dependencies, workload.requirements) == ((), (), "")


def test_paths_and_names_mix(write: Write, tmp_path: Path) -> None:
    known = specs.load_workloads(write_toys(tmp_path / "workloads", "good", "wrong"))
    write("mine.py")
    write("others/one.py")
    write("others/two.py")
    names = [workload.name for workload in chosen("good,./mine.py,others", known)]
    assert names == ["toy/good", "project/mine", "others/one", "others/two"]


def test_of_a_folder_the_scripts_are_workloads_and_their_modules_are_not(write: Write) -> None:
    write("several/one.py", "from common import work\nimport pyperf\n")
    write("several/two.py", "import common\n")
    write("several/common.py", "import pyperf\nimport helper\n")
    write("several/helper.py", "import json\n")
    write("several/_private.py")
    write("several/conftest.py", "import pytest\n")
    write("several/readme.txt", "import pyperf\n")
    assert names_of("./several") == ["several/one", "several/two"]


def test_our_own_names_come_first_and_a_path_says_so(write: Write, tmp_path: Path) -> None:
    known = specs.load_workloads(write_toys(tmp_path / "workloads", "good"))
    write("toy/other.py")
    assert [workload.name for workload in chosen("toy", known)] == ["toy/good"]
    assert [workload.name for workload in chosen("./toy", known)] == ["toy/other"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("./nosuch.py", "there is neither a script nor a folder"),
        ("nosuch.py", "there is neither a script nor a folder"),
        ("~/no/such/folder", "there is neither a script nor a folder"),
        ("./empty", "no .py file in it imports pyperf or gilometer"),
        ("./notes.txt", "is no Python script"),
        ("./" + "x" * 5000, "is no path: "),
        ("x" * 5000, "is no path: "),
        ("~nobody-of-that-name/mine.py", "is no path: "),
        ("./mine.py,./other/project/mine.py", "would be project/mine, which is the name of"),
        ("./toy/good.py", "would be toy/good, which is the name of one of Gilometer's own"),
        ("toy/god", 'did you mean "toy/good"'),
        ("mine", 'there is no workload "mine"'),
    ],
)
def test_what_is_no_script_is_refused(write: Write, tmp_path: Path, text: str, said: str) -> None:
    known = specs.load_workloads(write_toys(tmp_path / "workloads", "good"))
    for name in ("mine.py", "other/project/mine.py", "toy/good.py", "empty/conftest.py", "notes.txt"):
        write(name, "" if name.startswith(("empty", "notes")) else PLAIN)
    with pytest.raises(RequestError) as caught:
        chosen(text, known)
    assert caught.value.message.startswith("--workloads: ")
    assert said in caught.value.message


def test_the_same_script_twice_is_one_workload(write: Write) -> None:
    write("mine.py")
    assert names_of("mine.py,./mine.py,.") == ["project/mine"]


# -- entry points ------------------------------------------------------------------------------------------------------


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed distribution that brings workloads: a package of scripts, a module that is one, and a mistake.

    Importing any of it is an error.
    """
    site = tmp_path / "site"
    for name in ("acme/__init__.py", "acme/benchmarks/__init__.py", "acme/benchmarks/sort.py", "acme_parse.py"):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(f"import pyperf\nraise RuntimeError('{name} was imported')\n")
    info = site / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[gilometer.workloads]\nacme = acme.benchmarks\nparsing = acme_parse\ngone = acme.nosuch\ncall = acme:main\n"
    )
    monkeypatch.syspath_prepend(site)
    return site


@pytest.mark.parametrize(
    ("text", "name", "file"),
    [
        ("acme", "acme/sort", "acme/benchmarks/sort.py"),
        ("acme/sort", "acme/sort", "acme/benchmarks/sort.py"),
        ("parsing", "parsing/acme_parse", "acme_parse.py"),
    ],
)
def test_a_distribution_brings_workloads_by_an_entry_point(distribution: Path, text: str, name: str, file: str) -> None:
    (workload,) = chosen(text)
    assert (workload.name, workload.source) == (name, str(distribution / file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gone", 'entry point "gone" of acme names "acme.nosuch", which is neither a package nor a module'),
        ("call", 'names "acme:main", which is neither'),
        ("acme/sotr", 'there is no workload "acme/sotr"'),
        ("amce", 'did you mean "acme"'),
    ],
)
@pytest.mark.usefixtures("distribution")
def test_an_entry_point_that_leads_nowhere_is_refused(text: str, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        chosen(text)
    assert said in caught.value.message


# -- what comes along --------------------------------------------------------------------------------------------------


def beside(workload: Workload) -> set[str]:
    script = scripts.again(workload)
    return {file.relative_to(script.root).as_posix() for file in script.files}


def test_the_modules_that_a_script_imports_come_along_and_nothing_else(write: Write) -> None:
    write("mine.py", "import pyperf, first\nfrom package.sub import x as y\n")
    write("first.py", "def f():\n    import second  # only now\n")
    write("second.py", "from . import nothing\nimport first\n")
    write("package/__init__.py", "import third\n")
    write("package/sub/deep.py", "")
    write("package/data.json", "{}")
    write("package/__pycache__/deep.pyc", "")
    write("third.py", "")
    write("unrelated.py", "")
    write("secret.txt", "")
    (workload,) = chosen("mine.py")
    assert beside(workload) == {
        "mine.py",
        "first.py",
        "second.py",
        "third.py",
        "package/__init__.py",
        "package/sub/deep.py",
        "package/data.json",
    }


def test_syntax_that_is_newer_than_this_interpreter_does_not_matter(write: Write) -> None:
    write("mine.py", "import pyperf, first\ntry: pass\nexcept A, B: x = t'{1}'\n")
    write("first.py", "type X[T] = list[T]\n")
    (workload,) = chosen("mine.py")
    assert beside(workload) == {"mine.py", "first.py"}


FILES = """\
# /// script
# dependencies = ["PyPerf", "typing_extensions>=4"]
# [tool.gilometer]
# summary = "Reads what lies elsewhere."
# files = ["data", "../src/acme"]
# ///
import pyperf
"""


def test_files_that_a_script_names_are_where_they_are_for_its_author(write: Write, tmp_path: Path) -> None:
    write("benchmarks/mine.py", FILES)
    write("benchmarks/data/deep/numbers.csv", "1,2\n")
    write("benchmarks/data/.hidden/x", "")
    write("src/acme/__init__.py", "")
    (workload,) = chosen("benchmarks/mine.py")
    assert workload.path == "benchmarks/mine/benchmarks/mine.py"
    assert workload.summary == "Reads what lies elsewhere."
    assert workload.dependencies == ("pyperf", "typing-extensions")
    with workbench(tmp_path / "project", [workload]) as bench:
        script = bench.tools / "workloads" / workload.path
        assert script.read_text() == FILES
        assert (script.parent / "data/deep/numbers.csv").read_text() == "1,2\n"
        assert (script.parents[1] / "src/acme/__init__.py").exists()
        assert not (script.parent / "data/.hidden").exists()


def test_a_file_that_is_named_and_not_there_is_refused(write: Write) -> None:
    path = write("mine.py", FILES)
    with pytest.raises(RequestError) as caught:
        chosen("mine.py")
    assert caught.value.message == f"{path}: files: there is no data beside it"


def test_whatever_a_script_executes_is_in_its_hash(write: Write) -> None:
    write("mine.py", "import pyperf, helper\n")
    write("helper.py", "x = 1\n")
    write("other.py", "x = 1\n")
    (before,) = chosen("mine.py")
    write("other.py", "x = 2\n")
    assert scripts.hash_now(before) == before.sha256
    write("helper.py", "x = 2\n")
    assert scripts.hash_now(before) not in ("gone", before.sha256)
    Path("mine.py").unlink()
    assert scripts.hash_now(before) == "gone"


def test_gilometers_library_is_in_the_hash_of_the_scripts_that_use_it(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("plain.py", PLAIN)
    write("mine.py", THREADED)
    before = chosen("plain.py,mine.py")
    changed = tmp_path / "gilometer.py"
    changed.write_text("another one\n")
    monkeypatch.setattr(scripts, "LIBRARY", (changed, *scripts.LIBRARY[1:]))
    assert [scripts.hash_now(one) == one.sha256 for one in before] == [True, False]


def test_a_script_that_uses_gilometers_library_can_be_shared_out_unless_it_says_otherwise(write: Write) -> None:
    write("mine.py", THREADED)
    write("serial.py", f"# /// script\n# [tool.gilometer]\n# strategies = []\n# ///\n{THREADED}")
    (mine, serial) = chosen("mine.py,serial.py")
    assert mine.strategies == (Strategy.THREADS, Strategy.POOL, Strategy.PROCESSES, Strategy.INTERPRETERS)
    assert serial.strategies == ()


def test_a_workbench_holds_the_scripts_and_what_they_may_import(write: Write, tmp_path: Path) -> None:
    write("mine.py", THREADED)
    known = write_toys(tmp_path / "workloads", "good")
    with workbench(known, chosen("good,mine.py", specs.load_workloads(known))) as bench:
        copied = {path.relative_to(bench.tools).as_posix() for path in bench.tools.rglob("*.py")}
    assert {
        "workloads/toy/good.py",
        "workloads/project/mine/mine.py",
        "hook/gilometer.py",
        "hook/_parallel.py",
    } <= copied


# -- what it requires --------------------------------------------------------------------------------------------------

LOCK = f"six==1.17.0 --hash=sha256:{'0' * 64}\n"


@pytest.mark.parametrize("name", ["mine.requirements.txt", "requirements.txt"])
def test_a_lock_file_beside_a_script_is_its_own(write: Write, name: str) -> None:
    write("mine.py")
    write(name, LOCK)
    (workload,) = chosen("mine.py")
    (lock,) = scripts.locks([workload, workload])
    assert workload.requirements == lock.sha256
    assert lock.text == LOCK


def test_a_lock_of_a_scripts_own_is_taken_instead_of_the_folders(write: Write) -> None:
    write("mine.py")
    write("other.py")
    write("requirements.txt", LOCK)
    write("mine.requirements.txt", "# nothing\n")
    (mine, other) = chosen("mine.py,other.py")
    assert mine.requirements == ""
    assert len(scripts.locks([mine, other])) == 1
    assert other.requirements


def test_requirements_that_are_not_locked_are_refused_before_anything_is_touched(write: Write) -> None:
    write("mine.py")
    path = write("requirements.txt", "six>=1\n")
    with pytest.raises(RequestError) as caught:
        chosen("mine.py")
    assert caught.value.message.startswith(f"{path}, line 1: ")
    assert "uv pip compile --universal --generate-hashes" in caught.value.hint
