"""The audit log: read, and proved to be whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, InvalidRequest, StorageFault, StrongroomError, Unauthenticated
from strongroom.core.events import Actor, Entry, Head, IndexCreated, StatusChanged, chain_hash, encode_event, entry_body
from strongroom.core.names import IndexName
from strongroom.ports import Transaction
from strongroom.services.audit import EMPTY, Audit, Break, ChainReport
from tests.factories import DEMO, MAIN, NOBODY, OPERATOR, a_caller, a_grant, a_scope, a_token, a_token_caller
from tests.fakes import START
from tests.services.house import House, T, ThreadedCatalog, wait

ACTOR = Actor(name="user:bob")


class TamperedEvents:
    """A log whose entries were changed behind the program's back."""

    def __init__(self, entries: tuple[Entry, ...], unreadable: int | None) -> None:
        self._entries = entries
        self._unreadable = unreadable

    def since(self, serial: int, limit: int = 1000) -> tuple[Entry, ...]:
        """Return what is stored now; raise where it cannot be read."""
        found = tuple(entry for entry in self._entries if entry.serial > serial)[:limit]
        if any(entry.serial == self._unreadable for entry in found):
            raise StorageFault("catalog-fault", "An entry is damaged")
        return found


class TamperedCatalog(ThreadedCatalog):
    """A catalog on such a log."""

    def __init__(
        self, entries: tuple[Entry, ...], unreadable: int | None = None, *, events: type[TamperedEvents] | None = None
    ) -> None:
        super().__init__()
        self._tampered = (events or TamperedEvents)(entries, unreadable)

    async def read(self, fn: Callable[[Transaction], T]) -> T:
        """Run the function on the changed log."""
        return await super().read(lambda tx: fn(replace(tx, events=self._tampered)))  # type: ignore[arg-type]  # only `since` is asked for


def a_house(entries: int) -> House:
    """Make a house with a log of that length; every second entry is about the project demo."""
    house = House()

    def change(tx: Transaction) -> None:
        for number in range(entries):
            event = (
                StatusChanged(index=MAIN, project=DEMO, status=f"{number}")
                if number % 2
                else IndexCreated(index=IndexName(f"ix-{number}"))
            )
            tx.events.append(event, at=START, actor=ACTOR)

    house.change(change)
    return house


def audit(house: House) -> Audit:
    """Make the service."""
    return Audit(house.catalog, house.secrets)


def verify(house: House, entries: tuple[Entry, ...], *, unreadable: int | None = None) -> ChainReport:
    """Verify what somebody made of the house's log."""
    return wait(Audit(TamperedCatalog(entries, unreadable), house.secrets).verify(OPERATOR))


def test_the_newest_changes_come_first() -> None:
    """In pages, and about one project if asked."""
    house = a_house(7)
    service = audit(house)
    assert [entry.serial for entry in wait(service.log(OPERATOR))] == [7, 6, 5, 4, 3, 2, 1]
    assert [entry.serial for entry in wait(service.log(OPERATOR, limit=2))] == [7, 6]
    assert [entry.serial for entry in wait(service.log(OPERATOR, limit=2, before=6))] == [5, 4]
    assert [entry.serial for entry in wait(service.log(OPERATOR, project=DEMO))] == [6, 4, 2]


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_bound(limit: int) -> None:
    """Nobody asks for everything at once."""
    with pytest.raises(InvalidRequest):
        wait(audit(a_house(1)).log(OPERATOR, limit=limit))


@pytest.mark.parametrize(
    ("caller", "error"),
    [
        (NOBODY, Unauthenticated),
        (a_caller("bob", a_grant(Right.READ, Right.MANAGE)), Forbidden),
        (a_token_caller(a_token(scope=a_scope(Right.READ)), a_grant(Right.ADMINISTER)), Forbidden),
    ],
)
def test_only_administrators_read_it(caller: Caller, error: type[StrongroomError]) -> None:
    """The log tells who did what from where."""
    for work in (audit(a_house(1)).log(caller), audit(a_house(1)).verify(caller)):
        with pytest.raises(error):
            wait(work)


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 2000])
def test_a_whole_log_is_whole_across_batches(length: int) -> None:
    """Every entry is computed anew, and the head is reported."""
    house = a_house(length)
    report = wait(audit(house).verify(OPERATOR))
    head = Head(length, house.entries()[-1].chain_hash) if length in (1, 999, 1000) else report.head
    assert report == ChainReport(entries=length, head=head)
    assert report.head.serial == length
    assert report.is_whole
    assert (report.head == EMPTY) is (length == 0)


