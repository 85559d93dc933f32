"""`ports.backup.BackupTarget` in memory, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

from strongroom.core.errors import StorageFault
from strongroom.ports.backup import Kept


class MemoryTarget:
    """Files in a dictionary, which a test may read and damage; `written` says in which order they came."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.written: list[str] = []

    async def list(self, folder: str) -> AsyncIterator[Kept]:
        """Yield every file below the folder."""
        for path, data in list(self.files.items()):
            if path.startswith(f"{folder}/"):
                yield Kept(path, len(data))

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the file; when the chunks fail, nothing is stored."""
        data = b"".join([chunk async for chunk in chunks])
        self.files[path] = data
        self.written.append(path)

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """Yield the file; raises `StorageFault` when it is missing."""
        if path not in self.files:
            raise StorageFault("backup-file-missing", f"{path} is missing in the target", "Use another backup.")
        yield self.files[path]
