"""The machine: which CPUs it has, which of them to measure on, and what a report must say of it.

`read_topology` and `facts` are the thin readers (/sys, /proc, the scheduler); choosing CPUs is a pure function of a
`Topology`, so that it can be tested on machines that nobody here has.
"""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from harness.errors import HostError
from harness.model import HostFacts, cpu_list, parse_cpu_list


@dataclass(frozen=True, slots=True)
class Cpu:
    """A logical CPU that is online."""

    id: int
    siblings: tuple[int, ...]
    """Online CPUs of the same physical core, itself included."""
    package: int
    node: int
    """NUMA node."""
    l3: int
    """Lowest CPU that shares the last-level cache; where the machine does not tell, the lowest of the package."""
    kind: int
    """0 for the fastest kind of core that the machine has, 1 for the next: P and E cores, big and little ones."""
    isolated: bool
    """isolcpus: the kernel moves no threads onto it or off it."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The online CPUs of a machine, ascending, and those that this process may use."""

    cpus: tuple[Cpu, ...]
    allowed: tuple[int, ...]

    def select(self, ids: Iterable[int]) -> tuple[Cpu, ...]:
        """The CPUs with these ids, ascending."""
        wanted = set(ids)
        return tuple(cpu for cpu in self.cpus if cpu.id in wanted)


# -- choosing ----------------------------------------------------------------------------------------------------------


def choose_cpus(topology: Topology, size: int) -> tuple[int, ...]:
    """The best set of `size` CPUs for one worker, ascending; the same answer every time.

    In the order of what would hurt a measurement most: no isolated CPUs in a set of several (a set of one prefers
    them), one kind of core, whole cores with their SMT siblings left idle, the fastest kind, few NUMA nodes, few
    last-level caches, few packages, and the lowest CPU's core left to the rest of the system.  Siblings are used where
    cores run out.  Whole cores and near memory first is BenchExec's rule (Beyer, Löwe & Wendler 2019).

    Raises:
        HostError: there are fewer CPUs than that.
    """
    cpus = topology.select(topology.allowed)
    if not 1 <= size <= len(cpus):
        raise HostError(
            f"a set of {size} CPUs cannot be had: this process may use {len(cpus)} ({cpu_list(topology.allowed)})",
            hint=f"Ask for 1 to {len(cpus)}.",
        )
    candidates = (_fill(pool, size) for pool in _pools(cpus) if len(pool) >= size)
    return tuple(cpu.id for cpu in min(candidates, key=lambda chosen: _cost(chosen, housekeeping=cpus[0].siblings)))


def _pools(cpus: tuple[Cpu, ...]) -> Iterator[tuple[Cpu, ...]]:
    """Parts of the machine to confine a set to: by kind, place, isolation, with and without the lowest core."""
    kinds = {*((cpu.kind,) for cpu in cpus), tuple({cpu.kind for cpu in cpus})}
    places = {place for cpu in cpus for place in _places(cpu)}
    for kind, place, isolation, reserved in product(
        kinds, places, ((False,), (True,), (False, True)), (cpus[0].siblings, ())
    ):
        yield tuple(
            cpu
            for cpu in cpus
            if cpu.kind in kind and place in _places(cpu) and cpu.isolated in isolation and cpu.id not in reserved
        )


def _places(cpu: Cpu) -> tuple[tuple[str, int], ...]:
    """Where it is, from near to far."""
    return ("l3", cpu.l3), ("node", cpu.node), ("package", cpu.package), ("machine", 0)


def _fill(pool: tuple[Cpu, ...], size: int) -> tuple[Cpu, ...]:
    """`size` CPUs of the pool, ascending: cores before siblings, and roomy places first, so that few are needed."""
    ids = {cpu.id for cpu in pool}
    on_node = Counter(cpu.node for cpu in pool)
    on_l3 = Counter((cpu.node, cpu.l3) for cpu in pool)

    def rank(cpu: Cpu) -> tuple[int, ...]:
        thread = sum(sibling in ids for sibling in cpu.siblings if sibling < cpu.id)
        return thread, -on_node[cpu.node], cpu.node, -on_l3[cpu.node, cpu.l3], cpu.l3, cpu.id

    return tuple(sorted(sorted(pool, key=rank)[:size], key=lambda cpu: cpu.id))


def _cost(chosen: tuple[Cpu, ...], housekeeping: tuple[int, ...]) -> tuple[int | tuple[int, ...], ...]:
    """The criteria of `choose_cpus`, the worst first."""
    isolated = sum(cpu.isolated for cpu in chosen)
    return (
        isolated if len(chosen) > 1 else 1 - isolated,
        len({cpu.kind for cpu in chosen}),
        len(chosen) - len({cpu.siblings for cpu in chosen}),
        sum(cpu.kind for cpu in chosen),
        len({cpu.node for cpu in chosen}),
        len({cpu.l3 for cpu in chosen}),
        len({cpu.package for cpu in chosen}),
        any(cpu.id in housekeeping for cpu in chosen),
        tuple(cpu.id for cpu in chosen),
    )


