"""Several real nodes on one PostgreSQL and one bucket, each with a data directory of its own and the same key."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.buckets import running_bucket
from tests.contracts.servers import running_postgres
from tests.crash.tree import kill_tree
from tests.functional.server import Server


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes, and a token that may read and upload."""

    nodes: tuple[Server, ...]
    token: str

    def kill(self, node: Server) -> None:
        """End every process of a node at once, as a power cut does."""
        kill_tree(node.pid)
        node.kill()


@contextmanager
def running_cluster(folder: Path, count: int) -> Iterator[Cluster]:
    """Start PostgreSQL, an object store and the nodes; kill all of them at the end."""
    with running_postgres() as postgres, running_bucket() as bucket:
        settings = {
            "STRONGROOM_DATABASE": postgres.create_database(),
            "STRONGROOM_BLOBS": bucket.make_url(),
            **bucket.environment(),
        }
        with running_nodes(folder, count, settings=settings) as cluster:
            yield cluster


@contextmanager
def running_nodes(folder: Path, count: int, *, settings: Mapping[str, str]) -> Iterator[Cluster]:
    """Start nodes on stores that are there; the first makes the schema."""
    shared = {"STRONGROOM_KEY_FILE": str(make_key_file(folder)), "STRONGROOM_MIN_FREE_BYTES": "0", **settings}
    nodes = tuple(Server(folder / f"node-{number}", settings=shared) for number in range(count))
    started: list[Server] = []
    try:
        for node in nodes:
            node.start()
            started.append(node)
        nodes[0].admin("user", "create", "proof")
        yield Cluster(nodes, nodes[0].admin("token", "create", "--user", "proof"))
    finally:
        for node in started:
            kill_tree(node.pid)
            node.kill()


def make_key_file(folder: Path) -> Path:
    """Make a key as an operator does for the first of several nodes."""
    path = folder / "shared.key"
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path
