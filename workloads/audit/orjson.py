"""Documents written and read, in each thread, and one that all write."""

from _threads import compare

import orjson

SHARED = {"rows": [{"id": n, "name": f"name {n}", "share": n / 7} for n in range(500)]}


def work(share: int) -> object:
    mine = {"share": share, "rows": [[n, str(n), None, n % 2 == 0] for n in range(1000)]}
    return [(orjson.loads(orjson.dumps(mine)) == mine, orjson.dumps(SHARED)) for _ in range(100)]


compare(work)
