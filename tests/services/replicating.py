"""A primary and its replica on stores in memory or on SQLite, and a wire between them that can be cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.inspector.inline import InlineInspector
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.adapters.memory.state import State
from strongroom.adapters.sql.catalog import SqlCatalog, open_catalog
from strongroom.adapters.sql.schema import metadata
from strongroom.core.caller import Caller
from strongroom.core.errors import StrongroomError, Unavailable
from strongroom.core.names import IndexName, Sha256, parse_filename
from strongroom.core.replica import Followed, Page, decode_page, encode_page
from strongroom.core.upload import UploadForm
from strongroom.ports import Catalog, Primary, Secrets
from strongroom.services.accounts import Accounts
from strongroom.services.audit import Audit
from strongroom.services.exemptions import Exemptions
from strongroom.services.indexes import Indexes
from strongroom.services.promotion import Dependencies, Promotions
from strongroom.services.publish import Publish
from strongroom.services.releases import Releases
from strongroom.services.replica import ChangeFeed, Follower, ReadOnlyReplica, Replica
from strongroom.services.replica.following import Stores
from strongroom.services.shield import Shield
from strongroom.services.tokens import Tokens
from tests.crash.wheel import make_wheel
from tests.factories import MAIN, OPERATOR
from tests.fake_mirror import FakeMirror
from tests.fakes import FakePasswords, FakeSeals, FrozenClock, SeededSecrets
from tests.services.house import wait

T = TypeVar("T")
URL = "http://primary.example"
OWN_TABLES = frozenset(
    {"leases", "setup_link", "turns", "followed"}  # what a process does now
    | {"store"}  # which files belong to this catalog
    | {"upstream_pages", "copies", "name_lists", "asked_names"}  # what each server keeps of upstreams itself
)
"""What is not copied; each other table is."""
_OWN_FIELDS = (OWN_TABLES - {"setup_link", "store"}) | {"setup_links", "store_ids", "is_writable"}


class Site:
    """One server: its stores and the use cases that change it."""

    def __init__(self, catalog: Catalog, clock: FrozenClock, *, secrets: Secrets | None = None) -> None:
        self.store = catalog
        self.catalog = ReadOnlyReplica(catalog)
        self.clock = clock
        self.blobs = MemoryBlobs()
        self.secrets = secrets or SeededSecrets()
        self.accounts = Accounts(self.catalog, FakePasswords(), clock)
        self.audit = Audit(self.catalog, self.secrets)
        self.exemptions = Exemptions(self.catalog, self.secrets, clock)
        self.feed = ChangeFeed(self.catalog, self.blobs, self.secrets)
        self.indexes = Indexes(self.catalog, clock, FakeSeals())
        self.releases = Releases(self.catalog, clock)
        self.shield = Shield(self.catalog, clock)
        self.tokens = Tokens(self.catalog, self.secrets, clock)
        dependencies = Dependencies(self.catalog, self.blobs, clock, FakeMirror())
        self.promotions = Promotions(self.catalog, clock, self.secrets, dependencies)
        self._publish = Publish(self.catalog, self.blobs, InlineInspector(), clock, self.secrets, 1_000_000)

    async def publish(self, project: str, version: str = "1.0", *, index: IndexName = MAIN) -> Sha256:
        """Publish a small wheel, and return its digest."""
        wheel = make_wheel(project, version)
        async with self._publish.begin(OPERATOR, index) as upload:
            await upload.write(wheel.content)
            await upload.finish(UploadForm(filename=parse_filename(wheel.filename)))
        return Sha256(wheel.sha256)

    def contents(self) -> dict[str, object]:
        """Return all that a replica shares with its primary."""
        if isinstance(self.store, MemoryCatalog):
            state = self.store._state
            names = [table.name for table in fields(State) if table.name not in _OWN_FIELDS]
            return {name: _without_order(getattr(state, name)) for name in names}
        assert isinstance(self.store, SqlCatalog)
        with self.store._database.reading() as connection:
            shared = [table for table in metadata.sorted_tables if table.name not in OWN_TABLES]
            return {
                table.name: {
                    tuple(value for name, value in row._mapping.items() if name != "row_number")
                    for row in connection.execute(select(table))
                }
                for table in shared
            }


def _without_order(rows: dict[Any, Any]) -> dict[Any, Any]:  # Any: any table
    return {key: frozenset(value) if isinstance(value, tuple) else value for key, value in rows.items() if value != ()}


async def digests(site: Site) -> set[str]:
    """Return the digests of all that the site stores."""
    return {info.sha256 async for info in site.blobs.list()}


class Wire(Primary):
    """The primary as its replica reaches it: through the bytes that go over the network."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.caller: Caller = OPERATOR
        self.is_cut = False
        self.trouble: StrongroomError | None = None
        self.lost: set[Sha256] = set()
        self.spoiled: set[Sha256] = set()
        self.asked: list[str] = []
        self.limit: int | None = None
        self.closings = 0

    async def get_page(self, since: int, *, limit: int) -> Page:
        """Return a page that was JSON on the way."""
        self._demand_wire(f"changes {since}")
        page = await self.site.feed.list_changes(self.caller, since=since, limit=min(limit, self.limit or limit))
        return decode_page(encode_page(page))

    async def read_blob(self, sha256: Sha256, *, size_bytes: int | None) -> AsyncIterator[bytes]:
        """Yield the bytes, or others."""
        self._demand_wire(f"blob {sha256}")
        if sha256 in self.lost:
            await self.site.blobs.remove(sha256)
        if sha256 in self.spoiled:
            yield b"other bytes"
            return
        async for chunk in await self.site.feed.open_blob(self.caller, sha256, size_bytes=size_bytes):
            yield chunk

    async def close(self) -> None:
        """Count it."""
        self.closings += 1

    def _demand_wire(self, question: str) -> None:
        if self.is_cut:
            raise Unavailable("primary-silent", "The primary cannot be reached", "See to it.")
        if self.trouble is not None:
            raise self.trouble
        self.asked.append(question)


