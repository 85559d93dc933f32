"""A replica in trouble: bytes that do not come, leases that end, a primary that answers with refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version

from strongroom.core.errors import Conflict, Unavailable
from strongroom.core.names import (
    Sha256,
    parse_index_name,
)
from strongroom.core.removals import make_removal
from strongroom.core.replica import Lag
from strongroom.ports import Transaction
from strongroom.services.releases import Selection
from strongroom.services.replica import Follower
from strongroom.services.replica.following import Position
from tests.factories import DEMO, MAIN, NOBODY, OPERATOR
from tests.services.house import wait
from tests.services.replicating import Pair, digests

STAGING = parse_index_name("staging")
ONE = Version("1.0")


@pytest.fixture(params=["memory", "sqlite"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Provide a primary with the index main, and a replica that follows it."""
    pair = Pair(tmp_path if request.param == "sqlite" else None)
    pair.do(pair.primary.indexes.create(OPERATOR, MAIN))
    pair.begin()
    yield pair
    pair.close()


def test_the_bytes_are_there_before_the_rows(pair: Pair) -> None:
    """While bytes cannot be copied, nothing that names them is listed, and what was tried leaves no lease."""
    sha256 = wait(pair.primary.publish("demo"))
    pair.wire.spoiled.add(sha256)
    pair.catch_up()
    assert "other bytes" in pair.follower.trouble
    assert wait(pair.replica.store.read(lambda tx: (tuple(tx.files.scan()), tx.leases.list()))) == ((), ())
    assert sha256 not in wait(digests(pair.replica))
    pair.wire.spoiled.clear()
    pair.catch_up()
    assert pair.is_level()
    assert pair.follower.trouble == ""


def test_bytes_that_are_being_removed_are_waited_for(pair: Pair) -> None:
    """The sweep may still take those that are here, so nothing that names them is listed; the next look copies them."""
    sha256 = wait(pair.primary.publish("demo"))
    removal = make_removal("x", [sha256], now=pair.clock.now())
    wait(pair.replica.store.write(lambda tx: tx.leases.add(removal)))
    pair.catch_up()
    assert "being removed" in pair.follower.trouble
    assert wait(pair.replica.store.read(lambda tx: (tuple(tx.files.scan()), tx.leases.list()))) == ((), (removal,))
    wait(pair.replica.store.write(lambda tx: tx.leases.remove(removal.lease_id)))
    pair.catch_up()
    assert pair.is_level()
    assert sha256 in wait(digests(pair.replica))
    assert wait(pair.replica.store.read(lambda tx: tx.leases.list())) == ()


def test_a_page_whose_lease_was_swept_away_is_copied_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copying took longer than the lease: the bytes may be gone, too, so the rows are not stored."""
    sha256 = wait(pair.primary.publish("demo"))
    fetch = pair.wire.read_blob

    def end_leases(tx: Transaction) -> None:
        for lease in tx.leases.list():
            tx.leases.remove(lease.lease_id)

    async def read_then_sweep(sha256: Sha256, *, size_bytes: int | None) -> AsyncIterator[bytes]:
        async for chunk in fetch(sha256, size_bytes=size_bytes):
            yield chunk
        await pair.replica.store.write(end_leases)

    with monkeypatch.context() as patched:
        patched.setattr(pair.wire, "read_blob", read_then_sweep)
        pair.catch_up()
    assert wait(pair.replica.store.read(lambda tx: tuple(tx.files.scan()))) == ()
    assert "lease" in pair.follower.trouble
    wait(pair.replica.blobs.remove(sha256))
    pair.catch_up()
    assert pair.is_level()
    assert sha256 in wait(digests(pair.replica))


def test_what_the_primary_has_lost_stops_nothing(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A blob that the primary lists and does not have is told once in the log; all else is copied."""
    sha256 = wait(pair.primary.publish("demo"))
    pair.do(pair.primary.publish("other"))
    pair.wire.lost.add(sha256)
    pair.catch_up()
    pair.catch_up()
    assert pair.is_level()
    assert caplog.text.count("does not have a blob") == 1
    assert sha256 not in wait(digests(pair.replica))
    assert pair.follower.trouble == ""


