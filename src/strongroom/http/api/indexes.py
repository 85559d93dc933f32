"""Indexes over REST: list, create, show, change, delete."""

from __future__ import annotations

from pydantic import ConfigDict, Field, StrictBool

from strongroom.core.access import Right
from strongroom.core.index_settings import IndexChanges
from strongroom.core.model import Index
from strongroom.http.api.endpoint import CurrentCaller, Endpoint
from strongroom.http.api.fields import Body, IndexField, Time, View
from strongroom.http.api.paging import WantedPage, cut
from strongroom.http.api.places import IndexPlace
from strongroom.http.routes import Needs, SignedIn, Subject
from strongroom.services.indexes import Indexes, IndexSummary

TAG = "indexes"


class IndexView(View):
    """An index and its settings."""

    name: str = Field(examples=["main"])
    created_at: Time
    accepts_uploads: bool
    anonymous_read: bool = Field(description="Whether anybody may read it without credentials.")
    upstream_url: str | None
    bases: list[str]


class CountedIndexView(IndexView):
    """An index with the number of projects in it that the caller may read, and of their files."""

    projects: int
    files: int


class IndexPage(View):
    """A page of the indexes that the caller may read, by name."""

    items: list[IndexView]
    next_cursor: str | None


class NewIndexBody(Body):
    """An index to be made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "staging", "accepts_uploads": True}]})

    name: IndexField
    accepts_uploads: StrictBool = True
    anonymous_read: StrictBool = False


class IndexChangeBody(Body):
    """The settings to change; what is left out or null stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accepts_uploads": False}]})

    accepts_uploads: StrictBool | None = None
    anonymous_read: StrictBool | None = None


class IndexEndpoints:
    """The endpoints about indexes."""

    def __init__(self, indexes: Indexes) -> None:
        self._indexes = indexes

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints of this family."""
        administer = Needs(Right.ADMINISTER, Subject.SERVER)
        return [
            Endpoint("GET", "/indexes", self.list_indexes, SignedIn("each caller sees the indexes he may read")),
            Endpoint("POST", "/indexes", self.create_index, administer, status=201, problems=(409,)),
            Endpoint("GET", "/indexes/{index}", self.show_index, Needs(Right.READ, Subject.INDEX)),
            Endpoint("PATCH", "/indexes/{index}", self.change_index, Needs(Right.MANAGE, Subject.INDEX)),
            Endpoint("DELETE", "/indexes/{index}", self.delete_index, administer, status=204, problems=(404, 409)),
        ]

    async def list_indexes(self, caller: CurrentCaller, page: WantedPage) -> IndexPage:
        """List the indexes that the caller may read."""
        items, next_cursor = cut(await self._indexes.list(caller), page, key=lambda index: index.name)
        return IndexPage(items=[_show(index) for index in items], next_cursor=next_cursor)

    async def create_index(self, caller: CurrentCaller, body: NewIndexBody) -> IndexView:
        """Create an index.

        409 when the name is taken, by an index with the same settings too.
        """
        index = await self._indexes.create(
            caller,
            body.name,
            IndexChanges(accepts_uploads=body.accepts_uploads, anonymous_read=body.anonymous_read),
        )
        return _show(index)

    async def show_index(self, caller: CurrentCaller, name: IndexPlace) -> CountedIndexView:
        """Show an index with its counts."""
        return _show_counted(await self._indexes.show(caller, name))

    async def change_index(self, caller: CurrentCaller, name: IndexPlace, *, body: IndexChangeBody) -> IndexView:
        """Change an index's settings.

        Opening an index to everybody, or closing it, takes the right to administer.
        """
        index = await self._indexes.change(
            caller, name, IndexChanges(accepts_uploads=body.accepts_uploads, anonymous_read=body.anonymous_read)
        )
        return _show(index)

    async def delete_index(self, caller: CurrentCaller, name: IndexPlace) -> None:
        """Delete an index that holds no files.

        409 while it holds files, and for the index that /simple/ means.
        """
        await self._indexes.delete(caller, name)


def _show(index: Index) -> IndexView:
    return IndexView(
        name=index.name,
        created_at=index.created_at,
        accepts_uploads=index.accepts_uploads,
        anonymous_read=index.anonymous_read,
        upstream_url=None if index.upstream is None else index.upstream.url,
        bases=list(index.bases),
    )


def _show_counted(summary: IndexSummary) -> CountedIndexView:
    plain = _show(summary.index)
    return CountedIndexView(**plain.model_dump(), projects=summary.projects, files=summary.files)
