"""METADATA of short wheels: the wheel is fetched whole, and read as soon as it is verified, before it is stored."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from strongroom.core.errors import StorageFault, StorageFull, StrongroomError, Unavailable, UpstreamFault
from strongroom.core.mirrored import Copy
from strongroom.services.mirror.arrivals import Arrival
from strongroom.services.mirror.sidecar_saving import Sidecar, SidecarSaver
from strongroom.services.mirror.sidecars import SHORT_BYTES
from tests.archives.wheels import Wheel
from tests.factories import a_copy
from tests.services.house import until, wait
from tests.services.mirror.arriving import (
    INDEX,
    METADATA,
    WHEEL,
    Passage,
    begin,
    digest_of,
    kinds,
    offer_wheel,
    read_all,
    settle,
)
from tests.services.mirror.test_arrivals import CUT, ScriptedBody, scripted

BYTES = Wheel(metadata=METADATA).build()
WRONG = {
    "other bytes": (BYTES[:-1] + b"\x01", "upstream-digest"),
    "too few": (BYTES[:-1], "upstream-size"),
    "too many": (BYTES + b"\x00", "upstream-size"),
    "none": (b"", "upstream-size"),
}


def an_arrival() -> Arrival:
    """Make an arrival that nothing has come of."""
    passage = Passage()
    return Arrival(offer_wheel(passage), passage.blobs)


def test_verified_is_before_stored() -> None:
    """Neither the answer nor all bytes are enough; all who wait are told, and whoever asks later at once."""

    async def scene() -> None:
        arrival, passage = an_arrival(), Passage()
        waiting = [begin(arrival.verified()) for _ in range(2)]
        incoming = await passage.blobs.receive()
        arrival.begin(len(BYTES), incoming)
        arrival.add(BYTES)
        await settle()
        assert not [task for task in waiting if task.done()]
        arrival.verify()
        await asyncio.gather(*waiting)
        await arrival.verified()
        stored = begin(arrival.stored())
        await settle()
        assert not stored.done()
        arrival.finish(a_copy())
        assert await stored == a_copy()
        await arrival.verified()
        await incoming.discard()

    wait(scene())


def test_what_fails_is_not_verified() -> None:
    """Each who waits gets the fault, as an error of his own."""

    async def scene() -> None:
        arrival = an_arrival()
        waiting = [begin(arrival.verified()) for _ in range(2)]
        await settle()
        arrival.fail(UpstreamFault("upstream-digest", "Other bytes", "Try again."))
        faults = await asyncio.gather(*waiting, return_exceptions=True)
        assert [(type(fault), getattr(fault, "code", "")) for fault in faults] == [
            (UpstreamFault, "upstream-digest")
        ] * 2
        assert faults[0] is not faults[1]
        with pytest.raises(UpstreamFault, match="Other bytes"):
            await arrival.verified()

    wait(scene())


def test_what_is_verified_stays_so_when_storing_fails() -> None:
    """Only who waits for the store is told."""

    async def scene() -> None:
        arrival = an_arrival()
        arrival.verify()
        arrival.fail(StorageFull("disk-full", "Full"))
        await arrival.verified()
        with pytest.raises(StorageFull):
            await arrival.stored()

    wait(scene())


def test_what_was_here_after_all_is_verified() -> None:
    """Another process has stored it meanwhile."""

    async def scene() -> None:
        arrival = an_arrival()
        waiting = begin(arrival.verified())
        await settle()
        arrival.finish(a_copy())
        assert await waiting is None

    wait(scene())


def test_metadata_of_a_short_wheel_does_not_wait_for_the_store() -> None:
    """It comes while the store hangs, byte for byte; then the file is here as well, and was fetched once."""

    async def scene() -> None:
        passage = Passage()
        passage.blobs.keep_gate = asyncio.Event()
        file = offer_wheel(passage)
        assert file.size_bytes is not None
        assert file.size_bytes <= SHORT_BYTES
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        assert file.sha256 not in passage.blobs.digests()
        found = await passage.mirror.find_copy(file)
        assert found is not None
        assert (found.metadata_sha256, found.stored_at) == (digest_of(METADATA), None)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        passage.blobs.keep_gate.set()
        assert (await passage.fetch(file)).stored_at is not None
        await passage.mirror.close()
        (copy,) = await passage.copies()
        assert (copy.sha256, copy.metadata_sha256, copy.licence) == (file.sha256, digest_of(METADATA), "MIT")
        assert copy.stored_at is not None
        assert passage.blobs.digests() == {file.sha256, digest_of(METADATA)}
        assert kinds(passage) == ["file"]
        await passage.assert_tidy()

    wait(scene())


@pytest.mark.parametrize("fault", [StorageFull("disk-full", "Full"), StorageFault("disk-fault", "Broken")])
def test_metadata_of_a_short_wheel_comes_though_the_store_fails(
    fault: StrongroomError, caplog: pytest.LogCaptureFixture
) -> None:
    """The wheel is not kept, as the log says; its METADATA is true all the same."""

    async def scene() -> None:
        passage = Passage()
        passage.blobs.keep_fails = fault
        file = offer_wheel(passage)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        with pytest.raises(type(fault)):
            await passage.fetch(file)
        await passage.mirror.close()
        assert passage.blobs.digests() == {digest_of(METADATA)}
        assert [copy.stored_at for copy in await passage.copies()] == [None]
        await passage.assert_tidy()

    wait(scene())
    assert set(caplog.messages) == {"a file of an upstream was not taken"}
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


@pytest.mark.parametrize(("content", "code"), WRONG.values(), ids=WRONG.keys())
def test_wrong_bytes_give_no_metadata(content: bytes, code: str) -> None:
    """Though METADATA could be read from them; nothing is kept, and who asks again is told the same."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, content, promised=BYTES)
        for _ in range(2):
            with pytest.raises(UpstreamFault) as raised:
                await passage.mirror.get_metadata(INDEX, file)
            assert raised.value.code == code
        assert await passage.mirror.find_copy(file) is None
        await passage.mirror.close()
        await passage.assert_nothing_stored()

    wait(scene())


