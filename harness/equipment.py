"""What scripts of somebody's require, installed for a build: a layer of its image for each lock file.

A lock is installed into a folder of its own, which comes first on the path of the workers that want it.  So scripts
with different locks share a container, and none of it changes what the other workloads import.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path, PurePosixPath

import msgspec

from harness import network
from harness.builds import IMAGES
from harness.docker_client import LABEL
from harness.docker_images import Images
from harness.errors import HostError, MeasurementError
from harness.model import BuildFacts, Environment
from harness.progress import Progress
from harness.requirements import Requirements, canonical

RECIPE = f"{LABEL}.recipe"
"""On images: the content hash of what they are made of."""

_FOLDER = PurePosixPath("/opt/requirements")
_NO_WHEEL = re.compile(r"No matching distribution found for (?P<package>\S+)")
_PACKAGES = (
    "import json, sys; from importlib.metadata import distributions;"
    "json.dump({one.metadata['Name']: one.version for one in distributions(path=sys.argv[1:])}, sys.stdout)"
)


@dataclass(frozen=True, slots=True)
class Outfitter:
    """Installs locks into images."""

    images: Images
    ingredients: network.Ingredients
    logs: Path

    def equip(self, facts: BuildFacts, locks: Iterable[Requirements], progress: Progress) -> BuildFacts:
        """The build with every lock that can be installed for it, and why the others cannot.

        HostError where the engine does not answer.
        """
        for lock in locks:
            folder = _FOLDER / lock.sha256[:12]
            recipe = _recipe(facts.image, lock)
            try:
                image = self.images.find({RECIPE: recipe}) or self._make(facts, lock, folder, recipe, progress)
            except MeasurementError as error:
                environment = Environment(folder="", refusal=_complaint(error.message.splitlines()))
            else:
                printed = self.images.execute(image, [facts.executable, "-I", "-c", _PACKAGES, str(folder)])
                environment = Environment(folder=str(folder), packages=_packages(printed))
                found = self.images.inspect(image)
                layers, size = (found.layers, found.size) if found else ((), 0)
                facts = msgspec.structs.replace(facts, image=image, recipe=recipe, layers=layers, size=size)
            facts = _with(facts, lock, environment)
        return facts

    def _make(
        self, facts: BuildFacts, lock: Requirements, folder: PurePosixPath, recipe: str, progress: Progress
    ) -> str:
        name = facts.build.name
        with tempfile.TemporaryDirectory(prefix="gilometer-build-") as context:
            _fill_context(Path(context), lock, self.ingredients)
            with progress.task(f"installing what a script requires for {name}") as task:
                return self.images.build(
                    Path(context),
                    arguments={"BASE": facts.image, "FOLDER": str(folder), **self.ingredients.proxies},
                    labels={LABEL: "1", RECIPE: recipe},
                    tag=f"gilometer/{name}:{recipe[:12]}",
                    log=self.logs / f"{name}-{recipe[:12]}.log",
                    on_line=lambda line: task.update(0, line),
                )


def equip_host(facts: BuildFacts, locks: Iterable[Requirements], folder: Path, progress: Progress) -> BuildFacts:
    """An interpreter of this host with every lock that can be installed for it below `folder`, once each."""
    for lock in locks:
        place = folder / lock.sha256[:12]
        if not place.exists():
            with progress.task(f"installing what a script requires for {facts.build.name}"):
                refusal = _install(facts.executable, lock, place)
            if refusal:
                facts = _with(facts, lock, Environment(folder="", refusal=refusal))
                continue
        printed = subprocess.run(
            [facts.executable, "-I", "-c", _PACKAGES, str(place)], capture_output=True, text=True, check=True
        ).stdout
        facts = _with(facts, lock, Environment(folder=str(place), packages=_packages(printed)))
    return facts


def _with(facts: BuildFacts, lock: Requirements, environment: Environment) -> BuildFacts:
    return msgspec.structs.replace(facts, environments=facts.environments | {lock.sha256: environment})


def _recipe(image: str, lock: Requirements) -> str:
    inputs = {"image": image, "requirements": lock.text, "dockerfile": _dockerfile(), "pip": metadata.version("pip")}
    return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()


def _dockerfile() -> str:
    return (IMAGES / "requirements.Dockerfile").read_text(encoding="utf-8")


def _fill_context(folder: Path, lock: Requirements, ingredients: network.Ingredients) -> None:
    """Everything that the Dockerfile copies."""
    (folder / "host").mkdir()
    (folder / "host" / "pip.conf").write_text(ingredients.pip_conf(), encoding="utf-8")
    (folder / "host" / "ca.crt").write_bytes(ingredients.ca_bundle)
    (folder / "Dockerfile").write_text(_dockerfile(), encoding="utf-8")
    (folder / "requirements.txt").write_text(lock.text, encoding="utf-8")
    shutil.copytree(pip_folder(), folder / "pip" / "pip", ignore=shutil.ignore_patterns("__pycache__"))


def pip_folder() -> Path:
    """The package pip, of the version that Gilometer's own requirements pin: it serves every interpreter."""
    spec = util.find_spec("pip")
    if spec is None or spec.origin is None:
        raise HostError("this environment has no pip, which installs what scripts require")
    return Path(spec.origin).parent


def _install(executable: str, lock: Requirements, place: Path) -> str:
    """Why a lock cannot be installed for an interpreter of this host; empty where it was."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="making-", dir=place.parent) as name:
        (Path(name) / "requirements.txt").write_text(lock.text, encoding="utf-8")
        (Path(name) / "pip").mkdir()
        (Path(name) / "pip" / "pip").symlink_to(pip_folder())
        options = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location", "--require-hashes"]
        options += ["--only-binary=:all:", "--no-deps", f"--target={name}/packages"]
        ended = subprocess.run(
            [executable, "-m", "pip", "install", *options, "-r", f"{name}/requirements.txt"],
            env=os.environ | {"PYTHONPATH": f"{name}/pip"},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            return _complaint((ended.stderr or ended.stdout).splitlines())
        (Path(name) / "packages").rename(place)
    return ""


def _packages(printed: str) -> dict[str, str]:
    found = msgspec.json.decode(printed, type=dict[str, str])
    return {canonical(name): version for name, version in sorted(found.items())}


def _complaint(lines: Iterable[str]) -> str:
    """Why pip did not install, in its own words but for those that hide the reason."""
    said = [line.partition("ERROR: ")[2].strip() for line in lines if "ERROR: " in line]
    reason = said[-1] if said else "pip did not say why"
    if match := _NO_WHEEL.match(reason):
        reason = f"no wheel of {match['package']} for this build was found, and nothing is compiled"
    return f"what its script requires cannot be installed: {reason}"
