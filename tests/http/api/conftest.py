from __future__ import annotations

import pytest

from tests.http.api.office import Office


@pytest.fixture
def office() -> Office:
    """Open an office."""
    return Office()
