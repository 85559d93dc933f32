"""Clients of several nodes: uploaders that go on at another node when theirs dies, and installers that check.

An uploader tries a wheel until it is acknowledged, as a person or a CI job does. An
installer holds every node to the promise: what was acknowledged a second ago is listed,
and what is listed can be fetched and has its digest.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin

from tests.crash.form import basic_auth, wheel_body
from tests.crash.wheel import Wheel
from tests.crash.work import PROJECTS, wheel_of

VISIBLE_SECONDS = 1.0
_TIMEOUT_SECONDS = 20.0
_JSON = "application/vnd.pypi.simple.v1+json"
_BROKEN = (OSError, http.client.HTTPException)


@dataclass(slots=True)
class Notes:
    """What all clients were told."""

    acknowledged: dict[str, tuple[Wheel, float]] = field(default_factory=dict)
    """Wheels by filename, without their contents, and the time of the answer."""
    tried: dict[str, str] = field(default_factory=dict)
    """Digests by filename of all that was ever sent."""
    installs: int = 0
    broken: int = 0
    unavailable: int = 0
    faults: list[str] = field(default_factory=list)


class NodeClient:
    """One client's connections to the nodes."""

    def __init__(self, ports: Sequence[int], token: str) -> None:
        self._connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS) for port in ports]
        self._headers = {"Authorization": basic_auth(token), "User-Agent": "twine/7.0.0 CPython/3.11.7"}

    def ask(
        self, node: int, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Ask a node; a connection that breaks is closed, so that the next question opens another."""
        connection = self._connections[node]
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body=body, headers=self._headers | (headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        except _BROKEN:
            connection.close()
            raise

    def upload(self, node: int, wheel: Wheel) -> tuple[int, str]:
        """Publish; return status and body."""
        content_type, body = wheel_body(wheel)
        status, answer = self.ask(node, "/legacy/", body=body, headers={"Content-Type": content_type})
        return status, answer.decode(errors="replace")

    def list(self, node: int, project: str) -> tuple[int, dict[str, tuple[str, str]]]:
        """Return the status, and path and sha256 of each file on the project's page."""
        status, body = self.ask(node, f"/simple/{project}/", headers={"Accept": _JSON})
        if status != 200:
            return status, {}
        files = json.loads(body)["files"]
        return status, {
            file["filename"]: (urljoin(f"/simple/{project}/", file["url"]), file["hashes"]["sha256"]) for file in files
        }

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()


class Traffic:
    """All clients, each in a thread, until the end."""

    def __init__(self, ports: Sequence[int], token: str, *, uploaders: int = 8, installers: int = 8) -> None:
        """Begin at once."""
        self.notes = Notes()
        self._ports, self._token = ports, token
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            *(threading.Thread(target=self._upload, args=(number,)) for number in range(uploaders)),
            *(threading.Thread(target=self._install, args=(number,)) for number in range(installers)),
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> Notes:
        """Let every client finish what it does, and return what they were told."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.notes

    def _upload(self, uploader: int) -> None:
        client, chance = NodeClient(self._ports, self._token), random.Random(f"upload {uploader}")
        number = 0
        while not self._stop.is_set():
            wheel = wheel_of(f"1.{uploader}.{number}")
            number += 1
            self.notes.tried[wheel.filename] = wheel.sha256
            while not self._publish(client, wheel, node=chance.randrange(len(self._ports))):
                if self._stop.wait(0.05):
                    break
        client.close()

    def _publish(self, client: NodeClient, wheel: Wheel, *, node: int) -> bool:
        """Return whether the wheel needs no further try."""
        try:
            status, answer = client.upload(node, wheel)
        except _BROKEN:
            self._count("broken")
            return False
        if status == 200:
            with self._lock:
                self.notes.acknowledged[wheel.filename] = (replace(wheel, content=b""), time.monotonic())
            return True
        if status == 503:
            self._count("unavailable")
            return False
        self.notes.faults.append(f"{wheel.filename}: {status} {answer}")
        return True

    def _install(self, installer: int) -> None:
        client, chance = NodeClient(self._ports, self._token), random.Random(f"install {installer}")
        while not self._stop.is_set():
            try:
                self._look(client, chance)
            except _BROKEN:
                self._count("broken")
                self._stop.wait(0.05)
        client.close()

    def _look(self, client: NodeClient, chance: random.Random) -> None:
        """Compare a node's page with what was acknowledged, and fetch one of its files."""
        node, project = chance.randrange(len(self._ports)), chance.choice(PROJECTS)
        promised = self._promised(project)
        status, files = client.list(node, project)
        if status == 503:
            self._count("unavailable")
            return
        for wheel in promised:
            if files.get(wheel.filename, ("", ""))[1] != wheel.sha256:
                self.notes.faults.append(f"node {node} does not list {wheel.filename}, or with another digest")
        if files:
            path, sha256 = chance.choice(list(files.values()))
            self._fetch(client, node, path=path, sha256=sha256)

    def _fetch(self, client: NodeClient, node: int, *, path: str, sha256: str) -> None:
        status, body = client.ask(node, path)
        if status == 503:
            self._count("unavailable")
        elif status != 200 or hashlib.sha256(body).hexdigest() != sha256:
            self.notes.faults.append(f"node {node} lists {path} and answers {status}, or with other bytes")
        else:
            self._count("installs")

    def _promised(self, project: str) -> list[Wheel]:
        """Return what every node must list by now."""
        before = time.monotonic() - VISIBLE_SECONDS
        with self._lock:
            return [wheel for wheel, at in self.notes.acknowledged.values() if at < before and wheel.project == project]

    def _count(self, what: str) -> None:
        with self._lock:
            setattr(self.notes, what, getattr(self.notes, what) + 1)
