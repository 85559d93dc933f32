"""Asking an upstream, on every client: the one in memory and the one that uses the network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

import pytest

from strongroom.adapters.upstream.client import AiohttpClient
from strongroom.adapters.upstream.late import LateClient
from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.adapters.upstream.site import HTML_TYPE, JSON_TYPE, RawPage, Site, SiteFile
from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.names import ProjectName
from strongroom.ports import Body, Missing, Origin, PageBody, Part, Unchanged, UpstreamClient
from tests.upstream.server import UpstreamServer

DEMO = ProjectName("demo")
ABSENT = ProjectName("absent")
CONTENT = bytes(range(256)) * 2_000
METADATA = b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n"
LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass(slots=True)
class Asked:
    """An upstream with a file, and how to ask it."""

    site: Site
    make: Callable[[], UpstreamClient]
    url: str

    @property
    def origin(self) -> Origin:
        """Return the upstream's address."""
        return Origin(self.site.url)

    def run(self, work: Callable[[UpstreamClient], Awaitable[None]]) -> None:
        """Run the test's coroutine with a client."""

        async def main() -> None:
            client = self.make()
            try:
                await work(client)
            finally:
                await client.close()

        asyncio.run(main())


@pytest.fixture(params=["memory", "network", "late"])
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    """Give an upstream that has one file of `demo`, and each client in turn."""
    site = Site()
    file = SiteFile(DEMO, "demo-1.0-py3-none-any.whl", CONTENT, metadata=METADATA, provenance=b"{}")
    if request.param == "memory":
        memory = MemoryUpstreams(site)
        yield Asked(site, lambda: memory, site.add(file))
        return
    with UpstreamServer(site):
        url = site.add(file)
        if request.param == "network":
            yield Asked(site, lambda: AiohttpClient(networks=LOOPBACK, seconds=5), url)
        else:
            yield Asked(site, lambda: LateClient(networks=LOOPBACK, seconds=5), url)


@pytest.mark.parametrize(("is_html_only", "content_type"), [(False, JSON_TYPE), (True, HTML_TYPE)])
def test_a_page_comes_as_it_is(asked: Asked, *, is_html_only: bool, content_type: str) -> None:
    """Content, type and URL are the upstream's."""
    asked.site.is_html_only = is_html_only

    async def work(client: UpstreamClient) -> None:
        page = await client.get_page(asked.origin, DEMO, etag=None)
        assert isinstance(page, PageBody)
        assert page.content == (asked.site.find_page(DEMO) or RawPage(b"")).content
        assert (page.content_type, page.url) == (content_type, f"{asked.site.url}demo/")
        assert page.etag

    asked.run(work)


def test_an_etag_that_holds_saves_the_page(asked: Asked) -> None:
    """With the current ETag: unchanged; with another, or after a change: the page."""

    async def work(client: UpstreamClient) -> None:
        page = await client.get_page(asked.origin, DEMO, etag=None)
        assert isinstance(page, PageBody)
        assert await client.get_page(asked.origin, DEMO, etag=page.etag) == Unchanged()
        assert isinstance(await client.get_page(asked.origin, DEMO, etag='"other"'), PageBody)
        asked.site.add(SiteFile(DEMO, "demo-2.0-py3-none-any.whl", b"2"))
        changed = await client.get_page(asked.origin, DEMO, etag=page.etag)
        assert isinstance(changed, PageBody)
        assert changed.etag != page.etag

    asked.run(work)


def test_without_etags_there_is_none(asked: Asked) -> None:
    """An upstream without ETags gives the page each time."""
    asked.site.has_etags = False

    async def work(client: UpstreamClient) -> None:
        page = await client.get_page(asked.origin, DEMO, etag='"earlier"')
        assert isinstance(page, PageBody)
        assert page.etag is None

    asked.run(work)


def test_what_is_not_there_is_missing(asked: Asked) -> None:
    """Page, file, small file and part of an unknown name: missing, which is no fault."""
    url = asked.site.url_of(DEMO, "demo-9.9-py3-none-any.whl")

    async def work(client: UpstreamClient) -> None:
        assert await client.get_page(asked.origin, ABSENT, etag=None) == Missing()
        async with client.open_file(asked.origin, url) as body:
            assert body == Missing()
        assert await client.get_small(asked.origin, f"{url}.metadata", limit_bytes=100) == Missing()
        assert await client.get_part(asked.origin, url, start=0, length=1) is None

    asked.run(work)


def test_the_list_names_all_projects(asked: Asked) -> None:
    """The list's bytes come in chunks; its ETag saves them."""

    async def work(client: UpstreamClient) -> None:
        async with client.open_list(asked.origin, etag=None) as body:
            assert not isinstance(body, Missing | Unchanged)
            content = b"".join([chunk async for chunk in body.chunks()])
            etag = body.etag
        assert content == asked.site.render_list().content
        assert etag
        async with client.open_list(asked.origin, etag=etag) as again:
            assert again == Unchanged()

    asked.run(work)


@pytest.mark.parametrize("has_lengths", [True, False])
def test_a_file_comes_whole(asked: Asked, *, has_lengths: bool) -> None:
    """All bytes, in their order; the length where it is announced."""
    asked.site.has_lengths = has_lengths

    async def work(client: UpstreamClient) -> None:
        async with client.open_file(asked.origin, asked.url) as body:
            assert not isinstance(body, Missing)
            assert body.size_bytes == (len(CONTENT) if has_lengths else None)
            assert body.url == asked.url
            assert body.etag
            assert b"".join([chunk async for chunk in body.chunks()]) == CONTENT

    asked.run(work)


