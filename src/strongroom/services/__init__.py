"""The use cases: one module for each family, one method for each case.

Each method says who asks, loads, decides, stores and tells, in one transaction.
Knows neither HTTP nor SQL; use cases don't call each other. `Services` holds one of
each, as `bootstrap` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that one use case can be imported without all others
    from strongroom.ports import Blobs, Catalog, Clock, Secrets
    from strongroom.services.accounts import Accounts
    from strongroom.services.audit import Audit
    from strongroom.services.backup import Backups
    from strongroom.services.browse import Browse
    from strongroom.services.download import Download
    from strongroom.services.exemptions import Exemptions
    from strongroom.services.explain import Explain
    from strongroom.services.importing import Importing
    from strongroom.services.indexes import Indexes
    from strongroom.services.mirror.mirror import Passage
    from strongroom.services.ownership import Ownership
    from strongroom.services.prefetch import Prefetch
    from strongroom.services.promotion import Promotions
    from strongroom.services.publish import Publish
    from strongroom.services.releases import Releases
    from strongroom.services.replica import ChangeFeed, Replica
    from strongroom.services.setup import Setup
    from strongroom.services.shield import Shield
    from strongroom.services.sign_in import SignIn
    from strongroom.services.sweep import Sweep
    from strongroom.services.tokens import Tokens
    from strongroom.services.trial import Trial
    from strongroom.services.turns import Turns
    from strongroom.services.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Services:
    """All use cases, and the stores below them."""

    catalog: Catalog
    blobs: Blobs
    clock: Clock
    secrets: Secrets
    accounts: Accounts
    audit: Audit
    backups: Backups
    browse: Browse
    change_feed: ChangeFeed
    download: Download
    exemptions: Exemptions
    explain: Explain
    importing: Importing
    indexes: Indexes
    ownership: Ownership
    passage: Passage
    prefetch: Prefetch
    promotions: Promotions
    publish: Publish
    releases: Releases
    replica: Replica
    setup: Setup
    shield: Shield
    sign_in: SignIn
    sweep: Sweep
    tokens: Tokens
    trial: Trial
    turns: Turns
    upkeep: Upkeep
