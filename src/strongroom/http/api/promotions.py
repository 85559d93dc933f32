"""Promotions over REST: promote, list, show, decide, undo.

A promotion concerns many projects of two indexes, so the use cases judge every right.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from pydantic import ConfigDict, Field, StrictBool

from strongroom.core.promote import ReleasePlan
from strongroom.core.promotions import Promotion, Stage
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, IndexField, ProjectField, Time, VersionField, View
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import PromotionPlace
from strongroom.http.routes import SignedIn
from strongroom.services.promotion import MOST_RELEASES, Options, Outcome, Promotions

TAG = "promotions"


class PromotedReleaseView(View):
    """The files of a release that a promotion carries; once it is done, those that it made visible."""

    project: str
    version: str
    filenames: list[str]


class PromotionView(View):
    """A promotion and how far it has come."""

    id: str = Field(examples=["5b1f0c9ad27e4f33"])
    source: str
    target: str
    stage: Stage
    releases: list[PromotedReleaseView]
    requested_by: str
    requested_at: Time
    reason: str
    decided_by: str | None = Field(description="Who approved, refused or undid it; null where nobody had to.")
    decided_at: Time | None


class PlannedReleaseView(View):
    """What becomes of one release."""

    project: str
    version: str
    was_chosen: bool = Field(description="Whether the server chose the version, since none was named.")
    new: list[str] = Field(description="The files that become visible in the target.")
    present: list[str] = Field(description="The files that are there already.")
    remarks: list[str] = Field(description="Sentences that whoever promotes it should read.")


class PromotionOutcomeView(View):
    """What was planned, and the promotion: null for a dry run, and when the target has everything already."""

    promotion: PromotionView | None
    releases: list[PlannedReleaseView]


class UndonePromotionView(View):
    """An undone promotion, and the files that it took out of the target."""

    promotion: PromotionView
    filenames: list[str]


class PromotionPage(View):
    """A page of the promotions that the caller may see, newest first."""

    items: list[PromotionView]
    next_cursor: str | None


class SelectedReleaseBody(Body):
    """A release to promote; without a version the latest final one that is not yanked."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"project": "acme-billing", "version": "1.2.0"}]})

    project: ProjectField
    version: VersionField | None = None


class NewPromotionBody(Body):
    """Releases to make visible in another index, all of them or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "source": "staging",
                    "target": "main",
                    "releases": [{"project": "acme-billing", "version": "1.2.0"}, {"project": "acme-core"}],
                    "reason": "the June release",
                }
            ]
        }
    )

    source: IndexField
    target: IndexField
    releases: list[SelectedReleaseBody] = Field(min_length=1, max_length=MOST_RELEASES)
    reason: str = Field(default="", max_length=500)
    dry_run: StrictBool = Field(default=False, description="Only tell what would be done.")
    check_dependencies: StrictBool = Field(
        default=False, description="Refuse what the target could not install, by name and version."
    )


class PromotionDecisionBody(Body):
    """What becomes of a promotion that waits."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "refuse", "reason": "not before June"}]})

    decision: Literal["approve", "refuse"]
    reason: str = Field(default="", max_length=500)
    check_dependencies: StrictBool = Field(default=False, description="Approve only what the target can install.")


