"""PostgreSQL fails under the real server: right answers, nothing lost, red within two seconds, back by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contracts.relay import Relay, relaying
from tests.contracts.servers import running_postgres
from tests.functional.projects import Dist, make_dists
from tests.functional.server import Server
from tests.functional.stores import database_of
from tests.functional.wire import JSON, Answer, upload

NAME = "acme-outage"
BUSY_NAME = "acme-busy"
RED_SECONDS = 2
REFUSED_SECONDS = 10
BACK_SECONDS = 30
SLACK_SECONDS = 1
"""What a busy machine adds to a promise."""
_PAUSE_SECONDS = 0.1
_RELEASES = 300


@dataclass(frozen=True, slots=True)
class Scene:
    """A server on PostgreSQL, a token, and files to publish, the first of which is."""

    server: Server
    token: str
    wheel: Dist
    folder: Path

    def publish(self, dist: Dist, *, version: str = "1.0", name: str = NAME) -> Answer:
        """Upload a file."""
        return upload(f"{self.server.url}/legacy/", dist.path, token=self.token, name=name, version=version)

    def next_wheel(self, version: str, *, name: str = NAME) -> Dist:
        """Make another release."""
        wheel, _ = make_dists(self.folder / version, name, version=version)
        return wheel

    def page(self, name: str = NAME) -> Answer:
        """Ask for a project's page."""
        return self.server.get(f"/simple/{name}/", token=self.token, accept=JSON)

    def listed(self, name: str = NAME) -> dict[str, str]:
        """Return what the page lists: sha256 by filename."""
        return {file["filename"]: file["hashes"]["sha256"] for file in self.page(name).json()["files"]}

    def file(self) -> Answer:
        """Ask for the first file's bytes."""
        return self.server.get(f"/main/files/{NAME}/{self.wheel.name}", token=self.token)

    def readiness(self) -> int:
        """Return the status of /readyz."""
        return self.server.get("/readyz").status


def open_scene(folder: Path, database: str) -> Scene:
    """Start the server, publish a file, and read it once."""
    server = Server(folder / "data", settings={"STRONGROOM_DATABASE": database})
    server.start()
    server.admin("user", "create", "alice")
    token = server.admin("token", "create", "--user", "alice")
    wheel, _ = make_dists(folder / "first", NAME)
    scene = Scene(server, token, wheel, folder)
    assert scene.publish(wheel).status == 200
    assert scene.page().status == scene.file().status == scene.readiness() == 200
    return scene


def seconds_until(is_so: Callable[[], bool], *, within_seconds: float) -> float:
    """Wait until it is so, and return how long that took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < within_seconds
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.fixture
def silenced(tmp_path: Path) -> Iterator[tuple[Scene, Relay]]:
    """Run a server at the end of a wire to PostgreSQL; it must end cleanly."""
    with relaying(database_of(tmp_path)) as (relay, near):
        scene = open_scene(tmp_path, near)
        try:
            yield scene, relay
            assert scene.server.stop() == 0, scene.server.log_text()
            assert "Traceback" not in scene.server.log_text()
        finally:
            relay.wake()
            scene.server.kill()


def test_a_silent_database_stops_no_installation(silenced: tuple[Scene, Relay]) -> None:
    """Known pages and files go on; what nobody can know is 503 with Retry-After, never 401 or 404; then all is well."""
    scene, relay = silenced
    second = scene.next_wheel("2.0")
    unused = scene.server.admin("token", "create", "--user", "alice")
    relay.go_silent()
    began = time.monotonic()
    assert seconds_until(lambda: scene.readiness() == 503, within_seconds=10) < RED_SECONDS + SLACK_SECONDS
    refused = scene.publish(second, version="2.0")
    assert time.monotonic() - began < REFUSED_SECONDS
    assert refused.status == 503, refused.text
    assert "retry-after" in refused.headers
    for answer in (scene.page("acme-unknown"), scene.server.get(f"/simple/{NAME}/", token=unused)):
        assert answer.status == 503, answer.text
        assert "retry-after" in answer.headers
    began = time.monotonic()
    for _ in range(20):
        assert scene.file().body == scene.wheel.path.read_bytes()
        assert list(scene.listed()) == [scene.wheel.name]
    assert time.monotonic() - began < 5, "memory waits for nobody"
    relay.wake()
    seconds_until(lambda: scene.readiness() == 200, within_seconds=BACK_SECONDS)
    assert list(scene.listed()) == [scene.wheel.name], "what was refused did not happen"
    seconds_until(lambda: scene.publish(second, version="2.0").status == 200, within_seconds=BACK_SECONDS)
    assert scene.listed() == {dist.name: dist.sha256 for dist in (scene.wheel, second)}


@dataclass(slots=True)
class Uploads:
    """One release after another of a project that nobody reads; what is refused is repeated until it is taken."""

    scene: Scene
    dists: list[Dist]
    acknowledged: dict[str, str] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)
    retries: set[str] = field(default_factory=set)

    def run(self, is_over: threading.Event) -> None:
        """Publish until it is over."""
        for number, dist in enumerate(self.dists):
            while not is_over.is_set() and dist.name not in self.acknowledged:
                answer = self.scene.publish(dist, version=version_of(number), name=BUSY_NAME)
                self.statuses.add(answer.status)
                if answer.status == 200:
                    self.acknowledged[dist.name] = dist.sha256
                else:
                    self.retries.add(answer.headers.get("retry-after", ""))
                time.sleep(_PAUSE_SECONDS)

    def wait_for_another(self) -> None:
        """Wait until one more is acknowledged."""
        before = len(self.acknowledged)
        seconds_until(lambda: len(self.acknowledged) > before, within_seconds=BACK_SECONDS)


def version_of(number: int) -> str:
    """Return the version of the number-th release."""
    return f"3.{number}"


def test_a_crashed_database_loses_nothing(tmp_path: Path) -> None:
    """PostgreSQL crashes under uploads and comes back: every acknowledged file is there, and each refusal was a 503."""
    with running_postgres() as postgres:
        scene = open_scene(tmp_path, postgres.create_database())
        uploads = Uploads(scene, [scene.next_wheel(version_of(number), name=BUSY_NAME) for number in range(_RELEASES)])
        is_over = threading.Event()
        working = threading.Thread(target=uploads.run, args=(is_over,))
        try:
            working.start()
            for _ in range(2):
                uploads.wait_for_another()
                postgres.crash()
                assert seconds_until(lambda: scene.readiness() == 503, within_seconds=10) < RED_SECONDS + SLACK_SECONDS
                assert scene.file().status == 200
                postgres.start_again()
                seconds_until(lambda: scene.readiness() == 200, within_seconds=BACK_SECONDS)
            uploads.wait_for_another()
            is_over.set()
            working.join()
            assert uploads.statuses == {200, 503}
            assert "" not in uploads.retries
            assert uploads.acknowledged.items() <= scene.listed(BUSY_NAME).items()
            assert scene.server.run("verify").returncode == 0
            assert scene.server.run("audit", "verify").returncode == 0
            assert scene.server.stop() == 0, scene.server.log_text()
        finally:
            is_over.set()
            working.join()
            scene.server.kill()
