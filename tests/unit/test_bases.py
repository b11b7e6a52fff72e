"""How a base image is bootstrapped, without bootstrapping one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import bases


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A debootstrap that knows trixie and sid, and nothing younger."""
    for name in ("sid", "trixie", "gutsy"):
        (tmp_path / name).touch()
    monkeypatch.setattr(bases, "_SCRIPTS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("suite", "distribution", "script"),
    [("trixie", "debian", "trixie"), ("forky", "debian", "sid"), ("noble", "ubuntu", "gutsy")],
)
def test_a_suite_younger_than_debootstrap_is_made_by_its_distributions_script(
    scripts: Path, suite: str, distribution: str, script: str
) -> None:
    command = bases._command(suite, distribution, "http://mirror.test/", Path("/tree"))
    assert command[-4:] == [suite, "/tree", "http://mirror.test/", str(scripts / script)]


def test_packages_are_checked_against_the_distributions_own_keyring(scripts: Path) -> None:
    assert "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg" in bases._command(
        "trixie", "debian", "http://mirror.test/", Path("/tree")
    )


def test_what_apt_downloaded_does_not_get_into_the_image(tmp_path: Path) -> None:
    left = [tmp_path / name for name in ("var/cache/apt/pkgcache.bin", "var/cache/apt/archives/gcc_1_amd64.deb")]
    lists = tmp_path / "var/lib/apt/lists/partial"
    kept = tmp_path / "etc/apt/sources.list"
    for path in (*left, lists / "x", kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    bases._empty(tmp_path)
    assert not any(path.exists() for path in (*left, lists))
    assert kept.exists()
