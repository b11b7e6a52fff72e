"""benchmarks/threads.py: what it makes of blocks whose truth is known; once with real workers."""

from __future__ import annotations

import os

import msgspec
import pytest

from benchmarks import threads
from benchmarks._laboratory import WORKLOADS, Laboratory, Measured
from benchmarks.threads import Gains
from harness.host_engine import HostEngine
from harness.journal import BlockRecord, Disturbance
from harness.progress import Silent
from harness.workbench import workbench
from tests import made_up
from tests.toys import facts


def gains(slow: float = 0.0, lost: tuple[int, ...] = ()) -> Gains:
    """Of a machine on which one CPU is slow in that share of rounds; one thread takes 1.93 times as long as two."""
    run = made_up.run(builds=made_up.PAIR[-1:], workloads=made_up.WORKLOADS[:1], gauged=True, blocks=12)
    found = Gains(run.plan)
    for line in made_up.journal(run, slow=slow):
        if isinstance(line, BlockRecord):
            invalid = (Disturbance.STOLEN,) if line.index in lost else ()
            record = msgspec.structs.replace(line, seconds=1.0, invalid=invalid)
            found.add(Measured(run.plan.builds, run.plan.blocks[line.index], record))
    return found


def test_undisturbed_turns_tell_the_gain_and_the_others_are_only_in_the_row_of_all_turns() -> None:
    found = gains(slow=0.6)
    ((*_, gain, _, told, _),) = found.rows("undisturbed", gauged=True)
    ((*_, told_by_all, _),) = found.rows("all", gauged=False)
    assert float(gain) == pytest.approx(1.93, abs=0.03)
    assert told_by_all == "144 pairs in 12 blocks"
    assert 0 < int(told.split()[0]) < 144


def test_blocks_that_are_invalid_cost_their_time_and_tell_nothing() -> None:
    ((*_, gain, _, told, seconds),) = gains(lost=tuple(range(7))).rows("undisturbed", gauged=True)
    assert (gain, told, seconds) == ("undecided", "60 pairs in 5 blocks", "12 s")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="1 CPU")
def test_real_workers_fill_every_row() -> None:
    with workbench(WORKLOADS) as bench:
        lab = Laboratory({"a": facts("a", packages={"pyperf": "2"})}, HostEngine(bench), bench, Silent())
        head, *rows = threads.rows(lab, "pure_python/sha256", seconds=0.1, rounds=1)
    assert {len(row) for row in rows} == {len(head)}
    assert [row[0] for row in rows] == [
        "capacity", "completion, undisturbed turns", "completion, all turns", "one after the other",
    ]  # fmt: skip
    *blocks, suites = rows
    assert {row[3] for row in blocks} == {"undecided"}, "one block tells nothing"
    assert float(suites[3]) > 0
