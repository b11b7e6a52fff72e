"""What a run's builds hold and how they came about, in the formats that other tools read.

A bill of materials (CycloneDX 1.6) and a statement of provenance (in-toto, SLSA's predicate) per build.  Both are made
of the build's facts and say nothing that run.json does not; neither is signed.
"""

from __future__ import annotations

import datetime
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from harness.errors import HostError
from harness.model import BuildFacts, Run, Source

_TOLD = ("compiler", "configure", "optimize", "link", "jit", "allocator", "tail_calls", "frame_pointers", "libc")
"""Facts about how the interpreter was made."""

_CONTENT = re.compile(r"\b(sha256|git):([0-9a-f]{40,64})\b")


def write(folder: Path, run: Run) -> list[Path]:
    """BUILD.cdx.json of every build, and BUILD.provenance.json of those in images, below `folder`, which is made.

    HostError where they cannot be written.
    """
    made: dict[Path, str] = {}
    for facts in run.builds:
        made[folder / f"{facts.build.name}.cdx.json"] = bill(facts, run)
        if facts.image:
            made[folder / f"{facts.build.name}.provenance.json"] = statement(facts, run)
    try:
        folder.mkdir(exist_ok=True)
        for path, text in made.items():
            path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise HostError(f"cannot write {folder}: {error.strerror}") from error
    return list(made)


# -- what is in it -----------------------------------------------------------------------------------------------------


def bill(facts: BuildFacts, run: Run) -> str:
    """The bill of materials of a build as CycloneDX JSON: interpreter, Python packages, packages of the system."""
    bom = Bom(
        components=_components(facts),
        metadata=BomMetaData(
            component=_whole(facts),
            timestamp=datetime.datetime.fromisoformat(run.created),
            tools=ToolRepository(
                components=[Component(type=ComponentType.APPLICATION, name="gilometer", version=run.gilometer)]
            ),
        ),
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"{run.id}/{facts.build.name}"),
    )
    assert bom.metadata.component is not None
    bom.register_dependency(bom.metadata.component, bom.components)
    return JsonV1Dot6(bom).output_as_string(indent=1)


def _whole(facts: BuildFacts) -> Component:
    """The image, or where there is none the host's interpreter."""
    digests = [HashType(alg=HashAlgorithm.SHA_256, content=facts.image.removeprefix("sha256:"))] if facts.image else []
    return Component(
        type=ComponentType.CONTAINER if facts.image else ComponentType.APPLICATION,
        name=f"gilometer/{facts.build.name}",
        version=facts.recipe[:12] or facts.release,
        bom_ref=f"gilometer/{facts.build.name}",
        hashes=digests,
        properties=[Property(name="gilometer:base", value=facts.base)] if facts.base else [],
    )


def _components(facts: BuildFacts) -> Iterator[Component]:
    yield Component(
        type=ComponentType.APPLICATION,
        name="cpython",
        version=facts.release,
        purl=PackageURL("generic", name="cpython", version=facts.release),
        bom_ref=f"cpython@{facts.release}",
        hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=digest)
            for kind, digest in _CONTENT.findall(facts.origin)
            if kind == "sha256"
        ],
        properties=[
            Property(name=f"gilometer:{name}", value=_text(value))
            for name, value in [
                ("origin", facts.origin),
                ("free_threaded", facts.free_threaded),
                *((name, getattr(facts, name)) for name in _TOLD),
            ]
            if value not in ("", None)  # what the release or its packager does not tell
        ],
    )
    locked = (one.packages for one in facts.environments.values())
    python = dict.fromkeys(item for packages in (facts.packages, *locked) for item in packages.items())
    for name, version in sorted(python):
        yield _package("pypi", name, version)
    for name, version in sorted(facts.system_packages.items()):
        yield _package("deb", name, version, namespace=_distribution(facts))


def _package(kind: str, name: str, version: str, namespace: str | None = None) -> Component:
    purl = PackageURL(kind, namespace=namespace, name=name, version=version)
    return Component(type=ComponentType.LIBRARY, name=name, version=version, purl=purl, bom_ref=purl.to_string())


def _distribution(facts: BuildFacts) -> str:
    return "ubuntu" if facts.build.source is Source.DEADSNAKES or facts.base.startswith("ubuntu:") else "debian"


# -- how it came about -------------------------------------------------------------------------------------------------


def statement(facts: BuildFacts, run: Run) -> str:
    """The provenance of an image as an in-toto statement (v1) with SLSA's predicate (v1), as JSON."""
    made: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"gilometer/{facts.build.name}", "digest": _digest(facts.image)}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": f"urn:gilometer:build:{facts.build.source}",
                "externalParameters": msgspec.to_builtins(facts.build),
                "internalParameters": {
                    "recipe": facts.recipe,
                    "host": facts.ingredients,
                    **{name: getattr(facts, name) for name in _TOLD},
                },
                "resolvedDependencies": list(_dependencies(facts)),
            },
            "runDetails": {
                "builder": {"id": "urn:gilometer:harness", "version": {"gilometer": _version(run)}},
                "byproducts": [{"name": "layer", "digest": _digest(layer)} for layer in facts.layers],
            },
        },
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=1).decode()


def _dependencies(facts: BuildFacts) -> Iterator[dict[str, object]]:
    """What it was made of, each with a digest where it has one."""
    for name, what in (("base image", facts.base), ("CPython", facts.origin)):
        if what:
            found: dict[str, object] = {"name": name, "annotations": {"is": what}}
            yield found | ({"digest": digest} if (digest := _digest(what)) else {})
    for lock, environment in facts.environments.items():
        yield {"name": "lock file", "annotations": {"folder": environment.folder}, "digest": {"sha256": lock}}


def _digest(text: str) -> dict[str, str]:
    """All digests that a text names, by their kind in in-toto's words."""
    return {"gitCommit" if kind == "git" else kind: digest for kind, digest in _CONTENT.findall(text)}


def _version(run: Run) -> str:
    return f"{run.gilometer} ({run.revision})" if run.revision else run.gilometer


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
