"""A replica: how it follows, tells its lag, and takes over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version

from strongroom.core.errors import Conflict, NotFound, StorageFault, Unauthenticated, Unavailable
from strongroom.core.events import ReplicaPromoted
from strongroom.core.names import (
    Sha256,
    TokenId,
    parse_filename,
    parse_index_name,
    parse_project_name,
)
from strongroom.core.removals import make_removal
from strongroom.core.replica import NEVER, Lag
from strongroom.ports import Transaction
from strongroom.services.releases import Selection
from strongroom.services.replica import Follower
from strongroom.services.replica.following import Position
from tests.factories import DEMO, MAIN, NOBODY, OPERATOR, a_copy
from tests.services.house import wait
from tests.services.replicating import URL, Pair, digests

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


@pytest.fixture
def apart() -> Pair:
    """Provide a primary with a published project, and a server that does not follow it yet."""
    pair = Pair()
    pair.do(pair.primary.indexes.create(OPERATOR, MAIN), pair.primary.publish("demo"))
    return pair


def test_a_replica_may_keep_what_comes_from_upstreams(pair: Pair) -> None:
    """What makes no event goes on: copies of upstream files, times of last use."""
    wait(pair.replica.catalog.write(lambda tx: tx.copies.save(a_copy())))
    wait(pair.replica.catalog.write(lambda tx: tx.tokens.touch({TokenId("A" * 16): pair.clock.now()})))
    assert len(wait(pair.replica.store.read(lambda tx: tuple(tx.copies.scan())))) == 1


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


def test_bytes_are_copied_once(pair: Pair) -> None:
    """What is here already, because another index names it, is not fetched again."""
    pair.do(pair.primary.indexes.create(OPERATOR, STAGING), pair.primary.publish("demo", index=STAGING))
    pair.catch_up()
    asked = len(pair.wire.asked)
    pair.do(pair.primary.promotions.promote(OPERATOR, [(DEMO, ONE)], source=STAGING, target=MAIN))
    pair.catch_up()
    assert pair.is_level()
    assert all(question.startswith("changes") for question in pair.wire.asked[asked:])


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


def test_one_process_follows_for_all(pair: Pair) -> None:
    """Another one sees how far it has come, and asks the primary nothing."""
    pair.catch_up()
    other = Follower(pair.follower.stores, pair.follower.open_primary)
    asked = len(pair.wire.asked)
    assert wait(other.look())
    assert other.find_lag() == Lag(timedelta(0))
    assert len(pair.wire.asked) == asked
    wait(pair.use_cases.promote(OPERATOR, although_it_answers=True))
    assert not wait(other.look())
    assert other.find_lag() is None
    wait(pair.follower.keep_level())  # ends by itself: nobody is followed any more


def test_two_workers_may_follow_at_once(pair: Pair) -> None:
    """Of two that fetched the same page the second stores nothing."""
    pair.do(pair.primary.publish("demo"))
    page = wait(pair.wire.get_page(1, limit=500))
    pair.catch_up()
    known = pair.follower._known
    assert known is not None
    before = pair.replica.contents()
    wait(pair.follower._store(page, known, lease=None))
    assert pair.replica.contents() == before


def test_the_lag_is_how_long_ago_all_was_here(pair: Pair) -> None:
    """It is the time since the last look that found nothing missing, and grows while the primary is gone."""
    pair.catch_up()
    assert wait(pair.use_cases.get_standing(OPERATOR)).behind == timedelta(0)
    pair.wire.is_cut = True
    pair.clock.advance(timedelta(minutes=3))
    pair.catch_up()
    standing = wait(pair.use_cases.get_standing(OPERATOR))
    assert (standing.primary, standing.behind) == (URL, timedelta(minutes=3))
    assert pair.follower.find_lag() == Lag(timedelta(minutes=3))
    assert wait(pair.use_cases.ask_primary(OPERATOR)).trouble == "The primary cannot be reached. See to it."
    pair.wire.is_cut = False
    pair.do(pair.primary.publish("demo"))
    assert wait(pair.use_cases.ask_primary(OPERATOR)).missing == 1
    pair.catch_up()
    assert wait(pair.use_cases.get_standing(OPERATOR)).behind == timedelta(0)
    assert wait(pair.use_cases.ask_primary(OPERATOR)).missing == 0


def test_trouble_is_told_once(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    """A primary that is gone for an hour makes one line in the log, and another when it is back."""
    caplog.set_level("INFO")
    pair.wire.is_cut = True
    for _ in range(5):
        pair.catch_up()
    pair.wire.is_cut = False
    pair.catch_up()
    said = [record.message for record in caplog.records if "followed" in record.message]
    assert said == ["the primary cannot be followed", "the primary is followed again"]


def test_a_replica_is_promoted_when_its_primary_is_gone(pair: Pair) -> None:
    """It takes changes from then on, its log goes on with who did it, and it follows nobody."""
    pair.do(pair.primary.publish("demo"))
    pair.catch_up()
    pair.wire.is_cut = True
    promoted = wait(pair.use_cases.promote(OPERATOR))
    assert promoted.primary is None
    wait(pair.replica.publish("demo", "2.0"))
    entries = wait(pair.replica.audit.log(OPERATOR))
    assert entries[1].event == ReplicaPromoted(primary=URL, level_at=pair.clock.now().isoformat())
    assert entries[1].actor.name == "operator:root"
    assert wait(pair.replica.audit.verify(OPERATOR)).is_whole
    pair.wire.is_cut = False
    pair.do(pair.primary.publish("too-late"))
    pair.catch_up()
    assert wait(pair.replica.store.read(lambda tx: tx.projects.find(MAIN, parse_project_name("too-late")))) is None
    assert pair.wire.closings == 1


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


def test_a_primary_that_answers_is_not_replaced(pair: Pair) -> None:
    """Two servers that take changes lose some: it must be stopped, or the operator must insist."""
    with pytest.raises(Conflict, match="still answers"):
        wait(pair.use_cases.promote(OPERATOR))
    assert wait(pair.use_cases.find_followed()) is not None
    wait(pair.use_cases.promote(OPERATOR, although_it_answers=True))
    assert wait(pair.use_cases.find_followed()) is None
    with pytest.raises(NotFound, match="no replica"):
        wait(pair.use_cases.promote(OPERATOR))


def test_a_replica_that_never_had_all_does_not_take_over(apart: Pair) -> None:
    """Half a copy is no copy, unless the operator insists."""
    apart.wire.limit = 1
    apart.begin()
    apart.wire.is_cut = True
    with pytest.raises(Conflict, match="never had everything"):
        wait(apart.use_cases.promote(OPERATOR))
    standing = wait(apart.use_cases.get_standing(OPERATOR))
    assert (standing.level_at, standing.behind, standing.serial) == (None, None, 1)
    wait(apart.use_cases.promote(OPERATOR, although_it_answers=True))
    entries = wait(apart.replica.audit.log(OPERATOR))
    assert entries[0].event == ReplicaPromoted(primary=URL)


def test_following_begins_with_an_empty_store(apart: Pair) -> None:
    """What holds changes of its own does not become a replica, and stays as it was."""
    wait(apart.replica.indexes.create(OPERATOR, MAIN))
    with pytest.raises(Conflict, match="changes of its own"):
        apart.begin()
    assert wait(apart.use_cases.find_followed()) is None
    wait(apart.replica.publish("demo"))


def test_following_goes_on_with_another_token(pair: Pair) -> None:
    """A new token for the same primary is used at once; another primary is refused."""
    pair.catch_up()
    pair.begin("another-token")
    pair.catch_up()
    assert pair.opened == [(URL, "a-token"), (URL, "another-token")]
    with pytest.raises(Conflict, match="This is a replica of"):
        wait(pair.use_cases.begin(OPERATOR, "http://other.example", token="a-token"))


def test_a_replica_that_was_level_begins_again_without_its_primary(pair: Pair) -> None:
    """After a restart the primary may be gone: that keeps nobody from serving."""
    pair.catch_up()
    pair.wire.is_cut = True
    assert pair.begin().url == URL
    pair.restart()
    pair.catch_up()
    assert pair.follower.find_lag() == Lag(timedelta(0))


@pytest.mark.parametrize("fault", ["cut", "token"])
def test_what_cannot_be_followed_leaves_the_store_empty(apart: Pair, fault: str) -> None:
    """A wrong address or token is told at once, and a second try may name another."""
    apart.wire.is_cut = fault == "cut"
    apart.wire.caller = OPERATOR if fault == "cut" else NOBODY
    with pytest.raises((Unavailable, Unauthenticated)):
        apart.begin()
    assert wait(apart.use_cases.find_followed()) is None


def test_another_key_is_refused() -> None:
    """Without the primary's key no token would be valid and no log would verify: nothing is copied."""
    pair = Pair(other_key=True)
    pair.do(pair.primary.indexes.create(OPERATOR, MAIN))
    with pytest.raises(StorageFault, match="not signed with this key") as caught:
        pair.begin()
    assert "Copy secret.key" in caught.value.hint
    assert wait(pair.replica.store.read(lambda tx: tx.events.serial())) == 0


