"""The mirror as one: pages and files of one upstream, through one object."""

from __future__ import annotations

import asyncio

from strongroom.core.mirrored import Copy
from strongroom.core.names import parse_filename
from strongroom.ports import Mirror
from strongroom.services.mirror.mirror import Mirroring
from tests.factories import DEMO, PUBLIC
from tests.services.mirror.mirrored import Town

NEXT = parse_filename("demo-2.0-py3-none-any.whl")


def test_a_release_comes_through_from_its_page_to_its_bytes() -> None:
    """One request for each of page, file and newer page; after the end all of it is written, and no lease is left."""
    town = Town()

    async def scene() -> None:
        mirroring = Mirroring.of(town.parts)
        mirror: Mirror = mirroring
        (file,) = (await mirror.get_page(town.public, DEMO)).files
        assert await mirror.find_copy(file) is None
        arriving = await mirror.open_file(town.public, file)
        assert not isinstance(arriving, Copy)
        assert b"".join([chunk async for chunk in arriving.chunks()]) == f"the bytes of {file.filename}".encode()
        assert await arriving.stored() == await mirror.find_copy(file)
        town.add_file(NEXT)
        town.pass_time(5)
        page = await mirror.get_page_with(town.public, DEMO, filename=NEXT)
        assert [item.filename for item in page.files] == [file.filename, NEXT]
        await mirroring.close()

    asyncio.run(scene())
    assert [asked.kind for asked in town.client.asked] == ["page", "file", "page"]
    stored = town.stored()
    assert stored is not None
    assert len(stored.files) == 2
    assert town.house.look(lambda tx: len(tx.copies.list(PUBLIC, DEMO))) == 1
    assert town.house.look(lambda tx: tx.leases.list()) == ()
