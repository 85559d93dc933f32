"""Rows of the table `projects` as `Project`."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, union, update

from strongroom.adapters.sql.rows import AnyRow, delete_rows, save_row
from strongroom.adapters.sql.schema import projects, tombstones
from strongroom.core.model import Project, ProjectStatus
from strongroom.core.names import IndexName, ProjectName

_IS_KEY = (projects.c.index_name == bindparam("index_key"), projects.c.name == bindparam("name_key"))
_FIND = select(projects).where(*_IS_KEY)
_LIST = select(projects).where(projects.c.index_name == bindparam("index_key")).order_by(projects.c.name)
_ADD = insert(projects)
_REPLACE = update(projects).where(*_IS_KEY)
_REMOVE = delete(projects).where(*_IS_KEY)
_FIND_OWNERS = union(
    select(projects.c.index_name).where(projects.c.name == bindparam("name_key")),
    select(tombstones.c.index_name).where(tombstones.c.project_name == bindparam("name_key")),
)


class SqlProjects:
    """`ports.Projects` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, index: IndexName, name: ProjectName) -> Project | None:
        """Return the project of that name in the index."""
        row = self._connection.execute(_FIND, _key(index, name)).one_or_none()
        return None if row is None else _project(row)

    def list(self, index: IndexName) -> tuple[Project, ...]:
        """Return all projects of the index, by name."""
        return tuple(_project(row) for row in self._connection.execute(_LIST, {"index_key": index}).all())

    def save(self, project: Project) -> None:
        """Insert it, or replace the row of the same name; raises `Conflict` when there is no such index."""
        key = _key(project.index, project.name)
        save_row(self._connection, _REPLACE, insert=_ADD, values=_values(project), key=key)

    def remove(self, index: IndexName, name: ProjectName) -> None:
        """Raise `Conflict` when the project has files."""
        delete_rows(self._connection, _REMOVE, values=_key(index, name))

    def find_owners(self, name: ProjectName) -> frozenset[IndexName]:
        """Return the indexes that have the project, or that have deleted files of it."""
        return frozenset(self._connection.execute(_FIND_OWNERS, {"name_key": name}).scalars())


def _key(index: IndexName, name: ProjectName) -> dict[str, object]:
    return {"index_key": index, "name_key": name}


def _values(project: Project) -> dict[str, object]:
    return {
        "index_name": project.index,
        "name": project.name,
        "display_name": project.display_name,
        "created_at": project.created_at,
        "serial": project.serial,
        "status": project.status.value,
        "status_reason": project.status_reason,
    }


def _project(row: AnyRow) -> Project:
    return Project(
        index=row.index_name,
        name=row.name,
        display_name=row.display_name,
        created_at=row.created_at,
        serial=row.serial,
        status=ProjectStatus(row.status),
        status_reason=row.status_reason,
    )
