"""What hits a server while it is killed: eight writers that publish as twine does, and readers that download.

Each notes what it was told. A connection that breaks is no fault: the server was
killed. Any answer but a good one is.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urljoin

from tests.crash.form import basic_auth, wheel_body
from tests.crash.wheel import Wheel
from tests.crash.work import PROJECTS, wheel_of

WRITERS = 8
READERS = 2
_TIMEOUT_SECONDS = 20.0
_JSON = "application/vnd.pypi.simple.v1+json"
_INSPECTOR_KILLED = "Reading the archive takes more time or memory"
_BROKEN = (OSError, http.client.HTTPException)


class Client:
    """One client with its token and its connection."""

    def __init__(self, port: int, token: str) -> None:
        """Connect with the first request."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        self._headers = {"Authorization": basic_auth(token), "User-Agent": "twine/7.0.0 CPython/3.11.7"}

    def upload(self, wheel: Wheel) -> tuple[int, str]:
        """Publish; return status and body."""
        content_type, body = wheel_body(wheel)
        status, answer = self._ask("POST", "/legacy/", body=body, headers={"Content-Type": content_type})
        return status, answer.decode(errors="replace")

    def list(self, project: str) -> list[dict[str, str]]:
        """Return filename, url, sha256 and sha256 of the metadata of the files on the project's page."""
        status, body = self._ask("GET", f"/simple/{project}/", headers={"Accept": _JSON})
        if status == 404:
            return []
        return [
            {
                "filename": file["filename"],
                "url": urljoin(f"/simple/{project}/", file["url"]),
                "sha256": file["hashes"]["sha256"],
                "metadata": file["core-metadata"]["sha256"],
            }
            for file in json.loads(body)["files"]
        ]

    def find_fault(self, file: dict[str, str]) -> str | None:
        """Download a listed file and its metadata; return what is wrong."""
        for url, promised in ((file["url"], file["sha256"]), (f"{file['url']}.metadata", file["metadata"])):
            status, body = self._ask("GET", url)
            if status != 200:
                return f"{url} is listed and answers {status}"
            if hashlib.sha256(body).hexdigest() != promised:
                return f"{url} is listed with another sha256 than it has"
        return None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        self._connection.request(method, path, body=body, headers=self._headers | (headers or {}))
        response = self._connection.getresponse()
        return response.status, response.read()


@dataclass(slots=True)
class Notes:
    """What all clients of one trial were told."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Traffic:
    """All clients of one trial, each in a thread, until the server is gone."""

    def __init__(self, port: int, token: str, *, trial: int) -> None:
        """Begin at once."""
        self.notes = Notes()
        self._stop = threading.Event()
        self._port, self._token = port, token
        self._threads = [
            *(threading.Thread(target=self._write, args=(trial, number)) for number in range(WRITERS)),
            *(threading.Thread(target=self._read, args=(trial, number)) for number in range(READERS)),
        ]
        for thread in self._threads:
            thread.start()

    def wait_for_successes(self, count: int) -> None:
        """Return when so many uploads were acknowledged, or all writers have stopped."""
        writers = self._threads[:WRITERS]
        while len(self.notes.acknowledged) < count and any(thread.is_alive() for thread in writers):
            time.sleep(0.005)

    def end(self) -> Notes:
        """Wait until every client has noticed that the server is gone."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.notes

    def _write(self, trial: int, writer: int) -> None:
        client, number = Client(self._port, self._token), 0
        while not self._stop.is_set():
            wheel = wheel_of(f"{trial}.{writer}.{number}")
            number += 1
            try:
                status, answer = client.upload(wheel)
            except _BROKEN:
                self.notes.unanswered.append(wheel.version)
                break
            if status == 200:
                self.notes.acknowledged[wheel.filename] = wheel.sha256
                continue
            self.notes.unanswered.append(wheel.version)
            if _INSPECTOR_KILLED not in answer:  # strace kills the worker's new children as well
                self.notes.faults.append(f"{wheel.filename}: {status} {answer}")
        client.close()

    def _read(self, trial: int, reader: int) -> None:
        client, chance = Client(self._port, self._token), random.Random(f"{trial} {reader}")
        with suppress(*_BROKEN):
            while not self._stop.is_set():
                files = client.list(chance.choice(PROJECTS))
                for file in files[-3:]:
                    fault = client.find_fault(file)
                    self.notes.faults += [] if fault is None else [fault]
        client.close()
