"""Which addresses a catalog can be opened at."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from strongroom.adapters.sql.catalog import open_catalog, open_database
from strongroom.core.errors import ConfigurationFault, StrongroomError
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


@pytest.mark.parametrize(
    "password", ["hun@ter2", "hun:ter2@x", "hun@ter2:seven", "@hunter2:99", "hun@ter2/3", "hun@ter2[", "hun:@ter2:x/"]
)
def test_no_piece_of_a_password_is_told(password: str) -> None:
    """Whatever a password that was not escaped makes of the address: nobody reads it in an error or in its causes."""
    with pytest.raises(StrongroomError) as refusal:
        open_catalog(f"postgresql://user:{password}@127.0.0.1:1/name", chain_key=CHAIN_KEY)
    assert "ter2" not in f"{refusal.value.sentence} {refusal.value.hint}"
    assert "ter2" not in "".join(f"{type(error)} {error}" for error in causes(refusal.value))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and all that is behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


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
