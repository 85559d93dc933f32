"""Restoring: an empty store becomes the old one, or stays empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from strongroom.adapters.backup.memory import MemoryTarget
from strongroom.core.backup import blob_path
from strongroom.core.errors import Conflict, StorageFault, Unavailable
from strongroom.core.removals import make_removal
from tests.factories import MAIN, OPERATOR, a_user, sha256_of
from tests.services.backing import BLOBS, SDIST, WHEEL, Stock, carried, open_stock
from tests.services.house import wait


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Stock]:
    """Provide a store with one of everything."""
    made = open_stock(tmp_path)
    made.fill()
    yield made
    made.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Stock]:
    """Provide a store without anything, under the same key."""
    made = open_stock(tmp_path, "empty")
    yield made
    made.close()


@pytest.fixture
def target() -> MemoryTarget:
    """Provide a place for backups."""
    return MemoryTarget()


def test_only_an_empty_store_is_filled(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """One row anywhere is enough, and nothing is written then."""
    stock.create(target)
    empty.change(lambda tx: tx.users.add(a_user("ada")))
    with pytest.raises(Conflict, match="not empty: its table 'users' has rows"):
        wait(empty.backups.restore(OPERATOR, target))
    assert [user.name for user in empty.look(lambda tx: tx.users.list())] == ["ada"]
    assert empty.stored() == set()


def test_a_store_that_gets_rows_meanwhile_is_not_filled(
    stock: Stock, empty: Stock, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again in the transaction that would fill it."""
    stock.create(target)
    fill = empty.catalog.fill

    async def fill_late(fn: object) -> object:
        await empty.catalog.write(lambda tx: tx.users.add(a_user("ada")))
        return await fill(fn)  # type: ignore[arg-type]  # whatever is asked for

    monkeypatch.setattr(empty.catalog, "fill", fill_late)
    with pytest.raises(Conflict, match="not empty"):
        wait(empty.backups.restore(OPERATOR, target))
    assert empty.look(lambda tx: tx.files.count(MAIN)) == 0


def test_another_key_is_refused(stock: Stock, tmp_path: Path, target: MemoryTarget) -> None:
    """With what to do: no token would work, and the log would break with its next entry."""
    stock.create(target)
    other = open_stock(tmp_path, "other", key=b"o" * 32)
    with pytest.raises(Conflict, match="another key") as refused:
        wait(other.backups.restore(OPERATOR, target))
    assert "secret.key" in refused.value.hint
    assert other.stored() == set()
    other.close()


def test_a_damaged_blob_is_not_restored(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """The store stays empty, and takes the backup once it is mended."""
    stock.create(target)
    path = blob_path(sha256_of(WHEEL))
    good, target.files[path] = target.files[path], WHEEL.upper().encode()
    with pytest.raises(StorageFault, match=f"lacks 1 blobs \\({sha256_of(WHEEL)}\\), so nothing was restored"):
        wait(empty.backups.restore(OPERATOR, target))
    assert not any(empty.tables().values())
    assert sha256_of(WHEEL) not in empty.stored()
    target.files[path] = good
    assert wait(empty.backups.restore(OPERATOR, target)).blobs == 5


def test_what_is_left_of_a_backup_is_restored_when_asked_for(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """All but what it lacked from the start, and what the target has lost or damaged since; each is named."""
    wait(stock.blobs.remove(sha256_of("metadata")))
    stock.create(target)
    with pytest.raises(StorageFault, match=f"lacks 1 blobs \\({sha256_of('metadata')}\\)"):
        wait(empty.backups.restore(OPERATOR, target))
    assert empty.stored() == set()
    del target.files[blob_path(sha256_of(SDIST))]
    target.files[blob_path(sha256_of(WHEEL))] = b"rotten"
    report = wait(empty.backups.restore(OPERATOR, target, accepts_missing=True))
    lost = {sha256_of(text) for text in ("metadata", SDIST, WHEEL)}
    assert (set(report.missing), report.blobs) == (lost, 2)
    assert empty.stored() == BLOBS - lost
    assert carried(empty.tables()) == carried(stock.tables())


def test_a_store_that_cannot_keep_bytes_ends_the_restore(
    stock: Stock, empty: Stock, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no fault of the backup: nothing is passed over."""

    async def fail(_: object) -> None:
        raise StorageFault("blob-fault", "Storing a blob failed")

    stock.create(target)
    monkeypatch.setattr(empty.blobs, "keep", fail)
    with pytest.raises(StorageFault, match="Storing a blob failed"):
        wait(empty.backups.restore(OPERATOR, target, accepts_missing=True))
    assert not any(empty.tables().values())


def test_blobs_are_leased_until_rows_name_them(stock: Stock, empty: Stock) -> None:
    """A server that runs already sweeps what nobody needs: nothing of this. The lease ends with the restore."""
    leased: list[set[str]] = []

    class Watched(MemoryTarget):
        async def read(self, path: str) -> AsyncIterator[bytes]:
            if path.startswith("blobs/"):
                leases = await empty.catalog.read(lambda tx: tx.leases.list())
                leased.append({sha256 for lease in leases for sha256 in lease.sha256})
            async for chunk in super().read(path):
                yield chunk

    target = Watched()
    stock.create(target)
    wait(empty.backups.restore(OPERATOR, target))
    assert leased == [BLOBS] * 5
    assert empty.look(lambda tx: tx.leases.list()) == ()


def test_a_restore_waits_for_a_removal(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """Bytes that are being removed at this moment are relied on by nobody."""
    stock.create(target)
    removal = make_removal("x", [sha256_of(SDIST)], now=empty.clock.now())
    empty.change(lambda tx: tx.leases.add(removal))
    with pytest.raises(Unavailable, match="being removed"):
        wait(empty.backups.restore(OPERATOR, target))
    assert empty.stored() == set()
    assert empty.look(lambda tx: tx.users.list()) == ()
