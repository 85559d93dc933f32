"""A replica holds what its primary holds, whatever happens there, and refuses to change it."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.adapters.sql.schema import metadata
from strongroom.core.access import ProjectTarget, Right
from strongroom.core.delegation import TokenRequest
from strongroom.core.errors import Forbidden, StrongroomError
from strongroom.core.index_settings import IndexChanges, UpstreamChanges
from strongroom.core.model import ProjectStatus
from strongroom.core.names import (
    ProjectPattern,
    parse_index_name,
    parse_project_name,
    parse_user_name,
)
from strongroom.core.reservations import Hold
from strongroom.core.rules import Rules
from strongroom.services.accounts import NewUser
from strongroom.services.exemptions import ExemptionWish
from strongroom.services.releases import Selection
from strongroom.services.shield import Wish
from tests.factories import DEMO, MAIN, OPERATOR, a_grant
from tests.services.house import wait
from tests.services.replicating import OWN_TABLES, URL, Pair, Site, digests

STAGING = parse_index_name("staging")
BOB = parse_user_name("bob")
ONE = Version("1.0")
Doing = Coroutine[Any, Any, object]


@pytest.fixture(params=["memory", "sqlite"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Provide a primary with the index main, and a replica that follows it."""
    pair = Pair(tmp_path if request.param == "sqlite" else None)
    pair.do(pair.primary.indexes.create(OPERATOR, MAIN))
    pair.begin()
    yield pair
    pair.close()


def busy_years(site: Site) -> Iterator[Doing]:
    """Yield one change after the other: every kind that the use cases know."""
    yield site.indexes.create(OPERATOR, STAGING)
    yield site.accounts.create(OPERATOR, NewUser(BOB, grants=(a_grant(Right.READ, index="staging"),)))
    yield site.publish("demo")
    yield site.publish("demo", "2.0", index=STAGING)
    yield site.publish("other", index=STAGING)
    yield site.releases.yank(OPERATOR, Selection(MAIN, DEMO, ONE), reason="broken")
    yield site.releases.unyank(OPERATOR, Selection(MAIN, DEMO, ONE))
    yield site.releases.set_status(OPERATOR, ProjectTarget(MAIN, DEMO), status=ProjectStatus.DEPRECATED, reason="old")
    yield promote(site)
    yield undo(site)
    yield promote(site)
    yield site.accounts.add_grant(OPERATOR, BOB, grant=a_grant(Right.UPLOAD, index="main"))
    yield site.accounts.set_password(OPERATOR, BOB, password="four plain random words")
    yield rotate(site)
    yield site.accounts.remove_grant(OPERATOR, BOB, grant=a_grant(Right.UPLOAD, index="main"))
    yield site.accounts.disable(OPERATOR, BOB)
    yield site.shield.hold(OPERATOR, Wish(STAGING, ProjectPattern("held-*"), Hold.RESERVED, "ours"))
    yield site.shield.hold(OPERATOR, Wish(MAIN, ProjectPattern("kept"), Hold.RESERVED))
    yield site.shield.release(OPERATOR, MAIN, pattern=ProjectPattern("kept"))
    yield exempt(site)
    yield site.indexes.change(OPERATOR, MAIN, changes=IndexChanges(anonymous_read=True))
    for url in ("https://upstream.example/simple/", "https://elsewhere.example/simple/"):
        yield site.indexes.change(OPERATOR, MAIN, changes=IndexChanges(upstream=UpstreamChanges(url=url)))
    yield site.releases.delete(OPERATOR, Selection(STAGING, parse_project_name("other")))
    yield site.releases.delete(OPERATOR, Selection(STAGING, DEMO))
    yield site.indexes.delete(OPERATOR, STAGING)
    yield site.indexes.create(OPERATOR, STAGING)
    yield site.publish("late", index=STAGING)


async def promote(site: Site) -> None:
    """Promote the release 2.0 of demo into main."""
    await site.promotions.promote(OPERATOR, [(DEMO, Version("2.0"))], source=STAGING, target=MAIN)


async def undo(site: Site) -> None:
    """Undo the newest promotion."""
    newest = (await site.promotions.list(OPERATOR))[0]
    await site.promotions.undo(OPERATOR, newest.promotion_id)


async def rotate(site: Site) -> None:
    """Make a token that makes another, and rotate it: the child gets another parent, and no event says so."""
    issued = await site.tokens.issue(OPERATOR, TokenRequest(owner=BOB, rights=None, lifetime=None))
    await site.tokens.rotate(OPERATOR, issued.token.token_id, overlap=timedelta(hours=1))


async def exempt(site: Site) -> None:
    """Ask for an exemption from a rule, and approve it."""
    await site.indexes.change(OPERATOR, MAIN, changes=IndexChanges(rules=Rules(takes_sdists=False)))
    wish = ExemptionWish(MAIN, parse_project_name("public"), SpecifierSet("==1.0"), code="", reason="needed")
    asked = await site.exemptions.request(OPERATOR, wish)
    await site.exemptions.approve(OPERATOR, asked.exemption_id)


@pytest.mark.parametrize(("every", "limit"), [(1, 500), (3, 2), (100, 1), (100, 500)])
def test_whatever_happens_the_replica_ends_with_the_same_rows(pair: Pair, every: int, limit: int) -> None:
    """However often it looks and however small the pages: all shared tables are equal, and the chain verifies."""
    pair.wire.limit = limit
    for number, doing in enumerate(busy_years(pair.primary), start=1):
        pair.do(doing)
        if number % every == 0:
            pair.catch_up()
    pair.catch_up()
    assert pair.is_level(), pair.follower.trouble
    assert pair.follower.trouble == ""
    assert wait(pair.replica.audit.verify(OPERATOR)).is_whole
    stored = wait(digests(pair.replica))
    assert wait(_needed(pair.replica)) <= stored


async def _needed(site: Site) -> set[str]:
    files = await site.store.read(lambda tx: tuple(tx.files.scan()))
    return {sha256 for file in files for sha256 in (file.sha256, file.metadata_sha256) if sha256}


def fault_of(doing: Doing) -> StrongroomError | None:
    """Return why it could not be done, None if it could."""
    try:
        wait(doing)
    except StrongroomError as fault:
        return fault
    return None


def test_each_table_is_copied_or_named_as_ones_own() -> None:
    """A table that is added later has to be put on one side: this list is all that is not copied."""
    copied = {"indexes", "projects", "files", "tombstones", "users", "grants", "tokens", "events", "reservations"}
    assert metadata.tables.keys() == copied | {"exemptions", "promotions"} | OWN_TABLES


def test_a_replica_refuses_every_change(pair: Pair) -> None:
    """Each use case is told where the primary is; nothing is changed, nothing is left, uploads end at their start."""
    pair.do(*busy_years(pair.primary))
    pair.catch_up()
    before = pair.replica.contents()
    told = [fault_of(doing) for doing in busy_years(pair.replica)]
    refused = [fault for fault in told if isinstance(fault, Forbidden) and fault.code == "replica"]
    assert len(refused) >= 10  # the others would change nothing, or find that it was done
    assert all(URL in fault.sentence for fault in refused)
    assert pair.replica.contents() == before
    assert wait(pair.replica.store.read(lambda tx: tx.leases.list())) == ()