def test_a_wheel_that_breaks_off_gives_no_metadata() -> None:
    """It is fetched once more, as for whoever downloads it; then the fault is told."""

    async def scene() -> None:
        passage, _, script = scripted(ScriptedBody((BYTES[:100], CUT)), ScriptedBody((BYTES[:50], CUT)))
        with pytest.raises(UpstreamFault) as raised:
            await passage.mirror.get_metadata(INDEX, passage.offer(WHEEL, BYTES))
        assert raised.value.code == CUT.code
        assert (script.opened, script.closed) == (2, 2)
        await passage.mirror.close()
        await passage.assert_nothing_stored()

    wait(scene())


def test_a_short_file_that_is_no_wheel_inside_has_no_metadata_and_is_kept() -> None:
    """These are the promised bytes, so installers may have them; they can be read by nobody."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"no archive")
        with pytest.raises(UpstreamFault) as raised:
            await passage.mirror.get_metadata(INDEX, file)
        assert raised.value.code == "wheel-unreadable"
        assert (await passage.fetch(file)).size_bytes == len(b"no archive")
        await passage.mirror.close()
        assert passage.blobs.digests() == {file.sha256}
        assert kinds(passage) == ["file"]

    wait(scene())


def test_metadata_of_a_verified_wheel_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was read from the promised bytes themselves, whatever the upstream relays beside them."""
    saved: list[Sidecar] = []
    save = SidecarSaver.save

    def note(saver: SidecarSaver, *given: Any) -> None:  # Any: its arguments, unchanged
        saved.append(given[1])
        save(saver, *given)

    monkeypatch.setattr(SidecarSaver, "save", note)

    async def scene() -> None:
        passage = Passage()
        file = offer_wheel(passage, relayed=b"Name: evil", promised=METADATA)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        assert [(sidecar.content, sidecar.is_proven) for sidecar in saved] == [(METADATA, True)]
        assert kinds(passage) == ["small", "file"]
        await passage.mirror.close()
        assert digest_of(b"Name: evil") not in passage.blobs.digests()

    wait(scene())


def test_readers_of_metadata_and_of_the_wheel_share_one_fetch() -> None:
    """An installer asks for METADATA and downloads; all have theirs before the store has the file."""

    async def scene() -> None:
        gate = asyncio.Event()
        passage, _, script = scripted(ScriptedBody((BYTES[:1000], gate, BYTES[1000:])))
        passage.blobs.keep_gate = asyncio.Event()
        file = passage.offer(WHEEL, BYTES)
        resolving = [begin(passage.mirror.get_metadata(INDEX, file)) for _ in range(20)]
        downloading = begin(read_all(await passage.arriving(file)))
        resolving[0].cancel()
        await settle()
        assert not [task for task in (downloading, *resolving[1:]) if task.done()]
        gate.set()
        assert await asyncio.gather(*resolving[1:]) == [METADATA] * 19
        assert await downloading == BYTES
        assert passage.blobs.digests() == set()
        assert script.opened == 1
        passage.blobs.keep_gate.set()
        assert isinstance(await passage.fetch(file), Copy)
        await passage.mirror.close()
        await passage.assert_tidy()

    wait(scene())


def test_the_end_of_the_server_breaks_off_a_short_wheel() -> None:
    """Who waits for its METADATA is told, and nothing of it stays."""

    async def scene() -> None:
        passage, _, script = scripted(ScriptedBody((BYTES[:1000], asyncio.Event())))
        asking = begin(passage.mirror.get_metadata(INDEX, passage.offer(WHEEL, BYTES)))
        await until(lambda: script.opened == 1)
        await settle()
        await passage.mirror.close()
        with pytest.raises((Unavailable, asyncio.CancelledError)):
            await asking
        assert script.closed == 1
        await passage.assert_nothing_stored()

    wait(scene())
