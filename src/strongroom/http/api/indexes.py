"""Indexes over REST: list, create, show, change, delete.

Where an index's upstream is, only those see who may manage it; its credentials, nobody.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

from strongroom.core.access import IndexTarget, Right
from strongroom.core.caller import Caller
from strongroom.core.index_settings import (
    REMOVED,
    Credentials,
    IndexChanges,
    Removed,
    UpstreamChanges,
)
from strongroom.core.model import Downloads, Index
from strongroom.core.upstream import Delivery, Upstream
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, IndexField, Time, View, read_whole
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import IndexPlace
from strongroom.http.api.rules import RulesBody, show_rules
from strongroom.http.routes import Needs, SignedIn, Subject
from strongroom.services.indexes import Indexes

TAG = "indexes"
_LONGEST_SECONDS = 365 * 24 * 3600
_MOST_BASES = 16


class UpstreamView(View):
    """An index's upstream. To those who may not manage the index, `url` and `has_credentials` are null."""

    url: str | None = Field(examples=["https://upstream.example/simple/"])
    has_credentials: bool | None
    freshness_seconds: int = Field(description="How long a page is served without asking again.")
    delivery: Delivery
    is_offline: bool


class IndexView(View):
    """An index and its settings."""

    name: str = Field(examples=["main"])
    created_at: Time
    accepts_uploads: bool
    anonymous_read: bool = Field(description="Whether anybody may read it without credentials.")
    bases: list[str] = Field(description="The indexes that names come from that are not its own, in this order.")
    upstream: UpstreamView | None
    rules: RulesBody
    forbids_reserved: bool = Field(description="Whether a reserved name without files is answered 403, not 404.")
    needs_approval: bool = Field(description="Whether a promotion into it waits for somebody who manages it.")
    downloads: Downloads = Field(description="How clients get files that lie in a bucket.")


class CountedIndexView(IndexView):
    """An index with the number of projects in it that the caller may read, and of their files."""

    projects: int
    files: int


class IndexPage(View):
    """A page of the indexes that the caller may read, by name."""

    items: list[IndexView]
    next_cursor: str | None


class CredentialsBody(Body):
    """Who signs in at the upstream. They are kept encrypted and never shown."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"username": "reader", "password": "a token"}]})

    username: str = Field(max_length=1000)
    password: str = Field(max_length=1000, repr=False)


class UpstreamBody(Body):
    """An upstream, or what changes about it; what is left out or null stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"url": "https://upstream.example/simple/"}]})

    url: str | None = Field(default=None, max_length=2000, examples=["https://upstream.example/simple/"])
    credentials: CredentialsBody | None = None
    removes_credentials: StrictBool = False
    freshness_seconds: Annotated[StrictInt, Field(ge=0, le=_LONGEST_SECONDS), BeforeValidator(read_whole)] | None = None
    delivery: Delivery | None = Field(default=None, description="Keep copies of its files, or redirect clients to it.")
    is_offline: StrictBool | None = Field(default=None, description="Whether it is never asked.")

    def changes(self) -> UpstreamChanges:
        """Return the changes of the core."""
        credentials: Credentials | Removed | None = REMOVED if self.removes_credentials else None
        if self.credentials is not None:
            credentials = Credentials(self.credentials.username, self.credentials.password)
        freshness = None if self.freshness_seconds is None else timedelta(seconds=self.freshness_seconds)
        return UpstreamChanges(self.url, credentials, freshness, self.delivery, self.is_offline)


class IndexChangeBody(Body):
    """The settings to change; what is left out or null stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accepts_uploads": False}]})

    accepts_uploads: StrictBool | None = None
    anonymous_read: StrictBool | None = None
    bases: list[IndexField] | None = Field(default=None, max_length=_MOST_BASES)
    upstream: UpstreamBody | None = None
    removes_upstream: StrictBool = False
    rules: RulesBody | None = None
    forbids_reserved: StrictBool | None = None
    needs_approval: StrictBool | None = None
    downloads: Downloads | None = Field(
        default=None,
        description="Files in a bucket: large ones by redirect (auto), all of them (redirect), or none (stream).",
    )

    def changes(self) -> IndexChanges:
        """Return the changes of the core."""
        upstream: UpstreamChanges | Removed | None = REMOVED if self.removes_upstream else None
        if self.upstream is not None:
            upstream = self.upstream.changes()
        return IndexChanges(
            accepts_uploads=self.accepts_uploads,
            anonymous_read=self.anonymous_read,
            bases=None if self.bases is None else tuple(self.bases),
            upstream=upstream,
            rules=None if self.rules is None else self.rules.rules(),
            forbids_reserved=self.forbids_reserved,
            needs_approval=self.needs_approval,
            downloads=self.downloads,
        )


class NewIndexBody(IndexChangeBody):
    """An index to be made; what is left out is as usual: uploads, nobody in particular reads, no upstream."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "staging", "bases": ["main"]}]})

    name: IndexField


