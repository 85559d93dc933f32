"""The lock that keeps all writers of a machine apart."""

from __future__ import annotations

import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strongroom.adapters.sql.write_lock import WriteLock
from strongroom.core.errors import StorageFault, Unavailable


def soon() -> float:
    """Return a deadline."""
    return time.monotonic() + 30


def count_up(path: Path, times: int) -> None:
    """Read and write a number under the lock, so slowly that others would interfere."""
    lock = WriteLock(path.with_suffix(".lock"))
    for _ in range(times):
        with lock.held(soon()):
            number = int(path.read_text())
            time.sleep(0.001)
            path.write_text(str(number + 1))


def test_processes_and_threads_take_turns(tmp_path: Path) -> None:
    """A number that everybody reads and writes under the lock misses no count."""
    path = tmp_path / "number"
    path.write_text("0")
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=count_up, args=(path, 50)) for _ in range(2)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(count_up, path, 50) for _ in range(2)]:
            done.result(60)
    for process in processes:
        process.join(60)
    assert path.read_text() == "200"


def test_whoever_waits_too_long_is_told_so(tmp_path: Path) -> None:
    """The deadline is kept, and the lock is free again when its holder lets go, even by an exception."""
    lock = WriteLock(tmp_path / "lock")

    def hold_and_fail() -> None:
        with lock.held(soon()):
            started = time.monotonic()
            with pytest.raises(Unavailable), lock.held(started + 0.1):
                pytest.fail("two at once")
            assert 0.1 <= time.monotonic() - started < 5
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hold_and_fail()
    with lock.held(time.monotonic()):
        pass


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A child that was forked while the lock was held, and lives on, holds nothing."""
    lock = WriteLock(tmp_path / "lock")
    reader, writer = os.pipe()
    with lock.held(soon()):
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)  # until the parent closes its end
            os._exit(0)
    with lock.held(time.monotonic()):
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
    os.close(reader)
    os.close(writer)
    assert os.waitpid(child, 0) == (child, 0)


def test_a_lock_that_cannot_be_opened_is_a_fault(tmp_path: Path) -> None:
    """A missing directory is a fault that names the file."""
    with pytest.raises(StorageFault, match="lock"), WriteLock(tmp_path / "missing" / "lock").held(soon()):
        pytest.fail("no lock")
