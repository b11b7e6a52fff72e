"""A fleet is founded: certificates for all its members, each with a file that says where the scheduler is."""

from __future__ import annotations

import contextlib
import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import certificates, specs, wire
from harness.errors import HostError, RequestError
from harness.screen import Screen

FILE = "fleet.toml"
"""What --fleet, --scheduler and inv scheduler take."""

_MOST_DAYS = 3650


def init(folder: str, hosts: str | None, *, scheduler: str | None, days: str, renew: bool) -> None:
    """Write the folder of a fleet, and say who gets which part of it.

    RequestError where it is there already and not to be renewed, or is something else; then nothing is changed.
    """
    names = [certificates.host_name(name.strip()) for name in (hosts or "").split(",") if name.strip()]
    if not names:
        raise RequestError("a fleet has hosts: name them", hint="inv fleet init --hosts bench1,bench2")
    if len(set(names)) < len(names):
        raise RequestError(f"a host is named twice: {hosts}")
    good = specs.whole_number("--days", days)
    if good > _MOST_DAYS:
        raise RequestError(f"--days {good}: certificates are good for at most {_MOST_DAYS} days")
    address = wire.address(f"tls://{scheduler or names[0]}")
    target, screen = Path(folder).absolute(), Screen()
    _refuse(target, renew=renew)
    _write(target, names, address, good, datetime.datetime.now(datetime.UTC))
    for line in _instructions(target, names, good):
        screen.say(line)


def _refuse(target: Path, *, renew: bool) -> None:
    there = (target / FILE).is_file() and (target / "hosts").is_dir()
    if target.exists() and not there:
        raise RequestError(f"{target} is there already, and is no fleet's folder", hint="Name another one.")
    if there and not renew:
        raise RequestError(
            f"{target} has the certificates of a fleet, and they are not overwritten",
            hint="--renew makes new ones; none of the old ones is let in by who has the new ones.",
        )


def _write(target: Path, hosts: Sequence[str], address: str, days: int, now: datetime.datetime) -> None:
    """All or nothing: the new folder takes its place once it is whole."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as part:
            made = Path(part) / "new"
            made.mkdir(mode=0o700)
            certificates.issue(made, hosts, wire.host_of(address), days, now)
            _describe(made, address, certificates="client")
            for name, _, _ in certificates.members(hosts, ""):
                _describe(made / name, address, certificates=".")
            if target.exists():
                target.rename(Path(part) / "old")
            try:
                made.rename(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    (Path(part) / "old").rename(target)
                raise
    except OSError as error:
        raise HostError(f"cannot write {target}: {error.strerror}") from error


def _describe(folder: Path, address: str, *, certificates: str) -> None:
    (folder / FILE).write_text(f'scheduler = "{address}"\ncertificates = "{certificates}"\n', encoding="utf-8")


def _instructions(target: Path, hosts: Sequence[str], days: int) -> list[str]:
    return [
        f"{target}: certificates for a scheduler, a client and {len(hosts)} hosts, good for {days} days",
        f"  the scheduler gets {target / 'scheduler'}, then: ./inv scheduler scheduler/{FILE}",
        *(f"  {host} gets {target / 'hosts' / host}, then: ./inv worker --scheduler {host}/{FILE}" for host in hosts),
        f"  stays here: ./inv bench --fleet {target / FILE}",
        "Each folder has a private key: carry it over ssh, and give nobody a folder that is not theirs.",
    ]
