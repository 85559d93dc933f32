"""Indexes: made, listed, changed and removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, Forbidden, NotFound, StrongroomError, Unauthenticated
from strongroom.core.events import IndexChanged, IndexCreated, IndexDeleted
from strongroom.core.index_settings import IndexChanges
from strongroom.core.model import Index, ProjectStatus
from strongroom.core.names import IndexName, parse_user_name
from strongroom.ports import Transaction
from strongroom.services.indexes import FIRST_INDEX, Indexes, IndexSummary
from tests.factories import (
    MAIN,
    NOBODY,
    OPERATOR,
    STAGING,
    a_caller,
    a_file,
    a_grant,
    a_project,
    a_user,
    an_administrator,
    an_index,
)
from tests.fakes import START, FakeSeals
from tests.services.house import House, T, ThreadedCatalog, wait

BOB = parse_user_name("bob")
READER = a_caller("bob", a_grant(Right.READ))
NOWHERE = IndexName("nowhere")


def indexes(house: House) -> Indexes:
    """Make the service."""
    return Indexes(house.catalog, house.clock, FakeSeals())


def a_house(*found: Index) -> House:
    """Make a house with these indexes."""
    house = House()
    for index in found:
        house.add_index(index)
    return house


def test_an_index_is_made_with_its_settings() -> None:
    """And recorded with them."""
    house = a_house()
    made = wait(
        indexes(house).create(
            an_administrator(), STAGING, changes=IndexChanges(accepts_uploads=False, anonymous_read=True)
        )
    )
    assert made == Index(name=STAGING, created_at=START, accepts_uploads=False, anonymous_read=True)
    assert house.look(lambda tx: tx.indexes.list()) == (made,)
    assert house.events() == [IndexCreated(index=STAGING, accepts_uploads=False, anonymous_read=True)]


def test_a_name_is_taken_once() -> None:
    """The existing index stays as it is."""
    house = a_house(an_index("staging", anonymous_read=True))
    with pytest.raises(Conflict):
        wait(indexes(house).create(OPERATOR, STAGING))
    assert house.look(lambda tx: tx.indexes.list()) == (an_index("staging", anonymous_read=True),)
    assert house.events() == []


@pytest.mark.parametrize(
    ("caller", "error"),
    [(NOBODY, Unauthenticated), (READER, Forbidden), (a_caller("bob", a_grant(*Right, index="main")), Forbidden)],
)
def test_only_administrators_make_and_delete(caller: Caller, error: type[StrongroomError]) -> None:
    """The administrator of one index is none of the server."""
    house = a_house(an_index("main"), an_index("staging"))
    for work in (indexes(house).create(caller, NOWHERE), indexes(house).delete(caller, STAGING)):
        with pytest.raises(error):
            wait(work)
    assert house.events() == []


def test_the_first_index_is_made_on_an_empty_catalog_only() -> None:
    """Once; not again when it is there, nor beside others."""
    house = a_house()
    made = wait(indexes(house).ensure_first(OPERATOR))
    assert made == Index(name=FIRST_INDEX, created_at=START)
    assert wait(indexes(house).ensure_first(OPERATOR)) is None
    assert house.events() == [IndexCreated(index=FIRST_INDEX)]
    other = a_house(an_index("staging"))
    assert wait(indexes(other).ensure_first(OPERATOR)) is None
    assert other.events() == []


def test_one_sees_the_indexes_that_one_may_read() -> None:
    """By name; open ones are seen by everybody, others do not exist."""
    house = a_house(an_index("staging"), an_index("main"), an_index("open", anonymous_read=True))

    def names(caller: Caller) -> list[str]:
        return [index.name for index in wait(indexes(house).list(caller))]

    assert names(OPERATOR) == names(READER) == ["main", "open", "staging"]
    assert names(NOBODY) == names(a_caller("bob")) == ["open"]
    assert names(a_caller("bob", a_grant(Right.READ, index="main", projects="demo"))) == ["main", "open"]
    assert names(a_caller("bob", a_grant(Right.UPLOAD))) == ["open"]


def test_an_index_is_shown_with_what_the_caller_may_read_of_it() -> None:
    """Counts don't tell of projects that are hidden."""
    house = a_house(an_index("main"))
    house.add_files(a_project("demo"), a_file("demo-1.0.tar.gz"), a_file("demo-1.0-py3-none-any.whl"))
    house.add_files(a_project("secret"), a_file("secret-1.0.tar.gz"))

    def counts(caller: Caller) -> tuple[int, int]:
        summary = wait(indexes(house).show(caller, MAIN))
        assert summary == IndexSummary(an_index("main"), summary.projects, summary.files)
        return summary.projects, summary.files

    assert counts(READER) == (2, 3)
    assert counts(a_caller("bob", a_grant(Right.READ, projects="demo"))) == (1, 2)


