"""A reading room: the whole reading side on a memory catalog, asked through a tiny ASGI client.

Not a fixture of its own kind of server: lane, router and error layer are the real ones.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec
from starlette.types import ASGIApp, Message, Scope

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import Grant, Token
from strongroom.core.access import Scope as TokenScope
from strongroom.core.events import Actor, IndexCreated, ProjectEvent, StatusChanged, TokenIssued, Uploaded
from strongroom.core.model import File, Index, Project, ProjectStatus
from strongroom.core.names import parse_project_name
from strongroom.core.tokens import ID_BYTES, SECRET_BYTES, make_token, secret_digest
from strongroom.http.app import Guard, build_router
from strongroom.http.auth import Authenticator
from strongroom.http.cache import Cache
from strongroom.http.entrance import Catching
from strongroom.http.files import Files
from strongroom.http.integrity import Integrity
from strongroom.http.jsonapi import JsonApi
from strongroom.http.lane import Lane
from strongroom.http.pages import Pages
from strongroom.ports import Blobs, Transaction
from strongroom.services.browse import Browse
from strongroom.services.download import Download
from strongroom.services.sign_in import SignIn
from tests.factories import MAIN, a_project, a_token, a_user, an_index
from tests.fake_mirror import FakeAsked, FakeMirror
from tests.fakes import START, FakePasswords, FrozenClock, SeededSecrets

T = TypeVar("T")

PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
_ACTOR = Actor(name="test")


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; a body that is not whole was broken off."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool = True

    # Any would hide nothing here: a body is whatever JSON says, and each test says what it expects.
    def json(self) -> dict[str, object]:
        """Return the body as a JSON object."""
        return msgspec.json.decode(self.body, type=dict[str, object])


class CountingCatalog(MemoryCatalog):
    """A memory catalog that counts how often it is read."""

    reads = 0

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Count, and read."""
        self.reads += 1
        return await super().read(fn)


@dataclass(slots=True)
class ReadingRoom:
    """An index server with nothing but readers."""

    catalog: CountingCatalog
    blobs: Blobs
    clock: FrozenClock
    secrets: SeededSecrets
    app: ASGIApp
    cache: Cache
    runner: asyncio.Runner
    mirror: FakeMirror
    extensions: dict[str, dict[str, object]] = field(default_factory=dict)

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run to the end on the room's event loop."""
        return self.runner.run(coroutine)

    def get(self, path: str, *, token: str | None = None, method: str = "GET", **headers: str) -> Reply:
        """Ask; a header is given by its name with underscores."""
        return self.run(self.ask(path, token=token, method=method, headers=headers))

    async def ask(
        self, path: str, *, token: str | None = None, method: str = "GET", headers: dict[str, str] | None = None
    ) -> Reply:
        """Ask within a coroutine."""
        sent = {"host": "packages.example", **(headers or {})}
        raw = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
        if token is not None:
            raw.append((b"authorization", b"Basic " + base64.b64encode(f"__token__:{token}".encode())))
        location, _, query = path.partition("?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": location,
            "raw_path": location.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": raw,
            "client": ("192.0.2.1", 40000),
            "server": ("packages.example", 443),
            "extensions": self.extensions,
        }
        return await _exchange(self.app, scope)

    def add_index(self, name: str, *, anonymous_read: bool = False) -> Index:
        """Make an index."""
        return self.store_index(an_index(name, anonymous_read=anonymous_read))

    def store_index(self, index: Index) -> Index:
        """Store an index with all its settings."""

        def change(tx: Transaction) -> Index:
            tx.indexes.add(index)
            tx.events.append(
                IndexCreated(index=index.name, anonymous_read=index.anonymous_read), at=START, actor=_ACTOR
            )
            return index

        return self.run(self.catalog.write(change))

    def add_token(self, user: str, *grants: Grant, scope: TokenScope | None = None, admin: bool = False) -> str:
        """Make a user with these grants, and return the text of a token of his."""
        text = make_token(self.secrets.token_bytes(ID_BYTES), self.secrets.token_bytes(SECRET_BYTES))
        digest = secret_digest(self.secrets.derive_key("tokens"), text.secret)
        token: Token = replace(a_token(text.token_id, owner=user, scope=scope), digest=digest)

        def change(tx: Transaction) -> None:
            tx.users.add(a_user(user, admin=admin))
            for grant in grants:
                tx.users.add_grant(token.owner, grant)
            tx.tokens.add(token)
            tx.events.append(TokenIssued(token=token.token_id, owner=token.owner), at=START, actor=_ACTOR)

        self.run(self.catalog.write(change))
        return text.render()

    def publish(self, file: File, content: bytes | None = None, *, metadata: bytes | None = None) -> File:
        """Store a file as an upload would have: bytes, row, event."""
        content = file.filename.encode() if content is None else content
        stored = replace(file, sha256=self.run(self.blobs.put(content)), size_bytes=len(content))
        if metadata is not None:
            stored = replace(stored, metadata_sha256=self.run(self.blobs.put(metadata)), serves_metadata=True)
        event = Uploaded(
            index=stored.index,
            project=stored.project,
            version=str(stored.version),
            filename=stored.filename,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
        )

        def change(tx: Transaction) -> File:
            serial = tx.events.append(event, at=START, actor=_ACTOR)
            _save_project(tx, stored, serial=serial)
            tx.files.add(replace(stored, serial=serial))
            return replace(stored, serial=serial)

        return self.run(self.catalog.write(change))

    def replace_file(self, file: File, event: ProjectEvent) -> None:
        """Change a file's row together with the event that tells of it."""

        def change(tx: Transaction) -> None:
            serial = tx.events.append(event, at=START, actor=_ACTOR)
            tx.files.replace(file)
            _save_project(tx, file, serial=serial)

        self.run(self.catalog.write(change))

    def set_status(self, name: str, status: ProjectStatus, *, reason: str | None = None) -> None:
        """Set a project's status."""
        project = parse_project_name(name)

        def change(tx: Transaction) -> None:
            event = StatusChanged(index=MAIN, project=project, status=status.value, reason=reason or "")
            serial = tx.events.append(event, at=START, actor=_ACTOR)
            found = tx.projects.find(MAIN, project)
            assert found is not None
            tx.projects.save(replace(found, status=status, status_reason=reason, serial=serial))

        self.run(self.catalog.write(change))


