"""Parcels at the door of a host: what is kept, what is dropped, and what is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec
import pytest

from harness.delivery import Doormat
from harness.fleet import Parcel, Receipt
from harness.screen import Screen
from tests import made_up
from tests.fleets_made_up import offer

CONTENT = b"0123456789"
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def doormat() -> Iterator[Doormat]:
    found = Doormat(offer(made_up.run(), "a"), Screen())
    yield found
    found.close()


def give(doormat: Doormat, offset: int, content: bytes, sha256: str = SUM) -> Receipt:
    parcel = Parcel(key="bundle/1", sha256=sha256, size=len(CONTENT), offset=offset, content=content)
    return msgspec.msgpack.decode(doormat.receive(msgspec.msgpack.encode(parcel)), type=Receipt)


def test_pieces_are_kept_in_order_and_one_that_comes_twice_is_dropped(doormat: Doormat) -> None:
    assert [
        give(doormat, 0, b"").have,
        give(doormat, 0, b"0123").have,
        give(doormat, 0, b"0123").have,
        give(doormat, 7, b"789").have,
        give(doormat, 4, b"456").have,
    ] == [0, 4, 4, 4, 7]


def test_two_bundles_do_not_mix_and_a_sum_is_no_path(doormat: Doormat) -> None:
    assert give(doormat, 0, b"0123").have == 4
    assert give(doormat, 0, b"01", sha256="../../../../tmp/else").have == 2
    assert len(list(doormat.folder.iterdir())) == 2


def test_what_is_not_what_was_sent_is_thrown_away(doormat: Doormat) -> None:
    receipt = give(doormat, 0, CONTENT[::-1])
    assert "is not what was sent; nothing was loaded" in receipt.refusal
    assert give(doormat, 0, b"").have == 0


def test_what_is_no_bundle_is_refused_and_the_offer_stays(doormat: Doormat) -> None:
    before = doormat.offer
    assert "is no bundle" in give(doormat, 0, CONTENT).refusal
    assert doormat.offer == before
    assert not list(doormat.folder.iterdir())


def test_a_host_without_containers_takes_nothing() -> None:
    there = offer(made_up.run(), "a")
    bare = Doormat(msgspec.structs.replace(there, engine=msgspec.structs.replace(there.engine, kind="host")), Screen())
    assert "has no engine to load images into" in give(bare, 0, b"01").refusal
    bare.close()
