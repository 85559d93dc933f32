"""docs/three-nodes.md does what it says, on a real PostgreSQL, S3 server and Caddy; Caddy does what its file says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import clients
from tests.contracts.buckets import running_bucket
from tests.contracts.servers import PostgresServer, running_postgres
from tests.deploy.files import DEPLOY, paths_asked
from tests.functional import walk
from tests.functional.installers import Target, make_target
from tests.functional.projects import make_dists
from tests.functional.server import free_port
from tests.functional.test_readme import blocks
from tests.functional.walk import Walk
from tests.functional.wire import Answer, request

DOCUMENT = clients.ROOT / "docs" / "three-nodes.md"
PAGE = "/simple/acme-demo/"
HOW = {
    walk.TYPED,
    walk.OLD_MACHINE,
    walk.NODES,
    walk.STOPS_OLD_MACHINE,
    walk.STOPS_NODE,
    walk.ELSEWHERE,
}


@dataclass(frozen=True, slots=True)
class Town:
    """What the document left running, and where."""

    walk: Walk
    front: str
    nodes: tuple[str, str, str]
    target: Target

    @property
    def token(self) -> str:
        """Return the token that the old machine gave out."""
        return self.walk.type("printf %s $TOKEN")

    def get(self, path: str = PAGE, **headers: str) -> Answer:
        """Ask Caddy."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return request("GET", f"http://{self.front}{path}", token=self.token, headers=sent)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Walk through the whole document, and leave running what runs at its end."""
    folder = tmp_path_factory.mktemp("walk")
    old, front, *nodes = (f"127.0.0.1:{free_port()}" for _ in range(5))
    target = _prepare(folder)
    with running_postgres() as database, running_bucket() as bucket:
        secrets = bucket.environment()
        database.run_script(DEPLOY / "database.sh", NODE_PASSWORD="it's $odd")
        replaced = {f"{8000 + number}": address.partition(":")[2] for number, address in enumerate(nodes, 1)}
        replaced |= {
            "postgresql://strongroom@database.example/strongroom?sslmode=verify-full": _nodes_url(database),
            "s3://packages": bucket.make_url(),
            "https://objects.example": secrets["AWS_ENDPOINT_URL"],
            "AWS_ACCESS_KEY_ID=strongroom": f"AWS_ACCESS_KEY_ID={secrets['AWS_ACCESS_KEY_ID']}",
            "AWS_SECRET_ACCESS_KEY=secret": f"AWS_SECRET_ACCESS_KEY={secrets['AWS_SECRET_ACCESS_KEY']}",
            "https://__token__:$TOKEN@packages.company.example": f"http://__token__:$TOKEN@{front}",
            "https://packages.company.example": f"http://{front}",
            "/etc/strongroom": str(folder / "etc"),
            "/srv/backup": str(folder / "backup"),
            "deploy/Caddyfile": str(clients.ROOT / "deploy" / "Caddyfile"),
            "127.0.0.1:8000": old,
        }
        text = DOCUMENT.read_text()
        for written, real in replaced.items():
            assert written in text, written
            text = text.replace(written, real)
        addresses = {"strongroom-data": old, "caddy": front}
        addresses |= {f"--data node-{number}": address for number, address in enumerate(nodes, 1)}
        walking = Walk(folder, _environment(folder, target, port=old.partition(":")[2]), addresses)
        try:
            for block in blocks(text):
                walking.go(block)
            yield Town(walking, front, (nodes[0], nodes[1], nodes[2]), target)
        finally:
            walking.end()


def _nodes_url(database: PostgresServer) -> str:
    """Return the address of the database that the nodes own, for their own role."""
    return database.url_of("strongroom").replace("postgres:@", "strongroom@")


def _prepare(folder: Path) -> Target:
    make_dists(folder, "acme-demo")
    make_dists(folder / "later", "acme-demo", version="1.1")
    shutil.move(folder / "later" / "dist", folder / "next")
    return make_target(folder / "target")


def _environment(folder: Path, target: Target, *, port: str) -> dict[str, str]:
    environment = clients.environment(folder, "uv", "pip")
    environment["PATH"] += f":{clients.ROOT / '.venv' / 'bin'}"
    told = {"PIP_PYTHON": target.python, "VIRTUAL_ENV": str(target.folder), "UV_NO_CONFIG": "1"}
    return environment | told | {"STRONGROOM_DEFAULT_UPSTREAM": "none", "STRONGROOM_PORT": port}


