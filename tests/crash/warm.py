"""Imported once, by the process that the others are forked from: everything that opening a store imports.

Some of it is imported only when a store is opened, so one is opened, used and closed.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.crash import checker, writer
from tests.crash.checker import Question
from tests.crash.store import opened
from tests.crash.work import wheel_of


async def _use_everything(data: Path) -> None:
    async with opened(data) as store:
        await store.upload(wheel_of("0.0.0"))


with tempfile.TemporaryDirectory() as directory:
    asyncio.run(_use_everything(Path(directory)))

__all__ = ["Question", "checker", "writer"]
