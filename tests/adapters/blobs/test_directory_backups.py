"""A directory for backups: what the operating system says when there is too little of something."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from strongroom.adapters.blobs.directory_backups import DirectoryTarget
from strongroom.core.errors import StorageFault, StorageFull, StrongroomError, Unavailable


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [
        (errno.EMFILE, Unavailable, "too-many-files"),
        (errno.ENOSPC, StorageFull, "backup-full"),
        (errno.EIO, StorageFault, "backup-target"),
        (errno.ENOENT, StorageFault, "backup-file-missing"),
    ],
)
def test_what_fails_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, number: int, error: type[StrongroomError], code: str
) -> None:
    """Too many open files pass by themselves, and damage no backup."""

    def fail(*_: object, **__: object) -> object:
        raise OSError(number, os.strerror(number))

    async def read() -> list[bytes]:
        return [chunk async for chunk in DirectoryTarget(tmp_path).read("backups/x")]

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(error) as raised:
        asyncio.run(read())
    assert raised.value.code == code
