"""Trying rules out over REST: what they would have hidden lately. Sets nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, StrictInt

from strongroom.core.access import Right
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, Time, View, read_whole
from strongroom.http.api.places import IndexPlace
from strongroom.http.api.rules import RulesBody, show_rules
from strongroom.http.routes import Needs, Subject
from strongroom.services.trial import LONGEST_DAYS, USUAL_DAYS, HiddenFile, Trial

TAG = "rules"
_MOST_SHOWN = 1000


class TrialBody(Body):
    """The rules to try, and on the files of how many days."""

    model_config = ConfigDict(
        title="RulesTrial", json_schema_extra={"examples": [{"rules": {"cooldown_seconds": 604800}, "days": 30}]}
    )

    rules: RulesBody | None = Field(default=None, description="Left out: the rules that the index has.")
    days: Annotated[StrictInt, Field(ge=1, le=LONGEST_DAYS), BeforeValidator(read_whole)] = USUAL_DAYS


class HiddenFileView(View):
    """A file that the rules would have hidden when it came, or was last used."""

    index: str = Field(description="The index from whose upstream it came.")
    project: str
    version: str
    filename: str
    at: Time
    rule: str = Field(examples=["too-young"])
    reason: str


class TrialView(View):
    """What the rules would have hidden, by project and filename."""

    rules: RulesBody
    judged: int = Field(description="How many files came through in these days.")
    hidden: int = Field(description="How many of them the rules would have hidden.")
    items: list[HiddenFileView] = Field(description=f"These, or the first {_MOST_SHOWN} of them.")


class TrialEndpoints:
    """The endpoint about trying rules out."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        return [Endpoint("POST", "/indexes/{index}/rules/trial", self.try_rules, Needs(Right.MANAGE, Subject.INDEX))]

    async def try_rules(self, caller: CurrentCaller, index: IndexPlace, *, body: TrialBody) -> TrialView:
        """Try rules out on what came through the index lately.

        Judges each file that was stored or used in these days at that moment, by its upstream's page
        as it is kept here. Changes nothing; exemptions count as they stand now.
        """
        rules = None if body.rules is None else body.rules.rules()
        report = await self._trial.run(caller, index, rules=rules, days=body.days)
        return TrialView(
            rules=show_rules(report.rules),
            judged=report.judged,
            hidden=len(report.hidden),
            items=[_show(item) for item in report.hidden[:_MOST_SHOWN]],
        )


def _show(hidden: HiddenFile) -> HiddenFileView:
    return HiddenFileView(
        index=hidden.index,
        project=hidden.project,
        version=hidden.version,
        filename=hidden.filename,
        at=hidden.at,
        rule=hidden.code,
        reason=hidden.reason,
    )
