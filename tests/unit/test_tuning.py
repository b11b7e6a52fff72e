"""What tuning would change on machines made of files, what it writes down, and that all of it comes back."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from harness import tuning
from harness.errors import HostError
from harness.tuning import STATE, Change, Tuned, changes, has_booted, recall, report, tune, untune

CPU = "sys/devices/system/cpu"
SWAPPINESS = "proc/sys/vm/swappiness"
NUMA = "proc/sys/kernel/numa_balancing"
BOOT = "proc/sys/kernel/random/boot_id"
KEEPS = Path("/proc/sys/kernel/random/urandom_min_reseed_secs")
"""60, more than enough for a swappiness; the kernel has accepted and ignored whatever is written since 5.18."""
REFUSES = Path("/proc/sys/kernel/random/poolsize")
"""A number that nobody may write, root included."""


def machine(root: Path, files: dict[str, str] | None = None) -> Path:
    """A machine with these files."""
    return write(root, {BOOT: "first-boot"} | (files or {}))


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def policies(root: Path, *governors: str) -> Path:
    """CPUs with these governors."""
    for number, governor in enumerate(governors):
        folder = f"{CPU}/cpufreq/policy{number}"
        write(
            root, {f"{folder}/scaling_governor": governor, f"{folder}/energy_performance_preference": "balance_power"}
        )
    return root


def stand_in(root: Path, name: str, real: Path) -> Path:
    """A file of the machine that is really one of the kernel's."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).symlink_to(real)
    return root


def content(root: Path) -> dict[str, str]:
    """What every file of the machine holds."""
    return {str(path.relative_to(root)): path.read_text().strip() for path in root.rglob("*") if path.is_file()}


def the_change(root: Path) -> Change:
    (change,) = changes(root)
    return change


# -- what would change -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "before", "after", "setting", "words"),
    [
        (f"{CPU}/cpufreq/policy0/scaling_governor", "powersave", "performance", "governor", "powersave -> performance"),
        (f"{CPU}/intel_pstate/no_turbo", "0", "1", "turbo", "on -> off"),
        (f"{CPU}/cpufreq/boost", "1", "0", "turbo", "on -> off"),
        (SWAPPINESS, "60", "1", "swappiness", "60 -> 1"),
        (NUMA, "1", "0", "NUMA balancing", "on -> off"),
        (NUMA, "2", "0", "NUMA balancing", "memory tiering -> off"),
        ("proc/sys/kernel/nmi_watchdog", "1", "0", "NMI watchdog", "on -> off"),
        ("proc/sys/kernel/randomize_va_space", "0", "2", "ASLR", "off -> full"),
        ("proc/sys/kernel/randomize_va_space", "1", "2", "ASLR", "in part -> full"),
    ],
)
def test_each_setting_that_disturbs_is_changed_and_comes_back(
    file: str, before: str, after: str, setting: str, words: str, tmp_path: Path
) -> None:
    there = content(machine(tmp_path, {file: before}))

    change = the_change(tmp_path)
    assert change.setting == setting
    assert [(value.path, value.value) for value in change.before] == [(f"/{file}", before)]
    assert f"{change.now} -> {change.then}" == words
    assert change.gain
    assert change.cost

    (written,) = tune(changes(tmp_path), tmp_path)
    assert written.took
    assert (tmp_path / file).read_text() == after
    assert changes(tmp_path) == ()

    state = recall(tmp_path)
    assert state
    (restored,) = untune(state, tmp_path)
    assert restored.took
    assert content(tmp_path) == there


