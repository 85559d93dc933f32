"""What a promotion reads of both indexes, in one transaction, and who may have it so.

Judges rights (`core/access.py`) and plans (`core/promote.py`). Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from packaging.version import Version

from strongroom.core.access import (
    SERVER,
    Principal,
    ProjectTarget,
    Right,
    Signed,
    allows,
    demand_upload,
    describe_target,
    not_found,
    sign_in,
)
from strongroom.core.caller import Caller, open_indexes
from strongroom.core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from strongroom.core.model import Index
from strongroom.core.names import IndexName, ProjectName, parse_user_name
from strongroom.core.policies.upstream_name import Namesakes
from strongroom.core.policy import Allow, Refuse
from strongroom.core.promote import Offer, Place, ReleasePlan, Selected, choose_version, judge_way, plan_release
from strongroom.core.promotions import Promotion, Stage, may_see
from strongroom.core.renewal import renew
from strongroom.core.sources import has_or_holds
from strongroom.core.upload import describe_uploader, refusal_error
from strongroom.ports import Transaction

MOST_RELEASES = 500
_USER = "user:"

Known = Mapping[ProjectName, Namesakes]
"""What else is called so, for each name that was looked up: those that are new to the target."""


@dataclass(frozen=True, slots=True)
class Way:
    """From which index to which."""

    source: IndexName
    target: IndexName


def plan(tx: Transaction, selections: Iterable[Selected], *, way: Way, known: Known) -> tuple[ReleasePlan, ...]:
    """Return what promoting the releases does, each once.

    Raises `NotFound` for an index, a project or a release that is not there, `UploadRefused` and
    `FileExists` for what a rule refuses.
    """
    source, target = _get_index(tx, way.source), _get_index(tx, way.target)
    verdict = judge_way(source, target)
    if isinstance(verdict, Refuse):
        raise refusal_error(verdict)
    found: dict[tuple[ProjectName, Version], ReleasePlan] = {}
    for selected in selections:
        planned = _plan_release(tx, selected, source=source, target=target, known=known)
        found.setdefault((planned.project, planned.version), planned)
    return tuple(found.values())


def admit(tx: Transaction, caller: Caller, *, way: Way, selections: Iterable[Selected]) -> None:
    """Return if the caller may read all of it in the source and upload it to the target.

    Raises `Unauthenticated`, `NotFound`, `Forbidden`.
    """
    indexes = tx.indexes.list()
    for selected in selections:
        caller.demand(Right.READ, ProjectTarget(way.source, selected.project), indexes=indexes)
        demand_upload(caller.principal, ProjectTarget(way.target, selected.project), open_indexes=open_indexes(indexes))


def refresh(tx: Transaction, caller: Caller, *, now: datetime) -> Caller:
    """Return the caller with the rights that he has by now; raises `Unauthenticated`."""
    principal = caller.principal
    if not isinstance(principal, Signed):
        return caller
    renewed = renew(
        caller,
        tx.users.find(principal.user),
        grants=tx.users.list_grants(principal.user),
        token=None if principal.token_id is None else tx.tokens.find(principal.token_id),
        now=now,
    )
    return replace(caller, principal=renewed)


def get_seen(tx: Transaction, caller: Caller, *, promotion_id: str) -> Promotion:
    """Return the promotion if the caller may see it or asked for it himself; raises `NotFound`."""
    promotion = tx.promotions.find(promotion_id)
    if promotion is None or not sees(tx, caller, promotion=promotion):
        raise not_found()
    return promotion


def sees(tx: Transaction, caller: Caller, *, promotion: Promotion) -> bool:
    """Return whether the caller may know of the promotion."""
    return may_see(caller.principal, promotion, open_indexes=open_indexes(tx.indexes.list()))


def demand_stage(promotion: Promotion, stage: Stage) -> None:
    """Raise `Conflict` unless the promotion has come just so far."""
    if promotion.stage is not stage:
        raise Conflict(
            "promotion-stage",
            f"The promotion {promotion.promotion_id} is {promotion.stage}, not {stage}",
            f"`strongroom promotion show {promotion.promotion_id}` tells who decided on it, and when.",
        )


def demand_management(tx: Transaction, caller: Caller, *, promotion: Promotion) -> None:
    """Raise `NotFound` or `Forbidden` unless the caller manages every project of it in the target."""
    indexes = tx.indexes.list()
    for release in promotion.releases:
        caller.demand(Right.MANAGE, ProjectTarget(promotion.target, release.project), indexes=indexes)


def demand_other_person(caller: Caller, promotion: Promotion) -> None:
    """Raise `Forbidden` for one's own request; whoever runs or administers the server may do both."""
    is_own = is_requester(caller, promotion)
    if is_own and not isinstance(allows(caller.principal, Right.ADMINISTER, target=SERVER, open_indexes=_NONE), Allow):
        raise Forbidden(
            "promotion-own",
            "Nobody approves a promotion that he asked for himself",
            f"Ask somebody else who manages the index '{promotion.target}'.",
        )


