"""Which of the use cases the API offers. Publishing has its own URL; upkeep is for the command line."""

from __future__ import annotations

from typing import Protocol

from strongroom.services.accounts import Accounts
from strongroom.services.audit import Audit
from strongroom.services.browse import Browse
from strongroom.services.download import Download
from strongroom.services.exemptions import Exemptions
from strongroom.services.explain import Explain
from strongroom.services.indexes import Indexes
from strongroom.services.promotion import Promotions
from strongroom.services.releases import Releases
from strongroom.services.replica import ChangeFeed, Replica
from strongroom.services.shield import Shield
from strongroom.services.tokens import Tokens
from strongroom.services.trial import Trial


class UseCases(Protocol):
    """What the API works with; `services.Services` has it all."""

    @property
    def accounts(self) -> Accounts:
        """About users and their grants."""
        ...

    @property
    def audit(self) -> Audit:
        """About the event log."""
        ...

    @property
    def browse(self) -> Browse:
        """About what an index offers."""
        ...

    @property
    def change_feed(self) -> ChangeFeed:
        """About what replicas ask for."""
        ...

    @property
    def download(self) -> Download:
        """About one file."""
        ...

    @property
    def exemptions(self) -> Exemptions:
        """About exemptions from rules."""
        ...

    @property
    def explain(self) -> Explain:
        """About why a name is answered as it is."""
        ...

    @property
    def indexes(self) -> Indexes:
        """About indexes."""
        ...

    @property
    def promotions(self) -> Promotions:
        """About releases on their way from index to index."""
        ...

    @property
    def releases(self) -> Releases:
        """About published files."""
        ...

    @property
    def replica(self) -> Replica:
        """About being a replica."""
        ...

    @property
    def shield(self) -> Shield:
        """About names that indexes hold."""
        ...

    @property
    def tokens(self) -> Tokens:
        """About tokens."""
        ...

    @property
    def trial(self) -> Trial:
        """About rules that are not set yet."""
        ...
