"""Whether this process holds the key that the catalog was made with.

Decides by the audit log: its entries are chained under the key, so a node that was
given another one is found out by the newest entry alone. Such a node would refuse every
token, and break the chain with its first event. Does not verify the log (`audit.py`).
"""

from __future__ import annotations

import hmac

import msgspec

from strongroom.core.errors import ConfigurationFault, StorageFault
from strongroom.core.events import FIRST_HASH, Entry, chain_hash, encode_event, entry_body
from strongroom.ports import Catalog, Secrets, Transaction


async def demand_same_key(catalog: Catalog, secrets: Secrets) -> None:
    """Raise `ConfigurationFault` unless the key is the catalog's; one without events takes any.

    The first entry counts as well as the newest, and entries that cannot be read count as
    good: what was tampered with is reported by `audit verify`, and keeps nobody from
    starting the server.
    """
    key = secrets.derive_key("audit")
    try:
        is_same = await catalog.read(lambda tx: _is_chained_under(tx, key))
    except (StorageFault, msgspec.MsgspecError):
        return
    if not is_same:
        raise ConfigurationFault(
            "secret-key-other",
            "This key is not the one that the catalog was made with: no token would be valid here",
            "Give this node the key file of the others (--key-file), or put the store's own secret.key back.",
        )


def _is_chained_under(tx: Transaction, key: bytes) -> bool:
    newest = tx.events.latest(2)
    if not newest or tx.followed.find() is not None:  # a replica's log is chained by its primary
        return True
    previous = newest[1].chain_hash if len(newest) > 1 else FIRST_HASH
    return _holds(newest[0], previous, key=key) or any(
        _holds(first, FIRST_HASH, key=key) for first in tx.events.since(0, limit=1)
    )


def _holds(entry: Entry, previous: bytes, *, key: bytes) -> bool:
    body = entry_body(serial=entry.serial, at=entry.at, actor=entry.actor, event_json=encode_event(entry.event))
    return hmac.compare_digest(chain_hash(key, previous, body=body), entry.chain_hash)
