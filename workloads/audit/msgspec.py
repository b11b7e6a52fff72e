"""Structs written and read by one encoder and decoder of each thread, and one decoder that all use."""

from _threads import compare

import msgspec


class Row(msgspec.Struct):
    id: int
    name: str
    ratio: float


SHARED = msgspec.json.Decoder(list[Row])


def work(share: int) -> object:
    mine = [Row(n, f"name {n} of {share}", n / 7) for n in range(1000)]
    found = []
    for _ in range(80):
        text = msgspec.json.encode(mine)
        found.append((text, SHARED.decode(text) == mine, msgspec.msgpack.encode(mine)))
    return found


compare(work)
