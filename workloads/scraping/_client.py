"""What the scraping workloads share: the site to fetch from, how pages are fetched, and what must be found in them."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _local_server import ADDRESS, SILENCE, start
from _parallel import Scale


class Page(NamedTuple):
    """What a parser finds in one page."""

    title: str
    links: list[str]
    prices: list[int]
    """Cents."""


class Findings(NamedTuple):
    """What must be found in all pages, in whatever order."""

    pages: int
    title_characters: int
    links: int
    products: int
    """Links to a product."""
    cents: int


SIZES = {
    "quick": Scale(pages=16, products=16, latency_ms=2, expected=Findings(16, 454, 336, 256, 31_476_160)),
    "full": Scale(pages=100, products=200, latency_ms=20, expected=Findings(100, 2_890, 20_500, 20_000, 2_498_810_000)),
}


def open_site(pages: int, products: int, latency_ms: int) -> list[str]:
    """Start a server that lives as long as this process; the URLs of its pages."""
    port = start(Path(__file__).with_name("_server.py"), pages, products, latency_ms)
    return [f"http://{ADDRESS}:{port}/page/{number}" for number in range(pages)]


def fetch(urls: Sequence[str]) -> Iterator[bytes]:
    """The bodies of pages of one site, one after the other over one connection."""
    if not urls:
        return
    host = urls[0].split("/")[2]
    with closing(HTTPConnection(host, timeout=SILENCE)) as connection:
        for url in urls:
            connection.request("GET", url.partition(host)[2])
            yield connection.getresponse().read()


def cents(price: str) -> int:
    """ "€ 1,234.56" is 123456."""
    return int(price.strip("€ \n").replace(",", "").replace(".", ""))


def findings(results: Sequence[Sequence[Page]]) -> Findings:
    pages = [page for result in results for page in result]
    links = [link for page in pages for link in page.links]
    return Findings(
        pages=len(pages),
        title_characters=sum(len(page.title) for page in pages),
        links=len(links),
        products=sum(link.startswith("/product/") for link in links),
        cents=sum(sum(page.prices) for page in pages),
    )
