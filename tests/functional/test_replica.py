"""A replica of a server that dies while it is used: real processes, a real network, and one command to take over."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.functional.projects import Dist, make_dists
from tests.functional.server import Server, run_strongroom
from tests.functional.wire import Answer, request, upload

PUBLISHERS = 2
_MOST_SECONDS = 60


class Replica(Server):
    """A server that is started by `strongroom replicate --from`."""

    primary: Server
    token: str

    def follow(self, primary: Server, token: str) -> None:
        """Copy the primary's key, and start as its replica."""
        self.data.mkdir(mode=0o700)
        shutil.copy(primary.data / "secret.key", self.data / "secret.key")
        self.settings |= {"STRONGROOM_REPLICATE_TOKEN": token}
        self.words = ("replicate", "--from", primary.url)
        self.start()

    def status(self) -> dict[str, Any]:
        """Return what `replicate --status` says."""
        found: dict[str, Any] = json.loads(self.admin("replicate", "--status", "--json"))
        return found


@dataclass(slots=True)
class Pair:
    """A primary and its replica, and what was published on the primary."""

    folder: Path
    primary: Server
    replica: Replica
    token: str
    acknowledged: dict[str, Dist] = field(default_factory=dict)

    def make(self, name: str) -> Dist:
        """Make a small wheel of that name."""
        return make_dists(self.folder / name, name)[0]

    def publish(self, name: str, *, to: Server | None = None) -> Answer:
        """Publish a small wheel of that name; remember it if the server took it."""
        return self.send(self.make(name), name, to=to or self.primary)

    def send(self, wheel: Dist, name: str, *, to: Server) -> Answer:
        """Upload the wheel; remember it if the server took it."""
        answer = upload(f"{to.url}/legacy/", wheel.path, token=self.token, name=name)
        if answer.status == 200:
            self.acknowledged[name] = wheel
        return answer

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds; when that takes too long, fail with what both servers logged."""
        until = time.monotonic() + _MOST_SECONDS
        while not holds():
            assert time.monotonic() < until, self._story()
            time.sleep(0.1)

    def _story(self) -> str:
        logs = [f"{server.data.name}:\n{server.log_text()[-4000:]}" for server in (self.primary, self.replica)]
        return "\n".join(["it does not come to pass", f"acknowledged: {sorted(self.acknowledged)}", *logs])

    def fetch(self, name: str, dist: Dist) -> Answer:
        """Fetch a file from the replica."""
        return self.replica.get(f"/main/files/{name}/{dist.name}", token=self.token)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Provide a primary with an administrator, and a replica that follows it."""
    primary, replica = Server(tmp_path / "primary"), Replica(tmp_path / "replica")
    primary.admin("user", "create", "ada", "--admin")
    rights = [word for right in ("administer", "read", "upload") for word in ("--right", right)]
    token = primary.admin("token", "create", "--user", "ada", *rights)
    try:
        primary.start()
        replica.follow(primary, token)
        yield Pair(tmp_path, primary, replica, token)
    finally:
        replica.kill()
        primary.kill()


def serial_of(server: Server, token: str) -> int:
    """Return the last change that the server has."""
    found: int = server.get("/api/v1/replica", token=token).json()["serial"]
    return found


def listed(server: Server, token: str) -> dict[str, str]:
    """Return each project's files on the server, as its pages list them, with their digests."""
    accept = "application/vnd.pypi.simple.v1+json"
    names = [item["name"] for item in server.get("/simple/", token=token, accept=accept).json()["projects"]]
    pages = [server.get(f"/simple/{name}/", token=token, accept=accept).json() for name in names]
    return {file["filename"]: file["hashes"]["sha256"] for page in pages for file in page["files"]}


def publish_until(stop: threading.Event, pair: Pair, *, prefix: str) -> None:
    """Publish one wheel after the other until the primary is gone."""
    for number in count():
        name = f"{prefix}-{number}"
        wheel = pair.make(name)
        if stop.is_set():
            return
        try:
            pair.send(wheel, name, to=pair.primary)
        except (OSError, HTTPException):
            return  # it was killed meanwhile


def test_a_primary_dies_under_load_and_its_replica_takes_over(pair: Pair) -> None:
    """The replica serves every file that it lists, refuses changes until it is promoted, and takes them then."""
    assert pair.publish("before").status == 200
    stop = threading.Event()
    publishers = [
        threading.Thread(target=publish_until, args=(stop, pair), kwargs={"prefix": f"load-{number}"})
        for number in range(PUBLISHERS)
    ]
    for publisher in publishers:
        publisher.start()
    pair.wait_until(lambda: len(listed(pair.replica, pair.token)) >= 8)
    pair.primary.kill()
    stop.set()
    for publisher in publishers:
        publisher.join()

    _serves_all_that_it_lists(pair)
    _refuses_changes(pair)
    _tells_how_far_behind_it_is(pair)
    _is_promoted_by_one_command(pair)


