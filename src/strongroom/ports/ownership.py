"""The question to ask before any blob is removed: whether these are the catalog's own."""

from __future__ import annotations

from strongroom.core.ownership import demand_removable
from strongroom.ports.blobs import Blobs
from strongroom.ports.catalog import Catalog


async def demand_own_blobs(catalog: Catalog, blobs: Blobs) -> None:
    """Raise `StorageFault` unless these blobs are known to be the catalog's; whoever removes some asks first.

    Also raises `Unavailable` where one of the two does not answer.
    """
    mark = await blobs.read_mark()
    demand_removable(await catalog.read(lambda tx: tx.store.find()), mark)
