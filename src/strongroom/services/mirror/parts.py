"""What all parts of the mirror work with: the stores, the network, and where an index's upstream is.

Decides whether an upstream may be asked at all, and with which credentials. Does not
ask it.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.core.errors import UpstreamFault
from strongroom.core.model import Index
from strongroom.core.upstream import Upstream
from strongroom.ports import Blobs, Catalog, Clock, Origin, PageReader, Remover, Seals, Secrets, UpstreamClient


@dataclass(frozen=True, slots=True)
class Parts:
    """The stores and the network.

    `offline`: no upstream of any index is asked. `is_alone`: no other process serves this catalog.
    """

    catalog: Catalog
    blobs: Blobs
    client: UpstreamClient
    seals: Seals
    clock: Clock
    secrets: Secrets
    remover: Remover
    pages: PageReader
    offline: bool = False
    is_alone: bool = False

    def is_offline(self, index: Index) -> bool:
        """Return whether the index's upstream is never asked."""
        return self.offline or upstream_of(index).is_offline

    def origin(self, index: Index) -> Origin:
        """Return where the index's upstream is, with its credentials.

        Raises `UpstreamFault` when it may not be asked, `StorageFault` when the
        credentials were sealed with another key.
        """
        upstream = upstream_of(index)
        if self.is_offline(index):
            raise UpstreamFault(
                "offline",
                f"The index '{index.name}' is offline, and this is not among what it has kept",
                "Fill the cache while it is online (strongroom mirror sync), or let it go online.",
            )
        if upstream.credentials is None:
            return Origin(upstream.url)
        username, _, password = self.seals.unseal(upstream.credentials).partition(":")
        return Origin(upstream.url, username, password)


def upstream_of(index: Index) -> Upstream:
    """Return the settings of the index's upstream; raises `UpstreamFault` when it has none."""
    if index.upstream is None:
        raise UpstreamFault(
            "no-upstream",
            f"The index '{index.name}' has no upstream",
            "Give it one (strongroom index set), or ask an index that has one.",
        )
    return index.upstream
