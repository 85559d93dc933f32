"""Pages of one worker: what many clients who come at once have in common."""

from __future__ import annotations

import asyncio

from strongroom.core.access import ANONYMOUS, ProjectTarget
from strongroom.core.names import IndexName
from strongroom.core.simpleapi.negotiate import Coding, PageType, Wish
from strongroom.http.pages import Pages
from strongroom.http.paths import PagePath
from strongroom.services.browse import Browse
from tests.factories import DEMO, MAIN, a_file
from tests.fake_mirror import FakeAsked
from tests.http.reading import ReadingRoom, reading_room

WISH = Wish(PageType.JSON, Coding.GZIP)
PATH = PagePath(ProjectTarget(MAIN, DEMO), "../../files/demo/")
OPEN = IndexName("open")


def pages_of(room: ReadingRoom) -> Pages:
    """Return the pages of a worker."""
    browse = Browse(room.catalog, room.blobs, room.mirror, FakeAsked(), room.clock)
    return Pages(browse, room.cache, clock=room.clock, public_url=None)


def test_a_crowd_has_one_page_made_and_packed_once() -> None:
    """Packing a long page takes longer than making it."""
    with reading_room() as room:
        room.publish(a_file("demo-1.0-py3-none-any.whl"))
        pages = pages_of(room)

        async def scene() -> None:
            first, *others = await asyncio.gather(*(pages.get_project(PATH, WISH) for _ in range(50)))
            assert all(other is first for other in others)
            assert pages.find_project(PATH, WISH) is first

        room.run(scene())


def test_a_crowd_has_one_list_made_and_packed_once() -> None:
    """Whoever reads all of an index sees the same list."""
    with reading_room() as room:
        room.add_index("open", anonymous_read=True)
        pages = pages_of(room)

        async def scene() -> None:
            await room.cache.refresh()
            asking = (pages.get_list(OPEN, ANONYMOUS, wish=WISH) for _ in range(50))
            first, *others = await asyncio.gather(*asking)
            assert all(other is first for other in others)

        room.run(scene())
