"""Text escaped, in each thread."""

from _threads import compare

from markupsafe import Markup, escape

SHARED = Markup("<b>%s</b>")


def work(share: int) -> object:
    text = f"<a href='/{share}'>&</a>" * 200
    return [str(SHARED % escape(text)) for _ in range(600)]


compare(work)
