"""A backup is proved without restoring it: whatever byte of it is another one is found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from strongroom.adapters.backup.memory import MemoryTarget
from strongroom.core.backup import Manifest, Row, backup_path, blob_path, render_digest, render_manifest
from strongroom.core.errors import StorageFault, StrongroomError
from strongroom.core.names import Sha256
from strongroom.services.backup import ChainState, KeyRing, Origin, list_backups, read_backup, verify_backup
from strongroom.services.backup.lines import read_rows, write_lines
from strongroom.services.backup.reading import prove_manifest
from tests.factories import OPERATOR, sha256_of
from tests.services.backing import KEY, WHEEL, Seeds, Stock, open_stock
from tests.services.house import wait


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """Provide a store with one of everything, for all tests: they only read it."""
    made = open_stock(tmp_path_factory.mktemp("stock"))
    made.fill()
    yield made
    made.close()


@pytest.fixture
def target(stock: Stock) -> MemoryTarget:
    """Provide a target with one backup, which carries its key."""
    made = MemoryTarget()
    stock.create(made, key=KEY)
    return made


def prove(target: MemoryTarget) -> list[str]:
    """Return where a proof finds faults."""
    try:
        report = wait(verify_backup(target, None, keys=KeyRing(None, Seeds)))
    except StrongroomError as fault:
        return [fault.code]
    return [fault.where for fault in report.faults]


def flipped(data: bytes, place: int) -> bytes:
    """Return the bytes with one bit changed."""
    return bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]])


def test_a_good_backup_is_good(target: MemoryTarget, stock: Stock) -> None:
    """With its own key, with the store's, and without one: then it says that the log was not computed."""
    report = wait(verify_backup(target, None, keys=KeyRing(None, Seeds)))
    assert (report.faults, report.chain, report.blobs) == ((), ChainState.WHOLE, 5)
    assert (report.rows, report.origin) == (report.manifest.rows, Origin.CARRIED_KEY)
    assert report.read_bytes == report.manifest.blob_bytes == sum(map(len, blobs_of(target).values()))
    stock.create(target)
    proved = stock.verify(target)
    assert (proved.chain, proved.origin) == (ChainState.WHOLE, Origin.PROVED)
    for own in (None, Seeds(b"o" * 32)):
        unknown = wait(verify_backup(target, None, keys=KeyRing(own, Seeds)))
        assert (unknown.chain, unknown.origin, unknown.faults) == (ChainState.NO_KEY, Origin.NO_KEY, ())


def test_one_changed_bit_is_found_wherever_it_is(target: MemoryTarget) -> None:
    """At the beginning, in the middle and at the end of every file of the backup."""
    unseen: list[str] = []
    tried = 0
    for path, data in list(target.files.items()):
        for place in {0, len(data) // 2, len(data) - 1}:
            target.files[path] = flipped(data, place)
            tried += 1
            if not prove(target):
                unseen.append(f"{path}, byte {place}")
        target.files[path] = data
    assert unseen == []
    assert tried > 60
    assert prove(target) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data + b"\n", lambda _: b"", lambda _: None])
def test_a_file_that_is_cut_longer_empty_or_gone_is_found(target: MemoryTarget, damage: object) -> None:
    """Every one of them, and it is named where the manifest is good."""
    assert callable(damage)
    for path, data in list(target.files.items()):
        target.files.pop(path)
        changed = damage(data)
        if changed is not None:
            target.files[path] = changed
        found = prove(target)
        assert found, path
        if "manifest" not in path:
            assert [where for where in found if path.endswith(where)], (path, found)
        target.files[path] = data


def test_two_blobs_that_changed_places_are_found(target: MemoryTarget) -> None:
    """Both."""
    one, other, *_ = blobs_of(target)
    target.files[one], target.files[other] = target.files[other], target.files[one]
    assert sorted(prove(target)) == sorted((one, other))