def test_what_the_primary_had_lost_is_asked_for_until_it_is_here(pair: Pair) -> None:
    """Until then the replica says how much is lacking and is not level, after a restart too; then it is."""
    began = pair.clock.now()
    sha256 = wait(pair.primary.publish("demo"))
    content = wait(pair.primary.blobs.get(sha256))
    pair.wire.lost.add(sha256)
    pair.clock.advance(timedelta(minutes=1))
    pair.catch_up()
    pair.restart()
    for _ in range(3):
        pair.catch_up()
    assert pair.follower.find_lag() == Lag(timedelta(minutes=1), lacking=1)
    standing = wait(pair.use_cases.get_standing(OPERATOR))
    assert (standing.lacking, standing.level_at) == (1, began)
    assert pair.wire.asked.count(f"blob {sha256}") >= 3
    pair.wire.lost.clear()
    wait(pair.primary.blobs.put(content))
    pair.catch_up()
    pair.catch_up()
    assert wait(pair.replica.blobs.get(sha256)) == content
    assert pair.follower.find_lag() == Lag(timedelta(0), lacking=0)
    assert wait(pair.use_cases.get_standing(OPERATOR)).lacking == 0
    assert wait(pair.replica.store.read(lambda tx: tx.leases.list())) == ()


def test_what_nothing_names_any_more_is_not_lacking(pair: Pair) -> None:
    """The file is deleted on the primary: the replica asks no longer for its bytes, and is level."""
    sha256 = wait(pair.primary.publish("demo"))
    pair.wire.lost.add(sha256)
    pair.catch_up()
    pair.do(pair.primary.releases.delete(OPERATOR, Selection(MAIN, DEMO, ONE)))
    pair.catch_up()
    asked = pair.wire.asked.count(f"blob {sha256}")
    pair.catch_up()
    assert pair.follower.find_lag() == Lag(timedelta(0))
    assert pair.wire.asked.count(f"blob {sha256}") == asked


def test_a_page_that_cannot_be_stored_leaves_no_lease(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep keeps no bytes for a page that nobody has stored."""

    async def fail(*_given: object, **_more: object) -> Position:
        raise Unavailable("catalog-busy", "The catalog is busy")

    pair.do(pair.primary.publish("demo"))
    with monkeypatch.context() as patched:
        patched.setattr(Follower, "_store", fail)
        pair.catch_up()
    assert pair.follower.trouble == "The catalog is busy"
    assert wait(pair.replica.store.read(lambda tx: tx.leases.list())) == ()
    pair.catch_up()
    assert pair.is_level()


@pytest.mark.parametrize("fault", ["token", "history", "failing", "odd", "certificate"])
def test_whoever_answers_is_there(pair: Pair, fault: str) -> None:
    """A revoked token, another log, a server in trouble: the primary may still take changes, so it is not replaced."""
    pair.catch_up()
    trouble = {
        "failing": Unavailable("primary-failing", "The primary answers 503"),
        "odd": Conflict("primary-odd", "The server answers 404"),
        "certificate": Unavailable("primary-certificate", "The primary shows a certificate that is not trusted"),
    }
    pair.wire.trouble = trouble.get(fault)
    if fault == "token":
        pair.wire.caller = NOBODY
    if fault == "history":
        pair.wire.site = Pair().primary
    answering = wait(pair.use_cases.ask_primary(OPERATOR))
    assert (answering.missing, answering.is_silent) == (None, False)
    with pytest.raises(Conflict, match="Somebody answers") as caught:
        wait(pair.use_cases.promote(OPERATOR))
    assert answering.trouble in caught.value.message
    assert "--anyway" in caught.value.hint
    assert wait(pair.use_cases.find_followed()) is not None
    wait(pair.use_cases.promote(OPERATOR, although_it_answers=True))
