"""The lists of upstreams' names: what they say, when they are fetched, and which are not believed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import timedelta

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.adapters.upstream.site import Site
from strongroom.core.errors import StorageFault, StorageFull, UpstreamFault, UpstreamTimeout
from strongroom.core.mirrored import NameList
from strongroom.core.model import Lease
from strongroom.core.names import ProjectName, Sha256
from strongroom.ports import NameKnowledge
from strongroom.services.mirror import name_lists
from strongroom.services.mirror.name_lists import NameLists
from strongroom.services.mirror.names import UpstreamNames
from tests.factories import PUBLIC, a_mirror, an_index, an_upstream, an_upstream_page
from tests.fakes import START
from tests.replacing import replace
from tests.services.house import until, wait
from tests.services.mirror.mirrored import Town

UNKNOWN = ProjectName("acme-billing")


@pytest.fixture
def town() -> Town:
    """Provide an upstream with four projects, the first of them with a file."""
    town = Town()
    have(town, "requests", "reguests", "django")
    return town


def have(town: Town, *names: str) -> None:
    """Let the upstream have projects without files."""
    town.site.statuses |= {ProjectName(name): "active" for name in names}


def fetch(town: Town) -> bool:
    """Fetch the list of the index."""
    return wait(NameLists(town.parts).refresh(town.public))


def look_up(town: Town, name: str) -> NameKnowledge:
    """Look a name up in a new process."""
    return wait(UpstreamNames(town.house.catalog, town.blobs).look_up(ProjectName(name)))


def kept(town: Town) -> NameList | None:
    """Return the row of the index's list."""
    return town.house.look(lambda tx: tx.name_lists.find(PUBLIC))


def leases(town: Town) -> tuple[Lease, ...]:
    """Return what is under way."""
    return town.house.look(lambda tx: tx.leases.list())


def test_a_list_is_fetched_and_kept_as_one_blob(town: Town) -> None:
    """The row names the blob; no claim, no event and no page is left."""
    assert fetch(town)
    names = b"demo\ndjango\nreguests\nrequests\n"
    row = kept(town)
    assert row is not None
    assert (row.count, row.fetched_at, row.sha256) == (4, START, hashlib.sha256(names).hexdigest())
    assert wait(town.blobs.get(row.sha256)) == names
    assert leases(town) == ()
    assert not town.house.entries()
    assert [asked.kind for asked in town.client.asked] == ["list"]


def test_a_name_is_looked_up_without_asking_anybody(town: Town) -> None:
    """What the list has, what it lacks, and what looks like it."""
    fetch(town)
    assert look_up(town, "django") == NameKnowledge((PUBLIC,), is_certain=True)
    assert look_up(town, UNKNOWN) == NameKnowledge((), is_certain=True)
    assert look_up(town, "dj-ang0") == NameKnowledge((), is_certain=True, lookalikes=("django",))
    assert town.client.count() == 1


def test_a_page_that_is_not_written_yet_counts(town: Town) -> None:
    """Whether a list lacks the name or not: somebody has just been given the page."""
    fetch(town)
    names = UpstreamNames(town.house.catalog, town.blobs, lambda name: frozenset({PUBLIC} if name == UNKNOWN else ()))
    assert wait(names.look_up(ProjectName(UNKNOWN))).upstreams == (PUBLIC,)
    assert wait(names.look_up(ProjectName("another"))).upstreams == ()


def test_what_may_not_be_named_is_not(town: Town) -> None:
    """Its upstream counts, without its name, and names that it has are no look-alikes."""
    fetch(town)
    names = UpstreamNames(town.house.catalog, town.blobs)
    known = wait(names.look_up(ProjectName("django"), nameable=frozenset()))
    assert known == NameKnowledge((), is_certain=True, is_elsewhere=True)
    assert wait(names.look_up(ProjectName("dj-ang0"), nameable=frozenset())) == NameKnowledge((), is_certain=True)
    assert wait(names.look_up(ProjectName("django"), nameable=frozenset({PUBLIC}))).upstreams == (PUBLIC,)


def test_lookalikes_are_five_at_most_and_never_the_name_itself(town: Town) -> None:
    """Whatever the list holds."""
    have(town, "lol", "l0l", "io1", "i-o-l", "1o1", "1-0-1", "l-ol", "lo-l")
    fetch(town)
    known = look_up(town, "lol")
    assert len(known.lookalikes) == 5
    assert "lol" not in known.lookalikes


