"""The event log, the leases and the setup link, on every catalog."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from functools import partial

import pytest

from strongroom.core.errors import Conflict
from strongroom.core.events import (
    FIRST_HASH,
    Actor,
    Entry,
    Event,
    IndexCreated,
    TokenRevoked,
    Uploaded,
    Yanked,
    chain_hash,
    encode_event,
    entry_body,
)
from strongroom.core.model import Lease, SetupLink
from strongroom.core.names import Filename, TokenId, UserName, parse_project_name
from strongroom.core.removals import make_removal
from strongroom.ports import Transaction
from tests.contracts.driven import CHAIN_KEY, SOMEBODY, SOMETHING, Driven
from tests.factories import DEMO, MAIN, sha256_of
from tests.fakes import START

WHEEL = Filename("demo-1.0-py3-none-any.whl")
UPLOADED = Uploaded(
    index=MAIN, project=DEMO, version="1.0", filename=WHEEL, sha256=sha256_of("x"), size_bytes=1, imported=True
)
YANKED = Yanked(index=MAIN, project=DEMO, version="1.0", filenames=(WHEEL,), reason='\N{SNOWMAN} "quoted"\n')
OTHER = Yanked(index=MAIN, project=parse_project_name("other"), version="2", filenames=())
REVOKED = TokenRevoked(token=TokenId("A" * 16), owner=UserName("bob"))


def add_lease(tx: Transaction, lease: Lease) -> None:
    """Store a lease."""
    tx.leases.add(lease)


def serials(entries: tuple[Entry, ...]) -> list[int]:
    """Return the entries' serials in their order."""
    return [entry.serial for entry in entries]


def verify(entries: tuple[Entry, ...]) -> None:
    """Check serials and hashes from the first entry on."""
    previous = FIRST_HASH
    for serial, entry in enumerate(entries, 1):
        event_json = encode_event(entry.event)
        expected = chain_hash(
            CHAIN_KEY, previous, body=entry_body(serial=serial, at=entry.at, actor=entry.actor, event_json=event_json)
        )
        assert (entry.serial, entry.chain_hash) == (serial, expected)
        previous = expected


def test_an_entry_comes_back_as_it_went_in(catalog: Driven) -> None:
    """Event, actor and time are stored, and an actor may be nothing but a name."""
    events: list[Event] = [UPLOADED, YANKED, REVOKED, IndexCreated(index=MAIN, anonymous_read=True)]
    actors = [SOMEBODY, Actor(name="operator:root"), SOMEBODY, Actor(name="x", client="\N{SNOWMAN}")]
    for number, (event, actor) in enumerate(zip(events, actors, strict=True)):
        catalog.append(event, at=START + timedelta(microseconds=number), actor=actor)
    entries = catalog.read(lambda tx: tx.events.since(0))
    assert [entry.event for entry in entries] == events
    assert [entry.actor for entry in entries] == actors
    assert [entry.at for entry in entries] == [START + timedelta(microseconds=number) for number in range(4)]
    verify(entries)


def test_serials_count_from_one_without_gaps(catalog: Driven) -> None:
    """Each event gets the next number, several in one transaction too, and a failed one uses up none."""
    assert catalog.read(lambda tx: tx.events.serial()) == 0
    assert catalog.append() == 1

    def append_two(tx: Transaction) -> list[int]:
        return [tx.events.append(SOMETHING, at=START, actor=SOMEBODY) for _ in range(2)]

    def append_and_fail(tx: Transaction) -> None:
        append_two(tx)
        raise ZeroDivisionError

    assert catalog.write(append_two) == [2, 3]
    with pytest.raises(ZeroDivisionError):
        catalog.write(append_and_fail)
    assert catalog.append() == 4
    assert catalog.read(lambda tx: tx.events.serial()) == 4
    verify(catalog.read(lambda tx: tx.events.since(0)))


def test_the_chain_does_not_depend_on_the_zone(catalog: Driven) -> None:
    """A time given in another zone is hashed as it will be read: in UTC."""
    catalog.append(at=START.astimezone(timezone(timedelta(hours=9))))
    entries = catalog.read(lambda tx: tx.events.since(0))
    assert entries[0].at.isoformat() == START.astimezone(UTC).isoformat()
    verify(entries)


