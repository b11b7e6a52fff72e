"""Who is let in by the real scheduler of a fleet over real TLS, and who is not."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from harness import certificates, wire
from harness.certificates import Files
from harness.errors import HostError
from tests.integration.fleet_processes import ROOT, Fleet, free_ports, wait_for
from tests.toys import write_toys

_SCHEDULER = """
import sys
from harness import fleets
fleets.scheduler(sys.argv[1], certificates=sys.argv[2], silence="5s")
"""
_HOSTS = ("bench1",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fleet's, whose scheduler is called as this machine is not."""
    return issue(tmp_path / "fleet")


def issue(folder: Path) -> Path:
    certificates.issue(folder, _HOSTS, "elsewhere.example", 9, datetime.datetime.now(datetime.UTC))
    return folder


@contextmanager
def scheduler(folder: Path, keys: Path) -> Iterator[str]:
    """A scheduler with certificates in `keys`; its address."""
    (port,) = free_ports(1)
    where, log = f"tls://127.0.0.1:{port}", folder / "scheduler.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", _SCHEDULER, where, str(keys)],
            cwd=ROOT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: "scheduler at" in log.read_text(), process)
        yield where
    finally:
        process.terminate()
        process.wait(timeout=30)


def is_let_in(where: str, keys: Path) -> bool:
    """Whether the scheduler answers whoever has these certificates."""
    try:
        with wire.Crew(where, keys) as crew:
            assert crew.offers() == {}
    except HostError:
        return False
    return True


def answers(where: str, context: ssl.SSLContext) -> bool:
    """Whether anything comes back over TLS; in TLS 1.3 a refusal comes after the client believes itself connected."""
    host, port = where.removeprefix("tls://").split(":")
    with closing(socket.create_connection((host, int(port)), timeout=10)) as plain:
        try:
            with context.wrap_socket(plain) as secure:
                return bool(secure.recv(1))
        except ssl.SSLError:
            return False


def test_only_members_of_the_fleet_are_let_in(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_CONNECT_SECONDS", 3.0)
    foreign = issue(tmp_path / "foreign")
    mixed = tmp_path / "mixed"  # knows the authority of the fleet, and has a certificate of its own
    mine = Files(foreign / "client")
    pair = certificates.Identity(mine.certificate.read_bytes(), mine.key.read_bytes())
    Files(mixed).write(Files(folder / "client").authority.read_bytes(), pair)
    anonymous = ssl.create_default_context(cafile=str(Files(folder / "client").authority))
    anonymous.check_hostname = False
    known = ssl.create_default_context(cafile=str(Files(folder / "client").authority))
    known.check_hostname = False
    known.load_cert_chain(Files(folder / "client").certificate, Files(folder / "client").key)
    intruder = ssl.create_default_context(cafile=str(Files(folder / "client").authority))
    intruder.check_hostname = False
    intruder.load_cert_chain(mine.certificate, mine.key)
    with scheduler(folder, folder / "scheduler") as where:
        assert answers(where, known), "the scheduler says hello to whom it lets in"
        assert not answers(where, anonymous)
        assert not answers(where, intruder)
        assert not is_let_in(where, foreign / "client")
        assert is_let_in(where, folder / "client"), "Dask compares no names: this is not elsewhere.example"


def test_new_certificates_shut_out_the_old_ones(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_CONNECT_SECONDS", 3.0)
    renewed = issue(tmp_path / "renewed")
    with scheduler(folder, renewed / "scheduler") as where:
        assert not is_let_in(where, folder / "client")
        assert is_let_in(where, renewed / "client")


def test_a_run_over_tls(folder: Path, tmp_path: Path, pair: tuple[str, str]) -> None:
    fleet = Fleet(tmp_path, write_toys(tmp_path / "workloads", "good"), pair, keys=folder)
    with closing(fleet):
        scheduler, worker = fleet.scheduler(), fleet.worker(_HOSTS[0], "one")
        wait_for(lambda: fleet.joined(_HOSTS[0]), scheduler, worker)
        assert fleet.bench(2).wait(timeout=180) == 0, fleet.said("*")
        assert fleet.answered(_HOSTS[0]) == 2


def test_a_client_cannot_pose_as_the_scheduler(folder: Path) -> None:
    """Even one that does not ask itself: its certificate is not good for being called."""
    client, host = Files(folder / "client"), Files(folder / "hosts" / "bench1")
    keys = wire.security("tls://127.0.0.1:1", folder / "hosts" / "bench1")
    assert keys is not None
    calling = keys.get_connection_args("worker")["ssl_context"]
    for files, good in ((client, False), (host, True)):
        listening = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.authority))
        listening.load_cert_chain(files.certificate, files.key)
        assert accepts(calling, listening) is good


def accepts(calling: ssl.SSLContext, listening: ssl.SSLContext) -> bool:
    """Whether a caller accepts who listens, both in memory of this process."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = calling.wrap_bio(incoming, outgoing)
    called = listening.wrap_bio(outgoing, incoming, server_side=True)
    for _ in range(4):
        for side in (caller, called):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return True