def test_a_damaged_manifest_is_listed_with_its_fault(target: MemoryTarget, stock: Stock) -> None:
    """And the backups beside it are of use."""
    path = manifest_path(target)
    target.files[path] = flipped(target.files[path], 30)
    stock.create(target)
    damaged, good = wait(list_backups(target))
    assert damaged.manifest is None
    assert "not the one that was written" in damaged.fault
    assert (good.fault, prove(target)) == ("", [])


def test_a_backup_under_another_name_is_found_out(target: MemoryTarget) -> None:
    """Whoever copies one over another gets neither."""
    manifest = wait(read_backup(target))
    name = "20200101T000000.000Z"
    for path, data in list(target.files.items()):
        if manifest.name in path:
            target.files[path.replace(manifest.name, name)] = target.files.pop(path, data)
    with pytest.raises(StorageFault, match=f"says that it is {manifest.name}"):
        wait(read_backup(target))


def test_a_newer_format_is_refused_in_words(target: MemoryTarget) -> None:
    """Whatever else is in it."""
    reseal(target, b'{"format": 2, "name": ["unknown"]}')
    with pytest.raises(StorageFault, match="has format 2, and this program reads format 1"):
        wait(read_backup(target))


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"format": 1}'])
def test_a_sealed_manifest_that_is_none_is_refused(target: MemoryTarget, raw: bytes) -> None:
    """A seal alone makes no backup."""
    reseal(target, raw)
    with pytest.raises(StorageFault, match="The manifest of the backup cannot be read"):
        wait(read_backup(target))


def test_a_forged_log_is_found_with_the_key(target: MemoryTarget, tmp_path: Path) -> None:
    """Though every digest fits: who can write to the target, but does not hold the key, rewrites no history."""
    change_rows(target, tmp_path, change=lambda rows: [(*row[:2], "user:mallory", *row[3:]) for row in rows])
    assert prove(target) == ["the audit chain"]


def test_a_log_with_a_gap_is_found_without_the_key(target: MemoryTarget, tmp_path: Path) -> None:
    """Its serials have none."""
    change_rows(target, tmp_path, change=lambda rows: rows[1:])
    report = wait(verify_backup(target, None, keys=KeyRing(None, lambda key: Seeds(b"lost"))))
    assert [(fault.where, fault.problem) for fault in report.faults if "chain" in fault.where] == [
        ("the audit chain", "the entry 1 is missing")
    ]
    assert report.chain is ChainState.BROKEN


def test_a_cut_log_is_found_without_the_key(target: MemoryTarget, tmp_path: Path) -> None:
    """The manifest says where it ended."""
    change_rows(target, tmp_path, change=lambda rows: rows[:-1])
    assert prove(target) == ["the audit chain"]


def test_another_key_in_the_backup_is_found(target: MemoryTarget) -> None:
    """Even where its digest fits: it would open nothing."""
    manifest = wait(read_backup(target))
    target.files[backup_path(manifest.name, "secret.key")] = b"x" * 32
    key_sha256 = Sha256(hashlib.sha256(b"x" * 32).hexdigest())
    reseal(target, render_manifest(msgspec.structs.replace(manifest, key_sha256=key_sha256)))
    assert prove(target) == ["secret.key"]


def test_rows_that_are_none_are_found(target: MemoryTarget, tmp_path: Path) -> None:
    """A line that is no row of its table, and fewer lines than were written; a restore takes neither."""
    change_rows(target, tmp_path, change=lambda rows: [(str(row[0]), *row[1:]) for row in rows])
    assert "events.jsonl.zst" in prove(target)
    empty = open_stock(tmp_path, "empty")
    with pytest.raises(StorageFault, match=r"events\.jsonl\.zst cannot be read after line 0"):
        wait(empty.backups.restore(OPERATOR, target))
    assert empty.look(lambda tx: tx.users.list()) == ()
    empty.close()


def test_a_restore_counts(target: MemoryTarget, tmp_path: Path) -> None:
    """A manifest that promises more rows than there are is not believed, by neither."""
    manifest = wait(read_backup(target))
    tables = [
        msgspec.structs.replace(table, part=msgspec.structs.replace(table.part, lines=table.part.lines + 1))
        for table in manifest.tables
    ]
    reseal(target, render_manifest(msgspec.structs.replace(manifest, tables=tuple(tables))))
    assert len(prove(target)) == len(tables)
    empty = open_stock(tmp_path, "empty")
    with pytest.raises(StorageFault, match="and should have"):
        wait(empty.backups.restore(OPERATOR, target))
    assert not any(empty.tables().values())
    empty.close()


