"""A store that can be backed up: a real catalog in a file, blobs in memory, and one of everything in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from strongroom.adapters.backup.memory import MemoryTarget
from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.core.backup import LEFT_OUT, Row
from strongroom.core.events import UserCreated
from strongroom.core.model import Lease, SetupLink, Tombstone
from strongroom.core.names import Sha256, parse_filename
from strongroom.ports import Transaction
from strongroom.services.audit import Audit, ChainReport
from strongroom.services.backup import Backups, CreateReport, KeyRing, VerifyReport, verify_backup
from tests.factories import (
    MAIN,
    OPERATOR,
    a_copy,
    a_file,
    a_grant,
    a_name_list,
    a_project,
    a_token,
    a_user,
    an_index,
    sha256_of,
)
from tests.fakes import START, FrozenClock, SeededSecrets
from tests.services.house import wait

T = TypeVar("T")

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
KEY = b"k" * 32
BLOBS = {sha256_of(text) for text in (WHEEL, SDIST, "metadata", "six-1.0.tar.gz", "names")}


class Seeds:
    """Secrets that depend on a key, as the server's do."""

    def __init__(self, key: bytes = KEY) -> None:
        self._seeded = SeededSecrets(key.hex())
        self.token_bytes = self._seeded.token_bytes
        self.derive_key = self._seeded.derive_key


class Stock:
    """A store on a database of its own."""

    def __init__(self, url: str, *, key: bytes = KEY) -> None:
        self.secrets = Seeds(key)
        self.catalog = open_catalog(url, chain_key=self.secrets.derive_key("audit"))
        self.blobs = MemoryBlobs()
        self.clock = FrozenClock()
        self.backups = Backups(self.catalog, self.catalog, self.blobs, self.clock, self.secrets)

    def close(self) -> None:
        """Close the catalog."""
        wait(self.catalog.close())

    def change(self, fn: Callable[[Transaction], T]) -> T:
        """Change the catalog as no use case would."""
        return wait(self.catalog.write(fn))

    def look(self, fn: Callable[[Transaction], T]) -> T:
        """Read the catalog."""
        return wait(self.catalog.read(fn))

    def put(self, text: str) -> Sha256:
        """Store a blob."""
        return wait(self.blobs.put(text.encode()))

    def create(self, target: MemoryTarget, *, with_cache: bool = True, key: bytes | None = None) -> CreateReport:
        """Back the store up, a second after the last time."""
        self.clock.advance(timedelta(seconds=1))
        return wait(self.backups.create(OPERATOR, target, with_cache=with_cache, key=key))

    def verify(self, target: MemoryTarget, name: str | None = None) -> VerifyReport:
        """Prove a backup with the store's own key at hand."""
        return wait(verify_backup(target, name, keys=KeyRing(self.secrets, Seeds)))

    def audit(self) -> ChainReport:
        """Compute the audit chain anew."""
        return wait(Audit(self.catalog, self.secrets).verify(OPERATOR))

    def tables(self) -> dict[str, list[Row]]:
        """Return all rows of all tables."""
        return wait(
            self.catalog.export(lambda found: {shape.name: list(found.rows(shape)) for shape in found.shapes()})
        )

    def stored(self) -> set[Sha256]:
        """Return what blobs there are."""

        async def collect() -> set[Sha256]:
            return {info.sha256 async for info in self.blobs.list()}

        return asyncio.run(collect())

    def fill(self) -> None:
        """Put one of everything into it: users, tokens, files, a tombstone, what is kept of an upstream, events."""
        for text in (WHEEL, SDIST, "metadata", "six-1.0.tar.gz", "names"):
            self.put(text)
        self.change(_fill)

    def delete_sdist(self) -> None:
        """Delete a file, as the use case does it."""
        tombstone = Tombstone(
            index=MAIN,
            filename=parse_filename(SDIST),
            project=a_project().name,
            sha256=a_file(SDIST).sha256,
            deleted_at=START,
        )
        self.change(lambda tx: tx.files.bury(tombstone))


def carried(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Return the tables that a backup is about."""
    return {name: rows for name, rows in tables.items() if name not in LEFT_OUT}


def open_stock(folder: Path, name: str = "store", *, key: bytes = KEY) -> Stock:
    """Open a store in a file below the folder."""
    return Stock(f"sqlite:///{folder}/{name}.db", key=key)


def _fill(tx: Transaction) -> None:
    tx.indexes.add(an_index())
    tx.users.add(a_user("bob", password="secret"))
    tx.users.add_grant(a_user("bob").name, a_grant())
    tx.tokens.add(a_token())
    tx.projects.save(a_project())
    tx.files.add(replace(a_file(WHEEL), metadata_sha256=sha256_of("metadata")))
    tx.files.add(a_file(SDIST))
    tx.copies.save(a_copy("six-1.0.tar.gz"))
    tx.copies.save(a_copy("six-2.0.tar.gz", is_stored=False))
    tx.name_lists.save(a_name_list(sha256=sha256_of("names")))
    tx.leases.add(Lease("upload", START, ()))
    tx.leases.put_setup_link(SetupLink(digest=b"d" * 32, expires_at=START))
    for name in ("bob", "eve"):
        tx.events.append(UserCreated(user=a_user(name).name), at=START, actor=OPERATOR.actor)
