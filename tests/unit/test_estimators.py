"""benchmarks/estimators.py: what it reads, and what it says of recordings whose truth is known."""

from __future__ import annotations

import math
import sys
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import estimators, false_alarms
from benchmarks._laboratory import Measured, PyperfVerdict, Suite
from benchmarks.estimators import CENTRES, ESTIMATES, Recording
from harness import store
from harness.errors import RequestError
from harness.journal import BlockRecord, Disturbance
from tests import made_up

RNG = np.random.default_rng(11)
BUILDS = (made_up.build("3.14t"), made_up.build("3.14t#2"))


def recording(noise: np.ndarray, name: str = "toy/one") -> Recording:
    """A recording whose pairs have the log ratios `noise`, blocks x turns."""
    speed = np.exp(RNG.normal(0, 0.3, noise.shape)) * 0.02
    return Recording(workload=name, a=speed.tolist(), b=(speed * np.exp(noise)).tolist())


def cells(row: list[str]) -> dict[str, float]:
    """The first number of each estimate's cell."""
    return {name: float(cell.split()[0]) for name, cell in zip(ESTIMATES, row[-len(ESTIMATES) :], strict=True)}


def test_every_estimate_finds_a_ratio_that_all_pairs_have() -> None:
    a, b = recording(np.full((3, 8), 0.1)).logs()
    found = {name: estimate(a, b) for name, estimate in ESTIMATES.items()}
    assert all(d == pytest.approx([0.1, 0.1, 0.1]) for d in found.values())


def test_pairs_cancel_a_change_of_speed_that_the_sides_own_medians_keep() -> None:
    a = np.log([[1.0, 1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0, 2.0]])
    b = a + np.array([0.1, 0.0, 0.1, 0.1, 0.2])
    assert ESTIMATES["median of pairs"](a, b) == pytest.approx([0.1, 0.1])
    assert ESTIMATES["mean"](a, b) == pytest.approx([0.1, 0.1])
    assert ESTIMATES["20 % trimmed mean"](a, b) == pytest.approx([0.1, 0.1])
    assert ESTIMATES["Hodges-Lehmann"](a, b) == pytest.approx([0.1, 0.1])
    assert ESTIMATES["ratio of minima"](a, b) == pytest.approx([0.0, 0.0])


def test_the_level_of_the_sign_test_is_the_share_of_sign_patterns() -> None:
    d = np.sort(RNG.normal(size=7))
    for k in range(3):
        few = sum(1 for size in range(k + 1) for _ in combinations(range(7), size))
        assert estimators.signs(d).interval(2 * few / 2**7) == pytest.approx((d[k], d[-1 - k]))


def test_normal_noise_makes_the_mean_the_tightest_and_heavy_tails_the_median() -> None:
    normal, heavy = RNG.normal(0, 0.02, (400, 8)), 0.02 * RNG.standard_t(1, (400, 8)).clip(-50, 50)
    for noise, best, worst in ((normal, "mean", "ratio of minima"), (heavy, "median of pairs", "mean")):
        cases = [(f"toy/{n}", *recording(noise[n::2]).logs()) for n in range(2)]
        *_, plain, _ = estimators.spreads(cases)
        ratios = cells(list(plain))
        assert ratios["median of pairs"] == 1
        assert ratios[best] <= ratios["20 % trimmed mean"] < ratios[worst]


def test_the_interval_of_a_pooled_ratio_comes_from_the_cases() -> None:
    table = np.array([[1.0, 0.9], [2.0, 1.6], [1.0, 0.9], [3.0, 2.4]])
    first, second = estimators.relative(table)
    assert first == pytest.approx((1, 1, 1))
    mean, low, high = second
    assert mean == pytest.approx(math.sqrt(0.9 * 0.8))
    assert low == pytest.approx(0.8)
    assert high == pytest.approx(0.9)


def test_false_alarms_are_about_as_frequent_as_promised() -> None:
    d = RNG.normal(0, 0.01, 4_000)
    for interval in CENTRES.values():
        width, alarms = estimators.judged([d], 12, interval)
        assert 0.004 < width < 0.009
        assert 0.02 < alarms < 0.09


def test_an_effect_is_an_alarm_in_every_window() -> None:
    d = 1 + RNG.normal(0, 0.01, 30)
    assert all(estimators.judged([d], 8, interval)[1] == 1 for interval in CENTRES.values())


