"""The real server before hundreds of upstreams that misbehave, and what it did about it.

Each scenario of `tests/upstream/hostile.py` that may be silent about its page is the upstream
of an index of its own, so that the pause after it keeps no other from being tried. Clients ask for the page,
the wheel and its METADATA, and again when all upstreams have become good. Does not judge:
`find_faults` says what is wrong, and the tests say that nothing is.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from strongroom.bootstrap import local_operator, open_store
from strongroom.core.index_settings import IndexChanges, UpstreamChanges
from strongroom.core.names import IndexName, parse_index_name
from tests.crash.tree import process_tree
from tests.functional.projects import Dist, make_dists
from tests.functional.server import Server
from tests.functional.stores import run_statement, settings_of
from tests.functional.wire import JSON, basic, upload
from tests.upstream.hostile import HostileServer
from tests.upstream.scenario import Scenario, Truth

PRIVATE = "acme-private"
PATIENCE_SECONDS = 2
AT_ONCE = 12
SHARED = IndexName("shared")
"""The index of all scenarios that always answer with a page."""
WRONG_FOR_SECONDS = 11.0
"""A little longer than wrong bytes, silent upstreams and missing names are remembered."""
PROMISED_ANOTHER_DIGEST = frozenset(
    {
        "html-href-two-hashes",
        "html-href-wrong-hash",
        "json-files-other-digest-later",
        "json-hashes-of-nothing",
        "json-hashes-wrong",
    }
)
"""Scenarios whose page promised other bytes once: that binds the name, so it is not served later either."""
_TIMEOUT_SECONDS = 60
_SETTLING_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Given:
    """What a client was given: `body` is None when less came than was announced."""

    path: str
    status: int
    body: bytes | None

    @property
    def is_whole(self) -> bool:
        """Return whether the client takes it for what it asked for."""
        return self.status == 200 and self.body is not None


@dataclass(frozen=True, slots=True)
class Tried:
    """A scenario as a client met it."""

    scenario: Scenario
    page: Given
    file: Given
    metadata: Given

    @property
    def failed(self) -> tuple[Given, ...]:
        """Return what failed for a reason that is not the client's."""
        return tuple(one for one in (self.page, self.file, self.metadata) if one.status >= 500 or one.body is None)

    @property
    def is_served(self) -> bool:
        """Return whether the page lists the wheel truly, and the wheel came."""
        return _lists(self.page, self.scenario.truth) and self.file.is_whole


@dataclass(slots=True)
class PrivateClient:
    """Somebody who asks for a private page all the while, and how long each answer took."""

    seconds: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def percentile_99(self) -> float:
        """Return the time that one answer in a hundred took longer than."""
        return sorted(self.seconds)[int(len(self.seconds) * 0.99)]


@dataclass(frozen=True, slots=True)
class Onslaught:
    """The running server, its upstreams, and who asks."""

    server: Server
    hostile: HostileServer
    scenarios: tuple[Scenario, ...]
    token: str
    private: Dist

    def try_all(self) -> list[Tried]:
        """Try every scenario, several at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self._try, self.scenarios))

    def _try(self, scenario: Scenario) -> Tried:
        index, truth = index_of(scenario), scenario.truth
        file = f"/{index}/files/{truth.project}/{truth.filename}"
        return Tried(
            scenario,
            page=self._get(f"/{index}/simple/{truth.project}/"),
            metadata=self._get(f"{file}.metadata"),  # before the wheel, as installers do
            file=self._get(file),
        )

    def _get(self, path: str) -> Given:
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("GET", path, headers={"Authorization": basic(self.token), "Accept": JSON})
            response = connection.getresponse()
            try:
                return Given(path, response.status, response.read())
            except (http.client.IncompleteRead, ConnectionError):
                return Given(path, response.status, None)
        finally:
            connection.close()

    @contextmanager
    def private_client(self) -> Iterator[PrivateClient]:
        """Let somebody ask for a private name while the block lasts."""
        client, is_over = PrivateClient(), threading.Event()

        def ask() -> None:
            while not is_over.wait(_PAUSE_SECONDS):
                began = time.monotonic()
                given = self._get(f"/simple/{PRIVATE}/")
                client.seconds.append(time.monotonic() - began)
                client.statuses.add(given.status)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield client
        finally:
            is_over.set()
            thread.join()

    def log_lines(self) -> list[dict[str, Any]]:  # Any: whatever fields a line has
        """Return the lines of the log that the program itself wrote."""
        lines = [line for line in self.server.log_text().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]


@contextmanager
def onslaught(folder: Path, scenarios: Sequence[Scenario]) -> Iterator[Onslaught]:
    """Start upstreams and server, with an index for each scenario; the server must stop cleanly."""
    settings = {"STRONGROOM_UPSTREAM_NETWORKS": "127.0.0.1/32", "STRONGROOM_UPSTREAM_SECONDS": str(PATIENCE_SECONDS)}
    with HostileServer() as hostile:
        server = Server(folder / "data", settings=settings)
        asyncio.run(_make_indexes(server, hostile, scenarios=scenarios))
        try:
            server.start()
            server.admin("user", "create", "alice")
            token = server.admin("token", "create", "--user", "alice")
            private, _ = make_dists(folder / "private", PRIVATE)
            assert upload(f"{server.url}/legacy/", private.path, token=token, name=PRIVATE).status == 200
            yield Onslaught(server, hostile, tuple(scenarios), token, private)
            assert server.stop() == 0, server.log_text()[-4000:]
        finally:
            server.kill()


async def _make_indexes(server: Server, hostile: HostileServer, *, scenarios: Sequence[Scenario]) -> None:
    """Make them in the store before the server starts: the command line would take a second for each."""
    async with open_store(settings_of(server.data)) as services:
        await services.indexes.ensure_first(local_operator())
        urls = {SHARED: f"{hostile.root}simple/"}
        urls |= {index_of(scenario): hostile.url_of(scenario) for scenario in scenarios if _is_alone(scenario)}
        for index, url in urls.items():
            upstream = UpstreamChanges(url=url, freshness=timedelta(0))
            changes = IndexChanges(accepts_uploads=False, upstream=upstream)
            await services.indexes.create(local_operator(), index, changes=changes)


def index_of(scenario: Scenario) -> IndexName:
    """Return the index that mirrors the scenario."""
    return parse_index_name(scenario.project) if _is_alone(scenario) else SHARED


def _is_alone(scenario: Scenario) -> bool:
    return scenario.name.startswith("page-")


def workers_of(server: Server) -> set[int]:
    """Return the server's process and the ones that it has started directly."""
    return set(process_tree(server.pid)[:2])