def test_without_a_list_nothing_is_certain(town: Town) -> None:
    """But a page that is kept is known."""
    assert look_up(town, "demo") == NameKnowledge((), is_certain=False)
    town.house.change(lambda tx: tx.upstream_pages.save(an_upstream_page()))
    assert look_up(town, "demo") == NameKnowledge((PUBLIC,), is_certain=False)
    assert town.client.count() == 0


def test_each_upstream_must_have_its_list(town: Town) -> None:
    """One that is missing makes the answer uncertain; an index without an upstream does not."""
    town.house.add_index(an_index("main"))
    fetch(town)
    assert look_up(town, UNKNOWN).is_certain
    second = town.house.add_index(a_mirror("second", upstream=an_upstream("https://second.example/simple/")))
    assert look_up(town, "django") == NameKnowledge((PUBLIC,), is_certain=False)
    site = Site(url="https://second.example/simple/", statuses={ProjectName("django"): "active"})
    town.client.sites[site.url] = site
    wait(NameLists(town.parts).refresh(second))
    assert look_up(town, "django") == NameKnowledge((PUBLIC, second.name), is_certain=True)


def test_a_server_without_upstreams_is_certain() -> None:
    """There is nobody who could have the name."""
    town = Town()
    town.house.change(lambda tx: tx.indexes.remove(PUBLIC))
    assert look_up(town, "demo") == NameKnowledge((), is_certain=True)


def test_the_list_in_memory_is_replaced_with_the_row(town: Town) -> None:
    """A process that has the earlier list in memory sees the new one at once, and reads each once."""
    names = UpstreamNames(town.house.catalog, town.blobs)
    fetch(town)
    assert not wait(names.look_up(UNKNOWN)).upstreams
    have(town, UNKNOWN)
    fetch(town)
    assert wait(names.look_up(UNKNOWN)).upstreams == (PUBLIC,)
    row = kept(town)
    assert row is not None
    wait(town.blobs.remove(row.sha256))
    assert wait(names.look_up(UNKNOWN)).is_certain


