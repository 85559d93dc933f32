"""What the services need from outside, as protocols; `adapters/` implement them.

Transactions are plain synchronous functions handed to the catalog, which runs them
in a thread of its own, so that nobody can await inside one. Adapters raise only the
errors of `core/errors.py`: `Unavailable`, `StorageFull`, `StorageFault`, `Conflict`,
`UpstreamFault`.
"""

from __future__ import annotations

from strongroom.ports.blobs import BlobInfo, Blobs, Incoming, Inspector
from strongroom.ports.catalog import Catalog, CatalogHealth, Transaction
from strongroom.ports.mirror import Arriving, AskedFor, KnownNames, Mirror, NameKnowledge
from strongroom.ports.outside import Clock, Passwords, Seals, Secrets
from strongroom.ports.ownership import demand_own_blobs
from strongroom.ports.passage import (
    AskedNames,
    Copies,
    Exemptions,
    NameLists,
    Promotions,
    Reservations,
    UpstreamPages,
)
from strongroom.ports.removals import Remover
from strongroom.ports.replica import FollowedServer, OpenPrimary, Primary
from strongroom.ports.tables import Events, Files, Indexes, Leases, Projects, StoreIds, Tokens, Turns, Users
from strongroom.ports.upstream import Body, Missing, Origin, PageBody, PageReader, Part, Unchanged, UpstreamClient

__all__ = [
    "Arriving",
    "AskedFor",
    "AskedNames",
    "BlobInfo",
    "Blobs",
    "Body",
    "Catalog",
    "CatalogHealth",
    "Clock",
    "Copies",
    "Events",
    "Exemptions",
    "Files",
    "FollowedServer",
    "Incoming",
    "Indexes",
    "Inspector",
    "KnownNames",
    "Leases",
    "Mirror",
    "Missing",
    "NameKnowledge",
    "NameLists",
    "OpenPrimary",
    "Origin",
    "PageBody",
    "PageReader",
    "Part",
    "Passwords",
    "Primary",
    "Projects",
    "Promotions",
    "Remover",
    "Reservations",
    "Seals",
    "Secrets",
    "StoreIds",
    "Tokens",
    "Transaction",
    "Turns",
    "Unchanged",
    "UpstreamClient",
    "UpstreamPages",
    "Users",
    "demand_own_blobs",
]
