"""The real store as the killed processes use it: real catalog, real blobs, the archive gate in the same process.

The gate's own child processes are left out here because nothing of the write path is
in them; the proof with whole servers has them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from strongroom.adapters.inspector.inline import InlineInspector
from strongroom.bootstrap import local_operator, open_store
from strongroom.config import Settings
from strongroom.core.caller import Caller
from strongroom.core.names import IndexName, parse_filename
from strongroom.core.upload import Published, UploadForm
from strongroom.ports import Blobs
from strongroom.services import Services
from strongroom.services.publish import Publish
from tests.crash.hasty import HastyBlobs
from tests.crash.wheel import Wheel

MAIN = IndexName("main")
_CHUNK_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class Store:
    """The services, and publishing through the blobs that the trial is about."""

    services: Services
    publish: Publish
    caller: Caller

    async def upload(self, wheel: Wheel) -> Published:
        """Publish the wheel as the upload handler does: in chunks, then the form."""
        async with self.publish.begin(self.caller, MAIN) as upload:
            for start in range(0, len(wheel.content), _CHUNK_BYTES):
                await upload.write(wheel.content[start : start + _CHUNK_BYTES])
            return await upload.finish(UploadForm(filename=parse_filename(wheel.filename)))


@asynccontextmanager
async def opened(data: Path, *, is_hasty: bool = False) -> AsyncIterator[Store]:
    """Open the store in `data`, making it if it is not there."""
    async with open_store(Settings(data=str(data), min_free_bytes=0)) as services:
        caller = local_operator()
        await services.indexes.ensure_first(caller)
        blobs: Blobs = HastyBlobs(data) if is_hasty else services.blobs
        publish = replace(services.publish, blobs=blobs, inspector=InlineInspector())
        yield Store(services, publish, caller)
