"""Plans over a fleet that is made up: who measures which workloads."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from harness import fleets, offers
from harness.fleet import Offer, Spread
from harness.model import Run
from harness.plan import estimate_seconds
from harness.request import BenchOptions
from tests import made_up
from tests.fleets_made_up import offer

OPTIONS = BenchOptions(builds="3.14,3.14t", threads="1", seed="1")
BUILDS = ("3.14", "3.14t")


@pytest.fixture(scope="module")
def there() -> list[Offer]:
    builds = [
        msgspec.structs.replace(one, packages=one.packages | {"pyperf": "2.9.0"})
        for one in (made_up.build(name, release="3.14.0") for name in BUILDS)
    ]
    run = made_up.run(builds, cpus=(0, 1))
    return [offer(run, f"host-{number}") for number in range(3)]


def planned(there: list[Offer], spread: Spread, options: BenchOptions = OPTIONS) -> dict[str, Run]:
    posts = offers.posts(there, spread, BUILDS, None)
    return {name: run for name, (_, run) in fleets._shares(options, posts, spread)}


def names(run: Run) -> list[str]:
    return sorted({one.workload for one in run.plan.cases})


def test_identical_hosts_divide_the_workloads_by_what_they_take(there: list[Offer]) -> None:
    options = dataclasses.replace(OPTIONS, blocks="4")
    whole = planned(there, Spread.CLASS, options)
    parts = planned(there, Spread.SHARD, options)

    (alone,) = whole.values()
    assert sorted(name for run in parts.values() for name in names(run)) == names(alone), "each once"
    seconds = [estimate_seconds(run.plan) for run in parts.values()]
    longest = max(
        estimate_seconds(run.plan)
        for one in names(alone)
        for run in planned(there[:1], Spread.CLASS, dataclasses.replace(options, workloads=one)).values()
    )
    assert max(seconds) <= min(seconds) + longest


def test_more_hosts_than_workloads_leave_some_without_a_share(there: list[Offer]) -> None:
    options = dataclasses.replace(OPTIONS, workloads="pure_python/cpu_bound,pure_python/records")
    assert sorted(map(names, planned(there, Spread.SHARD, options).values())) == [
        ["pure_python/cpu_bound"],
        ["pure_python/records"],
    ]


def test_every_host_measures_everything(there: list[Offer]) -> None:
    runs = planned(there, Spread.ALL)
    assert len(runs) == len(there)
    assert len({tuple(names(run)) for run in runs.values()}) == 1
