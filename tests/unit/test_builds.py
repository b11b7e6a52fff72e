"""builds.toml and pins.toml as they stand, and names as people type them."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from harness import builds
from harness.errors import RequestError
from harness.model import Optimize, Source

CATALOGUE = builds.load()
PINS = builds.load_pins()


def write(path: Path, name: str, **changes: str) -> Path:
    """A builds.toml with one entry, right but for `changes`."""
    values = {
        "series": '"3.14"',
        "free_threaded": "true",
        "source": '"source"',
        "optimize": '"plain"',
        "base": '"trixie"',
    } | changes
    lines = [f'[builds."{name}"]', *(f"{key} = {value}" for key, value in values.items())]
    path.write_text("\n".join(lines))
    return path


def test_short_name_is_the_build_from_source() -> None:
    (build,) = builds.resolve(["3.14t"])
    assert build.name == "3.14t-source"
    assert build.free_threaded
    assert build.source is Source.SOURCE


def test_builds_come_in_the_order_in_which_they_were_named() -> None:
    assert [b.name for b in builds.resolve(["3.14t", "3.13-debian", "3.13"])] == [
        "3.14t-source",
        "3.13-debian",
        "3.13-source",
    ]


def test_a_build_may_be_named_twice_to_compare_it_with_itself() -> None:
    first, second = builds.resolve(["3.13", "3.13-source"])
    assert first == second


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("3.14x", "3.14"),
        ("314t", "3.14t"),
        ("3.14-debain", "3.14-debian"),
        ("3.14t-deadsnake", "3.14t-deadsnakes"),
        ("3.14T", "3.14t"),
        ("3.13-source-pg", "3.13-source-pgo"),
    ],
)
def test_a_wrong_name_is_one_line_that_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(RequestError, match=re.escape(f'"{typed}"; did you mean "{meant}"?')) as caught:
        builds.resolve([typed])
    assert "\n" not in str(caught.value)
    assert caught.value.status == 2


def test_nonsense_gets_a_list_of_what_exists() -> None:
    with pytest.raises(RequestError) as caught:
        builds.resolve(["§§"])
    listed = str(caught.value).partition("there are: ")[2].split(", ")
    assert builds.resolve(listed)


def test_every_series_from_source_is_a_fair_pair() -> None:
    sources = [b for b in CATALOGUE.values() if b.source is Source.SOURCE]
    for build in sources:
        if build.jit:  # 3.14 has none without the GIL
            continue
        alike = msgspec.structs.replace(build, name="", free_threaded=False)
        twins = [b for b in sources if msgspec.structs.replace(b, name="", free_threaded=False) == alike]
        assert {b.free_threaded for b in twins} == {True, False}
        assert len(twins) == 2


def test_optimized_differs_in_nothing_else() -> None:
    plain = CATALOGUE["3.14t-source"]
    found = builds.optimized(plain, Optimize.PGO_LTO, CATALOGUE)
    assert found.name == "3.14t-source-pgo"
    assert (found.series, found.free_threaded, found.base) == (plain.series, plain.free_threaded, plain.base)
    assert builds.optimized(found, Optimize.PLAIN, CATALOGUE) == plain


def test_a_packaged_build_stays_as_its_packager_made_it() -> None:
    debian = CATALOGUE["3.14-debian"]
    assert builds.optimized(debian, Optimize.PGO_LTO, CATALOGUE) is debian


def test_an_optimisation_that_no_build_has_is_refused(tmp_path: Path) -> None:
    only = builds.load(write(tmp_path / "builds.toml", "3.14t-source"), PINS)
    with pytest.raises(RequestError, match=r'"3\.14t-source" with optimize = "pgo-lto"'):
        builds.optimized(only["3.14t-source"], Optimize.PGO_LTO, only)


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        ("3.14-source", {}, "does not begin with 3.14t-"),
        ("3.14t-source", {"series": '"3.14.0"'}, "not a release series"),
        ("3.14t-Source", {}, "lower-case"),
        ("3.14t-source", {"base": '"woody"'}, "base 'woody' is none of trixie, forky, noble"),
        ("3.14t-source", {"source": '"homebrew"'}, "homebrew"),
        ("3.14t-source", {"optimize": '"packaged"'}, "source source does not go with optimize packaged"),
        ("3.14t-host", {"source": '"host"', "optimize": '"packaged"'}, "needs an executable"),
        ("3.14t-source", {"optimise": '"plain"'}, "optimise"),
        ("3.14t-source", {"configure": '["--disable-gil"]'}, "--disable-gil, which other keys"),
        ("3.14t-source", {"configure": '["CC=icc"]'}, "CC, which other keys"),
        ("3.14t-source", {"compiler": '"icc"'}, "icc"),
        ("3.14t-debian", {"source": '"debian"', "optimize": '"packaged"', "compiler": '"clang"'}, "compiled already"),
        ("3.14t-debian", {"source": '"debian"', "optimize": '"packaged"'}, "Debian packages no Python without the GIL"),
        ("3.14t-source", {"base": '"python-3.14"'}, "does not go with base python-3.14, which is python:3.14-slim"),
        (
            "3.14-official",
            {"source": '"official"', "optimize": '"packaged"', "free_threaded": "false"},
            "source official does not go with base trixie",
        ),
    ],
)
def test_a_mistake_in_builds_toml_is_told(tmp_path: Path, name: str, changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(RequestError, match=re.escape(complaint)):
        builds.load(write(tmp_path / "builds.toml", name, **changes), PINS)


def test_an_interpreter_of_the_host_is_named_by_its_executable(tmp_path: Path) -> None:
    path = write(
        tmp_path / "builds.toml",
        "3.14t-mine",
        source='"host"',
        optimize='"packaged"',
        base='""',
        executable='"python3.14t"',
    )
    assert builds.load(path, PINS)["3.14t-mine"].executable == "python3.14t"


def test_pins_are_whole() -> None:
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha256) for sha256 in PINS.cpython.values())
    for suite, pin in PINS.bases.items():
        unpinned = not pin.is_bare and not pin.digest
        assert unpinned or re.fullmatch(r"sha256:[0-9a-f]{64}", pin.digest), suite
    assert re.fullmatch(r"[0-9A-F]{40}", PINS.deadsnakes.fingerprint)
    assert PINS.cpython["3.13.5"] == "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640"


@pytest.mark.parametrize("name", ["3.14t-official", "3.14t-debian"])
def test_a_partner_that_nobody_publishes_is_said_to_be_that(name: str) -> None:
    with pytest.raises(RequestError, match="without the GIL") as caught:
        builds.resolve([name])
    assert "3.14t-source" in caught.value.hint


@pytest.mark.parametrize(
    ("image", "distribution", "bare", "reference"),
    [
        ("debian:trixie-slim", "debian", True, "debian@sha256:1"),
        ("registry.test:5000/mirror/ubuntu:24.04", "ubuntu", True, "registry.test:5000/mirror/ubuntu@sha256:1"),
        ("python:3.14-slim-trixie", "debian", False, "python@sha256:1"),
        ("127.0.0.1:5000/python:3.14-slim-trixie", "debian", False, "127.0.0.1:5000/python@sha256:1"),
    ],
)
def test_an_image_may_come_from_another_registry(image: str, distribution: str, bare: bool, reference: str) -> None:
    pin = builds.BasePin(image=image, digest="sha256:1")
    assert (pin.distribution, pin.is_bare, pin.reference) == (distribution, bare, reference)


def test_a_base_is_pulled_by_digest_and_read_by_tag() -> None:
    pin = PINS.bases["trixie"]
    assert pin.image == "debian:trixie-slim"
    assert pin.reference == f"debian@{pin.digest}"
