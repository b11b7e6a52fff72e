"""A shop of generated pages, served from a process of its own: `python _server.py PAGES PRODUCTS LATENCY_MS`.

It prints the port that it listens on, on the loopback address, and serves /page/0 to /page/PAGES-1 until its standard
input ends, which it does when the process that started it is gone.  Every answer waits LATENCY_MS first, which stands
for the way to a distant server; connections wait independently of each other, one thread each.
"""

import sys
import time
from pathlib import Path
from socketserver import StreamRequestHandler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _local_server

WORDS = (
    "copper",
    "kettle",
    "walnut",
    "lamp",
    "woollen",
    "blanket",
    "garden",
    "chair",
    "enamel",
    "bowl",
    "paper",
    "map",
)


SHARES = (1, 9, 2, 4)
"""How pages differ in size, four by four: products of a page, in quarters of the average."""


def page(number: int, products: int) -> str:
    """One page of the shop, with `products` products on average.  It depends on its arguments alone."""
    period, place = divmod(number, len(SHARES))
    first = (sum(SHARES) * period + sum(SHARES[:place])) * products // len(SHARES)
    items = "".join(product(first + index) for index in range(SHARES[place] * products // len(SHARES)))
    links = "".join(f'<li><a href="/page/{number + step}">Page {number + step}</a></li>\n' for step in range(1, 6))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>Fine &amp; useful things, page {number}</title>\n"
        '<link rel="stylesheet" href="/style.css">\n</head>\n<body>\n'
        f'<nav class="pages"><ul>\n{links}</ul></nav>\n<main>\n{items}</main>\n'
        "<footer><p>Prices include tax.<br>No page here is real.</p></footer>\n</body>\n</html>\n"
    )


def product(number: int) -> str:
    name = " ".join(WORDS[number * step % len(WORDS)] for step in (1, 5, 7))
    cents = number * 7919 % 250_000
    return (
        f'<article class="product" data-id="{number}">\n'
        f'<h2><a href="/product/{number}">{name.title()} &ndash; no. {number}</a></h2>\n'
        f'<p class="price">&euro; {cents // 100:,}.{cents % 100:02d}</p>\n'
        f"<p>A {name}, made to last. <em>Ships in {number % 9 + 1} days.</em></p>\n</article>\n"
    )


def serve_shop(pages: int, products: int, latency: float) -> None:
    answers = {f"/page/{number}".encode(): answer(page(number, products)) for number in range(pages)}

    class Handler(StreamRequestHandler):
        """One connection: answers GET after GET until the client hangs up."""

        disable_nagle_algorithm = True

        def handle(self) -> None:
            while request := self.rfile.readline():
                while self.rfile.readline() not in (b"\r\n", b""):
                    pass  # a header
                time.sleep(latency)
                self.wfile.write(answers[request.split()[1]])

    _local_server.serve(Handler)


def answer(html: str) -> bytes:
    body = html.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body) + body


if __name__ == "__main__":
    serve_shop(pages=int(sys.argv[1]), products=int(sys.argv[2]), latency=float(sys.argv[3]) / 1000)
