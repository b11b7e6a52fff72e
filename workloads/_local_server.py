"""What workloads with a server share: one on the loopback address, in a process that ends with its client."""

import atexit
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

ADDRESS = "127.0.0.1"

SILENCE = 30.0
"""Seconds without an answer after which the server counts as broken."""


class _Server(ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


def start(script: Path, *arguments: int) -> int:
    """Start a script that serves, for as long as this process lives; the port that it listens on."""
    server = subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate, timeout=SILENCE)  # end of input ends the server
    assert server.stdout is not None
    port = server.stdout.readline().strip()
    if not port:
        raise RuntimeError(f"the server ended with status {server.wait()} before it listened")
    return int(port)


def serve(handler: type[BaseRequestHandler]) -> None:
    """Be such a server: say the port, and answer connections, a thread each, until the input ends."""
    with _Server((ADDRESS, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        with suppress(KeyboardInterrupt):  # Ctrl-C reaches this process too; the client tells about it
            sys.stdin.read()