def advice(topology: Topology, cpus: Iterable[int]) -> tuple[str, ...]:
    """What a reader must know of measurements on this set of CPUs, one sentence each."""
    chosen = topology.select(cpus)
    name = f"CPUs {cpu_list(tuple(cpu.id for cpu in chosen))}"
    isolated = tuple(cpu.id for cpu in chosen if cpu.isolated)
    found: list[str] = []
    if isolated and len(chosen) > 1:
        found.append(
            f"{name}: {cpu_list(isolated)} isolated (isolcpus); the kernel spreads no threads over isolated CPUs, so a "
            "threaded workload can stack on one of them and look as if it did not scale"
        )
    if shared := [cpu for cpu in chosen if sum(other.siblings == cpu.siblings for other in chosen) > 1]:
        found.append(
            f"{name}: {cpu_list(tuple(cpu.id for cpu in shared))} share cores (SMT), so {len(chosen)} threads have "
            f"{len({cpu.siblings for cpu in chosen})} cores"
        )
    if len({cpu.kind for cpu in chosen}) > 1:
        found.append(f"{name} are of different kinds, fast and slow: the slowest one decides when a job is done")
    if (nodes := len({cpu.node for cpu in chosen})) > 1:
        found.append(f"{name} are on {nodes} NUMA nodes: part of the memory is far away")
    elif (caches := len({cpu.l3 for cpu in chosen})) > 1:
        found.append(f"{name} have {caches} last-level caches: threads that share data pay for it")
    if not set(topology.allowed) - {cpu.id for cpu in chosen}:
        found.append(f"{name} are all this process may use: the rest of the system runs on them too")
    return tuple(found)


# -- reading -----------------------------------------------------------------------------------------------------------


def read_topology(root: Path = Path("/"), allowed: Iterable[int] | None = None) -> Topology:
    """The topology as /sys below `root` tells it; what it does not tell is taken to be the simplest machine.

    Args:
        allowed: CPUs that this process may use; asked of the scheduler where not given.
    """
    usable = set(os.sched_getaffinity(0) if allowed is None else allowed)
    system = root / "sys/devices/system"
    online = _cpus(system / "cpu/online") or tuple(sorted(usable))
    isolated = _cpus(system / "cpu/isolated")
    packages = {cpu: _number(system / f"cpu/cpu{cpu}/topology/physical_package_id") for cpu in online}
    nodes = {
        cpu: int(folder.name.removeprefix("node"))
        for folder in system.glob("node/node[0-9]*")
        for cpu in _cpus(folder / "cpulist")
    }
    kinds = _kinds(root, online)
    cpus = []
    for cpu in online:
        folder = system / f"cpu/cpu{cpu}"
        siblings = _cpus(folder / "topology/core_cpus_list") or _cpus(folder / "topology/thread_siblings_list")
        caches = {_number(index / "level"): _cpus(index / "shared_cpu_list") for index in folder.glob("cache/index*")}
        shared = caches.get(3) or tuple(other for other in online if packages[other] == packages[cpu])
        cpus.append(
            Cpu(
                id=cpu,
                siblings=tuple(sorted({cpu, *siblings} & set(online))),
                package=packages[cpu],
                node=nodes.get(cpu, 0),
                l3=min(shared),
                kind=kinds[cpu],
                isolated=cpu in isolated,
            )
        )
    return Topology(tuple(cpus), tuple(sorted(usable & set(online))))


def _kinds(root: Path, online: tuple[int, ...]) -> Mapping[int, int]:
    """Kind of every core: Intel names them, elsewhere capacity or top frequency tells, where they differ by a lot."""
    fast = set(_cpus(root / "sys/devices/cpu_core/cpus"))
    if fast and _cpus(root / "sys/devices/cpu_atom/cpus"):
        return {cpu: int(cpu not in fast) for cpu in online}
    for source in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        speed = {cpu: _number(root / f"sys/devices/system/cpu/cpu{cpu}" / source) for cpu in online}
        if all(speed.values()):
            break
    else:
        return dict.fromkeys(online, 0)
    kinds: dict[int, int] = {}
    kind, top = 0, max(speed.values())
    for cpu in sorted(online, key=lambda cpu: -speed[cpu]):
        # A few percent are favoured cores of one kind: Turbo Boost Max, CPPC.
        if speed[cpu] < 0.85 * top:
            kind, top = kind + 1, speed[cpu]
        kinds[cpu] = kind
    return kinds


def facts(root: Path = Path("/"), allowed: Iterable[int] | None = None) -> HostFacts:
    """What a report must say of this machine; what cannot be read is left out of the settings."""
    topology = read_topology(root, allowed)
    usable = topology.select(topology.allowed)
    cpuinfo, memory = _fields(root / "proc/cpuinfo"), _fields(root / "proc/meminfo")
    distribution = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text(root / "etc/os-release"), re.MULTILINE)
    return HostFacts(
        name=platform.node(),
        cpu_model=cpuinfo.get("model name") or cpuinfo.get("Model") or platform.machine(),
        cpus=topology.allowed,
        cores=len({cpu.siblings for cpu in usable}),
        memory=_kibibytes(memory.get("MemTotal", "")),
        kernel=platform.release(),
        distribution=distribution[1] if distribution else platform.system(),
        settings={name: value for name, value in _settings(root, topology, cpuinfo, memory) if value},
    )


