"""Blobs belong to one catalog: both carry one id, and nobody works on a pair that does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.adapters.blobs.memory import MemoryBlobs
from strongroom.core.errors import ConfigurationFault, StorageFault, Unavailable
from strongroom.core.events import BlobsAdopted, IndexDeleted
from strongroom.core.mirrored import NameList
from strongroom.core.ownership import Places, StoreId
from strongroom.core.replica import NEVER, Followed
from strongroom.ports import demand_own_blobs
from strongroom.services.ownership import Ownership
from strongroom.worker import ownership_job
from tests.factories import MAIN, OPERATOR, a_file, a_project, an_index
from tests.fakes import START, SeededSecrets
from tests.services.house import House, wait

PLACES = Places("the catalog", "the blobs")


class Pair(House):
    """A catalog and blobs, as one node sees them."""

    def __init__(self, blobs: MemoryBlobs | None = None, seed: str = "strongroom") -> None:
        super().__init__()
        self.secrets = SeededSecrets(seed)
        self.blobs = blobs or MemoryBlobs()

    def node(self) -> Ownership:
        """Return the use case of a process that has just started."""
        return Ownership(self.catalog, self.blobs, self.clock, self.secrets, PLACES)

    def settle(self) -> None:
        """Start a node."""
        wait(self.node().settle())

    def refusal(self) -> ConfigurationFault:
        """Start a node that must be refused, and see that this changed nothing."""
        before = (self.known(), self.mark())
        with pytest.raises(ConfigurationFault) as raised:
            self.settle()
        assert (self.known(), self.mark()) == before
        with pytest.raises(StorageFault):
            wait(demand_own_blobs(self.catalog, self.blobs))
        return raised.value

    def known(self) -> StoreId | None:
        """Return the catalog's id."""
        return self.look(lambda tx: tx.store.find())

    def mark(self) -> str | None:
        """Return the id that the blobs carry."""
        return wait(self.blobs.read_mark())

    def fill_catalog(self) -> None:
        """Store a file's row and an event."""
        self.add_index(an_index())
        self.add_files(a_project(), a_file("demo-1.0.tar.gz"))
        self.add_event()

    def add_event(self) -> None:
        """Let something have happened."""
        self.change(lambda tx: tx.events.append(IndexDeleted(index=MAIN), at=START, actor=OPERATOR.actor))

    def fill_blobs(self) -> None:
        """Store bytes."""
        wait(self.blobs.put(b"demo-1.0.tar.gz"))

    def is_settled(self) -> bool:
        """Return whether both carry one id, and both know it."""
        known, mark = self.known(), self.mark()
        wait(demand_own_blobs(self.catalog, self.blobs))
        return mark is not None and known == StoreId(mark, is_marked=True)


def test_a_first_start_marks_both() -> None:
    """With one id, which stays."""
    pair = Pair()
    with pytest.raises(StorageFault) as raised:
        wait(demand_own_blobs(pair.catalog, pair.blobs))
    assert raised.value.code == "blobs-other"
    pair.settle()
    assert pair.is_settled()
    first = pair.mark()
    pair.fill_catalog()
    pair.fill_blobs()
    pair.settle()
    assert (pair.mark(), pair.is_settled()) == (first, True)


@pytest.mark.parametrize("has_rows", [True, False])
def test_stores_of_an_earlier_release_are_marked(*, has_rows: bool) -> None:
    """Full ones together, and a log without files beside no blobs."""
    pair = Pair()
    pair.add_event()
    if has_rows:
        pair.fill_catalog()
        pair.fill_blobs()
    pair.settle()
    assert pair.is_settled()


def test_an_empty_catalog_does_not_take_the_files_of_another() -> None:
    """A database that was made anew, beside an intact bucket of an earlier release."""
    pair = Pair()
    pair.fill_blobs()
    refused = pair.refusal()
    assert refused.code == "blobs-other"
    assert refused.message.startswith("The catalog in the catalog is empty")
    assert "strongroom backup restore" in refused.hint


def test_an_empty_catalog_does_not_take_marked_files() -> None:
    """The same with a bucket of this release; and another catalog that is full does not either."""
    owner = Pair()
    owner.settle()
    owner.fill_blobs()
    stranger = Pair(owner.blobs)
    assert "belong to another catalog" in stranger.refusal().message
    stranger.fill_catalog()
    assert "belong to another catalog" in stranger.refusal().message
    assert owner.is_settled()


def test_two_installations_do_not_share_one_place() -> None:
    """Each with an id of its own."""
    one, other = Pair(), Pair(seed="other")
    one.settle()
    other.settle()
    other.blobs = one.blobs
    assert "belong to another catalog" in other.refusal().message
    assert one.is_settled()


@pytest.mark.parametrize("is_known", [True, False])
def test_a_catalog_whose_files_are_elsewhere_is_refused(*, is_known: bool) -> None:
    """A node without the setting `blobs` would write what no other node finds."""
    pair = Pair()
    if is_known:
        pair.settle()
    pair.fill_catalog()
    pair.blobs = MemoryBlobs()
    refused = pair.refusal()
    assert refused.message == "The files of the catalog in the catalog are not in the blobs, but elsewhere"
    assert "STRONGROOM_BLOBS" in refused.hint


def test_a_known_catalog_takes_no_files_without_a_mark() -> None:
    """An old directory that was given up for a bucket; only an empty place is marked again."""
    pair = Pair()
    pair.settle()
    pair.add_event()
    pair.blobs = MemoryBlobs()
    pair.fill_blobs()
    assert "elsewhere" in pair.refusal().message
    pair.blobs = MemoryBlobs()
    pair.settle()
    assert pair.is_settled()


