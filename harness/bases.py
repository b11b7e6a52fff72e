"""Base images: the pinned one where its registry answers, one bootstrapped from the host's own mirror elsewhere."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import network, provision
from harness.builds import BasePin
from harness.docker_client import LABEL
from harness.docker_images import Images, NoCallError
from harness.errors import HostError
from harness.progress import Progress

_BASE_LABEL = f"{LABEL}.base"
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_KEYRINGS = Path("/usr/share/keyrings")
_SCRATCH = "/var/tmp"
"""Device nodes and programs have to work there, which many a /tmp forbids."""
_STEPS = 420
"""Lines that debootstrap prints for a minimal system, about."""
_LAST_LINES = 8
_FALLBACK_SCRIPT = {"debian": "sid", "ubuntu": "gutsy"}
"""For suites that are younger than the host's debootstrap: most scripts are links to these anyway."""


@dataclass(frozen=True, slots=True)
class Base:
    """A base image that the engine has."""

    image: str
    """Image id."""
    description: str
    """Readable tag and digest, or how it was bootstrapped."""


def find(images: Images, suite: str, pin: BasePin) -> Base | None:
    """The base image, if the engine has one already."""
    for name in (pin.reference, _carried_tag(pin)) if pin.digest else ():
        if found := images.inspect(name):
            return Base(found.id, pin.pinned)
    if (found := images.inspect(_tag(suite))) and _BASE_LABEL in found.labels:
        return Base(found.id, found.labels[_BASE_LABEL])
    return None


def portable_tag(images: Images, suite: str, pin: BasePin) -> str:
    """A tag of the base image by which `find` finds it in another engine, too, once it was carried there.

    Engines forget digests of what is carried in an archive, so an image that was pulled is given a tag with its digest.
    The base of a build that is made has a digest, or was bootstrapped.
    """
    if found := images.inspect(pin.reference):
        images.tag(found.id, _carried_tag(pin))
    return _carried_tag(pin) if images.inspect(_carried_tag(pin)) else _tag(suite)


def obstacle(images: Images, pin: BasePin) -> str:
    """Why the base image can neither be pulled nor bootstrapped here, as far as that can be told; fetches nothing.

    Empty where it can.
    """
    if not pin.digest:
        return _unpinned(pin).message
    try:
        images.ask_registry(pin.reference)
    except NoCallError:
        return ""  # only pulling it will tell
    except HostError as error:
        if _mirror(pin) is None:
            return _neither(pin, error.message).message
    return ""


def _mirror(pin: BasePin) -> str | None:
    """Where to bootstrap it from; None where that cannot be done here."""
    return network.apt_mirror(pin.distribution) if pin.is_bare else None


def _unpinned(pin: BasePin) -> HostError:
    return HostError(
        f"no digest of {pin.image} is pinned yet: ./inv pins --update does that where its registry is reached",
        hint="Its tag alone would be another image every month.",
    )


def _neither(pin: BasePin, refusal: str) -> HostError:
    if not pin.is_bare:
        return HostError(
            f"the image {pin.pinned} cannot be had: {refusal}",
            hint="It takes an engine that reaches its registry, or has the image.",
        )
    return HostError(
        f"the base image {pin.image} cannot be had: {refusal}; and this host has no mirror of "
        f"{pin.distribution.capitalize()} of its own to bootstrap one from",
        hint="It takes an engine that reaches a registry, or a host of that distribution.",
    )


def ensure(images: Images, suite: str, pin: BasePin, progress: Progress) -> Base:
    """The base image, pulled or bootstrapped where it is missing.  HostError, saying why, where neither can be done."""
    if base := find(images, suite, pin):
        return base
    if not pin.digest:
        raise _unpinned(pin)
    try:
        with progress.task(f"pulling {pin.image}"):
            return Base(images.pull(pin.reference), pin.pinned)
    except HostError as error:
        refusal = error.message
    mirror = _mirror(pin)
    if mirror is None:
        raise _neither(pin, refusal)
    progress.say(f"{pin.image} cannot be pulled, so it is bootstrapped from this host's own mirror")
    for done in provision.ensure_debootstrap(progress):
        progress.say(done)
    return _bootstrap(images, suite, pin.distribution, mirror, progress)


def _bootstrap(images: Images, suite: str, distribution: str, mirror: str, progress: Progress) -> Base:
    """A minimal system by debootstrap, imported as an image of one layer."""
    description = f"{suite}, bootstrapped by debootstrap on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    with tempfile.TemporaryDirectory(prefix="gilometer-base-", dir=_SCRATCH) as folder:
        tree = Path(folder) / "tree"
        with progress.task(f"bootstrapping {suite}", total=_STEPS) as task:
            lines: list[str] = []
            with subprocess.Popen(
                _command(suite, distribution, mirror, tree), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    lines.append(line.rstrip())
                    task.update(min(len(lines), _STEPS), line.strip()[3:])
            if process.returncode:
                end = "\n".join(f"  | {line}" for line in lines[-_LAST_LINES:])
                raise HostError(f"debootstrap ended with status {process.returncode}:\n{end}")
        _empty(tree)
        labels = {LABEL: "1", _BASE_LABEL: description}
        with (
            progress.task(f"importing {suite}"),
            subprocess.Popen(
                ["tar", "--create", "--numeric-owner", "--directory", str(tree), "--exclude=./dev/*", "."],
                stdout=subprocess.PIPE,
            ) as archive,
        ):
            assert archive.stdout is not None
            return Base(images.import_tree(archive.stdout, _tag(suite), labels), description)


def _command(suite: str, distribution: str, mirror: str, tree: Path) -> list[str]:
    script = _SCRIPTS / (suite if (_SCRIPTS / suite).exists() else _FALLBACK_SCRIPT[distribution])
    keyring = f"--keyring={_KEYRINGS / f'{distribution}-archive-keyring.gpg'}"
    options = ["--variant=minbase", "--include=ca-certificates", keyring]
    return [shutil.which("debootstrap") or "/usr/sbin/debootstrap", *options, suite, str(tree), mirror, str(script)]


def _empty(tree: Path) -> None:
    """Remove what apt downloaded, and what would differ between two bootstraps of the same packages."""
    for pattern in ("var/cache/apt/*.bin", "var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "var/log/*.log"):
        for path in tree.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _tag(suite: str) -> str:
    return f"gilometer/base:{suite}"


def _carried_tag(pin: BasePin) -> str:
    return f"gilometer/base:{pin.digest.removeprefix('sha256:')}"
