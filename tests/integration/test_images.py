"""Images in a real engine: what they are, that they are made once, and that nothing is made of the wrong thing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from harness import builds, docker_client, images, interpreters, network, showroom, sources
from harness.docker_client import LABEL
from harness.docker_images import Images
from harness.equipment import RECIPE
from harness.errors import MeasurementError
from harness.images import Foundry
from harness.model import BuildFacts
from harness.network import Ingredients
from harness.progress import Silent
from tests.web import Server


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker_client.connect()
    yield client
    client.close()


Holdings = Callable[[], dict[str, set[str]]]


@pytest.fixture
def ours(client: docker.DockerClient) -> Holdings:
    """What the engine holds of ours, as a question."""

    def ask() -> dict[str, set[str]]:
        return {
            "tags": {tag for image in client.images.list(filters={"label": LABEL}) for tag in image.tags},
            "containers": {str(c.id) for c in client.containers.list(all=True, filters={"label": LABEL})},
        }

    return ask


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The cache with the real one's sources, and with logs of its own."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "sources").symlink_to(sources.cache_folder() / "sources")
    return folder


def inside(client: docker.DockerClient, facts: BuildFacts, script: str) -> object:
    """What a script prints as JSON in a build's image."""
    return json.loads(Images(client).execute(facts.image, [facts.executable, "-c", f"import json; {script}"]))


def test_the_pair_differs_in_free_threading_and_in_nothing_else(pair_facts: tuple[BuildFacts, ...]) -> None:
    with_gil, without = pair_facts
    assert (with_gil.free_threaded, with_gil.gil_enabled) == (False, True)
    assert (without.free_threaded, without.gil_enabled) == (True, False)
    assert without.configure.replace("'--disable-gil'", "").split() == with_gil.configure.split()
    for name in ("release", "executable", "compiler", "optimize", "link", "libc", "machine", "base", "origin"):
        assert getattr(with_gil, name) == getattr(without, name), name
    common = with_gil.packages.keys() & without.packages.keys()
    assert "pyperf" in common
    assert {name: with_gil.packages[name] for name in common} == {name: without.packages[name] for name in common}


def test_facts_say_how_the_build_was_made(pair_facts: tuple[BuildFacts, ...]) -> None:
    for facts in pair_facts:
        pinned = builds.load_pins().cpython[facts.release]
        assert facts.origin.endswith(f"(sha256:{pinned})")
        assert facts.version.startswith(facts.release)
        assert (facts.optimize, facts.link) == ("plain", "static")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", facts.image)
        assert "trixie" in facts.base
        assert (facts.frame_pointers, facts.tail_calls, facts.jit) == (False, False, "none")
        assert facts.allocator == ("mimalloc" if facts.free_threaded else "pymalloc")
        assert facts.system_packages["libc6"].startswith(facts.libc.removeprefix("glibc "))
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", layer) for layer in facts.layers)
        assert len(facts.layers) >= 2