def test_since_reads_forwards_and_latest_backwards(catalog: Driven) -> None:
    """Both respect their limit; a serial bounds either from its side, exclusively."""
    for _ in range(7):
        catalog.append()
    assert serials(catalog.read(lambda tx: tx.events.since(0))) == [1, 2, 3, 4, 5, 6, 7]
    assert serials(catalog.read(lambda tx: tx.events.since(2, limit=3))) == [3, 4, 5]
    assert serials(catalog.read(lambda tx: tx.events.since(7))) == []
    assert serials(catalog.read(lambda tx: tx.events.latest(3))) == [7, 6, 5]
    assert serials(catalog.read(lambda tx: tx.events.latest(3, before=5))) == [4, 3, 2]
    assert serials(catalog.read(lambda tx: tx.events.latest(3, before=1))) == []


def test_latest_can_be_about_one_project(catalog: Driven) -> None:
    """Only events about that project are returned, whatever its index; others have none."""
    for event in (UPLOADED, OTHER, REVOKED, YANKED, OTHER, YANKED):
        catalog.append(event)
    assert serials(catalog.read(lambda tx: tx.events.latest(9, project=DEMO))) == [6, 4, 1]
    assert serials(catalog.read(lambda tx: tx.events.latest(1, before=6, project=DEMO))) == [4]
    assert serials(catalog.read(lambda tx: tx.events.latest(9, project=parse_project_name("none")))) == []


def test_a_lease_is_added_replaced_and_removed(catalog: Driven) -> None:
    """A lease names its blobs in order; removing one that is not there is harmless, replacing it is a conflict."""
    lease = Lease("b", START)
    longer = replace(lease, expires_at=START + timedelta(hours=1), sha256=(sha256_of("z"), sha256_of("a")))
    catalog.write(lambda tx: tx.leases.add(lease))
    catalog.write(lambda tx: tx.leases.add(Lease("a", START)))
    with pytest.raises(Conflict):
        catalog.write(lambda tx: tx.leases.add(longer))
    catalog.write(lambda tx: tx.leases.replace(longer))
    assert catalog.read(lambda tx: tx.leases.list()) == (Lease("a", START), longer)
    for _ in range(2):
        catalog.write(lambda tx: tx.leases.remove("b"))
    with pytest.raises(Conflict):
        catalog.write(lambda tx: tx.leases.replace(longer))
    assert catalog.read(lambda tx: tx.leases.list()) == (Lease("a", START),)


def test_a_lease_that_must_be_there_is_ended_once(catalog: Driven) -> None:
    """The second time it is a conflict: the sweep may have ended it, and taken what it named."""
    for lease_id in ("a", "b"):
        catalog.write(partial(add_lease, lease=Lease(lease_id, START)))
    catalog.write(lambda tx: tx.leases.end("a"))
    with pytest.raises(Conflict):
        catalog.write(lambda tx: tx.leases.end("a"))
    assert catalog.read(lambda tx: tx.leases.list()) == (Lease("b", START),)


def test_removals_are_found_among_the_leases(catalog: Driven) -> None:
    """By their ids, and without those of uploads, however many blobs these name."""
    removal = make_removal("x", [sha256_of("b"), sha256_of("a")], now=START)
    others = [Lease("a", START), Lease("removal", START), Lease("removalx", START), Lease("x removal:", START)]
    for lease in (removal, *others):
        catalog.write(partial(add_lease, lease=lease))
    assert catalog.read(lambda tx: tx.leases.list_removals()) == (removal,)
    assert len(catalog.read(lambda tx: tx.leases.list())) == 5


def test_the_setup_link_is_taken_once(catalog: Driven) -> None:
    """Only the digest of the last link takes it, and only once; a wrong digest leaves it."""
    first, second = SetupLink(b"1" * 32, START), SetupLink(b"2" * 32, START + timedelta(hours=1))
    assert catalog.write(lambda tx: tx.leases.take_setup_link(first.digest)) is None
    catalog.write(lambda tx: tx.leases.put_setup_link(first))
    catalog.write(lambda tx: tx.leases.put_setup_link(second))
    assert catalog.write(lambda tx: tx.leases.take_setup_link(first.digest)) is None
    assert catalog.write(lambda tx: tx.leases.take_setup_link(second.digest)) == second
    assert catalog.write(lambda tx: tx.leases.take_setup_link(second.digest)) is None
