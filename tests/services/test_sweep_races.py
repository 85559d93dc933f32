"""The sweep beside uploads and deletions of the same bytes: the short form of `make proof-sweep`."""

from __future__ import annotations

from pathlib import Path

from tests.sweep_scene import play_in_memory, play_on_disk


def test_nothing_is_lost_or_left_over_in_memory() -> None:
    """Every upload finds its bytes there, going or just gone; what was acknowledged can be read."""
    tally = play_in_memory(800, seed=1)
    assert tally.faults == []
    assert tally.events >= 800
    assert tally.swept > 10


def test_nothing_is_lost_or_left_over_on_disk(tmp_path: Path) -> None:
    """The same on SQLite and a directory."""
    tally = play_on_disk(tmp_path, 60, seed=1)
    assert tally.faults == []
    assert tally.events >= 60
