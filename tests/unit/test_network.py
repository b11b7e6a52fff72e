"""What a host's own configuration says, on made-up hosts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness import network
from harness.network import Ingredients, Target


def target(uri: str = "http://mirror.test/debian/", suite: str = "bookworm", origin: str = "Debian") -> Target:
    return Target(uri, suite, "main", origin)


def given(**changes: object) -> Ingredients:
    values: dict[str, object] = {
        "distribution": "debian",
        "apt_mirror": None,
        "apt_settings": {},
        "pip_settings": {},
        "proxies": {},
        "ca_bundle": b"",
    }
    return Ingredients(**{**values, **changes})  # type: ignore[arg-type]


def test_targets_are_read_as_apt_prints_them() -> None:
    text = (
        "Packages|http://mirror.test/debian/|bookworm|main|Debian\n"
        "Translations|http://mirror.test/debian/|bookworm|main|Debian\n"
        "Packages|http://mirror.test/debian/|bookworm-updates|main|$(ORIGIN)\n"
    )
    assert network.read_targets(text) == (
        Target("http://mirror.test/debian/", "bookworm", "main", "Debian"),
        Target("http://mirror.test/debian/", "bookworm-updates", "main", ""),
    )


def test_the_mirror_is_the_distributions_own_even_where_a_vendor_uses_its_suite_names() -> None:
    vendor = target("http://vendor.test/", origin="")
    assert network.choose_mirror([vendor, target()], "Debian", "bookworm") == target().uri
    assert network.choose_mirror([target("http://vendor.test/", origin="Vendor")], "Debian", "bookworm") is None


def test_a_mirror_is_known_before_its_lists_were_ever_downloaded() -> None:
    assert network.choose_mirror([target(origin="")], "Debian", "bookworm") == target().uri


def test_a_suite_that_is_not_the_hosts_names_no_mirror() -> None:
    assert network.choose_mirror([target(suite="sid")], "Debian", "bookworm") is None


def test_apt_settings_that_decide_whether_a_mirror_answers_are_kept_and_no_others() -> None:
    dump = (
        'Acquire "";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::http::Proxy "http://proxy.test:3128";\n'
        'Acquire::https::Proxy::mirror.test "DIRECT";\n'
        'Acquire::Languages:: "none";\n'
        'APT::Install-Recommends "0";\n'
        'Dir::Cache "var/cache/apt/";\n'
    )
    assert network.read_apt_settings(dump) == {
        "Acquire::Check-Valid-Until": "false",
        "Acquire::http::Proxy": "http://proxy.test:3128",
        "Acquire::https::Proxy::mirror.test": "DIRECT",
    }


def test_pips_index_is_kept_and_folders_of_the_host_are_not() -> None:
    listing = (
        "global.index-url='https://index.test/simple'\n"
        "global.extra-index-url='file:///srv/wheels'\n"
        ":env:.find-links='/srv/wheels'\n"
        "global.cert='/etc/ssl/bundle.crt'\n"
    )
    assert network.read_pip_settings(listing) == {"index-url": "https://index.test/simple"}


def test_files_for_the_build_say_what_the_host_says() -> None:
    ingredients = given(
        apt_mirror="http://mirror.test/debian/",
        apt_settings={"Acquire::Check-Valid-Until": "false"},
        pip_settings={"index-url": "https://index.test/simple"},
        ca_bundle=b"CA",
    )
    assert ingredients.apt_conf("/host/ca.crt") == (
        'Acquire::Check-Valid-Until "false";\nAcquire::https::CAInfo "/host/ca.crt";\n'
    )
    assert ingredients.sources_list("trixie") == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian/ trixie main\n"
    )
    assert ingredients.pip_conf() == "[global]\nindex-url = https://index.test/simple\n"


def test_a_host_that_says_nothing_gives_empty_files_and_an_empty_record() -> None:
    ingredients = given()
    assert (ingredients.apt_conf("/ca"), ingredients.sources_list("trixie"), ingredients.pip_conf()) == ("", "", "")
    assert ingredients.record() == {}


def test_the_record_names_everything_that_reached_the_build_and_no_password() -> None:
    ingredients = given(
        apt_mirror="http://mirror.test/debian/",
        apt_settings={"Acquire::http::Proxy": "http://user:secret@proxy.test:3128"},
        proxies={"https_proxy": "http://user:secret@proxy.test:3128", "no_proxy": "localhost"},
        ca_bundle=b"CA",
    )
    assert ingredients.record() == {
        "CA bundle": f"sha256:{hashlib.sha256(b'CA').hexdigest()}",
        "apt Acquire::http::Proxy": "http://user:***@proxy.test:3128",
        "apt mirror": "http://mirror.test/debian/",
        "https_proxy": "http://user:***@proxy.test:3128",
        "no_proxy": "localhost",
    }


def test_the_ca_bundle_is_the_one_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    bundle = tmp_path / "bundle.crt"
    bundle.write_bytes(b"CA")
    assert network.ingredients("debian").ca_bundle == b""
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "missing.crt"))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    assert network.ingredients("debian").ca_bundle == b"CA"


def test_os_release_is_read_with_and_without_quotes(tmp_path: Path) -> None:
    path = tmp_path / "os-release"
    path.write_text('ID=debian\nVERSION_CODENAME="trixie"\n# comment\n\n')
    assert network.os_release(path) == {"ID": "debian", "VERSION_CODENAME": "trixie"}
    assert network.os_release(tmp_path / "missing") == {}


def test_the_stamp_changes_with_apts_sources(tmp_path: Path) -> None:
    before = network.apt_stamp(tmp_path)
    (tmp_path / "sources.list").write_text("deb http://mirror.test/debian bookworm main")
    assert network.apt_stamp(tmp_path) != before
