"""Being a replica: how it begins, how far behind it is, and how it ends.

Decides who may become one (an empty store) and when a replica may take over (when its
primary does not answer, unless told otherwise). The copying is in `following.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.core.access import SERVER, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Conflict, NotFound, StrongroomError
from strongroom.core.events import ReplicaPromoted
from strongroom.core.replica import NEVER, PRIMARY_SILENT, Followed
from strongroom.ports import Transaction
from strongroom.services.replica.following import Follower
from strongroom.services.replica.lacking import forget_lacking, load_lacking


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a server stands: `primary` is None for one that follows nobody.

    `level_at`: when it last had everything that its primary had; `behind`: how long ago that
    is; `lacking`: how many blobs it lists and does not have, because its primary had none.
    """

    primary: str | None
    serial: int
    level_at: datetime | None = None
    behind: timedelta | None = None
    lacking: int = 0


@dataclass(frozen=True, slots=True)
class Answering:
    """What the primary says now: how many changes are missing here; or why it does not say.

    `is_silent`: nobody took the connection, or nobody spoke. Whatever else stands in the
    way, somebody is there, and may take changes.
    """

    missing: int | None
    trouble: str = ""
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class Replica:
    """The use cases of a replica; `follower` does the copying."""

    follower: Follower

    async def find_followed(self) -> Followed | None:
        """Return the followed server; judges no right, for the program's own start."""
        return await self.follower.stores.catalog.read(lambda tx: tx.followed.find())

    async def begin(self, caller: Caller, url: str, *, token: str) -> Followed:
        """Follow the server from now on, or with another token if it is followed already.

        Copies the first page, so that a wrong address, token or key is told at once; a
        replica that was level before starts without its primary. Raises `Conflict` for a
        store that holds something else, and what stands in the way.
        """
        stores = self.follower.stores
        credentials = stores.seals.seal(token)

        def change(tx: Transaction) -> Followed:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            known = tx.followed.find()
            if known is None and tx.events.serial():
                raise _not_empty()
            if known is not None and known.url != url:
                raise Conflict("replica-follows", f"This is a replica of {known.url}", "Use another data directory.")
            followed = Followed(url, credentials) if known is None else replace(known, credentials=credentials)
            tx.followed.save(followed)
            return followed

        followed = await stores.catalog.write(change)
        if followed.level_at == NEVER:
            try:
                await self.follower.copy_page()
            except StrongroomError:
                await stores.catalog.write(_forget_unless_begun)
                raise
        return followed

    async def get_standing(self, caller: Caller) -> Standing:
        """Return whether this is a replica, of whom, and how far behind it may be; administrators only."""

        def load(tx: Transaction) -> tuple[Followed | None, int, int]:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            return tx.followed.find(), tx.events.serial(), len(load_lacking(tx))

        followed, serial, lacking = await self.follower.stores.catalog.read(load)
        if followed is None:
            return Standing(None, serial)
        behind = followed.behind(self.follower.stores.clock.now())
        return Standing(followed.url, serial, None if behind is None else followed.level_at, behind, lacking)

    async def ask_primary(self, caller: Caller) -> Answering:
        """Ask the primary how many changes are missing here; copies nothing. Raises `NotFound` for no replica."""
        await self._get_followed(caller)
        try:
            return Answering(await self.follower.count_missing())
        except StrongroomError as fault:
            return Answering(None, fault.sentence, is_silent=fault.code == PRIMARY_SILENT)

    async def promote(self, caller: Caller, *, although_it_answers: bool = False) -> Standing:
        """End following: this server takes changes from now on, and its log says so.

        Raises `NotFound` for a server that is no replica, `Conflict` unless its primary is
        silent (two servers would take changes) or when it never had all of its primary.
        """
        followed = await self._get_followed(caller)
        if not although_it_answers:
            answering = await self.ask_primary(caller)
            if not answering.is_silent:
                raise _primary_answers(followed.url, answering.trouble)
            if followed.level_at == NEVER:
                raise _never_level(followed.url)
        stores = self.follower.stores

        def change(tx: Transaction) -> int:
            held = tx.followed.find()
            if held is None:
                raise _no_replica()
            level_at = "" if held.level_at == NEVER else held.level_at.isoformat()
            tx.followed.remove()
            forget_lacking(tx)
            event = ReplicaPromoted(primary=held.url, level_at=level_at)
            return tx.events.append(event, at=stores.clock.now(), actor=caller.actor)

        return Standing(None, await stores.catalog.write(change))

    async def _get_followed(self, caller: Caller) -> Followed:
        def load(tx: Transaction) -> Followed | None:
            caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list())
            return tx.followed.find()

        followed = await self.follower.stores.catalog.read(load)
        if followed is None:
            raise _no_replica()
        return followed


def _forget_unless_begun(tx: Transaction) -> None:
    """Leave an empty store as it was, so that a second try with another address is not refused."""
    if not tx.events.serial():
        tx.followed.remove()


def _no_replica() -> NotFound:
    return NotFound("no-replica", "This server is no replica", "Start one with `strongroom replicate --from URL`.")


def _not_empty() -> Conflict:
    return Conflict(
        "replica-not-empty",
        "This store holds changes of its own, which a replica would lose",
        "Name a new, empty directory with --data, and put the primary's secret.key into it.",
    )


def _primary_answers(url: str, trouble: str) -> Conflict:
    if trouble:
        return Conflict(
            "primary-answers",
            f"Somebody answers at {url}, so it may still take changes. Asked what is missing here: {trouble}",
            "Make sure that it is stopped, then say --anyway.",
        )
    return Conflict(
        "primary-answers",
        f"The primary {url} still answers; with both taking changes, some would be lost",
        "Stop it first, wait until `strongroom replicate --status` shows nothing missing, and promote then.",
    )


def _never_level(url: str) -> Conflict:
    return Conflict(
        "replica-never-level",
        f"This replica never had everything that {url} has",
        "Restore a backup, or take over with what is here: --anyway.",
    )
