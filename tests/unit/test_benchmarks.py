"""The benchmarks against pyperf: what they compute, what they measure with, and what they leave behind."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyperf
import pytest
from scipy import stats as scipy_stats

from benchmarks._curves import (
    Observation,
    Point,
    curve,
    draw,
    first_with,
    observations,
    pair_curve,
    says_slower,
    sd_interval,
    t_power,
    windows,
    z_power,
)
from benchmarks._laboratory import (
    Laboratory,
    Measured,
    Suite,
    compare_to,
    counting,
    excludes_one,
    read_record,
    refuse_unwritable,
)
from benchmarks._load import LONGEST, SHORTEST, episodes, load
from benchmarks.false_alarms import Record, is_last, remaining
from benchmarks.power import WORKLOAD, read_effects, slower_workloads, sum_of_squares
from harness import stats
from harness.errors import MeasurementError, RequestError
from harness.host_engine import HostEngine
from harness.journal import BlockRecord, Disturbance
from harness.progress import Silent
from harness.workbench import workbench
from tests import made_up
from tests.toys import facts, write_toys

ROOT = Path(__file__).parents[2]


# -- power -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pairs", "size", "power"), [(30, 0.5, 0.7539627), (34, 0.5, 0.8077775), (10, 1.0, 0.8030969)])
def test_the_t_tests_power_is_the_known_one(pairs: int, size: float, power: float) -> None:
    """R's power.t.test(n, delta, sd = 1, type = "one.sample"), which does not count the other tail either."""
    sd = 0.05
    assert t_power(pairs, math.expm1(size * sd), sd) == pytest.approx(power, abs=5e-5)


def test_the_t_tests_power_is_what_t_tests_find() -> None:
    sd, effect, pairs = 0.06, 0.09, 4
    logs = np.random.default_rng(3).normal(math.log1p(effect), sd, (40_000, pairs))
    tested = scipy_stats.ttest_1samp(logs, 0, axis=1)
    found = np.mean((tested.pvalue < 0.05) & (tested.statistic > 0))
    assert t_power(pairs, effect, sd) == pytest.approx(found, abs=0.01)


def test_who_knows_the_deviation_needs_the_pairs_of_the_textbook() -> None:
    """((1.96 + 0.84) sd / effect)^2."""
    sd, effect = 0.064, 0.03
    pairs = ((1.959964 + 0.841621) * sd / math.log1p(effect)) ** 2
    assert z_power(math.floor(pairs), effect, sd) < 0.8 <= z_power(math.ceil(pairs), effect, sd)


def test_one_pair_tells_nothing_of_its_deviation() -> None:
    assert t_power(1, 1.0, 0.001) == 0
    assert z_power(1, 1.0, 0.001) > 0.99


def test_the_curve_of_pairs_goes_on_until_there_is_no_doubt() -> None:
    points = pair_curve(t_power, 0.03, 0.03, 37.0)
    assert [point.seconds for point in points[:3]] == [37, 74, 111]
    assert points[-2].power < 0.99 <= points[-1].power
    assert all(before.power < after.power for before, after in itertools.pairwise(points))


def test_power_is_reached_where_it_is_not_lost_again() -> None:
    points = [Point(number, 0, power) for number, power in ((6, 0.9), (8, 0.7), (12, 0.8), (16, 0.95))]
    assert first_with(0.8, points) == points[2]
    assert first_with(0.99, points) is None


def test_the_deviations_interval_is_that_of_chi_squared() -> None:
    """df / qchisq(.975, 14) = 14 / 26.11895 and df / qchisq(.025, 14) = 14 / 5.628726."""
    assert sd_interval(0.06, 15) == pytest.approx((0.06 * math.sqrt(14 / 26.11895), 0.06 * math.sqrt(14 / 5.628726)))


# -- windows -----------------------------------------------------------------------------------------------------------


