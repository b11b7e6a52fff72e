"""A web server on loopback, for tests of what is downloaded."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Publishes files and counts what it is asked; queries do not matter."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.status: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.wfile.write(self.answer())

            def answer(self) -> bytes:
                name = self.path.partition("?")[0].lstrip("/")
                outer.asked.append(f"{self.command} {name}")
                content = outer.files.get(name, b"")
                self.send_response(outer.status or (200 if name in outer.files else 404))
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                return content

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def address(self, release: str) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/{release}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
