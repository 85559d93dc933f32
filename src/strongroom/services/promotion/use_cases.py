"""Promotion: what one can do with it, each in one transaction for all releases together.

A target that needs approval keeps what is promoted into it waiting until somebody who
manages it says yes; then everything is judged again. No bytes are copied and no URL of
the source changes. What upstreams have, and what dependencies need of them, is asked
before the transaction. Decides nothing itself: `core/promote.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from packaging.version import Version

from strongroom.core.caller import Caller, list_nameable
from strongroom.core.model import File
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.policies.upstream_name import Namesakes
from strongroom.core.promote import ReleasePlan, Selected
from strongroom.core.promotions import PROMOTION_ID_BYTES, PromotedRelease, Promotion, Stage
from strongroom.core.remarks import parse_remark
from strongroom.core.sources import has_or_holds
from strongroom.core.upload import describe_uploader
from strongroom.ports import Catalog, Clock, KnownNames, Secrets, Transaction
from strongroom.services.promotion.dependencies import Dependencies
from strongroom.services.promotion.loading import (
    Known,
    Way,
    admit,
    demand_management,
    demand_other_person,
    demand_sensible,
    demand_stage,
    get_seen,
    is_requester,
    judge_requester,
    plan,
    refresh,
    sees,
)
from strongroom.services.promotion.writing import Pen, carry_out, store_request, take_back, tell_refusal


@dataclass(frozen=True, slots=True)
class Options:
    """How to promote. `check_dependencies`: refuse what the target could not install."""

    dry_run: bool = False
    reason: str = ""
    check_dependencies: bool = False


USUAL = Options()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was planned for each release, and the promotion.

    There is none for a dry run, and none when the target has everything already.
    """

    releases: tuple[ReleasePlan, ...]
    promotion: Promotion | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """An undone promotion, and the files that it took out of the target."""

    promotion: Promotion
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True)
class Promotions:
    """The use cases about promotions. Without `known_names` nothing is known of upstreams' names."""

    catalog: Catalog
    clock: Clock
    secrets: Secrets
    dependencies: Dependencies
    known_names: KnownNames | None = None

    async def promote(
        self,
        caller: Caller,
        selections: Iterable[tuple[ProjectName, Version | None]],
        *,
        source: IndexName,
        target: IndexName,
        options: Options = USUAL,
    ) -> Outcome:
        """Make releases of one index visible in another, all of them or none.

        Needs `read` on each project in the source and `upload` on it in the target, which may well
        take no uploads. Raises `Unauthenticated`, `Forbidden`, `NotFound`, `InvalidRequest`,
        `UploadRefused`, `FileExists`.
        """
        reason = parse_remark(options.reason)
        selected = tuple(Selected(project, version) for project, version in selections)
        demand_sensible(selected)
        way = Way(source, target)
        caller, planned, known = await self._survey(caller, selected, way=way)
        if options.check_dependencies:
            await self.dependencies.check(caller, planned, target=target)
        if options.dry_run:
            return Outcome(planned)

        def change(tx: Transaction) -> Outcome:
            renewed = refresh(tx, caller, now=self.clock.now())
            admit(tx, renewed, way=way, selections=selected)
            plans = plan(tx, selected, way=way, known=known)
            promotion = self._begin(renewed, plans, way=way, reason=reason)
            if not promotion.releases:
                return Outcome(plans)
            index = tx.indexes.find(target)
            if index is not None and index.needs_approval:
                return Outcome(plans, store_request(self._pen(tx, renewed), promotion))
            return Outcome(plans, carry_out(self._pen(tx, renewed), promotion, plans=plans, reason=reason))

        return await self.catalog.write(change)

    async def approve(
        self, caller: Caller, promotion_id: str, *, reason: str = "", check_dependencies: bool = False
    ) -> Outcome:
        """Carry out a promotion that waits, if nothing speaks against it by now.

        Exactly the files that were asked for come; what was uploaded to the source since then stays
        behind. Raises `NotFound`, `Forbidden` (one's own request too), `Conflict` when it does not
        wait, and what `promote` raises.
        """
        text = parse_remark(reason)
        waiting = await self.catalog.read(lambda tx: self._load_waiting(tx, caller, promotion_id=promotion_id))
        selected = tuple(_as_asked(release) for release in waiting.releases)
        way = Way(waiting.source, waiting.target)
        known = await self._look_up(caller, selected, way=way)
        planned = await self.catalog.read(lambda tx: plan(tx, selected, way=way, known=known))
        if check_dependencies:
            await self.dependencies.check(caller, planned, target=way.target)

        def change(tx: Transaction) -> Outcome:
            renewed = refresh(tx, caller, now=self.clock.now())
            promotion = self._load_waiting(tx, renewed, promotion_id=promotion_id)
            judge_requester(tx, promotion)
            plans = plan(tx, selected, way=way, known=known)
            decided = replace(promotion, decided_by=describe_uploader(renewed.principal))
            return Outcome(plans, carry_out(self._pen(tx, renewed), decided, plans=plans, reason=text))

        return await self.catalog.write(change)

    async def refuse(self, caller: Caller, promotion_id: str, *, reason: str = "") -> Promotion:
        """Refuse a promotion that waits; whoever asked for it withdraws it so.

        Raises `NotFound`, `Forbidden`, `Conflict` when it does not wait.
        """
        text = parse_remark(reason)

        def change(tx: Transaction) -> Promotion:
            renewed = refresh(tx, caller, now=self.clock.now())
            promotion = get_seen(tx, renewed, promotion_id=promotion_id)
            if not is_requester(renewed, promotion):
                demand_management(tx, renewed, promotion=promotion)
            demand_stage(promotion, Stage.PENDING)
            tell_refusal(self._pen(tx, renewed), promotion, reason=text)
            return self._decide(tx, renewed, promotion=promotion, stage=Stage.REFUSED)

        return await self.catalog.write(change)

    async def undo(self, caller: Caller, promotion_id: str, *, reason: str = "") -> Undone:
        """Take the files that a promotion brought out of the target again.

        What was there before it stays, and what another promotion brought in again since then. Their
        names stay taken, for these bytes: the release can be promoted once more. Needs `manage` on
        each project in the target. Raises `NotFound`, `Forbidden`, `Conflict` when it is not done.
        """
        text = parse_remark(reason)

        def change(tx: Transaction) -> Undone:
            renewed = refresh(tx, caller, now=self.clock.now())
            promotion = get_seen(tx, renewed, promotion_id=promotion_id)
            demand_management(tx, renewed, promotion=promotion)
            demand_stage(promotion, Stage.DONE)
            files = take_back(self._pen(tx, renewed), promotion, reason=text)
            return Undone(self._decide(tx, renewed, promotion=promotion, stage=Stage.UNDONE), files)

        return await self.catalog.write(change)

    async def show(self, caller: Caller, promotion_id: str) -> Promotion:
        """Return a promotion that the caller may see; raises `NotFound`."""
        return await self.catalog.read(lambda tx: get_seen(tx, caller, promotion_id=promotion_id))

    async def list(
        self, caller: Caller, *, index: IndexName | None = None, stage: Stage | None = None
    ) -> tuple[Promotion, ...]:
        """Return the promotions that the caller may see, the newest first; those from or to an index, or of a stage."""

        def look(tx: Transaction) -> tuple[Promotion, ...]:
            found = tx.promotions.list(index)
            return tuple(item for item in found if stage in (None, item.stage) and sees(tx, caller, promotion=item))

        return await self.catalog.read(look)

    async def _survey(
        self, caller: Caller, selected: tuple[Selected, ...], *, way: Way
    ) -> tuple[Caller, tuple[ReleasePlan, ...], Known]:
        """Judge everything once before the transaction that counts, and ask what upstreams have."""

        def look(tx: Transaction) -> Caller:
            renewed = refresh(tx, caller, now=self.clock.now())
            admit(tx, renewed, way=way, selections=selected)
            plan(tx, selected, way=way, known={})
            return renewed

        renewed = await self.catalog.read(look)
        known = await self._look_up(caller, selected, way=way)
        planned = await self.catalog.read(lambda tx: plan(tx, selected, way=way, known=known))
        return renewed, planned, known

    async def _look_up(self, caller: Caller, selected: tuple[Selected, ...], *, way: Way) -> Known:
        """Return where the names exist upstream that would be new in the target, from what is kept here."""
        if self.known_names is None:
            return {}
        names = {item.project for item in selected}
        new = await self.catalog.read(lambda tx: _find_new(tx, caller, names=names, index=way.target))
        found = {
            name: await self.known_names.look_up(name, nameable=nameable) for name, nameable in sorted(new.items())
        }
        return {
            name: Namesakes(item.upstreams, item.is_certain, item.lookalikes, item.is_elsewhere)
            for name, item in found.items()
        }

    def _load_waiting(self, tx: Transaction, caller: Caller, *, promotion_id: str) -> Promotion:
        """Return the promotion if the caller may approve it now."""
        promotion = get_seen(tx, caller, promotion_id=promotion_id)
        demand_management(tx, caller, promotion=promotion)
        demand_other_person(caller, promotion)
        demand_stage(promotion, Stage.PENDING)
        return promotion

    def _begin(self, caller: Caller, plans: tuple[ReleasePlan, ...], *, way: Way, reason: str) -> Promotion:
        return Promotion(
            promotion_id=self.secrets.token_bytes(PROMOTION_ID_BYTES).hex(),
            source=way.source,
            target=way.target,
            releases=tuple(item.carried for item in plans if item.new),
            stage=Stage.PENDING,
            requested_by=describe_uploader(caller.principal),
            requested_at=self.clock.now(),
            reason=reason,
        )

    def _decide(self, tx: Transaction, caller: Caller, *, promotion: Promotion, stage: Stage) -> Promotion:
        decided = replace(
            promotion, stage=stage, decided_by=describe_uploader(caller.principal), decided_at=self.clock.now()
        )
        tx.promotions.replace(decided)
        return decided

    def _pen(self, tx: Transaction, caller: Caller) -> Pen:
        return Pen(tx, caller.actor, self.clock.now())


def _as_asked(release: PromotedRelease) -> Selected:
    return Selected(release.project, Version(release.version), release.filenames)


def _find_new(
    tx: Transaction, caller: Caller, *, names: Iterable[ProjectName], index: IndexName
) -> dict[ProjectName, frozenset[IndexName]]:
    """Return the names that are new to the index, each with the indexes that the caller may hear of."""
    indexes = tx.indexes.list()
    start = next((item for item in indexes if item.name == index), None)
    if start is None:
        return {}
    new = [name for name in names if not has_or_holds(index, tx.name_facts(name))]
    return {name: list_nameable(caller, name, start=start, indexes=indexes) for name in new}
