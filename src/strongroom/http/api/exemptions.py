"""Exemptions over REST: ask for one, list, show, decide.

The use cases judge every right: asking and seeing take `read` on the project, deciding
takes `manage` on the index, and nobody does any of it without signing in.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query
from packaging.specifiers import SpecifierSet
from pydantic import BeforeValidator, ConfigDict, Field, StrictInt, WithJsonSchema

from strongroom.core.access import not_found
from strongroom.core.exemptions import LONGEST_LIFETIME, USUAL_LIFETIME, Decision, Exemption
from strongroom.core.names import IndexName
from strongroom.core.screening import RULE_CODES
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, ProjectField, Time, VersionsField, View, read_whole
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import ExemptionPlace, IndexPlace
from strongroom.http.routes import SignedIn
from strongroom.services.exemptions import Exemptions, ExemptionWish

TAG = "exemptions"
_PATH = "/indexes/{index}/exemptions"

RuleField = Annotated[str, Field(max_length=60), WithJsonSchema({"type": "string", "enum": list(RULE_CODES)})]
LifetimeDays = Annotated[StrictInt, Field(ge=1, le=LONGEST_LIFETIME // timedelta(days=1)), BeforeValidator(read_whole)]


class ExemptionView(View):
    """An exemption and how far it has come. It holds while `decision` is approved and `expires_at` not reached."""

    id: str = Field(examples=["5b1f0c9ad27e4f33"])
    index: str = Field(description="The index from whose rules it exempts.")
    project: str
    versions: str = Field(description="PEP 440 specifiers; empty for all versions.", examples=["==2.1.0"])
    rule: str | None = Field(description="The code of the rule; null for every rule.", examples=["too-young"])
    reason: str
    requested_by: str
    requested_at: Time
    expires_at: Time
    decision: Decision
    decided_by: str | None
    decided_at: Time | None
    decision_reason: str


class ExemptionPage(View):
    """A page of exemptions, newest request first."""

    items: list[ExemptionView]
    next_cursor: str | None


class NewExemptionBody(Body):
    """What should come through, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "project": "django",
                    "versions": "==5.2.1",
                    "rule": "too-young",
                    "reason": "fixes a hole that we are open to",
                    "lifetime_days": 7,
                }
            ]
        }
    )

    project: ProjectField
    versions: VersionsField | None = Field(default=None, description="Which versions; left out: all of them.")
    rule: RuleField | None = Field(default=None, description="Through which rule; left out: through every rule.")
    reason: str = Field(min_length=1, max_length=500)
    lifetime_days: LifetimeDays = USUAL_LIFETIME // timedelta(days=1)


class ExemptionDecisionBody(Body):
    """What becomes of an exemption. A refusal needs a reason."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "approve", "reason": "looked at it", "lifetime_days": 3}]}
    )

    decision: Literal["approve", "refuse", "withdraw"]
    reason: str = Field(default="", max_length=500)
    lifetime_days: LifetimeDays | None = Field(
        default=None, description="For an approval: how long it holds from now on; left out: as long as was asked."
    )


class ExemptionEndpoints:
    """The endpoints about exemptions."""

    def __init__(self, exemptions: Exemptions) -> None:
        self._exemptions = exemptions

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        own = SignedIn("who may read a project asks for it and sees it, who manages the index decides")
        one = f"{_PATH}/{{exemption}}"
        return [
            Endpoint("GET", _PATH, self.list_exemptions, own, problems=(404,)),
            Endpoint("POST", _PATH, self.request_exemption, own, status=201, problems=(404,)),
            Endpoint("GET", one, self.show_exemption, own, problems=(404,)),
            Endpoint("POST", f"{one}/decision", self.decide_on_exemption, own, problems=(404, 409)),
        ]

    async def list_exemptions(
        self,
        caller: CurrentCaller,
        index: IndexPlace,
        *,
        page: WantedPage,
        pending: Annotated[bool, Query(description="Only those that wait for a decision.")] = False,
    ) -> ExemptionPage:
        """List the exemptions from the index's rules, for projects that the caller may read."""
        found = await self._exemptions.list(caller, index, pending_only=pending)
        items, next_cursor = cut(found, page, key=_place, newest_first=True)
        return ExemptionPage(items=[_show(item) for item in items], next_cursor=next_cursor)

    async def request_exemption(
        self, caller: CurrentCaller, index: IndexPlace, *, body: NewExemptionBody
    ) -> ExemptionView:
        """Ask that versions of a project come through.

        The index may be the one that clients use: where it has no rules, and one index behind it
        does, the exemption is from those. Asking again while it waits answers the same request.
        """
        wish = ExemptionWish(
            index=index,
            project=body.project,
            versions=SpecifierSet() if body.versions is None else body.versions,
            reason=body.reason,
            code=body.rule or "",
            lifetime=timedelta(days=body.lifetime_days),
        )
        return _show(await self._exemptions.request(caller, wish))

    async def show_exemption(
        self, caller: CurrentCaller, index: IndexPlace, *, exemption: ExemptionPlace
    ) -> ExemptionView:
        """Show an exemption."""
        found = await self._exemptions.show(caller, exemption)
        _demand_of(index, found)
        return _show(found)

    async def decide_on_exemption(
        self, caller: CurrentCaller, index: IndexPlace, *, exemption: ExemptionPlace, body: ExemptionDecisionBody
    ) -> ExemptionView:
        """Approve, refuse or withdraw an exemption; it counts from the next request on.

        Approving and refusing take `manage` on the index, and nobody decides about his own request
        unless he administers the server; withdrawing is for whoever asked. What was approved can
        be refused or withdrawn later, which ends it. 409 for what is over.
        """
        _demand_of(index, await self._exemptions.show(caller, exemption))
        match body.decision:
            case "approve":
                lifetime = None if body.lifetime_days is None else timedelta(days=body.lifetime_days)
                decided = await self._exemptions.approve(caller, exemption, reason=body.reason, lifetime=lifetime)
            case "refuse":
                decided = await self._exemptions.refuse(caller, exemption, reason=body.reason)
            case "withdraw":
                decided = await self._exemptions.withdraw(caller, exemption, reason=body.reason)
        return _show(decided)


def _demand_of(index: IndexName, exemption: Exemption) -> None:
    """Raise `NotFound` for an exemption from the rules of another index."""
    if exemption.index != index:
        raise not_found()


def _place(exemption: Exemption) -> str:
    return f"{exemption.requested_at:%Y%m%dT%H%M%S.%f} {exemption.exemption_id}"


def _show(exemption: Exemption) -> ExemptionView:
    return ExemptionView(
        id=exemption.exemption_id,
        index=exemption.index,
        project=exemption.project,
        versions=str(exemption.versions),
        rule=exemption.code or None,
        reason=exemption.reason,
        requested_by=exemption.requested_by,
        requested_at=exemption.requested_at,
        expires_at=exemption.expires_at,
        decision=exemption.decision,
        decided_by=exemption.decided_by or None,
        decided_at=exemption.decided_at,
        decision_reason=exemption.decision_reason,
    )