class UndoBody(Body):
    """Why a promotion is undone."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "billing 1.2.0 loses invoices"}]})

    reason: str = Field(default="", max_length=500)


class PromotionEndpoints:
    """The endpoints about promotions."""

    def __init__(self, promotions: Promotions) -> None:
        self._promotions = promotions

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        both = SignedIn("a promotion takes rights on each of its projects, in the source and in the target")
        one = "/promotions/{promotion}"
        return [
            Endpoint("POST", "/promotions", self.promote_releases, both, problems=(404,)),
            Endpoint("GET", "/promotions", self.list_promotions, both),
            Endpoint("GET", one, self.show_promotion, both, problems=(404,)),
            Endpoint("POST", f"{one}/decision", self.decide_on_promotion, both, problems=(404, 409)),
            Endpoint("POST", f"{one}/undo", self.undo_promotion, both, problems=(404, 409)),
        ]

    async def promote_releases(self, caller: CurrentCaller, body: NewPromotionBody) -> PromotionOutcomeView:
        """Make releases of one index visible in another, all in one step or not at all.

        Takes `read` on each project in the source and `upload` on it in the target, which may
        itself take no uploads. Where the target needs approval, the promotion waits for it.
        """
        outcome = await self._promotions.promote(
            caller,
            [(item.project, item.version) for item in body.releases],
            source=body.source,
            target=body.target,
            options=Options(body.dry_run, body.reason, body.check_dependencies),
        )
        return _show_outcome(outcome)

    async def list_promotions(
        self,
        caller: CurrentCaller,
        page: WantedPage,
        *,
        index: Annotated[IndexField | None, Query(description="Only those from or to this index.")] = None,
        stage: Annotated[Stage | None, Query(description="Only those that have come so far.")] = None,
    ) -> PromotionPage:
        """List the promotions that the caller may see: he reads the source, and has rights in the target."""
        found = await self._promotions.list(caller, index=index, stage=stage)
        items, next_cursor = cut(found, page, key=_place, newest_first=True)
        return PromotionPage(items=[_show(item) for item in items], next_cursor=next_cursor)

    async def show_promotion(self, caller: CurrentCaller, promotion: PromotionPlace) -> PromotionView:
        """Show a promotion."""
        return _show(await self._promotions.show(caller, promotion))

    async def decide_on_promotion(
        self, caller: CurrentCaller, promotion: PromotionPlace, *, body: PromotionDecisionBody
    ) -> PromotionView:
        """Approve or refuse a promotion that waits.

        Takes `manage` on each project in the target. Nobody approves his own request, unless he
        administers the server; whoever asked for it may refuse it, and so withdraws it. At the
        approval everything is judged again.
        """
        if body.decision == "refuse":
            return _show(await self._promotions.refuse(caller, promotion, reason=body.reason))
        outcome = await self._promotions.approve(
            caller, promotion, reason=body.reason, check_dependencies=body.check_dependencies
        )
        assert outcome.promotion is not None
        return _show(outcome.promotion)

    async def undo_promotion(
        self, caller: CurrentCaller, promotion: PromotionPlace, *, body: UndoBody
    ) -> UndonePromotionView:
        """Take the files that a promotion made visible out of the target again.

        What was there before stays. The filenames stay taken, for the same bytes: the release
        can be promoted once more. Takes `manage` on each project in the target.
        """
        undone = await self._promotions.undo(caller, promotion, reason=body.reason)
        return UndonePromotionView(
            promotion=_show(undone.promotion), filenames=[file.filename for file in undone.files]
        )


def _place(promotion: Promotion) -> str:
    return f"{promotion.requested_at:%Y%m%dT%H%M%S.%f} {promotion.promotion_id}"


def _show(promotion: Promotion) -> PromotionView:
    return PromotionView(
        id=promotion.promotion_id,
        source=promotion.source,
        target=promotion.target,
        stage=promotion.stage,
        releases=[
            PromotedReleaseView(project=item.project, version=item.version, filenames=list(item.filenames))
            for item in promotion.releases
        ],
        requested_by=promotion.requested_by,
        requested_at=promotion.requested_at,
        reason=promotion.reason,
        decided_by=promotion.decided_by or None,
        decided_at=promotion.decided_at,
    )


def _show_outcome(outcome: Outcome) -> PromotionOutcomeView:
    return PromotionOutcomeView(
        promotion=None if outcome.promotion is None else _show(outcome.promotion),
        releases=[_show_plan(plan) for plan in outcome.releases],
    )


def _show_plan(plan: ReleasePlan) -> PlannedReleaseView:
    return PlannedReleaseView(
        project=plan.project,
        version=str(plan.version),
        was_chosen=plan.was_chosen,
        new=[file.filename for file in plan.new],
        present=list(plan.present),
        remarks=list(plan.remarks),
    )
