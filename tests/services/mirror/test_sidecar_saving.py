"""What lies beside files is stored a little later, and found until then."""

from __future__ import annotations

from functools import partial

import pytest

from strongroom.core.errors import StorageFault
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.names import Sha256
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.later import LaterKeeping
from strongroom.services.mirror.lull import Lull
from strongroom.services.mirror.sidecar_saving import Sidecar, SidecarSaver
from strongroom.services.mirror.writes import Writes
from tests.factories import an_upstream_file, sha256_of
from tests.replacing import replace
from tests.services.house import until, wait
from tests.services.mirror.arriving import Passage, settle

LONG_SECONDS = 600.0


class Desk:
    """A saver on a passage's stores, and which files it had confirmed."""

    def __init__(self, quiet_seconds: float = LONG_SECONDS) -> None:
        self.passage = Passage()
        self.confirmed: list[tuple[UpstreamFile, Copy]] = []
        self.copies = KeptCopies(self.passage.parts, Writes(self.passage.catalog))
        self.keeper = LaterKeeping(self.copies, Lull(quiet_seconds))
        self.saver = SidecarSaver(self.copies, self.keeper, self.confirm)

    async def confirm(self, file: UpstreamFile, copy: Copy) -> None:
        """Remember what was to be confirmed."""
        self.confirmed.append((file, copy))

    def save(self, number: int, *, is_proven: bool = True, fault: Exception | None = None) -> UpstreamFile:
        """Hand the METADATA of a wheel to the saver; with a fault its bytes cannot be stored."""
        file = an_upstream_file(f"demo-{number}-py3-none-any.whl")
        content = f"METADATA {number}"
        sha256 = sha256_of(content)

        async def store() -> Sha256:
            if fault is not None:
                raise fault
            return await self.passage.blobs.put(content.encode())

        keeping = Keeping(sha256, store, partial(replace, metadata_sha256=sha256))
        self.saver.save(file.filename, Sidecar(file, "METADATA", content.encode(), keeping, is_proven=is_proven))
        return file

    async def kept(self) -> set[str]:
        """Return the names of the files whose METADATA is kept."""
        return {copy.filename for copy in await self.passage.copies()}

    async def close(self) -> None:
        """End keeper and saver."""
        await self.keeper.close()
        await self.saver.close()


def test_what_is_not_stored_yet_is_found_all_the_same() -> None:
    """Its copy tells of it, too; once it is stored, the catalog does."""

    async def scene() -> None:
        desk = Desk()
        files = [desk.save(number) for number in range(3)]
        await settle()
        assert desk.saver.find(files[1].filename) == b"METADATA 1"
        shown = await desk.copies.find(files[1])
        assert shown is not None
        assert shown.metadata_sha256 == sha256_of("METADATA 1")
        assert await desk.kept() == set()
        await desk.close()
        assert desk.saver.find(files[1].filename) is None
        assert await desk.kept() == {file.filename for file in files}
        assert desk.confirmed == []

    wait(scene())


def test_what_may_be_forged_is_stored_and_compared_at_once() -> None:
    """And by itself: the others wait on."""

    async def scene() -> None:
        desk = Desk()
        patient = desk.save(1)
        doubtful = desk.save(2, is_proven=False)
        await until(lambda: desk.saver.find(doubtful.filename) is None)
        assert [file for file, _ in desk.confirmed] == [doubtful]
        assert await desk.kept() == {doubtful.filename}
        assert desk.saver.find(patient.filename) is not None
        await desk.close()

    wait(scene())


@pytest.mark.parametrize("fault", [StorageFault("blob-fault", "Bad luck"), ZeroDivisionError("ours")])
def test_what_cannot_be_stored_is_logged_and_forgotten(fault: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """It is fetched again when somebody wants it; what comes later is stored as ever."""

    async def scene() -> None:
        desk = Desk(0)
        bad = desk.save(1, fault=fault)
        await until(lambda: desk.saver.find(bad.filename) is None)
        good = desk.save(2)
        await desk.close()
        assert await desk.kept() == {good.filename}
        await desk.passage.assert_tidy()

    wait(scene())
    (record,) = caplog.records
    assert record.message == "what lies beside a file could not be kept"
    assert (record.exc_info is None) == isinstance(fault, StorageFault)