def test_a_start_that_died_before_the_mark_is_finished_by_the_next() -> None:
    """The id that was written down is used, also beside the files of an earlier release."""
    pair = Pair()
    pair.fill_catalog()
    pair.fill_blobs()
    pair.change(lambda tx: tx.store.save(StoreId("chosen")))
    pair.settle()
    assert (pair.mark(), pair.is_settled()) == ("chosen", True)


def test_a_start_that_died_after_the_mark_is_finished_by_the_next() -> None:
    """Nothing is chosen anew."""
    pair = Pair()
    pair.change(lambda tx: tx.store.save(StoreId("chosen")))
    wait(pair.blobs.write_mark("chosen"))
    pair.settle()
    assert (pair.mark(), pair.is_settled()) == ("chosen", True)


def test_first_nodes_at_once_end_with_one_id() -> None:
    """One that looked before another one had marked both takes over what is there."""

    class Overtaken(MemoryBlobs):
        """Another node is quicker between the look and the mark."""

        async def write_mark(self, mark: str, *, replaces: bool = False) -> str:
            if pair.blobs is self:
                pair.blobs = quick
                await pair.node().settle()
            return await quick.write_mark(mark, replaces=replaces)

    quick = MemoryBlobs()
    pair = Pair(Overtaken())
    pair.settle()
    assert pair.is_settled()


def test_a_place_that_another_catalog_has_marked_meanwhile_is_refused() -> None:
    """Two first starts at once on one bucket, with a database each: one of them works."""

    class Overtaken(MemoryBlobs):
        """The other one is quicker between the look and the mark."""

        async def write_mark(self, mark: str, *, replaces: bool = False) -> str:
            await super().write_mark("other")
            return await super().write_mark(mark, replaces=replaces)

    pair = Pair(Overtaken())
    with pytest.raises(ConfigurationFault) as raised:
        pair.settle()
    assert "belong to another catalog" in raised.value.message
    assert pair.known() is not None
    assert "belong to another catalog" in pair.refusal().message


def test_a_process_looks_once() -> None:
    """Afterwards the question costs nothing; who removes blobs asks again."""

    async def work() -> None:
        node = pair.node()
        await node.settle()
        await pair.blobs.write_mark("other", replaces=True)
        await node.settle()
        with pytest.raises(StorageFault):
            await demand_own_blobs(pair.catalog, pair.blobs)

    pair = Pair()
    wait(work())


def test_the_operator_adopts_files() -> None:
    """With an event; whoever had them before removes none of them any more."""
    owner = Pair()
    owner.settle()
    owner.fill_blobs()
    heir = Pair(owner.blobs, seed="heir")
    wait(heir.node().adopt(OPERATOR))
    assert heir.is_settled()
    assert heir.events() == [BlobsAdopted(blobs="the blobs")]
    assert "belong to another catalog" in owner.refusal().message


def test_a_restored_catalog_takes_its_files_over() -> None:
    """Without an event: the log is the backup's."""
    pair = Pair()
    pair.fill_blobs()
    wait(pair.blobs.write_mark("of the lost catalog"))
    pair.add_index(an_index())
    pair.add_files(a_project(), a_file("demo-1.0.tar.gz"))
    wait(pair.node().take_over())
    assert pair.is_settled()
    assert pair.mark() != "of the lost catalog"
    assert pair.events() == []


def test_a_replica_adopts_files_without_an_event() -> None:
    """Its log is its primary's."""
    pair = Pair()
    pair.fill_blobs()
    pair.change(lambda tx: tx.followed.save(Followed("https://primary.example", b"", level_at=NEVER)))
    wait(pair.node().adopt(OPERATOR))
    assert pair.is_settled()
    assert pair.events() == []


def test_an_adoption_that_was_overtaken_confirms_nothing() -> None:
    """The later of two adoptions decides."""

    class Overtaken(MemoryBlobs):
        """Another adoption begins before this one has ended."""

        async def write_mark(self, mark: str, *, replaces: bool = False) -> str:
            await pair.catalog.write(lambda tx: tx.store.save(StoreId("later")))
            return await super().write_mark(mark, replaces=replaces)

    pair = Pair(Overtaken())
    wait(pair.node().take_over())
    assert pair.known() == StoreId("later")


def test_names_of_an_upstream_are_bytes_too() -> None:
    """A catalog without own files, whose lists of names are elsewhere."""
    pair = Pair()
    pair.settle()
    pair.add_index(an_index())
    sha256 = a_file("demo-1.0.tar.gz").sha256
    pair.change(lambda tx: tx.name_lists.save(NameList(MAIN, sha256, 1, START - timedelta(1))))
    pair.blobs = MemoryBlobs()
    assert "elsewhere" in pair.refusal().message


def test_what_could_not_be_seen_at_the_start_is_seen_later() -> None:
    """A bucket that is away decides nothing; the job of the same process looks again."""

    class Away(MemoryBlobs):
        """Does not answer at first."""

        is_away = True

        async def read_mark(self) -> str | None:
            if self.is_away:
                raise Unavailable("bucket-unavailable", "The object store did not answer in time")
            return await super().read_mark()

    async def work() -> None:
        node = pair.node()
        with pytest.raises(Unavailable):
            await node.settle()
        assert await pair.catalog.read(lambda tx: tx.store.find()) is None
        with pytest.raises(Unavailable):
            await demand_own_blobs(pair.catalog, blobs)
        blobs.is_away = False
        await ownership_job(node).run()

    blobs = Away()
    pair = Pair(blobs)
    wait(work())
    assert pair.is_settled()