def test_what_there_is_is_listed_and_nothing_is_made(
    pair_facts: tuple[BuildFacts, ...], ours: Holdings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ours()

    showroom.offers()

    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  "))
    for facts in pair_facts:
        assert re.fullmatch(r"made, \d+ MB", lines[facts.build.name])
    shown = [state for name, state in lines.items() if name != "build"]
    assert len(shown) == len(builds.load())
    assert all(re.match(r"made, |can be made of |cannot be made \(\d\)", state) for state in shown)
    assert ours() == before


def test_facts_are_printed_side_by_side_and_differences_marked(
    pair_facts: tuple[BuildFacts, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    showroom.facts(",".join(facts.build.name for facts in pair_facts))

    rows = capsys.readouterr().out.splitlines()
    assert [row.split() for row in rows if " free-threaded " in row] == [["≠", "free-threaded", "no", "yes"]]
    assert [row.split() for row in rows if " allocator " in row] == [["≠", "allocator", "pymalloc", "mimalloc"]]
    assert any(row.split()[:1] == ["compiler"] for row in rows), "the same compiler, no mark"


def test_an_unchanged_build_is_not_built_again(pair_facts: tuple[BuildFacts, ...], client: docker.DockerClient) -> None:
    logs = sources.cache_folder() / "logs"

    def seen() -> tuple[set[str], dict[str, int]]:
        everything = {str(image.id) for image in client.images.list(all=True)}
        return everything, {path.name: path.stat().st_mtime_ns for path in logs.glob("*")}

    before = seen()
    again = Foundry()
    assert tuple(again.ensure(facts.build, Silent()) for facts in pair_facts) == pair_facts
    assert seen() == before


def test_the_cache_is_a_convenience(pair_facts: tuple[BuildFacts, ...], cache: Path) -> None:
    """Without its facts the same image is found, by its recipe, and asked again."""
    assert tuple(Foundry(cache=cache).ensure(facts.build, Silent()) for facts in pair_facts) == pair_facts
    assert not (cache / "logs").exists()


def test_nothing_of_the_host_and_nothing_that_serves_no_workload_is_in_an_image(
    pair_facts: tuple[BuildFacts, ...], client: docker.DockerClient
) -> None:
    left = (
        "/host",
        "/debs",
        "/python",
        "/requirements.txt",
        "/etc/apt/apt.conf.d/99gilometer",
        "/usr/bin/gcc",
        "/usr/bin/make",
    )
    for facts in pair_facts:
        found = inside(
            client,
            facts,
            "import os, pathlib, sysconfig; lib = pathlib.Path(sysconfig.get_path('stdlib'));"
            f"print(json.dumps([os.getuid(), [p for p in {left!r} if os.path.exists(p)],"
            "[p.name for p in lib.iterdir() if p.name in ('test', 'idle_test')]]))",
        )
        assert found == [10001, [], []]


def test_an_interpreter_has_the_modules_that_its_libraries_are_there_for(
    pair_facts: tuple[BuildFacts, ...], client: docker.DockerClient
) -> None:
    for facts in pair_facts:
        modules = "bz2, ctypes, curses, hashlib, lzma, readline, sqlite3, ssl, uuid, zlib"
        assert inside(client, facts, f"import {modules}; print(json.dumps(ssl.OPENSSL_VERSION_INFO[0] >= 3))") is True


@pytest.fixture
def another_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """images/, changed so that every recipe is one that was never built."""
    folder = tmp_path / "images"
    shutil.copytree(builds.IMAGES, folder)
    with (folder / "source.Dockerfile").open("a") as dockerfile:
        dockerfile.write(f"# {secrets.token_hex(8)}\n")
    monkeypatch.setattr(images, "IMAGES", folder)
    return folder


@pytest.mark.usefixtures("another_recipe")
@pytest.mark.parametrize("supplier", ["apt_mirror", "index-url"])
def test_what_is_not_made_is_no_offer_where_its_packages_cannot_be_had(
    pair_facts: tuple[BuildFacts, ...], cache: Path, server: Server, monkeypatch: pytest.MonkeyPatch, supplier: str
) -> None:
    build, url = pair_facts[0].build, server.address("")
    given = Ingredients(
        distribution="debian",
        apt_mirror=url if supplier == "apt_mirror" else None,
        apt_settings={},
        pip_settings={supplier: url},
        proxies={},
        ca_bundle=b"",
    )
    monkeypatch.setattr(network, "ingredients", lambda distribution: given)

    def offered() -> images.Offer:
        with contextlib.closing(Foundry(cache=cache)) as foundry:
            return foundry.offer(build)

    assert (offered().obstacle, server.asked) == ("", ["HEAD "]), "asked, and it answers that it has no such page"
    server.close()
    assert re.fullmatch(r"packages are missing: .*(Debian mirror|pip) does not answer", offered().obstacle)


@pytest.mark.usefixtures("another_recipe")
def test_a_tampered_tarball_stops_the_build_and_leaves_nothing(
    pair_facts: tuple[BuildFacts, ...], tmp_path: Path, ours: Holdings
) -> None:
    build = pair_facts[0].build
    pins = builds.load_pins().cpython
    newest = sources.candidate_releases(pins, build.series)[0]
    kept = tmp_path / "sources" / f"Python-{newest}.tar.xz"
    kept.parent.mkdir()
    kept.write_bytes(b"not what was released")
    before = ours()
    with pytest.raises(MeasurementError) as caught:
        Foundry(cache=tmp_path).ensure(build, Silent())
    for named in (str(kept), pins[newest], hashlib.sha256(b"not what was released").hexdigest()):
        assert named in caught.value.message
    assert not kept.exists()
    assert ours() == before


def test_a_wheel_with_another_hash_stops_the_build(
    pair_facts: tuple[BuildFacts, ...], another_recipe: Path, cache: Path, ours: Holdings
) -> None:
    build = pair_facts[0].build
    lock = another_recipe / "requirements" / f"{interpreters.abi(build)}.txt"
    lock.write_text(re.sub(r"(pyperf==\S+ \\\n +--hash=sha256:)[0-9a-f]{64}", r"\g<1>" + "0" * 64, lock.read_text()))
    before = ours()
    with pytest.raises(MeasurementError, match="DO NOT MATCH THE HASHES") as caught:
        Foundry(cache=cache).ensure(build, Silent())
    assert "0" * 64 in caught.value.message
    log = Path(caught.value.hint.partition(": ")[2])
    assert "pip install" in log.read_text()
    assert ours() == before


def test_what_a_build_left_unfinished_is_not_taken_for_an_image(
    client: docker.DockerClient, pair_facts: tuple[BuildFacts, ...]
) -> None:
    """It has no tag, is newer, and has the labels of the image that it was made from."""
    facts = pair_facts[0]
    container = client.containers.create(facts.image)
    try:
        unfinished = container.commit()
        try:
            assert unfinished.labels[RECIPE] == facts.recipe
            assert Images(client).find({RECIPE: facts.recipe}) == facts.image
        finally:
            client.images.remove(str(unfinished.id))
    finally:
        container.remove()
