"""What the scraping workloads share: the site to fetch from, how pages are fetched, and what must be found in them."""

import sys
from collections.abc import AsyncIterator, Iterator, Sequence
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


SITES = {
    "quick": {"pages": 16, "products": 16, "latency_ms": 2},
    "full": {"pages": 100, "products": 200, "latency_ms": 20},
}

SIZES = {
    "quick": Scale(**SITES["quick"], expected=Findings(16, 454, 336, 256, 31_476_160)),
    "full": Scale(**SITES["full"], expected=Findings(100, 2_890, 20_500, 20_000, 2_498_810_000)),
}


def open_site(pages: int, products: int, latency_ms: int) -> list[str]:
    """Start a server that lives as long as this process; the URLs of its pages.

    Pages have `products` products on average: of every four one is small, two are larger and one has most of them.
    """
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


async def fetch_in_task(urls: Sequence[str]) -> AsyncIterator[bytes]:
    """What `fetch` gives, while other tasks of the event loop go on."""
    import asyncio  # takes as long as all else that a worker imports, and threads need none

    if not urls:
        return
    host = urls[0].split("/")[2]
    name, port = host.split(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    try:
        for url in urls:
            writer.write(f"GET {url.partition(host)[2]} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            async with asyncio.timeout(SILENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_content_length(head))
            yield body
    finally:
        writer.close()


def _content_length(head: bytes) -> int:
    status, *headers = head.decode("ascii").splitlines()
    if status.split()[1] != "200":
        raise RuntimeError(f"the server answered {status!r}")
    fields = dict(header.lower().split(": ", 1) for header in headers if header)
    return int(fields["content-length"])


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
