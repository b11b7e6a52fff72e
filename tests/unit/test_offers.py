"""What hosts offer, and what is refused at once because nobody does."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness import offers, wire
from harness.errors import HostError, RequestError
from harness.fleet import Offer, Spread
from harness.host import choose_cpus
from harness.model import Run
from tests import made_up
from tests.fleets_made_up import offer, slot
from tests.unit.test_host import DESKTOP, SERVER, VM, Machine


@pytest.mark.parametrize("machine", [VM, DESKTOP, SERVER])
def test_a_slot_has_the_sets_that_a_run_on_its_host_would_choose(machine: Machine, tmp_path: Path) -> None:
    topology = machine.topology(tmp_path)
    (slot_,) = offers.slots(topology)
    assert slot_.cpus == topology.allowed
    assert [one.cpus for one in slot_.sets] == [choose_cpus(topology, size) for size in slot_.sizes]
    assert slot_.sizes[-1] == len(topology.allowed)


@pytest.mark.parametrize("machine", [DESKTOP, SERVER])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_slots_share_no_core(machine: Machine, count: int, tmp_path: Path) -> None:
    topology = machine.topology(tmp_path)
    found = offers.slots(topology, count)
    cores = [{cpu.siblings for cpu in topology.select(one.cpus)} for one in found]
    assert len(found) == count
    assert sum(map(len, cores)) == len(set.union(*cores))


def test_the_worker_is_on_cores_of_no_slot_where_there_are_any(tmp_path: Path) -> None:
    topology = DESKTOP.topology(tmp_path)
    some = offers.slots(topology, 2, (1, 3))
    left = offers.housekeeping(topology, some)
    taken = {sibling for one in some for cpu in topology.select(one.cpus) for sibling in cpu.siblings}
    assert left
    assert not taken & set(left)
    assert offers.housekeeping(topology, offers.slots(topology)) == topology.allowed


@pytest.mark.parametrize(("count", "sizes"), [(3, ()), (2, (2,)), (1, (4,))])
def test_slots_that_do_not_fit_are_refused(count: int, sizes: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(HostError):
        offers.slots(VM.topology(tmp_path), count, sizes)


@pytest.fixture(scope="module")
def run() -> Run:
    return made_up.run(workloads=[made_up.workload("toy/good", threaded=False)])


@pytest.fixture(scope="module")
def there(run: Run) -> list[Offer]:
    small, large = slot(0, (0,), (0, 1)), slot(0, (0,), tuple(range(4)))
    return [
        offer(run, "a", "small", slots=[small]),
        offer(run, "b", "small", slots=[small]),
        offer(run, "c", "large", slots=[large]),
    ]


def names(run: Run) -> list[str]:
    return [fact.build.name for fact in run.builds]


@pytest.mark.parametrize(
    ("spread", "sizes", "hosts"),
    [
        (Spread.CLASS, None, ["c", "a"]),
        (Spread.ALL, None, ["c", "a", "b"]),
        (Spread.SHARD, (2,), ["a", "b"]),
        (Spread.CLASS, (1, 4), ["c", "a"]),
        (Spread.ALL, (4,), ["c"]),
    ],
)
def test_who_measures(
    spread: Spread, sizes: tuple[int, ...] | None, hosts: list[str], run: Run, there: list[Offer]
) -> None:
    found = offers.posts(there, spread, names(run), sizes)
    assert sorted(one.offer.host for one in found) == sorted(hosts)
    wanted = set(sizes or (2, 4))
    assert all({len(one.cpus) for one in post.sets} <= wanted for post in found)


def test_what_nobody_offers_is_refused_and_what_is_offered_is_named(run: Run, there: list[Offer]) -> None:
    with pytest.raises(RequestError, match="nobody offers CPU sets of 16") as refusal:
        offers.posts(there, Spread.CLASS, names(run), (2, 16))
    assert all(host in refusal.value.hint for host in ("a: small", "b: small", "c: large", "--cores 1,4"))
    with pytest.raises(RequestError, match=r"nobody offers the builds 9\.99"):
        offers.posts(there, Spread.CLASS, ["9.99"], None)
    with pytest.raises(RequestError, match="no worker has joined"):
        offers.posts([], Spread.CLASS, names(run), None)


def test_a_class_whose_hosts_have_different_images_is_refused(run: Run, there: list[Offer]) -> None:
    other = tuple(msgspec.structs.replace(fact, image="sha256:other") for fact in run.builds)
    mixed = [there[0], msgspec.structs.replace(there[1], builds=other)]
    with pytest.raises(RequestError, match="a and b are of one class and have different images"):
        offers.posts(mixed, Spread.CLASS, names(run), None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tcp://127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("tcp://[::1]", "tcp://[::1]:8786"),
        ("tcp://localhost:1", "tcp://localhost:1"),
        ("tls://10.0.0.1:99", "tls://10.0.0.1:99"),
        ("bench.example", "tls://bench.example:8786"),
    ],
)
def test_addresses(text: str, meant: str) -> None:
    assert wire.address(text) == meant


@pytest.mark.parametrize("text", ["tcp://10.0.0.1:8786", "tcp://0.0.0.0", "http://127.0.0.1", "tls://", "tls://a:port"])
def test_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(RequestError):
        wire.address(text)


def test_tls_without_certificates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="wants certificates"):
        wire.security("tls://bench.example:8786", None)
    with pytest.raises(RequestError, match="there is no"):
        wire.security("tls://bench.example:8786", tmp_path)


# -- who gets what -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("costs", "hosts", "burdens"),
    [
        ([], 2, [0, 0]),
        ([3.0], 2, [0, 3]),
        ([1.0, 1.0, 1.0, 3.0], 2, [3, 3]),
        ([5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 3.0], 3, [8, 8, 11]),  # Graham's worst case: 9 each would have done
        ([2.0] * 10, 5, [4] * 5),
    ],
)
def test_jobs_are_divided_by_what_they_take(costs: list[float], hosts: int, burdens: list[float]) -> None:
    parts = offers.divided(costs, hosts)
    assert len(parts) == hosts
    assert sorted(index for part in parts for index in part) == list(range(len(costs)))
    assert all(list(part) == sorted(part) for part in parts)
    assert sorted(sum(costs[index] for index in part) for part in parts) == burdens