def blobs_of(target: MemoryTarget) -> dict[str, bytes]:
    """Return the blobs in the target by their paths."""
    return {path: data for path, data in target.files.items() if path.startswith("blobs/")}


def manifest_path(target: MemoryTarget) -> str:
    """Return where the manifest of the first backup is."""
    return min(path for path in target.files if path.endswith("manifest.json"))


def reseal(target: MemoryTarget, raw: bytes, *, key: bytes | None = KEY) -> None:
    """Put another manifest there, with a seal that fits, and, with the key, a proof that does."""
    path = manifest_path(target)
    target.files[path] = raw
    target.files[path.replace(".json", ".sha256")] = render_digest(hashlib.sha256(raw).hexdigest())
    if key is not None:
        target.files[path.replace(".json", ".hmac")] = prove_manifest(raw, Seeds(key))


@dataclass(frozen=True, slots=True)
class Forger:
    """Somebody who can write to the target, and has the key or has not."""

    key: bytes | None = KEY
    table: str = "events"


SERVER = Forger()


def change_rows(
    target: MemoryTarget, folder: Path, *, change: Callable[[list[Row]], list[Row]], forger: Forger = SERVER
) -> None:
    """Write a table anew, with all digests that fit."""
    manifest: Manifest = wait(read_backup(target))
    (events,) = [table for table in manifest.tables if table.shape.name == forger.table]
    path = backup_path(manifest.name, events.part.filename)
    local = folder / events.part.filename
    local.write_bytes(target.files[path])
    part = write_lines(local, change(list(read_rows(local, events.shape))))
    target.files[path] = local.read_bytes()
    tables = tuple(msgspec.structs.replace(table, part=part) if table is events else table for table in manifest.tables)
    reseal(target, render_manifest(msgspec.structs.replace(manifest, tables=tables)), key=forger.key)


@pytest.mark.parametrize("key", [None, b"o" * 32])
def test_who_can_write_to_the_target_becomes_no_administrator(
    stock: Stock, tmp_path: Path, *, key: bytes | None
) -> None:
    """Though every digest fits: without the key nobody signs a manifest. Neither a proof nor a restore takes it."""
    target = MemoryTarget()
    stock.create(target)
    empty = open_stock(tmp_path, "empty")
    change_rows(target, tmp_path, change=lambda rows: [*rows, *rows], forger=Forger(key, "users"))
    report = stock.verify(target)
    assert [fault.where for fault in report.faults] == ["manifest.hmac"]
    assert report.origin is Origin.DISPROVED
    with pytest.raises(StorageFault, match="does not prove that a server with this key made") as refused:
        wait(empty.backups.restore(OPERATOR, target))
    assert refused.value.code == "backup-forged"
    assert not any(empty.tables().values())
    assert empty.stored() == set()
    empty.close()


def test_a_manifest_without_a_proof_is_not_restored(stock: Stock, tmp_path: Path) -> None:
    """Removing the line does not help."""
    target = MemoryTarget()
    stock.create(target)
    del target.files[manifest_path(target).replace(".json", ".hmac")]
    assert stock.verify(target).origin is Origin.DISPROVED
    empty = open_stock(tmp_path, "empty")
    with pytest.raises(StorageFault, match=r"manifest\.hmac does not prove"):
        wait(empty.backups.restore(OPERATOR, target))
    assert not any(empty.tables().values())
    empty.close()


def renamed_part(manifest: Manifest, filename: str) -> Manifest:
    """Return the manifest with another name for the first table's file."""
    first, *rest = manifest.tables
    part = msgspec.structs.replace(first.part, filename=filename)
    return msgspec.structs.replace(manifest, tables=(msgspec.structs.replace(first, part=part), *rest))


