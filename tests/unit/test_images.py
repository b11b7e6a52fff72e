"""Recipes: what they consist of, and that nothing else changes them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from harness import builds, images, interpreters, sources
from harness.bases import Base
from harness.errors import HostError, RequestError
from harness.images import Foundry, Recipe
from harness.model import Build, Optimize, Source
from harness.progress import Progress
from tests.tarballs import archive

CATALOGUE = builds.load()
PINS = builds.load_pins()
IMAGES = builds.IMAGES


def provide(destination: Path, progress: Progress) -> None:
    raise AssertionError("nothing is provided here")


RECIPE = Recipe(
    dockerfile="FROM ${BASE}",
    arguments={"CONFIGURE": "--disable-gil", "OTHER": "1"},
    requirements="pyperf==2.10.0",
    base=Base("sha256:1", "trixie"),
    material=sources.Material("3.14.0", "sha256:2", "somewhere", provide),
)


@pytest.mark.parametrize(
    "changes",
    [
        {"dockerfile": "FROM ${BASE}\nUSER nobody"},
        {"arguments": {"CONFIGURE": "", "OTHER": "1"}},
        {"requirements": "pyperf==2.9.0"},
        {"base": Base("sha256:3", "trixie")},
        {"material": sources.Material("3.14.0", "sha256:4", "somewhere", provide)},
        {"material": None},
    ],
)
def test_whatever_decides_what_is_in_an_image_changes_its_recipe(changes: dict[str, object]) -> None:
    assert dataclasses.replace(RECIPE, **changes).sha256 != RECIPE.sha256  # type: ignore[arg-type]


def test_nothing_else_changes_a_recipe() -> None:
    same = dataclasses.replace(
        RECIPE,
        arguments={"OTHER": "1", "CONFIGURE": "--disable-gil"},
        base=Base("sha256:1", "the same image, described otherwise"),
        material=sources.Material("3.14.0", "sha256:2", "somewhere else", provide),
    )
    assert same.sha256 == RECIPE.sha256


@pytest.mark.parametrize("build", CATALOGUE.values(), ids=lambda build: build.name)
def test_every_build_has_all_that_its_recipe_consists_of(build: Build) -> None:
    dockerfile = (IMAGES / f"{build.source}.Dockerfile").read_text()
    declared = set(re.findall(r"(?m)^ARG (\w+)", dockerfile))
    with_default = set(re.findall(r"(?m)^ARG (\w+)=", dockerfile))
    assert declared - with_default == {"BASE", *images.arguments(build, PINS)}
    assert (IMAGES / "requirements" / f"{interpreters.abi(build)}.txt").exists()


def test_a_pair_differs_in_one_argument_only() -> None:
    for optimize in (Optimize.PLAIN, Optimize.PGO_LTO):
        with_gil, without = (
            images.arguments(b, PINS)["CONFIGURE"].split()
            for b in CATALOGUE.values()
            if (b.series, b.source, b.optimize, b.is_variant) == ("3.14", Source.SOURCE, optimize, False)
        )
        assert sorted(without) == sorted([*with_gil, "--disable-gil"])


@pytest.mark.parametrize(
    ("name", "configure", "tools"),
    [
        ("3.14-source", "", ""),
        ("3.14t-source-pgo", "--disable-gil --enable-optimizations --with-lto", ""),
        ("3.14t-source-tail-calls", "--disable-gil CC=clang --with-tail-call-interp", "clang lld llvm"),
        ("3.14-source-jit", "--enable-experimental-jit", "clang-19 llvm-19 python3"),
        ("3.14-source-frame-pointers", "'CFLAGS=-fno-omit-frame-pointer -mno-omit-leaf-frame-pointer'", ""),
    ],
)
def test_a_variant_is_configured_as_its_entry_says(name: str, configure: str, tools: str) -> None:
    assert images.arguments(CATALOGUE[name], PINS) == {"CONFIGURE": configure, "TOOLS": tools}


def test_deadsnakes_free_threaded_build_is_another_package_and_another_interpreter() -> None:
    assert images.arguments(CATALOGUE["3.14t-deadsnakes"], PINS) == {
        "PACKAGE": "python3.14-nogil",
        "VENV_PACKAGE": "python3.14-venv",
        "INTERPRETER": "python3.14t",
        "FREE_THREADED": "1",
        "FINGERPRINT": PINS.deadsnakes.fingerprint,
        "KEYSERVER": PINS.deadsnakes.keyserver,
        "PPA": PINS.deadsnakes.archive,
    }


@pytest.mark.parametrize(
    ("name", "configure", "done"),
    [
        ("3.14-source", "'--prefix=/opt/python'", "plain"),
        ("3.14-source-pgo", "'--enable-optimizations' '--with-lto'", "pgo-lto"),
        ("3.14-source-pgo", "'--enable-optimizations' '--with-lto=full'", "pgo-lto"),
        ("3.14-source-pgo", "'--enable-optimizations' '--with-lto=no'", "pgo"),
        ("3.14-debian", "'--enable-shared'", "pgo-lto"),
        ("3.14-deadsnakes", "'--enable-shared'", "pgo-lto"),
        ("3.14t-deadsnakes", "'--enable-shared' '--disable-gil' '--with-lto'", "plain"),
    ],
)
def test_optimisation_is_what_was_done_and_not_what_was_asked(name: str, configure: str, done: str) -> None:
    assert interpreters.optimization(CATALOGUE[name], configure) == done


@pytest.mark.parametrize("dockerfile", sorted(IMAGES.glob("*.Dockerfile")), ids=lambda path: path.name)
def test_dockerfiles_are_for_the_classic_builder(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    assert "--mount" not in text
    assert "<<" not in text
    final = text[text.rindex("\nFROM ") :]
    assert "/host" not in final
    assert "USER gilometer" in final


@pytest.mark.parametrize("abi", ["cp313", "cp314", "cp315"])
def test_both_builds_of_a_series_get_the_same_versions(abi: str) -> None:
    def versions(name: str) -> set[str]:
        lines = (IMAGES / "requirements" / f"{name}.txt").read_text().splitlines()
        return {line.removesuffix(" \\") for line in lines if "==" in line}

    missing = versions(abi) - versions(f"{abi}t")
    assert versions(f"{abi}t") <= versions(abi)
    assert {requirement.partition("==")[0] for requirement in missing} <= {"lxml", "psutil", "selectolax"}


def test_every_requirement_has_its_hashes_and_no_index() -> None:
    for lock in (IMAGES / "requirements").glob("cp*.txt"):
        text = lock.read_text()
        requirements = re.findall(r"(?m)^[\w-]+==\S+ \\\n +--hash=sha256:[0-9a-f]{64}", text)
        assert len(requirements) == text.count("==") > 0
        assert "://" not in text


# -- what a pair is made of --------------------------------------------------------------------------------------------


def local(tmp_path: Path, release: str) -> str:
    path = tmp_path / "mine.tar.xz"
    path.write_bytes(archive(release))
    return str(path)


def test_a_pair_of_the_users_own_source_is_of_its_series(tmp_path: Path) -> None:
    pair, warnings = Foundry(source=local(tmp_path, "3.13.5"), cache=tmp_path).choose_pair()
    assert [build.name for build in pair] == ["3.13-source", "3.13t-source"]
    assert warnings == ()
    pair, _ = Foundry(source=local(tmp_path, "3.13.5"), cache=tmp_path).choose_pair(Optimize.PGO_LTO)
    assert [build.name for build in pair] == ["3.13-source-pgo", "3.13t-source-pgo"]


def test_a_source_of_another_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"CPython 3\.13\.5, so 3\.14-source cannot be made of it"):
        Foundry(source=local(tmp_path, "3.13.5"), cache=tmp_path).material(CATALOGUE["3.14-source"])


def keep(tmp_path: Path, release: str) -> None:
    """A release in the cache, as if downloaded earlier."""
    (tmp_path / "sources").mkdir(exist_ok=True)
    (tmp_path / "sources" / f"Python-{release}.tar.xz").touch()


def test_the_newest_series_that_can_be_had_is_taken(tmp_path: Path, without_sites: None) -> None:
    for release in ("3.13.14", "3.14.6"):
        keep(tmp_path, release)
    pair, warnings = Foundry(cache=tmp_path).choose_pair()
    assert [build.name for build in pair] == ["3.14-source", "3.14t-source"]
    assert warnings == ()


def test_falling_back_is_warned_of(tmp_path: Path, without_sites: None) -> None:
    keep(tmp_path, "3.13.14")
    pair, warnings = Foundry(cache=tmp_path).choose_pair()
    assert [build.name for build in pair] == ["3.13-source", "3.13t-source"]
    (warning,) = warnings
    assert re.search(r"3\.13 is compared: the source of CPython 3\.14 cannot be had here; tried", warning)


def test_where_nothing_can_be_had_everything_that_was_tried_is_said(tmp_path: Path, without_sites: None) -> None:
    with pytest.raises(HostError, match=r"CPython 3\.14 cannot be had.*CPython 3\.13 cannot be had") as caught:
        Foundry(cache=tmp_path).choose_pair()
    assert "--source" in caught.value.hint


@pytest.fixture
def without_sites(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody publishes anything."""
    monkeypatch.setattr(sources, "sites", lambda mirror, stamp: (sources.Site("nobody", lambda release: None),))
