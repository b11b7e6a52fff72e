"""A server that sends back what it gets, from a process of its own: `python _echo.py LATENCY_MS`.

It prints the port that it listens on, on the loopback address, and serves until its standard input ends, which it does
when the process that started it is gone.  Every answer waits LATENCY_MS first, which stands for the way to a distant
server; connections wait independently of each other, one thread each.
"""

import atexit
import subprocess
import sys
import threading
import time
from contextlib import suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer

ADDRESS = "127.0.0.1"

SILENCE = 30.0
"""Seconds without an answer after which the server counts as broken."""


def open_server(latency_ms: int) -> int:
    """Start a server that lives as long as this process; the port that it listens on."""
    server = subprocess.Popen(
        [sys.executable, __file__, str(latency_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate, timeout=SILENCE)  # end of input ends the server
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    if not port:
        raise RuntimeError(f"the server ended with status {server.wait()} before it listened")
    return int(port)


def serve(latency: float) -> None:
    class Handler(BaseRequestHandler):
        """One connection: sends back message after message until the client hangs up."""

        def handle(self) -> None:
            while message := self.request.recv(1 << 16):
                time.sleep(latency)
                self.request.sendall(message)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server((ADDRESS, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        with suppress(KeyboardInterrupt):  # Ctrl-C reaches this process too; the client tells about it
            sys.stdin.read()


if __name__ == "__main__":
    serve(latency=float(sys.argv[1]) / 1000)
