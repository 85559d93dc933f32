"""What comes of asking upstreams is counted, and comes back unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from strongroom.core.errors import UpstreamFault, UpstreamTimeout
from strongroom.core.names import ProjectName, parse_project_name
from strongroom.ports import Body, Missing, Origin, PageBody, Part, Unchanged
from strongroom.services.mirror.outcomes import CountingClient

ORIGIN = Origin("https://upstream.example/simple/")
PAGE = PageBody(b"", "text/html", ORIGIN.url)
DEMO = parse_project_name("demo")


class Scripted:
    """An upstream that gives one answer to all, or raises it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.is_closed = False

    def _give(self) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def get_page(
        self, origin: Origin, project: ProjectName, *, etag: str | None
    ) -> PageBody | Unchanged | Missing:
        """Give it."""
        return self._give()  # type: ignore[return-value]  # whatever the test says

    @asynccontextmanager
    async def open_list(self, origin: Origin, *, etag: str | None) -> AsyncIterator[Body | Unchanged | Missing]:
        """Give it."""
        yield self._give()  # type: ignore[misc]  # whatever the test says

    @asynccontextmanager
    async def open_file(self, origin: Origin, url: str) -> AsyncIterator[Body | Missing]:
        """Give it."""
        yield self._give()  # type: ignore[misc]  # whatever the test says

    async def get_small(self, origin: Origin, url: str, *, limit_bytes: int) -> bytes | Missing:
        """Give it."""
        return self._give()  # type: ignore[return-value]  # whatever the test says

    async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
        """Give it."""
        return self._give()  # type: ignore[return-value]  # whatever the test says

    async def close(self) -> None:
        """Remember it."""
        self.is_closed = True


async def ask_all(client: CountingClient) -> list[object]:
    """Ask in each of the five ways."""
    async with client.open_list(ORIGIN, etag=None) as listed, client.open_file(ORIGIN, "x") as file:
        return [
            await client.get_page(ORIGIN, DEMO, etag=None),
            await client.get_small(ORIGIN, "x", limit_bytes=1),
            await client.get_part(ORIGIN, "x", start=0, length=1),
            listed,
            file,
        ]


@pytest.mark.parametrize(
    ("answer", "outcome"), [(PAGE, "found"), (Unchanged(), "unchanged"), (Missing(), "missing"), (None, "found")]
)
def test_answers_are_counted_and_handed_on(answer: object, outcome: str) -> None:
    """Each of the five ways of asking counts one, and gives what the upstream gave."""
    client = CountingClient(Scripted(answer))

    assert asyncio.run(ask_all(client)) == [answer] * 5
    assert client.counts == {outcome: 5}


@pytest.mark.parametrize(
    ("fault", "outcome"), [(UpstreamTimeout("slow", "slow"), "timeout"), (UpstreamFault("down", "down"), "failed")]
)
def test_faults_are_counted_and_raised(fault: UpstreamFault, outcome: str) -> None:
    """An upstream that does not answer in time is told from one that fails."""
    client = CountingClient(Scripted(fault))

    with pytest.raises(type(fault)):
        asyncio.run(client.get_page(ORIGIN, DEMO, etag=None))
    with pytest.raises(type(fault)):
        asyncio.run(ask_all(client))
    assert client.counts == {outcome: 2}


def test_a_file_that_breaks_off_was_found() -> None:
    """One request is one outcome: what happens to the body afterwards does not count twice."""
    client = CountingClient(Scripted(PAGE))

    async def read() -> None:
        async with client.open_file(ORIGIN, "x"):
            raise UpstreamFault("short", "it broke off")

    with pytest.raises(UpstreamFault):
        asyncio.run(read())
    assert client.counts == {"found": 1}


def test_the_client_inside_is_closed() -> None:
    """Nothing of it stays open."""
    inner = Scripted(PAGE)
    asyncio.run(CountingClient(inner).close())

    assert inner.is_closed
