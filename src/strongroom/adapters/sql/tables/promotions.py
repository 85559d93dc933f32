"""Rows of the table `promotions` as `Promotion`."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, bindparam, insert, or_, select, update

from strongroom.adapters.sql.rows import AnyRow, change_row, insert_row
from strongroom.adapters.sql.schema import promotions
from strongroom.core.names import IndexName
from strongroom.core.promotions import PromotedRelease, Promotion, Stage

_IS_KEY = promotions.c.promotion_id == bindparam("key")
_FIND = select(promotions).where(_IS_KEY)
_LIST = select(promotions).order_by(promotions.c.requested_at.desc(), promotions.c.promotion_id.desc())
_LIST_TOUCHING = _LIST.where(
    or_(promotions.c.source == bindparam("index_key"), promotions.c.target == bindparam("index_key"))
)
_ADD = insert(promotions)
_REPLACE = update(promotions).where(_IS_KEY)
_decode_releases = msgspec.json.Decoder(tuple[PromotedRelease, ...]).decode


class SqlPromotions:
    """`ports.Promotions` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, promotion_id: str) -> Promotion | None:
        """Return the promotion of that id, whatever became of it."""
        row = self._connection.execute(_FIND, {"key": promotion_id}).one_or_none()
        return None if row is None else _promotion(row)

    def list(self, index: IndexName | None = None) -> tuple[Promotion, ...]:
        """Return those from or to the index (None: any), newest request first."""
        if index is None:
            return tuple(_promotion(row) for row in self._connection.execute(_LIST).all())
        return tuple(_promotion(row) for row in self._connection.execute(_LIST_TOUCHING, {"index_key": index}).all())

    def add(self, promotion: Promotion) -> None:
        """Raise `Conflict` when the id is taken."""
        taken = f"There is a promotion '{promotion.promotion_id}' already"
        insert_row(self._connection, _ADD, values=_values(promotion), taken=taken)

    def replace(self, promotion: Promotion) -> None:
        """Raise `Conflict` when there is no such promotion."""
        values = {**_values(promotion), "key": promotion.promotion_id}
        missing = f"There is no promotion '{promotion.promotion_id}'"
        change_row(self._connection, _REPLACE, values=values, missing=missing)


def _values(promotion: Promotion) -> dict[str, object]:
    return {
        "promotion_id": promotion.promotion_id,
        "source": promotion.source,
        "target": promotion.target,
        "releases": msgspec.json.encode(promotion.releases).decode(),
        "stage": promotion.stage.value,
        "requested_by": promotion.requested_by,
        "requested_at": promotion.requested_at,
        "decided_by": promotion.decided_by,
        "decided_at": promotion.decided_at,
        "reason": promotion.reason,
    }


def _promotion(row: AnyRow) -> Promotion:
    return Promotion(
        promotion_id=row.promotion_id,
        source=row.source,
        target=row.target,
        releases=_decode_releases(row.releases),
        stage=Stage(row.stage),
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
    )
