"""Exemptions: asked for by whoever needs a file, decided by whoever manages the index, listed.

Decides who may do which. What an exemption covers and what may become of it is decided by
`core/exemptions.py`; it counts from the next request on, and lapses by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from packaging.specifiers import SpecifierSet

from strongroom.core.access import (
    SERVER,
    Anonymous,
    IndexTarget,
    ProjectTarget,
    Right,
    not_found,
)
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.errors import Forbidden, InvalidRequest, TooMany, Unauthenticated
from strongroom.core.events import Event, ExemptionDecided, ExemptionRequested
from strongroom.core.exemptions import (
    EXEMPTION_ID_BYTES,
    MOST_PENDING,
    USUAL_LIFETIME,
    Decision,
    Exemption,
    Judgement,
    decide,
    expiry,
)
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.remarks import parse_remark
from strongroom.core.rules import NO_RULES
from strongroom.core.screening import RULE_CODES
from strongroom.core.sources import walk
from strongroom.core.upload import describe_uploader
from strongroom.ports import Catalog, Clock, Secrets, Transaction


@dataclass(frozen=True, slots=True)
class ExemptionWish:
    """What somebody wants to pass: versions of a project, through one rule (by its code) or all (empty)."""

    index: IndexName
    project: ProjectName
    versions: SpecifierSet
    reason: str
    code: str = ""
    lifetime: timedelta = USUAL_LIFETIME


@dataclass(frozen=True, slots=True)
class Exemptions:
    """The use cases about exemptions."""

    catalog: Catalog
    secrets: Secrets
    clock: Clock

    async def request(self, caller: Caller, wish: ExemptionWish) -> Exemption:
        """Ask for an exemption; asking twice for the same is one request.

        The index may be the one that clients use: the exemption is from the rules of the
        one behind it, if only one has rules. Raises `InvalidRequest`, `TooMany`, `NotFound`.
        """
        now = self.clock.now()
        expires_at = expiry(wish.lifetime, now=now)
        reason = _demand_sensible(wish)
        exemption_id = self.secrets.token_bytes(EXEMPTION_ID_BYTES).hex()

        def change(tx: Transaction) -> Exemption:
            _demand_signed(caller)
            caller.demand(Right.READ, ProjectTarget(wish.index, wish.project), indexes=tx.indexes.list())
            wanted = Exemption(
                exemption_id=exemption_id,
                index=_find_gate(tx, wish.index),
                project=wish.project,
                versions=wish.versions,
                code=wish.code,
                reason=reason,
                requested_by=describe_uploader(caller.principal),
                requested_at=now,
                expires_at=expires_at,
            )
            waiting = _list_waiting(tx, wanted)
            same = next((item for item in waiting if item.asks_like(wanted)), None)
            if same is not None:
                return same
            _demand_few(waiting)
            tx.exemptions.add(wanted)
            self._tell(tx, caller, event=_requested(wanted))
            return wanted

        return await self.catalog.write(change)

    async def approve(
        self, caller: Caller, exemption_id: str, *, reason: str = "", lifetime: timedelta | None = None
    ) -> Exemption:
        """Let it pass from the next request on, for as long as was asked, or for a lifetime from now on.

        Raises `Forbidden` for one's own request, `Conflict` for one that was decided or has lapsed, `NotFound`.
        """
        return await self._decide(
            caller, exemption_id, judgement=_judgement(caller, Decision.APPROVED, reason=reason, lifetime=lifetime)
        )

    async def refuse(self, caller: Caller, exemption_id: str, *, reason: str) -> Exemption:
        """Refuse a request, or end an exemption before its time.

        Raises `InvalidRequest` without a reason, and like `approve`.
        """
        _demand_reason(reason)
        return await self._decide(caller, exemption_id, judgement=_judgement(caller, Decision.REFUSED, reason=reason))

    async def withdraw(self, caller: Caller, exemption_id: str, *, reason: str = "") -> Exemption:
        """Take one's own request back, or end one's own exemption before its time. Raises like `approve`."""
        return await self._decide(caller, exemption_id, judgement=_judgement(caller, Decision.WITHDRAWN, reason=reason))

    async def show(self, caller: Caller, exemption_id: str) -> Exemption:
        """Return one exemption; raises `NotFound` for one that the caller may not see."""

        def load(tx: Transaction) -> Exemption:
            _demand_signed(caller)
            return _get_seen(tx, caller, exemption_id=exemption_id)

        return await self.catalog.read(load)

    async def list(
        self, caller: Caller, index: IndexName | None = None, *, pending_only: bool = False
    ) -> tuple[Exemption, ...]:
        """Return those of projects that the caller may read, newest request first; without an index, of all.

        `pending_only`: those that somebody still has to decide. Raises `Unauthenticated` for nobody.
        """
        now = self.clock.now()

        def load(tx: Transaction) -> tuple[Exemption, ...]:
            _demand_signed(caller)
            indexes = tx.indexes.list()
            if index is not None:
                caller.demand(Right.READ, IndexTarget(index), indexes=indexes)
                if tx.indexes.find(index) is None:
                    raise not_found()
            seen = [item for item in tx.exemptions.list(index) if _may_see(caller, item, indexes=indexes)]
            return tuple(item for item in reversed(seen) if not pending_only or item.waits(now=now))

        return await self.catalog.read(load)

    async def _decide(self, caller: Caller, exemption_id: str, *, judgement: Judgement) -> Exemption:
        now = self.clock.now()

        def change(tx: Transaction) -> Exemption:
            _demand_signed(caller)
            exemption = _get_seen(tx, caller, exemption_id=exemption_id)
            _demand_judge(tx, caller, exemption=exemption, decision=judgement.decision)
            decided = decide(exemption, judgement, now=now)
            tx.exemptions.replace(decided)
            self._tell(tx, caller, event=_decided(decided))
            return decided

        return await self.catalog.write(change)

    def _tell(self, tx: Transaction, caller: Caller, *, event: Event) -> None:
        tx.events.append(event, at=self.clock.now(), actor=caller.actor)


def _demand_sensible(wish: ExemptionWish) -> str:
    """Return the reason on one line; raises `InvalidRequest` without one, and for an unknown rule."""
    if wish.code and wish.code not in RULE_CODES:
        raise InvalidRequest(
            "exemption-rule", f"There is no rule '{wish.code[:60]}'", f"The rules are {', '.join(RULE_CODES)}."
        )
    return _demand_reason(wish.reason)


def _demand_reason(raw: str) -> str:
    reason = parse_remark(raw)
    if not reason:
        raise InvalidRequest("exemption-reason", "There is no reason given", "Say why: somebody else will read it.")
    return reason


def _demand_signed(caller: Caller) -> None:
    """Raise `Unauthenticated` for nobody in particular, who may read an open index all the same."""
    if isinstance(caller.principal, Anonymous):
        raise Unauthenticated("unauthenticated", "This needs credentials", "Send a token as the password.")


def _find_gate(tx: Transaction, asked: IndexName) -> IndexName:
    """Return the index from whose rules somebody wants an exemption who uses the asked one.

    Raises `InvalidRequest` when there are no rules on the way, or those of several indexes.
    """
    indexes = {index.name: index for index in tx.indexes.list()}
    start = indexes.get(asked)
    if start is None:
        raise not_found()
    if start.rules != NO_RULES:
        return asked
    gates = [route.end.name for route in walk(start, indexes) if route.end.rules != NO_RULES]
    match gates:
        case [gate]:
            return gate
        case []:
            raise InvalidRequest(
                "exemption-pointless",
                f"No rule judges what comes through the index '{asked}'",
                "`strongroom explain` says why a file is missing.",
            )
        case _:
            raise InvalidRequest(
                "exemption-ambiguous",
                f"Behind the index '{asked}' several indexes have rules",
                "Name the one whose rule it is; the refusal and `strongroom explain` say which.",
            )


def _list_waiting(tx: Transaction, wanted: Exemption) -> list[Exemption]:
    """Return the undecided requests of whoever asks."""
    return [
        item
        for item in tx.exemptions.list()
        if item.requested_by == wanted.requested_by and item.waits(now=wanted.requested_at)
    ]


def _demand_few(waiting: list[Exemption]) -> None:
    if len(waiting) >= MOST_PENDING:
        raise TooMany(
            "exemption-many",
            f"{len(waiting)} of your requests wait for a decision",
            "Withdraw those that you don't need, or ask for a rule that fits.",
        )


def _get_seen(tx: Transaction, caller: Caller, *, exemption_id: str) -> Exemption:
    """Return the exemption; one that the caller may not see looks as if it did not exist."""
    exemption = tx.exemptions.find(exemption_id)
    if exemption is None or not _may_see(caller, exemption, indexes=tx.indexes.list()):
        raise not_found()
    return exemption


def _may_see(caller: Caller, exemption: Exemption, *, indexes: tuple[Index, ...]) -> bool:
    """Return whether it is the caller's own request, or of a project that he may read."""
    target = ProjectTarget(exemption.index, exemption.project)
    return _is_own(caller, exemption) or caller.may(Right.READ, target, opened=open_indexes(indexes))


