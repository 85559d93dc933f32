"""The files in which workers keep their numbers: whose they are, and when they count no longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from strongroom.http import metrics_layout as layout
from strongroom.http.metrics_board import Board, remove_old_boards, server_directory


def test_boards_of_servers_that_are_gone_are_removed(tmp_path: Path) -> None:
    """A start counts from zero, also under the number of an earlier one, and takes nothing from another server."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    remove_old_boards(tmp_path)
    for server in (gone.pid, os.getpid(), 1):
        Board(server_directory(tmp_path, server)).close()
    (tmp_path / "metrics" / "notes").mkdir()
    remove_old_boards(tmp_path)

    assert {path.name for path in (tmp_path / "metrics").iterdir()} == {"1"}


def test_another_versions_board_is_no_beginning(tmp_path: Path) -> None:
    """Where the file under this process's number has another size, its numbers stand for something else."""
    directory = server_directory(tmp_path, 1)
    directory.mkdir(parents=True)
    (directory / str(os.getpid())).write_bytes(b"\x3f" * 8 * (layout.CELLS + 1))
    board = Board(directory)

    assert not any(board.cells)
    board.cells[layout.UPLOADS] = 3
    board.close()
    board.write()
    assert Board(directory).cells[layout.UPLOADS] == 3


def test_a_broken_board_is_left_out(tmp_path: Path) -> None:
    """A file of another version, or half of one, spoils no sum."""
    directory = server_directory(tmp_path, 1)
    board = Board(directory)
    (directory / "12345").write_bytes(b"half")

    assert len(board.totals()) == 1
    board.close()
