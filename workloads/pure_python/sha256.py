# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "SHA-256 of many messages of 32 to 128 bytes, shared out over the workers; 600,000 at full size."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 0.6
# published_seconds = 1.0
# capacity = true
# ///
"""One short call into C after another: a hash of each message, and a number made of its first bytes.

It stands for cache keys, deduplication, signatures and the many other calls of small C functions from Python.  hashlib
lets go of the GIL for messages of 2 KiB and more; these are shorter, so with the GIL threads do not help.  Without it
they meet in what hashlib and OpenSSL share: types, look-ups of the algorithm and reference counts inside the library.
"""

import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(messages=30_000, pieces=60, expected=276_488_587_258_527_919_195_916),
    "full": Scale(messages=600_000, pieces=1_200, expected=5_531_799_763_189_163_124_498_844),
    "published": Scale(messages=1_000_000, pieces=2_000, expected=9_230_251_058_524_866_637_865_422),
}


def job(messages: int) -> list[bytes]:
    """The number of each message, four to sixteen times over."""
    return [b"%08x" % number * (4 + number % 13) for number in range(messages)]


def sum_of_keys(part: Sequence[bytes]) -> int:
    """The first eight bytes of each hash, which is what a key needs, as numbers that are added up."""
    total = 0
    for message in part:
        total += int.from_bytes(sha256(message).digest()[:8], "big")
    return total


if __name__ == "__main__":
    run("pure_python/sha256", sizes=SIZES, job=job, work=sum_of_keys)
