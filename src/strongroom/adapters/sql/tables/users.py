"""Rows of the tables `users` and `grants` as `User` and `Grant`."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, change_row, insert_row
from strongroom.adapters.sql.schema import grants, users
from strongroom.core.access import Grant, Right
from strongroom.core.model import User
from strongroom.core.names import UserName

_FIND = select(users).where(users.c.name == bindparam("key"))
_LIST = select(users).order_by(users.c.name)
_ADD = insert(users)
_REPLACE = update(users).where(users.c.name == bindparam("key"))
_LIST_GRANTS = select(grants).where(grants.c.user_name == bindparam("key")).order_by(grants.c.row_number)
_ADD_GRANT = insert(grants)
_REMOVE_GRANT = delete(grants).where(
    grants.c.user_name == bindparam("key"),
    grants.c.rights == bindparam("rights_key"),
    grants.c.index_name.is_not_distinct_from(bindparam("index_key")),
    grants.c.projects == bindparam("projects_key"),
)


class SqlUsers:
    """`ports.Users` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, name: UserName) -> User | None:
        """Return the user of that name."""
        row = self._connection.execute(_FIND, {"key": name}).one_or_none()
        return None if row is None else _user(row)

    def list(self) -> tuple[User, ...]:
        """Return all users by name."""
        return tuple(_user(row) for row in self._connection.execute(_LIST).all())

    def add(self, user: User) -> None:
        """Raise `Conflict` when the name is taken."""
        insert_row(self._connection, _ADD, values=_values(user), taken=f"There is a user called '{user.name}' already")

    def replace(self, user: User) -> None:
        """Raise `Conflict` when there is no such user."""
        values = {**_values(user), "key": user.name}
        change_row(self._connection, _REPLACE, values=values, missing=f"There is no user called '{user.name}'")

    def list_grants(self, name: UserName) -> tuple[Grant, ...]:
        """Return the user's grants in the order in which they were added."""
        return tuple(_grant(row) for row in self._connection.execute(_LIST_GRANTS, {"key": name}).all())

    def add_grant(self, name: UserName, grant: Grant) -> None:
        """Store the grant; a second equal one changes nothing. Raises `Conflict` when there is no such user."""
        if grant in self.list_grants(name):
            return
        values = {
            "user_name": name,
            "rights": _sorted_rights(grant),
            "index_name": grant.index,
            "projects": grant.projects,
        }
        with self._connection.begin_nested():
            self._connection.execute(_ADD_GRANT, values)

    def remove_grant(self, name: UserName, grant: Grant) -> bool:
        """Remove an equal grant; return whether there was one."""
        values = {
            "key": name,
            "rights_key": _sorted_rights(grant),
            "index_key": grant.index,
            "projects_key": grant.projects,
        }
        return self._connection.execute(_REMOVE_GRANT, values).rowcount > 0


def _values(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "created_at": user.created_at,
        "is_administrator": user.is_administrator,
        "is_disabled": user.is_disabled,
        "password_hash": user.password_hash,
    }


def _user(row: AnyRow) -> User:
    return User(
        name=row.name,
        created_at=row.created_at,
        is_administrator=row.is_administrator,
        is_disabled=row.is_disabled,
        password_hash=row.password_hash,
    )


def _sorted_rights(grant: Grant) -> tuple[str, ...]:
    return tuple(sorted(grant.rights))


def _grant(row: AnyRow) -> Grant:
    return Grant(rights=frozenset(map(Right, row.rights)), index=row.index_name, projects=row.projects)
