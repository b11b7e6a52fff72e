"""A server that sends back what it gets, from a process of its own: `python _echo.py LATENCY_MS`.

It prints the port that it listens on, on the loopback address, and serves until its standard input ends, which it does
when the process that started it is gone.  Every answer waits LATENCY_MS first, which stands for the way to a distant
server; connections wait independently of each other, one thread each.
"""

import sys
import time
from pathlib import Path
from socketserver import BaseRequestHandler

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _local_server
from _local_server import ADDRESS, SILENCE

__all__ = ["ADDRESS", "SILENCE", "open_server"]


def open_server(latency_ms: int) -> int:
    """Start a server that lives as long as this process; the port that it listens on."""
    return _local_server.start(Path(__file__), latency_ms)


def serve_echo(latency: float) -> None:
    class Handler(BaseRequestHandler):
        """One connection: sends back message after message until the client hangs up."""

        def handle(self) -> None:
            while message := self.request.recv(1 << 16):
                time.sleep(latency)
                self.request.sendall(message)

    _local_server.serve(Handler)


if __name__ == "__main__":
    serve_echo(latency=float(sys.argv[1]) / 1000)
