"""Text packed and unpacked by a compressor of each thread's own."""

from _threads import compare

import zstandard


def work(share: int) -> object:
    text = b"".join(b"%d lines of %d\n" % (n * n, share) for n in range(20_000))
    found = []
    for level in (1, 3, 9):
        packed = zstandard.ZstdCompressor(level=level).compress(text)
        found.append((packed, zstandard.ZstdDecompressor().decompress(packed) == text))
    return found


compare(work)
