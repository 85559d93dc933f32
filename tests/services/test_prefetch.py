"""The cache filled ahead of time: what is fetched, on which way, and what is never asked for."""

from __future__ import annotations

import asyncio

import pytest
from packaging.version import Version

from strongroom.core.access import Right
from strongroom.core.errors import Forbidden, NotFound, Unauthenticated, UpstreamFault, UpstreamTimeout
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.model import Index
from strongroom.core.names import IndexName, parse_project_name, parse_project_pattern
from strongroom.core.prefetch import Item, State
from strongroom.core.reservations import Hold, Reservation
from strongroom.core.rules import Rules
from strongroom.core.upstream import Delivery
from strongroom.core.wanted import Wanted
from strongroom.services.prefetch import Pace, Prefetch
from tests.factories import (
    MAIN,
    NOBODY,
    OPERATOR,
    PUBLIC,
    a_caller,
    a_copy,
    a_file,
    a_grant,
    a_mirror,
    a_project,
    an_index,
    an_upstream,
    an_upstream_file,
    an_upstream_page,
    sha256_of,
)
from tests.fake_mirror import FakeArriving, FakeMirror
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import House, wait

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
NO_SDISTS = Rules(takes_sdists=False)


class Counted(FakeMirror):
    """A mirror that counts how many fetches run at once, and stores what it fetched."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house
        self.opened: list[str] = []
        self.described: list[str] = []
        self.most = self.running = 0

    async def open_file(self, index: Index, file: UpstreamFile) -> Copy | FakeArriving:
        """Give the file, as a copy or on its way."""
        self.opened.append(file.filename)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            found = await super().open_file(index, file)
            await asyncio.sleep(0.01)
        finally:
            self.running -= 1
        return found

    async def get_metadata(self, index: Index, file: UpstreamFile) -> bytes:
        """Give METADATA, and keep the licence that it tells."""
        self.described.append(file.filename)
        metadata = await super().get_metadata(index, file)
        copy = replace(a_copy(file.filename, is_stored=False), licence=metadata.decode())
        await self.house.catalog.write(lambda tx: tx.copies.save(copy))
        return metadata


class Site:
    """The index main over the mirror public, whose upstream has a few files."""

    def __init__(self) -> None:
        self.house = House()
        self.mirror = Counted(self.house)
        self.house.add_index(a_mirror())
        self.house.add_index(an_index("main", bases=["public"]))

    def offer(self, *filenames: str, fault: UpstreamFault | None = None) -> None:
        """Let the upstream have these files of one project."""
        files = [an_upstream_file(filename) for filename in filenames]
        self.mirror.add_page(an_upstream_page(files[0].project, *files))
        for file in files:
            arriving = FakeArriving([b"x"], 1, replace(a_copy(file.filename), size_bytes=77), fault)
            arriving.released.set()
            self.mirror.arriving[file.filename] = arriving

    def set_public(self, index: Index) -> None:
        """Change the settings of public."""
        self.house.change(lambda tx: tx.indexes.replace(index))

    @property
    def prefetch(self) -> Prefetch:
        """Return the use cases."""
        return Prefetch(self.house.catalog, self.mirror, self.house.clock)

    def plan(self, *wanted: Wanted, index: IndexName = MAIN) -> list[Item]:
        """Plan as the operator."""
        return list(wait(self.prefetch.plan(OPERATOR, wanted, index=index)))

    def sync(self, *wanted: Wanted, pace: Pace | None = None) -> list[Item]:
        """Fetch as the operator."""
        return list(wait(self.prefetch.sync(OPERATOR, wanted, index=MAIN, pace=pace)))


@pytest.fixture
def site() -> Site:
    """Provide the site."""
    return Site()


def want(name: str = "demo", version: str | None = "1.0") -> Wanted:
    """Want a version of a project."""
    return Wanted(parse_project_name(name), None if version is None else Version(version))


def states(items: list[Item]) -> dict[str, str]:
    """Return the state of each file, or project without one."""
    return {item.filename or item.project: item.state.value for item in items}


def test_a_plan_fetches_nothing(site: Site) -> None:
    """It asks for the page, once for two entries of the same file."""
    site.offer(WHEEL, SDIST)
    site.house.change(lambda tx: tx.copies.save(a_copy(WHEEL)))
    assert states(site.plan(want(), want())) == {WHEEL: "here", SDIST: "to fetch"}
    assert (site.mirror.opened, site.mirror.described) == ([], [])
    assert site.house.events() == []


def test_what_is_missing_is_fetched_with_its_metadata(site: Site) -> None:
    """What is here is not fetched again; the size is that of the copy."""
    site.offer(WHEEL, SDIST)
    site.mirror.metadata[an_upstream_file(WHEEL).filename] = b"MIT"
    site.house.change(lambda tx: tx.copies.save(a_copy(SDIST)))
    items = site.sync(want())
    assert states(items) == {SDIST: "here", WHEEL: "fetched"}
    assert [item.size_bytes for item in items] == [len(SDIST), 77]
    assert (site.mirror.opened, site.mirror.described) == ([WHEEL], [WHEEL])


def test_a_copy_that_came_meanwhile_is_taken(site: Site) -> None:
    """A wheel without METADATA beside it is no failure."""
    site.offer(WHEEL)
    site.mirror.arriving[an_upstream_file(WHEEL).filename] = a_copy(WHEEL)  # type: ignore[assignment]  # the other answer
    assert states(site.sync(want())) == {WHEEL: "fetched"}


def test_one_failure_does_not_stop_the_others(site: Site) -> None:
    """It is told with its code; so is a page that cannot be had."""
    site.offer(SDIST, fault=UpstreamTimeout("upstream-timeout", "The upstream did not answer"))
    site.offer("other-1.0.tar.gz")
    items = site.sync(want(), want("other"), want("nobody"))
    assert states(items) == {SDIST: "failed", "other-1.0.tar.gz": "fetched", "nobody": "missing"}
    assert {item.code for item in items if item.state is State.FAILED} == {"upstream-timeout"}
    site.mirror.fault = UpstreamFault("upstream-status", "The upstream is broken")
    assert states(site.sync(want())) == {"demo": "failed"}


def test_only_so_many_at_once(site: Site) -> None:
    """And somebody hears how far it has come."""
    told: list[tuple[int, int]] = []
    names = [f"p{number}" for number in range(12)]
    for name in names:
        site.offer(f"{name}-1.0.tar.gz")
    pace = Pace(jobs=3, report=lambda done, total: told.append((done, total)))
    assert len(site.sync(*(want(name) for name in names), pace=pace)) == 12
    assert site.mirror.most == 3
    assert told == [(number, 12) for number in range(1, 13)]


def test_private_names_are_never_asked_upstream(site: Site) -> None:
    """Owned, deleted, reserved by prefix, held elsewhere: zero requests, whatever the upstream has."""
    site.house.add_index(an_index("other"))
    site.house.add_files(a_project("own"), a_file("own-1.0.tar.gz"))
    site.house.add_files(a_project("far", index="other"), a_file("far-1.0.tar.gz", index="other"))
    held = Reservation(MAIN, parse_project_pattern("acme-*"), Hold.RESERVED, START, "user:ada")
    site.house.change(lambda tx: tx.reservations.save(held))
    for name in ("own", "far", "acme_secret"):
        site.offer(f"{name}-9.0.tar.gz")
    items = site.plan(want("own"), want("own", "9.0"), want("far", "9.0"), want("Acme.Secret", "9.0"))
    assert site.mirror.asked == []
    assert [(item.filename or item.project, item.state) for item in items] == [
        ("own-1.0.tar.gz", State.HERE),
        ("own", State.MISSING),
        ("far", State.MISSING),
        ("acme-secret", State.MISSING),
    ]
    assert [item.reason for item in items][1:] == [
        "the index 'main', to which the name belongs, has no own==9.0",
        "no upstream is asked, since the name belongs to other; this index has no far==9.0",
        "the index 'main', which reserved acme-*, has no acme-secret==9.0",
    ]


def test_an_index_without_upstreams(site: Site) -> None:
    """Says so."""
    site.house.add_index(an_index("lone"))
    (item,) = site.plan(want(), index=IndexName("lone"))
    assert item.reason == "no index on the way has an upstream; this server has no demo==1.0"


def test_an_overlay_takes_both(site: Site) -> None:
    """Own files are here, the upstream's are fetched; where both have a filename the own file stands."""
    held = Reservation(MAIN, parse_project_pattern("demo"), Hold.OVERLAY, START, "user:ada")
    site.house.change(lambda tx: tx.reservations.save(held))
    site.house.add_files(a_project(), a_file(WHEEL))
    site.offer(WHEEL, SDIST)
    assert states(site.plan(want())) == {WHEEL: "here", SDIST: "to fetch"}
    site.offer("demo-0.1.tar.gz")
    assert states(site.plan(want())) == {WHEEL: "here"}
    site.house.change(lambda tx: tx.indexes.replace(an_index("main")))
    assert states(site.plan(want())) == {WHEEL: "here"}


