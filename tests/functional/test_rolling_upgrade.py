"""A new release with a migration comes to the nodes one after the other, under traffic, and nobody loses anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from tests.functional.server import Server
from tests.nodes.cluster import Cluster, running_cluster
from tests.nodes.next_release import COLUMN, NEXT, make_next_release
from tests.nodes.scene import find_faults, find_install_faults
from tests.nodes.traffic import Notes, Traffic

BESIDE_SECONDS = 2
"""How long old and new nodes work side by side after each step."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Run two nodes of this release."""
    with running_cluster(tmp_path, 2) as running:
        yield running


def restart(node: Server, settings: dict[str, str]) -> None:
    """Stop a node as an operator does, and start it with other settings."""
    assert node.stop() == 0, node.log_text()
    node.settings = {**node.settings, **settings}
    node.start()
    time.sleep(BESIDE_SECONDS)


def version_of(node: Server) -> str:
    """Return the schema of the nodes' catalog; the next release's column must be there if it is the next one's."""
    engine = create_engine(node.settings["STRONGROOM_DATABASE"].replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
            columns = {column["name"] for column in inspect(connection).get_columns("files")}
        assert (COLUMN in columns) == (found == NEXT)
        return found
    finally:
        engine.dispose()


@pytest.mark.timeout(300)
def test_a_release_with_a_migration_comes_node_by_node(cluster: Cluster, tmp_path: Path) -> None:
    """The old node goes on and stays ready on the newer schema; it does not start on it again, and says why."""
    first, second = cluster.nodes
    settings = make_next_release(tmp_path / "next")
    old_settings = dict(first.settings)
    traffic = Traffic([first.port, second.port], cluster.token, uploaders=2, installers=2)
    try:
        time.sleep(BESIDE_SECONDS)
        assert version_of(first) != NEXT
        restart(first, settings)
        assert version_of(first) == NEXT
        before = len(traffic.notes.acknowledged)
        assert [node.get("/readyz").status for node in cluster.nodes] == [200, 200]
        restart(second, settings)
        assert len(traffic.notes.acknowledged) > before
    finally:
        notes: Notes = traffic.end()
    assert [*notes.faults, *find_faults(cluster, notes), *find_install_faults(cluster, notes, folder=tmp_path)] == []
    assert first.stop() == 0
    first.settings = old_settings
    with pytest.raises(AssertionError, match="newer than this program's"):
        first.start()