@pytest.mark.parametrize(
    ("file", "value"),
    [
        (f"{CPU}/cpufreq/policy0/scaling_governor", "performance"),
        (f"{CPU}/intel_pstate/no_turbo", "1"),
        (f"{CPU}/cpufreq/boost", "0"),
        (SWAPPINESS, "1"),
        (SWAPPINESS, "0"),  # stricter still
        (NUMA, "0"),
        ("proc/sys/kernel/nmi_watchdog", "0"),
        ("proc/sys/kernel/randomize_va_space", "2"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
        (f"{CPU}/smt/active", "1"),
        (SWAPPINESS, ""),  # as a driver answers that is switched off
    ],
)
def test_what_suits_or_is_part_of_what_is_measured_is_left_alone(file: str, value: str, tmp_path: Path) -> None:
    assert changes(machine(tmp_path, {file: value})) == ()


def test_a_machine_without_any_of_the_settings_has_nothing_to_change(tmp_path: Path) -> None:
    assert changes(tmp_path) == ()
    assert tune((), tmp_path) == ()
    assert recall(tmp_path) is None


def test_saying_what_would_change_changes_nothing(tmp_path: Path) -> None:
    there = content(policies(machine(tmp_path, {SWAPPINESS: "60"}), "powersave"))
    assert len(changes(tmp_path)) == 2
    assert content(tmp_path) == there


def test_all_cpus_with_another_governor_are_changed_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    policies(machine(tmp_path), *["powersave"] * 5, "performance", "schedutil", *["powersave"] * 5)
    change = the_change(tmp_path)
    assert [value.path for value in change.before] == [
        f"/{CPU}/cpufreq/policy{number}/scaling_governor" for number in range(12) if number != 5
    ]
    assert str(change).splitlines() == [
        "governor: powersave, schedutil -> performance",
        f"  gain  {change.gain}",
        f"  cost  {change.cost}",
        f"  file  /{CPU}/cpufreq/policy[0-4,7-11]/scaling_governor: powersave -> performance",
        f"  file  /{CPU}/cpufreq/policy6/scaling_governor: schedutil -> performance",
    ]


def test_without_swap_the_gain_of_swappiness_says_so(tmp_path: Path) -> None:
    machine(tmp_path, {SWAPPINESS: "60", "proc/swaps": "Filename Type Size Used Priority"})
    assert "there is no swap now" in the_change(tmp_path).gain
    write(tmp_path, {"proc/swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2"})
    assert "there is no swap now" not in the_change(tmp_path).gain


# -- what the kernel refuses -------------------------------------------------------------------------------------------


def test_a_refused_change_is_reported_and_the_others_are_made(tmp_path: Path) -> None:
    stand_in(machine(tmp_path, {NUMA: "1"}), SWAPPINESS, REFUSES)
    refused, changed = tune(changes(tmp_path), tmp_path)
    assert not refused.took
    assert refused.before == refused.after == REFUSES.read_text().strip()
    assert changed.took
    assert list(report((refused, changed), "changed", "refused")) == [
        f"refused  swappiness: /{SWAPPINESS}: cannot be 1: {refused.error}",
        f"changed  NUMA balancing: /{NUMA}: 1 -> 0",
    ]
    assert refused.error


@pytest.mark.skipif(
    tuple(int(part) for part in platform.release().split(".")[:2]) < (5, 18) or not os.access(KEEPS, os.W_OK),
    reason="needs root and a file of the kernel's that ignores what is written",
)
def test_a_file_that_keeps_its_value_was_refused_too(tmp_path: Path) -> None:
    stand_in(machine(tmp_path), SWAPPINESS, KEEPS)
    (refused,) = tune(changes(tmp_path), tmp_path)
    assert not refused.took
    assert str(refused) == f"cannot be 1: it holds {KEEPS.read_text().strip()}"


def test_where_everything_was_refused_there_is_nothing_to_restore(tmp_path: Path) -> None:
    stand_in(machine(tmp_path), SWAPPINESS, REFUSES)
    tune(changes(tmp_path), tmp_path)
    assert recall(tmp_path) is None


def test_nothing_is_changed_where_what_is_there_cannot_be_written_down(tmp_path: Path) -> None:
    there = content(machine(tmp_path, {SWAPPINESS: "60", "var/lib/gilometer/tuned.new/in-the-way": ""}))
    with pytest.raises(HostError, match="cannot write") as error:
        tune(changes(tmp_path), tmp_path)
    assert "Nothing was changed" in error.value.hint
    assert content(tmp_path) == there


# -- what was there before ---------------------------------------------------------------------------------------------


def test_a_second_tuning_adds_to_what_was_written_down_and_overwrites_nothing(tmp_path: Path) -> None:
    machine(tmp_path, {SWAPPINESS: "60"})
    tune(changes(tmp_path), tmp_path)
    first = recall(tmp_path)
    write(tmp_path, {SWAPPINESS: "30", NUMA: "1"})  # somebody else's, meanwhile
    tune(changes(tmp_path), tmp_path)

    state = recall(tmp_path)
    assert first
    assert state
    assert state.since == first.since
    assert [(value.path, value.value) for value in state.before] == [(f"/{SWAPPINESS}", "60"), (f"/{NUMA}", "1")]
    untune(state, tmp_path)
    assert ((tmp_path / SWAPPINESS).read_text(), (tmp_path / NUMA).read_text()) == ("60", "1")


def test_a_second_tuning_that_is_refused_forgets_nothing(tmp_path: Path) -> None:
    machine(tmp_path, {SWAPPINESS: "60"})
    tune(changes(tmp_path), tmp_path)
    first = recall(tmp_path)
    stand_in(tmp_path, NUMA, REFUSES)
    tune(changes(tmp_path), tmp_path)
    state = recall(tmp_path)
    assert first
    assert state
    assert set(first.before) < set(state.before)


def test_what_a_driver_changes_along_is_restored_after_the_setting_itself(tmp_path: Path) -> None:
    policies(machine(tmp_path), "powersave", "performance")
    there = content(tmp_path)
    tune(changes(tmp_path), tmp_path)
    preference = f"{CPU}/cpufreq/policy0/energy_performance_preference"
    write(tmp_path, {preference: "performance"})  # as drivers do

    state = recall(tmp_path)
    assert state
    assert [one.wanted.path for one in untune(state, tmp_path)] == [
        f"/{CPU}/cpufreq/policy0/scaling_governor",
        f"/{preference}",
    ]
    assert content(tmp_path) == there


def test_what_cannot_be_restored_is_told_with_the_value_that_it_had(tmp_path: Path) -> None:
    policies(machine(tmp_path, {SWAPPINESS: "60"}), "powersave")
    tune(changes(tmp_path), tmp_path)
    governor = tmp_path / f"{CPU}/cpufreq/policy0/scaling_governor"
    governor.unlink()

    state = recall(tmp_path)
    assert state
    assert list(report(untune(state, tmp_path), "restored", "lost")) == [
        f"lost      governor: /{CPU}/cpufreq/policy0/scaling_governor: cannot be powersave: No such file or directory",
        f"restored  swappiness: /{SWAPPINESS}: 1 -> 60",
    ]
    assert not governor.exists()
    assert recall(tmp_path) is None


def test_cpus_that_fared_alike_share_a_line(tmp_path: Path) -> None:
    policies(machine(tmp_path), *["powersave"] * 4)
    assert list(report(tune(changes(tmp_path), tmp_path), "changed", "refused")) == [
        f"changed  governor: /{CPU}/cpufreq/policy[0-3]/scaling_governor: powersave -> performance"
    ]


def test_after_a_boot_nothing_is_restored_and_what_was_written_down_is_forgotten(tmp_path: Path) -> None:
    machine(tmp_path, {SWAPPINESS: "60"})
    tune(changes(tmp_path), tmp_path)
    state = recall(tmp_path)
    assert state
    assert not has_booted(state, tmp_path)
    write(tmp_path, {BOOT: "second-boot", SWAPPINESS: "30"})
    assert has_booted(state, tmp_path)
    assert untune(state, tmp_path) == ()
    assert (tmp_path / SWAPPINESS).read_text() == "30\n"
    assert recall(tmp_path) is None


def test_tuning_after_a_boot_writes_down_what_the_boot_has_set(tmp_path: Path) -> None:
    machine(tmp_path, {SWAPPINESS: "60"})
    tune(changes(tmp_path), tmp_path)
    write(tmp_path, {BOOT: "second-boot", SWAPPINESS: "30"})
    tune(changes(tmp_path), tmp_path)
    state = recall(tmp_path)
    assert isinstance(state, Tuned)
    assert (state.boot, [value.value for value in state.before]) == ("second-boot", ["30"])


@pytest.mark.parametrize("text", ["", "{", '{"boot": "x"}', "[]"])
def test_a_damaged_state_file_is_named_and_nothing_is_changed(text: str, tmp_path: Path) -> None:
    there = content(machine(tmp_path, {SWAPPINESS: "60", str(STATE): text}))
    with pytest.raises(HostError, match=r"tuned\.json is damaged"):
        tune(changes(tmp_path), tmp_path)
    assert content(tmp_path) == there


def test_the_state_file_can_be_read_by_a_person_and_nothing_else_is_left(tmp_path: Path) -> None:
    machine(tmp_path, {SWAPPINESS: "60"})
    tune(changes(tmp_path), tmp_path)
    folder = tmp_path / STATE.parent
    assert list(folder.iterdir()) == [tmp_path / STATE]
    assert f'"path": "/{SWAPPINESS}"' in (tmp_path / STATE).read_text()


# -- this machine ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.access("/proc/sys/vm/swappiness", os.W_OK), reason="only root may tune")
def test_this_machine_is_tuned_and_comes_back(tmp_path: Path) -> None:
    real = Path("/proc/sys/vm/swappiness")
    there = real.read_text()
    stand_in(tmp_path, SWAPPINESS, real)  # this setting alone, and written down below tmp_path
    stand_in(tmp_path, BOOT, Path("/", BOOT))
    try:
        if there.strip() in ("0", "1"):
            real.write_text("60")
        before = real.read_text()
        (written,) = tune(changes(tmp_path), tmp_path)
        assert written.took
        assert real.read_text() == "1\n"
        state = recall(tmp_path)
        assert state
        assert not has_booted(state)
        (restored,) = untune(state, tmp_path)
        assert restored.took
        assert real.read_text() == before
    finally:
        real.write_text(there)


def test_what_this_machine_would_change_can_be_said_by_anybody() -> None:
    for change in tuning.changes():
        assert change.before
        assert all(value.value != change.after and Path(value.path).exists() for value in change.before)
