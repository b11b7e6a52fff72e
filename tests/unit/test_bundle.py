"""Bundles as files: what is packed comes out again, and whatever is not exactly that is refused before it is used."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from harness import bundle
from harness.bundle import IMAGES, Base, Manifest, Packed
from harness.errors import HostError, RequestError
from harness.progress import Silent

BASE = Base(suite="trixie", image="sha256:b", tag="gilometer/base:trixie")
BUILDS = tuple(
    Packed(name=name, image=f"sha256:{name}", recipe="r" * 64, tag=f"gilometer/{name}:r", base=BASE)
    for name in ("3.14-source", "3.14t-source")
)
TAGS = (BASE.tag, *(one.tag for one in BUILDS))
SOURCE = "sources/Python-3.14.6.tar.xz"

Change = Callable[[dict[str, bytes]], object]


def saved(*tags: str) -> bytes:
    """What an engine would save, as far as a bundle looks at it."""
    listed = [{"Config": "c.json", "RepoTags": [tag], "Layers": []} for tag in tags]
    return packed({"c.json": b"{}", "manifest.json": msgspec.json.encode(listed), "layer.tar": bytes(3 << 20)})


def packed(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def unpacked(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def write(target: Path, images: bytes) -> str:
    """A bundle of BUILDS, whose images are as given."""
    with bundle.beside(target) as folder:
        contents = {IMAGES: images, SOURCE: b"source", f"{SOURCE}.site": b"python.org"}
        members = {name: folder / Path(name).name for name in contents}
        for name, path in members.items():
            path.write_bytes(contents[name])
        return bundle.write(target, folder, BUILDS, members, Silent())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A bundle."""
    path = tmp_path / "bundle.tar"
    write(path, saved(*TAGS))
    return path


def refusal(path: Path) -> RequestError:
    with pytest.raises(RequestError) as caught, bundle.unpacking(path, Silent()):
        pytest.fail("it was unpacked")
    assert path.name in caught.value.message
    assert caught.value.hint
    return caught.value


def with_manifest(members: dict[str, bytes], **changes: object) -> None:
    manifest = msgspec.json.decode(members["manifest.json"])
    members["manifest.json"] = msgspec.json.encode(manifest | changes)


def renamed(members: dict[str, bytes], name: str) -> None:
    """The source has another name, in the manifest too."""
    manifest = msgspec.json.decode(members["manifest.json"])
    manifest["members"][name] = manifest["members"].pop(SOURCE)
    members["manifest.json"] = msgspec.json.encode(manifest)
    members[name] = members.pop(SOURCE)


def replaced(members: dict[str, bytes], images: bytes) -> None:
    """Other images, in the manifest too."""
    manifest = msgspec.json.decode(members["manifest.json"])
    members[IMAGES] = images
    manifest["members"][IMAGES] = sums(images)
    members["manifest.json"] = msgspec.json.encode(manifest)


def sums(content: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def test_what_is_packed_comes_out_again(path: Path) -> None:
    with bundle.unpacking(path, Silent()) as found:
        assert found.manifest.builds == BUILDS
        assert found.manifest.images == {BASE.tag: BASE.image, **{one.tag: one.image for one in BUILDS}}
        assert found.manifest.sources == ("Python-3.14.6.tar.xz", "Python-3.14.6.tar.xz.site")
        assert b"".join(bundle.chunks(found.images())) == saved(*TAGS)
        assert found.source("Python-3.14.6.tar.xz").read() == b"source"


def test_the_sum_is_the_files(tmp_path: Path) -> None:
    sha256 = write(tmp_path / "bundle.tar", saved(*TAGS))
    assert sums((tmp_path / "bundle.tar").read_bytes())["sha256"] == sha256
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar"]


def test_nothing_is_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(RequestError, match="is there already"):
        write(path, saved(*TAGS))
    assert path.read_bytes() == before


def interrupted(target: Path) -> None:
    with bundle.beside(target) as folder:
        (folder / IMAGES).write_bytes(b"half of them")
        raise KeyboardInterrupt


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "bundle.tar")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot write"), bundle.beside(tmp_path / "nowhere" / "bundle.tar"):
        pytest.fail("it was written")


