"""Text searched and replaced by patterns that all threads share, and by one that each compiles."""

from _threads import compare

import regex

SHARED = regex.compile(r"(?<word>\p{L}+)-(?<number>\d{2,})")


def work(share: int) -> object:
    text = " ".join(f"word{'abc'[n % 3]}x-{n}{share}" for n in range(600)).replace("word", "wörd")
    found = []
    for turn in range(15):
        own = regex.compile(rf"\d*{turn}{share}\b")
        found.append((SHARED.sub(r"\g<number>", text), [one.start() for one in own.finditer(text)]))
    return found


compare(work)