def test_counting_asks_for_the_indexes_once() -> None:
    """Not once for each project: whoever may read an index, nobody in particular perhaps, can have it counted."""
    house = a_house(an_index("main", anonymous_read=True))
    for number in range(5):
        house.add_files(a_project(f"demo-{number}"), a_file(f"demo_{number}-1.0.tar.gz"))
    asked: list[str] = []

    class Counting:
        """The indexes, which notice when they are listed."""

        def __init__(self, tx: Transaction) -> None:
            self._tx = tx
            self.find = tx.indexes.find

        def list(self) -> tuple[Index, ...]:
            """Notice."""
            asked.append("list")
            return self._tx.indexes.list()

    class Catalog(ThreadedCatalog):
        """The house's catalog with such indexes."""

        async def read(self, fn: Callable[[Transaction], T]) -> T:
            """Run the function with them."""
            return await house.catalog.read(lambda tx: fn(replace(tx, indexes=Counting(tx))))  # type: ignore[arg-type]  # only what `show` needs

    summary = wait(Indexes(Catalog(), house.clock, FakeSeals()).show(NOBODY, MAIN))
    assert (summary.projects, summary.files, asked) == (5, 5, ["list"])


def test_an_index_that_one_may_not_read_looks_missing() -> None:
    """The same error for hidden and missing; those who may read every index are told which is missing."""
    house = a_house(an_index("main"), an_index("staging"))
    sentences = set()
    for name in (STAGING, NOWHERE):
        with pytest.raises(NotFound) as raised:
            wait(indexes(house).show(a_caller("bob", a_grant(Right.READ, index="main")), name))
        sentences.add((raised.value.code, raised.value.sentence))
    assert len(sentences) == 1
    with pytest.raises(NotFound, match="no index 'nowhere'"):
        wait(indexes(house).show(READER, NOWHERE))


def test_a_change_is_recorded_and_its_repetition_is_not() -> None:
    """What is not named stays."""
    house = a_house(an_index("main"))
    for _ in range(2):
        changed = wait(indexes(house).change(OPERATOR, MAIN, changes=IndexChanges(accepts_uploads=False)))
        assert changed == an_index("main", accepts_uploads=False)
    opened = wait(indexes(house).change(OPERATOR, MAIN, changes=IndexChanges(anonymous_read=True)))
    assert opened == an_index("main", accepts_uploads=False, anonymous_read=True)
    assert house.events() == [
        IndexChanged(index=MAIN, accepts_uploads=False),
        IndexChanged(index=MAIN, accepts_uploads=False, anonymous_read=True),
    ]


def test_opening_an_index_to_all_takes_its_administrator() -> None:
    """`manage` is enough for uploads, not for showing it to the world."""
    house = a_house(an_index("main"))
    manager = a_caller("bob", a_grant(Right.READ, Right.MANAGE, index="main"))
    wait(indexes(house).change(manager, MAIN, changes=IndexChanges(accepts_uploads=False)))
    with pytest.raises(Forbidden):
        wait(indexes(house).change(manager, MAIN, changes=IndexChanges(anonymous_read=True, accepts_uploads=True)))
    assert house.look(lambda tx: tx.indexes.find(MAIN)) == an_index("main", accepts_uploads=False)
    with pytest.raises(Forbidden):
        wait(indexes(house).change(READER, MAIN, changes=IndexChanges(accepts_uploads=True)))
    with pytest.raises(Forbidden):
        wait(
            indexes(house).change(
                a_caller("eve", a_grant(Right.ADMINISTER, index="main")),
                MAIN,
                changes=IndexChanges(anonymous_read=True),
            )
        )
    wait(indexes(house).change(an_administrator(), MAIN, changes=IndexChanges(anonymous_read=True)))
    assert len(house.events()) == 2


def test_an_empty_index_goes_with_the_grants_on_it() -> None:
    """A later index of that name starts closed; other grants stay."""
    house = a_house(an_index("main"), an_index("staging"))
    kept = (a_grant(Right.READ), a_grant(Right.READ, index="main"))
    house.add_user(a_user("bob"), *kept, a_grant(Right.READ, index="staging"))
    wait(indexes(house).delete(OPERATOR, STAGING))
    assert house.look(lambda tx: tx.indexes.list()) == (an_index("main"),)
    assert set(house.look(lambda tx: tx.users.list_grants(BOB))) == set(kept)
    assert house.events() == [IndexDeleted(index=STAGING)]


def test_a_project_without_files_does_not_hold_its_index() -> None:
    """What stays of it is a status, such as a quarantine, and that goes with the index."""
    house = a_house(an_index("main"), an_index("staging"))
    house.add_files(replace(a_project(index="staging"), status=ProjectStatus.QUARANTINED))
    wait(indexes(house).delete(OPERATOR, STAGING))
    assert house.look(lambda tx: tx.projects.list(STAGING)) == ()
    assert house.events() == [IndexDeleted(index=STAGING)]


@pytest.mark.parametrize(("name", "code"), [(STAGING, "index-holds-files"), (MAIN, "index-first")])
def test_an_index_that_is_needed_stays(name: IndexName, code: str) -> None:
    """One with files, and the one that /simple/ means."""
    house = a_house(an_index("main"), an_index("staging"))
    house.add_files(a_project(index="staging"), a_file(index="staging"))
    with pytest.raises(Conflict) as raised:
        wait(indexes(house).delete(OPERATOR, name))
    assert raised.value.code == code
    assert len(house.look(lambda tx: tx.indexes.list())) == 2
    assert house.events() == []


def test_a_missing_index_is_not_deleted() -> None:
    """It is named."""
    with pytest.raises(NotFound, match="nowhere"):
        wait(indexes(a_house()).delete(OPERATOR, NOWHERE))