@contextmanager
def reading_room(
    directory: Path | None = None, *, public_url: str | None = None, blobs: Blobs | None = None
) -> Iterator[ReadingRoom]:
    """Open a room with the index `main`; its blobs are those given, in the directory, or in memory."""
    with asyncio.Runner() as runner:
        catalog, clock, secrets = CountingCatalog(), FrozenClock(), SeededSecrets()
        if blobs is None:
            blobs = MemoryBlobs() if directory is None else LocalBlobs(directory, 0)
        cache = Cache(catalog, clock)
        authenticator = Authenticator(
            SignIn(catalog, secrets, FakePasswords(), clock), cache, clock=clock, trusted_proxies=()
        )
        mirror = FakeMirror()
        browse = Browse(catalog, blobs, mirror, FakeAsked(), clock)
        download = Download(catalog, blobs, mirror, clock)
        json_api = JsonApi(browse, cache, default_index=MAIN, public_url=public_url)
        routes = [*json_api.routes(), *Integrity(download, default_index=MAIN).routes()]
        lane = Lane(
            build_router(Guard(authenticator, cache, MAIN), routes),
            authenticator=authenticator,
            cache=cache,
            pages=Pages(browse, cache, clock=clock, public_url=public_url),
            files=Files(download, cache),
            default_index=MAIN,
        )
        room = ReadingRoom(catalog, blobs, clock, secrets, Catching(lane), cache, runner, mirror)
        room.add_index("main")
        yield room


def _save_project(tx: Transaction, file: File, *, serial: int) -> None:
    found: Project = tx.projects.find(file.index, file.project) or replace(a_project(file.project), index=file.index)
    tx.projects.save(replace(found, serial=serial))


async def _exchange(app: ASGIApp, scope: Scope) -> Reply:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        messages.append(message)

    await app(scope, receive, send)
    start, *rest = messages
    names = [name for name, _ in start["headers"]]
    assert len(set(names)) == len(names), f"a header was sent twice: {names}"
    body = b"".join(_part_body(part) for part in rest)
    headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    is_whole = not rest[-1].get("more_body", False)
    assert scope["method"] == "HEAD" or not is_whole or int(headers.get("content-length", len(body))) == len(body)
    return Reply(start["status"], headers, body, is_whole)


def _part_body(part: Message) -> bytes:
    return Path(part["path"]).read_bytes() if "path" in part else bytes(part["body"])
