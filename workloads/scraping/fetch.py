# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Fetches the same pages and parses nothing: what of the others is waiting; 100 at full size."
# strategies = ["threads", "pool", "processes", "interpreters", "asyncio"]
# sized = true
# full_seconds = 2.1
# ///
"""The pages of the other scraping workloads, fetched in the same way and thrown away.

It stands for downloaders, and splits the time of the others: what they take longer than this is parsing.

The server is a process of its own, in Python, on the CPU set of the case: what it needs is taken from the same CPUs.
It waits for 2 ms (quick) or 20 ms (full) before each answer.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _client import SITES, fetch, fetch_in_task, open_site
from _parallel import Scale, run

SIZES = {
    "quick": Scale(**SITES["quick"], expected=65_942),
    "full": Scale(**SITES["full"], expected=4_690_228),
}


def download(urls: Sequence[str]) -> int:
    """Bytes of all bodies."""
    return sum(len(body) for body in fetch(urls))


async def download_in_task(urls: Sequence[str]) -> int:
    return sum([len(body) async for body in fetch_in_task(urls)])


if __name__ == "__main__":
    run("scraping/fetch", sizes=SIZES, job=open_site, work=download, task=download_in_task)
