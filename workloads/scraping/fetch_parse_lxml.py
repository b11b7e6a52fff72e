# /// script
# requires-python = ">=3.11"
# dependencies = ["lxml", "pyperf"]
#
# [tool.gilometer]
# summary = "Fetches pages from a local server with http.client, parses them with lxml; 100 pages at full size."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters", "asyncio"]
# sized = true
# full_seconds = 2.5
# ///
"""The pages of fetch_parse_stdlib, fetched in the same way and parsed with lxml.

It stands for scrapers that use a parser written in C: much less time goes into parsing, so waiting weighs more.  lxml
lets go of the GIL while it builds a tree; a release that does not declare support for free threading turns the GIL on
again when it is imported, which the harness notices.

The server is a process of its own, in Python, on the CPU set of the case: what it needs (a tenth to a fifth of the
client's CPU time) is taken from the same CPUs.  It waits for 2 ms (quick) or 20 ms (full) before each answer.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _client import SIZES, Page, cents, fetch, fetch_in_task, findings, open_site
from _parallel import run
from lxml import html


def parse(body: bytes) -> Page:
    tree = html.document_fromstring(body)
    return Page(
        title=tree.findtext("head/title"),
        links=[link.get("href") for link in tree.iter("a")],
        prices=[cents(price.text) for price in tree.iter("p") if price.get("class") == "price"],
    )


def scrape(urls: Sequence[str]) -> list[Page]:
    return [parse(body) for body in fetch(urls)]


async def scrape_in_task(urls: Sequence[str]) -> list[Page]:
    return [parse(body) async for body in fetch_in_task(urls)]


if __name__ == "__main__":
    run("scraping/fetch_parse_lxml", sizes=SIZES, job=open_site, work=scrape, task=scrape_in_task, combine=findings)
