"""Large pages of upstreams: they take seconds to read, and must not take all threads."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

import pytest

from strongroom.core.mirrored import UpstreamPage
from strongroom.core.names import IndexName, parse_project_name
from strongroom.ports import PageBody, PageReader
from strongroom.services.mirror import pages as module
from strongroom.services.mirror.memory import Address
from strongroom.services.mirror.pages import PageMirror
from tests.factories import a_mirror
from tests.services.house import until
from tests.services.mirror.mirrored import Town, at_mirror

NAMES = ("one", "two", "three")


class SlowReader:
    """Reads pages for as long as it is told to, and counts how many at once."""

    def __init__(self) -> None:
        self.running: Counter[IndexName] = Counter()
        self.most: Counter[IndexName] = Counter()
        self.gate = asyncio.Event()

    async def read(
        self, _reader: PageReader, _answer: PageBody, *, kept: UpstreamPage | None, address: Address, now: datetime
    ) -> UpstreamPage:
        """Wait for the gate, and return a page without files."""
        self.running[address.index] += 1
        self.most[address.index] = max(self.most[address.index], self.running[address.index])
        await self.gate.wait()
        self.running[address.index] -= 1
        return UpstreamPage(address.index, address.project, fetched_at=now)


@pytest.mark.parametrize(("large_bytes", "most"), [(1, 1), (1_000_000, 3)])
def test_of_each_upstream_one_large_page_is_read_at_a_time(
    monkeypatch: pytest.MonkeyPatch, large_bytes: int, most: int
) -> None:
    """Small ones, and those of other upstreams, do not wait for it."""
    town, other = Town(), a_mirror("other")
    for name in NAMES:
        town.add_file(f"{name}-1.0-py3-none-any.whl", project=parse_project_name(name))

    async def scene(pages: PageMirror) -> None:
        reader = SlowReader()
        monkeypatch.setattr(module, "LARGE_BYTES", large_bytes)
        monkeypatch.setattr(module, "read_page", reader.read)
        asking = [asyncio.create_task(pages.get_page(town.public, parse_project_name(name))) for name in NAMES]
        await until(lambda: reader.running[town.public.name] == most)
        asking.append(asyncio.create_task(pages.get_page(other, parse_project_name("one"))))
        await until(lambda: reader.running[other.name] == 1)
        reader.gate.set()
        assert len(await asyncio.gather(*asking)) == len(NAMES) + 1
        assert reader.most == {town.public.name: most, other.name: 1}

    at_mirror(town, scene)