def test_what_the_engine_did_not_save_is_noticed_before_it_is_carried(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=BUILDS[1].tag):
        write(tmp_path / "bundle.tar", saved(*TAGS[:-1]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update({IMAGES: m[IMAGES][:-1] + b"x"}), f"{IMAGES} is not what was packed"),
        (lambda m: m.update({SOURCE: b"sourcE"}), f"{SOURCE} is not what was packed"),
        (lambda m: m.update({SOURCE: b"source and more"}), f"{SOURCE} is not what was packed"),
        (lambda m: m.pop(SOURCE), f"{SOURCE} is missing"),
        (lambda m: m.pop(IMAGES), f"{IMAGES} is missing"),
        (lambda m: m.update({"more": b""}), "more has no place in a bundle"),
        (lambda m: m.update({"../more": b""}), "../more has no place in a bundle"),
        (lambda m: renamed(m, "../../etc/Python-3.14.6.tar.xz"), "has no place in a bundle"),
        (lambda m: renamed(m, "sources/../Python-3.14.6.tar.xz"), "has no place in a bundle"),
        (lambda m: renamed(m, "/sources/Python-3.14.6.tar.xz"), "has no place in a bundle"),
        (lambda m: renamed(m, "sources/.tar.xz"), "has no place in a bundle"),
        (lambda m: renamed(m, "sources/answers.json"), "has no place in a bundle"),
        (lambda m: replaced(m, saved(*TAGS, "debian:trixie")), "do not agree about debian:trixie"),
        (lambda m: replaced(m, saved(*TAGS[1:])), f"do not agree about {TAGS[0]}"),
        (lambda m: replaced(m, packed({"layer.tar": b""})), "does not list its images"),
        (lambda m: replaced(m, b"no archive at all"), "damaged"),
        (lambda m: with_manifest(m, extra=1), "manifest.json: Object contains unknown field"),
        (lambda m: m.update({"manifest.json": b"{"}), "manifest.json: "),
    ],
)
def test_whatever_was_changed_is_refused(path: Path, change: Change, said: str) -> None:
    members = unpacked(path)
    change(members)
    path.write_bytes(packed(members))
    error = refusal(path)
    assert said in error.message
    assert "nothing was loaded" in error.message


def test_a_member_that_is_there_twice_is_refused(path: Path) -> None:
    with tarfile.open(path, "a") as archive:
        member = tarfile.TarInfo(SOURCE)
        member.size = len(b"source")
        archive.addfile(member, io.BytesIO(b"source"))
    assert f"{SOURCE} has no place" in refusal(path).message


def test_a_link_is_no_file(path: Path) -> None:
    members = unpacked(path)
    del members[SOURCE]
    path.write_bytes(packed(members))
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo(SOURCE)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert f"{SOURCE} has no place" in refusal(path).message


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 0.999])
def test_a_truncated_bundle_is_refused(path: Path, share: float) -> None:
    with tarfile.open(path) as archive:
        end = archive.getmembers()[-1].offset_data + 1
    os.truncate(path, int(end * share))
    assert "damaged" in refusal(path).message


def test_every_cut_short_of_the_last_byte_is_noticed(path: Path) -> None:
    """In steps of a tar archive's blocks, where it is easiest to take one for a whole."""
    whole = path.read_bytes()
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    for end in (last.offset_data, last.offset, last.offset - 512, 512, 100, 0):
        path.write_bytes(whole[:end])
        refusal(path)


@pytest.mark.parametrize("content", [b"", b"text" * 1000, bytes(10240), b"\x1f\x8b" + bytes(600)])
def test_a_foreign_file_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "foreign").write_bytes(content)
    assert refusal(tmp_path / "foreign").message.endswith("is no bundle")


def test_what_an_engine_saved_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "saved.tar").write_bytes(saved(*TAGS))
    assert refusal(tmp_path / "saved.tar").message.endswith("is no bundle")


@pytest.mark.parametrize("name", ["nowhere", ""])
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="cannot be read"), bundle.unpacking(tmp_path / name, Silent()):
        pytest.fail("it was unpacked")


def test_a_newer_one_is_refused_whatever_else_it_holds(path: Path) -> None:
    members = unpacked(path)
    members["manifest.json"] = msgspec.json.encode({"schema": bundle.SCHEMA + 1, "all": "new"})
    path.write_bytes(packed(members))
    error = refusal(path)
    assert (error.message, error.hint) == (
        f"{path} has schema {bundle.SCHEMA + 1}; this Gilometer reads up to {bundle.SCHEMA}",
        "Update Gilometer.",
    )


def test_one_for_another_machine_is_refused(path: Path) -> None:
    members = unpacked(path)
    with_manifest(members, machine="vax")
    path.write_bytes(packed(members))
    with pytest.raises(HostError, match="is for vax machines"), bundle.unpacking(path, Silent()):
        pytest.fail("it was unpacked")


def test_the_manifest_says_what_wrote_it(path: Path) -> None:
    manifest = msgspec.json.decode(unpacked(path)["manifest.json"], type=Manifest)
    assert (manifest.schema, manifest.machine) == (bundle.SCHEMA, os.uname().machine)
    assert list(manifest.members) == [IMAGES, SOURCE, f"{SOURCE}.site"]
