"""`strongroom doctor`: what it finds, and that each fault comes with what mends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.adapters.certificates import VALID_FOR, open_self_signed
from strongroom.cli.doctor import (
    Finding,
    Grade,
    StoreFacts,
    judge_catalog,
    judge_clock,
    look_at_database,
    look_at_proxies,
    look_at_tls,
)
from strongroom.config import load_settings
from strongroom.core.errors import StorageFull
from strongroom.ports import CatalogHealth
from tests.cli.program import Program

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
WELL = CatalogHealth(is_writable=True, is_migrated=True, at=NOW)


def test_the_doctor_finds_a_good_store_good(store: Program) -> None:
    """No faults; a risky SQLite is a warning that says why it is safe here."""
    found = {finding["what"]: finding for finding in store.json("doctor")}
    assert set(found) == {
        *("Python", "SQLite", "data directory", "filesystem", "free space"),
        *("proxies", "TLS", "secret key", "catalog", "clock", "blobs"),
    }
    assert found["catalog"]["found"].startswith("schema ")
    assert {finding["grade"] for finding in found.values()} <= {"ok", "warning"}
    assert found["SQLite"]["grade"] == "ok" or "one write at a time" in found["SQLite"]["hint"]


def test_the_doctor_finds_an_open_key(store: Program) -> None:
    """With the command that mends it, and an exit code for scripts."""
    (store.data / "secret.key").chmod(0o644)
    result = store.run("doctor")
    assert result.exit_code == 1
    assert "fault:    secret key" in result.stdout
    assert "chmod 600" in result.stdout


def test_the_doctor_looks_at_a_machine_without_a_store(program: Program) -> None:
    """It makes none; an open directory is a warning."""
    assert program.run("doctor").exit_code == 0
    assert not program.data.exists()
    program.data.mkdir(mode=0o755)
    found = {finding["what"]: finding["grade"] for finding in program.json("doctor")}
    assert found["data directory"] == found["store"] == "warning"
    assert list(program.data.iterdir()) == []


def test_the_doctor_says_that_the_disk_is_full(store: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog is well, no upload would be taken: one fault, with its hint."""
    monkeypatch.setenv("STRONGROOM_MIN_FREE_BYTES", str(2**62))
    result = store.run("doctor")

    assert result.exit_code == 1
    assert "fault:    blobs: The disk" in result.stdout
    assert "Free some space" in result.stdout
    assert "ok:       catalog" in result.stdout


def test_the_doctor_says_that_the_catalog_is_away(store: Program) -> None:
    """A database that cannot be read is one fault; nothing is said about clock and blobs."""
    (store.data / "catalog.sqlite3").write_bytes(b"no database at all" * 100)
    result = store.run("doctor")

    assert result.exit_code == 1
    assert "fault:    catalog" in result.stdout
    assert "clock" not in result.stdout
    assert "Traceback" not in result.output


def facts(health: CatalogHealth = WELL, *, changed_at: datetime | None = NOW) -> StoreFacts:
    """Make what the stores said."""
    return StoreFacts(health, 7, changed_at, StorageFull("disk-full", "full") if changed_at is None else None)


@pytest.mark.parametrize(
    ("is_writable", "is_migrated", "word"),
    [(False, True, "takes no writes"), (True, False, "older"), (True, True, "7")],
)
def test_a_catalog_is_judged(*, is_writable: bool, is_migrated: bool, word: str) -> None:
    """A standby, an old schema, and one that can be worked with."""
    (finding,) = judge_catalog(facts(CatalogHealth(is_writable, is_migrated, NOW)), schema="0003")

    assert word in finding.found
    assert (finding.grade is Grade.GOOD) is (is_writable and is_migrated)
    assert bool(finding.hint) is (finding.grade is not Grade.GOOD)


@pytest.mark.parametrize(
    ("ahead_seconds", "changed_seconds", "word"),
    [(60, -60, "ahead of"), (-60, -60, "behind"), (0, 3600, "still to come"), (2, 2, "from the database's")],
)
def test_clocks_that_differ_are_a_fault(ahead_seconds: int, changed_seconds: int, word: str) -> None:
    """Tokens expire by the clock, and events carry it: a skew against the database or the past is told."""
    now = NOW + timedelta(seconds=ahead_seconds)
    finding = judge_clock(facts(changed_at=now + timedelta(seconds=changed_seconds)), now=now)

    assert word in finding.found
    assert (finding.grade is Grade.GOOD) is (word == "from the database's")
    assert ("NTP" in finding.hint) is (finding.grade is Grade.FAULT)


