"""New pins, from a site on loopback that publishes releases as python.org does."""

from __future__ import annotations

import functools
from pathlib import Path

import msgspec
import pytest
import sigstore.verify

from harness import builds, docker_client, pinning, workshop
from harness.builds import IMAGES, BasePin, Pins, Signer
from harness.errors import HostError, MeasurementError, RequestError
from harness.pinning import News, Releases
from harness.progress import Silent
from harness.sources import release_key
from tests.tarballs import sha256
from tests.web import Server

MANAGER = Signer(identity="manager@example.org", issuer="https://example.org/login")
PINS = msgspec.structs.replace(
    builds.load_pins(),
    cpython={"3.13.9": "9" * 64, "3.14.0rc3": "3" * 64, "3.14.0": "0" * 64, "3.14.1": "1" * 64},
    signers={"3.14": MANAGER},
)


def signed(tarball: Path, bundle: bytes, signer: Signer) -> None:
    """Good where the bundle names the signer and the content."""
    if bundle != f"{signer.identity} signs {tarball.read_text()}".encode():
        raise MeasurementError("its signature does not hold")


def publish(server: Server, *releases: str, bundle: str = f"{MANAGER.identity} signs ") -> None:
    folders = {release: ".".join(map(str, release_key(release)[:3])) for release in releases}
    links = "".join(f'<a href="{folder}/">{folder}/</a>\n' for folder in dict.fromkeys(folders.values()))
    server.files[""] = f'<a href="../">../</a><a href="doc/">doc/</a>{links}'.encode()
    for release, folder in folders.items():
        name = f"Python-{release}.tar.xz"
        listing = server.files.get(f"{folder}/", b"").decode()
        server.files[f"{folder}/"] = (listing + f'<a href="{name}">{name}</a> <a href="{name}.sigstore">').encode()
        server.files[f"{folder}/{name}"] = f"source of {release}".encode()
        server.files[f"{folder}/{name}.sigstore"] = f"{bundle}source of {release}".encode()


def news(server: Server, folder: Path, series: str = "3.14", pins: Pins = PINS) -> list[News]:
    return list(Releases(folder, signed, site=server.address("")).news(pins, series, Silent()))


def test_what_is_newer_than_the_pins_is_downloaded_checked_and_pinned(server: Server, tmp_path: Path) -> None:
    publish(server, "3.13.9", "3.14.0b4", "3.14.0", "3.14.1", "3.14.3", "3.14.2", "3.15.0b1")
    found = news(server, tmp_path)
    assert found == [News(f"CPython {r}", pin=sha256(f"source of {r}".encode())) for r in ("3.14.2", "3.14.3")]
    assert (tmp_path / "Python-3.14.2.tar.xz").read_text() == "source of 3.14.2", "builds find it there"
    assert "GET 3.14.0/" not in server.asked, "older folders have nothing new"


def test_pre_releases_of_a_series_without_pins_are_pinned_too(server: Server, tmp_path: Path) -> None:
    publish(server, "3.15.0b1", "3.15.0rc1", "3.15.0a7")
    pins = msgspec.structs.replace(PINS, signers={"3.15": MANAGER})
    assert [one.subject for one in news(server, tmp_path, "3.15", pins)] == [
        "CPython 3.15.0a7",
        "CPython 3.15.0b1",
        "CPython 3.15.0rc1",
    ]


def test_a_signature_by_somebody_else_stops_the_update_and_keeps_nothing(server: Server, tmp_path: Path) -> None:
    publish(server, "3.14.2", bundle="mallory@example.org signs ")
    with pytest.raises(MeasurementError, match=r"Python-3\.14\.2\.tar\.xz: its signature does not hold") as caught:
        news(server, tmp_path)
    assert "Nothing was pinned" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_signature_that_cannot_be_checked_is_said(server: Server, tmp_path: Path) -> None:
    publish(server, "3.14.2")
    del server.files["3.14.2/Python-3.14.2.tar.xz.sigstore"]
    (one,) = news(server, tmp_path)
    assert one.pin == sha256(b"source of 3.14.2")
    assert "its signature could not be checked" in one.doubt


def test_a_series_without_a_known_signer_is_refused(server: Server, tmp_path: Path) -> None:
    publish(server, "3.13.10", "3.13.9")
    with pytest.raises(RequestError, match=r"does not say who signs CPython 3\.13"):
        news(server, tmp_path, "3.13")


def test_a_site_that_does_not_answer_changes_no_pin(server: Server, tmp_path: Path) -> None:
    server.status = 503
    (one,) = news(server, tmp_path)
    assert (one.pin, one.subject) == ("", "CPython 3.14")
    assert "cannot be had" in one.doubt


