"""Explanations over REST: which source a name comes from and why, and which rule hides which file."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field

from strongroom.core.access import Right
from strongroom.core.explanation import Explanation
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Time, VersionField, View
from strongroom.http.api.places import ProjectPlace
from strongroom.http.routes import Needs, Subject
from strongroom.services.explain import Explain

TAG = "explanations"
_PATH = "/indexes/{index}/projects/{project}/explanation"
_VersionQuery = Annotated[VersionField | None, Query(description="Only the files of this version.")]


class StepView(View):
    """What one index on the way has to do with the name."""

    index: str
    sentence: str


class ExplainedFileView(View):
    """A file that is offered, or hidden for the reason."""

    filename: str
    version: str
    is_offered: bool
    code: str = Field(description="The rule that hides it, or what else there is to say; empty: nothing.")
    reason: str
    hint: str
    until: Time | None = Field(description="When it comes through by itself.")
    rule_of: str | None = Field(description="The index whose rule it is.")


class ExplanationView(View):
    """What an index says to a name."""

    index: str
    project: str
    answer: str = Field(description="own, overlay, reserved, withheld, upstream or nowhere.")
    owner: str | None
    sentence: str
    steps: list[StepView]
    files: list[ExplainedFileView]


class ExplanationEndpoints:
    """The endpoint that explains."""

    def __init__(self, explain: Explain) -> None:
        self._explain = explain

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        return [Endpoint("GET", _PATH, self.explain_project, Needs(Right.READ, Subject.PROJECT), problems=(400,))]

    async def explain_project(
        self, caller: CurrentCaller, target: ProjectPlace, *, version: _VersionQuery = None
    ) -> ExplanationView:
        """Explain which source a name comes from, and which files are hidden by which rule, until when.

        The name need not exist: an explanation says so too.
        """
        return _show(await self._explain.explain(caller, target, version=version))


def _show(found: Explanation) -> ExplanationView:
    return ExplanationView(
        index=found.index,
        project=found.project,
        answer=found.answer,
        owner=found.owner,
        sentence=found.sentence,
        steps=[StepView(index=step.index, sentence=step.sentence) for step in found.steps],
        files=[
            ExplainedFileView(
                filename=file.filename,
                version=file.version,
                is_offered=file.is_offered,
                code=file.code,
                reason=file.reason,
                hint=file.hint,
                until=file.until,
                rule_of=file.rule_of,
            )
            for file in found.files
        ],
    )