def test_a_store_without_a_change_has_no_clock_to_run_backwards() -> None:
    """An empty log says nothing about time."""
    assert judge_clock(facts(changed_at=None), now=NOW).grade is Grade.GOOD


def look(given: dict[str, object], *, now: datetime | None = None) -> list[Finding]:
    """Look at proxies, the way to the database and TLS with these settings."""
    settings = load_settings(given)
    way_in = (*look_at_proxies(settings), *look_at_tls(settings, now=now or datetime.now(UTC)))
    return [*way_in, *look_at_database(settings)]


@pytest.mark.parametrize(
    ("given", "what", "grade", "word"),
    [
        ({}, "proxies", Grade.GOOD, "none is expected; one that adds no X-Forwarded-For"),
        ({"metrics_networks": "none"}, "proxies", Grade.GOOD, "none, and none is expected"),
        ({"trusted_proxies": "10.0.0.0/8", "public_url": "https://p.example"}, "proxies", Grade.GOOD, "10.0.0.0/8"),
        ({"trusted_proxies": "10.0.0.0/8,::/0"}, "proxies", Grade.FAULT, "any address"),
        ({"public_url": "https://p.example"}, "proxies", Grade.WARNING, "seem to have its address"),
        ({"trusted_proxies": "10.0.0.0/8"}, "proxies", Grade.WARNING, "links lead past it"),
        ({}, "TLS", Grade.GOOD, "only this machine"),
        ({"host": "localhost"}, "TLS", Grade.GOOD, "only this machine"),
        ({"public_url": "https://p.example"}, "TLS", Grade.GOOD, "proxy"),
        ({"host": "0.0.0.0"}, "TLS", Grade.WARNING, "plain text"),
        ({"public_url": "http://p.example"}, "TLS", Grade.WARNING, "plain text"),
        ({"tls_self_signed": True}, "TLS", Grade.GOOD, "next start"),
        ({"tls_certificate": "no.pem", "tls_key": "no.key"}, "TLS", Grade.FAULT, "cannot be read"),
        ({"database": "postgresql://u@db.example/s?sslmode=require"}, "database", Grade.WARNING, "without proof"),
    ],
)
def test_the_way_in_is_judged(tmp_path: Path, given: dict[str, object], what: str, *, grade: Grade, word: str) -> None:
    """What is set about proxies and TLS fits together, or is told with what to do."""
    (finding,) = [found for found in look({"data": str(tmp_path), **given}) if found.what == what]

    assert finding.grade is grade, finding
    assert word in finding.found
    assert bool(finding.hint) is (grade is not Grade.GOOD)


@pytest.mark.parametrize(
    ("host", "after", "what", "grade", "word"),
    [
        ("127.0.0.1", timedelta(), "TLS names", Grade.GOOD, "localhost"),
        ("0.0.0.0", timedelta(), "TLS names", Grade.GOOD, "localhost"),
        ("192.0.2.7", timedelta(), "TLS names", Grade.FAULT, "clients ask for 192.0.2.7"),
        ("127.0.0.1", timedelta(), "TLS validity", Grade.GOOD, "until"),
        ("127.0.0.1", -timedelta(days=1), "TLS validity", Grade.FAULT, "still to come"),
        ("127.0.0.1", VALID_FOR - timedelta(days=10), "TLS validity", Grade.WARNING, "ends at"),
        ("127.0.0.1", VALID_FOR + timedelta(days=1), "TLS validity", Grade.FAULT, "ended at"),
    ],
)
def test_a_certificate_is_judged(
    tmp_path: Path, host: str, after: timedelta, *, what: str, grade: Grade, word: str
) -> None:
    """For whom it is and how long it holds, two weeks ahead."""
    open_self_signed(tmp_path / "tls", "127.0.0.1", now=NOW)
    found = look({"data": str(tmp_path), "tls_self_signed": True, "host": host}, now=NOW + after)
    (finding,) = [each for each in found if each.what == what]

    assert finding.grade is grade, finding
    assert word in finding.found


def test_a_key_that_everybody_can_read_is_a_fault(tmp_path: Path) -> None:
    """With the command that mends it."""
    files = open_self_signed(tmp_path / "tls", "127.0.0.1")
    given: dict[str, object] = {"data": str(tmp_path), "tls_self_signed": True}
    assert all(finding.grade is Grade.GOOD for finding in look(given))
    files.key.chmod(0o644)

    (finding,) = [found for found in look(given) if found.grade is Grade.FAULT]
    assert finding.hint == f"Run: chmod o-rwx {files.key}"
