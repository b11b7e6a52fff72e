"""What a run's page says of the packages that its workloads need."""

from __future__ import annotations

import msgspec

from harness.model import BuildFacts, Environment, Run
from reports.dependencies import dependencies
from tests import made_up

PLAIN = made_up.build("3.14-source", release="3.14.0")
FREE = made_up.build("3.14t-source", release="3.14.0")


def a_run(*builds: BuildFacts, needs: tuple[str, ...] = ("numpy", "pyperf"), lock: str = "") -> Run:
    work = msgspec.structs.replace(made_up.workload("mixed/x", threaded=False), dependencies=needs, requirements=lock)
    return made_up.run(builds, workloads=[work])


def with_packages(build: BuildFacts, **facts: object) -> BuildFacts:
    return msgspec.structs.replace(build, **facts)


def told(run: Run) -> dict[str, tuple[str, ...]]:
    found = dependencies(run)
    return {one.package: one.found for one in found.packages} if found else {}


def test_what_was_imported_in_the_image_is_told_with_its_version() -> None:
    free = with_packages(FREE, packages={"numpy": "2.4", "lxml": "6.1"}, turns_gil_on={"lxml": "lxml.etree"})
    assert told(a_run(PLAIN, free)) == {
        "lxml": ("6.1: lxml.etree turns the GIL on",),
        "numpy": ("2.4: keeps the GIL off",),
    }
    found = dependencies(a_run(PLAIN, free))
    assert found is not None
    assert found.builds == ("3.14t-source",)
    assert [one.turns_gil_on for one in found.packages] == [True, False]


def test_what_a_lock_file_installed_and_what_it_could_not() -> None:
    environment = Environment(folder="/x", packages={"acme": "1.0"})
    free = with_packages(FREE, environments={"f00": environment})
    (found,) = told(a_run(PLAIN, free, needs=("acme",), lock="f00")).values()
    assert found == ("1.0: in its workloads, each of which shows at its end whether the GIL is off",)
    refused = with_packages(FREE, environments={"f00": Environment(folder="", refusal="acme has no wheel")})
    assert told(a_run(PLAIN, refused, needs=("acme",), lock="f00")) == {"acme": ("acme has no wheel",)}
    assert told(a_run(PLAIN, FREE, needs=("acme",))) == {"acme": ("not installed",)}


def test_there_is_nothing_to_tell_without_packages_or_without_a_free_threaded_build() -> None:
    assert dependencies(a_run(PLAIN, with_packages(FREE, packages={}), needs=("pyperf",))) is None
    assert dependencies(a_run(PLAIN)) is None
