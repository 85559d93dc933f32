"""Many clients at one filename, several workers, and a stop while an upload is on its way."""

from __future__ import annotations

import http.client
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.functional.conftest import World
from tests.functional.projects import Dist, make_dists
from tests.functional.server import Server
from tests.functional.wire import JSON, Answer, basic, upload, upload_form

CLIENTS = 64
BIG_BYTES = 24 * 2**20


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Return a server of this test alone, that waits two seconds for requests in flight."""
    server = Server(tmp_path / "data", settings={"STRONGROOM_DRAIN_SECONDS": "2"})
    server.start()
    yield server
    server.kill()


def make_token(server: Server) -> str:
    """Make a user and a token."""
    server.admin("user", "create", "alice")
    return server.admin("token", "create", "--user", "alice")


def upload_at_once(url: str, dists: list[Dist], *, name: str, token: str) -> list[Answer]:
    """Upload all of them at the same moment, each on its own connection."""
    gate = threading.Barrier(len(dists))

    def send(dist: Dist) -> Answer:
        gate.wait()
        return upload(url, dist.path, token=token, name=name)

    with ThreadPoolExecutor(len(dists)) as pool:
        return list(pool.map(send, dists))


def test_the_same_bytes_at_once_are_published_once(world: World, tmp_path: Path) -> None:
    """64 clients send the same file: all are told 200, and it is published once, with one event."""
    name = "acme-race-same"
    wheel, _ = make_dists(tmp_path, name)
    answers = upload_at_once(world.legacy, [wheel] * CLIENTS, name=name, token=world.token)
    assert Counter(answer.status for answer in answers) == {200: CLIENTS}
    assert world.files(name) == {wheel.name: wheel.sha256}
    events = world.server.admin("audit", "log", "--project", name)
    assert events.count(wheel.name) == 1


def test_other_bytes_at_once_have_one_winner(world: World, tmp_path: Path) -> None:
    """64 clients send other bytes under one filename: one is told 200 and listed, 63 are told 400."""
    name = "acme-race-other"
    dists = [make_dists(tmp_path / str(number), name, needs=[f"other{number}"])[0] for number in range(CLIENTS)]
    answers = upload_at_once(world.legacy, dists, name=name, token=world.token)
    assert Counter(answer.status for answer in answers) == {200: 1, 400: CLIENTS - 1}
    winner = next(dist for dist, answer in zip(dists, answers, strict=True) if answer.status == 200)
    assert world.files(name) == {winner.name: winner.sha256}
    assert all("File already exists" in answer.text for answer in answers if answer.status == 400)
    served = world.server.get(f"/main/files/{name}/{winner.name}", token=world.token)
    assert served.body == winner.path.read_bytes()


def test_every_worker_sees_an_upload_at_once(tmp_path: Path) -> None:
    """With three workers, whatever one of them acknowledged the next request to any of them shows."""
    server = Server(tmp_path / "data", "--workers", "3")
    try:
        server.start()
        token = make_token(server)
        for number in range(8):
            name = f"acme-seen-{number}"
            wheel, _ = make_dists(tmp_path / name, name)
            assert upload(f"{server.url}/legacy/", wheel.path, token=token, name=name).status == 200
            for _ in range(12):
                page = server.get(f"/simple/{name}/", token=token, accept=JSON)
                assert (page.status, len(page.json()["files"]) if page.status == 200 else 0) == (200, 1)
        assert server.stop() == 0
    finally:
        server.kill()


@pytest.mark.parametrize("goes_on", [True, False], ids=["client-goes-on", "client-stalls"])
def test_a_stop_during_an_upload_leaves_no_half(own_server: Server, tmp_path: Path, *, goes_on: bool) -> None:
    """SIGTERM in the middle of a body: the upload is acknowledged and whole, or not there at all."""
    token = make_token(own_server)
    name = "acme-big"
    wheel, _ = make_dists(tmp_path, name, ballast=f'DATA = "{os.urandom(BIG_BYTES // 2).hex()}"')
    headers, body = upload_form(wheel.path, name=name, version="1.0")
    connection = http.client.HTTPConnection(own_server.host, own_server.port, timeout=30)
    connection.putrequest("POST", "/legacy/")
    for key, value in (headers | {"Authorization": basic(token)}).items():
        connection.putheader(key, value)
    connection.endheaders()
    connection.send(body[: len(body) // 2])
    own_server.terminate()
    status = _finish(connection, body[len(body) // 2 :]) if goes_on else None
    assert own_server.wait() == 0, own_server.log_text()
    connection.close()

    own_server.start()
    page = own_server.get(f"/simple/{name}/", token=token, accept=JSON)
    if status == 200:
        assert [file["hashes"]["sha256"] for file in page.json()["files"]] == [wheel.sha256]
    else:
        assert page.status == 404
    own_server.admin("verify")
    assert upload(f"{own_server.url}/legacy/", wheel.path, token=token, name=name).status == 200
    assert own_server.stop() == 0


def _finish(connection: http.client.HTTPConnection, rest: bytes) -> int | None:
    try:
        connection.send(rest)
        return connection.getresponse().status
    except OSError:
        return None
