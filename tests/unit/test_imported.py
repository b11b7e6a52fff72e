"""Two files of pyperf side by side: processes count, and nothing in the files is trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyperf
import pytest
from scipy import stats as scipy_stats

from harness import archive, stats
from harness.errors import RequestError
from harness.stats import Verdict
from reports import imported, imported_page
from reports.imported import Imported

HOSTILE = "</td><script>alert(1)</script>{{ 7 * 7 }}"


def suite(path: Path, means: Mapping[str, float], *, seed: int, processes: int = 20, **metadata: str | float) -> Path:
    """A file as pyperf writes it: a calibration, and processes that differ by 2 %, of three values each."""
    rng = np.random.default_rng(seed)
    benchmarks = []
    for name, mean in means.items():
        known = {"name": name, "unit": "second", "loops": 4} | metadata
        runs = [pyperf.Run([], warmups=[(4, mean)], metadata=known, collect_metadata=False)]
        for _ in range(processes):
            values = mean * np.exp(rng.normal(0, 0.02)) * np.exp(rng.normal(0, 0.01, 3))
            runs.append(pyperf.Run(values.tolist(), metadata=known, collect_metadata=False))
        benchmarks.append(pyperf.Benchmark(runs))
    pyperf.BenchmarkSuite(benchmarks).dump(str(path), replace=True)
    return path


BEFORE = {"nbody": 0.1, "json_loads": 2e-5, "pickle": 1e-5, HOSTILE: 0.3}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The second one is 10 % slower in one benchmark, lacks one, and has another one."""
    after = {"nbody": 0.11, "json_loads": 2e-5, HOSTILE: 0.3, "richards": 0.05}
    return (
        suite(tmp_path / "before.json", BEFORE, seed=1, python_version="3.14.6"),
        suite(tmp_path / "after.json", after, seed=2, python_version="3.15.0a2", load_avg_1min=0.3),
    )


@pytest.fixture
def found(files: tuple[Path, Path]) -> Imported:
    return imported.compare(*files)


def test_what_changed_is_found_and_processes_count_instead_of_values(found: Imported) -> None:
    assert [(one.name, one.verdict) for one in found.changes] == [
        ("nbody", Verdict.SLOWER),
        ("json_loads", Verdict.SAME),
        (HOSTILE, Verdict.SAME),
    ]
    (slower,) = found.of(Verdict.SLOWER)
    assert slower.processes == (20, 20), "not the one that only calibrates"
    assert slower.judgement.low < 1.1 < slower.judgement.high
    assert found.mean.effect.ratio == pytest.approx(1.1 ** (1 / 3), rel=0.01)
    assert found.absent == (("pickle", "only in before.json"), ("richards", "only in after.json"))
    assert found.unlike == (("python_version", "3.14.6", "3.15.0a2"),)


def test_the_page_and_the_terminal_say_every_figure_and_nothing_else_is_markup(found: Imported) -> None:
    html, text = imported_page.render(found), imported_page.text(found)

    assert html == imported_page.render(found)
    assert html.count("<script>") == 1
    assert "&lt;script&gt;" in html
    assert "49" not in html.partition("<main>")[2].partition("Benchmarks")[0]
    for one in found.changes:
        assert f"{one.judgement.effect.ratio:.3f}" in html
        assert f"{one.judgement.effect.ratio:.3f}" in text
    assert "after.json is 3" in text
    assert "3.15.0a2" in html


def test_the_verb_writes_a_page(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = map(str, files)
    archive.import_(before, after, out=str(tmp_path / "page.html"))

    assert "nbody" in (tmp_path / "page.html").read_text()
    assert "not measured together" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), ("{}", "is no file of pyperf"), ("no json", "is no file of pyperf"), ("", "no file of")],
)
def test_what_is_no_file_of_pyperf_is_refused(
    files: tuple[Path, Path], tmp_path: Path, content: str | None, said: str
) -> None:
    wrong = tmp_path / "wrong.json"
    if content is not None:
        wrong.write_text(content)

    with pytest.raises(RequestError, match=said):
        archive.import_(str(files[0]), str(wrong), out=str(tmp_path / "page.html"))

    assert not (tmp_path / "page.html").exists()


def test_files_without_a_common_benchmark_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = suite(tmp_path / "other.json", {"float": 0.1}, seed=3)
    with pytest.raises(RequestError, match="no benchmark in common"):
        imported.compare(files[0], other)


def test_the_mean_of_independent_effects_covers_in_95_percent_of_runs() -> None:
    rng = np.random.default_rng(41)
    runs, covered = 400, 0
    for _ in range(runs):
        effects = [
            stats.unpaired(rng.normal(0, sd, 10), rng.normal(math.log(1.03), sd, 12)) for sd in (0.01, 0.02, 0.05, 0.02)
        ]
        found = stats.unpaired_mean(effects)
        covered += found.low <= 1.03 <= found.high
    assert scipy_stats.binomtest(covered, runs, 0.95).pvalue > 0.01


def test_a_mean_needs_effects_and_one_is_itself() -> None:
    one = stats.unpaired([0.0, 0.1, 0.05], [0.2, 0.3, 0.25])
    assert stats.unpaired_mean([one]) is one
    assert math.isnan(stats.unpaired_mean([one, stats.unpaired([0.0], [0.1])]).low)
    with pytest.raises(ValueError, match="needs effects"):
        stats.unpaired_mean([])