def measured(logs: Sequence[float | None], seconds: float = 1.0) -> list[Measured]:
    """Blocks of these log ratios; None is one that is invalid."""
    run = made_up.run(builds=made_up.PAIR)
    case, block = run.plan.cases[0], run.plan.blocks[0]
    blocks = []
    for index, log in enumerate(logs):
        sides = ([1.0] * 3, [math.exp(log or 0.0)] * 3)
        outcomes = tuple(
            made_up.sample(case, build, block, values) for build, values in zip(made_up.PAIR, sides, strict=True)
        )
        invalid = (Disturbance.CROWDED,) if log is None else ()
        record = BlockRecord(index=index, started=0.0, seconds=seconds, outcomes=outcomes, invalid=invalid)
        blocks.append(Measured(run.plan.builds, block, record))
    return blocks


def test_a_window_is_neighbours_and_every_start_counts() -> None:
    series = [Observation(float(number), 1.0) for number in range(5)]
    assert [[one.log for one in window] for window in windows(series, 3)] == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert windows(series, 6) == []


def test_blocks_that_do_not_count_cost_time_nevertheless() -> None:
    found = observations(measured([0.1, None, None, 0.2, None], seconds=2.0))
    assert [one.seconds for one in found] == [2, 6]
    assert [one.log for one in found] == pytest.approx([0.1, 0.2])


def test_power_is_the_share_of_windows_that_say_so() -> None:
    """A series that is slow in its first half: windows of 6 that lie wholly in it, and some over the edge."""
    series = [Observation(0.03 + 0.0001 * number, 0.5) for number in range(12)]
    series += [Observation((-1) ** number * 0.01, 0.5) for number in range(12)]
    (point,) = curve(series, says_slower, sizes=[6])
    expected = [stats.effect([one.log for one in series[start : start + 6]]).low > 1 for start in range(19)]
    assert 7 <= sum(expected) < 19
    assert point == Point(6, 3.0, sum(expected) / 19)
    assert [one.number for one in curve(series, says_slower)] == [6, 8, 12, 16, 24]


def test_an_unknown_interval_says_nothing() -> None:
    assert not excludes_one(stats.effect([0.5]))
    assert excludes_one(stats.effect([-0.5, -0.4, -0.5, -0.6, -0.55, -0.45]))


def test_counting_takes_blocks_until_enough_count() -> None:
    blocks = iter(measured([None, 0.1, None, 0.2, 0.3]))
    assert [one.log is None for one in counting(blocks, 2)] == [True, False, True, False]
    with pytest.raises(MeasurementError, match="of 1 blocks not even 2 count"):
        counting(blocks, 2)


def test_the_chart_names_both_ways_and_carries_its_title() -> None:
    points = [Point(number, number * 0.8, 1 - 1 / number) for number in (6, 8, 12)]
    svg = draw({"Gilometer": points, "pyperf": points}, goal=0.8, title="chance to find <3 %")
    assert svg.startswith("<svg ")
    assert "<title>chance to find &lt;3 %, against" in svg
    assert ">Gilometer</text>" in svg
    assert ">pyperf</text>" in svg


# -- the slower copy ---------------------------------------------------------------------------------------------------


