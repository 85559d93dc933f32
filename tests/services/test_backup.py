"""Backups: consistent, by content, complete."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.adapters.backup.memory import MemoryTarget
from strongroom.core.backup import LEFT_OUT, blob_path
from strongroom.core.errors import Conflict, NotFound, StorageFull, Unauthenticated, Unavailable
from strongroom.core.removals import make_removal
from strongroom.core.replica import Followed
from strongroom.core.upstream import Upstream
from strongroom.ports import Transaction
from strongroom.ports.backup import Contents
from strongroom.services.backup import list_backups, read_backup
from tests.factories import MAIN, NOBODY, OPERATOR, a_file, a_token, a_user, an_index, sha256_of
from tests.services.backing import BLOBS, KEY, SDIST, WHEEL, Stock, carried, open_stock
from tests.services.house import wait

FILE_DIGESTS = ("sha256", "metadata_sha256", "provenance_sha256")


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


def test_a_restored_store_is_the_old_one(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """Every row of every table, every blob that one names, and the chain; but no lease, which was about that minute."""
    stock.put("what nobody names")
    report = stock.create(target, key=KEY)
    assert (report.blobs, report.manifest.missing) == (5, ())
    restored = wait(empty.backups.restore(OPERATOR, target))
    assert (restored.manifest, restored.blobs) == (report.manifest, 5)
    assert carried(empty.tables()) == carried(stock.tables())
    assert restored.rows == sum(len(rows) for rows in carried(stock.tables()).values())
    assert empty.look(lambda tx: tx.leases.list()) == ()
    assert empty.stored() == BLOBS
    assert empty.audit() == stock.audit()
    assert empty.audit().is_whole
    assert str(empty.audit().head) == report.manifest.head


def test_no_table_is_forgotten(stock: Stock, target: MemoryTarget) -> None:
    """Whatever table the catalog has or will have is in a backup, but those about this minute and this place."""
    manifest = stock.create(target).manifest
    assert {table.shape.name for table in manifest.tables} | LEFT_OUT == set(stock.tables())
    assert {"leases", "turns", "store"} == LEFT_OUT


def test_each_column_of_digests_is_known(stock: Stock, target: MemoryTarget) -> None:
    """A new one names blobs by itself; whoever adds one whose bytes are elsewhere finds out here."""
    shapes = [table.shape for table in stock.create(target).manifest.tables]
    found = {(shape.name, column.name) for shape in shapes for column in shape.columns if "sha256" in column.name}
    assert found == {
        *((table, name) for table in ("files", "copies") for name in FILE_DIGESTS),
        ("name_lists", "sha256"),
        ("tombstones", "sha256"),
    }


def test_each_column_of_bytes_is_known(stock: Stock, target: MemoryTarget) -> None:
    """A later one that is a secret must not be carried without being asked for: so a new one is decided about here."""
    shapes = [table.shape for table in stock.create(target).manifest.tables]
    found = {(shape.name, column.name) for shape in shapes for column in shape.columns if column.kind == "bytes"}
    assert found == {
        ("indexes", "upstream_credentials"),
        ("followed", "credentials"),
        ("tokens", "digest"),
        ("setup_link", "digest"),
        ("events", "chain_hash"),
        ("upstream_pages", "content"),
    }


def test_bytes_are_copied_once(stock: Stock, target: MemoryTarget) -> None:
    """The next backup copies what is new, and mends a blob of the target that has another size."""
    first = stock.create(target)
    stock.put("more")
    stock.change(lambda tx: tx.files.add(replace(a_file("demo-2.0.tar.gz"), sha256=sha256_of("more"))))
    target.written.clear()
    second = stock.create(target)
    assert (first.copied_blobs, second.copied_blobs, second.copied_bytes, second.blobs) == (5, 1, 4, 6)
    assert [path for path in target.written if path.startswith("blobs/")] == [blob_path(sha256_of("more"))]
    target.files[blob_path(sha256_of("more"))] = b"mor"
    assert stock.create(target).copied_blobs == 1
    assert not stock.verify(target).faults


def test_each_backup_is_whole_by_itself(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """An earlier one brings back what was deleted since; without a name the newest is meant."""
    first = stock.create(target).manifest
    stock.delete_sdist()
    newest = stock.create(target).manifest
    assert [backup.name for backup in wait(list_backups(target))] == [first.name, newest.name]
    assert wait(read_backup(target)) == newest
    assert newest.blobs.lines == 4
    wait(empty.backups.restore(OPERATOR, target, name=first.name))
    assert empty.look(lambda tx: tx.files.count(MAIN)) == 2
    assert empty.stored() == BLOBS


def test_the_cache_can_be_left_out(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """What upstreams have is not carried then, neither rows nor bytes; own files are."""
    report = stock.create(target, with_cache=False)
    assert (report.blobs, report.manifest.has_cache) == (3, False)
    wait(empty.backups.restore(OPERATOR, target))
    tables = empty.tables()
    assert (tables["copies"], tables["name_lists"], len(tables["files"])) == ([], [], 2)
    assert empty.stored() == {sha256_of(text) for text in (WHEEL, SDIST, "metadata")}


def test_secrets_leave_only_when_asked_for(stock: Stock, empty: Stock, target: MemoryTarget) -> None:
    """Neither the key nor anything sealed with it; with it both, and nothing of that is in the manifest."""
    upstream = Upstream("https://upstream.example/simple/", credentials=b"sealed secret")
    stock.change(lambda tx: tx.indexes.add(an_index("public", accepts_uploads=False, upstream=upstream)))
    plain = stock.create(target).manifest
    assert not [path for path in target.files if path.endswith("secret.key")]
    whole = stock.create(target, key=KEY).manifest
    assert target.files[f"backups/{whole.name}/secret.key"] == KEY
    assert (plain.has_secrets, whole.has_secrets) == (False, True)
    manifests = [data for path, data in target.files.items() if path.endswith("manifest.json")]
    assert not [data for data in manifests if KEY in data or KEY.hex().encode() in data]
    wait(empty.backups.restore(OPERATOR, target, name=plain.name))
    (public,) = [index for index in empty.look(lambda tx: tx.indexes.list()) if index.upstream is not None]
    assert public.upstream is not None
    assert (public.upstream.url, public.upstream.credentials) == (upstream.url, None)


def test_a_replica_is_backed_up_with_its_secrets_or_not_at_all(stock: Stock, target: MemoryTarget) -> None:
    """Its log is chained with its primary's key: a proof does not call that broken."""
    followed = Followed(url="https://primary.example", credentials=b"sealed", serial=2)
    stock.change(lambda tx: tx.followed.save(followed))
    with pytest.raises(Conflict, match="is a replica"):
        stock.create(target)
    assert target.files == {}
    assert stock.create(target, key=KEY).manifest.is_replica
    report = stock.verify(target)
    assert (report.faults, report.chain) == ((), "not computed: the key is not at hand")


