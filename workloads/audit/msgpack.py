"""Documents packed and unpacked, in each thread, and one that all pack."""

from _threads import compare

import msgpack

SHARED = {"rows": [{"id": n, "name": f"name {n}", "share": n / 7} for n in range(500)]}


def work(share: int) -> object:
    mine = {"share": share, "rows": [[n, str(n), None, n % 2 == 0] for n in range(1000)]}
    return [(msgpack.unpackb(msgpack.packb(mine)) == mine, msgpack.packb(SHARED)) for _ in range(60)]


compare(work)
