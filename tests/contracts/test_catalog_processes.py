"""What several processes may expect of one catalog, on every database, one of them dying included."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from strongroom.adapters.sql.catalog import open_catalog
from tests.contracts import child
from tests.contracts.driven import CHAIN_KEY, Driven, driven
from tests.contracts.test_catalog_log import serials, verify
from tests.contracts.test_catalog_transactions import is_quiet

PROCESSES = 3
EVENTS = 30
KILLS = 4
WITHIN_SECONDS = 1.0


@contextmanager
def opened(url: str) -> Iterator[Driven]:
    """Open the catalog in this process."""
    with driven(open_catalog(url, chain_key=CHAIN_KEY)) as it:
        yield it


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that the process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> list[str]:
    """Kill the process without warning, and return what it has said but nobody read."""
    process.kill()
    said, _ = process.communicate(timeout=30)
    *lines, _unfinished = said.split("\n")
    return lines


def test_writers_of_several_processes_take_turns(url: str) -> None:
    """All their events end up in one chain without gaps."""
    started = [child.start(url, "append", str(EVENTS)) for _ in range(PROCESSES)]
    for process in started:
        assert "ready" in process.communicate(timeout=120)[0]
    assert [process.returncode for process in started] == [0] * PROCESSES
    with opened(url) as catalog:
        entries = catalog.read(lambda tx: tx.events.since(0))
    assert serials(entries) == list(range(1, PROCESSES * EVENTS + 1))
    verify(entries)


def test_the_mark_hears_of_other_processes(url: str) -> None:
    """A commit elsewhere changes the mark within a second, and silence elsewhere does not."""
    with opened(url) as catalog:
        before = catalog.mark()
        process = child.start(url, "append", "1")
        assert process.wait(60) == 0
        process.communicate()
        give_up = time.monotonic() + WITHIN_SECONDS
        while catalog.mark() == before:
            assert time.monotonic() < give_up
        assert is_quiet(catalog, lambda: time.sleep(0.3))
        assert catalog.read(lambda tx: tx.events.serial()) == 1


def test_a_commit_is_seen_by_the_next_read_of_another_catalog(url: str) -> None:
    """There is no moment after the acknowledgement at which another catalog still reads the old state."""
    with opened(url) as writer, opened(url) as reader:
        for number in range(1, 20):
            writer.append()
            assert reader.read(lambda tx: tx.events.serial()) == number


def test_a_process_killed_inside_a_transaction_leaves_nothing_of_it(url: str) -> None:
    """Neither its writes nor its locks stay: others go on at once, and so does the next start."""
    with opened(url) as catalog:
        catalog.append()
        process = child.start(url, "hang")
        assert [read_line(process), read_line(process)] == ["ready", "inside"]
        assert catalog.read(lambda tx: (tx.events.serial(), tx.users.list())) == (1, ())
        kill(process)
        assert catalog.append() == 2
    with opened(url) as catalog:
        assert catalog.read(lambda tx: (tx.events.serial(), tx.users.list())) == (2, ())
        assert catalog.append() == 3


def test_killed_writers_lose_nothing_they_acknowledged(url: str) -> None:
    """However often a writer is killed, each acknowledged serial is there, and the chain verifies."""
    acknowledged = 0
    for round_number in range(KILLS):
        process = child.start(url, "forever")
        assert read_line(process) == "ready"
        for _ in range(3):
            acknowledged = int(read_line(process))
        time.sleep(0.01 * round_number)
        unread = kill(process)
        acknowledged = int(unread[-1]) if unread else acknowledged
        with opened(url) as catalog:
            entries = catalog.read(lambda tx: tx.events.since(0, limit=100_000))
            verify(entries)
            assert len(entries) in (acknowledged, acknowledged + 1)


@pytest.mark.parametrize("how_many", [2])
def test_processes_that_start_together_migrate_once(empty_url: str, how_many: int) -> None:
    """Of several processes that meet an empty database, one makes the tables and the others wait for it."""
    started = [child.start(empty_url, "append", "1") for _ in range(how_many)]
    for process in started:
        process.communicate(timeout=120)
    assert [process.returncode for process in started] == [0] * how_many
    with opened(empty_url) as catalog:
        assert catalog.read(lambda tx: tx.events.serial()) == how_many


def test_a_killed_migration_is_made_again(empty_url: str) -> None:
    """Wherever the first start is killed, the next one finds no tables or all of them, and works."""
    for milliseconds in (0, 30, 60, 120, 240):
        process = child.start(empty_url, "open")
        assert read_line(process) == "opening"
        time.sleep(milliseconds / 1000)
        kill(process)
    with opened(empty_url) as catalog:
        assert catalog.append() == 1
