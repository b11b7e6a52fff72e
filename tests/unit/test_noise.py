"""What the facts of a machine say about noise."""

from __future__ import annotations

import os
import time

import pytest

from harness import host, noise
from harness.model import HostFacts
from harness.noise import State, findings, probe_speeds, speeds
from harness.tuning import Change, Value


def facts(cpus: int = 8, settings: dict[str, str] | None = None) -> HostFacts:
    return HostFacts(
        name="host",
        cpu_model="Made Up 3000",
        cpus=tuple(range(cpus)),
        cores=cpus,
        memory=16 << 30,
        kernel="6.1",
        distribution="Debian",
        settings=settings or {},
    )


@pytest.mark.parametrize(
    ("setting", "value", "subject", "state"),
    [
        ("SMT", "on", "SMT", State.NOTE),
        ("isolated CPUs", "2-3", "isolated CPUs", State.NOTE),
        ("hypervisor", "QEMU", "virtual machine", State.NOTE),
        ("steal", "0.07%", "steal", State.OK),
        ("steal", "0.50%", "steal", State.NOTE),
        ("steal", "3.00%", "steal", State.WARN),
        ("load", "0.10 0.00 0.00", "load", State.OK),
        ("load", "1.00 0.00 0.00", "load", State.NOTE),
        ("load", "4.00 0.00 0.00", "load", State.WARN),
        ("memory available", "8000 MiB", "memory", State.OK),
        ("memory available", "500 MiB", "memory", State.WARN),
        ("swap used", "12 MiB", "swap", State.NOTE),
        ("clock source", "hpet", "clock source", State.WARN),
    ],
)
def test_each_setting_is_judged(setting: str, value: str, subject: str, state: State) -> None:
    cpus, found = findings(facts(settings={setting: value}))
    assert cpus.state is State.OK
    assert (found.subject, found.state) == (subject, state)
    assert value.split(",")[0] in str(found)
    assert bool(found.advice) == (state is not State.OK) or subject == "isolated CPUs"


@pytest.mark.parametrize(("setting", "state"), [("governor", State.WARN), ("turbo", State.NOTE)])
def test_what_tuning_would_change_says_what_it_gains_and_costs(setting: str, state: State) -> None:
    before = (Value(setting, "/sys/file", "this"),)
    change = Change(setting, before, "that", now="this", then="that", gain="less noise", cost="a lot of power")
    _, found = findings(facts(), [change])
    assert (found.subject, found.state) == (setting, state)
    assert found.text == "this; once that, less noise"
    assert "inv doctor --tune" in found.advice
    assert "a lot of power" in found.advice


@pytest.mark.parametrize(("setting", "value"), [("SMT", "off"), ("swap used", "0 MiB"), ("clock source", "tsc")])
def test_what_is_as_it_should_be_needs_no_word(setting: str, value: str) -> None:
    assert len(findings(facts(settings={setting: value}))) == 1


@pytest.mark.parametrize(("cpus", "state"), [(1, State.WARN), (2, State.NOTE), (4, State.OK)])
def test_few_cpus_matter(cpus: int, state: State) -> None:
    (found,) = findings(facts(cpus))
    assert found.state is state


def test_a_finding_reads_as_a_line_and_its_advice() -> None:
    finding = noise.Finding("load", State.WARN, "4 on 2 CPUs", "Stop it.")
    assert str(finding) == "warn  load: 4 on 2 CPUs\n      Stop it."
    assert str(noise.Finding("turbo", State.OK, "off")) == "ok    turbo: off"


def test_cpus_that_keep_one_speed() -> None:
    steady = speeds({0: [2e-3, 2.05e-3, 2e-3], 1: [2.1e-3, 2e-3, 2e-3]})
    assert steady.state is State.OK
    assert "2.00 ms at best" in steady.text


def test_a_cpu_at_half_speed_is_named() -> None:
    flipped = speeds({0: [2e-3] * 9, 1: [2e-3, *[4e-3] * 8]})
    assert flipped.state is State.WARN
    assert "2.00 ms at best, 4.00 ms in the median on CPU 1; 44% of 18 loops" in flipped.text


def test_rare_interruptions_are_not_a_change_of_speed_and_frequent_ones_are() -> None:
    assert speeds({0: [2e-3] * 95 + [5e-3] * 5}).state is State.OK
    assert speeds({0: [2e-3] * 80 + [5e-3] * 20}).state is State.WARN


def test_nothing_tried_is_nothing_found() -> None:
    assert speeds({}).text == "not tried"


def test_the_probe_visits_every_cpu_in_its_time_and_restores_the_affinity() -> None:
    before = os.sched_getaffinity(0)
    start = time.monotonic()
    times = probe_speeds(sorted(before), seconds=0.3)
    assert time.monotonic() - start < 1.5
    assert os.sched_getaffinity(0) == before
    assert set(times) <= before
    assert times
    assert all(value > 0 for values in times.values() for value in values)
    assert probe_speeds(before, seconds=0) == {}


def test_this_machine_has_findings() -> None:
    found = findings(host.facts())
    assert found[0].subject == "CPUs"
    assert "load" in {finding.subject for finding in found}
