"""Which blobs belong to which catalog, and who makes a store, as the command line tells it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from strongroom.bootstrap import fill_store, open_store
from strongroom.config import load_settings
from strongroom.core.errors import ConfigurationFault
from tests.cli.program import Program
from tests.factories import OPERATOR, a_file, a_project


@pytest.fixture
def shelf(store: Program) -> Program:
    """Provide a store with a release, all of whose bytes are old."""
    store.publish(a_project(), a_file())
    for path in blobs_of(store):
        os.utime(path, (1, 1))
    return store


def blobs_of(program: Program) -> list[Path]:
    """Return the files that hold blobs."""
    return sorted(path for path in (program.data / "blobs" / "sha256").rglob("*") if path.is_file())


def test_a_new_database_beside_used_blobs_is_refused(shelf: Program, tmp_path: Path) -> None:
    """Whatever the command: nothing is removed, and nothing written into the new catalog."""
    before = blobs_of(shelf)
    new = f"sqlite:///{tmp_path}/new.sqlite3"
    for words in (("sweep",), ("user", "create", "eve"), ("serve", "--database", new)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("STRONGROOM_DATABASE", new)
            refused = shelf.run(*words)
        assert refused.exit_code == 5
        assert "belong to another catalog" in refused.stderr
        assert "strongroom adopt-blobs" in refused.stderr
    assert blobs_of(shelf) == before != []
    assert shelf.json("sweep")["blobs"] == 0
    assert shelf.run("verify").exit_code == 0


def test_a_catalog_without_its_files_is_refused(shelf: Program, tmp_path: Path) -> None:
    """A node that was told the database and not the bucket; the doctor says it, too."""
    other = Program(tmp_path / "other")
    other.data.mkdir(mode=0o700)
    shutil.copy(shelf.data / "secret.key", other.data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRONGROOM_DATABASE", f"sqlite:///{shelf.data}/catalog.sqlite3")
        refused = other.run("index", "list")
        found = other.run("doctor")
    assert refused.exit_code == 5
    assert f"are not in {other.data / 'blobs'}, but elsewhere" in refused.stderr
    assert "STRONGROOM_BLOBS" in refused.stderr
    assert found.exit_code == 1
    assert "but elsewhere" in found.stdout


def test_files_that_lost_their_mark_are_adopted(shelf: Program) -> None:
    """By whoever knows that they are the catalog's; it is an event, and says what is not there."""
    (shelf.data / "blobs" / "store-id").unlink()
    assert shelf.run("sweep").exit_code == 5
    adopted = shelf.run("adopt-blobs")
    assert adopted.stderr.startswith(f"The files in {shelf.data / 'blobs'} are those of the catalog in {shelf.data}")
    assert "not there" not in adopted.stderr
    assert shelf.run("sweep").exit_code == 0
    assert shelf.kinds()[-1] == "blobs-adopted"
    (blob,) = blobs_of(shelf)
    blob.unlink()
    assert "1 of its 1 blobs are not there" in shelf.run("adopt-blobs").stderr


def test_a_store_of_an_earlier_release_goes_on(shelf: Program) -> None:
    """The first command marks it."""
    (shelf.data / "blobs" / "store-id").unlink()
    with sqlite3.connect(shelf.data / "catalog.sqlite3") as database:
        database.execute("DELETE FROM store")
    database.close()
    assert shelf.run("verify").exit_code == 0
    assert (shelf.data / "blobs" / "store-id").exists()


@pytest.mark.parametrize("words", [("user", "list"), ("verify",), ("audit", "verify"), ("doctor",), ("sweep",)])
def test_a_look_into_an_empty_store_leaves_it_empty(store: Program, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A directory with a key alone, where a backup is to be restored: nothing stands in the way afterwards."""
    target = str(tmp_path / "backups")
    store.done("backup", "create", target)
    empty = Program(tmp_path / "empty")
    empty.data.mkdir(mode=0o700)
    shutil.copy(store.data / "secret.key", empty.data)
    assert empty.run(*words).exit_code == 0
    assert empty.kinds() == []
    assert empty.json("index", "list") == []
    assert empty.run("backup", "restore", target).exit_code == 0
    assert empty.kinds() == store.kinds()


def test_a_restore_takes_the_files_over(shelf: Program, tmp_path: Path) -> None:
    """Into a new database beside the files of a lost one, which is locked out from then on."""
    target = str(tmp_path / "backups")
    shelf.done("backup", "create", target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRONGROOM_DATABASE", f"sqlite:///{tmp_path}/new.sqlite3")
        shelf.done("backup", "restore", target)
        assert shelf.run("verify").exit_code == 0
        assert shelf.json("sweep")["blobs"] == 0
    refused = shelf.run("sweep")
    assert refused.exit_code == 5
    assert "belong to another catalog" in refused.stderr


def test_a_worker_makes_no_store(program: Program) -> None:
    """A mistyped directory is an error."""
    refused = program.run("worker")
    assert refused.exit_code == 3
    assert "There is no store in" in refused.stderr
    assert not program.data.exists()
    assert "--blobs" in program.done("worker", "--help")


def test_of_two_keys_that_come_first_at_once_one_is_refused(tmp_path: Path) -> None:
    """Both found an empty log; whoever comes second writes nothing into the first one's."""

    async def work() -> list[str]:
        database = f"sqlite:///{tmp_path}/catalog.sqlite3"
        one, two = (load_settings({"data": str(tmp_path / name), "database": database}) for name in ("one", "two"))
        async with open_store(one) as first, open_store(two) as second:
            await fill_store(first, OPERATOR, settings=one)
            with pytest.raises(ConfigurationFault) as refused:
                await fill_store(second, OPERATOR, settings=two)
            assert refused.value.code == "secret-key-other"
            assert (await first.audit.verify(OPERATOR)).broken is None
            return [entry.event.__class__.__name__ for entry in await first.catalog.read(lambda tx: tx.events.since(0))]

    assert asyncio.run(work()) == ["IndexCreated"]
