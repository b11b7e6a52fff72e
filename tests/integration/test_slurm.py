"""A worker as a job of a real Slurm, of one node on this machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import fleets, runs, store, wire
from harness.fleet import FLEET, Offer
from harness.journal import BlockRecord, Sample
from harness.request import BenchOptions
from tests.conftest import required
from tests.integration.fleet_processes import ROOT, Fleet, free_ports, wait_for
from tests.toys import write_toys

NODE = socket.gethostname().partition(".")[0]
"""The controller insists on the name of its host."""
_PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "scancel", "squeue", "sinfo")

_CONF = """
ClusterName=gilometer
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=5
MpiDefault=none
MailProg=/bin/true
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={node} Default=YES MaxTime=INFINITE State=UP OverSubscribe=EXCLUSIVE
"""


@dataclass(frozen=True)
class Slurm:
    """A site of one node."""

    folder: Path

    def __call__(self, *command: str) -> str:
        """What one of its commands says."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def environment(self) -> Mapping[str, str]:
        return os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def said(self) -> str:
        """Everything that it wrote."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


@pytest.fixture
def slurm() -> Iterator[Slurm]:
    """Started, and its node idle."""
    required(os.geteuid() == 0 and all(map(shutil.which, _PROGRAMS)), "root and Slurm")
    folder = Path(tempfile.mkdtemp(prefix="gilometer-slurm-"))  # sockets have short paths
    folder.chmod(0o755)
    controller, daemon = free_ports(2)
    site = Slurm(folder)
    conf = _CONF.format(
        node=NODE, controller=controller, daemon=daemon, folder=folder, cpus=len(os.sched_getaffinity(0))
    )
    (folder / "slurm.conf").write_text(conf)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key, munge = folder / "munge.key", folder / "munge.sock"
    subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True)
    files = [f"--{kind}-file={folder}/munged.{kind}" for kind in ("log", "pid", "seed")]
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        first = stack.enter_context(
            _running(site, "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={munge}", *files)
        )
        wait_for(munge.exists, first)
        second = stack.enter_context(_running(site, "slurmctld", "-D"))
        third = stack.enter_context(_running(site, "slurmd", "-D", "-N", NODE))
        try:
            wait_for(lambda: _state(site) == "idle", first, second, third)
        except AssertionError:
            pytest.fail(site.said())
        yield site


@contextmanager
def _running(site: Slurm, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with (site.folder / f"{command[0]}.out.log").open("wb") as log:
        process = subprocess.Popen(command, env=site.environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        process.kill()
        process.wait()


def _state(site: Slurm) -> str:
    done = subprocess.run(
        ["sinfo", "--noheader", "--format=%T"],
        env=site.environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip()


def offers(fleet: Fleet) -> list[Offer]:
    with wire.Crew(fleet.address, None) as crew:
        return list(crew.offers().values())


def test_a_job_of_slurm_is_a_worker_of_its_cpus_and_leaves_when_it_is_cancelled(
    slurm: Slurm, pair: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet(tmp_path, write_toys(tmp_path / "workloads", "good"), pair)
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results")
    out = slurm.folder / "job.log"
    try:
        fleet.scheduler()
        recipe = ("--parsable", f"--output={out}", "--cpus-per-task=1", "docs/slurm/worker.sbatch")
        job = slurm("sbatch", *recipe, fleet.address)
        try:
            wait_for(lambda: bool(offers(fleet)))
        except AssertionError:
            pytest.fail(slurm.said())
        (offer,) = offers(fleet)
        assert [len(slot.cpus) for slot in offer.slots] == [1], "what Slurm gave to the step, and no more"

        options = BenchOptions(
            builds=",".join(pair),
            workloads="pure_python/cpu_bound",
            threads="1",
            blocks="2",
            measures="time",
            seed="1",
        )
        assert fleets.bench(options, fleet.address, spread="class", certificates=None) in (0, 4)
        (directory,) = (path.parent for path in (tmp_path / "results").glob(f"*/{FLEET}"))
        (share,) = store.load_fleet(directory).shares
        _, journal = store.load(store.share_directory(directory, share.name))
        samples = [one for line in journal if isinstance(line, BlockRecord) for one in line.outcomes]
        assert {type(one) for one in samples} == {Sample}, slurm.said()
        assert {one.evidence.cpus_allowed for one in samples if isinstance(one, Sample)} == {offer.slots[0].cpus}

        slurm("scancel", job)
        wait_for(lambda: not offers(fleet))
        wait_for(lambda: not slurm("squeue", "--noheader"))
    finally:
        fleet.close()