def _is_own(caller: Caller, exemption: Exemption) -> bool:
    return describe_uploader(caller.principal) == exemption.requested_by


def _demand_judge(tx: Transaction, caller: Caller, *, exemption: Exemption, decision: Decision) -> None:
    """Raise `Forbidden` for a decision that is not the caller's.

    One's own request is one's own to withdraw, and not to decide; whoever runs or
    administers the server may do both.
    """
    if decision is Decision.WITHDRAWN:
        if not _is_own(caller, exemption):
            raise Forbidden(
                "exemption-not-own",
                "Only who asked for an exemption withdraws it",
                "Refuse it, if you manage the index.",
            )
        return
    caller.demand(Right.MANAGE, IndexTarget(exemption.index), indexes=tx.indexes.list())
    if _is_own(caller, exemption) and not caller.may(Right.ADMINISTER, SERVER):
        raise Forbidden(
            "exemption-own",
            "Nobody decides about an exemption that he asked for himself",
            f"Ask somebody else who manages the index '{exemption.index}', or withdraw it.",
        )


def _judgement(caller: Caller, decision: Decision, *, reason: str, lifetime: timedelta | None = None) -> Judgement:
    return Judgement(decision, describe_uploader(caller.principal), reason=parse_remark(reason), expires_in=lifetime)


def _requested(exemption: Exemption) -> ExemptionRequested:
    return ExemptionRequested(
        index=exemption.index,
        project=exemption.project,
        exemption=exemption.exemption_id,
        versions=str(exemption.versions),
        code=exemption.code,
        expires_at=exemption.expires_at.isoformat(timespec="seconds"),
        reason=exemption.reason,
    )


def _decided(exemption: Exemption) -> ExemptionDecided:
    return ExemptionDecided(
        index=exemption.index,
        project=exemption.project,
        exemption=exemption.exemption_id,
        decision=exemption.decision,
        expires_at=exemption.expires_at.isoformat(timespec="seconds"),
        reason=exemption.decision_reason,
    )
