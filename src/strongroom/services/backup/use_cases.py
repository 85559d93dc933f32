"""The use cases of backup and restore that need a store; administrators only.

What needs only the target (a list, a proof) are functions of `reading.py` and
`verifying.py`. Writes no event: nothing that the store holds is changed by a backup, and
a restored log is the old one.
"""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.core.access import SERVER, Right
from strongroom.core.backup import Options
from strongroom.core.caller import Caller
from strongroom.ports import Blobs, Catalog, Clock, Secrets
from strongroom.ports.backup import BackupTarget, Tables
from strongroom.services.backup.creating import CreateReport, Creating
from strongroom.services.backup.restoring import RestoreReport, Restoring
from strongroom.services.backup.transfer import Progress


@dataclass(frozen=True, slots=True)
class Backups:
    """Makes backups of the store, and fills an empty one."""

    tables: Tables
    catalog: Catalog
    blobs: Blobs
    clock: Clock
    secrets: Secrets

    async def create(
        self,
        caller: Caller,
        target: BackupTarget,
        *,
        with_cache: bool = True,
        key: bytes | None = None,
        progress: Progress | None = None,
    ) -> CreateReport:
        """Back the store up while it is used; `key` is the server's, given when the backup shall carry secrets.

        Raises `Conflict` for a second backup in the same millisecond, and what the target raises.
        """
        await self._demand(caller)
        options = Options(with_cache=with_cache, with_secrets=key is not None)
        work = Creating(
            tables=self.tables,
            catalog=self.catalog,
            blobs=self.blobs,
            clock=self.clock,
            secrets=self.secrets,
            target=target,
            options=options,
            key=key,
        )
        return await work.create(progress)

    async def restore(
        self,
        caller: Caller,
        target: BackupTarget,
        *,
        name: str | None = None,
        accepts_missing: bool = False,
        progress: Progress | None = None,
    ) -> RestoreReport:
        """Fill the empty store from that backup, or the newest; with `accepts_missing` also from what is left of it.

        Raises `NotFound`, `Conflict` for a store that is not empty, one that has another key or
        a backup that does not fit this program, and `StorageFault` for a damaged or
        incomplete one, or one that no server with this key made.
        """
        await self._demand(caller)
        work = Restoring(
            tables=self.tables,
            catalog=self.catalog,
            blobs=self.blobs,
            clock=self.clock,
            secrets=self.secrets,
            target=target,
            accepts_missing=accepts_missing,
        )
        return await work.restore(name, progress)

    async def _demand(self, caller: Caller) -> None:
        await self.catalog.read(lambda tx: caller.demand(Right.ADMINISTER, SERVER, indexes=tx.indexes.list()))
