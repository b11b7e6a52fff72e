# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Fetches pages from a local server with http.client, parses them with html.parser; 100 pages at full size."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters", "asyncio"]
# sized = true
# full_seconds = 3.0
# ///
"""Pages fetched over real sockets, one connection per thread, each parsed as it arrives with the standard library.

It stands for crawlers, feed readers and API clients: waiting for a server, then work in pure Python.  Threads overlap
the waiting with or without the GIL; without it they overlap the parsing as well.

The server is a process of its own, in Python, on the CPU set of the case: what it needs (a few hundredths of the
client's CPU time) is taken from the same CPUs.  It waits for 2 ms (quick) or 20 ms (full) before each answer, which
keeps about the same proportion to the size of the pages.
"""

import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _client import SIZES, Page, cents, fetch, fetch_in_task, findings, open_site
from _parallel import run


class PageParser(HTMLParser):
    """Collects title, links and prices."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page("", [], [])
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a" and (link := attributes.get("href")):
            self.page.links.append(link)
        elif tag == "title" or (tag == "p" and attributes.get("class") == "price"):
            self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.page = self.page._replace(title=data)
        elif self._inside == "p":
            self.page.prices.append(cents(data))

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's signature
        self._inside = ""


def parse(body: bytes) -> Page:
    parser = PageParser()
    parser.feed(body.decode())
    parser.close()
    return parser.page


def scrape(urls: Sequence[str]) -> list[Page]:
    return [parse(body) for body in fetch(urls)]


async def scrape_in_task(urls: Sequence[str]) -> list[Page]:
    return [parse(body) async for body in fetch_in_task(urls)]


if __name__ == "__main__":
    run("scraping/fetch_parse_stdlib", sizes=SIZES, job=open_site, work=scrape, task=scrape_in_task, combine=findings)
