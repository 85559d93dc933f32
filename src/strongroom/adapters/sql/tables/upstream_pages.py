"""Rows of the table `upstream_pages` as `UpstreamPage`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, false, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, save_row
from strongroom.adapters.sql.schema import upstream_pages as pages
from strongroom.core.mirrored import UpstreamPage
from strongroom.core.names import IndexName, ProjectName
from strongroom.core.page_content import decode_content, encode_content

_IS_OF_INDEX = pages.c.index_name == bindparam("index_key")
_IS_OF_PROJECT = pages.c.project_name == bindparam("project_key")
_IS_THERE = pages.c.is_missing == false()
_FIND = select(pages).where(_IS_OF_INDEX, _IS_OF_PROJECT)
_FIND_TIME = select(pages.c.fetched_at).where(_IS_OF_INDEX, _IS_OF_PROJECT)
_ADD = insert(pages)
_REPLACE = update(pages).where(_IS_OF_INDEX, _IS_OF_PROJECT)
_CONFIRM = update(pages).where(_IS_OF_INDEX, _IS_OF_PROJECT).values(fetched_at=bindparam("at"))
_LIST_NAMES = select(pages.c.project_name).where(_IS_OF_INDEX, _IS_THERE).order_by(pages.c.project_name)
_FIND_INDEXES = select(pages.c.index_name).where(_IS_OF_PROJECT, _IS_THERE).order_by(pages.c.index_name)
_REMOVE = delete(pages).where(_IS_OF_INDEX, _IS_OF_PROJECT)
_REMOVE_ALL = delete(pages).where(_IS_OF_INDEX)


class SqlUpstreamPages:
    """`ports.UpstreamPages` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, index: IndexName, project: ProjectName) -> UpstreamPage | None:
        """Return the page, a missing one too."""
        row = self._connection.execute(_FIND, _key(index, project)).one_or_none()
        return None if row is None else _page(row)

    def find_time(self, index: IndexName, project: ProjectName) -> datetime | None:
        """Return when the page was fetched, without reading it."""
        return self._connection.execute(_FIND_TIME, _key(index, project)).scalar_one_or_none()

    def save(self, page: UpstreamPage) -> None:
        """Insert it, or replace the row of the same index and project."""
        key = _key(page.index, page.project)
        save_row(self._connection, _REPLACE, insert=_ADD, values=_values(page), key=key)

    def confirm(self, index: IndexName, project: ProjectName, *, at: datetime) -> None:
        """Set `fetched_at` alone, without reading or writing what stands on the page."""
        self._connection.execute(_CONFIRM, {**_key(index, project), "at": at})

    def list_names(self, index: IndexName) -> tuple[ProjectName, ...]:
        """Return the names whose page is not missing, sorted."""
        return tuple(self._connection.execute(_LIST_NAMES, {"index_key": index}).scalars())

    def find_indexes(self, project: ProjectName) -> tuple[IndexName, ...]:
        """Return the indexes that hold a page of it that is not missing, sorted."""
        return tuple(self._connection.execute(_FIND_INDEXES, {"project_key": project}).scalars())

    def remove(self, index: IndexName, project: ProjectName | None = None) -> None:
        """Remove the page; without a project, all of the index's."""
        if project is None:
            self._connection.execute(_REMOVE_ALL, {"index_key": index})
        else:
            self._connection.execute(_REMOVE, _key(index, project))


def _key(index: IndexName, project: ProjectName) -> dict[str, object]:
    return {"index_key": index, "project_key": project}


def _values(page: UpstreamPage) -> dict[str, object]:
    return {
        "index_name": page.index,
        "project_name": page.project,
        "fetched_at": page.fetched_at,
        "is_missing": page.is_missing,
        "etag": page.etag,
        "content": encode_content(page),
    }


def _page(row: AnyRow) -> UpstreamPage:
    content = decode_content(row.content)
    return UpstreamPage(
        index=row.index_name,
        project=row.project_name,
        fetched_at=row.fetched_at,
        is_missing=row.is_missing,
        etag=row.etag,
        status=content.status,
        status_reason=content.status_reason,
        files=content.files,
        skipped=content.skipped,
    )
