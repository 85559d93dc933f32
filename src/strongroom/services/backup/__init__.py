"""Backup and restore: one package, one use case a module.

`Backups` is what the others see of it; how a backup is laid out is decided in
`core/backup.py`.
"""

from __future__ import annotations

from strongroom.services.backup.creating import CreateReport
from strongroom.services.backup.reading import Backup, fetch_key, is_key_of, list_backups, read_backup
from strongroom.services.backup.restoring import RestoreReport, name_some
from strongroom.services.backup.use_cases import Backups
from strongroom.services.backup.verifying import (
    BackupFault,
    ChainState,
    KeyRing,
    Origin,
    VerifyReport,
    verify_backup,
)

__all__ = [
    "Backup",
    "BackupFault",
    "Backups",
    "ChainState",
    "CreateReport",
    "KeyRing",
    "Origin",
    "RestoreReport",
    "VerifyReport",
    "fetch_key",
    "is_key_of",
    "list_backups",
    "name_some",
    "read_backup",
    "verify_backup",
]