def _serves_all_that_it_lists(pair: Pair) -> None:
    """Each file that the replica lists comes with the bytes that were published, METADATA too."""
    dists = {dist.name: (name, dist) for name, dist in pair.acknowledged.items()}
    found = listed(pair.replica, pair.token)
    assert len(found) >= 8
    for filename, sha256 in found.items():
        if filename in dists:  # the last upload may have been stored without an answer
            name, dist = dists[filename]
            answer = pair.fetch(name, dist)
            assert (answer.status, answer.body) == (200, dist.path.read_bytes())
            assert sha256 == dist.sha256
            assert pair.replica.get(f"/main/files/{name}/{filename}.metadata", token=pair.token).status == 200
    assert json.loads(pair.replica.admin("verify", "--json"))["faults"] == []


def _refuses_changes(pair: Pair) -> None:
    """Show that an upload, a command and the API are told where to go instead, and change nothing."""
    serial = serial_of(pair.replica, pair.token)
    refused = pair.publish("refused", to=pair.replica)
    assert refused.status == 403
    assert pair.primary.url in refused.text
    created = pair.replica.run("index", "create", "other")
    assert (created.returncode, pair.primary.url in created.stderr) == (4, True)
    headers = {"Content-Type": "application/json"}
    by_api = request(
        "POST", f"{pair.replica.url}/api/v1/indexes", token=pair.token, headers=headers, body=b'{"name": "other"}'
    )
    assert (by_api.status, by_api.json()["code"]) == (403, "replica")
    assert serial_of(pair.replica, pair.token) == serial


def _tells_how_far_behind_it_is(pair: Pair) -> None:
    """Show that the lag grows while the primary is gone, in the command and over the API."""
    earlier = pair.replica.status()
    time.sleep(1.2)
    later = pair.replica.status()
    assert (later["primary_answers"], later["missing_changes"]) == (False, None)
    assert later["behind_seconds"] > earlier["behind_seconds"] > 0
    told = pair.replica.get("/readyz").json()["replica"]
    assert told["behind_seconds"] >= later["behind_seconds"]
    standing = pair.replica.get("/api/v1/replica", token=pair.token).json()
    assert (standing["is_replica"], standing["primary"]) == (True, pair.primary.url)
    assert standing["behind_seconds"] >= later["behind_seconds"]


def _is_promoted_by_one_command(pair: Pair) -> None:
    """After it the running server takes uploads, its log is whole and says who promoted it."""
    pair.replica.admin("replicate", "--promote")
    assert pair.publish("after", to=pair.replica).status == 200
    assert pair.fetch("after", pair.acknowledged["after"]).status == 200
    assert pair.replica.run("audit", "verify").returncode == 0
    kinds = [entry["event"]["kind"] for entry in json.loads(pair.replica.admin("audit", "log", "--json"))]
    assert kinds[:2] == ["uploaded", "replica-promoted"]
    assert pair.replica.status()["is_replica"] is False


def test_a_replica_follows_what_its_primary_does(pair: Pair) -> None:
    """Deleted files and revoked tokens reach it within seconds; it is not promoted meanwhile, and outlives restarts."""
    pair.publish("kept")
    pair.publish("gone")
    reader = pair.primary.admin("token", "create", "--user", "ada", "--right", "read")
    pair.wait_until(lambda: pair.replica.get("/simple/gone/", token=reader).status == 200)
    pair.primary.admin("delete", "gone", "--yes")
    pair.primary.admin("token", "revoke", reader.split("_")[1])
    pair.wait_until(lambda: serial_of(pair.replica, pair.token) == serial_of(pair.primary, pair.token))
    assert pair.replica.get("/simple/kept/", token=reader).status == 401
    assert pair.replica.get("/simple/kept/", token=pair.token).status == 200
    assert pair.replica.get("/simple/gone/", token=pair.token).status == 404
    refused = pair.replica.run("replicate", "--promote")
    assert (refused.returncode, "still answers" in refused.stderr) == (1, True)
    assert pair.replica.status()["missing_changes"] == 0
    _starts_again_without_its_primary(pair)


def _starts_again_without_its_primary(pair: Pair) -> None:
    """Once it was level it serves after a restart, by `serve` too, and is still a replica."""
    pair.primary.kill()
    assert pair.replica.stop() == 0
    pair.replica.words = ("serve",)
    pair.replica.start()
    assert pair.fetch("kept", pair.acknowledged["kept"]).status == 200
    assert pair.publish("refused", to=pair.replica).status == 403


def test_what_cannot_be_followed_is_told_before_anything_listens(tmp_path: Path) -> None:
    """Without the primary's key, or with nobody at the URL: a sentence, and no replica."""

    def refusal(data: Path) -> tuple[int, str]:
        words = ("replicate", "--from", "http://127.0.0.1:1", "--token", "t", "--data", str(data), "--port", "1")
        done = run_strongroom(*words, home=tmp_path)
        return done.returncode, done.stderr

    code, told = refusal(tmp_path / "empty")
    assert (code, "Copy secret.key" in told, (tmp_path / "empty").exists()) == (5, True, False)
    keyed = tmp_path / "keyed"
    keyed.mkdir(mode=0o700)
    (keyed / "secret.key").write_bytes(bytes(32))
    (keyed / "secret.key").chmod(0o600)
    code, told = refusal(keyed)
    assert (code, "cannot be reached: connection refused" in told) == (5, True)
