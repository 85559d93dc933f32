"""Changing an index's bases, upstream and rules: who may, what is forgotten, what is told."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest
from strongroom.core.events import IndexChanged, IndexCreated, IndexDeleted
from strongroom.core.index_settings import REMOVED, Credentials, IndexChanges, Removed, UpstreamChanges
from strongroom.core.model import Downloads, Index, Tombstone
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.reservations import Hold
from strongroom.core.rules import COOLDOWN, Rules
from strongroom.core.upstream import Delivery, Upstream
from strongroom.ports import Transaction
from strongroom.services.indexes import PUBLIC_INDEX, Indexes
from tests.factories import (
    MAIN,
    OPERATOR,
    STAGING,
    a_caller,
    a_copy,
    a_file,
    a_grant,
    a_mirror,
    a_name_list,
    a_project,
    a_reservation,
    an_administrator,
    an_exemption,
    an_index,
    an_upstream_page,
)
from tests.fakes import START, FakeSeals
from tests.replacing import replace
from tests.services.house import House, wait

URL, OTHER = "https://upstream.example/simple/", "https://other.example/simple/"
MANAGER = a_caller("max", a_grant(Right.READ, Right.MANAGE))
INDEX_ADMINISTRATOR = a_caller("eve", a_grant(Right.ADMINISTER, index="public"))


class Stage:
    """A house with `main` over `public`, and the use cases."""

    def __init__(self, *indexes: Index) -> None:
        self.house = House()
        for index in indexes or (an_index(bases=["public"]), a_mirror(upstream=Upstream(URL, b"old"))):
            self.house.add_index(index)
        self.indexes = Indexes(self.house.catalog, self.house.clock, FakeSeals())

    def change(self, changes: IndexChanges, *, caller: Caller = OPERATOR, index: IndexName = PUBLIC_INDEX) -> Index:
        """Change an index, and check that what is answered is stored."""
        changed = wait(self.indexes.change(caller, index, changes=changes))
        assert self.house.look(lambda tx: tx.indexes.find(index)) == changed
        return changed

    def keep(self) -> None:
        """Keep things of two upstreams."""

        def fill(tx: Transaction) -> None:
            for index in ("public", "main"):
                tx.upstream_pages.save(an_upstream_page(index=index))
                tx.copies.save(a_copy(index=index))
                tx.name_lists.save(a_name_list(index=index))

        self.house.change(fill)

    def kept(self) -> set[str]:
        """Return the indexes of which something is kept, with what it is."""

        def look(tx: Transaction) -> set[str]:
            pages = {f"{index} page" for index in tx.upstream_pages.find_indexes(ProjectName("demo"))}
            copies = {f"{copy.index} copy" for copy in tx.copies.scan()}
            return pages | copies | {f"{names.index} names" for names in tx.name_lists.list()}

        return self.house.look(look)


ALL_KEPT = {f"{index} {what}" for index in ("public", "main") for what in ("page", "copy", "names")}


def test_an_upstream_is_made_with_sealed_credentials() -> None:
    """The URL gets its slash; the event says that there are credentials, not which."""
    stage = Stage(an_index())
    upstream = UpstreamChanges("https://upstream.example/simple", Credentials("reader", "secret"))
    made = wait(stage.indexes.create(OPERATOR, STAGING, changes=IndexChanges(upstream=upstream, rules=Rules(COOLDOWN))))
    assert made.upstream == Upstream(URL, b"sealed:reader:secret")
    assert stage.house.events() == [
        IndexCreated(index=STAGING, upstream=f"{URL}, with credentials, fresh for 600 s", rules='{"cooldown":"P3D"}')
    ]


def test_credentials_in_the_url_are_taken_out_of_it() -> None:
    """People paste such URLs; those given apart go before them."""
    stage = Stage(an_index())
    pasted = "https://reader:s%40cret@upstream.example/simple/"
    for credentials, sealed in ((None, b"sealed:reader:s@cret"), (Credentials("a", "b"), b"sealed:a:b")):
        changed = stage.change(IndexChanges(upstream=UpstreamChanges(pasted, credentials)), index=MAIN)
        assert changed.upstream == Upstream(URL, sealed)
    assert "cret" not in str(stage.house.events())


def test_new_credentials_are_told_as_new() -> None:
    """Though nothing else in the event differs; removing them is no news of that kind."""
    stage = Stage()
    stage.change(IndexChanges(upstream=UpstreamChanges(credentials=Credentials("reader", "new"))))
    stage.change(IndexChanges(upstream=UpstreamChanges(credentials=REMOVED)))
    first, second = stage.house.events()
    told = f"{URL}, with credentials, fresh for 600 s"
    assert first == IndexChanged(index=PUBLIC_INDEX, accepts_uploads=False, upstream=told, new_credentials=True)
    assert second == IndexChanged(index=PUBLIC_INDEX, accepts_uploads=False, upstream=f"{URL}, fresh for 600 s")


@pytest.mark.parametrize(
    ("upstream", "code"),
    [
        (UpstreamChanges("ftp://upstream.example/"), "upstream-url"),
        (UpstreamChanges(URL, Credentials("with:colon", "x")), "upstream-credentials"),
    ],
)
def test_a_bad_upstream_is_refused(upstream: UpstreamChanges, code: str) -> None:
    """At making and at changing; nothing is stored or told."""
    stage = Stage(an_index())
    changes = IndexChanges(upstream=upstream)
    for work in (
        stage.indexes.create(OPERATOR, STAGING, changes=changes),
        stage.indexes.change(OPERATOR, MAIN, changes=changes),
    ):
        with pytest.raises(InvalidRequest) as caught:
            wait(work)
        assert caught.value.code == code
    assert stage.house.look(lambda tx: tx.indexes.list()) == (an_index(),)
    assert stage.house.events() == []


@pytest.mark.parametrize(
    "changes",
    [
        IndexChanges(anonymous_read=True),
        IndexChanges(bases=(MAIN,)),
        IndexChanges(upstream=REMOVED),
        IndexChanges(upstream=UpstreamChanges(url=OTHER)),
        IndexChanges(upstream=UpstreamChanges(credentials=REMOVED)),
        IndexChanges(upstream=UpstreamChanges(credentials=Credentials("a", "b"))),
    ],
)
@pytest.mark.parametrize("caller", [MANAGER, INDEX_ADMINISTRATOR], ids=["manager", "administrator of the index"])
def test_what_opens_an_index_takes_an_administrator_of_the_server(caller: Caller, changes: IndexChanges) -> None:
    """One index's readers would see what comes from elsewhere."""
    stage = Stage(an_index(), a_mirror(upstream=Upstream(URL, b"old")))
    before = stage.house.look(lambda tx: tx.indexes.list())
    with pytest.raises(Forbidden):
        stage.change(changes, caller=caller)
    assert stage.house.look(lambda tx: tx.indexes.list()) == before
    assert stage.house.events() == []
    stage.change(changes, caller=an_administrator())
    assert len(stage.house.events()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        IndexChanges(accepts_uploads=True),
        IndexChanges(upstream=UpstreamChanges(is_offline=True)),
        IndexChanges(upstream=UpstreamChanges(freshness=timedelta(hours=1))),
        IndexChanges(upstream=UpstreamChanges(delivery=Delivery.REDIRECT)),
        IndexChanges(rules=Rules(cooldown=COOLDOWN)),
        IndexChanges(forbids_reserved=True),
        IndexChanges(needs_approval=True),
        IndexChanges(downloads=Downloads.STREAM),
    ],
)
def test_the_rest_takes_the_right_to_manage(changes: IndexChanges) -> None:
    """One event a change; the same again is none, and naming the same bases and URL is no change either."""
    stage = Stage()
    stage.keep()
    for _ in range(2):
        stage.change(changes, caller=MANAGER)
    same = UpstreamChanges(url=URL)
    stage.change(IndexChanges(bases=(), anonymous_read=False, upstream=same), caller=MANAGER)
    assert len(stage.house.events()) == 1
    assert stage.kept() == ALL_KEPT


