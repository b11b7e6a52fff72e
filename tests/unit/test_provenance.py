"""Bills of materials and provenance statements, read back by the schemas and the library of their formats."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from harness import provenance
from harness.errors import HostError
from harness.model import BuildFacts, Environment, Run
from tests import made_up

SUM = "93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640"
IMAGE = "7afd65ebf435bdc7692d81180c603d877eec1834a00c1d2b4f1bdf8763fe4aa3"


@pytest.fixture
def run() -> Run:
    """A made-up run whose second build is known in every detail."""
    made = made_up.run()
    first, second = made.builds
    known = msgspec.structs.replace(
        second,
        image=f"sha256:{IMAGE}",
        base=f"debian:trixie-slim@sha256:{'b' * 64}",
        origin=f"Python-3.13.5.tar.xz from python.org (sha256:{SUM})",
        recipe="r" * 64,
        packages={"numpy": "2.4.6", "typing_extensions": "4.15"},
        environments={"e" * 64: Environment(folder="/opt/locked", packages={"lxml": "6.1.3", "numpy": "2.4.6"})},
        system_packages={"libc6": "2.41-12", "zlib1g": "1:1.3.dfsg-3.1"},
        layers=(f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"),
    )
    return msgspec.structs.replace(made, builds=(msgspec.structs.replace(first, image=""), known))


def test_a_bill_is_what_the_schema_asks_for_and_names_everything(run: Run) -> None:
    text = provenance.bill(run.builds[1], run)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    found = {PackageURL.from_string(one["purl"]) for one in bill["components"]}
    assert {(one.type, one.namespace, one.name, one.version) for one in found} == {
        ("generic", None, "cpython", run.builds[1].release),
        ("pypi", None, "numpy", "2.4.6"),
        ("pypi", None, "typing-extensions", "4.15"),
        ("pypi", None, "lxml", "6.1.3"),
        ("deb", "debian", "libc6", "2.41-12"),
        ("deb", "debian", "zlib1g", "1:1.3.dfsg-3.1"),
    }
    (cpython,) = (one for one in bill["components"] if one["name"] == "cpython")
    assert cpython["hashes"] == [{"alg": "SHA-256", "content": SUM}]
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": IMAGE}]
    (whole,) = (one for one in bill["dependencies"] if one["ref"] == bill["metadata"]["component"]["bom-ref"])
    assert len(whole["dependsOn"]) == len(bill["components"])


def test_a_bill_is_the_same_each_time_it_is_made(run: Run) -> None:
    facts = run.builds[1]
    once = provenance.bill(facts, run)
    other = provenance.bill(facts, msgspec.structs.replace(run, id="another"))
    assert once == provenance.bill(facts, run)
    assert json.loads(once)["serialNumber"] != json.loads(other)["serialNumber"]


def test_a_statement_names_the_image_what_was_asked_and_what_it_was_made_of(run: Run) -> None:
    facts = run.builds[1]
    made = json.loads(provenance.statement(facts, run))
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["subject"] == [{"name": f"gilometer/{facts.build.name}", "digest": {"sha256": IMAGE}}]
    assert made["predicateType"] == "https://slsa.dev/provenance/v1"
    definition = made["predicate"]["buildDefinition"]
    assert msgspec.convert(definition["externalParameters"], type=type(facts.build)) == facts.build
    assert definition["internalParameters"]["recipe"] == facts.recipe
    digests = {one["name"]: one["digest"] for one in definition["resolvedDependencies"]}
    assert digests == {
        "base image": {"sha256": "b" * 64},
        "CPython": {"sha256": SUM},
        "lock file": {"sha256": "e" * 64},
    }
    layers = [one["digest"]["sha256"] for one in made["predicate"]["runDetails"]["byproducts"]]
    assert layers == ["1" * 64, "2" * 64]


def test_a_commit_and_what_has_no_digest_are_said_as_such(run: Run) -> None:
    def dependencies(facts: BuildFacts) -> dict[str, object]:
        made = json.loads(provenance.statement(facts, run))["predicate"]["buildDefinition"]["resolvedDependencies"]
        return {one["name"]: one.get("digest") for one in made}

    commit = msgspec.structs.replace(run.builds[1], origin=f"v3.14.0 of a repository (git:{'c' * 40})")
    assert dependencies(commit)["CPython"] == {"gitCommit": "c" * 40}
    bootstrapped = msgspec.structs.replace(run.builds[1], base="trixie, bootstrapped by debootstrap on 2026-11-22")
    assert dependencies(bootstrapped)["base image"] is None


def test_interpreters_of_the_host_have_a_bill_and_no_statement(run: Run, tmp_path: Path) -> None:
    first, second = (facts.build.name for facts in run.builds)
    written = provenance.write(tmp_path / "builds", run)
    assert {path.name for path in written} == {f"{first}.cdx.json", f"{second}.cdx.json", f"{second}.provenance.json"}
    for path in written:
        assert json.loads(path.read_text())


def test_a_folder_that_cannot_be_written_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "builds").write_text("in the way")
    with pytest.raises(HostError, match="cannot write"):
        provenance.write(tmp_path / "builds", run)
