"""What a user types is read strictly, and an error names what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import specs
from harness.errors import RequestError
from tests.toys import write_toys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0", "nearest valid choice is 1"),
        ("-3", "nearest valid choice is 1"),
        ("four", "did you mean 4?"),
        ("many", "did you mean 2?"),
        ("2,", 'did you mean "2"?'),
        (",", "empty item"),
        ("1,,2", 'did you mean "1,2"?'),
        ("2.5", "not a whole number"),
    ],
)
def test_a_wrong_count_is_one_line_with_the_nearest_choice(text: str, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        specs.counts("--cores", text, available=2)
    assert said in str(caught.value)
    assert str(caught.value).startswith("--cores: ")
    assert "\n" not in str(caught.value)


def test_counts_keep_their_order_and_lose_repeats() -> None:
    assert specs.counts("--cores", "4, 1,4", available=2) == (4, 1)


def test_workloads_are_named_by_category_full_or_bare_name(tmp_path: Path) -> None:
    workloads = specs.load_workloads(write_toys(tmp_path, "good", "wrong"))
    assert [w.name for w in specs.select_workloads(None, workloads)] == ["toy/good", "toy/wrong"]
    assert [w.name for w in specs.select_workloads("toy", workloads)] == ["toy/good", "toy/wrong"]
    assert [w.name for w in specs.select_workloads("wrong,toy/good", workloads)] == ["toy/wrong", "toy/good"]


def test_where_no_workload_is_core_all_are_measured(tmp_path: Path) -> None:
    folder = write_toys(tmp_path, "good", "wrong")
    good = folder / "toy" / "good.py"
    good.write_text(good.read_text().replace("core = true", "core = false"))
    assert [w.name for w in specs.select_workloads(None, specs.load_workloads(folder))] == ["toy/wrong"]
    (folder / "toy" / "wrong.py").unlink()
    assert [w.name for w in specs.select_workloads(None, specs.load_workloads(folder))] == ["toy/good"]


def test_a_misspelt_workload_is_refused_with_the_nearest(tmp_path: Path) -> None:
    workloads = specs.load_workloads(write_toys(tmp_path, "good", "wrong"))
    with pytest.raises(RequestError, match='did you mean "toy/good"'):
        specs.select_workloads("toy/god", workloads)


def test_a_script_without_a_block_is_a_workload(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "plain.py").write_text("import pyperf\n")
    (workload,) = specs.load_workloads(tmp_path)
    assert (workload.name, workload.strategies, workload.dependencies) == ("mine/plain", (), ())


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("# /// script\n# dependencies = [\n# ///\n", "not TOML"),
        ("# /// script\n# [tool.gilometer]\n# stratgies = []\n# ///\n", "stratgies"),
        ('# /// script\n# [tool.gilometer]\n# strategies = ["fork"]\n# ///\n', "fork"),
        ("# /// script\n# [tool.gilometer]\n# turn_seconds = -0.08\n# ///\n", "turn_seconds"),
    ],
)
def test_a_wrong_block_is_an_error_that_names_file_and_fault(tmp_path: Path, block: str, said: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bad.py").write_text(block)
    with pytest.raises(RequestError) as caught:
        specs.load_workloads(tmp_path)
    assert "bad.py" in str(caught.value)
    assert said in str(caught.value)


def test_a_changed_helper_changes_the_hash_of_its_workloads(tmp_path: Path) -> None:
    write_toys(tmp_path, "good")
    (tmp_path / "_shared.py").write_text("x = 1\n")
    (before,) = specs.load_workloads(tmp_path)
    (tmp_path / "_shared.py").write_text("x = 2\n")
    (after,) = specs.load_workloads(tmp_path)
    assert before.sha256 != after.sha256


def test_dependencies_are_names_without_versions(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.py").write_text('# /// script\n# dependencies = ["NumPy>=2", "lxml[html]==6"]\n# ///\n')
    (workload,) = specs.load_workloads(tmp_path)
    assert workload.dependencies == ("numpy", "lxml")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("0090s", 90)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert specs.duration("--budget", text) == seconds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10", "did you mean 10m"),
        ("10min", "did you mean 10m"),
        ("90 seconds", "did you mean 90s"),
        ("120 s", "did you mean 2m"),
        ("1.5h", "did you mean 90m"),
        ("2H", "did you mean 2h"),
        ("0s", "nearest valid choice is 1s"),
        ("-5m", "nearest valid choice is 1s"),
        ("", "such as 90s, 10m or 2h"),
        ("1h30m", "such as 90s, 10m or 2h"),
        ("9" * 5000 + "s", "such as 90s, 10m or 2h"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_was_meant(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        specs.duration("--budget", text)