@pytest.mark.parametrize("upstream", [UpstreamChanges(url=OTHER), REMOVED])
def test_another_upstream_forgets_what_was_kept_of_the_first(upstream: UpstreamChanges | Removed) -> None:
    """Its pages, copies and names; not those of other indexes."""
    stage = Stage()
    stage.keep()
    stage.change(IndexChanges(upstream=upstream))
    assert stage.kept() == {kept for kept in ALL_KEPT if kept.startswith("main")}


def test_a_cycle_of_bases_is_refused() -> None:
    """Nothing is stored."""
    stage = Stage()
    with pytest.raises(Conflict, match="'main' is itself based on 'public'"):
        stage.change(IndexChanges(bases=(MAIN,)))
    with pytest.raises(InvalidRequest, match="nowhere"):
        wait(stage.indexes.create(OPERATOR, STAGING, changes=IndexChanges(bases=(IndexName("nowhere"),))))
    assert stage.house.events() == []


def test_an_index_goes_with_what_it_kept_and_held() -> None:
    """Not what is another's; a base of another stays."""
    stage = Stage()
    stage.keep()
    exemption = an_exemption()

    def fill(tx: Transaction) -> None:
        tx.exemptions.add(exemption)
        for index in ("public", "main"):
            tx.reservations.save(a_reservation(index=index))

    stage.house.change(fill)
    with pytest.raises(Conflict, match="base of 'main'") as caught:
        wait(stage.indexes.delete(OPERATOR, PUBLIC_INDEX))
    assert caught.value.code == "index-is-base"
    assert stage.kept() == ALL_KEPT
    stage.change(IndexChanges(bases=()), index=MAIN)
    wait(stage.indexes.delete(OPERATOR, PUBLIC_INDEX))
    assert stage.kept() == {kept for kept in ALL_KEPT if kept.startswith("main")}
    assert stage.house.look(lambda tx: tx.reservations.list()) == (a_reservation(),)
    assert stage.house.look(lambda tx: tx.exemptions.list()) == (exemption,)
    assert stage.house.events()[1:] == [IndexDeleted(index=PUBLIC_INDEX)]


