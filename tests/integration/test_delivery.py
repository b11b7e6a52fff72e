"""A bundle carried over the wire of a fleet to a host whose engine has nothing, which then measures with it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness import fleets, provision, shipping, store, wire
from harness.errors import HostError, RequestError
from harness.fleet import Offer, Parcel
from harness.journal import BlockRecord, Sample
from harness.model import BuildFacts
from harness.provision import Daemon
from harness.request import BenchOptions
from tests.integration import daemons
from tests.integration.fleet_processes import Fleet, wait_for
from tests.toys import write_toys

BLOCKS = 2


@pytest.fixture(scope="module")
def path(pair_facts: tuple[BuildFacts, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bundle."""
    path = tmp_path_factory.mktemp("carried") / "bundle.tar"
    shipping.pack(BenchOptions(builds=",".join(one.build.name for one in pair_facts)), str(path))
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The other machine's engine."""
    with daemons.own(tmp_path_factory.mktemp("far")) as daemon:
        provision.start_daemon(daemon).client.close()
        yield daemon


@pytest.fixture
def fleet(tmp_path: Path, pair: tuple[str, str]) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, write_toys(tmp_path / "workloads", "good"), pair)
    yield fleet
    fleet.close()


def offers(fleet: Fleet) -> dict[str, Offer]:
    """What is offered, by host."""
    with wire.Crew(fleet.address, None) as crew:
        return {one.host: one for one in crew.offers().values()}


def arrived() -> set[Path]:
    """Bundles that lie on this machine, whole or not."""
    return set(Path("/var/tmp").glob("gilometer-parcels-*/*"))


def far_worker(fleet: Fleet, daemon: Daemon, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A worker of another machine: its own engine, and an empty cache."""
    elsewhere = {"DOCKER_HOST": f"unix://{daemon.socket}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    worker = fleet.worker("far", "one", builds="", environment=elsewhere)
    wait_for(lambda: fleet.joined("far"), worker)
    return worker


def test_what_is_not_what_was_sent_is_not_loaded(
    fleet: Fleet,
    path: Path,
    daemon: Daemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleet.scheduler()
    far_worker(fleet, daemon, tmp_path)
    send = wire.Crew.send

    def change(self: wire.Crew, worker: str, parcel: Parcel) -> None:
        """One byte of one parcel is another one."""
        if parcel.content and not parcel.offset:
            changed = bytes([parcel.content[0] ^ 1]) + parcel.content[1:]
            parcel = msgspec.structs.replace(parcel, content=changed)
        send(self, worker, parcel)

    monkeypatch.setattr(wire.Crew, "send", change)
    assert fleets.send(str(path), fleet.address, certificates=None) == 3
    assert "far: what far got is not what was sent; nothing was loaded" in capsys.readouterr().out
    assert offers(fleet)["far"].builds == ()


def test_a_host_without_images_gets_them_over_the_wire_and_measures(
    fleet: Fleet,
    path: Path,
    daemon: Daemon,
    pair_facts: tuple[BuildFacts, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scheduler = fleet.scheduler()
    far_worker(fleet, daemon, tmp_path)
    assert offers(fleet)["far"].builds == ()
    before = arrived()

    assert fleets.send(str(path), fleet.address, certificates=None) == 0
    assert "far: has every image of it" in capsys.readouterr().out
    assert {one.image for one in offers(fleet)["far"].builds} == {one.image for one in pair_facts}
    assert arrived() == before, "what was loaded is not kept"

    assert fleet.bench(BLOCKS).wait(timeout=180) == 0, fleet.said("*")
    _, journal = store.load(store.share_directory(fleet.run, "far"))
    records = [line for line in journal if isinstance(line, BlockRecord)]
    assert len(records) == BLOCKS
    assert all(isinstance(one, Sample) for record in records for one in record.outcomes)

    assert fleets.send(str(path), fleet.address, certificates=None) == 0, "whoever has it is left alone"
    assert scheduler.poll() is None


def test_what_cannot_be_sent_is_refused(fleet: Fleet, path: Path, tmp_path: Path) -> None:
    fleet.scheduler()
    with pytest.raises(HostError, match="no worker has joined"):
        fleets.send(str(path), fleet.address, certificates=None)
    (tmp_path / "other.tar").write_bytes(b"no bundle")
    with pytest.raises(RequestError, match="is no bundle"):
        fleets.send(str(tmp_path / "other.tar"), fleet.address, certificates=None)
