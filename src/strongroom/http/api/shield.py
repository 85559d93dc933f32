"""Held names over REST: list, hold, release, and the report of what is near them."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from strongroom.core.access import Right
from strongroom.core.reservations import Hold, Reservation
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, Time, View
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import IndexPlace, PatternPlace
from strongroom.http.routes import Needs, Subject
from strongroom.services.shield import Held, NameReport, Shield, Wish

TAG = "names"


class HeldNameView(View):
    """A name or prefix that an index holds."""

    index: str
    pattern: str = Field(examples=["acme-*"])
    hold: Hold
    reason: str
    created_at: Time
    created_by: str


class NewHeldNameView(HeldNameView):
    """A name or prefix that an index holds now; `remarks` are for whoever asked for it."""

    remarks: list[str]


class HeldNamePage(View):
    """A page of the names that an index holds, by name."""

    items: list[HeldNameView]
    next_cursor: str | None


class HoldBody(Body):
    """What the index does with the name.

    `reserved`: it is the index's own, and nobody asks an upstream for it. `claimed`: the same,
    knowing that it exists upstream too. `overlay`: own files and the upstream's stand together.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"hold": "reserved", "reason": "our own prefix"}]})

    hold: Hold
    reason: str = Field(default="", max_length=500)


class InternalNameView(View):
    """A name of the index that exists in the upstream of other indexes too."""

    project: str
    hold: Hold | None
    upstreams: list[str] = Field(description="The indexes whose upstream has it.")


class WantedNameView(View):
    """A name that clients asked for and nobody owns."""

    project: str
    count: int
    last_asked_at: Time
    lookalikes: list[str] = Field(description="The names that it may be meant for.")


class NameReportView(View):
    """What the kept lists of upstreams' names say about names here."""

    is_certain: bool = Field(description="Whether the lists of all upstreams are here.")
    internal: list[InternalNameView]
    wanted: list[WantedNameView]


class ShieldEndpoints:
    """The endpoints about held names."""

    def __init__(self, shield: Shield) -> None:
        self._shield = shield

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        manage = Needs(Right.MANAGE, Subject.INDEX)
        name = "/indexes/{index}/names/{pattern}"
        return [
            Endpoint("GET", "/indexes/{index}/names", self.list_held_names, manage),
            Endpoint("PUT", name, self.hold_name, manage, problems=(409,)),
            Endpoint("DELETE", name, self.release_name, manage),
            Endpoint("GET", "/indexes/{index}/name-report", self.report_names, manage),
        ]

    async def list_held_names(self, caller: CurrentCaller, index: IndexPlace, *, page: WantedPage) -> HeldNamePage:
        """List the names and prefixes that an index holds."""
        found = await self._shield.list(caller, index)
        items, next_cursor = cut(found, page, key=lambda item: item.pattern)
        return HeldNamePage(items=[_show(item) for item in items], next_cursor=next_cursor)

    async def hold_name(
        self, caller: CurrentCaller, index: IndexPlace, *, pattern: PatternPlace, body: HoldBody
    ) -> NewHeldNameView:
        """Reserve a name or prefix, claim a name that exists upstream, or lay own files over it.

        Replaces what the index did with it before. 409 for a claim or an overlay on a name that
        no upstream has: reserve that instead.
        """
        return _show_new(await self._shield.hold(caller, Wish(index, pattern, body.hold, body.reason)))

    async def release_name(self, caller: CurrentCaller, index: IndexPlace, *, pattern: PatternPlace) -> HeldNameView:
        """Let go of a name or prefix; the index's own files keep deciding for their names."""
        return _show(await self._shield.release(caller, index, pattern=pattern))

    async def report_names(self, caller: CurrentCaller, index: IndexPlace) -> NameReportView:
        """Report names of the index that exist upstream too, and names that clients ask for in vain."""
        return _show_report(await self._shield.report(caller, index))


def _show(item: Reservation) -> HeldNameView:
    return HeldNameView(
        index=item.index,
        pattern=item.pattern,
        hold=item.hold,
        reason=item.reason,
        created_at=item.created_at,
        created_by=item.created_by,
    )


def _show_new(held: Held) -> NewHeldNameView:
    return NewHeldNameView(**dict(_show(held.reservation)), remarks=list(held.remarks))


def _show_report(report: NameReport) -> NameReportView:
    return NameReportView(
        is_certain=report.is_certain,
        internal=[
            InternalNameView(project=item.project, hold=item.hold, upstreams=list(item.upstreams))
            for item in report.internal
        ],
        wanted=[
            WantedNameView(
                project=item.project,
                count=item.count,
                last_asked_at=item.last_asked_at,
                lookalikes=list(item.lookalikes),
            )
            for item in report.wanted
        ],
    )
