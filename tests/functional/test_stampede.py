"""Two hundred clients at once who want the same thing that is not here yet: one fetch serves them all."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from strongroom.adapters.upstream.site import SiteFile
from strongroom.core.names import ProjectName
from tests.functional.crowd import STAYS, Got, ask_together
from tests.functional.server import Server
from tests.functional.wire import JSON
from tests.load.big_wheel import make_big_wheel
from tests.load.memory import MemoryWatch
from tests.upstream.server import UpstreamServer

CROWD = 200
MIB = 1024 * 1024
LARGE_BYTES = 50 * MIB
SMALLER_BYTES = 8 * MIB
MEMORY_LIMIT_MIB = 250
_LIST = "/simple/"
_QUIET_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Scene:
    """A server before an upstream of limited bandwidth."""

    folder: Path
    server: Server
    upstream: UpstreamServer
    token: str

    def offer(self, name: str, *, size_bytes: int, bytes_a_second: float) -> SiteFile:
        """Let the upstream have a wheel of about that size, and send so fast; nobody has asked for anything yet."""
        big = make_big_wheel(name, "1.0", size_bytes=size_bytes)
        path = self.folder / big.filename
        with path.open("wb") as file:
            file.writelines(big.chunks())
        wheel = SiteFile(ProjectName(name), big.filename, path=path)
        self.upstream.site.add(wheel)
        self.upstream.bytes_a_second = bytes_a_second
        self.upstream.requests.clear()
        return wheel

    def ask(self, path: str, *, leaving: list[int | str]) -> list[Got]:
        """Let a crowd ask for it."""
        return ask_together(self.server.port, self.token, path=path, leaving=leaving)

    def warm_up(self) -> None:
        """Have the server load what it loads late, so that only what a crowd needs is measured."""
        assert self.server.get("/simple/something-else/", token=self.token).status == 404
        assert self.server.get("/api/v1/openapi.json", token=self.token).status == 200

    def asked(self) -> Counter[str]:
        """Return how often the upstream was asked for what; its list of names is fetched besides."""
        return Counter({path: count for path, count in self.upstream.counts().items() if path != _LIST})

    def wait_until_quiet(self) -> None:
        """Wait until nothing is on its way here."""
        incoming, end = self.server.data / "incoming", time.monotonic() + _QUIET_SECONDS
        while any(incoming.iterdir()) and time.monotonic() < end:
            time.sleep(0.05)
        assert list(incoming.iterdir()) == []


def page_path(wheel: SiteFile) -> str:
    """Return the path of the wheel's page, here and at the upstream."""
    return f"/simple/{wheel.project}/"


def file_path(wheel: SiteFile) -> str:
    """Return the wheel's path, which clients know from a lock file."""
    return f"/main/files/{wheel.project}/{wheel.filename}"


def upstream_path(wheel: SiteFile) -> str:
    """Return the wheel's path at the upstream."""
    return f"/files/{wheel.project}/{wheel.filename}"


def asked_once(wheel: SiteFile) -> dict[str, int]:
    """Return what an upstream is asked for that is asked as little as possible."""
    return {page_path(wheel): 1, upstream_path(wheel): 1}


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Run both; the server must end cleanly and have said nothing bad."""
    with UpstreamServer() as upstream:
        settings = {"STRONGROOM_DEFAULT_UPSTREAM": upstream.url, "STRONGROOM_UPSTREAM_NETWORKS": "127.0.0.0/8"}
        server = Server(folder / "data", settings=settings)
        try:
            server.start()
            server.admin("user", "create", "alice")
            server.admin("index", "set", "main", "--downloads", "stream")  # through the server, also from a bucket
            made = Scene(folder, server, upstream, server.admin("token", "create", "--user", "alice"))
            made.warm_up()
            yield made
            assert server.stop() == 0, server.log_text()
            assert "Traceback" not in server.log_text()
        finally:
            server.kill()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run a server and its upstream; each test asks for a project of its own."""
    with scene(tmp_path_factory.mktemp("stampede")) as both:
        yield both


