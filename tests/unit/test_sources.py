"""Where CPython's source comes from: real tarballs, trees and repositories, and a real server on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import sources
from harness.errors import HostError, MeasurementError
from harness.progress import Silent
from harness.sources import Site, Tarballs
from tests.tarballs import archive, sha256
from tests.web import Server


def tarballs(folder: Path, pins: dict[str, str], *servers: Server) -> Tarballs:
    return Tarballs(pins, [Site(f"site {n}", server.address) for n, server in enumerate(servers)], folder)


# -- releases ----------------------------------------------------------------------------------------------------------


def test_releases_sort_by_age() -> None:
    ordered = ["3.14.0a7", "3.14.0b4", "3.14.0rc1", "3.14.0rc3", "3.14.0", "3.14.2", "3.14.10", "3.15.0b1"]
    assert sorted(set(ordered), key=sources.release_key) == ordered


def test_pre_releases_are_candidates_only_where_there_is_nothing_else() -> None:
    releases = ["3.14.0rc3", "3.14.0", "3.14.1", "3.15.0b1", "3.15.0b2", "3.1.4"]
    assert sources.candidate_releases(releases, "3.14") == ["3.14.1", "3.14.0"]
    assert sources.candidate_releases(releases, "3.15") == ["3.15.0b2", "3.15.0b1"]
    assert sources.candidate_releases(releases, "3.16") == []


def test_addresses_at_python_org_and_at_a_debian_mirror() -> None:
    python_org, debian = sources.sites(lambda: "http://mirror.test/debian/", "")
    assert python_org.address("3.15.0b3") == "https://www.python.org/ftp/python/3.15.0/Python-3.15.0b3.tar.xz"
    assert debian.address("3.13.5") == (
        "http://mirror.test/debian/pool/main/p/python3.13/python3.13_3.13.5.orig.tar.xz"
    )
    assert str(debian.address("3.15.0b3")).endswith("/python3.15_3.15.0~b3.orig.tar.xz")
    assert sources.sites(lambda: None, "")[1].address("3.13.5") is None


# -- release tarballs --------------------------------------------------------------------------------------------------


def test_the_newest_release_that_any_site_has_is_taken(tmp_path: Path, server: Server) -> None:
    content = archive("3.13.5")
    server.files["3.13.5"] = content
    found = tarballs(tmp_path, {"3.13.4": "0" * 64, "3.13.5": sha256(content), "3.13.6": "1" * 64}, server)
    material = found.locate("3.13")
    material.provide(tmp_path / "python.tar", Silent())
    assert (material.release, material.identity) == ("3.13.5", f"sha256:{sha256(content)}")
    assert (tmp_path / "python.tar").read_bytes() == content


def test_answers_are_kept_so_that_asking_again_asks_nobody(tmp_path: Path, server: Server) -> None:
    server.files["3.13.5"] = archive("3.13.5")
    pins = {"3.13.5": sha256(server.files["3.13.5"]), "3.13.6": "1" * 64}
    tarballs(tmp_path, pins, server).locate("3.13")
    assert server.asked == ["HEAD 3.13.6", "HEAD 3.13.5"]
    tarballs(tmp_path, pins, server).locate("3.13")
    assert len(server.asked) == 2


def test_a_download_happens_once(tmp_path: Path, server: Server) -> None:
    server.files["3.13.5"] = archive("3.13.5")
    origins = []
    for n in range(2):
        material = tarballs(tmp_path / "cache", {"3.13.5": sha256(server.files["3.13.5"])}, server).locate("3.13")
        material.provide(tmp_path / f"{n}.tar", Silent())
        origins.append(material.origin)
    assert server.asked.count("GET 3.13.5") == 1
    assert origins == ["Python-3.13.5.tar.xz from site 0"] * 2


@pytest.mark.parametrize("status", [403, 503])
def test_a_site_that_does_not_answer_is_not_asked_again(tmp_path: Path, server: Server, status: int) -> None:
    server.status = status
    found = tarballs(tmp_path, {"3.13.4": "0" * 64, "3.13.5": "1" * 64, "3.14.0": "2" * 64}, server)
    for series in ("3.13", "3.14"):
        with pytest.raises(HostError, match="site 0, which does not answer"):
            found.locate(series)
    assert server.asked == ["HEAD 3.13.5"]


def test_what_was_tried_is_said(tmp_path: Path, server: Server) -> None:
    found = tarballs(tmp_path, {"3.13.4": "0" * 64, "3.13.5": "1" * 64}, server)
    with pytest.raises(HostError, match=r"CPython 3\.13 cannot be had here; tried site 0 for 3\.13\.4 to 3\.13\.5"):
        found.locate("3.13")
    with pytest.raises(HostError, match=r"no release of it is pinned"):
        found.locate("3.99")


def test_a_tampered_download_names_both_sums_and_is_not_kept(tmp_path: Path, server: Server) -> None:
    server.files["3.13.5"] = archive("3.13.5") + b"!"
    pinned = sha256(archive("3.13.5"))
    material = tarballs(tmp_path / "cache", {"3.13.5": pinned}, server).locate("3.13")
    with pytest.raises(MeasurementError) as caught:
        material.provide(tmp_path / "python.tar", Silent())
    assert pinned in caught.value.message
    assert sha256(server.files["3.13.5"]) in caught.value.message
    assert server.address("3.13.5") in caught.value.message
    assert not (tmp_path / "python.tar").exists()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["answers.json"]


def test_a_kept_tarball_that_was_tampered_with_since_is_refused_and_removed(tmp_path: Path) -> None:
    kept = tmp_path / "Python-3.13.5.tar.xz"
    kept.write_bytes(b"not what it was")
    with pytest.raises(MeasurementError, match="0" * 64):
        tarballs(tmp_path, {"3.13.5": "0" * 64}).locate("3.13").provide(tmp_path / "python.tar", Silent())
    assert not kept.exists()


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path, server: Server) -> None:
    server.files["3.13.5"] = archive("3.13.5")
    material = tarballs(tmp_path / "cache", {"3.13.5": sha256(server.files["3.13.5"])}, server).locate("3.13")
    server.status = 503
    with pytest.raises(HostError, match="could not be downloaded"):
        material.provide(tmp_path / "python.tar", Silent())
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["answers.json"]