def is_requester(caller: Caller, promotion: Promotion) -> bool:
    """Return whether the caller asked for this promotion."""
    return describe_uploader(caller.principal) == promotion.requested_by


def judge_requester(tx: Transaction, promotion: Promotion) -> None:
    """Raise `Conflict` when who asked for it may no longer promote it."""
    if not promotion.requested_by.startswith(_USER):
        return
    name = parse_user_name(promotion.requested_by.removeprefix(_USER))
    user = tx.users.find(name)
    principal = None if user is None else sign_in(user, tx.users.list_grants(name))
    for release in promotion.releases:
        source = ProjectTarget(promotion.source, release.project)
        target = ProjectTarget(promotion.target, release.project)
        for right, wanted in ((Right.READ, source), (Right.UPLOAD, target)):
            if not _holds(tx, principal, right=right, target=wanted):
                raise Conflict(
                    "promotion-requester",
                    f"{promotion.requested_by}, who asked for it, may no longer {right} {describe_target(wanted)}",
                    "Refuse this promotion; somebody with the rights can ask for it again.",
                )


def demand_sensible(selections: tuple[Selected, ...]) -> None:
    """Raise `InvalidRequest` unless there is something to promote, and not too much of it."""
    if not selections:
        raise InvalidRequest("promotion-empty", "There is nothing to promote", "Name a project or a release.")
    if len(selections) > MOST_RELEASES:
        raise InvalidRequest(
            "promotion-size", f"{len(selections)} releases are too many at once", f"Name at most {MOST_RELEASES}."
        )


_NONE: frozenset[IndexName] = frozenset()


def _holds(tx: Transaction, principal: Principal | Refuse | None, *, right: Right, target: ProjectTarget) -> bool:
    if principal is None or isinstance(principal, Refuse):
        return False
    return isinstance(allows(principal, right, target=target, open_indexes=open_indexes(tx.indexes.list())), Allow)


def _get_index(tx: Transaction, name: IndexName) -> Index:
    index = tx.indexes.find(name)
    if index is None:
        raise NotFound("index-unknown", f"There is no index '{name}'", "`strongroom index list` shows which there are.")
    return index


def _plan_release(tx: Transaction, selected: Selected, *, source: Index, target: Index, known: Known) -> ReleasePlan:
    project = tx.projects.find(source.name, selected.project)
    if project is None:
        raise NotFound(
            "project-unknown",
            f"The index '{source.name}' has no files of its own of '{selected.project}'",
            "Check the name and the index; what comes from its bases or an upstream is not promoted.",
        )
    files = tx.files.list(source.name, selected.project)
    version = choose_version(files) if selected.version is None else selected.version
    offer = Offer(project, tuple(file for file in files if file.version == version))
    planned = plan_release(selected, offer, place=_load_place(tx, target, offer=offer, known=known))
    if isinstance(planned, Refuse):
        raise refusal_error(planned)
    return planned


def _load_place(tx: Transaction, target: Index, *, offer: Offer, known: Known) -> Place:
    name = offer.project.name
    names = [file.filename for file in offer.files]
    files = [tx.files.find(target.name, filename) for filename in names]
    tombstones = [tx.files.find_tombstone(target.name, filename) for filename in names]
    is_new = not has_or_holds(target.name, tx.name_facts(name))
    return Place(
        index=target,
        project=tx.projects.find(target.name, name),
        files={file.filename: file for file in files if file is not None},
        tombstones={item.filename: item for item in tombstones if item is not None},
        namesakes=known.get(name) if is_new else None,
    )
