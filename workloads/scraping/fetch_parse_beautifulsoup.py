# /// script
# requires-python = ">=3.11"
# dependencies = ["beautifulsoup4", "pyperf"]
#
# [tool.gilometer]
# summary = "Fetches pages from a local server with http.client, parses them with BeautifulSoup; 100 at full size."
# strategies = ["threads", "pool", "processes", "interpreters", "asyncio"]
# sized = true
# full_seconds = 11.0
# ///
"""The pages of fetch_parse_stdlib, fetched in the same way and parsed with BeautifulSoup over html.parser.

It stands for most scrapers as they are written: a tree of many small Python objects for each page, all of it pure
Python, several times as slow as the other parsers.  Next to the parsing, waiting for the server hardly counts.

The server is a process of its own, in Python, on the CPU set of the case: what it needs is taken from the same CPUs.
It waits for 2 ms (quick) or 20 ms (full) before each answer.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _client import SIZES, Page, cents, fetch, fetch_in_task, findings, open_site
from _parallel import run

# bs4 imports lxml where it is installed, though nothing here asks for it, and lxml may turn the GIL on again.
sys.modules["lxml"] = None  # type: ignore[assignment]
from bs4 import BeautifulSoup  # noqa: E402


def parse(body: bytes) -> Page:
    # Its strings belong to the tree; plain ones do not, and can be sent to another process without it.
    soup = BeautifulSoup(body, "html.parser", from_encoding="utf-8")
    return Page(
        title=str(soup.title.string),
        links=[str(link["href"]) for link in soup.find_all("a")],
        prices=[cents(price.string) for price in soup.find_all("p", class_="price")],
    )


def scrape(urls: Sequence[str]) -> list[Page]:
    return [parse(body) for body in fetch(urls)]


async def scrape_in_task(urls: Sequence[str]) -> list[Page]:
    return [parse(body) async for body in fetch_in_task(urls)]


if __name__ == "__main__":
    name = "scraping/fetch_parse_beautifulsoup"
    run(name, sizes=SIZES, job=open_site, work=scrape, task=scrape_in_task, combine=findings)