def test_administrators_make_and_restore(stock: Stock, target: MemoryTarget) -> None:
    """Nobody else."""
    with pytest.raises(Unauthenticated):
        wait(stock.backups.create(NOBODY, target))
    with pytest.raises(Unauthenticated):
        wait(stock.backups.restore(NOBODY, target))
    assert target.files == {}


def test_a_target_without_backups_says_so(target: MemoryTarget, stock: Stock) -> None:
    """So does a name that is not there."""
    with pytest.raises(NotFound, match="no backup in the target"):
        wait(read_backup(target))
    stock.create(target)
    with pytest.raises(NotFound, match=r"no backup '20200101T000000\.000Z'"):
        wait(read_backup(target, "20200101T000000.000Z"))


def test_two_backups_have_two_names(stock: Stock, target: MemoryTarget) -> None:
    """A second one in the same millisecond is refused, and spoils nothing."""
    stock.create(target)
    before = dict(target.files)
    with pytest.raises(Conflict, match="There is a backup"):
        wait(stock.backups.create(OPERATOR, target))
    assert target.files == before


def test_the_snapshot_is_one(stock: Stock) -> None:
    """What is committed while tables are read is in none of them."""

    def read_around_a_write(contents: Contents) -> tuple[int, int]:
        shapes = {shape.name: shape for shape in contents.shapes()}
        users = len(list(contents.rows(shapes["users"])))
        asyncio.run(stock.catalog.write(add_user_and_token))
        return users, len(list(contents.rows(shapes["tokens"])))

    def add_user_and_token(tx: Transaction) -> None:
        tx.users.add(a_user("new"))
        tx.tokens.add(a_token("B" * 16, owner="new"))

    assert wait(stock.catalog.export(read_around_a_write)) == (1, 1)
    assert len(stock.look(lambda tx: tx.tokens.list())) == 2


