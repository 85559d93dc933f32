"""The change feed: what a replica asks its primary for. Administrators only.

It carries everything that the events speak of, digests of tokens and hashes of
passwords too, and is signed with the key that primary and replica share. Not in it: what
is kept of upstreams, uploads in flight, times of last use.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from strongroom.core.access import SERVER, Right, Signed
from strongroom.core.caller import Caller
from strongroom.core.errors import InvalidRequest, NotFound, StorageFault, TooLarge, Unavailable
from strongroom.core.events import FIRST_HASH
from strongroom.core.model import File, Tombstone
from strongroom.core.names import Sha256
from strongroom.core.replica import FORMAT, MOST_EVENTS, PAGE_KEY, Page, sign_page
from strongroom.core.replica_rows import Rows, TokenRow, UserRow
from strongroom.core.touched import Touched, touched_by, unite
from strongroom.ports import Blobs, Catalog, Secrets, Transaction

_LACKS_IT = ("blob-missing", "blob-short", "blob-damaged")
"""Faults that mean: the store answers, and does not have these bytes."""
_LARGEST_AT_ONCE = 32 * 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChangeFeed:
    """The use cases of a primary."""

    catalog: Catalog
    blobs: Blobs
    secrets: Secrets

    def sign(self, body: bytes, *, nonce: str) -> str:
        """Return the signature of an answer to the question with that nonce."""
        return sign_page(self.secrets.derive_key(PAGE_KEY), body, nonce=nonce)

    async def list_changes(self, caller: Caller, *, since: int, limit: int = MOST_EVENTS) -> Page:
        """Return the events after that serial, `limit` at most, and the rows that they are about as they stand."""
        if since < 0 or not 1 <= limit <= MOST_EVENTS:
            raise InvalidRequest(
                "limit", f"{limit} changes cannot be listed at once", f"Ask for 1 to {MOST_EVENTS}, then page."
            )

        def load(tx: Transaction) -> Page:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            entries = tx.events.since(since, limit)
            return Page(
                format=FORMAT,
                since=since,
                since_hash=load_hash(tx, since),
                head=tx.events.serial(),
                entries=entries,
                rows=_load_rows(tx, unite(touched_by(entry.event) for entry in entries)),
            )

        page = await self.catalog.read(load)
        if since == 0:
            token = caller.principal.token_id if isinstance(caller.principal, Signed) else None
            _log.info("everything is being copied", extra={"fields": {"token": token, "address": caller.address}})
        return page

    async def open_blob(self, caller: Caller, sha256: Sha256, *, size_bytes: int | None) -> AsyncIterator[bytes]:
        """Return the bytes of that digest in chunks; without a size it is a small blob, read at once.

        Raises `NotFound` when there are none, or none so long; `Unavailable` when the store
        cannot say: the replica must not take that for a loss. `TooLarge` asks for the size.
        """
        await self.catalog.read(lambda tx: caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list()))
        try:
            if size_bytes is None:
                await self._demand_small(sha256)
                return _after(await self.blobs.get(sha256))
            chunks = self.blobs.stream(sha256, 0, stop=size_bytes)
            return _after(await anext(chunks, b""), chunks)
        except StorageFault as fault:
            if fault.code in _LACKS_IT:
                raise NotFound("blob-unknown", f"There are no such bytes: {fault.message}") from fault
            raise Unavailable(fault.code, fault.message, "Look into this server's log.") from fault

    async def _demand_small(self, sha256: Sha256) -> None:
        """Raise `TooLarge` for a blob that is too large to be read at once."""
        try:
            async for _ in self.blobs.stream(sha256, _LARGEST_AT_ONCE, stop=_LARGEST_AT_ONCE + 1):
                raise TooLarge("blob-size", "These bytes are too many to be read at once", "Say size_bytes.")
        except StorageFault as fault:
            if fault.code not in _LACKS_IT:
                raise


def load_hash(tx: Transaction, serial: int) -> bytes:
    """Return the chain hash of that entry, empty where there is none; that of serial 0 is what all begin with."""
    if serial == 0:
        return FIRST_HASH
    found = tx.events.since(serial - 1, 1)
    return found[0].chain_hash if found else b""


def _load_rows(tx: Transaction, touched: Touched) -> Rows:
    indexes = {name: tx.indexes.find(name) for name in touched.indexes}
    projects = {key: tx.projects.find(*key) for key in touched.projects}
    files, tombstones = _load_files(tx, touched)
    return Rows(
        indexes=tuple(index for index in indexes.values() if index is not None),
        lost_indexes=tuple(name for name, index in indexes.items() if index is None),
        holders=touched.indexes,
        reservations=tuple(row for row in tx.reservations.list() if row.index in indexes),
        projects=tuple(project for project in projects.values() if project is not None),
        lost_projects=tuple(key for key, project in projects.items() if project is None),
        files=files,
        tombstones=tombstones,
        users=_load_users(tx, touched),
        tokens=_load_tokens(tx, touched),
        exemptions=tuple(row for key in touched.exemptions if (row := tx.exemptions.find(key)) is not None),
        promotions=tuple(found for key in touched.promotions if (found := tx.promotions.find(key)) is not None),
    )


def _load_files(tx: Transaction, touched: Touched) -> tuple[tuple[File, ...], tuple[Tombstone, ...]]:
    files = [tx.files.find(*key) for key in touched.files]
    tombstones = [tx.files.find_tombstone(*key) for key in touched.files]
    return tuple(row for row in files if row is not None), tuple(row for row in tombstones if row is not None)


def _load_users(tx: Transaction, touched: Touched) -> tuple[UserRow, ...]:
    found = tx.users.list() if touched.everybody else [tx.users.find(name) for name in touched.users]
    return tuple(UserRow(user=user, grants=tx.users.list_grants(user.name)) for user in found if user is not None)


def _load_tokens(tx: Transaction, touched: Touched) -> tuple[TokenRow, ...]:
    """Return the tokens with those that they made: a rotation gives these another parent, and no event names them."""
    found = {}
    for token_id in touched.tokens:
        named = tx.tokens.find(token_id)
        for token in (*(() if named is None else (named,)), *tx.tokens.list_descendants(token_id)):
            found[token.token_id] = token
    return tuple(TokenRow.of(token) for token in found.values())


async def _after(first: bytes, rest: AsyncIterator[bytes] | None = None) -> AsyncIterator[bytes]:
    """Yield all of it; the first chunk was read before the answer began, so that a missing blob is still a 404."""
    yield first
    if rest is not None:
        async for chunk in rest:
            yield chunk
