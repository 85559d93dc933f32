"""Inspects archives in the server's own process: for tests, where the files are their own."""

from __future__ import annotations

from pathlib import Path

from strongroom.core.archive import Inspected, inspect_archive
from strongroom.core.names import Filename
from strongroom.core.policy import Refuse


class InlineInspector:
    """The inspector without a process and without limits on time and memory."""

    async def inspect(self, path: Path, filename: Filename, *, size_bytes: int) -> Inspected | Refuse:
        with path.open("rb") as file:  # a test's file is small
            return inspect_archive(file, filename)

    async def close(self) -> None: ...
