"""A server over an upstream of the test's own: what is there, how old it is, and what the server says to it.

The server runs with its defaults: `main` over `public`, and public files three days later.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from strongroom.adapters.upstream.site import SiteFile
from strongroom.core.names import ProjectName
from tests.functional.projects import Dist, make_dists
from tests.functional.server import Server, run_strongroom
from tests.functional.wire import JSON, Answer, request, upload
from tests.replacing import replace
from tests.upstream.server import UpstreamServer, read_metadata

Found = dict[str, Any]
"""JSON as the server sent it."""
OLD = timedelta(days=400)
KNOWN, OVERLAID = "acme-known", "acme-fork"
"""Names that the upstream has from the beginning, so that they are on the list that the server fetches at its start."""
_FRESH_AT_ONCE = "0"
_LULL_SECONDS = 1.5
"""Longer than the server hears nothing from an upstream before it writes: who asks more often puts that off."""
_WRITTEN_SECONDS = 20.0
"""Longer than the server ever waits before it writes down what came from an upstream."""
_PAGE_SECONDS = 3.0
"""The same for pages, which it writes after half a second: so late other processes may know of them."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """The server, its upstream, and somebody who may read and publish."""

    folder: Path
    server: Server
    upstream: UpstreamServer
    token: str

    def put(self, name: str, version: str = "1.0", *, age: timedelta | None = OLD, **facts: Any) -> SiteFile:
        """Put a wheel upstream that is so old (None: nobody knows); `facts` are fields of the file."""
        wheel, _ = make_dists(self.folder / f"{name}-{version}", name, version=version)
        uploaded_at = None if age is None else datetime.now(UTC) - age
        file = SiteFile(ProjectName(name), wheel.name, path=wheel.path, metadata=read_metadata(wheel.path))
        file = replace(file, uploaded_at=uploaded_at, **facts)
        self.upstream.site.add(file)
        return file

    def put_sdist(self, name: str, version: str = "1.0", **facts: Any) -> SiteFile:
        """Put an old sdist upstream."""
        _, sdist = make_dists(self.folder / f"{name}-{version}", name, version=version)
        file = SiteFile(ProjectName(name), sdist.name, path=sdist.path, uploaded_at=datetime.now(UTC) - OLD, **facts)
        self.upstream.site.add(file)
        return file

    def publish(self, name: str, version: str = "1.0", *, index: str = "main") -> Dist:
        """Publish a wheel of one's own; it must be accepted."""
        wheel, _ = make_dists(self.folder / f"own-{index}-{name}-{version}", name, version=version)
        answer = self.upload(wheel, name, version=version, index=index)
        assert answer.status == 200, answer.text
        return wheel

    def upload(self, dist: Dist, name: str, *, version: str = "1.0", index: str = "main") -> Answer:
        """Send a file of one's own, and return the answer."""
        url = f"{self.server.url}/{index}/legacy/"
        return upload(url, dist.path, token=self.token, name=name, version=version)

    def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """Ask the server; headers are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return request(method, self.server.url + path, token=self.token, headers=sent)

    def post(self, path: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """Send a body to the server."""
        return request("POST", self.server.url + path, token=self.token, headers=headers, body=body)

    def listed(self, name: str, *, index: str = "main") -> list[str]:
        """Return the filenames on the project's page, none where there is no page."""
        page = self.get(f"/{index}/simple/{name}/", accept=JSON)
        assert page.status in {200, 404}, page.text
        return [file["filename"] for file in page.json()["files"]] if page.status == 200 else []

    def strongroom(self, *words: str) -> str:
        """Run a command that must succeed, with the server's settings, and return its standard output."""
        done = run_strongroom(*words, home=self.folder, settings=self._settings())
        assert done.returncode == 0, f"strongroom {' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def json(self, *words: str) -> Found:
        """Run a command that prints JSON, and return that."""
        return dict(json.loads(self.strongroom(*words)))

    def list(self, *words: str) -> list[Found]:
        """Run a command that prints a JSON list, and return that."""
        return [dict(item) for item in json.loads(self.strongroom(*words))]

    def set_rules(self, *flags: str, index: str = "public") -> None:
        """Change the rules of an index."""
        self.strongroom("rules", "set", "--index", index, *flags)

    def explain(self, named: str, *, index: str = "main") -> Found:
        """Return what the command line explains; the REST answer must be the same.

        A page that the server has just heard from the upstream it writes down a moment later; only then the command
        line knows it, too.
        """
        ends_at = time.monotonic() + _PAGE_SECONDS
        while True:
            told, rest = self._explain_twice(named, index=index)
            if told == rest or time.monotonic() > ends_at:
                assert told == rest
                return told
            time.sleep(_PAGE_SECONDS / 10)

    def _explain_twice(self, named: str, *, index: str) -> tuple[Found, Found]:
        """Return what the command line and REST say, the latter in the words of the former."""
        told = self.json("explain", named, "--index", index, "--json")
        name, _, version = named.partition("==")
        query = f"?version={version}" if version else ""
        answer = self.get(f"/api/v1/indexes/{index}/projects/{name}/explanation{query}")
        assert answer.status == 200, answer.text
        rest = answer.json()
        files = [_without_fraction(file) for file in rest["files"]]
        said = {key: rest[key] for key in ("answer", "owner", "steps")}
        said["files"] = [{**file, "offered": file["is_offered"]} for file in files]
        told["files"] = [{**file, "is_offered": file["offered"]} for file in told["files"]]
        return told, told | said

    def wait_until_written(self, holds: Callable[[], bool]) -> None:
        """Wait until the server has written down what it has just heard, and goes by it."""
        ends_at = time.monotonic() + _WRITTEN_SECONDS
        while not holds():
            assert time.monotonic() < ends_at, self.server.log_text()
            time.sleep(_LULL_SECONDS)

    def explain_file(self, file: SiteFile, *, index: str = "main") -> Found:
        """Return what is explained about one file."""
        found = self.explain(f"{file.project}", index=index)
        (explained,) = [item for item in found["files"] if item["filename"] == file.filename]
        return dict(explained)

    def read(self, *words: str) -> str:
        """Return all that a command shows to a person, on both streams."""
        done = run_strongroom(*words, home=self.folder, settings=self._settings())
        return done.stdout + done.stderr

    def _settings(self) -> dict[str, str]:
        return {**self.server.settings, "STRONGROOM_DATA": str(self.server.data)}


