"""What an engine streams is one file."""

from __future__ import annotations

import io

import pytest

from harness.docker_engine import _Joined


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pieces_are_one_file_whatever_their_sizes(size: int) -> None:
    pieces = [b"", b"a", b"bcd", b"", b"efghij" * 5000, b""]
    file = io.BufferedReader(_Joined(pieces))
    read = b"".join(iter(lambda: file.read(size), b""))
    assert read == b"".join(pieces)