def test_sigstore_refuses_what_is_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library, with the keys that it carries."""
    production = sigstore.verify.Verifier.production
    monkeypatch.setattr(sigstore.verify.Verifier, "production", functools.partial(production, offline=True))
    tarball = tmp_path / "Python-3.14.2.tar.xz"
    tarball.write_text("source")
    for bundle in (b"", b"{}", b"not JSON"):
        with pytest.raises(MeasurementError, match=r"its signature by manager@example\.org does not hold"):
            pinning.sigstore(tarball, bundle, MANAGER)


def test_only_base_images_whose_tag_has_moved_are_news() -> None:
    pins = msgspec.structs.replace(
        PINS,
        bases={
            "a": BasePin(image="debian:a", digest="sha256:old"),
            "b": BasePin(image="debian:b", digest="sha256:same"),
            "c": BasePin(image="debian:c", digest="sha256:old"),
        },
    )

    def digest(image: str) -> str:
        if image == "debian:c":
            raise HostError("no registry answers")
        return {"debian:a": "sha256:new", "debian:b": "sha256:same"}[image]

    assert list(pinning.bases(pins, digest)) == [
        News("debian:a", pin="sha256:new"),
        News("debian:c", doubt="no registry answers"),
    ]


def test_the_file_is_amended_and_everything_else_of_it_kept(tmp_path: Path) -> None:
    before = (IMAGES / "pins.toml").read_text(encoding="utf-8")
    found = [
        News("CPython 3.13.99", pin="a" * 64, doubt="its signature could not be checked: no network"),
        News("CPython 3.14.99", pin="b" * 64),
        News("CPython 3.15", doubt="the site does not answer"),
        News("debian:trixie-slim", pin="sha256:" + "c" * 64),
    ]
    path = tmp_path / "pins.toml"
    path.write_text(pinning.amended(before, found), encoding="utf-8")
    old, new = builds.load_pins(), builds.load_pins(path)
    assert new.cpython == old.cpython | {"3.13.99": "a" * 64, "3.14.99": "b" * 64}
    assert new.bases["trixie"].digest == "sha256:" + "c" * 64
    assert (new.bases["noble"], new.deadsnakes, new.signers) == (old.bases["noble"], old.deadsnakes, old.signers)
    added = set(path.read_text().splitlines()) - set(before.splitlines())
    assert len(added) == 3
    assert f'"3.13.99" = "{"a" * 64}" # signature not checked' in added
    assert list(new.cpython) == sorted(new.cpython, key=list(new.cpython).index)
    assert list(new.cpython).index("3.13.99") < list(new.cpython).index("3.14.0b1")
    assert pinning.amended(before, []) == before


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server) -> Path:
    """A copy of pins.toml that the verb writes, and a world in which only the server answers."""
    images = tmp_path / "images"
    images.mkdir()
    (images / "pins.toml").write_text((IMAGES / "pins.toml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(workshop, "IMAGES", images)
    monkeypatch.setattr(workshop, "_install", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pinning, "Releases", functools.partial(Releases, site=server.address("")))

    def away() -> None:
        raise HostError("no engine")

    monkeypatch.setattr(docker_client, "connect", away)
    return images / "pins.toml"


def test_where_nothing_answers_the_file_stays_as_it_is(workplace: Path, server: Server) -> None:
    server.status = 503
    before = workplace.read_bytes()
    with pytest.raises(HostError, match="as it was"):
        workshop.pins(update=True)
    assert workplace.read_bytes() == before


def test_a_new_release_is_pinned_by_the_verb(
    workplace: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pinning, "sigstore", lambda *_: None)
    publish(server, "3.14.9")
    server.files["3.14.9/Python-3.14.9.tar.xz"] = b"new source"
    workshop.pins(update=True)
    assert builds.load_pins(workplace).cpython["3.14.9"] == sha256(b"new source")
    out, err = capsys.readouterr()
    assert f"the newest 3.14.9 sha256:{sha256(b'new source')}" in out
    assert f"CPython 3.14.9: pinned {sha256(b'new source')}" in err
    assert "debian:trixie-slim: no engine" in err
    assert list(workplace.parent.iterdir()) == [workplace]


def test_without_update_pins_are_only_shown(capsys: pytest.CaptureFixture[str]) -> None:
    workshop.pins(update=False)
    shown = capsys.readouterr().out
    assert all(f"{suite}: {pin.pinned}" in shown for suite, pin in builds.load_pins().bases.items())
