"""Says what code attempts that its container refuses or keeps in, as Python's audit events tell it.

What native code does without Python raises no event: it is contained all the same, and not seen.  A line of JSON goes
out at the first attempt of each kind, so that nothing is lost when the process dies; a last one counts.
"""

import json
import os
import sys
from collections.abc import Callable

Report = Callable[[dict[str, object]], None]

_KINDS = {
    "socket.connect": "connects",
    "socket.sendto": "connects",
    "socket.bind": "listens on a socket",
    "socket.getaddrinfo": "looks up a host",
    "socket.gethostbyname": "looks up a host",
    "subprocess.Popen": "starts a program",
    "os.system": "starts a program",
    "os.exec": "starts a program",
    "os.posix_spawn": "starts a program",
    "pty.spawn": "starts a program",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "os.kill": "signals processes",
    "os.killpg": "signals processes",
}
_CHANGES = {
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.truncate", "os.link", "os.symlink",
}  # fmt: skip
_OWN = ("/tmp/", "/dev/null", "/dev/tty", "/proc/self/", "/target/", "pipe:")
"""Where a process may write: nothing there outlives the audit."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._counts: dict[str, int] = {}
        self.extension = ""
        """The extension module that is being loaded, or was last."""
        self.culprit = ""
        """The one after which the GIL was on."""
        self._gil = getattr(sys, "_is_gil_enabled", lambda: True)
        self._was_on = self._gil()
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple) -> None:
        try:
            if event == "import":
                self._loading(args)
            elif kind := _KINDS.get(event):
                self._attempt(kind, _detail(event, args))
            elif event == "open":
                self._opening(args[0], args[2])
            elif event in _CHANGES:
                self._changing(args)
        except Exception:  # an audit hook that raises changes what it watches
            pass

    def _loading(self, args: tuple) -> None:
        self.see_gil()
        if args[1]:
            self.extension = str(args[0])

    def see_gil(self) -> bool:
        """Whether the GIL is on; the first time that it came on, the extension module before is to blame."""
        on = self._gil()
        if on and not self._was_on and not self.culprit:
            self.culprit = self.extension
        return on

    def _opening(self, path: object, flags: object) -> None:
        if isinstance(path, str | bytes) and isinstance(flags, int) and flags & _WRITING:
            self._outside(path)

    def _changing(self, args: tuple) -> None:
        for path in args:
            if isinstance(path, str | bytes):
                self._outside(path)
                return

    def _outside(self, path: str | bytes) -> None:
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - resolving would follow links, and raise events
        if not full.startswith(_OWN):
            self._attempt("writes outside of its own folder", full)

    def _attempt(self, kind: str, detail: str) -> None:
        count = self._counts.get(kind, 0)
        self._counts[kind] = count + 1
        if not count:
            self._report({"attempt": {"what": kind, "detail": detail[:200]}})

    def finish(self) -> None:
        """Report how often each was attempted."""
        self._report({"counts": self._counts})


def _detail(event: str, args: tuple) -> str:
    if event.startswith("socket."):
        found = args[1] if len(args) > 1 and event in ("socket.connect", "socket.bind", "socket.sendto") else args[0]
        if isinstance(found, tuple):
            return ":".join(str(part) for part in found[:2])
        return os.fsdecode(found) if isinstance(found, str | bytes) else ""
    if event == "subprocess.Popen":
        return _command(args[1])
    if event in ("os.posix_spawn", "os.exec"):
        return _command(args[1])
    if event == "os.system":
        return os.fsdecode(args[0])
    if event in ("os.kill", "os.killpg"):
        return f"signal {args[1]} to {args[0]}"
    return ""


def _command(argv: object) -> str:
    return os.fsdecode(argv) if isinstance(argv, str | bytes) else " ".join(os.fsdecode(word) for word in argv)


def to_descriptor(number: int) -> Report:
    """Reports that go to a pipe or a file, a line each."""

    def report(line: dict[str, object]) -> None:
        os.write(number, json.dumps(line).encode() + b"\n")

    return report