def test_an_overlay_over_another_index_has_both(site: Site) -> None:
    """Nobody is asked upstream then."""
    site.house.add_index(an_index("below"))
    site.house.change(lambda tx: tx.indexes.replace(an_index("main", bases=["below", "public"])))
    held = Reservation(MAIN, parse_project_pattern("demo"), Hold.OVERLAY, START, "user:ada")
    site.house.change(lambda tx: tx.reservations.save(held))
    site.house.add_files(a_project(), a_file(WHEEL))
    site.house.add_files(a_project(index="below"), a_file(SDIST, index="below"))
    assert states(site.plan(want())) == {WHEEL: "here", SDIST: "here"}
    assert site.mirror.asked == []


def test_what_the_rules_hide_is_not_fetched(site: Site) -> None:
    """Those of each index on the way."""
    site.house.change(lambda tx: tx.indexes.replace(replace(an_index("main", bases=["public"]), rules=NO_SDISTS)))
    site.offer(SDIST)
    assert states(site.sync(want())) == {SDIST: "hidden"}
    assert states(site.plan(want(), index=PUBLIC)) == {SDIST: "to fetch"}
    assert site.mirror.opened == []


def test_a_licence_is_judged_before_the_file_is_fetched(site: Site) -> None:
    """The METADATA comes first, and a file with another licence does not."""
    site.set_public(a_mirror(rules=Rules(licences=("MIT",))))
    site.offer(WHEEL)
    site.offer("other-1.0-py3-none-any.whl")
    site.mirror.metadata[an_upstream_file(WHEEL).filename] = b"MIT"
    site.mirror.metadata[an_upstream_file("other-1.0-py3-none-any.whl").filename] = b"GPL-3.0-only"
    items = site.sync(want(), want("other"))
    assert states(items) == {WHEEL: "fetched", "other-1.0-py3-none-any.whl": "hidden"}
    assert site.mirror.opened == [WHEEL]


