"""A tiny reverse proxy that puts the server under a path prefix, as nginx in front of it does."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "date", "server"}


@contextmanager
def forwarding(upstream: tuple[str, int], *, prefix: str, strips: bool, port: int) -> Iterator[list[str]]:
    """Forward what arrives under the prefix, with it or without it; yield the paths that arrived."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            seen.append(self.path)
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if not self.path.startswith(prefix + "/"):
                self._answer(404, [], body=b"not behind this proxy")
                return
            connection = http.client.HTTPConnection(*upstream, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            path = self.path.removeprefix(prefix) if strips else self.path
            connection.request(self.command, path, body=body or None, headers=headers)
            response = connection.getresponse()
            kept = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
            self._answer(response.status, kept, body=response.read())
            connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], *, body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            if "content-length" not in {name.lower() for name, _ in headers}:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_POST = _forward  # noqa: N815  # http.server finds methods by these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server names it so
            """Print nothing."""

    proxy = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