def test_windows_longer_than_a_recording_are_left_out() -> None:
    cases = [("toy/one", *recording(RNG.normal(0, 0.01, (12, 6))).logs())]
    rows = list(estimators.centres(cases))[1:]
    assert [row[:2] for row in rows] == [("8", "5 (1)")] * 3 + [("12", "1 (1)")] * 3


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = [recording(RNG.normal(0, 0.01, (8, 6)))]
    path = tmp_path / "aa.json"
    path.write_bytes(msgspec.json.encode(written))
    assert estimators.load(path) == written


def test_a_run_of_a_build_against_itself_gives_its_pairs_block_by_block(tmp_path: Path) -> None:
    run = made_up.run(BUILDS, blocks=3)
    journal = made_up.journal(run, blocks=range(1, len(run.plan.blocks)))
    directory = store.create(tmp_path, run)
    with store.Journal(directory) as lines:
        for line in journal:
            lines.append(line)
    found = {one.workload: one for one in estimators.load(directory)}
    assert set(found) == {case.id for case in run.plan.cases}
    left_out = run.plan.blocks[0].cases
    assert all(len(one.a) == (2 if name in left_out else 3) for name, one in found.items())
    last = {outcome.build: outcome for line in journal for outcome in getattr(line, "outcomes", ())}
    one = found[last["3.14t"].case]
    assert (one.a[-1], one.b[-1]) == (list(last["3.14t"].values), list(last["3.14t#2"].values))


def test_a_run_of_two_builds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no build with itself"):
        estimators.load(store.create(tmp_path, made_up.run()))


@pytest.mark.parametrize(
    "text",
    ["", "{}", '[{"workload": "x", "a": [[1]]}]', '[{"workload": "x", "a": [[1]], "b": [["1"]]}]'],
)
def test_a_file_without_recordings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "aa.json"
    path.write_text(text)
    with pytest.raises(RequestError, match="no recordings"):
        estimators.load(path)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([[1.0], [1.0]], [[1.0]]),
        ([[1.0]], [[1.0]]),
        ([[], []], [[], []]),
        ([[1.0, 1.0], [1.0]], [[1.0, 1.0], [1.0]]),
        ([[1.0], [0.0]], [[1.0], [1.0]]),
        ([[1.0], [math.nan]], [[1.0], [1.0]]),
    ],
)
def test_sides_that_are_no_pairs_are_refused(a: list[list[float]], b: list[list[float]]) -> None:
    with pytest.raises(RequestError, match=r"x: "):
        Recording(workload="x", a=a, b=b).logs()


def test_a_file_of_false_alarms_gives_its_blocks_by_workload(tmp_path: Path) -> None:
    run = made_up.run(BUILDS, workloads=made_up.WORKLOADS[:2], threads=(1,), blocks=4)
    measured = [
        Measured(run.plan.builds, run.plan.blocks[line.index], line)
        for line in made_up.journal(run)
        if isinstance(line, BlockRecord)
    ]
    measured[2] = msgspec.structs.replace(
        measured[2], record=msgspec.structs.replace(measured[2].record, invalid=(Disturbance.STOLEN,))
    )
    suite = Suite(1.0, msgspec.Raw(b"{}"))
    theirs = false_alarms.Theirs(2, (suite, suite), PyperfVerdict(False, 1.0))
    written = false_alarms.Record(
        seconds=1.0,
        seed=1,
        build=BUILDS[0],
        host=run.host,
        load_started=0.0,
        episodes=(),
        comparisons=tuple(
            false_alarms.Comparison(one.block.workload, True, false_alarms.Ours((one,)), theirs) for one in measured
        ),
    )
    path = tmp_path / "alarms.json"
    path.write_bytes(msgspec.json.encode(written))
    found = {one.workload: one for one in estimators.load(path)}
    assert set(found) == {one.block.workload for one in measured}
    for name, one in found.items():
        expected = [block for block in measured if block.block.workload == name and block.log is not None]
        assert one.a == [list(block.samples["3.14t"].values) for block in expected]
        assert one.b == [list(block.samples["3.14t#2"].values) for block in expected]
    assert sum(len(one.a) for one in found.values()) == len(measured) - 1


@pytest.mark.parametrize("arguments", [[], ["run", "--record", "3.14t"], ["--record", "3.14t"], ["run", "--out", "x"]])
def test_half_a_request_is_refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["estimators", *arguments])
    with pytest.raises(SystemExit) as ended:
        estimators.main()
    assert ended.value.code == RequestError.status
