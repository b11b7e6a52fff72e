"""Words compared with a list of words that all threads share."""

from _threads import compare

from rapidfuzz import fuzz, process

SHARED = [f"{'abcdefgh'[n % 8]}{n * 7919 % 10007} name" for n in range(3000)]


def work(share: int) -> object:
    asked = [f"{'abcdefgh'[share]}{n * 31} nam" for n in range(20)]
    return [process.extract(word, SHARED, scorer=fuzz.WRatio, limit=5) for word in asked]


compare(work)
