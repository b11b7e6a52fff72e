"""Headers added, found and removed, in each thread, and some that all read."""

from _threads import compare

from multidict import CIMultiDict, CIMultiDictProxy

SHARED = CIMultiDictProxy(CIMultiDict((f"X-Header-{n}", str(n)) for n in range(100)))


def work(share: int) -> object:
    found = []
    for turn in range(150):
        mine = CIMultiDict(SHARED)
        mine.add("x-header-1", f"{share} {turn}")
        mine.popall("X-HEADER-2")
        found.append((len(mine), mine.getall("X-Header-1"), [SHARED[f"x-HEADER-{n}"] for n in range(100)]))
    return found


compare(work)
