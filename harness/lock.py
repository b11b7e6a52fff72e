"""One measurement at a time on a machine: an advisory lock that all users share.

The lock is flock(2) on a file, so the kernel releases it however its holder ends.  The file stays: removing a lock file
lets two processes hold two files of one name.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from harness.errors import HostError
from harness.progress import Progress

LOCK = Path("/tmp/gilometer.lock")
_POLL_SECONDS = 0.25
_ATTEMPTS = 20


@contextmanager
def measuring_lock(*, wait: bool, progress: Progress, describe: str, path: Path = LOCK) -> Iterator[None]:
    """Hold this machine's measuring lock.

    Args:
        wait: until it is free, saying who has it; otherwise refuse.
        describe: what is measured, for whoever waits: the run directory.

    Raises:
        HostError: another run has it and `wait` is false, or the file cannot be used.
    """
    file = _acquire(path, wait=wait, progress=progress)
    try:
        _sign(file, describe)
        yield
    finally:
        os.close(file)


def _acquire(path: Path, *, wait: bool, progress: Progress) -> int:
    file = _open(path)
    try:
        if not _try_lock(file):
            message = f"another run is measuring on this machine: {_holder(file)}"
            if not wait:
                raise HostError(message, hint=f"Two runs at once would disturb each other: try again later ({path}).")
            progress.say(message)
            with progress.task("waiting for this machine") as task:
                while not _try_lock(file):
                    task.update(0, _holder(file))
                    time.sleep(_POLL_SECONDS)
        # Somebody may have removed the file while we waited: then the lock is on a file that nobody else sees.
        if _is_at(file, path):
            return file
    except BaseException:
        os.close(file)
        raise
    os.close(file)
    return _acquire(path, wait=wait, progress=progress)


def _open(path: Path) -> int:
    """The lock file, made where it is missing, for reading and writing where permitted.

    In a sticky directory kernels with fs.protected_regular refuse O_CREAT on another user's file, even to root: so
    opening comes before making.
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    for _ in range(_ATTEMPTS):
        for mode in (os.O_RDWR, os.O_RDONLY):
            with suppress(FileNotFoundError, PermissionError):
                return _regular(_open_or_refuse(path, flags | mode), path)
        try:
            file = _open_or_refuse(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except FileExistsError:  # made by somebody else this moment, or not ours to open
            time.sleep(0.01)
            continue
        except (FileNotFoundError, PermissionError) as error:
            raise _refusal(path, error.strerror or "") from error
        os.fchmod(file, 0o666)  # the umask had its say before
        return file
    raise _refusal(path, "it is there, and may be neither read nor written")


def _open_or_refuse(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, 0o666)
    except (FileNotFoundError, FileExistsError, PermissionError):
        raise
    except OSError as error:  # a symbolic link, a directory, a read-only file system
        raise _refusal(path, error.strerror or "") from error


def _regular(file: int, path: Path) -> int:
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise _refusal(path, "it is not a regular file")


def _refusal(path: Path, why: str) -> HostError:
    return HostError(f"the lock file {path} cannot be used: {why}", hint="Remove it, or have its owner remove it.")


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.lstat())
    return False


def _sign(file: int, describe: str) -> None:
    """Write down who holds the lock; where the file is only readable, whoever waits has to do without."""
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "since": time.time(), "what": describe}).encode(), 0)


def _holder(file: int) -> str:
    """Who holds the lock, as far as the file tells: it is written a moment after the lock is taken."""
    try:
        holder = json.loads(os.pread(file, 4096, 0))
        since = datetime.fromtimestamp(holder["since"]).astimezone()
        return f"{holder['what']}, process {holder['pid']}, since {since:%Y-%m-%d %H:%M:%S}"
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return "it did not say which"
