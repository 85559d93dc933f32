"""Which blobs are needed is answered from indexes, however large the tables are."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, Select, create_engine

from strongroom.adapters.sql.schema import copies, files, metadata
from strongroom.adapters.sql.tables.digests import NamedDigests
from tests.factories import sha256_of

TABLES = {"files": NamedDigests(files), "copies": NamedDigests(copies, copies.c.stored_at.is_not(None))}
ASKED: dict[str, object] = {"first": sha256_of("a"), "most": 20_000, "digests": [sha256_of("a"), sha256_of("b")]}


def plan_of(connection: Connection, statement: Select[tuple[str]]) -> str:
    """Return how SQLite answers the question."""
    text = statement.params(ASKED).compile(connection, compile_kwargs={"literal_binds": True})
    return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))


@pytest.mark.parametrize("table", TABLES)
def test_no_table_is_read_whole(table: str, tmp_path: Path) -> None:
    """Neither to find some digests nor to list a window of them; nor is anything sorted."""
    engine = create_engine(f"sqlite:///{tmp_path}/catalog.db")
    with engine.begin() as connection:
        metadata.create_all(connection)
        for statement in (*TABLES[table].find_statements, *TABLES[table].list_statements):
            plan = plan_of(connection, statement)
            assert f"SEARCH {table} USING" in plan, plan
            assert "SCAN" not in plan
            assert "TEMP B-TREE FOR ORDER BY" not in plan
    engine.dispose()
