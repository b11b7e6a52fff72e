"""Archives of python-build-standalone: which one a build gets, from a site on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import builds
from harness.builds import StandalonePins
from harness.errors import HostError, MeasurementError
from harness.progress import Silent
from harness.standalone import Archives
from tests.tarballs import sha256
from tests.web import Server

CATALOGUE = builds.load()


def name(release: str, variant: str = "", machine: str = "x86_64", date: str = "20260814") -> str:
    return f"cpython-{release}+{date}-{machine}-unknown-linux-gnu{variant}-install_only_stripped.tar.gz"


def archives(folder: Path, server: Server, *names: str, machine: str = "x86_64") -> Archives:
    """Of these names, whose content is themselves, all published."""
    for one in names:
        date = one.partition("+")[2][:8]
        server.files[f"{date}/{one.replace('+', '%2B')}"] = one.encode()
    pins = StandalonePins(site=server.address("").rstrip("/"), files={one: sha256(one.encode()) for one in names})
    return Archives(pins, machine, folder / "sources")


def test_a_build_gets_the_newest_archive_of_its_series_kind_and_machine(tmp_path: Path, server: Server) -> None:
    newest = name("3.14.10")
    found = archives(
        tmp_path,
        server,
        name("3.14.7"),
        newest,
        name("3.14.11", machine="aarch64"),
        name("3.14.12", variant="-freethreaded"),
        name("3.15.0"),
        name("3.14.0rc3"),
    ).locate(CATALOGUE["3.14-uv"])
    assert (found.release, found.identity) == ("3.14.10", f"sha256:{sha256(newest.encode())}")
    assert found.origin == f"{newest} of python-build-standalone"
    found.provide(tmp_path / "python.tar", Silent())
    assert (tmp_path / "python.tar").read_text() == newest


def test_a_free_threaded_build_never_gets_the_other_kind(tmp_path: Path, server: Server) -> None:
    offered = archives(tmp_path, server, name("3.14.7"), name("3.14.6", variant="-freethreaded"))
    assert offered.locate(CATALOGUE["3.14t-uv"]).release == "3.14.6"
    with pytest.raises(HostError, match=r"no archive of 3\.13t-uv is pinned for x86_64 machines"):
        offered.locate(CATALOGUE["3.13t-uv"])


def test_what_was_downloaded_needs_no_site_and_is_verified_again(tmp_path: Path, server: Server) -> None:
    offered = archives(tmp_path, server, name("3.14.7"))
    offered.locate(CATALOGUE["3.14-uv"]).provide(tmp_path / "python.tar", Silent())
    server.status = 503
    again = offered.locate(CATALOGUE["3.14-uv"])
    again.provide(tmp_path / "python.tar", Silent())
    (tmp_path / "sources" / name("3.14.7")).write_text("something else")
    with pytest.raises(MeasurementError, match="its sha256 is"):
        again.provide(tmp_path / "python.tar", Silent())


def test_a_silent_site_is_asked_once_and_an_absent_archive_is_named(tmp_path: Path, server: Server) -> None:
    offered = archives(tmp_path, server, name("3.14.7"), name("3.14.7", variant="-freethreaded"))
    server.files.clear()
    with pytest.raises(HostError, match="does not have cpython-3"):
        offered.locate(CATALOGUE["3.14-uv"])
    server.status, server.asked = 503, []
    for build in ("3.14-uv", "3.14t-uv"):
        with pytest.raises(HostError, match="does not answer here"):
            offered.locate(CATALOGUE[build])
    assert len(server.asked) == 1


def test_every_archive_that_is_pinned_has_a_build_and_every_build_an_archive(tmp_path: Path) -> None:
    pins = builds.load_pins().standalone
    for machine in ("x86_64", "aarch64"):
        offered = Archives(pins, machine, tmp_path)
        for build in (one for one in CATALOGUE.values() if one.source == "uv"):
            ((release, (file, url)),) = offered._releases(build)
            assert release.startswith(f"{build.series}.")
            assert url.startswith("https://")
            assert len(pins.files[file]) == 64
