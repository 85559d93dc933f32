"""`strongroom index`, `yank`, `delete`, `status`, `audit`, `verify` and `sweep`."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.program import Program
from tests.factories import a_file, a_project

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


@pytest.fixture
def shelf(store: Program) -> Program:
    """Provide a store with one release of a project, a wheel and an sdist."""
    store.publish(a_project(), a_file(WHEEL), a_file(SDIST))
    return store


def test_an_index_is_made_shown_changed_and_deleted(store: Program) -> None:
    """Its life, in five events with the first index's."""
    store.done("index", "create", "staging", "--anonymous-read", "--no-uploads")
    shown = store.json("index", "show", "staging")
    assert (shown["accepts_uploads"], shown["anonymous_read"], shown["projects"], shown["files"]) == (False, True, 0, 0)
    changed = store.run("index", "set", "staging", "--uploads", "--no-anonymous-read")
    assert changed.stderr == "Changed the index 'staging': it takes uploads; only those with the right may read it.\n"
    assert [index["name"] for index in store.json("index", "list")] == ["main", "staging"]
    assert "staging" in store.done("index", "list")
    assert "accepts uploads:" in store.done("index", "show", "staging")
    store.done("index", "delete", "staging")
    assert [index["name"] for index in store.json("index", "list")] == ["main"]
    assert [kind for kind in store.kinds() if kind.startswith("index")] == [
        "index-created",
        "index-created",
        "index-changed",
        "index-deleted",
    ]


def test_an_index_with_files_is_not_deleted(shelf: Program) -> None:
    """It says how many."""
    shelf.done("index", "create", "full")
    shelf.publish(a_project(index="full"), a_file(WHEEL, index="full"))
    result = shelf.run("index", "delete", "full")
    assert result.exit_code == 1
    assert "holds 1 file\n" in result.stderr


def test_a_release_is_yanked_and_offered_again(shelf: Program) -> None:
    """Whole, or one file; a repetition says so and is no error."""
    yanked = shelf.json("yank", "Demo==1.0", "--reason", "broken")
    assert [(file["filename"], file["yanked"]) for file in yanked] == [(WHEEL, "broken"), (SDIST, "broken")]
    assert "Nothing to do" in shelf.run("yank", "demo==1.0", "--reason", "broken").stderr
    assert shelf.run("unyank", "demo==1.0", "--file", SDIST).stderr == f"Unyanked {SDIST} in 'main'.\n"
    assert shelf.run("yank", "demo==1.0", "--index", "elsewhere").exit_code == 3
    assert shelf.kinds()[-2:] == ["yanked", "unyanked"]


def test_deleting_asks_or_is_told(shelf: Program) -> None:
    """A file, then the whole project; with no terminal only --yes will do."""
    assert shelf.run("delete", "demo", stdin="y\n").exit_code == 2
    assert [file["filename"] for file in shelf.json("delete", "demo==1.0", "--file", WHEEL, "--yes")] == [WHEEL]
    shelf.done("delete", "demo", "--yes")
    assert shelf.run("delete", "demo", "--yes").exit_code == 3
    assert shelf.kinds()[-2:] == ["deleted", "deleted"]


def test_a_projects_status_is_set(shelf: Program) -> None:
    """With a reason."""
    shown = shelf.json("status", "demo", "quarantined", "--reason", "malware")
    assert shown == {"index": "main", "project": "demo", "status": "quarantined", "reason": "malware"}
    assert shelf.run("status", "demo", "active").stderr == "The project 'demo' in 'main' is active.\n"


def test_the_log_tells_who_did_what(shelf: Program) -> None:
    """The newest first; about one project, in pages; as a table or as JSON."""
    shelf.done("yank", "demo==1.0")
    newest, *_ = shelf.json("audit", "log", "--limit", "2")
    assert newest["event"]["kind"] == "yanked"
    assert newest["actor"].startswith("operator:")
    assert [entry["event"]["kind"] for entry in shelf.json("audit", "log", "--project", "demo")] == ["yanked"]
    assert [entry["serial"] for entry in shelf.json("audit", "log", "--before", "3")] == [2, 1]
    header, line, *_ = shelf.done("audit", "log").splitlines()
    assert header.split() == ["SERIAL", "AT", "ACTOR", "KIND", "WHAT"]
    assert "yanked" in line
    assert "project=demo" in line


def test_the_log_is_proved_whole(store: Program) -> None:
    """The head is printed alone, and can be given back later."""
    head = store.done("audit", "verify").strip()
    assert head.startswith("3:")
    store.done("user", "create", "eve")
    assert store.done("audit", "verify", "--head", head).startswith("4:")
    assert store.json("audit", "verify")["broken"] is None


@pytest.mark.parametrize(
    "change",
    [
        "actor_name = 'user:eve'",
        "project_name = 'other'",
        """event_json = replace(event_json, '{', '{"note":"nothing to see",')""",
        """event_json = replace(event_json, '{', '{"kind":"index-deleted",')""",
    ],
)
def test_a_changed_log_ends_with_1(store: Program, change: str) -> None:
    """And names the entry, which one edit of the database could not hide, in what only SQL reads neither."""
    with sqlite3.connect(store.data / "catalog.sqlite3") as database:
        database.execute(f"UPDATE events SET {change} WHERE serial = 2")
    database.close()
    result = store.run("audit", "verify")
    assert result.exit_code == 1
    assert "broken at serial 2" in result.stderr
    assert store.run("audit", "verify", "--json").exit_code == 1


