"""`inv compare` on two real runs: what was slowed down between them is named, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness import comparing, runs
from harness.errors import RegressionError
from harness.request import BenchOptions
from tests.toys import write_toys

BLOCKS = 20
"""Processes that show 20 % against the gauge loops around their turns, on a noisy machine."""


def bench(results: Path, pair: tuple[str, str]) -> str:
    """The name of a new run."""
    before = set(results.iterdir()) if results.exists() else set()
    assert runs.bench(BenchOptions(builds=",".join(pair), blocks=str(BLOCKS), seed="1", threads="1")) == 0
    (made,) = set(results.iterdir()) - before
    return made.name


def test_a_workload_that_was_slowed_down_is_named_and_no_other(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    results: Path,
    pair: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_toys(tmp_path / "workloads", "good", "hungry")
    monkeypatch.setattr(runs, "WORKLOADS", folder)
    before = bench(results, pair)
    script = folder / "toy" / "good.py"
    slowed, times = re.subn(r"range\(2000\)", "range(2400)", script.read_text())
    assert times == 1
    script.write_text(slowed)
    after = bench(results, pair)

    comparing.compare(after, after, gate="5%")
    assert "unchanged" in capsys.readouterr().out

    with pytest.raises(RegressionError) as raised:
        comparing.compare(before, after, gate="5%")
    assert raised.value.status == 5
    named = str(raised.value).splitlines()[1:]
    assert named
    assert all("toy/good" in line for line in named)
    assert "Not the same script in both runs: toy/good." in capsys.readouterr().out
