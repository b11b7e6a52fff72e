"""Pages parsed and searched by CSS selectors, a tree for each thread."""

from _threads import compare

from selectolax.lexbor import LexborHTMLParser


def work(share: int) -> object:
    items = "".join(f"<li class={'odd' if n % 2 else 'even'}><a href='/{share}/{n}'>{n}</a>" for n in range(400))
    found = []
    for _ in range(20):
        tree = LexborHTMLParser(f"<html><body><ul>{items}</ul></body></html>")
        found.append([(node.attributes["href"], node.text()) for node in tree.css("li.even > a")])
    return found


compare(work)