def test_an_index_that_redirects_keeps_nothing(site: Site) -> None:
    """So there is nothing to fill."""
    site.set_public(a_mirror(upstream=an_upstream(delivery=Delivery.REDIRECT)))
    site.offer(SDIST)
    (item,) = site.sync(want())
    assert (item.state, item.code, site.mirror.opened) == (State.MISSING, "not-kept", [])


def test_the_first_upstream_that_has_it_answers(site: Site) -> None:
    """Without it there, the next one is asked."""
    site.house.add_index(a_mirror("second"))
    site.house.change(lambda tx: tx.indexes.replace(an_index("main", bases=["public", "second"])))
    second = an_upstream_file(SDIST, index="second", sha256=sha256_of("second"))
    site.mirror.add_page(an_upstream_page("demo", second, index="second"))
    (item,) = site.plan(want())
    assert (item.index, item.state) == ("second", State.TO_FETCH)
    site.offer(SDIST)
    (item,) = site.plan(want())
    assert item.index == "public"


def test_filling_the_cache_takes_the_right_to_manage(site: Site) -> None:
    """Of the index that is asked."""
    reader, manager = a_caller("bob", a_grant(Right.READ)), a_caller("eve", a_grant(Right.MANAGE, index="main"))
    site.offer(SDIST)
    for caller, error in ((NOBODY, Unauthenticated), (reader, Forbidden)):
        with pytest.raises(error):
            wait(site.prefetch.sync(caller, [want()], index=MAIN))
    with pytest.raises(NotFound):
        site.plan(want(), index=IndexName("nowhere"))
    assert site.mirror.asked == []
    assert len(wait(site.prefetch.sync(manager, [want()], index=MAIN))) == 1


class Changing(Counted):
    """A mirror during whose first fetch the catalog changes."""

    async def open_file(self, index: Index, file: UpstreamFile) -> Copy | FakeArriving:
        """Change it, then give the file."""
        if not self.opened:
            mirror = replace(a_mirror(), rules=NO_SDISTS)
            held = Reservation(MAIN, parse_project_pattern("private"), Hold.RESERVED, START, "user:ada")
            await self.house.catalog.write(lambda tx: tx.indexes.replace(mirror))
            await self.house.catalog.write(lambda tx: tx.reservations.save(held))
        return await super().open_file(index, file)


def test_what_changes_during_a_long_fetch_counts(site: Site) -> None:
    """A name that is held by now is not asked for, and what a rule hides by now is not fetched."""
    site.mirror = Changing(site.house)
    site.offer(WHEEL, SDIST)
    site.offer("private-1.0-py3-none-any.whl")
    items = site.sync(want(), want("private"), pace=Pace(jobs=1))
    assert states(items) == {WHEEL: "fetched", SDIST: "hidden", "private-1.0-py3-none-any.whl": "hidden"}
    assert {item.code for item in items} == {"", "sdist", "source-changed"}
    assert site.mirror.opened == [WHEEL]
