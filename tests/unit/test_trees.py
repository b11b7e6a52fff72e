"""CPython's source that the user has: real tarballs, directories and repositories."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from harness import trees
from harness.errors import MeasurementError, RequestError
from harness.progress import Silent
from tests.tarballs import HEADER, archive, sha256


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with a tag, v3.14.1."""
    path = tmp_path / "cpython"
    (path / "Include").mkdir(parents=True)
    (path / "Include/patchlevel.h").write_text(HEADER.format("3.14.1"))
    (path / ".gitignore").write_text("*.o\n")
    git(path, "init", "--quiet")
    git(path, "add", ".")
    git(path, "-c", "user.name=T", "-c", "user.email=t@t.test", "commit", "--quiet", "--message", "all")
    git(path, "tag", "v3.14.1")
    return path


def git(path: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(path), *arguments], check=True, capture_output=True, text=True).stdout


def members(path: Path) -> set[str]:
    with tarfile.open(path) as tar:
        return {member.name for member in tar if member.isfile()}


def test_a_file_that_is_named_as_a_release_must_be_that_release(tmp_path: Path) -> None:
    content = archive("3.13.5")
    path = tmp_path / "Python-3.13.5.tar.xz"
    path.write_bytes(content)
    assert trees.from_path(str(path), {"3.13.5": sha256(content)}, tmp_path).release == "3.13.5"
    with pytest.raises(MeasurementError, match=f"{sha256(content)}, pinned is {'0' * 64}"):
        trees.from_path(str(path), {"3.13.5": "0" * 64}, tmp_path)
    assert path.exists()


def test_any_other_tarball_is_what_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.tar.xz"
    path.write_bytes(archive("3.15.0a1+", name="cpython"))
    material = trees.from_path(str(path), {}, tmp_path)
    material.provide(tmp_path / "python.tar", Silent())
    assert (material.release, material.identity) == ("3.15.0a1", f"sha256:{sha256(path.read_bytes())}")
    assert (tmp_path / "python.tar").read_bytes() == path.read_bytes()


def test_a_clean_repository_is_its_commit(tmp_path: Path, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD").strip()
    material = trees.from_path(str(repository), {}, tmp_path)
    assert (material.release, material.identity) == ("3.14.1", f"git:{commit}")
    assert trees.from_path(f"{repository}@v3.14.1", {}, tmp_path).identity == material.identity
    material.provide(tmp_path / "python.tar", Silent())
    assert members(tmp_path / "python.tar") == {"cpython/.gitignore", "cpython/Include/patchlevel.h"}


def test_a_bare_repository_serves_as_well(tmp_path: Path, repository: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), "bare.git")
    assert trees.from_path(f"{tmp_path / 'bare.git'}@v3.14.1", {}, tmp_path).release == "3.14.1"
    assert trees.from_path(str(tmp_path / "bare.git"), {}, tmp_path).identity.startswith("git:")


@pytest.mark.parametrize(("ref", "release"), [("", "3.14.1"), ("@v3.14.1", "3.14.1"), ("@older", "3.14.0")])
def test_a_repository_elsewhere_is_fetched(tmp_path: Path, repository: Path, ref: str, release: str) -> None:
    git(repository, "checkout", "--quiet", "-b", "older")
    header = repository / "Include" / "patchlevel.h"
    header.write_text(header.read_text().replace("3.14.1", "3.14.0"))
    git(repository, "commit", "--quiet", "--all", "--message", "older")
    git(repository, "checkout", "--quiet", "-")

    material = trees.from_path(f"file://{repository}{ref}", {}, tmp_path / "cache")
    material.provide(tmp_path / "python.tar", Silent())

    assert material.release == release
    assert material.origin.startswith(f"git {ref[1:] or 'HEAD'} (commit ")
    assert "cpython/Include/patchlevel.h" in members(tmp_path / "python.tar")


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "file:///nowhere/at/all@v1", "git@localhost:me/cpython@v1"])
def test_a_repository_that_cannot_be_fetched_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(RequestError, match="--source: git fetch"):
        trees.from_path(url, {}, tmp_path)


def test_a_changed_repository_is_what_it_holds_but_for_what_git_ignores(tmp_path: Path, repository: Path) -> None:
    (repository / "new.c").write_text("int x;")
    (repository / "new.o").write_text("object")
    first = trees.from_path(str(repository), {}, tmp_path)
    first.provide(tmp_path / "python.tar", Silent())
    assert first.identity.startswith("sha256:")
    assert "changed" in first.origin
    assert "cpython/new.c" in members(tmp_path / "python.tar")
    assert "cpython/new.o" not in members(tmp_path / "python.tar")
    (repository / "new.c").write_text("int y;")
    assert trees.from_path(str(repository), {}, tmp_path).identity != first.identity


def test_a_tree_without_git_leaves_out_what_a_build_left_in_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "Include").mkdir(parents=True)
    (tree / "Include/patchlevel.h").write_text(HEADER.format("3.14.0+"))
    (tree / "Include/old.o").write_text("object")
    material = trees.from_path(str(tree), {}, tmp_path)
    material.provide(tmp_path / "python.tar", Silent())
    assert material.release == "3.14.0"
    assert members(tmp_path / "python.tar") == {"cpython/Include/patchlevel.h"}


@pytest.mark.parametrize("text", ["missing", "missing@main"])
def test_nothing_there_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(RequestError, match=f"neither a file nor a directory {tmp_path / text}"):
        trees.from_path(str(tmp_path / text), {}, tmp_path)


def test_what_is_not_cpython_is_said(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(RequestError, match=r"notes\.txt is not a tar archive"):
        trees.from_path(str(tmp_path / "notes.txt"), {}, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="is not CPython's source"):
        trees.from_path(str(tmp_path / "empty"), {}, tmp_path)
    with pytest.raises(RequestError, match="--source: git rev-parse"):
        trees.from_path(f"{repository}@v9", {}, tmp_path)
