"""The application in one process, on a catalog in memory that forgets what a request has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Message

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.inspector.inline import InlineInspector
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.index_settings import IndexChanges
from strongroom.core.names import IndexName, ProjectPattern, parse_filename, parse_index_name, parse_user_name
from strongroom.core.ownership import Places
from strongroom.core.reservations import Hold
from strongroom.core.rules import Rules
from strongroom.core.upload import UploadForm
from strongroom.http.assembly import Assembled, Parts, assemble
from strongroom.http.lane import LANE_ROUTES, Lane
from strongroom.services import Services
from strongroom.services.accounts import Accounts
from strongroom.services.audit import Audit
from strongroom.services.backup import Backups
from strongroom.services.browse import Browse
from strongroom.services.download import Download
from strongroom.services.exemptions import Exemptions
from strongroom.services.explain import Explain
from strongroom.services.importing import Importing
from strongroom.services.indexes import Indexes
from strongroom.services.ownership import Ownership
from strongroom.services.prefetch import Prefetch
from strongroom.services.promotion import Dependencies, Promotions
from strongroom.services.publish import Publish
from strongroom.services.releases import Releases
from strongroom.services.removing import Removing
from strongroom.services.replica import ChangeFeed, Follower, Replica
from strongroom.services.replica.following import Stores
from strongroom.services.setup import Setup
from strongroom.services.shield import Shield, Wish
from strongroom.services.sign_in import SignIn
from strongroom.services.sweep import Sweep
from strongroom.services.tokens import Tokens
from strongroom.services.trial import Trial
from strongroom.services.turns import Turns
from strongroom.services.upkeep import Upkeep
from tests.access_matrix.exempting import add_exemptions
from tests.access_matrix.oracle import EXISTING_INDEXES, EXISTING_PROJECTS, OPEN_INDEXES
from tests.access_matrix.promoting import add_promotions
from tests.crash.wheel import make_wheel
from tests.factories import OPERATOR
from tests.fake_mirror import FakeAsked, FakeMirror, a_passage
from tests.fakes import FakePasswords, FakeSeals, FrozenClock, NoTables, SeededSecrets, no_primary

_ATTESTATIONS = '[{"version": 1, "verification_material": {}, "envelope": {}}]'
HELD_NAME = ProjectPattern("held")
"""What each index reserves."""
_LIMIT_BYTES = 10 * 1024 * 1024
Headers = tuple[tuple[bytes, bytes], ...]


class ForgetfulCatalog(MemoryCatalog):
    """A memory catalog that can go back to a state that it once had."""

    def remember(self) -> object:
        """Return the committed state."""
        return self._state

    def go_back(self, state: object) -> None:
        """Make that the committed state again, as if nothing had been written since."""
        if self._state is not state:
            self._state = state  # type: ignore[assignment]  # `remember` gives nothing else
            self._change_mark += 1


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and whether the request had changed anything."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    events: int

    @property
    def bytes(self) -> tuple[int, tuple[tuple[bytes, bytes], ...], bytes]:
        """Return all that the client sees; no header of ours depends on the time."""
        return self.status, self.headers, self.body


@dataclass(frozen=True, slots=True)
class Ask:
    """A request."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""


