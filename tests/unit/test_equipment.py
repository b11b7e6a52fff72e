"""What scripts require is installed for an interpreter of this host by the real pip, from a wheel made here."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from harness import equipment, network
from harness.builds import IMAGES
from harness.equipment import equip_host
from harness.errors import RequestError
from harness.model import BuildFacts, Environment, Plan, Workload
from harness.plan import Request, make_plan
from harness.progress import Silent
from harness.requirements import Requirements
from tests.toys import facts


def wheel(folder: Path, *, tag: str = "py3-none-any") -> Path:
    """The package Toy_Thing, version 1.0, whose module says so."""
    path = folder / f"Toy_Thing-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy_thing.py", "VERSION = 'one'\n")
        archive.writestr("Toy_Thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: Toy_Thing\nVersion: 1.0\n")
        archive.writestr("Toy_Thing-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr("Toy_Thing-1.0.dist-info/RECORD", "")
    return path


def lock(path: Path, sha256: str = "") -> Requirements:
    found = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    return Requirements((f"Toy_Thing @ {path.as_uri()} --hash=sha256:{found}",))


@pytest.fixture
def pip_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip as nobody has configured it."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def equip(tmp_path: Path, one: Requirements) -> BuildFacts:
    return equip_host(facts("a"), [one], tmp_path / "cache", Silent())


@pytest.mark.usefixtures("pip_alone")
def test_a_lock_is_installed_once_and_its_packages_are_known(tmp_path: Path) -> None:
    one = lock(wheel(tmp_path))
    equipped = equip(tmp_path, one)
    (environment,) = equipped.environments.values()
    assert equipped.environments.keys() == {one.sha256}
    assert (environment.packages, environment.refusal) == ({"toy-thing": "1.0"}, "")
    printed = subprocess.run(
        [sys.executable, "-c", "import toy_thing; print(toy_thing.VERSION)"],
        env={"PYTHONPATH": environment.folder},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == "one\n"
    (folder,) = (tmp_path / "cache").iterdir()
    made = folder.stat().st_mtime_ns
    assert equip(tmp_path, one) == equipped
    assert folder.stat().st_mtime_ns == made


@pytest.mark.usefixtures("pip_alone")
@pytest.mark.parametrize(
    ("tag", "sha256", "said"),
    [
        ("cp39-cp39-manylinux_2_17_s390x", "", "not a supported wheel on this platform"),
        ("py3-none-any", "0" * 64, "DO NOT MATCH THE HASHES"),
    ],
)
def test_what_cannot_be_installed_is_refused_with_pips_reason_and_leaves_nothing(
    tmp_path: Path, tag: str, sha256: str, said: str
) -> None:
    equipped = equip(tmp_path, lock(wheel(tmp_path, tag=tag), sha256))
    (environment,) = equipped.environments.values()
    assert environment.folder == ""
    assert environment.refusal.startswith("what its script requires cannot be installed: ")
    assert said in environment.refusal
    assert "\n" not in environment.refusal
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("pip_alone")
def test_a_package_without_a_wheel_is_refused_in_plain_words(tmp_path: Path) -> None:
    equipped = equip(tmp_path, Requirements((f"toy_thing==1.0 --hash=sha256:{'0' * 64}",)))
    (environment,) = equipped.environments.values()
    assert environment.refusal.endswith(
        ": no wheel of toy_thing==1.0 for this build was found, and nothing is compiled"
    )


def test_the_recipe_of_a_layer_is_its_image_and_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Requirements(("a==1",)), Requirements(("a==2",))
    recipe = equipment._recipe("sha256:1", one)
    assert recipe == equipment._recipe("sha256:1", Requirements(("a==1",)))
    assert len({recipe, equipment._recipe("sha256:2", one), equipment._recipe("sha256:1", other)}) == 3
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0")
    assert equipment._recipe("sha256:1", one) != recipe


def test_no_stage_of_a_layer_can_be_taken_for_the_image_that_it_begins_with() -> None:
    """It has the labels of that image from its first line on; an empty recipe is nobody's."""
    text = (IMAGES / "requirements.Dockerfile").read_text()
    _, *stages = re.split(r"(?m)^FROM .*\n", text)
    assert len(stages) == 2
    for stage in stages:
        assert re.match(rf'LABEL (org\.gilometer=1 )?{re.escape(equipment.RECIPE)}=""\n', stage)


def test_the_context_of_a_layer_has_everything_that_the_dockerfile_copies(tmp_path: Path) -> None:
    ingredients = network.Ingredients(
        distribution="debian",
        apt_mirror=None,
        apt_settings={},
        pip_settings={"index-url": "https://example.org/simple"},
        proxies={},
        ca_bundle=b"certificates",
    )
    equipment._fill_context(tmp_path, Requirements(("a==1 --hash=sha256:0",)), ingredients)
    copied = [
        line.split()[1].rstrip("/")
        for line in (IMAGES / "requirements.Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    assert sorted([*copied, "Dockerfile"]) == sorted(path.name for path in tmp_path.iterdir())
    assert (tmp_path / "requirements.txt").read_text() == "a==1 --hash=sha256:0\n"
    assert (tmp_path / "host" / "ca.crt").read_bytes() == b"certificates"
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "pip", "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "pip")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"from {tmp_path}/pip/pip" in ended.stdout, ended.stderr


def test_a_plan_has_what_is_installed_and_leaves_out_what_cannot_be() -> None:
    script = Workload(
        name="proj/mine", path="proj/mine/mine.py", sha256="", source="/x", requirements="ab", dependencies=("six",)
    )
    installed = Environment(folder="/opt/requirements/ab", packages={"six": "1"})
    refused = Environment(folder="", refusal="what its script requires cannot be installed: no wheel")

    def plan_on(one: Environment, other: Environment) -> Plan:
        builds = [
            msgspec.structs.replace(facts("a"), environments={"ab": one}),
            msgspec.structs.replace(facts("b"), environments={"ab": other}),
        ]
        return make_plan(Request(builds=("a", "b"), workloads=(script,), cpu_sets=((0,),)), builds)

    assert plan_on(installed, installed).workloads == (script,)
    with pytest.raises(RequestError, match="nothing is left to measure: b: what its script requires cannot be"):
        plan_on(installed, refused)
    assert plan_on(installed, installed).skipped == ()
    with pytest.raises(RequestError, match="a has no six, and no lock file beside its script pins it, b has no six"):
        plan_on(Environment(folder="/x"), Environment(folder="/x"))


def test_environments_survive_run_json() -> None:
    equipped = msgspec.structs.replace(facts("a"), environments={"ab": Environment(folder="/x", packages={"six": "1"})})
    assert msgspec.json.decode(msgspec.json.encode(equipped), type=BuildFacts) == equipped
    assert json.loads(msgspec.json.encode(equipped))["environments"]["ab"]["packages"] == {"six": "1"}
