"""A backup of a real server under load, restored into the other kind of store and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backup_proof import back_up_under_load

pytestmark = pytest.mark.functional


def test_a_backup_under_load_is_restored_into_the_other_kind_and_back(tmp_path: Path) -> None:
    """Whatever was acknowledged before is there, with the old token and the old audit log."""
    assert back_up_under_load(tmp_path) >= 12