def renamed_table(manifest: Manifest, name: str) -> Manifest:
    """Return the manifest with another name for the first table, and for its file."""
    first, *rest = renamed_part(manifest, f"{name}.jsonl.zst").tables
    shape = msgspec.structs.replace(first.shape, name=name)
    return msgspec.structs.replace(manifest, tables=(msgspec.structs.replace(first, shape=shape), *rest))


def renamed_list(manifest: Manifest) -> Manifest:
    """Return the manifest with another name for the list of blobs."""
    return msgspec.structs.replace(manifest, blobs=msgspec.structs.replace(manifest.blobs, filename="/tmp/x"))


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: renamed_part(manifest, "../../evil"),
        lambda manifest: renamed_part(manifest, "/etc/cron.d/evil"),
        lambda manifest: renamed_part(manifest, manifest.tables[1].part.filename),
        lambda manifest: renamed_table(manifest, "../evil"),
        lambda manifest: renamed_table(manifest, "users\n"),
        lambda manifest: renamed_table(manifest, "blobs"),
        lambda manifest: msgspec.structs.replace(manifest, tables=(*manifest.tables, manifest.tables[0])),
        renamed_list,
        lambda manifest: msgspec.structs.replace(manifest, missing=(Sha256("../x"),)),
        lambda manifest: msgspec.structs.replace(manifest, key_sha256=Sha256("A" * 64)),
    ],
)
def test_a_backup_names_no_file_but_its_own(target: MemoryTarget, change: Callable[[Manifest], Manifest]) -> None:
    """Not even one that the server signed: the manifest is refused before anything is opened."""
    reseal(target, render_manifest(change(wait(read_backup(target)))))
    with pytest.raises(StorageFault, match="manifest") as refused:
        wait(read_backup(target))
    assert refused.value.code == "backup-damaged"
    assert prove(target) == ["backup-damaged"]


def test_a_list_of_blobs_names_digests_only(target: MemoryTarget, tmp_path: Path) -> None:
    """Paths are made of them."""
    manifest = wait(read_backup(target))
    local = tmp_path / "blobs.jsonl.zst"
    part = write_lines(local, [{"sha256": "../../../etc/shadow", "size_bytes": 1}])
    target.files[backup_path(manifest.name, part.filename)] = local.read_bytes()
    reseal(target, render_manifest(msgspec.structs.replace(manifest, blobs=part)))
    assert "blobs.jsonl.zst" in prove(target)
    empty = open_stock(tmp_path, "empty")
    with pytest.raises(StorageFault, match=r"blobs\.jsonl\.zst cannot be read"):
        wait(empty.backups.restore(OPERATOR, target))
    empty.close()


def test_rows_name_digests_only(target: MemoryTarget, tmp_path: Path) -> None:
    """Also where no bytes are needed: later code may rely on it."""
    forger = Forger(table="tombstones")
    change_rows(target, tmp_path, change=lambda _: [("main", "demo-0.1.tar.gz", "demo", "../x", 0)], forger=forger)
    assert "tombstones.jsonl.zst" in prove(target)
    empty = open_stock(tmp_path, "empty")
    with pytest.raises(StorageFault, match="'tombstones' has a digest that is none"):
        wait(empty.backups.restore(OPERATOR, target))
    assert not any(empty.tables().values())
    empty.close()


def test_folders_of_other_names_are_no_backups(target: MemoryTarget) -> None:
    """They are neither read nor listed, and never the newest."""
    manifest = wait(read_backup(target))
    for path, data in list(target.files.items()):
        target.files[path.replace(manifest.name, "zzz\x1b[2J")] = data
    assert [backup.name for backup in wait(list_backups(target))] == [manifest.name]
    assert wait(read_backup(target)) == manifest


def test_blobs_lie_under_their_digests(target: MemoryTarget) -> None:
    """Once for all backups of the target."""
    digest = sha256_of(WHEEL)
    assert target.files[blob_path(digest)] == WHEEL.encode()
    assert blob_path(Sha256("ab" * 32)) == f"blobs/sha256/ab/ab/{'ab' * 32}"