def test_a_file_deleted_and_swept_meanwhile_spoils_no_backup(
    stock: Stock, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its bytes went between the snapshot and the lease, the snapshot is taken again."""
    export, asked = stock.catalog.export, 0

    async def export_then_sweep(fn: object) -> object:
        nonlocal asked
        asked += 1
        found = await export(fn)  # type: ignore[arg-type,var-annotated]  # whatever is asked for
        if asked == 1:
            await asyncio.to_thread(stock.delete_sdist)
            await stock.blobs.remove(sha256_of(SDIST))
        return found

    monkeypatch.setattr(stock.catalog, "export", export_then_sweep)
    report = stock.create(target)
    assert (asked, report.manifest.missing, report.blobs) == (2, (), 4)
    assert not stock.verify(target).faults
    assert [lease.lease_id for lease in stock.look(lambda tx: tx.leases.list())] == ["upload"]


def test_bytes_that_are_being_removed_at_this_moment_spoil_no_backup(
    stock: Stock, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are there still when the store is listed; the snapshot is taken again, and doesn't name them."""
    export, asked = stock.catalog.export, 0

    async def export_then_begin_to_sweep(fn: object) -> object:
        nonlocal asked
        asked += 1
        found = await export(fn)  # type: ignore[arg-type,var-annotated]  # whatever is asked for
        if asked == 1:
            await asyncio.to_thread(stock.delete_sdist)
            removal = make_removal("x", [sha256_of(SDIST)], now=stock.clock.now())
            await stock.catalog.write(lambda tx: tx.leases.add(removal))
        return found

    class Removing(MemoryTarget):
        async def write(self, path: str, chunks: object) -> None:
            await stock.blobs.remove(sha256_of(SDIST))
            await super().write(path, chunks)  # type: ignore[arg-type]  # it is handed on

    monkeypatch.setattr(stock.catalog, "export", export_then_begin_to_sweep)
    target = Removing()
    report = stock.create(target)
    assert (asked, report.manifest.missing, report.blobs) == (2, (), 4)
    assert not stock.verify(target).faults
    assert [lease.lease_id for lease in stock.look(lambda tx: tx.leases.list())] == ["removal:x", "upload"]


def test_a_backup_waits_for_no_removal(stock: Stock, target: MemoryTarget) -> None:
    """Where bytes that a row names are being removed still, there is no backup, and no lease stays behind."""
    removal = make_removal("x", [sha256_of(SDIST)], now=stock.clock.now())
    stock.change(lambda tx: tx.leases.add(removal))
    with pytest.raises(Unavailable, match="being removed"):
        stock.create(target)
    assert wait(list_backups(target)) == ()
    assert [lease.lease_id for lease in stock.look(lambda tx: tx.leases.list())] == ["removal:x", "upload"]


def test_a_catalog_that_fails_meanwhile_ends_the_backup(
    stock: Stock, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a removal is a reason to take the snapshot again."""
    write, asked = stock.catalog.write, 0

    async def fail_once(fn: object) -> object:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise Unavailable("catalog-silent", "The catalog cannot be reached", "See to it.")
        return await write(fn)  # type: ignore[arg-type]  # whatever is asked for

    monkeypatch.setattr(stock.catalog, "write", fail_once)
    with pytest.raises(Unavailable, match="cannot be reached"):
        stock.create(target)
    assert wait(list_backups(target)) == ()


def test_blobs_are_leased_while_they_are_copied(stock: Stock, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the snapshot names, so that no sweep takes one; and no longer."""
    leased: list[set[str]] = []

    class Watched(MemoryTarget):
        async def write(self, path: str, chunks: object) -> None:
            leases = await stock.catalog.read(lambda tx: tx.leases.list())
            leased.append({sha256 for lease in leases for sha256 in lease.sha256})
            await super().write(path, chunks)  # type: ignore[arg-type]  # it is handed on

    stock.create(Watched())
    assert leased[:5] == [BLOBS] * 5
    assert [lease.lease_id for lease in stock.look(lambda tx: tx.leases.list())] == ["upload"]


def test_a_backup_that_fails_is_none(stock: Stock, empty: Stock) -> None:
    """Without a manifest nothing is listed, the lease is gone, and the next one uses the blobs that came across."""

    class Full(MemoryTarget):
        is_full = True

        async def write(self, path: str, chunks: object) -> None:
            if self.is_full and path.startswith("backups/"):
                raise StorageFull("backup-full", "The target of the backup is full")
            await super().write(path, chunks)  # type: ignore[arg-type]  # it is handed on

    target = Full()
    with pytest.raises(StorageFull):
        stock.create(target)
    assert wait(list_backups(target)) == ()
    assert len(stock.look(lambda tx: tx.leases.list())) == 1
    target.is_full = False
    assert stock.create(target).copied_blobs == 0


def test_a_store_that_lost_bytes_is_backed_up_with_what_is_left(stock: Stock, target: MemoryTarget) -> None:
    """One missing and one damaged blob are named, in the report and by each proof; all others are there."""
    wait(stock.blobs.remove(sha256_of("metadata")))
    stored = stock.blobs._blobs  # as a disk does it
    stored[sha256_of(WHEEL)] = (WHEEL.upper().encode(), stored[sha256_of(WHEEL)][1])
    report = stock.create(target)
    assert report.manifest.missing == tuple(sorted((sha256_of("metadata"), sha256_of(WHEEL))))
    assert report.blobs == 3
    faults = stock.verify(target).faults
    assert {fault.where for fault in faults} == {f"blob {sha256}" for sha256 in report.manifest.missing}
    assert not [path for path in target.files if path.endswith(sha256_of(WHEEL))]


def test_progress_is_told(stock: Stock, target: MemoryTarget) -> None:
    """Blob by blob."""
    told: list[tuple[int, int]] = []
    wait(stock.backups.create(OPERATOR, target, progress=lambda done, total: told.append((done, total))))
    assert told == [(done, 5) for done in range(1, 6)]