@contextmanager
def guard(folder: Path, *flags: str) -> Iterator[Guarded]:
    """Start an upstream and a server over it, and end both; the server must end cleanly.

    The upstream is asked anew for every page, so that a test need not wait for what it changes there.
    """
    folder.mkdir(exist_ok=True)
    with UpstreamServer() as upstream:
        upstream.site.statuses |= {ProjectName(KNOWN): "active", ProjectName(OVERLAID): "active"}
        settings = {"STRONGROOM_DEFAULT_UPSTREAM": upstream.url, "STRONGROOM_UPSTREAM_NETWORKS": "127.0.0.0/8"}
        server = Server(folder / "data", *flags, settings=settings)
        try:
            server.start()
            server.admin("user", "create", "alice")
            token = server.admin("token", "create", "--user", "alice")
            guarded = Guarded(folder, server, upstream, token)
            guarded.strongroom("index", "set", "public", "--freshness", _FRESH_AT_ONCE)
            yield guarded
            assert server.stop() == 0, server.log_text()
            assert "Traceback" not in server.log_text()
        finally:
            server.kill()


def _without_fraction(file: Found) -> Found:
    """Return it with the time as the command line writes it."""
    until = file["until"]
    return file if until is None else {**file, "until": datetime.fromisoformat(until).isoformat(timespec="seconds")}