def find_unserved(got: list[Got], *, sha256: str) -> list[Got]:
    """Return who stayed and did not get the whole with the right digest."""
    return [one for one in got if not one.has_left and (one.status, one.is_whole, one.sha256) != (200, True, sha256)]


def was_streamed(made: Scene, got: list[Got], *, wheel: SiteFile, began_at: float) -> bool:
    """Print the times, and return whether a client had its first byte before the upstream had sent its last one."""
    first = min(one.first_byte_at for one in got if one.first_byte_at) - began_at
    last = made.upstream.ended_at[upstream_path(wheel)] - began_at
    done = max(one.ended_at for one in got) - began_at
    print(f"first byte at a client {first:.3f} s, last byte from upstream {last:.3f} s, all clients done {done:.3f} s")
    return first < last


def test_a_cold_page_is_asked_for_once(made: Scene) -> None:
    """200 clients want a page that takes the upstream a second: one request, and all get the same whole page."""
    wheel = made.offer("listed", size_bytes=1000, bytes_a_second=MIB)
    made.upstream.delay_seconds = 1
    got = made.ask(page_path(wheel), leaving=[STAYS] * CROWD)
    made.upstream.delay_seconds = 0
    page = made.server.get(page_path(wheel), token=made.token, accept=JSON)
    assert [file["hashes"]["sha256"] for file in page.json()["files"]] == [wheel.sha256]
    assert find_unserved(got, sha256=hashlib.sha256(page.body).hexdigest()) == []
    assert len(got) == CROWD
    assert made.asked() == {page_path(wheel): 1}


def test_a_cold_file_is_fetched_once_and_streamed(made: Scene) -> None:
    """200 clients want 50 MB: one fetch, right digests, bytes before the upstream is done, little memory."""
    wheel = made.offer("large", size_bytes=LARGE_BYTES, bytes_a_second=10 * MIB)
    began_at = time.monotonic()
    with MemoryWatch(made.server.pid) as watch:
        got = made.ask(file_path(wheel), leaving=[STAYS] * CROWD)
    print(f"memory: {watch.growth_mib():.0f} MiB more than before")
    assert find_unserved(got, sha256=wheel.sha256) == []
    assert len(got) == CROWD
    assert made.asked() == asked_once(wheel)
    assert was_streamed(made, got, wheel=wheel, began_at=began_at)
    assert watch.growth_mib() < MEMORY_LIMIT_MIB
    made.wait_until_quiet()


def test_leaving_clients_disturb_nobody(made: Scene) -> None:
    """The first client leaves at once and half the others half-way: one fetch, and all who stay have the whole."""
    wheel = made.offer("left", size_bytes=SMALLER_BYTES, bytes_a_second=4 * MIB)
    half: list[int | str] = [SMALLER_BYTES // 2, STAYS]
    leaving: list[int | str] = [1, *half * ((CROWD - 1) // 2), STAYS]
    began_at = time.monotonic()
    with MemoryWatch(made.server.pid) as watch:
        got = made.ask(file_path(wheel), leaving=leaving)
    print(f"memory: {watch.growth_mib():.0f} MiB more than before")
    assert find_unserved(got, sha256=wheel.sha256) == []
    assert [one.has_left for one in got] == [word != STAYS for word in leaving]
    assert made.asked() == asked_once(wheel)
    assert was_streamed(made, got, wheel=wheel, began_at=began_at)
    assert watch.growth_mib() < MEMORY_LIMIT_MIB
    made.wait_until_quiet()


def test_a_fetch_goes_on_when_all_have_left(made: Scene) -> None:
    """All 200 leave early: the one fetch ends well by itself, and who comes later is served from the store."""
    wheel = made.offer("deserted", size_bytes=SMALLER_BYTES, bytes_a_second=4 * MIB)
    got = made.ask(file_path(wheel), leaving=[1 + number for number in range(CROWD)])
    assert all(one.has_left for one in got)
    made.wait_until_quiet()
    (later,) = made.ask(file_path(wheel), leaving=[STAYS])
    assert find_unserved([later], sha256=wheel.sha256) == []
    assert made.asked() == asked_once(wheel)
