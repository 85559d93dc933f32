"""The audit chain of a backup, computed anew from the rows of its table of events.

The same rule as `core/events.py` says it, over the stored text of each event. Without
the key only gaps, and an end that is not the manifest's, can be seen.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from strongroom.core.backup import Row, Shape
from strongroom.core.events import FIRST_HASH, Actor, Head, chain_hash, entry_body

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START = Head(0, FIRST_HASH)


@dataclass(slots=True)
class ChainReader:
    """Follows the chain as the rows pass; `broken` is the first thing that is wrong with it."""

    key: bytes | None
    head: Head = _START
    broken: str | None = None

    def watch(self, rows: Iterator[Row], shape: Shape) -> Iterator[Row]:
        """Yield the rows of the table of events, and follow the chain."""
        names = [column.name for column in shape.columns]
        for row in rows:
            if self.broken is None:
                self.broken = self._follow(dict(zip(names, row, strict=True)))
            yield row

    def judge_end(self, head: str) -> str | None:
        """Return why the chain does not end where the manifest says, None when it does."""
        return None if str(self.head) == head else f"it ends at {self.head.serial}, not where the manifest says"

    def _follow(self, event: dict[str, object]) -> str | None:
        serial, link = event["serial"], event["chain_hash"]
        if serial != self.head.serial + 1 or not isinstance(serial, int) or not isinstance(link, bytes):
            return f"the entry {self.head.serial + 1} is missing"
        if self.key is not None:
            expected = chain_hash(self.key, self.head.chain_hash, body=_body(serial, event))
            if not hmac.compare_digest(expected, link):
                return f"the entry {serial} was changed, or one before it was"
        self.head = Head(serial, link)
        return None


def _body(serial: int, event: dict[str, object]) -> bytes:
    at = event["at"]
    assert isinstance(at, int)
    actor = Actor(name=str(event["actor_name"]), address=str(event["actor_address"]), client=str(event["actor_client"]))
    return entry_body(
        serial=serial, at=_EPOCH + timedelta(microseconds=at), actor=actor, event_json=str(event["event_json"])
    )
