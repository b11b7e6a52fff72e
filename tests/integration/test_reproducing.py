"""Claims held against real measurements, and a real run made once more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import reproducing, runs, store
from harness.model import BuildFacts
from harness.reproducing import Options
from harness.request import BenchOptions

SOURCE = """
title = "Claims of a test"
author = "a test"
about = "Two claims."
conditions = "any machine"
tolerance = 0.5
because = "It is a test."

[[claims]]
id = "impossible"
says = "Without the GIL a loop is a hundred times as fast."
workload = "pure_python/cpu_bound"
slow = { build = "SERIES" }
fast = { build = "SERIESt" }
ratio = ["100"]

[[claims]]
id = "many"
says = "A thousand threads."
workload = "pure_python/cpu_bound"
slow = { build = "SERIESt" }
fast = { build = "SERIESt", threads = 1000 }
ratio = ["900"]

[[corrections]]
id = "gil"
says = "It asks the wrong way."
because = "There is another one."
instead = "not sys._is_gil_enabled()"
checks = ["not sys._is_gil_enabled()"]
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair_facts: tuple[BuildFacts, ...]) -> None:
    (tmp_path / "published").mkdir()
    text = SOURCE.replace("SERIES", pair_facts[0].build.series)
    (tmp_path / "published/mine.toml").write_text(text)
    monkeypatch.setattr(reproducing, "PUBLISHED", tmp_path / "published")


@pytest.mark.usefixtures("source")
def test_a_claim_is_contradicted_and_one_for_a_larger_machine_is_not_tested(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproducing.reproduce("mine", Options(budget="1s", form="json")) == 0
    found = json.loads(capsys.readouterr().out)
    verdicts = {one["id"]: one["verdict"] for one in found["claims"]}
    assert verdicts == {"impossible": "not reproduced", "many": "not testable here"}
    (impossible, many) = found["claims"]
    assert 0.2 < impossible["measured"]["ratio"] < 5
    assert many["measured"] is None
    assert "it takes 1000 CPUs" in many["why"]
    (run,) = found["runs"]
    assert store.load_run(results / run).command == "./inv reproduce mine --budget 1s"
    assert (results / run / "index.html").exists()

    (kept,) = results.glob("*-reproduce-mine")
    page = (kept / "index.html").read_text()
    assert f'href="../{run}/outcomes.jsonl"' in page
    (kept / "index.html").unlink()
    assert reproducing.find(kept.name) == kept
    reproducing.explain(kept)
    assert (kept / "index.html").read_text() == page
    reproduction, ((made, _),) = store.load_reproduction(kept)
    answers = {build: one["not sys._is_gil_enabled()"] for build, one in reproduction.answers["gil"].items()}
    assert answers == {one.build.name: str(one.free_threaded) for one in made.builds}


@pytest.mark.usefixtures("pair_facts")
def test_a_run_is_made_once_more_and_compared(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = BenchOptions(workloads="pure_python/cpu_bound", threads="1", blocks="2", measures="time", seed="7")
    assert runs.bench(options) == 0
    (first,) = (path for path in results.iterdir() if path.is_dir())
    capsys.readouterr()
    assert reproducing.reproduce(str(first), Options(form="json")) == 0
    found = json.loads(capsys.readouterr().out)
    again = store.load_run(results / found["b"]["run"])
    assert found["a"]["run"] == first.name
    assert again.plan == store.load_run(first).plan
    assert [one.image for one in again.builds] == [one.image for one in store.load_run(first).builds]
    assert found["outcome"] in {"repeated", "undecided", "different"}
    assert [(one["build"], one["against"]) for one in found["ratios"]] == [(again.plan.builds[1], again.plan.builds[0])]
    assert {(one["workload"], one["build"]) for one in found["changes"]} == {
        ("pure_python/cpu_bound", build) for build in again.plan.builds
    }