def test_a_cut_log_shows_with_the_head_that_was_kept(store: Program) -> None:
    """Without it a shorter log looks whole."""
    head = store.done("audit", "verify").strip()
    with sqlite3.connect(store.data / "catalog.sqlite3") as database:
        database.execute("DELETE FROM events WHERE serial = 3")
    database.close()
    assert store.run("audit", "verify").exit_code == 0
    result = store.run("audit", "verify", "--head", head)
    assert result.exit_code == 1
    assert "was cut: it went on to 3" in result.stderr


def blob_of(program: Program, sha256: str) -> Path:
    """Return where the bytes are."""
    (path,) = program.data.rglob(sha256)
    return path


def test_every_byte_is_checked(shelf: Program) -> None:
    """A changed or missing file is named, and the program ends with 1."""
    wheel = a_file(WHEEL)
    assert shelf.run("verify").stderr.startswith("All is well: 2 files, 2 blobs")
    path = blob_of(shelf, wheel.sha256)
    path.chmod(0o600)
    path.write_bytes(WHEEL.upper().encode())
    result = shelf.run("verify")
    assert result.exit_code == 1
    assert result.stdout == f"wrong bytes: main/{WHEEL} (sha256 {wheel.sha256})\n"
    assert shelf.run("verify", "--quick").exit_code == 0
    path.unlink()
    assert shelf.run("verify", "--quick").stdout == f"missing: main/{WHEEL} (sha256 {wheel.sha256})\n"


def test_a_share_of_the_bytes_is_checked(shelf: Program) -> None:
    """The sizes of all files are compared; what nobody needs is told, and is no fault."""
    shelf.done("delete", "demo==1.0", "--file", SDIST, "--yes")
    result = shelf.run("verify", "--sample", "0.1")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"All is well: 1 files, 1 blobs, 1 of them read ({len(WHEEL)} bytes), ")
    assert "Nobody needs 1 more blobs; the sweep will remove them." in result.stderr
    blob_of(shelf, a_file(WHEEL).sha256).unlink()
    assert shelf.run("verify", "--sample", "0.1").exit_code == 1
    for words in (("--sample", "0"), ("--sample", "101"), ("--sample", "half"), ("--quick", "--sample", "5")):
        assert shelf.run("verify", *words).exit_code == 2


def test_the_whole_check_looks_at_the_audit_log_too(shelf: Program) -> None:
    """One report: bytes and log, each with what is wrong."""
    whole = shelf.json("verify", "--quick")
    assert whole["audit"] == shelf.json("audit", "verify")
    assert (whole["files"], whole["read_blobs"], whole["unneeded_blobs"], whole["faults"]) == (2, 0, 0, [])
    shelf.done("yank", "demo==1.0")
    with sqlite3.connect(shelf.data / "catalog.sqlite3") as database:
        database.execute("UPDATE events SET actor_name = 'user:eve' WHERE serial = 2")
    database.close()
    result = shelf.run("verify")
    assert result.exit_code == 1
    assert result.stdout.startswith("audit log broken: serial 2, ")
    assert "The audit log is broken at serial 2" in result.stderr
    blob_of(shelf, a_file(WHEEL).sha256).unlink()
    result = shelf.run("verify", "--json")
    assert '"code": "verify-faults"' in result.stderr
    assert "1 of 2 blobs are not what they should be. The audit log is broken" in result.stderr
    assert '"reason": "the entry was changed, or one before it was"' in result.stdout


def test_the_bytes_of_deleted_files_are_swept(shelf: Program) -> None:
    """After their grace period; a dry run only tells."""
    shelf.done("delete", "demo==1.0", "--file", SDIST, "--yes")
    sdist, wheel = a_file(SDIST), a_file(WHEEL)
    assert shelf.json("sweep")["blobs"] == 0
    for sha256 in (sdist.sha256, wheel.sha256):
        os.utime(blob_of(shelf, sha256), (1, 1))
    assert shelf.json("sweep", "--dry-run") == {
        "blobs": 1,
        "freed_bytes": len(SDIST),
        "leases": 0,
        "incoming": 0,
        "is_dry_run": True,
    }
    assert blob_of(shelf, sdist.sha256).exists()
    assert "Removed 1 blobs" in shelf.run("sweep").stderr
    assert not list(shelf.data.rglob(sdist.sha256))
    assert shelf.run("verify").exit_code == 0


def test_a_published_file_without_bytes_is_found(store: Program) -> None:
    """Sidecars are looked for as well."""
    wheel = replace(a_file(WHEEL), metadata_sha256=a_file(SDIST).sha256)
    store.publish(a_project(), wheel, bodies=False)
    lines = store.run("verify").stdout.splitlines()
    assert [line.split(" (sha256")[0] for line in lines] == [
        f"missing: main/{WHEEL}",
        f"missing: main/{WHEEL} (metadata)",
    ]