class Pair:
    """A primary, its replica, and the wire between them."""

    def __init__(self, folder: Path | None = None, *, other_key: bool = False) -> None:
        self.clock = FrozenClock()
        self._folder = folder
        self.primary = self._site("primary", SeededSecrets())
        self.replica = self._site("replica", SeededSecrets("another" if other_key else "strongroom"))
        self.wire = Wire(self.primary)
        self.opened: list[tuple[str, str]] = []
        self.restart()

    def restart(self) -> None:
        """Let another process serve the replica."""
        stores = Stores(self.replica.store, self.replica.blobs, self.clock, self.replica.secrets, FakeSeals())
        self.follower = Follower(stores, self._open)
        self.use_cases = Replica(self.follower)

    def begin(self, token: str = "a-token") -> Followed:
        """Let the replica follow."""
        return wait(self.use_cases.begin(OPERATOR, URL, token=token))

    def do(self, *work: Coroutine[Any, Any, object]) -> None:  # Any: what coroutines yield and take
        """Let things happen on the primary."""
        for one in work:
            wait(one)

    def catch_up(self) -> None:
        """Let the replica look once."""
        wait(self.follower.catch_up())

    def is_level(self) -> bool:
        """Return whether both hold the same, down to the last row and hash."""
        return self.primary.contents() == self.replica.contents()

    def close(self) -> None:
        """Close the stores."""
        wait(self.primary.store.close())
        wait(self.replica.store.close())

    def _site(self, name: str, secrets: Secrets) -> Site:
        key = secrets.derive_key("audit")
        if self._folder is None:
            return Site(MemoryCatalog(chain_key=key), self.clock, secrets=secrets)
        catalog = open_catalog(f"sqlite:///{self._folder / name}.sqlite3", chain_key=key)
        return Site(catalog, self.clock, secrets=secrets)

    def _open(self, url: str, token: str) -> Primary:
        self.opened.append((url, token))
        return self.wire