def _settings(
    root: Path, topology: Topology, cpuinfo: Mapping[str, str], memory: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Name and value of what changes measurements; empty values for what this machine does not tell."""
    cpu, kernel, mm = root / "sys/devices/system/cpu", root / "proc/sys/kernel", root / "sys/kernel/mm"
    switch = {"0": "off", "1": "on"}
    governors = {_text(cpu / f"cpu{n}/cpufreq/scaling_governor") for n in topology.allowed}
    turbo = {"0": "on", "1": "off"}.get(_text(cpu / "intel_pstate/no_turbo")) or switch.get(
        _text(cpu / "cpufreq/boost")
    )
    yield "governor", ", ".join(sorted(governors - {""}))
    yield "frequency driver", _text(cpu / "cpu0/cpufreq/scaling_driver")
    yield "turbo", turbo or ""
    yield "SMT", switch.get(_text(cpu / "smt/active"), "")
    yield "isolated CPUs", cpu_list(_cpus(cpu / "isolated"))
    yield "tickless CPUs", cpu_list(_cpus(cpu / "nohz_full"))
    yield "NUMA nodes", str(len({cpu.node for cpu in topology.cpus}))
    yield "online CPUs", cpu_list(tuple(cpu.id for cpu in topology.cpus))
    yield "load", " ".join(_text(root / "proc/loadavg").split()[:3])
    yield "steal", _steal(_text(root / "proc/stat"))
    yield "ASLR", _text(kernel / "randomize_va_space")
    yield "NMI watchdog", switch.get(_text(kernel / "nmi_watchdog"), "")
    yield "NUMA balancing", _text(kernel / "numa_balancing")
    yield "swappiness", _text(root / "proc/sys/vm/swappiness")
    yield "perf_event_paranoid", _text(kernel / "perf_event_paranoid")
    yield "clock source", _text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource")
    yield "transparent huge pages", _bracketed(_text(mm / "transparent_hugepage/enabled"))
    yield "memory available", _mebibytes(memory.get("MemAvailable", ""))
    yield "swap used", _mebibytes(memory.get("SwapTotal", ""), minus=memory.get("SwapFree", ""))
    yield "hypervisor", _hypervisor(root, cpuinfo)
    yield "cgroup", _cgroup(root / "sys/fs/cgroup")
    yield "microcode", cpuinfo.get("microcode", "")
    yield "Spectre v2", _text(cpu / "vulnerabilities/spectre_v2")
    yield "speculative store bypass", _text(cpu / "vulnerabilities/spec_store_bypass")


def _hypervisor(root: Path, cpuinfo: Mapping[str, str]) -> str:
    """Product of the virtual machine; empty on metal and where nothing tells."""
    if "hypervisor" not in cpuinfo.get("flags", "").split():
        return _text(root / "sys/hypervisor/type")
    product = (_text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name"))
    return " ".join(filter(None, product)) or "yes"


def _cgroup(folder: Path) -> str:
    if (folder / "cgroup.controllers").exists():
        return "v2"
    return "v1" if (folder / "cpu").exists() else ""


def _steal(stat: str) -> str:
    """Share of the time since boot that the hypervisor gave to others."""
    # user nice system idle iowait irq softirq steal; guest time, behind them, is part of user time.
    times = [int(word) for word in stat.partition("\n")[0].split()[1:9]]
    total = sum(times)
    return f"{times[7] / total:.2%}" if len(times) == 8 and total else ""


def _text(path: Path) -> str:
    """Content of a small file; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    """Content as a number; 0 where there is none: kernels write -1 for a package that the firmware does not tell."""
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _cpus(path: Path) -> tuple[int, ...]:
    try:
        return parse_cpu_list(_text(path))
    except ValueError:
        return ()


def _fields(path: Path) -> dict[str, str]:
    """Lines of "name: value"; of several with one name the first."""
    lines = (line.partition(":") for line in _text(path).splitlines())
    fields: dict[str, str] = {}
    for name, _, value in lines:
        fields.setdefault(name.strip(), value.strip())
    return fields


def _bracketed(text: str) -> str:
    """The choice that is marked: "always [madvise] never" is madvise."""
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""


def _kibibytes(text: str) -> int:
    """Bytes of "1024 kB"; 0 of anything else."""
    number = text.removesuffix("kB").strip()
    return int(number) * 1024 if number.isdecimal() else 0


def _mebibytes(text: str, minus: str = "") -> str:
    return f"{(_kibibytes(text) - _kibibytes(minus)) >> 20} MiB" if text else ""
