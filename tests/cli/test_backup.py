"""`strongroom backup`: what is printed, where the key goes, and what is said when a backup is no good."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.factories import a_file, a_project

FILES = 300
MOST_SECONDS = 10
"""Five minutes for 10,000 would be nine seconds for these."""


@pytest.fixture
def shelf(store: Program) -> Program:
    """Provide a store with a release."""
    store.publish(a_project(), a_file())
    return store


@pytest.fixture
def target(tmp_path: Path) -> str:
    """Provide a target that does not exist yet."""
    return str(tmp_path / "backups")


@pytest.fixture
def other(tmp_path: Path) -> Program:
    """Provide the program on another data directory."""
    return Program(tmp_path / "other")


def test_a_backup_is_made_listed_proved_and_restored(shelf: Program, other: Program, target: str) -> None:
    """With its key: the store is the old one, and stays closed to a second restore."""
    made = shelf.json("backup", "create", target, "--with-secrets")
    assert (made["blobs"], made["copied_blobs"], made["missing_blobs"], made["has_secrets"]) == (1, 1, 0, True)
    (listed,) = shelf.json("backup", "list", target)
    assert (listed["name"], listed["fault"]) == (made["name"], "")
    assert made["name"] in shelf.done("backup", "list", target)
    assert "is good" in shelf.run("backup", "verify", target).stderr
    proved = shelf.json("backup", "verify", target, "--name", made["name"])
    assert (proved["chain"], proved["origin"]) == ("whole", "proved by the key")
    assert "origin not checked" not in other.run("backup", "verify", target).stderr
    restored = other.run("backup", "restore", target)
    assert "Restored the backup" in restored.stderr
    assert "nothing proves who made the backup" in restored.stderr
    assert (other.data / "secret.key").read_bytes() == (shelf.data / "secret.key").read_bytes()
    assert other.done("audit", "verify") == shelf.done("audit", "verify")
    assert other.run("verify").exit_code == 0
    again = other.run("backup", "restore", target)
    assert (again.exit_code, "is not empty" in again.stderr) == (1, True)


def test_without_secrets_the_key_is_brought_by_hand(shelf: Program, other: Program, target: str) -> None:
    """The backup says so when it is made, and the restore says where to put it; another key is refused."""
    made = shelf.run("backup", "create", target)
    assert "It holds no key: keep a copy of" in made.stderr
    refused = other.run("backup", "restore", target)
    assert (refused.exit_code, "holds no key" in refused.stderr) == (1, True)
    key = other.data / "secret.key"
    assert not key.exists()
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    refused = other.run("backup", "restore", target)
    assert (refused.exit_code, "has another key" in refused.stderr) == (1, True)
    key.write_bytes((shelf.data / "secret.key").read_bytes())
    restored = other.run("backup", "restore", target)
    assert "Credentials of upstreams are not in it" in restored.stderr
    assert "nothing proves" not in restored.stderr
    assert other.run("audit", "verify").exit_code == 0


def test_what_is_not_there_is_said(program: Program, target: str) -> None:
    """A target without backups, a name that is none, a store that is none; nothing is made."""
    assert program.run("backup", "list", target).stderr == "There are no backups in this target.\n"
    assert program.run("backup", "restore", target).exit_code == 3
    assert program.run("backup", "verify", target, "--name", "yesterday").exit_code == 2
    assert program.run("backup", "create", target).exit_code == 3
    assert not Path(target).exists()
    assert not program.data.exists()


def test_damage_is_named(shelf: Program, target: str) -> None:
    """The file, with exit code 1, in words and as JSON; a backup whose manifest is damaged is listed as such."""
    shelf.done("backup", "create", target)
    (events,) = Path(target).rglob("events.jsonl.zst")
    events.write_bytes(events.read_bytes()[:-1])
    damaged = shelf.run("backup", "verify", target)
    assert (damaged.exit_code, "events.jsonl.zst: " in damaged.stdout) == (1, True)
    assert '"where": "events.jsonl.zst"' in shelf.run("backup", "verify", target, "--json").stdout
    (manifest,) = Path(target).rglob("manifest.json")
    manifest.write_bytes(manifest.read_bytes().replace(b"0004", b"0002"))
    assert shelf.run("backup", "verify", target).exit_code == 5
    assert "not the one that was written" in shelf.json("backup", "list", target)[0]["fault"]


@pytest.mark.parametrize("url", ["s3://KEY:SECRET@bucket/x", "s3://bucket?secret=SECRET", "az://", "s3://b/../SECRET"])
def test_a_target_names_no_credentials(store: Program, url: str) -> None:
    """They would be seen by everybody on the machine; nor does the refusal repeat them."""
    for command in ("create", "list", "verify", "restore"):
        refused = store.run("backup", command, url)
        assert refused.exit_code != 0
        assert "Credentials belong into environment variables" in refused.stderr
        assert "SECRET" not in refused.stderr


def test_only_its_owner_reads_a_backup(shelf: Program, target: str) -> None:
    """Rows and keys are in it."""
    shelf.done("backup", "create", target, "--with-secrets")
    modes = {path.stat().st_mode & 0o777 for path in Path(target).rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {path.stat().st_mode & 0o777 for path in Path(target).rglob("*") if path.is_dir()} == {0o700}


def test_what_the_store_lost_is_told(shelf: Program, target: str) -> None:
    """The backup is made all the same, and the command ends with 1."""
    (blob,) = (path for path in (shelf.data / "blobs" / "sha256").rglob("*") if path.is_file())
    blob.unlink()
    incomplete = shelf.run("backup", "create", target)
    assert (incomplete.exit_code, "1 blobs are missing or damaged" in incomplete.stderr) == (1, True)
    assert shelf.json("backup", "list", target)[0]["missing_blobs"] == 1


def test_what_a_backup_lacks_is_told(shelf: Program, other: Program, target: str) -> None:
    """It is restored only when that is asked for, and the command ends with 1 all the same."""
    shelf.done("backup", "create", target, "--with-secrets")
    (blob,) = (path for path in Path(target, "blobs").rglob("*") if path.is_file())
    blob.write_bytes(b"rotten")
    refused = other.run("backup", "restore", target)
    assert (refused.exit_code, "--incomplete" in refused.stderr) == (5, True)
    restored = other.run("backup", "restore", target, "--incomplete")
    assert restored.exit_code == 1
    assert f"The restored store lacks 1 blobs ({blob.name}): they are not in the backup, or damaged" in restored.stderr
    assert other.done("audit", "verify") == shelf.done("audit", "verify")


def test_a_backup_that_somebody_else_made_is_refused(shelf: Program, other: Program, target: str) -> None:
    """Though its digests fit."""
    shelf.done("backup", "create", target)
    (proof,) = Path(target).rglob("manifest.hmac")
    proof.unlink()
    assert "manifest.hmac: it does not prove" in shelf.run("backup", "verify", target).stdout
    other.data.mkdir(mode=0o700)
    (other.data / "secret.key").write_bytes((shelf.data / "secret.key").read_bytes())
    (other.data / "secret.key").chmod(0o600)
    refused = other.run("backup", "restore", target)
    assert (refused.exit_code, "does not prove that a server with this key made" in refused.stderr) == (5, True)


def test_many_files_are_restored_quickly(store: Program, other: Program, target: str) -> None:
    """The short form of what `make proof-backup` measures with 10,000."""
    store.publish(a_project(), *(a_file(f"demo-{number}.0-py3-none-any.whl") for number in range(FILES)))
    store.done("backup", "create", target, "--with-secrets")
    began = time.monotonic()
    other.done("backup", "restore", target)
    assert time.monotonic() - began < MOST_SECONDS
    assert other.json("verify")["files"] == FILES
