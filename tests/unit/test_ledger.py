"""The noise ledger: what it reads, and which of it makes a block invalid."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.journal import Disturbance, Noise, Sample, Turn
from harness.ledger import Ledger
from harness.model import Case
from harness.validity import READ_PAGES, STOLEN_SHARE, STRAY_SHARE, WAITED_SHARE, disturbances, stray
from tests import made_up

TICK = os.sysconf("SC_CLK_TCK")
QUIET = Noise(seconds=2.0, stolen=0.0, others=0.0, load=0.0, megahertz=None, celsius=None, containers=0)


def machine(root: Path, *, busy: float = 0, stolen: float = 0) -> Path:
    """A machine whose CPUs 0 and 1 have each been busy and robbed for as many seconds, and CPU 2 for many more."""
    (root / "proc").mkdir(exist_ok=True)
    rows = [
        f"cpu{cpu} {int(scale * busy * TICK)} 0 0 7 0 0 0 {int(scale * stolen * TICK)} 0 0"
        for cpu, scale in ((0, 1), (1, 1), (2, 100))
    ]
    (root / "proc/stat").write_text("\n".join(["cpu  1 2 3 4 5 6 7 8 9 10", *rows, "ctxt 5"]) + "\n")
    (root / "proc/loadavg").write_text("0.75 0.50 0.25 1/99 1234\n")
    return root


def sample(threads: int = 1, **evidence: Any) -> tuple[Case, Sample]:
    run = made_up.run(threads=(threads,), workloads=made_up.WORKLOADS[:1])
    one = made_up.sample(run.plan.cases[0], run.builds[0], run.plan.blocks[0], [0.02] * 8)
    changed = msgspec.structs.replace(one.evidence, **{"cpu_seconds": 1.0, "waited_seconds": 0.0} | evidence)
    return run.plan.cases[0], msgspec.structs.replace(one, evidence=changed)


def test_it_counts_what_happened_on_the_block_s_cpus_beside_its_workers(tmp_path: Path) -> None:
    ledger = Ledger((0, 1), machine(tmp_path, busy=10, stolen=1))
    machine(tmp_path, busy=13, stolen=1.5)
    ledger.stop()
    machine(tmp_path, busy=99, stolen=99)
    noise = ledger.noise([sample(cpu_seconds=2.0)[1], sample(cpu_seconds=1.5)[1]], containers=3)
    assert noise.stolen == pytest.approx(1.0)
    assert noise.others == pytest.approx(6.0 - 3.5)
    assert (noise.load, noise.containers) == (0.75, 3)
    assert noise.seconds >= 0


def test_it_reads_frequency_and_temperature_where_there_are_any(tmp_path: Path) -> None:
    machine(tmp_path)
    for cpu, kilohertz in ((0, 2_000_000), (1, 3_000_000)):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_cur_freq").write_text(f"{kilohertz}\n")
    for zone, thousandths in ((0, 41_000), (1, 62_500)):
        folder = tmp_path / f"sys/class/thermal/thermal_zone{zone}"
        folder.mkdir(parents=True)
        (folder / "temp").write_text(f"{thousandths}\n")
    noise = Ledger((0, 1), tmp_path).noise((), None)
    assert (noise.megahertz, noise.celsius, noise.containers) == (2500.0, 62.5, None)


def test_what_this_host_does_not_tell_is_none(tmp_path: Path) -> None:
    noise = Ledger((0, 1), tmp_path).noise((), None)
    assert (noise.stolen, noise.others, noise.load, noise.megahertz, noise.celsius) == (None,) * 5
    assert disturbances(noise, [sample(waited_seconds=None, throttled_periods=None)], cpus=2) == ()


def test_it_reads_this_very_machine() -> None:
    ledger = Ledger(tuple(os.sched_getaffinity(0)))
    sum(range(3_000_000))
    ledger.stop()
    noise = ledger.noise((), None)
    assert noise.others is not None
    assert noise.load is not None
    assert noise.seconds > 0


@pytest.mark.parametrize(
    ("noise", "evidence", "broken"),
    [
        ({}, {}, ()),
        ({"stolen": STOLEN_SHARE * 2.0 * 2}, {}, ()),
        ({"stolen": STOLEN_SHARE * 2.0 * 2 + 0.01}, {}, (Disturbance.STOLEN,)),
        ({"seconds": 0.001, "stolen": 0.009}, {}, ()),
        ({}, {"throttled_periods": 1}, (Disturbance.THROTTLED,)),
        ({}, {"waited_seconds": WAITED_SHARE}, ()),
        ({}, {"waited_seconds": WAITED_SHARE + 0.01}, (Disturbance.CROWDED,)),
        ({}, {"waited_seconds": 0.04, "cpu_seconds": 0.01}, ()),
        ({}, {"major_faults": READ_PAGES}, ()),
        ({}, {"major_faults": READ_PAGES + 1}, (Disturbance.SWAPPED,)),
        ({}, {"swapped": 4096}, (Disturbance.SWAPPED,)),
        (
            {"stolen": 2.0},
            {"throttled_periods": 1, "swapped": 1},
            (Disturbance.THROTTLED, Disturbance.STOLEN, Disturbance.SWAPPED),
        ),
    ],
)
def test_the_rules(noise: dict[str, float], evidence: dict[str, Any], broken: tuple[Disturbance, ...]) -> None:
    samples = [sample(), sample(**evidence), sample()]
    assert disturbances(msgspec.structs.replace(QUIET, **noise), samples, cpus=2) == broken


@pytest.mark.parametrize(("waited", "broken"), [(1.3, ()), (1.4, (Disturbance.CROWDED,))])
def test_a_worker_that_waits_for_io_uses_little_cpu_time_and_may_wait_for_some_of_it(
    waited: float, broken: tuple[Disturbance, ...]
) -> None:
    case, quick = sample(cpu_seconds=0.1, waited_seconds=waited)
    slow = msgspec.structs.replace(quick, turns=tuple(Turn(granted=n, returned=n + 0.5) for n in range(8)))
    assert disturbances(QUIET, [(case, slow)], cpus=2) == broken


def test_more_threads_than_cpus_may_wait_for_each_other() -> None:
    assert disturbances(QUIET, [sample(threads=2, waited_seconds=5.0)], cpus=1) == ()
    assert disturbances(QUIET, [sample(threads=2, waited_seconds=5.0)], cpus=2) == (Disturbance.CROWDED,)


OTHERS = 0.8
"""Seconds of other turns between the nine of `sample`."""


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ({}, ""),
        ({"out_of_turn": STRAY_SHARE * OTHERS - 0.001}, ""),
        ({"out_of_turn": STRAY_SHARE * OTHERS + 0.001}, "used the CPU for 0.04 s while it was not its turn"),
        ({"threads_first": 5, "threads_last": 12}, ""),
        ({"threads_first": 5, "threads_last": 13}, "leaks threads: 5 after the first turn, 13 after the last"),
        ({"threads_first": 5, "threads_last": 1}, ""),
    ],
)
def test_what_a_worker_does_outside_of_its_turns(evidence: dict[str, Any], said: str) -> None:
    _, one = sample(**evidence)
    assert stray(one).startswith(said)
    assert bool(stray(one)) == bool(said)


def test_one_more_thread_after_a_single_value_is_no_leak() -> None:
    _, one = sample(threads_first=1, threads_last=2)
    assert stray(msgspec.structs.replace(one, turns=one.turns[:2])) == ""