def test_a_list_whose_bytes_are_missing_is_none(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the answer is uncertain."""
    fetch(town)
    row = kept(town)
    assert row is not None
    wait(town.blobs.remove(row.sha256))
    assert look_up(town, "django") == NameKnowledge((), is_certain=False)
    assert [item.getMessage() for item in caplog.records if item.levelno == logging.WARNING] == [
        "the list of an upstream's names cannot be read"
    ]


def test_an_unchanged_list_is_confirmed(town: Town) -> None:
    """By its ETag, without being sent again."""
    fetch(town)
    before = kept(town)
    assert before is not None
    now = town.pass_time(24 * 3600)
    assert fetch(town)
    assert kept(town) == replace(before, fetched_at=now)


@pytest.mark.parametrize("switch", ["is_down", "is_timing_out"])
def test_an_upstream_that_fails_leaves_the_earlier_list(town: Town, switch: str) -> None:
    """And no claim, so that the next turn tries again."""
    fetch(town)
    before = kept(town)
    setattr(town.client, switch, True)
    with pytest.raises(UpstreamFault):
        fetch(town)
    assert kept(town) == before
    assert leases(town) == ()


def test_an_empty_list_is_not_taken(town: Town) -> None:
    """An upstream without any name has a fault, whether or not there was a list before."""
    town.site.statuses.clear()
    town.site.files.clear()
    with pytest.raises(UpstreamFault, match="lists 0 names, so") as raised:
        fetch(town)
    assert raised.value.code == "upstream-list-shrunk"
    assert kept(town) is None


def test_a_list_that_has_lost_more_than_half_is_not_taken(town: Town) -> None:
    """Its missing names would count as free; half of them may go."""
    fetch(town)
    before = kept(town)
    town.site.files.clear()
    town.site.statuses = {ProjectName("django"): "active"}
    with pytest.raises(UpstreamFault, match="lists 1 names instead of 4"):
        fetch(town)
    assert kept(town) == before
    have(town, "requests")
    assert fetch(town)
    row = kept(town)
    assert row is not None
    assert row.count == 2


def test_an_upstream_without_a_list_is_told(town: Town) -> None:
    """First uploads are then not compared with its names."""
    town.client.sites.clear()
    with pytest.raises(UpstreamFault, match="gives no list"):
        fetch(town)
    assert kept(town) is None


def test_only_one_process_fetches(town: Town) -> None:
    """A second one leaves it alone, unless the first has died an hour ago."""
    town.house.change(lambda tx: tx.leases.add(Lease("names:public", START + timedelta(hours=1))))
    assert not fetch(town)
    assert town.client.count() == 0
    town.pass_time(3600)
    assert fetch(town)
    assert leases(town) == ()


def test_while_bytes_are_stored_the_lease_names_them(town: Town) -> None:
    """So that the sweep does not take them before the row is there."""
    seen: list[tuple[Lease, ...]] = []

    class Watched(MemoryBlobs):
        async def put(self, data: bytes) -> Sha256:
            seen.append(await town.house.catalog.read(lambda tx: tx.leases.list()))
            return await super().put(data)

    town.parts = replace(town.parts, blobs=Watched())
    assert fetch(town)
    row = kept(town)
    assert row is not None
    assert [(lease.lease_id, lease.sha256) for lease in seen[0]] == [("names:public", (row.sha256,))]


def test_a_full_disk_leaves_nothing(town: Town) -> None:
    """Neither a row nor a claim."""
    town.parts = replace(town.parts, blobs=MemoryBlobs(capacity_bytes=3))
    with pytest.raises(StorageFull):
        fetch(town)
    assert kept(town) is None
    assert leases(town) == ()


def test_a_store_that_keeps_other_bytes_is_not_believed(town: Town) -> None:
    """The row would promise what is not there."""

    class Wrong(MemoryBlobs):
        async def put(self, data: bytes) -> Sha256:
            return await super().put(data + b"x")

    town.parts = replace(town.parts, blobs=Wrong())
    with pytest.raises(StorageFault):
        fetch(town)
    assert kept(town) is None


def test_a_list_of_the_upstream_before_is_not_taken(town: Town) -> None:
    """The index's upstream was exchanged, or the index removed, while the list was on its way."""

    async def scene() -> None:
        town.client.gate = asyncio.Event()
        work = asyncio.create_task(NameLists(town.parts).refresh(town.public))
        await until(lambda: town.client.count() == 1)
        moved = replace(town.public, upstream=an_upstream("https://elsewhere.example/simple/"))
        await town.house.catalog.write(lambda tx: tx.indexes.replace(moved))
        town.client.gate.set()
        await work

    asyncio.run(scene())
    assert kept(town) is None


def test_a_fetch_that_takes_too_long_ends(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its claim does, and the claim goes with it."""
    monkeypatch.setattr(name_lists, "FETCH_SECONDS", 0.01)
    town.client.delay_seconds = 5
    with pytest.raises(UpstreamTimeout, match="too long"):
        fetch(town)
    assert leases(town) == ()


def test_a_long_list_is_read_in_pieces(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they are cut."""
    monkeypatch.setattr(name_lists, "_FEED_BYTES", 10)
    have(town, *(f"project-{number}" for number in range(5000)))
    assert fetch(town)
    assert look_up(town, "project-4999").upstreams == (PUBLIC,)


def test_lists_are_fetched_when_they_are_due(town: Town) -> None:
    """At first, and when they are a day old; not where nobody may ask."""
    lists = NameLists(town.parts)
    town.house.add_index(replace(town.offline(), name=an_index("quiet").name))
    town.house.add_index(an_index("main"))
    wait(lists.refresh_due())
    wait(lists.refresh_due())
    assert town.client.count() == 1
    town.pass_time(24 * 3600)
    wait(lists.refresh_due())
    assert town.client.count() == 2
    wait(NameLists(replace(town.parts, offline=True)).refresh_due())
    assert town.client.count() == 2


def test_one_list_that_fails_does_not_hold_up_the_others(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its cause."""
    town.house.add_index(a_mirror("broken", upstream=an_upstream("https://broken.example/simple/")))
    wait(NameLists(town.parts).refresh_due())
    assert kept(town) is not None
    assert [item.getMessage() for item in caplog.records if item.levelno == logging.WARNING] == [
        "the list of an upstream's names could not be fetched"
    ]
    assert town.client.count() == 2


def test_a_claim_that_cannot_be_given_back_expires(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """The list's own fault is what is told."""
    town.client.is_down = True

    async def scene() -> None:
        town.client.gate = asyncio.Event()
        work = asyncio.create_task(NameLists(town.parts).refresh(town.public))
        await until(lambda: town.client.count() == 1)
        await town.house.catalog.close()
        town.client.gate.set()
        with pytest.raises(UpstreamFault, match="cannot be reached"):
            await work

    asyncio.run(scene())
    assert [item.getMessage() for item in caplog.records] == ["a lease is left to expire"]