def test_a_primary_that_lost_its_newest_changes_is_not_followed(pair: Pair) -> None:
    """A log that is shorter or other than the copied one means another history: nothing is overwritten."""
    pair.do(pair.primary.publish("demo"))
    pair.catch_up()
    before = pair.replica.contents()
    restored = Pair()
    restored.do(restored.primary.indexes.create(OPERATOR, MAIN))
    pair.wire.site = restored.primary
    pair.catch_up()
    assert "is not the one" in pair.follower.trouble
    restored.do(restored.primary.publish("another"), restored.primary.publish("third"))
    pair.catch_up()
    assert "is not the one" in pair.follower.trouble
    assert pair.replica.contents() == before


def test_only_administrators_ask(apart: Pair) -> None:
    """The feed, the bytes and the standing are not for everybody."""
    sha256 = wait(apart.primary.publish("secret"))
    for asking in (
        apart.primary.feed.list_changes(NOBODY, since=0),
        apart.primary.feed.open_blob(NOBODY, sha256, size_bytes=None),
        apart.use_cases.get_standing(NOBODY),
        apart.use_cases.promote(NOBODY),
        apart.use_cases.begin(NOBODY, URL, token="a-token"),
    ):
        with pytest.raises(Exception, match="needs credentials"):
            wait(asking)
    assert wait(apart.use_cases.find_followed()) is None


def test_a_server_that_follows_nobody_says_so(apart: Pair) -> None:
    """It is no replica, has nothing missing, and looking does nothing."""
    standing = wait(apart.use_cases.get_standing(OPERATOR))
    assert (standing.primary, standing.serial, standing.behind) == (None, 0, None)
    assert apart.follower.find_lag() is None
    assert wait(apart.follower.count_missing()) == 0
    apart.catch_up()
    assert apart.wire.asked == []


def test_an_interrupted_first_copy_goes_on(apart: Pair) -> None:
    """A replica that was never level and whose primary is away at a restart keeps what it has."""
    apart.wire.limit = 1
    apart.begin()
    apart.wire.is_cut = True
    with pytest.raises(Unavailable):
        apart.begin()
    followed = wait(apart.use_cases.find_followed())
    assert followed is not None
    assert (followed.serial, followed.level_at) == (1, NEVER)
    apart.wire.is_cut = False
    apart.catch_up()
    assert apart.is_level()
    assert parse_filename("demo-1.0-py3-none-any.whl") in {
        file.filename for file in wait(apart.replica.store.read(lambda tx: tuple(tx.files.scan())))
    }