def find_wrong_answers(tried: Sequence[Tried]) -> list[str]:
    """Return what was given as whole and is not the truth."""
    wrong = []
    for one in tried:
        truth = one.scenario.truth
        if one.file.is_whole and one.file.body != truth.content:
            wrong.append(f"{one.scenario.name}: other bytes were given as the wheel")
        if one.metadata.is_whole and one.metadata.body != truth.metadata:
            wrong.append(f"{one.scenario.name}: other bytes were given as METADATA")
    return wrong


def find_wrongly_kept(made: Onslaught) -> list[str]:
    """Return what stays kept and should not: rows and blobs that are not the true wheel's, leases, temporary files.

    What the last clients were given may still be on its way into the store, which takes a bucket some seconds.
    """
    until = time.monotonic() + _SETTLING_SECONDS
    while (wrong := _list_wrongly_kept(made)) and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
    return wrong


def _list_wrongly_kept(made: Onslaught) -> list[str]:
    truths = {scenario.truth.filename: scenario.truth for scenario in made.scenarios}
    allowed = {_digest(content) for truth in truths.values() for content in (truth.content, truth.metadata)}
    allowed |= set(_private_digests(made))
    wrong = [f"blob {path.name}" for path in _blobs(made.server.data) if path.name not in allowed]
    wrong += [f"temporary file {path.name}" for path in (made.server.data / "incoming").iterdir()]
    for row in run_statement(made.server.data, "SELECT filename, sha256, metadata_sha256, stored_at FROM copies"):
        filename, sha256, metadata_sha256, stored_at = row
        truth = truths[filename]
        is_true = sha256 == truth.sha256 or stored_at is None
        if not is_true or metadata_sha256 not in (None, _digest(truth.metadata)):
            wrong.append(f"copy {row}")
    return wrong + [f"lease {row}" for row in run_statement(made.server.data, "SELECT lease_id FROM leases")]


def find_unexplained(made: Onslaught, tried: Sequence[Tried]) -> list[str]:
    """Return the requests that failed without a line in the log that names them and the cause."""
    lines = made.log_lines()
    told = {line["path"] for line in lines if line.get("code") and line["message"] and "path" in line}
    causes = {line["filename"] for line in lines if line.get("code") and line.get("cause") and "filename" in line}
    return [
        given.path
        for one in tried
        for given in one.failed
        if given.path not in told and (given.status >= 500 or one.scenario.truth.filename not in causes)
    ]


def find_own_faults(made: Onslaught) -> list[str]:
    """Return what the log says of defects of the program itself."""
    text = made.server.log_text()
    lines = made.log_lines()
    defects = [f"{line}" for line in lines if "exception" in line or line.get("code") in _DEFECTS]
    return defects + [word for word in ("Traceback", "Unexpected exit", "panicked") if word in text]


_DEFECTS = {"fetch-failed", "upstream-page", "internal", "blob-damaged", "blob-digest", "arrival-fault"}


def _lists(page: Given, truth: Truth) -> bool:
    if not page.is_whole or page.body is None:
        return False
    listed = {file["filename"]: file["hashes"]["sha256"] for file in json.loads(page.body)["files"]}
    return listed.get(truth.filename) == truth.sha256


def _private_digests(made: Onslaught) -> Iterator[str]:
    for row in run_statement(made.server.data, "SELECT sha256, metadata_sha256 FROM files"):
        yield from row


def _blobs(data: Path) -> list[Path]:
    return [path for path in (data / "blobs" / "sha256").rglob("*") if path.is_file()]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
