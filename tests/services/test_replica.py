"""A replica: how it follows, tells its lag, and takes over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from packaging.version import Version

from strongroom.core.errors import Conflict, NotFound, StorageFault, Unauthenticated, Unavailable
from strongroom.core.events import ReplicaPromoted
from strongroom.core.names import (
    TokenId,
    parse_filename,
    parse_index_name,
    parse_project_name,
)
from strongroom.core.replica import NEVER, Lag
from strongroom.services.replica import Follower
from tests.factories import DEMO, MAIN, NOBODY, OPERATOR, a_copy
from tests.services.house import wait
from tests.services.replicating import URL, Pair

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


def test_bytes_are_copied_once(pair: Pair) -> None:
    """What is here already, because another index names it, is not fetched again."""
    pair.do(pair.primary.indexes.create(OPERATOR, STAGING), pair.primary.publish("demo", index=STAGING))
    pair.catch_up()
    asked = len(pair.wire.asked)
    pair.do(pair.primary.promotions.promote(OPERATOR, [(DEMO, ONE)], source=STAGING, target=MAIN))
    pair.catch_up()
    assert pair.is_level()
    assert all(question.startswith("changes") for question in pair.wire.asked[asked:])


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