class World:
    """Three indexes with two projects each, and a way to ask."""

    def __init__(self, directory: Path) -> None:
        """Fill the stores; the identities come later."""
        self.catalog = ForgetfulCatalog(chain_key=bytes(32))
        self.clock, self.passwords = FrozenClock(), FakePasswords()
        self.services = _make_services(
            self.catalog, LocalBlobs(directory, 0), clock=self.clock, passwords=self.passwords
        )
        self._runner = asyncio.Runner()
        self.run = self._runner.run
        for index in sorted(EXISTING_INDEXES):
            self.run(self._fill(parse_index_name(index)))
        self.run(self.catalog.write(add_promotions))
        self.run(self.catalog.write(add_exemptions))
        parts = Parts(services=self.services, default_index=IndexName("main"))
        self.assembled: Assembled = assemble(parts)
        self.run(self.assembled.cache.refresh())

    def close(self) -> None:
        """End the event loop."""
        self._runner.close()

    def paths(self) -> set[str]:
        """Return the path of every route of the application: lane, router, API."""
        lane = _find_lane(self.assembled.app)
        router = lane.following
        assert isinstance(router, Starlette)
        self.run(self.assembled.api.prepare())
        return {route.path for route in LANE_ROUTES} | set(self._walk(router, ""))

    def ask(self, request: Ask) -> Reply:
        """Send the request, note the answer, and take back what it changed."""
        before = self.catalog.remember()
        reply = self.run(_exchange(self.assembled.app, request))
        if self.catalog.remember() is before:
            return reply
        serial = self._serial()
        self.catalog.go_back(before)
        return replace(reply, events=serial - self._serial())

    def forget_user(self, name: str) -> None:
        """Disable a user, as an administrator does."""
        self.run(self.services.accounts.disable(OPERATOR, parse_user_name(name)))

    async def exchange(self, request: Ask) -> Reply:
        """Send a request that changes nothing."""
        return await _exchange(self.assembled.app, request)

    def _serial(self) -> int:
        return self.run(self.catalog.read(lambda tx: tx.events.serial()))

    def _walk(self, app: object, start: str) -> Iterator[str]:
        for route in getattr(app, "routes", ()):
            if isinstance(route, Mount):
                mounted = self.run(self.assembled.api.prepare()) if route.app is self.assembled.api else route.app
                yield from self._walk(mounted, start + route.path)
            else:
                assert isinstance(route, StarletteRoute), f"{route} is a kind of route that the matrix does not know"
                yield start + route.path

    async def _fill(self, index: IndexName) -> None:
        changes = IndexChanges(anonymous_read=index in OPEN_INDEXES, rules=Rules(takes_sdists=False))
        await self.services.indexes.create(OPERATOR, index, changes=changes)
        await self.services.shield.hold(OPERATOR, Wish(index, HELD_NAME, Hold.RESERVED))
        for project in sorted(name for name in EXISTING_PROJECTS if name.endswith(f"-{index}")):
            wheel = make_wheel(project, "1.0")
            async with self.services.publish.begin(OPERATOR, index) as upload:
                await upload.write(wheel.content)
                await upload.finish(UploadForm(filename=parse_filename(wheel.filename), attestations=_ATTESTATIONS))


def _make_services(
    catalog: ForgetfulCatalog, blobs: LocalBlobs, *, clock: FrozenClock, passwords: FakePasswords
) -> Services:
    secrets = SeededSecrets()
    publish = Publish(catalog, blobs, InlineInspector(), clock, secrets, _LIMIT_BYTES)
    return Services(
        catalog=catalog,
        blobs=blobs,
        clock=clock,
        secrets=secrets,
        accounts=Accounts(catalog, passwords, clock),
        audit=Audit(catalog, secrets),
        backups=Backups(NoTables(), catalog, blobs, clock, secrets),
        browse=Browse(catalog, blobs, FakeMirror(), FakeAsked(), clock),
        change_feed=ChangeFeed(catalog, blobs, secrets),
        download=Download(catalog, blobs, FakeMirror(), clock),
        exemptions=Exemptions(catalog, secrets, clock),
        explain=Explain(catalog, FakeMirror(), clock),
        importing=Importing(publish),
        indexes=Indexes(catalog, clock, FakeSeals()),
        ownership=Ownership(catalog, blobs, clock, secrets, Places("here", "here")),
        passage=a_passage(catalog, blobs, clock=clock, secrets=secrets),
        prefetch=Prefetch(catalog, FakeMirror(), clock),
        promotions=Promotions(catalog, clock, secrets, Dependencies(catalog, blobs, clock)),
        publish=publish,
        releases=Releases(catalog, clock),
        replica=Replica(Follower(Stores(catalog, blobs, clock, secrets, FakeSeals()), no_primary)),
        setup=Setup(catalog, secrets, clock),
        shield=Shield(catalog, clock),
        sign_in=SignIn(catalog, secrets, passwords, clock),
        sweep=Sweep(catalog, blobs, clock, Removing(catalog, blobs, clock)),
        tokens=Tokens(catalog, secrets, clock),
        trial=Trial(catalog, clock),
        turns=Turns(catalog, clock),
        upkeep=Upkeep(catalog, blobs, clock),
    )


def _find_lane(app: object) -> Lane:
    while not isinstance(app, Lane):
        app = getattr(app, "_app", None) or getattr(app, "app", None)
        assert app is not None, "there is no lane in the application"
    return app


async def _exchange(app: ASGIApp, request: Ask) -> Reply:
    path, _, query = request.path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method, "scheme": "https",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"packages.example"), (b"content-length", b"%d" % len(request.body)), *request.headers],
        "client": ("192.0.2.1", 40000), "server": ("packages.example", 443), "extensions": {},
    }  # fmt: skip
    messages = [{"type": "http.request", "body": request.body, "more_body": False}]
    start: list[Message] = []
    body = bytearray()

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.append(message)
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    (first,) = start
    return Reply(first["status"], tuple((bytes(key), bytes(value)) for key, value in first["headers"]), bytes(body), 0)
