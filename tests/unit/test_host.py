"""Choosing CPUs on machines made up from the files that their kernels would show."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import host
from harness.errors import HostError
from harness.host import Topology, advice, choose_cpus, read_topology
from harness.model import cpu_list


@dataclass(frozen=True)
class Machine:
    """Cores as tuples of CPUs, grouped by what they share; every list covers the whole machine once."""

    cores: tuple[tuple[int, ...], ...]
    packages: tuple[range, ...]
    nodes: tuple[range, ...] = ()
    caches: tuple[range, ...] = ()
    frequency: dict[int, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def write(self, root: Path) -> Path:
        """Lay the files out below `root`."""
        every = sorted(cpu for core in self.cores for cpu in core)
        system = "sys/devices/system"
        files = {f"{system}/cpu/online": cpu_list(tuple(every)), f"{system}/cpu/isolated": ""}
        for core in self.cores:
            for cpu in core:
                files[f"{system}/cpu/cpu{cpu}/topology/core_cpus_list"] = cpu_list(core)
        for number, package in enumerate(self.packages):
            for cpu in package:
                files[f"{system}/cpu/cpu{cpu}/topology/physical_package_id"] = str(number)
        for number, node in enumerate(self.nodes):
            files[f"{system}/node/node{number}/cpulist"] = cpu_list(tuple(node))
        for cache in self.caches:
            for cpu in cache:
                files[f"{system}/cpu/cpu{cpu}/cache/index3/level"] = "3"
                files[f"{system}/cpu/cpu{cpu}/cache/index3/shared_cpu_list"] = cpu_list(tuple(cache))
        for cpu, kilohertz in self.frequency.items():
            files[f"{system}/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq"] = str(kilohertz)
        for name, content in (files | self.files).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
        return root

    def topology(self, root: Path, allowed: Iterable[int] | None = None) -> Topology:
        every = [cpu for core in self.cores for cpu in core]
        return read_topology(self.write(root), every if allowed is None else allowed)


VM = Machine(cores=((0,), (1,)), packages=(range(2),))
DESKTOP = Machine(  # 8 cores, 16 threads: CPU n and n + 8 share a core
    cores=tuple((n, n + 8) for n in range(8)), packages=(range(16),), nodes=(range(16),), caches=(range(16),)
)
SERVER = Machine(  # 2 packages of 2 NUMA nodes of 4 cores, no SMT
    cores=tuple((n,) for n in range(16)),
    packages=(range(8), range(8, 16)),
    nodes=(range(4), range(4, 8), range(8, 12), range(12, 16)),
    caches=(range(4), range(4, 8), range(8, 12), range(12, 16)),
)
HYBRID = Machine(  # 8 P cores with two threads, neighbours; 8 E cores
    cores=(*((n, n + 1) for n in range(0, 16, 2)), *((n,) for n in range(16, 24))),
    packages=(range(24),),
    caches=(range(24),),
    files={"sys/devices/cpu_core/cpus": "0-15", "sys/devices/cpu_atom/cpus": "16-23"},
)
CHIPLETS = Machine(  # one NUMA node, 3 caches with 4 cores each
    cores=tuple((n,) for n in range(12)), packages=(range(12),), caches=(range(4), range(4, 8), range(8, 12))
)


# -- choosing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "size", "chosen"),
    [
        (VM, 1, "1"),  # CPU 0 is left to the system
        (VM, 2, "0-1"),
        (DESKTOP, 1, "1"),
        (DESKTOP, 4, "1-4"),  # whole cores, siblings idle
        (DESKTOP, 7, "1-7"),
        (DESKTOP, 8, "0-7"),
        (DESKTOP, 10, "0-9"),  # cores run out: two siblings
        (DESKTOP, 16, "0-15"),
        (SERVER, 1, "1"),
        (SERVER, 3, "1-3"),
        (SERVER, 4, "4-7"),  # one node, and not that of CPU 0
        (SERVER, 8, "8-15"),  # two nodes of one package
        (SERVER, 12, "4-15"),
        (SERVER, 16, "0-15"),
        (HYBRID, 1, "2"),
        (HYBRID, 4, "2,4,6,8"),
        (HYBRID, 8, "0,2,4,6,8,10,12,14"),  # all P cores rather than 7 and an E core
        (HYBRID, 12, "0-8,10,12,14"),  # P cores' siblings rather than E cores
        (HYBRID, 24, "0-23"),
        (CHIPLETS, 4, "4-7"),
        (CHIPLETS, 5, "4-8"),
        (CHIPLETS, 8, "4-11"),
    ],
)
def test_the_best_set(machine: Machine, size: int, chosen: str, tmp_path: Path) -> None:
    assert cpu_list(choose_cpus(machine.topology(tmp_path), size)) == chosen


def test_only_allowed_cpus_are_chosen(tmp_path: Path) -> None:
    large = Machine(
        cores=tuple((n, n + 32) for n in range(32)),
        packages=(range(64),),
        nodes=(range(64),),
    )
    topology = large.topology(tmp_path, allowed=(5, 6, 37, 38))
    assert choose_cpus(topology, 1) == (6,)
    assert choose_cpus(topology, 2) == (5, 6)
    assert choose_cpus(topology, 4) == (5, 6, 37, 38)


def test_a_sibling_that_is_not_allowed_does_not_make_a_core_smaller(tmp_path: Path) -> None:
    topology = DESKTOP.topology(tmp_path, allowed=(8, 1, 9))
    assert choose_cpus(topology, 2) == (1, 8)


def test_offline_cpus_do_not_exist(tmp_path: Path) -> None:
    half = Machine(cores=DESKTOP.cores, packages=DESKTOP.packages, files={"sys/devices/system/cpu/online": "0-3,8-9"})
    topology = half.topology(tmp_path)
    assert [cpu.id for cpu in topology.cpus] == [0, 1, 2, 3, 8, 9]
    assert topology.allowed == (0, 1, 2, 3, 8, 9)
    assert topology.select([2])[0].siblings == (2,)
    assert choose_cpus(topology, 4) == (0, 1, 2, 3)


@pytest.mark.parametrize("size", [3, 0])
def test_a_size_that_does_not_fit_names_the_cpus_there_are(size: int, tmp_path: Path) -> None:
    with pytest.raises(
        HostError, match=rf"a set of {size} CPUs cannot be had: this process may use 2 \(0-1\)"
    ) as error:
        choose_cpus(VM.topology(tmp_path), size)
    assert error.value.status == 3


def test_isolated_cpus_suit_one_thread_and_are_avoided_by_several(tmp_path: Path) -> None:
    tuned = Machine(
        cores=tuple((n,) for n in range(6)), packages=(range(6),), files={"sys/devices/system/cpu/isolated": "4-5"}
    )
    topology = tuned.topology(tmp_path)
    assert choose_cpus(topology, 1) == (4,)
    assert choose_cpus(topology, 2) == (1, 2)
    assert choose_cpus(topology, 4) == (0, 1, 2, 3)
    assert choose_cpus(topology, 5) == (0, 1, 2, 3, 4)


def test_the_choice_is_always_a_set_of_that_size_and_the_same_again(tmp_path: Path) -> None:
    for number, machine in enumerate((VM, DESKTOP, SERVER, HYBRID, CHIPLETS)):
        topology = machine.topology(tmp_path / str(number))
        for size in range(1, len(topology.allowed) + 1):
            chosen = choose_cpus(topology, size)
            assert len(set(chosen)) == size
            assert set(chosen) <= set(topology.allowed)
            assert chosen == tuple(sorted(chosen)) == choose_cpus(topology, size)


# -- advice ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "cpus", "said"),
    [
        (DESKTOP, (1, 2), []),
        (DESKTOP, (1, 9), ["1,9 share cores (SMT), so 2 threads have 1 cores"]),
        (HYBRID, (2, 16), ["different kinds"]),
        (SERVER, (3, 4), ["2 NUMA nodes"]),
        (CHIPLETS, (3, 4), ["2 last-level caches"]),
        (VM, (0, 1), ["all this process may use"]),
    ],
)
def test_advice_says_what_a_set_suffers_from(
    machine: Machine, cpus: tuple[int, ...], said: list[str], tmp_path: Path
) -> None:
    given = advice(machine.topology(tmp_path), cpus)
    assert len(given) == len(said)
    assert all(part in text for part, text in zip(said, given, strict=True))


def test_advice_warns_of_isolated_cpus_in_sets_of_several_only(tmp_path: Path) -> None:
    tuned = Machine(
        cores=tuple((n,) for n in range(6)), packages=(range(6),), files={"sys/devices/system/cpu/isolated": "4-5"}
    )
    topology = tuned.topology(tmp_path)
    assert advice(topology, (4,)) == ()
    (text,) = advice(topology, (3, 4))
    assert text.startswith("CPUs 3-4: 4 isolated (isolcpus)")


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_machine_that_tells_nothing_has_one_package_of_single_threads(tmp_path: Path) -> None:
    topology = read_topology(tmp_path, allowed=(3, 1))
    assert topology.allowed == (1, 3)
    assert [cpu.siblings for cpu in topology.cpus] == [(1,), (3,)]
    assert {(cpu.package, cpu.node, cpu.l3, cpu.kind, cpu.isolated) for cpu in topology.cpus} == {(0, 0, 1, 0, False)}


@pytest.mark.parametrize(
    "name", ["online", "isolated", "cpu0/topology/core_cpus_list", "cpu0/cpufreq/cpuinfo_max_freq"]
)
def test_files_that_make_no_sense_are_as_good_as_missing(name: str, tmp_path: Path) -> None:
    VM.write(tmp_path)
    path = tmp_path / "sys/devices/system/cpu" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff?!\n")
    assert read_topology(tmp_path, allowed=(0, 1)) == VM.topology(tmp_path / "sound")


def test_firmware_that_numbers_no_packages(tmp_path: Path) -> None:
    VM.write(tmp_path)
    (tmp_path / "sys/devices/system/cpu/cpu1/topology/physical_package_id").write_text("-1\n")
    assert {cpu.package for cpu in read_topology(tmp_path, allowed=(0, 1)).cpus} == {0}


def test_old_kernels_call_core_cpus_thread_siblings(tmp_path: Path) -> None:
    DESKTOP.write(tmp_path)
    for path in tmp_path.glob("sys/devices/system/cpu/cpu*/topology/core_cpus_list"):
        path.rename(path.with_name("thread_siblings_list"))
    assert read_topology(tmp_path, allowed=range(16)) == DESKTOP.topology(tmp_path / "new")


@pytest.mark.parametrize(
    ("frequencies", "kinds"),
    [
        ((5_100_000, 5_100_000, 3_300_000, 3_300_000), (0, 0, 1, 1)),
        ((5_100_000, 5_300_000, 5_100_000, 5_200_000), (0, 0, 0, 0)),  # favoured cores are no kind of their own
        ((3_000_000, 2_000_000, 1_000_000, 1_000_000), (0, 1, 2, 2)),
    ],
)
def test_kinds_of_cores_by_top_frequency(frequencies: tuple[int, ...], kinds: tuple[int, ...], tmp_path: Path) -> None:
    machine = Machine(cores=tuple((n,) for n in range(4)), packages=(range(4),), frequency=dict(enumerate(frequencies)))
    assert tuple(cpu.kind for cpu in machine.topology(tmp_path).cpus) == kinds


def test_kinds_of_cores_by_capacity_as_arm_tells_it(tmp_path: Path) -> None:
    capacity = {f"sys/devices/system/cpu/cpu{cpu}/cpu_capacity": "1024" if cpu > 1 else "446" for cpu in range(4)}
    machine = Machine(cores=tuple((n,) for n in range(4)), packages=(range(4),), files=capacity)
    topology = machine.topology(tmp_path)
    assert tuple(cpu.kind for cpu in topology.cpus) == (1, 1, 0, 0)
    assert choose_cpus(topology, 2) == (2, 3)


def test_facts_of_a_made_up_machine(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    files = {
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Epyc Core\nflags\t: fpu hypervisor\nmicrocode\t: 0x1\n\n"
        "processor\t: 1\nmodel name\t: another",
        "proc/meminfo": "MemTotal:  2048000 kB\nMemAvailable: 1024000 kB\nSwapTotal: 4096 kB\nSwapFree: 2048 kB",
        "proc/loadavg": "0.50 0.40 0.30 1/100 999",
        "proc/stat": "cpu  10 0 10 70 0 0 0 10 5 0\ncpu0 1 2 3",
        "proc/sys/kernel/randomize_va_space": "2",
        "proc/sys/kernel/nmi_watchdog": "1",
        "proc/sys/kernel/numa_balancing": "0",
        "proc/sys/vm/swappiness": "60",
        "etc/os-release": 'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"',
        f"{cpu}/cpu0/cpufreq/scaling_governor": "powersave",
        f"{cpu}/cpu1/cpufreq/scaling_governor": "performance",
        f"{cpu}/intel_pstate/no_turbo": "0",
        f"{cpu}/smt/active": "1",
        f"{cpu}/isolated": "1",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "sys/class/dmi/id/sys_vendor": "QEMU",
        "sys/fs/cgroup/cgroup.controllers": "cpu",
    }
    machine = Machine(cores=((0, 1),), packages=(range(2),), files=files)
    facts = host.facts(machine.write(tmp_path), allowed=(0, 1))
    assert (facts.cpu_model, facts.cores, facts.cpus) == ("Epyc Core", 1, (0, 1))
    assert (facts.memory, facts.distribution) == (2048000 * 1024, "Debian GNU/Linux 13 (trixie)")
    assert facts.settings == {
        "governor": "performance, powersave",
        "turbo": "on",
        "SMT": "on",
        "isolated CPUs": "1",
        "NUMA nodes": "1",
        "online CPUs": "0-1",
        "load": "0.50 0.40 0.30",
        "steal": "10.00%",
        "ASLR": "2",
        "NMI watchdog": "on",
        "NUMA balancing": "0",
        "swappiness": "60",
        "transparent huge pages": "madvise",
        "memory available": "1000 MiB",
        "swap used": "2 MiB",
        "hypervisor": "QEMU",
        "cgroup": "v2",
        "microcode": "0x1",
    }


def test_a_machine_that_tells_nothing_has_facts_all_the_same(tmp_path: Path) -> None:
    facts = host.facts(tmp_path, allowed=(0,))
    assert facts.cpus == (0,)
    assert facts.cpu_model
    assert facts.settings == {"NUMA nodes": "1", "online CPUs": "0"}


def test_this_machine() -> None:
    topology = read_topology()
    assert topology.allowed == tuple(sorted(os.sched_getaffinity(0)))
    for size in (1, len(topology.allowed)):
        assert len(choose_cpus(topology, size)) == size
    facts = host.facts()
    assert facts.cpus == topology.allowed
    assert 1 <= facts.cores <= len(facts.cpus)
    assert facts.memory > 0
    assert facts.settings["load"]
