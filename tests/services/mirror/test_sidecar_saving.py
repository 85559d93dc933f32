"""What lies beside files is stored a little later, together, and one culprit spoils nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.names import Sha256
from strongroom.services.mirror import sidecar_saving
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.sidecar_saving import Sidecar, SidecarSaver
from strongroom.services.mirror.writes import Writes
from tests.factories import an_upstream_file, sha256_of
from tests.replacing import replace
from tests.services.house import until, wait
from tests.services.mirror.arriving import Passage


class Desk:
    """A saver on a passage's stores, and which files it had confirmed."""

    def __init__(self) -> None:
        self.passage = Passage()
        self.confirmed: list[tuple[UpstreamFile, Copy]] = []
        self.copies = KeptCopies(self.passage.parts, Writes(self.passage.catalog))
        self.saver = SidecarSaver(self.copies, self.confirm)
        self.leases_seen: list[int] = []

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
            self.leases_seen.append(len(await self.passage.catalog.read(lambda tx: tx.leases.list())))
            return await self.passage.blobs.put(content.encode())

        keeping = Keeping(sha256, store, partial(replace, metadata_sha256=sha256))
        self.saver.save(file.filename, Sidecar(file, "METADATA", content.encode(), keeping, is_proven=is_proven))
        return file

    async def kept(self) -> set[str]:
        """Return the names of the files whose METADATA is kept."""
        return {copy.filename for copy in await self.passage.copies()}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidecar_saving, "DELAY_SECONDS", 0.05)


def test_many_are_stored_under_one_lease_in_one_transaction() -> None:
    """Until then they are found here, and their copies tell of them."""

    async def scene() -> None:
        desk = Desk()
        files = [desk.save(number) for number in range(30)]
        mark = desk.passage.catalog.change_mark()
        assert desk.saver.find(files[3].filename) == b"METADATA 3"
        shown = await desk.copies.find(files[3])
        assert shown is not None
        assert shown.metadata_sha256 == sha256_of("METADATA 3")
        assert await desk.kept() == set()
        await until(lambda: desk.saver.find(files[3].filename) is None)
        assert await desk.kept() == {file.filename for file in files}
        assert desk.passage.catalog.change_mark() == mark + 2
        assert set(desk.leases_seen) == {1}
        await desk.passage.assert_tidy()
        assert desk.confirmed == []

    wait(scene())


def test_closing_stores_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what came while others were being stored."""
    monkeypatch.setattr(sidecar_saving, "DELAY_SECONDS", 600)
    monkeypatch.setattr(sidecar_saving, "_TOGETHER", 2)

    async def scene() -> None:
        desk = Desk()
        await desk.saver.close()
        desk = Desk()
        files = [desk.save(number) for number in range(5)]
        await asyncio.sleep(0)
        await desk.saver.close()
        assert await desk.kept() == {file.filename for file in files}

    wait(scene())


@pytest.mark.parametrize("why", ["many bytes", "not proven"])
def test_some_do_not_wait(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Much memory is not held for long, nor is METADATA given out for long that may be forged."""
    monkeypatch.setattr(sidecar_saving, "DELAY_SECONDS", 600)
    monkeypatch.setattr(sidecar_saving, "_HURRY_BYTES", 20 if why == "many bytes" else 1_000_000)

    async def scene() -> None:
        desk = Desk()
        desk.save(1)
        await asyncio.sleep(0.01)
        assert await desk.kept() == set()
        second = desk.save(2, is_proven=why != "not proven")
        await until(lambda: desk.saver.find(second.filename) is None)
        assert len(await desk.kept()) == 2
        assert [file for file, _ in desk.confirmed] == ([] if why == "many bytes" else [second])
        third = desk.save(3)  # waits as long as ever
        await asyncio.sleep(0.01)
        assert desk.saver.find(third.filename) is not None
        await desk.saver.close()

    wait(scene())


def test_one_that_cannot_be_stored_spoils_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and left to be fetched again."""

    async def scene() -> None:
        desk = Desk()
        good, _, other = desk.save(1), desk.save(2, fault=StorageFault("blob-fault", "Bad luck")), desk.save(3)
        await desk.saver.close()
        assert await desk.kept() == {good.filename, other.filename}
        await desk.passage.assert_tidy()

    wait(scene())
    (record,) = caplog.records
    assert record.message == "what lies beside a file could not be kept"
    assert record.__dict__["fields"]["filename"] == "demo-2-py3-none-any.whl"


def test_a_catalog_that_cannot_be_reached_is_asked_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each by itself would fail as well, and take long."""
    asked: list[int] = []

    async def scene() -> None:
        desk = Desk()
        for number in range(3):
            desk.save(number, fault=Unavailable("catalog-busy", "The catalog is busy"))
        store_all = desk.copies.keep_all

        async def counted(wanted: Sequence[tuple[UpstreamFile, Keeping]]) -> list[Copy]:
            asked.append(len(wanted))
            return await store_all(wanted)

        desk.copies.keep_all = counted  # type: ignore[method-assign]
        await desk.saver.close()

    wait(scene())
    assert asked == [3]
    assert len(caplog.records) == 3


def test_a_mistake_of_ours_does_not_end_the_saving(caplog: pytest.LogCaptureFixture) -> None:
    """What comes later is stored as ever."""

    async def scene() -> None:
        desk = Desk()
        first = desk.save(1, fault=ZeroDivisionError("ours"))
        await until(lambda: desk.saver.find(first.filename) is None)
        second = desk.save(2)
        await desk.saver.close()
        assert await desk.kept() == {second.filename}

    wait(scene())
    assert caplog.messages == ["what lies beside files could not be kept"]
