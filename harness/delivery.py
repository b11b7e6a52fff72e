"""Images carried to the hosts of a fleet over its own wire, for who would rather not copy a bundle to each by hand.

A bundle travels in parcels, each of which is answered with how much of it is there: so a host that was away goes on
where it was.  A host keeps nothing that it has not verified: first the sum of the whole file, then what a bundle says
of itself, then the image ids that the engine made of it, exactly as `inv setup --bundle` does.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness import bundle, session, shipping
from harness.errors import GilometerError, HostError
from harness.fleet import Offer, Parcel, Receipt, Unanswered
from harness.progress import Progress
from harness.screen import Screen

if TYPE_CHECKING:
    from harness.wire import Crew

PARCEL_BYTES = 4 << 20
"""Dask keeps a parcel in memory three times, and complains of tasks above 10 MB."""

_JOIN_SECONDS = 60.0
"""A host that has got images offers them within that time."""


# -- a host ------------------------------------------------------------------------------------------------------------


@dataclass
class Doormat:
    """Where parcels for this host arrive, one at a time."""

    offer: Offer
    """Of this host: with the images that have come."""
    screen: Screen
    _scratch: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="gilometer-parcels-", dir="/var/tmp")
    )

    @property
    def folder(self) -> Path:
        """Where bundles lie that are not whole yet: not in /tmp, which may be memory."""
        return Path(self._scratch.name)

    def receive(self, data: bytes) -> bytes:
        """A `Parcel` in, a `Receipt` out, both as msgpack; what cannot be taken is refused in the receipt."""
        parcel = msgspec.msgpack.decode(data, type=Parcel)
        try:
            have = self._keep(parcel)
            if have == parcel.size:
                self._load(self._path(parcel), parcel.sha256)
            receipt = Receipt(key=parcel.key, have=have)
        except GilometerError as error:
            receipt = Receipt(key=parcel.key, have=0, refusal=error.message)
        return msgspec.msgpack.encode(receipt)

    def close(self) -> None:
        """Nothing that has arrived is left."""
        self._scratch.cleanup()

    def _path(self, parcel: Parcel) -> Path:
        return self.folder / hashlib.sha256(parcel.sha256.encode()).hexdigest()

    def _keep(self, parcel: Parcel) -> int:
        """Append what is next; how many bytes there are now."""
        if self.offer.engine.kind != "docker":
            raise HostError(f"{self.offer.host} measures without containers, and has no engine to load images into")
        path = self._path(parcel)
        have = path.stat().st_size if path.exists() else 0
        try:
            if have == parcel.offset and parcel.content:
                free = shutil.disk_usage(path.parent).free
                if free < parcel.size - have:
                    raise HostError(f"{self.offer.host} has {free / 1e6:.0f} MB left, which is too little")
                with path.open("ab") as file:
                    file.write(parcel.content)
                have += len(parcel.content)
        except OSError as error:
            raise HostError(f"{self.offer.host} cannot keep it: {error.strerror}") from error
        return have

    def _load(self, path: Path, sha256: str) -> None:
        try:
            if bundle.content(path).sha256 != sha256:
                raise HostError(f"what {self.offer.host} got is not what was sent; nothing was loaded")
            with (
                bundle.unpacking(path, self.screen) as found,
                session.measuring("loading a bundle", self.screen),
            ):
                facts = shipping.load(found, self.screen)
        finally:
            path.unlink(missing_ok=True)
        known = {one.build.name: one for one in (*self.offer.builds, *facts)}
        self.offer = msgspec.structs.replace(self.offer, builds=tuple(known.values()))


# -- a client ----------------------------------------------------------------------------------------------------------


@dataclass
class _Recipient:
    """A host on its way to a bundle."""

    address: str
    host: str
    have: int = 0
    refusal: str = ""
    ended: bool = False


def send(path: Path, crew: Crew, screen: Progress) -> dict[str, str]:
    """Carry a bundle to every host that lacks an image of it: what became of each host, empty where it has all now.

    RequestError where the file is no bundle.
    """
    with bundle.unpacking(path, screen) as found:
        wanted = {one.image for one in found.manifest.builds}
    there = crew.offers()
    lacking = {address: offer for address, offer in there.items() if not offer.has_images(wanted)}
    whole = bundle.content(path)
    recipients = [_Recipient(address, offer.host) for address, offer in lacking.items()]
    with screen.task(f"sending {path.name}", total=whole.size * len(recipients) / 1e6) as task:
        for one in _carried(path, whole, crew, recipients):
            task.update(sum(other.have for other in recipients) / 1e6, one.host)
    fates = {offer.host: "" for offer in there.values()}
    return fates | {one.host: one.refusal for one in recipients} | _late(crew, recipients, wanted)


def _carried(path: Path, whole: bundle.Content, crew: Crew, recipients: list[_Recipient]) -> Iterator[_Recipient]:
    """One parcel at a time to each, until each has everything or has refused; whoever has answered, time and again."""
    asked: dict[str, _Recipient] = {}

    def ask(one: _Recipient, *, first: bool = False) -> None:
        with path.open("rb") as file:
            file.seek(one.have)
            content = b"" if first else file.read(PARCEL_BYTES)
        key = f"bundle/{secrets.token_hex(6)}"
        asked[key] = one
        parcel = Parcel(key=key, sha256=whole.sha256, size=whole.size, offset=one.have, content=content)
        crew.send(one.address, parcel)

    for one in recipients:
        ask(one, first=True)  # what is there already
    while asked:
        for receipt in crew.receipts(1.0):
            one = asked.pop(receipt.key)
            if isinstance(receipt, Unanswered):
                one.refusal = receipt.why
            else:
                one.have, one.refusal = receipt.have, receipt.refusal
                if not one.refusal and one.have < whole.size:
                    ask(one)
            yield one


def _late(crew: Crew, recipients: list[_Recipient], wanted: set[str]) -> dict[str, str]:
    """Who does not offer the images though it took them, once all others do."""
    took = {one.host for one in recipients if not one.refusal}
    deadline = time.monotonic() + _JOIN_SECONDS
    while took and time.monotonic() < deadline:
        took -= {offer.host for offer in crew.offers().values() if offer.has_images(wanted)}
        time.sleep(0.2)
    return dict.fromkeys(took, "took it, and has not come back to offer it")