def test_any_changed_field_breaks_the_chain_there() -> None:
    """What happened, who did it, when, and the hash itself."""
    house = a_house(9)
    entries = house.entries()
    changes = [
        msgspec.structs.replace(entries[4], event=IndexCreated(index=IndexName("other"))),
        msgspec.structs.replace(entries[4], actor=Actor(name="user:eve")),
        msgspec.structs.replace(entries[4], at=START.replace(year=2025)),
        msgspec.structs.replace(entries[4], chain_hash=bytes(32)),
    ]
    for changed in changes:
        report = verify(house, (*entries[:4], changed, *entries[5:]))
        assert report.entries == 4
        assert report.head == Head(4, entries[3].chain_hash)
        assert report.broken == Break(5, "the entry was changed, or one before it was")


def test_a_chain_made_without_the_key_does_not_hold() -> None:
    """Whoever can write to the catalog, but has no key, cannot make the hashes fit."""
    house = a_house(3)
    *_, last = house.entries()
    forged = chain_hash(
        b"guessed",
        house.entries()[1].chain_hash,
        body=entry_body(serial=3, at=last.at, actor=last.actor, event_json=encode_event(last.event)),
    )
    report = verify(house, (*house.entries()[:2], msgspec.structs.replace(last, chain_hash=forged)))
    assert report.broken is not None
    assert report.broken.serial == 3


def test_a_removed_entry_is_missed() -> None:
    """At its own serial."""
    house = a_house(9)
    entries = house.entries()
    assert verify(house, (*entries[:4], *entries[5:])).broken == Break(5, "the entry is missing")


@pytest.mark.parametrize("serial", [1, 5, 9])
def test_an_entry_that_cannot_be_read_is_named(serial: int) -> None:
    """Those before it still count."""
    report = verify(a_house(9), a_house(9).entries(), unreadable=serial)
    assert report.entries == serial - 1
    assert report.broken == Break(serial, "the entry cannot be read")


def test_an_unreadable_entry_in_a_later_batch_is_named() -> None:
    """The search for it starts where the batch did."""
    house = a_house(1010)
    entries = house.entries() + house.look(lambda tx: tx.events.since(1000))
    report = verify(house, entries, unreadable=1007)
    assert report.broken == Break(1007, "the entry cannot be read")


class FlakyEvents(TamperedEvents):
    """A log of which only one entry at a time can be read."""

    def since(self, serial: int, limit: int = 1000) -> tuple[Entry, ...]:
        """Fail for more than one."""
        if limit > 1:
            raise StorageFault("catalog-fault", "Reading failed")
        return super().since(serial, limit)


def test_a_fault_that_passes_is_no_break() -> None:
    """What can be read one by one is judged as ever."""
    house = a_house(9)
    catalog = TamperedCatalog(house.entries(), events=FlakyEvents)
    report = wait(Audit(catalog, house.secrets).verify(OPERATOR))
    assert (report.entries, report.is_whole) == (9, True)


def test_a_head_that_was_kept_shows_a_cut_log() -> None:
    """Without it, a log that lost its end looks whole."""
    house = a_house(9)
    kept = wait(audit(house).verify(OPERATOR)).head
    cut = Audit(TamperedCatalog(house.entries()[:6]), house.secrets)
    assert wait(cut.verify(OPERATOR)).is_whole
    assert wait(cut.verify(OPERATOR, expected=kept)).broken == Break(7, "the log was cut: it went on to 9")


def test_a_head_that_was_kept_shows_a_log_written_anew() -> None:
    """Even by somebody who holds the key."""
    house = a_house(9)
    kept = Head(5, house.entries()[5].chain_hash)
    report = wait(audit(house).verify(OPERATOR, expected=kept))
    assert report.broken is not None
    assert report.broken.serial == 5


def test_a_log_that_went_on_still_fits_the_head_that_was_kept() -> None:
    """New entries are no fault."""
    house = a_house(9)
    kept = Head(5, house.entries()[4].chain_hash)
    assert wait(audit(house).verify(OPERATOR, expected=kept)).is_whole


def test_reading_the_log_is_not_recorded() -> None:
    """It changes nothing."""
    house = a_house(2)
    wait(audit(house).log(OPERATOR))
    wait(audit(house).verify(OPERATOR))
    assert len(house.events()) == 2
