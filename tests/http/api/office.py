"""An office: the API on a memory catalog behind the real router, and a client that asks it.

Ada administers, Bob is a member of every index, Carol reads acme-* in main. Every
request goes through the real sign-in with a real token.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import httpx2
import msgspec
from starlette.types import ASGIApp

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import MEMBER_RIGHTS, Grant, Right
from strongroom.core.delegation import TokenRequest
from strongroom.core.events import Actor, Event, IndexCreated, Uploaded, UserCreated
from strongroom.core.model import File, Yank
from strongroom.core.names import parse_index_name, parse_user_name
from strongroom.http.api.application import build_api
from strongroom.http.api.late import PATH
from strongroom.http.app import Guard, build_router
from strongroom.http.auth import Authenticator
from strongroom.http.body import BodyGuard
from strongroom.http.cache import Cache
from strongroom.http.entrance import Catching
from strongroom.ports import Transaction
from strongroom.services.accounts import Accounts
from strongroom.services.audit import Audit
from strongroom.services.browse import Browse
from strongroom.services.download import Download
from strongroom.services.exemptions import Exemptions
from strongroom.services.explain import Explain
from strongroom.services.indexes import Indexes
from strongroom.services.promotion import Dependencies, Promotions
from strongroom.services.releases import Releases
from strongroom.services.replica import ChangeFeed, Follower, Replica
from strongroom.services.replica.following import Stores
from strongroom.services.shield import Shield
from strongroom.services.sign_in import SignIn
from strongroom.services.tokens import Tokens
from strongroom.services.trial import Trial
from tests.factories import MAIN, OPERATOR, a_file, a_grant, a_project, a_user, an_index
from tests.fake_mirror import FakeAsked, FakeMirror
from tests.fakes import START, FakePasswords, FakeSeals, FrozenClock, SeededSecrets, no_primary

T = TypeVar("T")
PASSWORD = "four plain random words"
NOT_FOUND = {
    "title": "Not Found",
    "status": 404,
    "detail": "There is nothing here, or you may not see it. Check the name, the URL and your rights.",
    "code": "not-found",
}
_ACTOR = Actor(name="test")


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the API works with."""

    accounts: Accounts
    audit: Audit
    browse: Browse
    change_feed: ChangeFeed
    download: Download
    exemptions: Exemptions
    explain: Explain
    indexes: Indexes
    promotions: Promotions
    releases: Releases
    replica: Replica
    shield: Shield
    tokens: Tokens
    trial: Trial


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """Return the body as a JSON object."""
        return msgspec.json.decode(self.body, type=dict[str, object])


