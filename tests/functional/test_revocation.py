"""What is taken away on one node is refused on all of them within a second: measured, and printed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contracts.servers import running_postgres
from tests.functional.projects import make_dists
from tests.functional.server import Server
from tests.functional.wire import Answer, request, upload
from tests.nodes.cluster import Cluster, running_nodes

WITHIN_SECONDS = 1.0
AT_ONCE_SECONDS = 0.25
"""For the node itself: the request that was under way, on a busy machine."""
PAGE = "/simple/acme-tiny/"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start three nodes with one published project; blobs play no part here."""
    folder = tmp_path_factory.mktemp("revocation")
    with running_postgres() as postgres:
        settings = {"STRONGROOM_DATABASE": postgres.create_database(), "STRONGROOM_BLOBS": ""}
        with running_nodes(folder, 3, settings=settings) as cluster:
            wheel, _ = make_dists(folder / "tiny", "acme-tiny")
            answer = upload(
                f"{cluster.nodes[0].url}/legacy/", wheel.path, token=cluster.token, name="acme-tiny", version="1.0"
            )
            assert answer.status == 200, answer.text
            yield cluster


def seconds_until_refused(cluster: Cluster, token: str, *, take_away: Callable[[], None]) -> list[float]:
    """Return for each node how long after the change it still let the token in: asked without a pause."""
    ends: dict[int, float] = {}
    is_warm = threading.Barrier(len(cluster.nodes) + 1, timeout=20)

    def ask(number: int, node: Server) -> None:
        assert node.get(PAGE, token=token).status == 200
        is_warm.wait()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and node.get(PAGE, token=token).status == 200:
            time.sleep(0.005)
        ends[number] = time.monotonic()

    threads = [threading.Thread(target=ask, args=pair) for pair in enumerate(cluster.nodes)]
    for thread in threads:
        thread.start()
    is_warm.wait()
    take_away()
    changed = time.monotonic()
    for thread in threads:
        thread.join()
    return [max(0.0, ends[number] - changed) for number in range(len(cluster.nodes))]


@dataclass(frozen=True, slots=True)
class Reader:
    """A user with a token, who may read."""

    name: str
    token: str
    token_id: str


def post(node: Server, path: str, *, administrator: str, body: dict[str, object]) -> Any:  # Any: whatever it answers
    """Send JSON to the API, which must take it."""
    headers = {"Content-Type": "application/json"}
    answer = request("POST", node.url + path, token=administrator, headers=headers, body=json.dumps(body).encode())
    assert answer.status in (200, 201), answer.text
    return answer.json()


def make_reader(node: Server, name: str, *, administrator: str) -> Reader:
    """Make a user who may read, and a token for him."""
    post(node, "/api/v1/users", administrator=administrator, body={"name": name, "grants": [{"rights": ["read"]}]})
    made = post(node, "/api/v1/tokens", administrator=administrator, body={"owner": name, "rights": ["read"]})
    return Reader(name, made["secret"], made["id"])


def revoke(node: Server, reader: Reader, *, administrator: str) -> Answer:
    """Revoke the token."""
    return request("DELETE", f"{node.url}/api/v1/tokens/{reader.token_id}", token=administrator)


def remove_right(node: Server, reader: Reader, *, administrator: str) -> Answer:
    """Take away the right to read, wherever it is."""
    return request("DELETE", f"{node.url}/api/v1/users/{reader.name}/grants?right=read", token=administrator)


def disable(node: Server, reader: Reader, *, administrator: str) -> Answer:
    """Shut the user out."""
    body, headers = b'{"is_disabled": true}', {"Content-Type": "application/json"}
    url = f"{node.url}/api/v1/users/{reader.name}"
    return request("PATCH", url, token=administrator, headers=headers, body=body)


@pytest.fixture(scope="module")
def administrator(cluster: Cluster) -> str:
    """Return a token that may do everything."""
    node = cluster.nodes[0]
    node.admin("user", "create", "root", "--admin")
    return node.admin("token", "create", "--user", "root", "--right", "administer", "--right", "read")


@pytest.mark.parametrize("take_away", [revoke, remove_right, disable], ids=lambda change: change.__name__)
def test_what_is_taken_away_on_one_node_is_refused_on_all(
    cluster: Cluster, administrator: str, *, take_away: Callable[..., Answer]
) -> None:
    """Each node in turn takes it away; the others have the reader and the page in memory, and let nobody in longer."""
    slowest = 0.0
    for number, node in enumerate(cluster.nodes):
        reader = make_reader(node, f"{take_away.__name__}-{number}".replace("_", "-"), administrator=administrator)

        def change(node: Server = node, reader: Reader = reader) -> None:
            answer = take_away(node, reader, administrator=administrator)
            assert answer.status in (200, 204), answer.text

        seconds = seconds_until_refused(cluster, reader.token, take_away=change)
        slowest = max(slowest, *seconds)
        assert seconds[number] < AT_ONCE_SECONDS
        assert node.get(PAGE, token=cluster.token).status == 200
    print(f"{take_away.__name__}: refused on every node after at most {slowest * 1000:.0f} ms")
    assert slowest < WITHIN_SECONDS