def test_a_claim_outlives_its_index_with_the_deleted_files() -> None:
    """They own the name for ever: without the claim nobody would get its namesake from upstream again."""
    stage = Stage(an_index(), an_index("staging"))
    claimed = a_reservation("claimed", index="staging", hold=Hold.CLAIMED)
    unused = a_reservation("unused", index="staging", hold=Hold.CLAIMED)
    reserved = a_reservation("reserved", index="staging")
    prefix = a_reservation("cl*", index="staging")

    def fill(tx: Transaction) -> None:
        for held in (claimed, unused, reserved, prefix):
            tx.reservations.save(held)
        for name in ("claimed", "reserved"):
            file = a_file(f"{name}-1.0.tar.gz", index="staging")
            tx.projects.save(a_project(name, index="staging"))
            tx.files.add(file)
            tx.files.bury(Tombstone(file.index, file.project, file.filename, file.sha256, START))

    stage.house.change(fill)
    wait(stage.indexes.delete(OPERATOR, STAGING))
    assert stage.house.look(lambda tx: tx.reservations.list()) == (claimed,)
    assert stage.house.look(lambda tx: tx.projects.find_owners(ProjectName("reserved"))) == {STAGING}


def test_a_first_run_mirrors_the_default_upstream_behind_main() -> None:
    """`public` takes no uploads and lets files wait; `main` is based on it; two events."""
    stage = House()
    indexes = Indexes(stage.catalog, stage.clock, FakeSeals())
    made = wait(indexes.ensure_first(OPERATOR, lambda: "https://upstream.example/simple"))
    assert made == an_index(bases=["public"])
    assert stage.look(lambda tx: tx.indexes.list()) == (
        made,
        replace(a_mirror(rules=Rules(cooldown=COOLDOWN)), upstream=Upstream(URL), created_at=START),
    )
    assert [event.index for event in stage.events() if isinstance(event, IndexCreated)] == [PUBLIC_INDEX, MAIN]


def test_nobody_looks_for_the_default_upstream_later() -> None:
    """An existing catalog, of an earlier version perhaps, is left alone."""
    stage = Stage(an_index())

    def find() -> str:
        raise AssertionError("nobody may look")

    assert wait(stage.indexes.ensure_first(OPERATOR, find)) is None
    assert stage.house.events() == []


def test_two_processes_that_begin_together_make_it_once() -> None:
    """The one that comes second leaves it at that."""
    house = House()
    indexes = Indexes(house.catalog, house.clock, FakeSeals())

    def come_between() -> None:
        other = Thread(target=lambda: house.change(lambda tx: tx.indexes.add(an_index("other"))))
        other.start()
        other.join()

    assert wait(indexes.ensure_first(OPERATOR, come_between)) is None
    assert house.look(lambda tx: tx.indexes.list()) == (an_index("other"),)
    assert house.events() == []
