"""Who removes blobs, as the use cases see it that say which."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from strongroom.core.names import Sha256
from strongroom.ports.catalog import Transaction


class Remover(Protocol):
    """Takes blobs away that nobody needs, and keeps everybody from relying on them meanwhile."""

    async def remove(self, choose: Callable[[Transaction], Collection[Sha256]]) -> frozenset[Sha256]:
        """Let the function choose in a transaction, 500 at most; remove those that nobody needs, and return them.

        The function may change rows. Raises `StorageFault` when the blobs are not known to be
        the catalog's own or cannot be removed, `Unavailable` when that takes too long.
        """
        ...