class Office:
    """The server's side and the client's."""

    def __init__(self) -> None:
        """Open an office with an empty index `main`, and three people."""
        self.clock = FrozenClock()
        secrets, passwords = SeededSecrets(), FakePasswords()
        self.catalog = MemoryCatalog(chain_key=secrets.derive_key("audit"))
        self.mirror = FakeMirror()
        self.blobs = MemoryBlobs()
        self.use_cases = UseCases(
            accounts=Accounts(self.catalog, passwords, self.clock),
            audit=Audit(self.catalog, secrets),
            browse=Browse(self.catalog, MemoryBlobs(), self.mirror, FakeAsked(), self.clock),
            change_feed=ChangeFeed(self.catalog, self.blobs, secrets),
            download=Download(self.catalog, MemoryBlobs(), self.mirror, self.clock),
            exemptions=Exemptions(self.catalog, secrets, self.clock),
            explain=Explain(self.catalog, self.mirror, self.clock),
            indexes=Indexes(self.catalog, self.clock, FakeSeals()),
            promotions=Promotions(
                self.catalog, self.clock, secrets, Dependencies(self.catalog, MemoryBlobs(), self.clock, self.mirror)
            ),
            releases=Releases(self.catalog, self.clock),
            replica=Replica(Follower(Stores(self.catalog, self.blobs, self.clock, secrets, FakeSeals()), no_primary)),
            shield=Shield(self.catalog, self.clock),
            tokens=Tokens(self.catalog, secrets, self.clock),
            trial=Trial(self.catalog, self.clock),
        )
        cache = Cache(self.catalog, self.clock)
        authenticator = Authenticator(
            SignIn(self.catalog, secrets, passwords, self.clock), cache, clock=self.clock, trusted_proxies=()
        )
        self.passwords = passwords
        self.guard = Guard(authenticator, cache, MAIN)
        self.api = build_api(self.use_cases, self.guard, server_url=PATH)
        self.mount(self.api)
        self.add_index("main")
        self.add_user("ada", admin=True, password=PASSWORD)
        self.add_user("bob", Grant(rights=MEMBER_RIGHTS), password=PASSWORD)
        self.add_user("carol", a_grant(Right.READ, index="main", projects="acme-*"))
        self.ada = self.issue("ada", Right.ADMINISTER)
        self.bob = self.issue("bob", Right.READ, Right.UPLOAD, Right.YANK)
        self.carol = self.issue("carol", Right.READ)
        self._quiet_until = self.serial()

    def mount(self, api: ASGIApp) -> None:
        """Put an API behind the real router, error layer and body limit."""
        self._app = BodyGuard(Catching(build_router(self.guard, [], mounts=[(PATH, api)])))

    def ask(
        self, method: str, path: str, *, token: str | None = None, json: object = None, **more: str | bytes
    ) -> Reply:
        """Send a request; `basic` is a user name and a password, `body`, `content_type` and `cookie` go as they are."""
        headers = {"user-agent": "a-client/1.0"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if "basic" in more:
            headers["authorization"] = f"Basic {base64.b64encode(str(more['basic']).encode()).decode()}"
        if "nonce" in more:
            headers["strongroom-nonce"] = str(more["nonce"])
        body = more.get("body")
        if json is not None:
            body = msgspec.json.encode(json)
        if body is not None:
            headers["content-type"] = str(more.get("content_type", "application/json"))
        if "cookie" in more:
            headers["cookie"] = str(more["cookie"])
        return asyncio.run(self._send(method, PATH + path, headers=headers, body=body))

    async def _send(self, method: str, path: str, *, headers: dict[str, str], body: str | bytes | None) -> Reply:
        transport = httpx2.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://packages.example") as client:
            response = await client.request(method, path, headers=headers, content=body)
            return Reply(response.status_code, dict(response.headers), response.content)

    def issue(self, owner: str, *rights: Right) -> str:
        """Make a token of the owner's, and return its text."""
        wanted = TokenRequest(owner=parse_user_name(owner), rights=frozenset(rights), lifetime=None)
        return asyncio.run(self.use_cases.tokens.issue(OPERATOR, wanted)).text.render()

    def add_user(self, name: str, *grants: Grant, admin: bool = False, password: str | None = None) -> None:
        """Make a user with these grants."""
        user = a_user(name, admin=admin, password=password)

        def change(tx: Transaction) -> None:
            tx.users.add(user)
            for grant in grants:
                tx.users.add_grant(user.name, grant)
            tx.events.append(UserCreated(user=user.name), at=START, actor=_ACTOR)

        self.write(change)

    def add_index(self, name: str, *, anonymous_read: bool = False) -> None:
        """Make an index."""
        index = an_index(name, anonymous_read=anonymous_read)

        def change(tx: Transaction) -> None:
            tx.indexes.add(index)
            tx.events.append(IndexCreated(index=index.name), at=START, actor=_ACTOR)

        self.write(change)

    def add_file(self, filename: str, *, index: str = "main", yank: Yank | None = None) -> File:
        """Publish a file, as far as the catalog is concerned; later requests start after its event."""
        file = a_file(filename, index=index, yank=yank)

        def change(tx: Transaction) -> None:
            event = Uploaded(
                index=file.index,
                project=file.project,
                version=str(file.version),
                filename=file.filename,
                sha256=file.sha256,
                size_bytes=file.size_bytes,
            )
            serial = tx.events.append(event, at=START, actor=_ACTOR)
            tx.projects.save(a_project(file.project, index=index, serial=serial))
            tx.files.add(a_file(filename, index=index, serial=serial, yank=yank))

        self.write(change)
        self._quiet_until = self.serial()
        return file

    def settle(self) -> None:
        """Count what has happened so far to the furniture."""
        self._quiet_until = self.serial()

    def events(self) -> list[Event]:
        """Return what happened since the office was furnished."""
        return [entry.event for entry in self.read(lambda tx: tx.events.since(self._quiet_until))]

    def files(self, index: str = "main", project: str = "demo") -> tuple[File, ...]:
        """Return the project's files as they are stored."""
        name, target = parse_index_name(index), a_project(project).name
        return self.read(lambda tx: tx.files.list(name, target))

    def serial(self) -> int:
        """Return the catalog's serial."""
        return self.read(lambda tx: tx.events.serial())

    def read(self, fn: Callable[[Transaction], T]) -> T:
        """Look into the catalog."""
        return asyncio.run(self.catalog.read(fn))

    def write(self, fn: Callable[[Transaction], T]) -> T:
        """Change the catalog behind the API's back."""
        return asyncio.run(self.catalog.write(fn))
