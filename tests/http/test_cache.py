"""What a worker keeps in memory: never stale, and no more than it may."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
import pytest

from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.core.access import Signed
from strongroom.core.errors import Unavailable, Unreachable
from strongroom.core.events import (
    Event,
    IndexChanged,
    IndexDeleted,
    NameHeld,
    TokenIssued,
    TokenRevoked,
    Uploaded,
    UserCreated,
)
from strongroom.core.names import parse_project_name, parse_project_pattern, parse_token_id, parse_user_name
from strongroom.http.cache import GRACE_SECONDS, Cache, Moment, Shelf
from strongroom.ports import Transaction
from tests.factories import DEMO, MAIN, OPERATOR, STAGING, a_file, an_index
from tests.fakes import START, FrozenClock

T = TypeVar("T")

CLOCK = FrozenClock()
PAGE: Shelf = (MAIN, DEMO)
OTHER: Shelf = (MAIN, parse_project_name("other"))
LIST: Shelf = (MAIN, None)
LIMIT_BYTES = 1000
FILE = a_file()
UPLOADED = Uploaded(
    index=MAIN, project=DEMO, version="1.0", filename=FILE.filename, sha256=FILE.sha256, size_bytes=FILE.size_bytes
)
BOB = Signed(user=parse_user_name("bob"), grants=())
ISSUED = TokenIssued(token=parse_token_id("b" * 16), owner=parse_user_name("bob"))
REVOKED = TokenRevoked(token=parse_token_id("a" * 16), owner=parse_user_name("bob"))
Scene = Callable[[MemoryCatalog, Cache], Coroutine[None, None, None]]


class Outage(MemoryCatalog):
    """A catalog whose server can go away: then nobody can tell whether something has changed."""

    error: Unavailable | None = None
    questions = 0
    access = 0

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(-1, -1)

    def change_mark(self) -> int:
        """Return another number each time while it is away."""
        return super().change_mark() if self.error is None else next(self.numbers)

    def access_mark(self) -> int:
        """Return a number that a test changes."""
        return self.access

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Take a moment; fail while it is away."""
        self.questions += 1
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        return await super().read(fn)


def play(scene: Scene) -> None:
    """Run the scene with a cache that has caught up with a catalog of two indexes."""

    async def prepared() -> None:
        catalog = MemoryCatalog()
        for index in (an_index("main"), an_index("staging")):
            await catalog.write(lambda tx, index=index: tx.indexes.add(index))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        cache = Cache(catalog, CLOCK, limit_bytes=LIMIT_BYTES)
        await cache.refresh()
        await scene(catalog, cache)

    asyncio.run(prepared())


async def tell(catalog: MemoryCatalog, event: Event) -> None:
    """Commit an event."""
    await catalog.write(lambda tx: tx.events.append(event, at=START, actor=OPERATOR.actor))


def keep(
    cache: Cache, shelf: Shelf, *, key: str = "page", size_bytes: int = 100, until: datetime | None = None
) -> None:
    """Store a value of that size, which ends then."""
    moment = Moment(cache.generation, until)
    cache.store(shelf, key, value=f"{key} of {size_bytes}", size_bytes=size_bytes, moment=moment)


def test_a_change_drops_the_page_and_the_list_and_nothing_else() -> None:
    """The same project's pages go in every index, which may get it from this one; other projects' pages stay."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        dropped: list[Shelf] = [PAGE, LIST, (STAGING, DEMO), (STAGING, None)]
        for shelf in (*dropped, OTHER):
            keep(cache, shelf)
        await tell(catalog, UPLOADED)
        assert not cache.is_current()
        await cache.refresh()
        assert cache.is_current()
        assert [cache.find(shelf, "page") for shelf in dropped] == [None] * 4
        assert cache.find(OTHER, "page") is not None

    play(scene)


@pytest.mark.parametrize("event", [UPLOADED, REVOKED])
def test_a_load_that_raced_a_change_is_not_kept(event: Event) -> None:
    """Its value may be older than the change."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        generation = cache.generation
        await tell(catalog, event)
        await cache.refresh()
        cache.store(PAGE, "page", value="old", size_bytes=1, moment=Moment(generation))
        assert cache.find(PAGE, "page") is None

    play(scene)


