"""Publishing when something breaks on the way: what stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.errors import (
    StorageFault,
    StorageFull,
    StrongroomError,
    TooLarge,
    Unavailable,
)
from strongroom.core.model import Lease
from strongroom.core.names import Sha256
from strongroom.core.upload import Published
from strongroom.ports import Incoming, Transaction
from strongroom.services.publish import LEASE_LIFETIME
from tests.factories import (
    MAIN,
    OPERATOR,
    sha256_of,
)
from tests.fakes import START
from tests.services.publishing import (
    CONTENT,
    LIMIT_BYTES,
    NOTHING,
    Place,
    WatchedBlobs,
    play,
    refused,
    upload,
)

T = TypeVar("T")


def test_a_file_over_the_limit_is_refused_while_it_comes() -> None:
    """The limit holds at the first byte beyond it, not at the end of the body."""
    assert isinstance(
        refused(lambda place: upload(place.publish, OPERATOR), Place(limit_bytes=len(CONTENT) - 1)), TooLarge
    )
    play(lambda place: upload(place.publish, OPERATOR), Place(limit_bytes=len(CONTENT)))


def test_the_lease_stands_before_the_bytes_and_names_them_before_they_are_kept() -> None:
    """The sweep sees an upload in flight at any time, and which blobs belong to it."""
    seen: list[tuple[Lease, ...]] = []

    class Noting(WatchedBlobs):
        async def receive(self, *, is_short: bool = False) -> Incoming:
            seen.append(await catalog.read(lambda tx: tx.leases.list()))
            return await super().receive(is_short=is_short)

        async def keep(self, incoming: Incoming) -> Sha256:
            seen.append(await catalog.read(lambda tx: tx.leases.list()))
            return await super().keep(incoming)

    catalog = MemoryCatalog()
    published = play(lambda place: upload(place.publish, OPERATOR), Place(catalog=catalog, blobs=Noting()))
    (before,), (naming,) = seen
    assert (before.sha256, before.expires_at) == ((), START + LEASE_LIFETIME)
    assert naming.sha256 == (published.file.sha256, published.file.metadata_sha256)
    assert naming.lease_id == before.lease_id


@pytest.mark.parametrize(
    "fault",
    [StorageFault("blob-fault", "The disk failed"), StorageFull("disk-full", "The disk is full")],
)
def test_a_store_that_fails_leaves_nothing_visible(fault: StrongroomError) -> None:
    """No file, no event, no lease, no temporary file."""
    assert refused(lambda place: upload(place.publish, OPERATOR), Place(blobs=WatchedBlobs(keep_fails=fault))) is fault


def test_a_full_store_refuses_at_the_start() -> None:
    """No room is said before the body is read."""
    place = Place(blobs=WatchedBlobs(capacity_bytes=0))
    assert isinstance(refused(lambda stage: upload(stage.publish, OPERATOR), place), StorageFull)


def test_a_commit_that_fails_leaves_nothing_visible() -> None:
    """The blobs wait for the sweep; nobody sees the file."""

    class Failing(MemoryCatalog):
        async def write(self, fn: Callable[[Transaction], T]) -> T:
            def watched(tx: Transaction) -> T:
                result = fn(tx)
                if isinstance(result, Published):
                    raise Unavailable("catalog-down", "The catalog is gone")
                return result

            return await super().write(watched)

    async def scene(place: Place) -> None:
        with pytest.raises(Unavailable):
            await upload(place.publish, OPERATOR)
        assert await place.see() == replace(NOTHING, blobs=2)

    play(scene, Place(catalog=Failing()))


def test_a_store_that_keeps_other_bytes_is_a_fault() -> None:
    """What was hashed on the way must be what is kept; nothing becomes visible."""

    class Confused(WatchedBlobs):
        async def keep(self, incoming: Incoming) -> Sha256:
            await super().keep(incoming)
            return sha256_of("something else")

    async def scene(place: Place) -> None:
        with pytest.raises(StorageFault):
            await upload(place.publish, OPERATOR)
        assert await place.see() == replace(NOTHING, blobs=2)

    play(scene, Place(blobs=Confused()))


def test_a_published_file_took_three_transactions() -> None:
    """The lease, the names of the blobs, and the commit, which removes the lease: no fourth to remove it again."""

    class Counting(MemoryCatalog):
        def __init__(self) -> None:
            super().__init__()
            self.writes = 0

        async def write(self, fn: Callable[[Transaction], T]) -> T:
            self.writes += 1
            return await super().write(fn)

    async def scene(place: Place) -> None:
        before = catalog.writes
        await upload(place.publish, OPERATOR)
        assert catalog.writes - before == 3
        assert (await place.see()).leases == ()
        await upload(place.publish, OPERATOR)
        assert (await place.see()).leases == ()

    catalog = Counting()
    play(scene, Place(catalog=catalog))


def test_a_lease_that_cannot_be_removed_expires_and_hides_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """The upload's own fault is what the client hears."""

    async def scene(place: Place) -> None:
        async def fail() -> None:
            async with place.publish.begin(OPERATOR, MAIN) as opened:
                await place.catalog.close()
                await opened.write(b"x" * (LIMIT_BYTES + 1))

        with pytest.raises(TooLarge):
            await fail()
        assert "lease" in caplog.text

    play(scene)


def test_an_upload_that_is_given_up_leaves_nothing() -> None:
    """The client went away, or the server stops: the context's end cleans up."""

    async def scene(place: Place) -> None:
        async def begin_only() -> None:
            async with place.publish.begin(OPERATOR, MAIN) as opened:
                await opened.write(CONTENT[:100])
                begun.set()
                await asyncio.Event().wait()

        begun = asyncio.Event()
        task = asyncio.create_task(begin_only())
        await begun.wait()
        during = await place.see()
        assert (len(during.leases), during.temporary) == (1, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await place.see() == NOTHING

    play(scene)
