"""A grant in a body: rights on an index, or on every one, for projects that match.

Shared by users and by whoever asks who he is. Does not decide what a grant allows.
"""

from __future__ import annotations

from pydantic import ConfigDict, Field

from strongroom.core.access import Grant, Right
from strongroom.core.names import EVERY_PROJECT
from strongroom.http.api.fields import Body, IndexField, PatternField


class GrantBody(Body):
    """Rights at one place; index null stands for every index, the pattern * for every project."""

    model_config = ConfigDict(
        title="Grant", json_schema_extra={"examples": [{"rights": ["read"], "index": "main", "projects": "acme-*"}]}
    )

    rights: list[Right] = Field(min_length=1)
    index: IndexField | None = None
    projects: PatternField = EVERY_PROJECT

    def grant(self) -> Grant:
        """Return the grant of the core."""
        return Grant(rights=frozenset(self.rights), index=self.index, projects=self.projects)


def show_grant(grant: Grant) -> GrantBody:
    """Return the grant as the API writes it, its rights in their usual order."""
    rights = [right for right in Right if right in grant.rights]
    return GrantBody(rights=rights, index=grant.index, projects=grant.projects)
