# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf", "selectolax"]
#
# [tool.gilometer]
# summary = "Fetches pages from a local server with http.client, parses them with selectolax; 100 at full size."
# strategies = ["threads", "pool", "processes", "interpreters", "asyncio"]
# sized = true
# full_seconds = 2.2
# ///
"""The pages of fetch_parse_stdlib, fetched in the same way and parsed with selectolax, over lexbor.

It stands for scrapers that were tuned: the parser is written in C and keeps the tree to itself, so that few Python
objects are made, and waiting for the server is most of what is left.

The server is a process of its own, in Python, on the CPU set of the case: what it needs is taken from the same CPUs.
It waits for 2 ms (quick) or 20 ms (full) before each answer.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _client import SIZES, Page, cents, fetch, fetch_in_task, findings, open_site
from _parallel import run
from selectolax.lexbor import LexborHTMLParser


def parse(body: bytes) -> Page:
    tree = LexborHTMLParser(body)
    return Page(
        title=tree.css_first("title").text(),
        links=[link.attributes["href"] for link in tree.css("a")],
        prices=[cents(price.text()) for price in tree.css("p.price")],
    )


def scrape(urls: Sequence[str]) -> list[Page]:
    return [parse(body) for body in fetch(urls)]


async def scrape_in_task(urls: Sequence[str]) -> list[Page]:
    return [parse(body) async for body in fetch_in_task(urls)]


if __name__ == "__main__":
    name = "scraping/fetch_parse_selectolax"
    run(name, sizes=SIZES, job=open_site, work=scrape, task=scrape_in_task, combine=findings)
