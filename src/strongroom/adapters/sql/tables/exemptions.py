"""Rows of the table `exemptions` as `Exemption`."""

from __future__ import annotations

from packaging.specifiers import SpecifierSet
from sqlalchemy import Connection, bindparam, insert, select, update

from strongroom.adapters.sql.rows import AnyRow, change_row, insert_row
from strongroom.adapters.sql.schema import exemptions
from strongroom.core.exemptions import Decision, Exemption
from strongroom.core.names import IndexName, ProjectName

_IS_KEY = exemptions.c.exemption_id == bindparam("key")
_FIND = select(exemptions).where(_IS_KEY)
_LIST = select(exemptions).order_by(exemptions.c.requested_at, exemptions.c.exemption_id)
_LIST_OF_PROJECT = _LIST.where(
    exemptions.c.index_name == bindparam("index_key"), exemptions.c.project_name == bindparam("project_key")
)
_LIST_FIRST = _LIST.limit(bindparam("most"))
_ADD = insert(exemptions)
_REPLACE = update(exemptions).where(_IS_KEY)


class SqlExemptions:
    """`ports.Exemptions` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, exemption_id: str) -> Exemption | None:
        """Return the exemption of that id, however it was decided."""
        row = self._connection.execute(_FIND, {"key": exemption_id}).one_or_none()
        return None if row is None else _exemption(row)

    def list(self, index: IndexName | None = None, project: ProjectName | None = None) -> tuple[Exemption, ...]:
        """Return those of the index and project (None: any), oldest request first."""
        if index is not None and project is not None:  # asked for at each request for what is not remembered
            rows = self._connection.execute(_LIST_OF_PROJECT, {"index_key": index, "project_key": project}).all()
            return tuple(_exemption(row) for row in rows)
        statement = _LIST
        if index is not None:
            statement = statement.where(exemptions.c.index_name == index)
        if project is not None:
            statement = statement.where(exemptions.c.project_name == project)
        return tuple(_exemption(row) for row in self._connection.execute(statement).all())

    def list_first(self, most: int) -> tuple[Exemption, ...]:
        """Return so many of them at most, oldest request first."""
        return tuple(_exemption(row) for row in self._connection.execute(_LIST_FIRST, {"most": most}).all())

    def add(self, exemption: Exemption) -> None:
        """Raise `Conflict` when the id is taken."""
        taken = f"There is an exemption '{exemption.exemption_id}' already"
        insert_row(self._connection, _ADD, values=_values(exemption), taken=taken)

    def replace(self, exemption: Exemption) -> None:
        """Raise `Conflict` when there is no such exemption."""
        values = {**_values(exemption), "key": exemption.exemption_id}
        missing = f"There is no exemption '{exemption.exemption_id}'"
        change_row(self._connection, _REPLACE, values=values, missing=missing)


def _values(exemption: Exemption) -> dict[str, object]:
    return {
        "exemption_id": exemption.exemption_id,
        "index_name": exemption.index,
        "project_name": exemption.project,
        "versions": str(exemption.versions),
        "code": exemption.code,
        "reason": exemption.reason,
        "requested_by": exemption.requested_by,
        "requested_at": exemption.requested_at,
        "expires_at": exemption.expires_at,
        "decision": exemption.decision.value,
        "decided_by": exemption.decided_by,
        "decided_at": exemption.decided_at,
        "decision_reason": exemption.decision_reason,
    }


def _exemption(row: AnyRow) -> Exemption:
    return Exemption(
        exemption_id=row.exemption_id,
        index=row.index_name,
        project=row.project_name,
        versions=SpecifierSet(row.versions),
        code=row.code,
        reason=row.reason,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        decision=Decision(row.decision),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
    )
