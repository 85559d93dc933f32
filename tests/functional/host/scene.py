"""A server on a machine that fails, and a client whose connections are open already."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.form import basic_auth, wheel_body
from tests.crash.wheel import Wheel, make_wheel
from tests.functional.server import Server

PROJECT = "acme-host"
ON_THE_DISK = {"STRONGROOM_DATABASE": "", "STRONGROOM_BLOBS": ""}
"""The settings of SQLite and a directory, whatever stores were chosen for the run: others have no disk here to fail."""
RED_SECONDS = 2.0
BACK_SECONDS = 10.0
_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True)
class Scene:
    """The server, a token, two connections (an upload that is refused ends its own), and what was acknowledged."""

    server: Server
    token: str
    reader: http.client.HTTPConnection
    writer: http.client.HTTPConnection
    acknowledged: list[Wheel] = field(default_factory=list)

    def ask(self, path: str, *, body: bytes | None = None, content_type: str = "") -> tuple[int, dict[str, str], bytes]:
        """Ask on a connection that is open already; return status, headers by lower-case name, and body."""
        accept = _JSON if body is None else "application/problem+json"
        headers = {"Authorization": basic_auth(self.token), "Accept": accept}
        if content_type:
            headers["Content-Type"] = content_type
        connection = self.reader if body is None else self.writer
        connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def publish(self, wheel: Wheel) -> tuple[int, dict[str, str], bytes]:
        """Upload a wheel, and remember it if it was acknowledged."""
        content_type, body = wheel_body(wheel)
        status, headers, answer = self.ask("/legacy/", body=body, content_type=content_type)
        if status == 200:
            self.acknowledged.append(wheel)
        return status, headers, answer

    def demand_whole(self) -> None:
        """Every acknowledged wheel is listed and served, and nothing else is listed."""
        status, _, body = self.ask(f"/simple/{PROJECT}/")
        assert status == 200, body
        listed = {file["filename"]: file["hashes"]["sha256"] for file in json.loads(body)["files"]}
        assert listed == {wheel.filename: wheel.sha256 for wheel in self.acknowledged}
        for wheel in self.acknowledged:
            assert self.ask(f"/main/files/{PROJECT}/{wheel.filename}")[2] == wheel.content

    def wait_until(self, is_so: Callable[[], bool], *, within_seconds: float) -> float:
        """Wait until it is so, and return how long that took."""
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < within_seconds, self.server.log_text()[-2000:]
            time.sleep(0.05)
        return time.monotonic() - began

    def is_ready(self) -> bool:
        """Return what /readyz says."""
        return self.ask("/readyz")[0] == 200

    def leftovers(self) -> list[str]:
        """Return the files that uploads have left behind."""
        return [path.name for path in (self.server.data / "blobs" / "incoming").glob("*")]


def wheel_of(number: int, *, size_bytes: int = 10_000) -> Wheel:
    """Make a wheel of about that size."""
    return make_wheel(PROJECT, f"1.{number}", payload=bytes([number]) * size_bytes)


@contextmanager
def open_scene(data: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[Scene]:
    """Start the server and publish a first wheel; at the end it stops cleanly, and its store is in order."""
    server = Server(data, settings=settings)
    server.start()
    reader, writer = (http.client.HTTPConnection(server.host, server.port, timeout=60) for _ in range(2))
    try:
        server.admin("user", "create", "alice")
        scene = Scene(server, server.admin("token", "create", "--user", "alice"), reader, writer)
        assert scene.publish(wheel_of(0))[0] == 200
        scene.demand_whole()
        yield scene
        reader.close()
        writer.close()
        assert server.stop() == 0, server.log_text()
        assert "Traceback" not in server.log_text()
        server.admin("verify")
        server.admin("audit", "verify")
    finally:
        server.kill()