@pytest.mark.parametrize(
    "event",
    [
        IndexDeleted(index=STAGING),
        IndexChanged(index=STAGING),
        NameHeld(index=STAGING, pattern=parse_project_pattern("acme-*"), hold="reserved"),
    ],
)
def test_a_change_of_sources_drops_all_pages(event: Event) -> None:
    """Any name may come from elsewhere then, in any index; an index made again shows nothing of the old one."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        keep(cache, PAGE)
        keep(cache, (STAGING, DEMO))
        await tell(catalog, event)
        await cache.refresh()
        assert cache.find((STAGING, DEMO), "page") is None
        assert cache.find(PAGE, "page") is None

    play(scene)


def test_what_ends_is_gone_then_and_nothing_else() -> None:
    """What comes from an upstream changes without an event; a file's end is not its page's."""

    async def scene(_: MemoryCatalog, cache: Cache) -> None:
        keep(cache, PAGE)
        keep(cache, PAGE, key="soon", until=START + timedelta(seconds=10))
        keep(cache, PAGE, key="later", until=START + timedelta(seconds=20))
        keep(cache, OTHER)
        CLOCK.advance(timedelta(seconds=9))
        assert cache.find(PAGE, "later") is not None
        CLOCK.advance(timedelta(seconds=1))
        assert cache.find(PAGE, "soon") is None
        assert cache.find(PAGE, "later") is not None
        assert cache.find(PAGE, "page") is not None
        assert cache.find(OTHER, "page") is not None
        keep(cache, PAGE, key="soon")
        assert cache.find(PAGE, "soon") is not None

    play(scene)


def test_a_clock_that_is_set_back_makes_nothing_last_longer() -> None:
    """Else what should end in a minute would be given for an hour and a minute."""

    async def scene(_: MemoryCatalog, cache: Cache) -> None:
        keep(cache, PAGE)
        keep(cache, PAGE, key="soon", until=CLOCK.now() + timedelta(minutes=1))
        CLOCK.advance(timedelta(hours=-1))
        assert cache.find(PAGE, "soon") is None
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


def test_what_is_known_outlives_an_outage_for_a_moment() -> None:
    """While the catalog cannot be reached, pages and principals hold 30 seconds from when they were last certain."""
    now = [1000.0]

    async def scene() -> None:
        catalog = Outage()
        await catalog.write(lambda tx: tx.indexes.add(an_index("main")))
        cache = Cache(catalog, CLOCK, limit_bytes=LIMIT_BYTES, monotonic=lambda: now[0])
        await cache.refresh()
        keep(cache, PAGE)
        now[0] += 3600
        assert cache.is_current(), "an hour without a change is no outage"
        catalog.error = Unreachable("catalog-unreachable", "gone")
        now[0] += GRACE_SECONDS
        assert not cache.is_current()
        await cache.refresh()
        assert cache.find(PAGE, "page") is not None
        now[0] += 1
        with pytest.raises(Unreachable):
            await cache.refresh()
        catalog.error = None
        await tell(catalog, UPLOADED)
        await cache.refresh()
        assert cache.is_current()
        assert cache.find(PAGE, "page") is None, "what changed meanwhile is seen at once"

    asyncio.run(scene())


def test_there_is_no_grace_before_anything_was_certain() -> None:
    """A worker that starts in an outage knows nothing."""

    async def scene() -> None:
        catalog = Outage()
        catalog.error = Unreachable("catalog-unreachable", "gone")
        with pytest.raises(Unreachable):
            await Cache(catalog, CLOCK).refresh()

    asyncio.run(scene())


def test_a_catalog_that_is_only_busy_gives_no_grace() -> None:
    """It could have been asked whether rights have changed, so they are not guessed."""

    async def scene() -> None:
        catalog = Outage()
        cache = Cache(catalog, CLOCK)
        await cache.refresh()
        catalog.error = Unavailable("catalog-busy", "busy")
        with pytest.raises(Unavailable):
            await cache.refresh()

    asyncio.run(scene())


@pytest.mark.parametrize("error", [None, Unreachable("catalog-unreachable", "gone"), Unavailable("busy", "busy")])
def test_those_who_wait_share_an_answer(error: Unavailable | None) -> None:
    """One question runs, one more is everybody's who came meanwhile; each of them is told what was wrong."""

    async def scene() -> None:
        catalog = Outage()
        cache = Cache(catalog, CLOCK)
        catalog.error = error
        catalog.change_mark = lambda: next(catalog.numbers)  # type: ignore[method-assign]  # a listener that is deaf
        first = asyncio.create_task(cache.refresh())
        await asyncio.sleep(0)
        outcomes = await asyncio.gather(first, *(cache.refresh() for _ in range(20)), return_exceptions=True)
        assert outcomes == [error] * 21
        assert catalog.questions == 2

    asyncio.run(scene())


