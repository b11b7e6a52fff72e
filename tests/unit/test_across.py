"""Shares of a fleet together, from journals whose truth is known."""

from __future__ import annotations

import msgspec
import pytest

from reports import across
from reports.analysis import analyse
from reports.findings import Findings
from tests import made_up

PAIR = (
    made_up.build("3.14-source", release="3.14.0"),
    made_up.build("3.14t-source", release="3.14.0"),
)
WORK = [made_up.workload("pure_python/x", threaded=False)]


def share(slow: float, image: str = "sha256:1") -> Findings:
    """A host on which the free-threaded build takes `slow` times as long; images as given."""
    builds = [msgspec.structs.replace(one, image=image + one.build.name) for one in PAIR]
    run = made_up.run(builds, workloads=WORK, threads=(1,), blocks=16)
    return analyse(run, made_up.journal(run, made_up.truth(slow), noise=0.005, seed=round(100 * slow)))


def test_hosts_are_pooled_by_their_ratios_and_what_they_differ_by_is_told() -> None:
    (found,) = across.together({"a": share(1.1), "b": share(1.2), "c": share(1.3)}, {one: one for one in "abc"})
    assert found.hosts == ("a", "b", "c")
    (row,) = across.data([found])
    assert row["ratio"] == pytest.approx((1.1 * 1.2 * 1.3) ** (1 / 3), rel=0.01)
    assert row["between"] == pytest.approx(0.087, abs=0.02)
    assert row["another_host"]["low"] < 1.1 < 1.3 < row["another_host"]["high"]
    told = across.text([found])
    assert "3.14t-source" in told
    assert "95 % intervals after Hartung and Knapp" in " ".join(told.split())


def test_hosts_with_other_images_are_never_pooled_nor_are_slots_of_one_host() -> None:
    hosts = {"a": "a", "b": "b"}
    assert across.together({"a": share(1.1), "b": share(1.1, "sha256:2")}, hosts) == []
    assert across.together({"a": share(1.1)}, hosts) == []
    assert across.together({"a": share(1.1), "b": share(1.1)}, {"a": "a", "b": "a"}) == []
    assert across.text([]) == ""
