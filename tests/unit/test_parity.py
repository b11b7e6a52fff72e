"""Two builds are alike but for what is compared, or what differs is named."""

from __future__ import annotations

import msgspec
import pytest

from harness.model import BuildFacts
from reports.analysis import analyse
from reports.parity import parity, side_by_side
from tests import made_up

GIL, FREE = made_up.PAIR


def _differences(baseline: BuildFacts, build: BuildFacts) -> list[str]:
    return [difference.what for difference in parity(baseline, build, made_up.WORKLOADS).differences]


def test_a_pair_made_alike_differs_in_free_threading_only() -> None:
    pair = parity(GIL, FREE, made_up.WORKLOADS)

    assert pair.compared == "free threading"
    assert pair.differences == ()


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("compiler", "clang 19", "compiler"),
        ("release", "3.13.6", "release"),
        ("optimize", "pgo-lto", "optimisation"),
        ("link", "shared", "libpython"),
        ("libc", "musl 1.2", "libc"),
        ("base", "debian:trixie-slim", "base image"),
        ("origin", "a local tree", "origin"),
        ("frame_pointers", True, "frame pointers"),
        ("tail_calls", True, "interpreter"),
        ("jit", "off", "JIT"),
        ("configure", "--disable-gil --with-ensurepip=no --with-pydebug", "configure"),
    ],
)
def test_whatever_else_differs_is_named(field: str, value: object, named: str) -> None:
    assert _differences(GIL, msgspec.structs.replace(FREE, **{field: value})) == [named]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("configure", "'--disable-gil' '--prefix=/elsewhere' '--with-ensurepip=no'"),
        ("executable", "/elsewhere/bin/python3.13t"),
        ("ingredients", {"http_proxy": "http://proxy"}),
        ("allocator", "mimalloc"),
        ("system_packages", {"tzdata": "2026a"}),
    ],
)
def test_what_cannot_change_a_measurement_does_not_confound(field: str, value: object) -> None:
    assert _differences(GIL, msgspec.structs.replace(FREE, **{field: value})) == []


def test_the_configure_arguments_that_only_one_build_has_are_shown() -> None:
    build = msgspec.structs.replace(FREE, configure="--disable-gil --with-ensurepip=no --with-lto")

    (difference,) = parity(GIL, build, made_up.WORKLOADS).differences

    assert (difference.baseline, difference.build) == ("none", "--with-lto")


def test_a_packagers_other_name_for_the_free_threaded_twin_is_no_difference() -> None:
    gil = msgspec.structs.replace(GIL, origin="python3.14 3.14.0-1")
    free = msgspec.structs.replace(FREE, origin="python3.14-nogil 3.14.0-1")

    assert _differences(gil, free) == []


def test_releases_are_compared_as_releases() -> None:
    pair = parity(GIL, made_up.build("3.14", release="3.14.0"), made_up.WORKLOADS)

    assert pair.compared == "the release"
    assert pair.differences == ()


def test_two_names_of_one_image_are_one_build() -> None:
    one, other = made_up.build("3.13", image="sha256:1"), made_up.build("again", image="sha256:1")

    assert parity(one, other, made_up.WORKLOADS).compared == ""


def test_a_build_in_its_container_and_outside_of_it_differs_in_the_container_only() -> None:
    pair = parity(made_up.outside(FREE), FREE, made_up.WORKLOADS)

    assert pair.compared == "the container"
    assert pair.differences == ()


def test_a_container_on_one_side_confounds_what_is_compared_otherwise() -> None:
    pair = parity(made_up.outside(GIL), FREE, made_up.WORKLOADS)

    assert pair.compared == "free threading"
    assert [(d.what, d.baseline, d.build) for d in pair.differences] == [("isolation", "none", "container")]


@pytest.mark.parametrize("field", ["compiler", "libc", "configure"])
def test_files_that_differ_confound_what_a_container_costs(field: str) -> None:
    outside = msgspec.structs.replace(made_up.outside(FREE), **{field: "--another"}, image="sha256:2")

    assert len(_differences(outside, FREE)) == 1


def test_a_package_confounds_only_the_workloads_that_need_it() -> None:
    run = made_up.run((GIL, msgspec.structs.replace(FREE, packages={"NumPy": "2.5.5", "lxml": "6.1.3"})))

    findings = analyse(run, made_up.journal(run))

    assert [difference.what for difference in findings.parity[0].differences] == ["package numpy"]
    confounded = {c.case.workload for c in findings.comparisons if c.confounders}
    assert confounded == {"numpy/square_sum", "numpy/inverse"}


def test_a_package_that_no_workload_needs_does_not_confound() -> None:
    assert _differences(GIL, msgspec.structs.replace(FREE, packages={"numpy": "2.4.6"})) == []


def test_what_a_release_changed_by_itself_is_the_release() -> None:
    newer = msgspec.structs.replace(GIL, release="3.15.0", frame_pointers=True, tail_calls=True)
    assert _differences(GIL, newer) == []


def test_one_image_with_the_jit_on_and_off_is_two_builds() -> None:
    base = msgspec.structs.replace(GIL, image="sha256:1", jit="off")
    switched = msgspec.structs.replace(base, jit="on", build=msgspec.structs.replace(base.build, jit=True))
    assert parity(base, base, made_up.WORKLOADS).compared == ""
    assert parity(base, switched, made_up.WORKLOADS).compared == "how they were made"


def test_facts_side_by_side_leave_out_what_is_not_known_and_what_packages_share() -> None:
    left = msgspec.structs.replace(GIL, system_packages={"libc6": "2.41", "tzdata": "2026a"})
    right = msgspec.structs.replace(FREE, system_packages={"libc6": "2.41", "tzdata": "2026b"})
    rows = dict(side_by_side([left, right]))
    assert rows["system package tzdata"] == ["2026a", "2026b"]
    assert "system package libc6" not in rows
    assert "frame pointers" not in rows