class IndexEndpoints:
    """The endpoints about indexes."""

    def __init__(self, indexes: Indexes) -> None:
        self._indexes = indexes

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        administer = Needs(Right.ADMINISTER, Subject.SERVER)
        manage = Needs(Right.MANAGE, Subject.INDEX)
        return [
            Endpoint("GET", "/indexes", self.list_indexes, SignedIn("each caller sees the indexes he may read")),
            Endpoint("POST", "/indexes", self.create_index, administer, status=201, problems=(409,)),
            Endpoint("GET", "/indexes/{index}", self.show_index, Needs(Right.READ, Subject.INDEX)),
            Endpoint("PATCH", "/indexes/{index}", self.change_index, manage, problems=(409,)),
            Endpoint("DELETE", "/indexes/{index}", self.delete_index, administer, status=204, problems=(404, 409)),
        ]

    async def list_indexes(self, caller: CurrentCaller, page: WantedPage) -> IndexPage:
        """List the indexes that the caller may read."""
        items, next_cursor = cut(await self._indexes.list(caller), page, key=lambda index: index.name)
        return IndexPage(items=[_show(index, caller) for index in items], next_cursor=next_cursor)

    async def create_index(self, caller: CurrentCaller, body: NewIndexBody) -> IndexView:
        """Create an index.

        409 when the name is taken, by an index with the same settings too, and for bases
        that reach too far.
        """
        return _show(await self._indexes.create(caller, body.name, changes=body.changes()), caller)

    async def show_index(self, caller: CurrentCaller, name: IndexPlace) -> CountedIndexView:
        """Show an index with its counts."""
        summary = await self._indexes.show(caller, name)
        plain = _show(summary.index, caller)
        return CountedIndexView(**dict(plain), projects=summary.projects, files=summary.files)

    async def change_index(self, caller: CurrentCaller, name: IndexPlace, *, body: IndexChangeBody) -> IndexView:
        """Change an index's settings.

        Opening an index to everybody or closing it, its bases and its upstream take the right to
        administer the server. Another upstream's URL forgets what is kept of the one before. 409 for
        bases that lead back to the index, or reach too far.
        """
        return _show(await self._indexes.change(caller, name, changes=body.changes()), caller)

    async def delete_index(self, caller: CurrentCaller, name: IndexPlace) -> None:
        """Delete an index that holds no files.

        409 while it holds files or is another's base, and for the index that /simple/ means.
        """
        await self._indexes.delete(caller, name)


def _show(index: Index, caller: Caller) -> IndexView:
    upstream = index.upstream
    is_manager = caller.may(Right.MANAGE, IndexTarget(index.name))
    return IndexView(
        name=index.name,
        created_at=index.created_at,
        accepts_uploads=index.accepts_uploads,
        anonymous_read=index.anonymous_read,
        bases=list(index.bases),
        upstream=None if upstream is None else _show_upstream(upstream, is_manager=is_manager),
        rules=show_rules(index.rules),
        forbids_reserved=index.forbids_reserved,
        needs_approval=index.needs_approval,
        downloads=index.downloads,
    )


def _show_upstream(upstream: Upstream, *, is_manager: bool) -> UpstreamView:
    return UpstreamView(
        url=upstream.url if is_manager else None,
        has_credentials=(upstream.credentials is not None) if is_manager else None,
        freshness_seconds=upstream.freshness // timedelta(seconds=1),
        delivery=upstream.delivery,
        is_offline=upstream.is_offline,
    )
