"""Builds carried to a machine without network: packed into a bundle here, unpacked from it there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from harness import bases, builds, bundle, docker_client, session, sources
from harness.bundle import Bundle, Manifest, Packed
from harness.docker_images import Images
from harness.errors import HostError, RequestError
from harness.images import Foundry
from harness.model import BuildFacts
from harness.progress import Progress, Task
from harness.request import BenchOptions
from harness.screen import Screen

OUT = "gilometer-bundle.tar"


def pack(options: BenchOptions, out: str | None = None) -> None:
    """Write a bundle of builds, made where they are missing, and print what to do with it.

    RequestError where the file is there already, HostError where it cannot be written; then nothing is left.
    """
    target, screen = Path(out or OUT), Screen()
    with (
        bundle.beside(target) as folder,
        session.open_foundry(options, screen) as (foundry, wanted, _),  # a wrong name is said before anybody waits
        session.measuring("writing a bundle", screen),
        closing(Images(docker_client.connect())) as images,
    ):
        packed, members = [], {bundle.IMAGES: folder / bundle.IMAGES}
        for build in dict.fromkeys(wanted):
            packed.append(_packed(images, foundry.ensure(build, screen)))
            if material := foundry.material(build):
                material.provide(folder / "source", screen)  # verified, and downloaded where the cache has lost it
                members |= {f"{bundle.SOURCES}/{file.name}": file for file in material.files}
        tags = dict.fromkeys(tag for one in packed for tag in (one.base.tag, one.tag))
        images.save(tags, members[bundle.IMAGES], screen)
        sha256 = bundle.write(target, folder, packed, members, screen)
    print(f"{target}: {target.stat().st_size / 1e6:.0f} MB, sha256 {sha256}")
    print(f"On a machine without network, with the same Gilometer: ./inv setup --bundle {target.name}")


def unpack(name: str) -> None:
    """Find or install an engine, load a bundle into it, and print what each build in it is.

    RequestError where it is no bundle, is damaged, or belongs to another Gilometer; HostError where this machine
    cannot take it.  Then nothing is left of it.
    """
    screen = Screen()
    with bundle.unpacking(Path(name), screen) as found:
        session.provide_engine(screen)
        with session.measuring("loading a bundle", screen):
            facts = load(found, screen)
    session.show(facts)


def load(found: Bundle, progress: Progress) -> tuple[BuildFacts, ...]:
    """The builds of a bundle, loaded into this machine's engine, and what they are there.

    What was not there before goes again where anything fails.
    """
    with closing(Foundry()) as foundry, closing(Images(docker_client.connect())) as images, ExitStack() as undo:
        _refuse_others(images, found.manifest)
        _place_sources(found, undo)
        _refuse_other_recipes(foundry, found.manifest)
        _load_images(images, found, undo, progress)
        wanted = builds.resolve(one.name for one in found.manifest.builds)
        for build, one in zip(wanted, found.manifest.builds, strict=True):
            if foundry.find(build) != one.image:  # asked first: what is not found would be made
                raise HostError(f"{build.name} was loaded, and is not found where it is looked for; nothing was kept")
        facts = tuple(foundry.ensure(build, progress) for build in wanted)
        undo.pop_all()
        return facts


def _packed(images: Images, facts: BuildFacts) -> Packed:
    suite = facts.build.base
    tag = bases.portable_tag(images, suite, builds.load_pins().bases[suite])
    base, found = images.inspect(tag), images.inspect(facts.image)
    if base is None or found is None:
        raise HostError(f"the engine has lost {facts.build.name} or its base image", hint="Try again.")
    return Packed(
        name=facts.build.name,
        image=facts.image,
        recipe=facts.recipe,
        tag=min(found.tags),
        base=bundle.Base(suite=suite, image=base.id, tag=tag),
    )


def _refuse_others(images: Images, manifest: Manifest) -> None:
    """HostError where the engine has other images in the places of those that would be loaded."""
    pins = builds.load_pins().bases
    for suite, image in {one.base.suite: one.base.image for one in manifest.builds}.items():
        base = bases.find(images, suite, pins[suite]) if suite in pins else None
        if base and base.image != image:
            raise HostError(
                f"this machine has another base image {suite}: {base.description}; nothing was loaded",
                hint="Its own builds are made on that one.  Remove both to use the bundle's.",
            )
    for tag, image in manifest.images.items():
        there = images.inspect(tag)
        if there and there.id != image:
            raise HostError(f"this machine has another image {tag}; nothing was loaded", hint=f"docker rmi {tag}")


def _refuse_other_recipes(foundry: Foundry, manifest: Manifest) -> None:
    """RequestError where this checkout would look for other images than the bundle has."""
    for one in manifest.builds:
        (build,) = builds.resolve([one.name])
        expected = foundry.expected(build, bases.Base(one.base.image, one.base.suite))
        if expected != one.recipe:
            raise RequestError(
                f"the bundle's {one.name} has the recipe {one.recipe[:12]}, and this Gilometer makes it by "
                f"{expected[:12]}; nothing was loaded",
                hint=f"Use the same checkout on both machines; the bundle was written by {manifest.gilometer}.",
            )


def _place_sources(found: Bundle, undo: ExitStack) -> None:
    """The bundle's files in the cache, where Foundry looks for them."""
    folder = sources.cache_folder() / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder / name for name in found.manifest.sources):
        if not path.exists():
            undo.callback(path.unlink, missing_ok=True)
            with found.source(path.name) as file, path.open("wb") as kept:
                shutil.copyfileobj(file, kept)


def _load_images(images: Images, found: Bundle, undo: ExitStack, progress: Progress) -> None:
    """The bundle's images in the engine, with the ids that they had where they were packed."""
    for tag in found.manifest.images:
        if images.inspect(tag) is None:
            undo.callback(_forget, images, tag)
    with progress.task("loading images", total=found.manifest.members[bundle.IMAGES].size / 1e6) as task:
        images.load(_counted(found, task))
    for tag, image in found.manifest.images.items():
        there = images.inspect(tag)
        if there is None or there.id != image:
            raise HostError(
                f"{tag} has another id once it is loaded, so nothing was kept",
                hint="Both engines have to store images in the same way; docker info says how (Storage Driver).",
            )


def _counted(found: Bundle, task: Task) -> Iterator[bytes]:
    done = 0
    for chunk in bundle.chunks(found.images()):
        yield chunk
        done += len(chunk)
        task.update(done / 1e6)


def _forget(images: Images, tag: str) -> None:
    if images.inspect(tag):
        images.untag(tag)