def test_a_question_that_was_broken_off_answers_nobody() -> None:
    """A client that goes away while its request asks leaves the asking to the next one."""

    async def scene() -> None:
        catalog = Outage()
        cache = Cache(catalog, CLOCK)
        first, second = (asyncio.create_task(cache.refresh()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert cache.is_current()
        assert catalog.questions == 2

    asyncio.run(scene())


def test_there_is_no_grace_once_access_is_known_to_have_changed() -> None:
    """The node that heard of a revocation just before the outage does not let the token in for 30 seconds more."""

    async def scene() -> None:
        catalog = Outage()
        cache = Cache(catalog, CLOCK)
        await cache.refresh()
        catalog.error = Unreachable("catalog-unreachable", "gone")
        await cache.refresh()
        catalog.access += 1
        with pytest.raises(Unreachable):
            await cache.refresh()
        catalog.error = None
        await tell(catalog, REVOKED)
        await cache.refresh()
        catalog.error = Unreachable("catalog-unreachable", "gone")
        await cache.refresh()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("event", "is_kept"),
    [
        (ISSUED, True),
        (UserCreated(user=parse_user_name("eve")), True),
        (UPLOADED, True),
        (msgspec.structs.replace(ISSUED, replaces=REVOKED.token), False),
        (REVOKED, False),
    ],
)
def test_who_is_known_is_asked_for_again_only_after_a_change_of_access(event: Event, *, is_kept: bool) -> None:
    """A new token or user changes nothing about those who are known, so an outage right after it locks nobody out."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        cache.store_principal(b"digest", BOB, generation=cache.generation)
        await tell(catalog, event)
        await cache.refresh()
        assert (cache.find_principal(b"digest") is not None) is is_kept

    play(scene)


@pytest.mark.parametrize("further", [0, 1, 5])
def test_a_log_that_went_back_in_time_empties_the_memory(further: int) -> None:
    """After a failover serials are given again, to other changes: whatever was kept may be of a time that is undone."""

    async def scene(catalog: MemoryCatalog, cache: Cache) -> None:
        await tell(catalog, UPLOADED)
        before = vars(catalog)["_state"].copy()
        await tell(catalog, UPLOADED)
        await cache.refresh()
        keep(cache, OTHER)
        cache.store_principal(b"digest", BOB, generation=cache.generation)
        vars(catalog)["_state"] = before
        for _ in range(further):
            await tell(catalog, REVOKED)
        vars(catalog)["_change_mark"] += 10
        await cache.refresh()
        assert cache.find(OTHER, "page") is None
        assert cache.find_principal(b"digest") is None
        assert cache.serial == 1 + further
        keep(cache, OTHER)
        await tell(catalog, UPLOADED)
        await cache.refresh()
        assert cache.find(OTHER, "page") is not None, "from then on as ever"

    play(scene)
