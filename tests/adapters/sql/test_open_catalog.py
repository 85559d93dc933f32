"""Which addresses a catalog can be opened at."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import pytest

from strongroom.adapters.sql.catalog import open_catalog, open_database
from strongroom.core.errors import ConfigurationFault
from tests.contracts.driven import CHAIN_KEY


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://host/name", "://", "oracle://x/y"],
)
def test_an_address_of_nothing_we_know_is_refused(url: str) -> None:
    """The refusal says how an address is written, and does not repeat one that may hold a password."""
    with pytest.raises(ConfigurationFault) as refusal:
        open_catalog(url, chain_key=CHAIN_KEY)
    assert "sqlite:///" in refusal.value.hint
    assert url == "" or url not in refusal.value.message


def test_a_catalog_is_made_where_no_directory_is(tmp_path: Path) -> None:
    """The directory of the database is made, for its owner alone."""
    database = open_database(f"sqlite:///{tmp_path}/new/data/catalog.db", readers=1)
    database.close()
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


def test_postgres_without_its_driver_is_refused() -> None:
    """Without the extra, the refusal names it."""
    without = {"psycopg": None, "strongroom.adapters.sql.postgres": None}
    with mock.patch.dict(sys.modules, without), pytest.raises(ConfigurationFault) as refusal:
        open_catalog("postgresql://user@host/name", chain_key=CHAIN_KEY)
    assert "strongroom[postgres]" in refusal.value.hint
