"""Certificates of a fleet: names, ends, foreign authorities, and folders that are replaced as a whole or not at all."""

from __future__ import annotations

import datetime
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from harness import certificates, fleets, founding, wire
from harness.certificates import Files, Role
from harness.errors import RequestError

NOW = datetime.datetime(2026, 3, 14, 10, 15, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificates.issue(tmp_path / "fleet", ("bench1", "192.0.2.7"), "scheduler.example", 100, NOW)
    return tmp_path / "fleet"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_member_has_its_role_its_names_and_the_end(folder: Path) -> None:
    found = {name: certificates.check(Files(folder / name), NOW) for name in ("scheduler", "client", "hosts/bench1")}
    assert {name: member.role for name, member in found.items()} == {
        "scheduler": Role.SCHEDULER,
        "client": Role.CLIENT,
        "hosts/bench1": Role.HOST,
    }
    assert found["scheduler"].names == ("scheduler.example", "localhost", "127.0.0.1", "::1")
    assert {member.end for member in found.values()} == {NOW + 100 * DAY}


def test_an_address_is_an_address_in_the_certificate_too(folder: Path) -> None:
    certificate = x509.load_pem_x509_certificate(Files(folder / "hosts/192.0.2.7").certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [type(name) for name in names] == [x509.IPAddress]


def test_openssl_itself_finds_nothing_wrong(folder: Path) -> None:
    for name in ("scheduler", "client", "hosts/bench1"):
        files = Files(folder / name)
        context = ssl.create_default_context(cafile=str(files.authority))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_cert_chain(files.certificate, files.key)


def test_keys_are_for_their_owner_alone_and_none_signs_another_certificate(folder: Path) -> None:
    assert {oct(path.stat().st_mode & 0o777) for path in folder.rglob("key.pem")} == {"0o600"}
    authority = x509.load_pem_x509_certificate(Files(folder / "client").authority.read_bytes()).public_key()
    for path in folder.rglob("*"):
        assert path.is_dir() or path.name in {"ca.pem", "cert.pem", "key.pem"}, "the key of the authority is not kept"
    for path in folder.rglob("cert.pem"):
        assert x509.load_pem_x509_certificate(path.read_bytes()).public_key() != authority


@pytest.mark.parametrize(("after", "says"), [(100, "was good until 2026-06-22"), (-1, "is good from 2026-03-14")])
def test_before_and_after_its_time_it_is_refused(folder: Path, after: int, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        certificates.check(Files(folder / "client"), NOW + after * DAY)


def test_who_uses_one_that_ends_soon_is_told(folder: Path) -> None:
    member = certificates.check(Files(folder / "hosts/bench1"), NOW)
    assert member.warning(NOW) == ""
    assert member.warning(NOW + 70 * DAY) == ""
    assert "bench1 ends in 29 days, on 2026-06-22" in member.warning(NOW + 71 * DAY)


def test_whatever_does_not_belong_together_is_refused(folder: Path, tmp_path: Path) -> None:
    certificates.issue(tmp_path / "other", ("bench1",), "scheduler.example", 100, NOW)
    mine, foreign = Files(folder / "client"), Files(tmp_path / "other" / "client")
    kept = mine.authority.read_bytes()
    mine.authority.write_bytes(foreign.authority.read_bytes())
    with pytest.raises(RequestError, match="another authority"):
        certificates.check(mine, NOW)
    mine.authority.write_bytes(kept)
    key = mine.key.read_bytes()
    mine.key.write_bytes(foreign.key.read_bytes())
    with pytest.raises(RequestError, match="is not the key of"):
        certificates.check(mine, NOW)
    mine.key.write_bytes(key[: len(key) // 2])
    with pytest.raises(RequestError, match="no certificate of a fleet"):
        certificates.check(mine, NOW)
    mine.key.unlink()
    with pytest.raises(RequestError, match=r"there is no key\.pem"):
        certificates.check(mine, NOW)


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    files = Files(folder / "client")
    files.key.chmod(0o640)
    with pytest.raises(RequestError, match="others can read"):
        certificates.check(files, NOW)


@pytest.mark.parametrize("name", ["", "../etc", "a b", "-x", "a..b", "x" * 65, "a/b", "bücher"])
def test_what_is_no_host_is_no_folder_either(name: str) -> None:
    with pytest.raises(RequestError, match="no name or address"):
        certificates.host_name(name)


def init(folder: Path, hosts: str | None = "bench1,bench2", days: str = "9", *, renew: bool = False) -> None:
    founding.init(str(folder), hosts, scheduler="127.0.0.1:9001", days=days, renew=renew)


def test_a_fleet_is_founded_once_and_renewed_as_a_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "fleet"
    init(folder)
    said = capfd.readouterr().err
    assert f"./inv bench --fleet {folder}/fleet.toml" in said
    before = contents(folder)
    with pytest.raises(RequestError, match="are not overwritten"):
        init(folder)
    assert contents(folder) == before
    init(folder, "bench1", renew=True)
    assert not (folder / "hosts" / "bench2").exists()
    changed = {path for path, data in contents(folder).items() if before[path] != data}
    assert changed == {path for path in contents(folder) if path.suffix == ".pem"}
    assert [path.name for path in folder.parent.iterdir()] == ["fleet"], "nothing half-made is left beside it"


def test_what_is_no_fleet_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RequestError, match="no fleet's folder"):
        init(tmp_path, renew=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("hosts", "days", "says"),
    [(None, "9", "name them"), ("a,a", "9", "twice"), ("a", "0", "--days"), ("a", "9999", "at most 3650 days")],
)
def test_what_makes_no_sense_is_refused_and_makes_nothing(tmp_path: Path, hosts: str, days: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        init(tmp_path / "fleet", hosts, days)
    assert not os.listdir(tmp_path)  # noqa: PTH208 - names are not needed


def test_each_folder_says_where_the_scheduler_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    init(tmp_path / "fleet")
    for file, keys in (("fleet.toml", "client"), ("hosts/bench1/fleet.toml", "hosts/bench1")):
        capfd.readouterr()
        place = fleets.Place.of(str(tmp_path / "fleet" / file), None)
        assert place.address == "tls://127.0.0.1:9001"
        assert place.certificates is not None
        assert place.certificates.resolve() == tmp_path / "fleet" / keys
        assert "ends in 8 days" in capfd.readouterr().err


def test_a_client_is_no_scheduler_and_no_worker(tmp_path: Path) -> None:
    init(tmp_path / "fleet")
    assert wire.security("tls://127.0.0.1:9001", tmp_path / "fleet" / "client")
    with pytest.raises(RequestError, match="neither scheduler nor worker"):
        wire.security("tls://127.0.0.1:9001", tmp_path / "fleet" / "client", listens=True)
