"""Releases to move to, on made-up histories."""

from __future__ import annotations

import pytest
from packaging.version import Version

from harness.audit import File
from harness.remedies import Remedy, next_try, releases, remedy


def search(history: str, limit: int = 100) -> tuple[Remedy, list[int]]:
    """Try releases 0, 1, ... of a history, in which + is ready; what it came to, and what was tried in order."""
    every = [Version(str(number)) for number in range(len(history))]
    seen: dict[Version, bool] = {}
    while len(seen) < limit and (one := next_try(every, seen)):
        assert one not in seen, "nothing is tried twice"
        seen[one] = history[one.major] == "+"
    return remedy(every, seen), [one.major for one in seen]


@pytest.mark.parametrize("first", range(33))
def test_where_a_library_became_ready_is_found_in_few_tries(first: int) -> None:
    found, tried = search("-" * first + "+" * (33 - first))

    assert (found.newest, found.oldest, found.settled) == ("32", str(first), True)
    assert len(tried) <= 1 + 6


def test_a_library_that_is_no_longer_ready_is_followed_back() -> None:
    found, tried = search("---+++--")

    assert (found.newest, found.oldest) == ("5", "3")
    assert tried[:3] == [7, 6, 5]


@pytest.mark.parametrize("history", ["+-+-+-+", "-+--++-+", "+------+", "-+-+-+-+-"])
def test_of_histories_with_gaps_only_what_was_tried_is_said(history: str) -> None:
    found, tried = search(history)
    oldest = int(found.oldest)

    assert history[oldest] == "+"
    assert history[int(found.newest)] == "+"
    assert "+" not in history[int(found.newest) + 1 :]
    assert oldest == 0 or (oldest - 1 in tried and history[oldest - 1] == "-")


def test_a_limit_leaves_it_open() -> None:
    found, tried = search("-" * 20 + "+" * 20, limit=3)

    assert (found.newest, found.settled, len(tried)) == ("39", False, 3)
    assert search("-" * 20, limit=4)[0] == Remedy(tried=("16", "17", "18", "19"), with_wheel=20)


def test_nothing_is_ready_or_there_is_nothing() -> None:
    assert (search("---")[0].newest, search("---")[0].settled) == ("", True)
    assert search("")[0] == Remedy(settled=True)


def test_only_releases_with_a_wheel_count_and_pre_releases_as_a_last_resort() -> None:
    def wheel(version: str, *, fits: bool = True) -> File:
        return File(name=f"toy-{version}-cp314-cp314t-linux_x86_64.whl", fits=fits)

    files = [wheel("1.10"), wheel("1.9"), wheel("2.0a1"), wheel("1.0rc1"), wheel("3.0", fits=False)]
    files.append(File(name="toy-0.1.tar.gz", fits=True))

    assert list(map(str, releases(files))) == ["1.9", "1.10"]
    assert list(map(str, releases(files, judged=Version("1.10")))) == ["1.9", "1.10", "2.0a1"]
    assert list(map(str, releases(files, judged=Version("1.9")))) == ["1.9", "1.10"]