def test_the_slower_copy_does_more_of_the_same_work_and_checks_its_answer(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    with slower_workloads(0.03) as folder:
        command = [sys.executable, str(folder / f"{WORKLOAD}.py"), "--worker", "--worker-task=0", "-q", f"-o{output}"]
        ended = subprocess.run([*command, "-l1", "-w0", "-n1"], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        sizes = (folder / f"{WORKLOAD}.py").read_text()
    assert json.loads(output.read_text())["metadata"]["iterations"] == 515_000
    assert "iterations=10300000, pieces=1_000, expected=" in sizes
    assert not folder.exists()


def test_the_sum_of_squares_is_the_sum_of_squares() -> None:
    assert [sum_of_squares(below) for below in (1, 2, 1000)] == [sum(i**2 for i in range(n)) for n in (1, 2, 1000)]


@pytest.mark.parametrize(
    ("text", "said"),
    [("three", 'there|"three" is not a number'), ("3", "3 is not between"), ("0.03,,0.01", "empty item")],
)
def test_effects_that_make_no_sense_are_refused(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        read_effects(text)


def test_effects_are_taken_in_the_order_given() -> None:
    assert read_effects("0.03, 0.01,0.03") == (0.03, 0.01)


def test_results_that_could_not_be_written_are_refused_beforehand(tmp_path: Path) -> None:
    refuse_unwritable(None, tmp_path / "new.json")
    for path in (tmp_path, tmp_path / "no" / "new.json"):
        with pytest.raises(RequestError, match="cannot be written"):
            refuse_unwritable(path)


def test_a_file_that_is_none_of_a_benchmarks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be read: No such file"):
        read_record(tmp_path / "none.json", Record)
    other = tmp_path / "other.json"
    other.write_text('{"version": "1.0"}')
    with pytest.raises(RequestError, match="is no file of this benchmark"):
        read_record(other, Record)


# -- false alarms ------------------------------------------------------------------------------------------------------


def test_blocks_end_at_a_look_when_the_next_one_would_not_fit() -> None:
    assert not is_last(7, 60.0, 6.0), "not a look"
    assert is_last(8, 6.0, 6.0)
    assert is_last(8, 4.5, 6.0), "12 would take 6.75 s"
    assert not is_last(8, 3.9, 6.0)
    assert is_last(64, 1.0, 60.0), "there is no look after it"


def test_the_rates_interval_is_exact() -> None:
    assert stats.share_interval(0, 100) == pytest.approx((0, 1 - 0.025**0.01))
    assert stats.share_interval(5, 100) == pytest.approx((0.0164, 0.1128), abs=1e-4)


def test_of_many_comparisons_only_what_stands_out_remains_different() -> None:
    rng = np.random.default_rng(2)
    same = [stats.effect(rng.normal(0, 0.02, 12)) for _ in range(60)]
    assert any(map(excludes_one, same)), "some of 60 are below 5 % by luck"
    assert remaining(same) == 0
    assert remaining([*same, stats.effect(rng.normal(0.2, 0.02, 12))]) == 1


# -- pyperf ------------------------------------------------------------------------------------------------------------


def suite(values: Sequence[float]) -> Suite:
    runs = [
        pyperf.Run(
            [value, value * 1.01], metadata={"name": "toy", "unit": "second", "loops": 4}, collect_metadata=False
        )
        for value in values
    ]
    file = io.StringIO()
    pyperf.BenchmarkSuite([pyperf.Benchmark(runs)]).dump(file)
    return Suite(1.0, msgspec.Raw(file.getvalue().encode()))


def test_the_verdict_is_pyperfs_own() -> None:
    baseline = suite([1.00, 1.02, 0.98, 1.01])
    alike, slow = suite([1.01, 0.99, 1.02, 0.98]), suite([1.10, 1.12, 1.08, 1.11])
    assert not compare_to(baseline, alike).different
    verdict = compare_to(baseline, slow)
    assert verdict.different
    assert verdict.ratio == pytest.approx(4.41 / 4.01)
    assert baseline.loops == 4


# -- the laboratory, on the host's own interpreter ---------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Laboratory]:
    with workbench(write_toys(tmp_path / "w", "good", "raises")) as bench:
        yield Laboratory({name: facts(name) for name in ("a", "b")}, HostEngine(bench), bench, Silent())


def test_blocks_are_those_of_a_bench_one_at_a_time(lab: Laboratory) -> None:
    plan = lab.plan(("a", "b"), "good", blocks=3, seed=1)
    with contextlib.closing(lab.blocks(plan)) as blocks:
        first, second = next(blocks), next(blocks)
    assert [first.block, second.block] == list(plan.blocks[:2])
    for one in (first, second):
        assert one.seconds > 0
        assert [*sorted(one.samples)] == ["a", "b"]
        assert {len(sample.values) for sample in one.samples.values()} == {one.block.values}
        assert all(sample.metadata == {} for sample in one.samples.values())
        assert one.record.invalid or one.log is not None
    again = msgspec.json.decode(msgspec.json.encode(first), type=Measured)
    assert again == first
    loops = first.samples["a"].loops * 2
    with contextlib.closing(lab.blocks(lab.plan(("a",), "good", blocks=1, seed=1), loops=loops)) as blocks:
        assert next(blocks).samples["a"].loops == loops, "given loops are not calibrated"


def test_pyperf_executes_its_own_protocol(lab: Laboratory) -> None:
    plan = lab.plan(("a", "b"), "good", blocks=1, seed=1)
    with lab.place("b", plan) as place:
        found = lab.suite(place, plan, "--processes=2", "--values=3", "--warmups=1", "--loops=8")
    runs = found.benchmark.get_runs()
    assert [(len(run.warmups), len(run.values)) for run in runs] == [(1, 3), (1, 3)]
    assert found.loops == 8
    assert found.seconds > 0
    assert msgspec.json.decode(msgspec.json.encode(found), type=Suite).benchmark.get_values()


def test_a_manager_that_fails_says_why(lab: Laboratory) -> None:
    plan = lab.plan(("a", "b"), "good", blocks=1, seed=1)
    with lab.place("a", plan) as place, pytest.raises(MeasurementError, match="no-such-option"):
        lab.suite(place, plan, "--no-such-option")


def test_a_block_that_lost_a_side_does_not_count(lab: Laboratory) -> None:
    with contextlib.closing(lab.blocks(lab.plan(("a", "b"), "raises", blocks=1, seed=1))) as blocks:
        assert next(blocks).log is None


def test_one_workload_at_a_time(lab: Laboratory) -> None:
    with pytest.raises(RequestError, match='"toy" names 2 workloads'):
        lab.plan(("a", "b"), "toy", blocks=1, seed=1)


# -- the load, and the end of everything -------------------------------------------------------------------------------


def test_episodes_follow_from_the_seed() -> None:
    found = list(itertools.islice(episodes(5, (2, 7)), 200))
    assert found == list(itertools.islice(episodes(5, (2, 7)), 200))
    assert found != list(itertools.islice(episodes(6, (2, 7)), 200))
    assert {one.cpu for one in found} == {2, 7}
    rests = [after.begin - before.end for before, after in itertools.pairwise(found)]
    assert all(SHORTEST <= length <= LONGEST for length in (*rests, *(one.end - one.begin for one in found)))


def test_an_episode_keeps_one_cpu_busy_and_ends_with_its_context() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    seed = next(seed for seed in itertools.count() if next(episodes(seed, allowed)).begin < SHORTEST + 0.1)
    first = next(episodes(seed, allowed))
    with load(seed, allowed) as disturbing:
        wait_until(lambda: ticks(disturbing.pid) > 20)
        assert os.sched_getaffinity(disturbing.pid) == {first.cpu}
        assert disturbing.episodes() == [first]
    assert not lives(disturbing.pid)


_PROGRAM = """
import signal
from benchmarks._laboratory import execute
from benchmarks._load import load
from benchmarks.power import slower_workloads

def program():
    with slower_workloads(0.03) as folder, load(1, [0]) as disturbing:
        print(disturbing.pid, folder, flush=True)
        signal.pause()

execute(program)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_a_benchmark_ends_its_load_and_removes_its_folder(number: signal.Signals, tmp_path: Path) -> None:
    """Nothing can remove a folder after SIGKILL."""
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    pid, folder = program.stdout.readline().split()
    assert lives(int(pid))
    assert Path(folder).exists()
    program.send_signal(number)
    _, said = program.communicate(timeout=30)
    wait_until(lambda: not lives(int(pid)))
    if number != signal.SIGKILL:
        assert (program.returncode, said) == (130, "gilometer: interrupted\n")
        assert [*tmp_path.iterdir()] == []


def test_a_request_that_makes_no_sense_is_one_message_and_changes_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks.false_alarms", "--workloads", "cpu_bond"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert (
        ended.stderr
        == 'gilometer: --workloads: there is no workload "cpu_bond"; did you mean "pure_python/cpu_bound"?\n'
    )


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether it executes; one that waits for its parent to ask for its status does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def ticks(pid: int) -> int:
    """CPU time of its own code."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
