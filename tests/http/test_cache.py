"""What a worker keeps in memory: never stale, and no more than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.events import Event, IndexDeleted, TokenRevoked, Uploaded
from strongroom.core.names import parse_token_id, parse_user_name
from strongroom.http.cache import Cache, Shelf
from tests.factories import DEMO, MAIN, OPERATOR, STAGING, a_file, an_index
from tests.fakes import START

PAGE: Shelf = (MAIN, DEMO)
LIST: Shelf = (MAIN, None)
LIMIT_BYTES = 1000
FILE = a_file()
UPLOADED = Uploaded(
    index=MAIN, project=DEMO, version="1.0", filename=FILE.filename, sha256=FILE.sha256, size_bytes=FILE.size_bytes
)
REVOKED = TokenRevoked(token=parse_token_id("a" * 16), owner=parse_user_name("bob"))
Scene = Callable[[MemoryCatalog, Cache], Coroutine[None, None, None]]


def play(scene: Scene) -> None:
    """Run the scene with a cache that has caught up with a catalog of two indexes."""

    async def prepared() -> None:
        catalog = MemoryCatalog()
        for index in (an_index("main"), an_index("staging")):
            await catalog.write(lambda tx, index=index: tx.indexes.add(index))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        cache = Cache(catalog, limit_bytes=LIMIT_BYTES)
        await cache.refresh()
        await scene(catalog, cache)

    asyncio.run(prepared())


async def tell(catalog: MemoryCatalog, event: Event) -> None:
    """Commit an event."""
    await catalog.write(lambda tx: tx.events.append(event, at=START, actor=OPERATOR.actor))


def keep(cache: Cache, shelf: Shelf, *, key: str = "page", size_bytes: int = 100) -> None:
    """Store a value of that size."""
    cache.store(shelf, key, value=f"{key} of {size_bytes}", size_bytes=size_bytes, generation=cache.generation)


def test_a_change_drops_the_page_and_the_list_and_nothing_else() -> None:
    """Other projects' pages stay."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        for shelf in (PAGE, LIST, (STAGING, DEMO)):
            keep(cache, shelf)
        await tell(catalog, UPLOADED)
        assert not cache.is_current()
        await cache.refresh()
        assert cache.is_current()
        assert cache.find(PAGE, "page") is None
        assert cache.find(LIST, "page") is None
        assert cache.find((STAGING, DEMO), "page") is not None

    play(scene)


@pytest.mark.parametrize("event", [UPLOADED, REVOKED])
def test_a_load_that_raced_a_change_is_not_kept(event: Event) -> None:
    """Its value may be older than the change."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        generation = cache.generation
        await tell(catalog, event)
        await cache.refresh()
        cache.store(PAGE, "page", value="old", size_bytes=1, generation=generation)
        assert cache.find(PAGE, "page") is None

    play(scene)


def test_an_index_that_was_made_again_shows_nothing_of_the_old_one() -> None:
    """Even if the worker hears of its end and its new beginning at once."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        keep(cache, PAGE)
        keep(cache, (STAGING, DEMO))
        await tell(catalog, IndexDeleted(index=STAGING))
        await cache.refresh()
        assert cache.find((STAGING, DEMO), "page") is None
        assert cache.find(PAGE, "page") is not None

    play(scene)


def test_the_least_recently_used_goes_first() -> None:
    """All that is kept together stays within the limit; what is larger than a quarter of it is not kept."""

    async def scene(_: MemoryCatalog, cache: Cache) -> None:
        shelves: list[Shelf] = [(MAIN, DEMO), (STAGING, DEMO), (MAIN, None), (STAGING, None)]
        for shelf in shelves:
            keep(cache, shelf, size_bytes=250)
        assert cache.find(shelves[0], "page") is not None
        keep(cache, shelves[3], key="other")
        assert [cache.find(shelf, "page") is not None for shelf in shelves] == [True, False, True, True]
        keep(cache, shelves[0], key="huge", size_bytes=251)
        assert cache.find(shelves[0], "huge") is None

    play(scene)


def test_a_value_that_takes_anothers_place_is_counted_instead_of_it() -> None:
    """Two loads of one page may end with different bytes, where the second saw a change."""

    async def scene(_: MemoryCatalog, cache: Cache) -> None:
        keep(cache, PAGE, size_bytes=1)
        keep(cache, PAGE, size_bytes=250)
        for key in ("a", "b", "c"):
            keep(cache, LIST, key=key, size_bytes=250)
        assert cache.find(PAGE, "page") == "page of 250"
        keep(cache, LIST, key="d", size_bytes=1)
        assert cache.find(PAGE, "page") is None
        assert cache.find(LIST, "a") is not None

    play(scene)
