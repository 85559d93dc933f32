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
from tests.load.big_wheel import make_big_wheel
from tests.load.memory import MemoryWatch
from tests.upstream.server import UpstreamServer

CROWD = 200
FILE_BYTES = 50 * 1024 * 1024
BYTES_A_SECOND = 10.0 * 1024 * 1024
MEMORY_LIMIT_MIB = 150
_QUIET_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Scene:
    """A server before an upstream of limited bandwidth, which has one large wheel."""

    server: Server
    upstream: UpstreamServer
    token: str
    wheel: SiteFile

    @property
    def page_path(self) -> str:
        """Return the path of the wheel's page."""
        return f"/simple/{self.wheel.project}/"

    @property
    def file_path(self) -> str:
        """Return the wheel's path, which clients know from a lock file."""
        return f"/main/files/{self.wheel.project}/{self.wheel.filename}"

    @property
    def upstream_path(self) -> str:
        """Return the wheel's path at the upstream."""
        return f"/files/{self.wheel.project}/{self.wheel.filename}"

    def ask(self, path: str, *, leaving: list[int | str]) -> list[Got]:
        """Let a crowd ask for it."""
        return ask_together(self.server.port, self.token, path=path, leaving=leaving)

    def warm_up(self) -> None:
        """Have the server load what it loads late, so that only what a crowd needs is measured."""
        assert self.server.get("/simple/something-else/", token=self.token).status == 404
        assert self.server.get("/api/v1/openapi.json", token=self.token).status == 200
        self.upstream.requests.clear()

    def asked(self) -> Counter[str]:
        """Return how often the upstream was asked for what; its list of names is fetched besides."""
        return Counter({path: count for path, count in self.upstream.counts().items() if path != "/simple/"})

    def incoming(self) -> list[Path]:
        """Return the temporary files."""
        return list((self.server.data / "incoming").iterdir())

    def wait_until_quiet(self) -> None:
        """Wait until nothing is on its way here."""
        end = time.monotonic() + _QUIET_SECONDS
        while self.incoming() and time.monotonic() < end:
            time.sleep(0.05)
        assert self.incoming() == []


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Run both; the server must end cleanly and have said nothing bad."""
    with UpstreamServer() as upstream:
        wheel = _put_wheel(folder, upstream)
        settings = {"STRONGROOM_DEFAULT_UPSTREAM": upstream.url, "STRONGROOM_UPSTREAM_NETWORKS": "127.0.0.0/8"}
        server = Server(folder / "data", settings=settings)
        try:
            server.start()
            server.admin("user", "create", "alice")
            token = server.admin("token", "create", "--user", "alice")
            made = Scene(server, upstream, token, wheel)
            made.warm_up()
            yield made
            assert server.stop() == 0, server.log_text()
            assert "Traceback" not in server.log_text()
        finally:
            server.kill()


def _put_wheel(folder: Path, upstream: UpstreamServer) -> SiteFile:
    big = make_big_wheel("crowded", "1.0", size_bytes=FILE_BYTES)
    path = folder / big.filename
    with path.open("wb") as file:
        file.writelines(big.chunks())
    wheel = SiteFile(ProjectName(big.project), big.filename, path=path)
    upstream.site.add(wheel)
    return wheel


def find_unserved(got: list[Got], *, sha256: str) -> list[Got]:
    """Return who stayed and did not get the whole with the right digest."""
    return [one for one in got if not one.has_left and (one.status, one.is_whole, one.sha256) != (200, True, sha256)]


def tell_times(made: Scene, got: list[Got], *, began_at: float) -> tuple[float, float]:
    """Print and return when the first client had its first byte, and when the upstream had sent its last one."""
    first = min(one.first_byte_at for one in got if one.first_byte_at) - began_at
    last = made.upstream.ended_at[made.upstream_path] - began_at
    done = max(one.ended_at for one in got) - began_at
    print(f"first byte at a client {first:.3f} s, last byte from upstream {last:.3f} s, all clients done {done:.3f} s")
    return first, last


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Scene]:
    """Run a server and its upstream for one test, so that everything is cold."""
    with scene(tmp_path) as both:
        yield both


def test_a_cold_page_is_asked_for_once(made: Scene) -> None:
    """200 clients want a page that takes the upstream a second: one request, and all get the same whole page."""
    made.upstream.delay_seconds = 1
    got = made.ask(made.page_path, leaving=[STAYS] * CROWD)
    made.upstream.delay_seconds = 0
    page = made.server.get(made.page_path, token=made.token, accept="application/vnd.pypi.simple.v1+json")
    assert [file["hashes"]["sha256"] for file in page.json()["files"]] == [made.wheel.sha256]
    assert find_unserved(got, sha256=hashlib.sha256(page.body).hexdigest()) == []
    assert len(got) == CROWD
    assert made.asked() == {made.page_path: 1}


def test_a_cold_file_is_fetched_once_and_streamed(made: Scene) -> None:
    """200 clients want 50 MB: one fetch, right digests, bytes before the upstream is done, little memory."""
    made.upstream.bytes_a_second = BYTES_A_SECOND
    began_at = time.monotonic()
    with MemoryWatch(made.server.pid) as watch:
        got = made.ask(made.file_path, leaving=[STAYS] * CROWD)
    first, last = tell_times(made, got, began_at=began_at)
    print(f"memory: {watch.growth_mib():.0f} MiB more than before")
    assert find_unserved(got, sha256=made.wheel.sha256) == []
    assert len(got) == CROWD
    assert made.asked() == {made.page_path: 1, made.upstream_path: 1}
    assert first < last
    assert watch.growth_mib() < MEMORY_LIMIT_MIB
    made.wait_until_quiet()


def test_leaving_clients_disturb_nobody(made: Scene) -> None:
    """The first client leaves at once and half the others half-way: one fetch, and all who stay have the whole."""
    made.upstream.bytes_a_second = BYTES_A_SECOND
    half: list[int | str] = [FILE_BYTES // 2, STAYS]
    leaving: list[int | str] = [1, *half * ((CROWD - 1) // 2), STAYS]
    began_at = time.monotonic()
    with MemoryWatch(made.server.pid) as watch:
        got = made.ask(made.file_path, leaving=leaving)
    first, last = tell_times(made, got, began_at=began_at)
    print(f"memory: {watch.growth_mib():.0f} MiB more than before")
    assert find_unserved(got, sha256=made.wheel.sha256) == []
    assert [one.has_left for one in got] == [word != STAYS for word in leaving]
    assert made.asked() == {made.page_path: 1, made.upstream_path: 1}
    assert first < last
    assert watch.growth_mib() < MEMORY_LIMIT_MIB
    made.wait_until_quiet()


def test_a_fetch_goes_on_when_all_have_left(made: Scene) -> None:
    """All 200 leave early: the one fetch ends well by itself, and who comes later is served from the store."""
    made.upstream.bytes_a_second = BYTES_A_SECOND
    got = made.ask(made.file_path, leaving=[1 + number for number in range(CROWD)])
    assert all(one.has_left for one in got)
    made.wait_until_quiet()
    (later,) = made.ask(made.file_path, leaving=[STAYS])
    assert find_unserved([later], sha256=made.wheel.sha256) == []
    assert made.asked() == {made.page_path: 1, made.upstream_path: 1}
