"""Pages parsed, searched by XPath and written again, a tree for each thread."""

from _threads import compare

from lxml import etree, html

FIND = "//li[@class='even']/a/@href"


def work(share: int) -> object:
    items = "".join(f"<li class={'odd' if n % 2 else 'even'}><a href='/{share}/{n}'>{n}</a>" for n in range(400))
    found = []
    for _ in range(20):
        tree = html.fromstring(f"<html><body><ul>{items}</ul></body></html>")
        found.append((tuple(tree.xpath(FIND)), etree.tostring(tree)))
    return found


compare(work)
