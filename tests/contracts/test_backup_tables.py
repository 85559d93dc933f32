"""The tables of a catalog as a whole: out of one database, into another of either kind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from strongroom.adapters.sql.catalog import SqlCatalog, open_catalog
from strongroom.core.backup import Column, Kind, Row, Shape, Value, find_misfit
from strongroom.ports.backup import Contents
from tests.contracts.conftest import make_database
from tests.contracts.driven import CHAIN_KEY
from tests.factories import DEMO, MAIN, a_file

VALUES: dict[Kind, Value] = {
    Kind.INTEGER: 7,
    Kind.TEXT: "ünïcode \U0001f4e6",
    Kind.BOOLEAN: True,
    Kind.BYTES: bytes(range(256)),
}
"""The same in every column: so what refers to another table finds its row there."""

Rows = dict[str, list[Row]]


@pytest.fixture
def catalogs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, SqlCatalog]]:
    """Provide an empty catalog of each kind, and a second one in a file."""
    urls = {kind: make_database(kind, request) for kind in ("sqlite", "postgres")}
    urls["second sqlite"] = f"sqlite:///{tmp_path}/second.db"
    made = {kind: open_catalog(url, chain_key=CHAIN_KEY) for kind, url in urls.items()}
    yield made
    for catalog in made.values():
        asyncio.run(catalog.close())


def read_all(contents: Contents) -> Rows:
    """Return every row of every table."""
    return {shape.name: list(contents.rows(shape)) for shape in contents.shapes()}


def fill(catalog: SqlCatalog, rows: Rows) -> None:
    """Fill the catalog with the rows."""

    def add(contents: Contents) -> None:
        for shape in contents.shapes():
            assert not contents.has_rows(shape)
            assert contents.add(shape, iter(rows[shape.name])) == len(rows[shape.name])
            assert contents.has_rows(shape) == bool(rows[shape.name])

    asyncio.run(catalog.fill(add))


def a_row(shape: Shape, *, with_nulls: bool) -> Row:
    """Make a row with the longest and the shortest that each column takes."""
    return tuple(None if column.is_nullable and with_nulls else VALUES[column.kind] for column in shape.columns)


@pytest.mark.parametrize("with_nulls", [False, True])
def test_each_table_goes_from_one_kind_to_the_other_and_back(
    catalogs: dict[str, SqlCatalog], *, with_nulls: bool
) -> None:
    """Value by value, whatever tables there are: one that comes later is tried without being named here."""
    shapes = asyncio.run(catalogs["sqlite"].export(lambda contents: contents.shapes()))
    rows: Rows = {shape.name: [a_row(shape, with_nulls=with_nulls)] for shape in shapes}
    fill(catalogs["sqlite"], rows)
    first = asyncio.run(catalogs["sqlite"].export(read_all))
    fill(catalogs["postgres"], first)
    second = asyncio.run(catalogs["postgres"].export(read_all))
    fill(catalogs["second sqlite"], second)
    assert rows == first == second == asyncio.run(catalogs["second sqlite"].export(read_all))


def test_both_kinds_have_the_same_tables(catalogs: dict[str, SqlCatalog]) -> None:
    """With the same columns of the same kinds, at the same revision."""
    one, other = (
        asyncio.run(catalogs[kind].export(lambda contents: (contents.schema(), contents.shapes())))
        for kind in ("sqlite", "postgres")
    )
    assert one == other


def test_numbers_go_on_after_restored_rows(catalogs: dict[str, SqlCatalog]) -> None:
    """What is published after a restore gets a number that no restored file has."""
    for kind in ("sqlite", "postgres"):
        asyncio.run(catalogs[kind].fill(add_three_files))
        asyncio.run(catalogs[kind].write(lambda tx: tx.files.add(a_file())))
        files = asyncio.run(catalogs[kind].export(read_all))["files"]
        assert [row[0] for row in files] == [1, 2, 50, 51], kind


def add_three_files(contents: Contents) -> None:
    """Add files with the numbers 1, 2 and 50, their project and its index."""
    shapes = {shape.name: shape for shape in contents.shapes()}
    demo = {"index_name": MAIN, "project_name": DEMO}
    contents.add(shapes["indexes"], iter([as_row(shapes["indexes"], {"name": MAIN})]))
    contents.add(shapes["projects"], iter([as_row(shapes["projects"], {"index_name": MAIN, "name": DEMO})]))
    numbers = ({**demo, "row_number": number, "filename": str(number)} for number in (1, 2, 50))
    contents.add(shapes["files"], (as_row(shapes["files"], values) for values in numbers))


def as_row(shape: Shape, values: Mapping[str, Value]) -> Row:
    """Make a row of these values, and the least for all others."""
    least: dict[Kind, Value] = {Kind.INTEGER: 0, Kind.TEXT: "", Kind.BOOLEAN: False, Kind.BYTES: b""}
    return tuple(
        values.get(column.name, None if column.is_nullable else least[column.kind]) for column in shape.columns
    )


def test_a_failure_undoes_everything(catalogs: dict[str, SqlCatalog]) -> None:
    """Nothing of a restore that failed is there."""

    def add_and_fail(contents: Contents) -> None:
        (users,) = [shape for shape in contents.shapes() if shape.name == "users"]
        contents.add(users, iter([a_row(users, with_nulls=False)]))
        raise KeyError("users")

    for catalog in catalogs.values():
        with pytest.raises(KeyError):
            asyncio.run(catalog.fill(add_and_fail))
        assert not any(asyncio.run(catalog.export(read_all)).values())


def test_what_does_not_fit_is_said() -> None:
    """A table or column that this program lacks, one that it cannot do without, and one that holds something else."""

    def shape(*columns: Column) -> Shape:
        return Shape(name="things", columns=columns)

    name = Column(name="name", kind=Kind.TEXT, is_nullable=False, is_required=True)
    size = Column(name="size", kind=Kind.INTEGER, is_nullable=True, is_required=False)
    assert find_misfit(shape(name), shape(name, size)) is None
    assert find_misfit(shape(name), None) == "this program has no table 'things'"
    assert find_misfit(shape(name, size), shape(name)) == "this program's table 'things' has no column 'size'"
    assert find_misfit(shape(size), shape(name, size)) == "'things' needs the column 'name'"
    number = Column(name="name", kind=Kind.INTEGER, is_nullable=False, is_required=True)
    assert find_misfit(shape(number), shape(name)) == "the column 'name' of 'things' holds something else here"
