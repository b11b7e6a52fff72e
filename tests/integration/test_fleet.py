"""A fleet of real processes and real containers on this machine, whose members die, stall, come late and come back."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import store
from harness.fleet import Answered, Assigned, Lost
from harness.journal import BlockRecord, Sample
from tests.integration.fleet_processes import Fleet, wait_for
from tests.toys import write_toys

BLOCKS = 5


@pytest.fixture
def fleet(tmp_path: Path, pair: tuple[str, str]) -> Iterator[Fleet]:
    """A fleet without members."""
    fleet = Fleet(tmp_path, write_toys(tmp_path / "workloads", "good"), pair)
    yield fleet
    fleet.close()


def assert_every_block_is_there_once(fleet: Fleet, *shares: str) -> None:
    """Exactly the planned blocks, with samples; every attempt ended in exactly one way; and the page has all shares."""
    for share in shares:
        run, journal = store.load(store.share_directory(fleet.run, share))
        records = [line for line in journal if isinstance(line, BlockRecord)]
        assert sorted(record.index for record in records) == list(range(BLOCKS)), fleet.said("*")
        assert all(isinstance(one, Sample) for record in records for one in record.outcomes)
        assert {one.build for record in records for one in record.outcomes} == set(run.plan.builds)
    page = (fleet.run / "index.html").read_text()
    assert all(f'href="shares/{share}/index.html"' in page for share in shares)
    attempts = fleet.attempts()
    asked = [(one.share, one.block, one.attempt) for one in attempts if isinstance(one, Assigned)]
    ended = [(one.share, one.block, one.attempt) for one in attempts if isinstance(one, Answered | Lost)]
    assert max(Counter(asked).values()) == 1
    assert sorted(asked) == sorted(ended)
    answered = Counter((one.share, one.block) for one in attempts if isinstance(one, Answered))
    assert set(answered.values()) == {1}


def in_mid_block(fleet: Fleet, share: str, after: int) -> bool:
    return fleet.answered(share) >= after and fleet.open(share)


def test_workers_that_die_stall_and_come_late_cost_a_block_each(fleet: Fleet) -> None:
    scheduler = fleet.scheduler()
    workers = {"a": fleet.worker("a", "one"), "b": fleet.worker("b", "two")}
    wait_for(lambda: fleet.joined("a") and fleet.joined("b"), scheduler, *workers.values())
    client = fleet.bench(BLOCKS)

    # One machine measures one thing at a time: the other worker waits until this one is gone.
    wait_for(lambda: any(in_mid_block(fleet, name, 1) for name in workers), client, *workers.values())
    (dies,) = (name for name in workers if fleet.answered(name))
    (stalls,) = workers.keys() - {dies}
    workers[dies].kill()
    wait_for(lambda: len(fleet.lost(dies)) == 1, client)
    fleet.worker("late", {"a": "one", "b": "two"}[dies])  # of the same class: it goes on where the other one died

    wait_for(lambda: in_mid_block(fleet, stalls, 1), client, workers[stalls])
    workers[stalls].send_signal(signal.SIGSTOP)
    wait_for(lambda: len(fleet.lost(stalls)) == 1, client)
    workers[stalls].send_signal(signal.SIGCONT)  # its late answer is to an attempt that is lost

    assert client.wait(timeout=180) == 0, fleet.said("*")
    assert_every_block_is_there_once(fleet, "a", "b")
    hosts = {one.host for one in fleet.attempts() if isinstance(one, Assigned) and one.share == dies}
    assert hosts == {dies, "late"}
    assert len(fleet.attempts()) == 2 * (2 * BLOCKS + 2), "one lost block each"


def test_a_scheduler_that_is_killed_and_a_client_that_is_killed_are_started_again(fleet: Fleet) -> None:
    scheduler = fleet.scheduler()
    worker = fleet.worker("a", "one")
    wait_for(lambda: fleet.joined("a"), scheduler, worker)
    client = fleet.bench(BLOCKS)
    wait_for(lambda: in_mid_block(fleet, "a", 1), client, worker)
    scheduler.kill()
    wait_for(lambda: "the scheduler" in fleet.said("bench") and "is gone" in fleet.said("bench"), client)
    fleet.scheduler()
    done = fleet.answered("a")
    wait_for(lambda: in_mid_block(fleet, "a", done + 1), client, worker)
    client.kill()
    client.wait()
    assert fleet.open("a"), "the client died while it waited for an answer"
    done = fleet.answered("a")

    again = fleet.resume()
    assert again.wait(timeout=180) == 0, fleet.said("*")
    assert fleet.answered("a") == BLOCKS > done
    assert_every_block_is_there_once(fleet, "a")