def test_a_file_that_is_not_wanted_to_its_end_may_be_left(asked: Asked) -> None:
    """Whoever stops reading can ask again at once."""

    async def work(client: UpstreamClient) -> None:
        for _ in range(3):
            async with client.open_file(asked.origin, asked.url) as body:
                assert not isinstance(body, Missing)
                async for chunk in body.chunks():
                    assert CONTENT.startswith(chunk)
                    break

    asked.run(work)


@pytest.mark.parametrize("cut_after", [0, 1, 70_000, len(CONTENT) - 1])
def test_a_file_that_is_cut_is_a_fault(asked: Asked, cut_after: int) -> None:
    """What came is given, and then a fault that names the numbers, not an end."""
    asked.site.cut_after[asked.url] = cut_after
    received = bytearray()

    async def receive(body: Body) -> None:
        async for chunk in body.chunks():
            received.extend(chunk)

    async def work(client: UpstreamClient) -> None:
        async with client.open_file(asked.origin, asked.url) as body:
            assert not isinstance(body, Missing)
            with pytest.raises(UpstreamFault) as caught:
                await receive(body)
        assert caught.value.code == "upstream-cut"
        assert asked.site.host in caught.value.message

    asked.run(work)
    assert CONTENT.startswith(bytes(received))
    assert len(received) <= cut_after


def test_something_small_comes_whole(asked: Asked) -> None:
    """METADATA and provenance, byte for byte; without METADATA: missing."""

    async def work(client: UpstreamClient) -> None:
        assert await client.get_small(asked.origin, f"{asked.url}.metadata", limit_bytes=1_000) == METADATA
        assert await client.get_small(asked.origin, f"{asked.url}.provenance", limit_bytes=2) == b"{}"
        asked.site.has_metadata = False
        assert await client.get_small(asked.origin, f"{asked.url}.metadata", limit_bytes=1_000) == Missing()

    asked.run(work)


def test_something_small_must_be_small(asked: Asked) -> None:
    """One byte over the limit is a fault."""

    async def work(client: UpstreamClient) -> None:
        with pytest.raises(UpstreamFault) as caught:
            await client.get_small(asked.origin, f"{asked.url}.metadata", limit_bytes=len(METADATA) - 1)
        assert caught.value.code == "upstream-too-large"

    asked.run(work)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 10, Part(CONTENT[:10], 0, len(CONTENT))),
        (100, 1, Part(CONTENT[100:101], 100, len(CONTENT))),
        (-10, 10, Part(CONTENT[-10:], len(CONTENT) - 10, len(CONTENT))),
        (-10, 4, Part(CONTENT[-10:-6], len(CONTENT) - 10, len(CONTENT))),
        (len(CONTENT) - 5, 100, Part(CONTENT[-5:], len(CONTENT) - 5, len(CONTENT))),
        (-len(CONTENT) - 7, len(CONTENT) + 7, Part(CONTENT, 0, len(CONTENT))),
        (len(CONTENT), 5, None),
    ],
)
def test_a_part_is_the_one_asked_for(asked: Asked, start: int, length: int, expected: Part | None) -> None:
    """From the beginning, from the end, over the end; beyond the end there is none."""

    async def work(client: UpstreamClient) -> None:
        assert await client.get_part(asked.origin, asked.url, start=start, length=length) == expected

    asked.run(work)


def test_an_upstream_without_ranges_gives_no_part(asked: Asked) -> None:
    """None says so; the file as such can still be had."""
    asked.site.has_ranges = False

    async def work(client: UpstreamClient) -> None:
        assert await client.get_part(asked.origin, asked.url, start=-10, length=10) is None
        async with client.open_file(asked.origin, asked.url) as body:
            assert not isinstance(body, Missing)

    asked.run(work)


@pytest.mark.parametrize("kind", ["memory", "network"])
@pytest.mark.parametrize("trouble", ["down", "slow"])
def test_an_upstream_that_does_not_serve_is_a_fault(kind: str, trouble: str) -> None:
    """Down or too slow: a fault that names the host, for each question; never an answer."""
    server = UpstreamServer()
    server.delay_seconds = 60.0
    memory = MemoryUpstreams(Site())
    memory.is_down, memory.is_timing_out = trouble == "down", trouble == "slow"
    with server:
        if trouble == "down":
            server.stop()
        client: UpstreamClient = memory if kind == "memory" else AiohttpClient(networks=LOOPBACK, seconds=0.2)
        origin = Origin(server.url if kind == "network" else memory.site.url)
        asyncio.run(_expect_faults(client, origin, kind=UpstreamTimeout if trouble == "slow" else UpstreamFault))


async def _expect_faults(client: UpstreamClient, origin: Origin, *, kind: type[UpstreamFault]) -> None:
    host = origin.url.split("/")[2].partition(":")[0]
    url = f"{origin.url}x.whl"
    for question in (
        lambda: client.get_page(origin, DEMO, etag=None),
        lambda: client.get_small(origin, url, limit_bytes=10),
        lambda: client.get_part(origin, url, start=0, length=10),
        lambda: client.open_file(origin, url).__aenter__(),
        lambda: client.open_list(origin, etag=None).__aenter__(),
    ):
        with pytest.raises(kind) as caught:
            await question()
        assert host in caught.value.message
        assert type(caught.value) is kind
        assert caught.value.hint
    await client.close()
