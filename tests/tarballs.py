"""Release tarballs with nothing in them but what tells their release."""

from __future__ import annotations

import hashlib
import io
import tarfile

HEADER = '#define PY_MAJOR_VERSION 3\n#define PY_VERSION             "{}"\n'


def archive(release: str, name: str = "Python") -> bytes:
    """A release tarball with nothing in it but what tells its release."""
    buffer = io.BytesIO()
    content = HEADER.format(release).encode()
    with tarfile.open(fileobj=buffer, mode="w:xz") as tar:
        member = tarfile.TarInfo(f"{name}-{release}/Include/patchlevel.h")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