def test_every_block_is_run_in_a_known_way() -> None:
    """No block of the document escapes; the way there has three nodes, a worker and a proxy, and a way back."""
    found = blocks(DOCUMENT.read_text())
    assert {block.how for block in found} == HOW
    assert sum(len(block.commands.splitlines()) for block in found if block.how == walk.NODES) == 5
    assert len([block for block in found if block.how == walk.ELSEWHERE]) == 1
    assert len(re.findall(r"^```console$", DOCUMENT.read_text(), re.M)) == len(found)


@pytest.mark.timeout(240)
def test_the_walk_works_from_top_to_bottom(town: Town) -> None:
    """Whoever types the document's lines installs what was and what is new, with the old token, at the new address."""
    assert town.target.version_of("acme-demo") == "1.1"
    pages = [request("GET", f"http://{address}{PAGE}", token=town.token) for address in (town.nodes[0], town.nodes[2])]
    assert [page.status for page in pages] == [200, 200]
    assert pages[0].body == pages[1].body == town.get().body
    assert {"acme_demo-1.0", "acme_demo-1.1"} <= set(re.findall(r"acme_demo-1\.\d", pages[0].text))
    with pytest.raises(OSError, match="refused"):
        request("GET", f"http://{town.nodes[1]}/healthz")


def test_the_old_life_came_along_and_back(town: Town) -> None:
    """The log of the machine at the end has what happened on the first one and on the nodes, in this order."""
    log = json.loads(town.walk.type("strongroom audit log --json --limit 1000 --data one-machine"))
    serials = {file: [entry["serial"] for entry in log if file in json.dumps(entry)] for file in ("-1.0-py", "-1.1-py")}
    assert sorted(entry["serial"] for entry in log) == list(range(1, len(log) + 1))
    assert max(serials["-1.0-py"]) < min(serials["-1.1-py"])
    kept = {path.name for path in (town.walk.folder / "one-machine" / "blobs" / "sha256").rglob("*") if path.is_file()}
    assert len(kept) >= 4
    assert not [path for path in (town.walk.folder / "node-1" / "blobs").rglob("*") if path.is_file()]


def test_every_probe_asks_for_what_is_there(town: Town) -> None:
    """The paths that compose, Kubernetes and Caddy ask for are answered by a node that works."""
    paths = paths_asked()
    assert paths == {"/healthz", "/readyz"}
    assert {path: request("GET", f"http://{town.nodes[0]}{path}").status for path in paths} == dict.fromkeys(paths, 200)


def test_caddy_leaves_pages_as_they_are(town: Town) -> None:
    """A page keeps its strong ETag and its encoding, and a client that has it is told so."""
    page = town.get(Accept_Encoding="gzip")
    direct = request("GET", f"http://{town.nodes[0]}{PAGE}", token=town.token, headers={"Accept-Encoding": "gzip"})
    etag = page.headers["etag"]
    assert etag == direct.headers["etag"]
    assert not etag.startswith("W/")
    assert page.body == direct.body
    assert page.headers.get("content-encoding") == direct.headers.get("content-encoding")
    again = town.get(Accept_Encoding="gzip", If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")


def test_numbers_about_the_house_stay_in_it(town: Town) -> None:
    """Nobody gets metrics through the front door, whatever he says."""
    assert town.get("/metrics").status == 404


def test_nobody_speaks_for_another_address(town: Town) -> None:
    """A client's own X-Forwarded-For is dropped by Caddy, so a token for one network does not work from another."""
    variables = f"set -a; . {town.walk.folder}/etc/environment"
    create = "strongroom token create --user alice --data node-1 --network 10.0.0.0/8"
    elsewhere = town.walk.type(f"({variables}; {create})").strip()
    spoof = {"X-Forwarded-For": "10.1.2.3"}
    url = f"http://{town.front}{PAGE}"
    assert request("GET", url, token=town.token, headers=spoof).status == 200
    assert request("GET", url, token=elsewhere, headers=spoof).status in {401, 403, 404}


def test_no_reader_notices_that_a_node_died(town: Town) -> None:
    """Readers go on through Caddy while a node is killed and comes back: each request is answered with the page."""
    expected, statuses, stop = town.get().body, [], threading.Event()
    token = town.token

    def read() -> None:
        while not stop.is_set():
            answer = request("GET", f"http://{town.front}{PAGE}", token=token)
            statuses.append((answer.status, answer.body == expected))
            stop.wait(0.02)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        victim = town.walk.nodes[2]
        os.killpg(victim.running.pid, signal.SIGKILL)
        victim.running.wait(10)
        town.walk.start_again(victim)
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert len(statuses) > 20
    assert set(statuses) == {(200, True)}
