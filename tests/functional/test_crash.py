"""Nothing acknowledged is lost and nothing half is seen, whenever the server dies: the short form of the proof.

`make proof-crash` is the long one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash import durability
from tests.crash.points import can_inject, count_calls, kill_at_points, record_upload
from tests.crash.servers import RESTART_SECONDS, kill_servers
from tests.crash.tree import process_tree, wait_until_gone
from tests.crash.trials import kill_at_random
from tests.crash.work import Work
from tests.functional.server import Server

SERVER_KILLS = 8
STORE_KILLS = 92


@pytest.fixture
def log(tmp_path: Path) -> list[str]:
    """Return strace's log of one upload; without strace none, and the tests of it say nothing."""
    return _record(tmp_path, is_hasty=False) if can_inject() else []


def _record(folder: Path, *, is_hasty: bool) -> list[str]:
    path = folder / "upload.strace"
    work = Work(folder / "data", 1, 1, tasks=1, limit=1, is_hasty=is_hasty)
    words = record_upload(work, path, *durability.OPTIONS, calls=durability.CALLS)
    assert [line[0] for line in words] == ["try", "ack", "done"]
    return durability.join_interrupted(path.read_text().splitlines())


@pytest.mark.timeout(600)
def test_whole_servers_under_traffic(tmp_path: Path) -> None:
    """Eight writers and two readers over HTTP, every process of the server killed at once, eight times."""
    tally = kill_servers(tmp_path, SERVER_KILLS, seed=1)
    assert tally.faults == []
    assert tally.kills == SERVER_KILLS
    assert tally.acknowledged > 0
    assert tally.median_restart_seconds < RESTART_SECONDS


def test_no_worker_outlives_its_server(tmp_path: Path) -> None:
    """When only the first process is killed, the workers end by themselves, and the server can be started again."""
    server = Server(tmp_path / "data", "--workers", "2")
    server.start()
    workers = process_tree(server.pid)[1:]
    assert len(workers) >= 2
    server.kill()
    assert wait_until_gone(workers, within_seconds=20) == []
    server.start()
    assert server.stop() == 0


@pytest.mark.timeout(600)
def test_every_system_call_and_any_moment(tmp_path: Path) -> None:
    """A process dies at each system call of an upload, then two at once at random moments: 92 kills."""
    points = count_calls(tmp_path) if can_inject() else []
    at_points = kill_at_points(tmp_path, points)
    assert at_points.faults == []
    assert at_points.kills >= 0.9 * len(points)
    at_random = kill_at_random(tmp_path, STORE_KILLS - at_points.kills, seed=1)
    assert at_random.faults == []
    assert at_random.acknowledged > at_random.kills
    assert at_random.median_restart_seconds < RESTART_SECONDS


def test_the_proof_sees_a_broken_order_of_writes(tmp_path: Path) -> None:
    """With blobs that are written to their final path after the commit, the same proof fails."""
    assert kill_at_random(tmp_path, 60, seed=1, is_hasty=True).faults


def test_everything_is_synced_before_it_is_promised(log: list[str], tmp_path: Path) -> None:
    """Bytes are synced before they get their name, names before the commit, the commit before the answer."""
    assert durability.find_faults(log, str(tmp_path / "data")) == []


def test_each_sync_is_needed(log: list[str], tmp_path: Path) -> None:
    """Take any one fsync out of the log, and the check of the order fails."""
    needed = durability.sync_lines(log) if log else []
    assert len(needed) >= 8 or not log
    for number in needed:
        assert durability.find_faults(log[:number] + log[number + 1 :], str(tmp_path / "data")), log[number]


def test_the_order_check_sees_the_hasty_store(tmp_path: Path) -> None:
    """The store that promises before it writes is out of order for the power failure's check as well."""
    if can_inject():
        assert durability.find_faults(_record(tmp_path, is_hasty=True), str(tmp_path / "data"))
