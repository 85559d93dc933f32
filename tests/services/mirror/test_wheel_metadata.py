"""METADATA read out of upstream wheels: by ranges, or from the stored wheel, which wins."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.core.archive.remote_metadata import Wanted
from strongroom.core.errors import UpstreamFault
from strongroom.core.upstream import Delivery
from strongroom.ports import Origin, Part
from strongroom.services.mirror import sidecars, wheel_metadata
from tests.archives.wheels import Wheel
from tests.factories import a_mirror, an_upstream
from tests.replacing import replace
from tests.services.house import wait
from tests.services.mirror.arriving import INDEX, METADATA, WHEEL, Passage, digest_of, kinds, offer_wheel, settle

LARGE = {f"demo/{number}.py": bytes(f"# {number}\n" * 900, "ascii") for number in range(900)}
SCATTERED = Wheel(metadata=METADATA, files={"demo/data.bin": random.Random(1).randbytes(300_000)})
"""Its METADATA lies before something that does not compress: beyond the end that is fetched first."""


@pytest.fixture(autouse=True)
def _no_short_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no wheel be so short that it is fetched whole at once."""
    monkeypatch.setattr(sidecars, "SHORT_BYTES", 0)


class Forger(MemoryUpstreams):
    """An upstream whose ranges can be forged: what `forge` returns is given instead."""

    forged: bytes | None = None

    async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
        """Return a part, of the forged wheel if there is one."""
        true = self.site.bytes_instead[url]
        if self.forged is not None:
            self.site.bytes_instead[url] = self.forged
        try:
            return await super().get_part(origin, url, start=start, length=length)
        finally:
            self.site.bytes_instead[url] = true


@pytest.mark.parametrize("wheel", [Wheel(metadata=METADATA), Wheel(metadata=METADATA, files=LARGE)])
@pytest.mark.parametrize("ranges", ["ranges", "no ranges"])
def test_metadata_is_made_where_the_upstream_has_none(wheel: Wheel, ranges: str) -> None:
    """Byte for byte; of a large wheel only the end and a little more is fetched, unless there are no ranges."""

    async def scene() -> None:
        passage = Passage()
        passage.client.site.has_ranges = ranges == "ranges"
        file = passage.offer(WHEEL, wheel.build())
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        await passage.mirror.close()
        copy = (await passage.copies())[0]
        assert (copy.metadata_sha256, copy.licence) == (digest_of(METADATA), "MIT")
        assert (copy.stored_at is None) == (ranges == "ranges")
        assert ("file" in kinds(passage)) == (ranges == "no ranges")
        await passage.assert_tidy()

    wait(scene())


@pytest.mark.parametrize("delivery", Delivery)
def test_a_short_wheel_is_fetched_whole_at_once(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request, and the file is here when it is asked for next; but where no copies are wanted, none is made."""
    monkeypatch.setattr(sidecars, "SHORT_BYTES", 512 * 1024)

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, Wheel(metadata=METADATA).build())
        index = a_mirror(upstream=replace(an_upstream(), delivery=delivery))
        assert await passage.mirror.get_metadata(index, file) == METADATA
        await passage.mirror.close()
        (copy,) = await passage.copies()
        assert (copy.stored_at is not None) == (delivery is Delivery.CACHE)
        assert set(kinds(passage)) == ({"file"} if delivery is Delivery.CACHE else {"part"})

    wait(scene())


def test_a_stored_wheel_is_read_here() -> None:
    """The upstream is not asked; it may be gone, or the index offline."""

    async def scene() -> None:
        passage = Passage()
        file = offer_wheel(passage)
        await passage.fetch(file)
        offline = a_mirror(upstream=replace(an_upstream(), is_offline=True))
        assert await passage.mirror.get_metadata(offline, file) == METADATA
        await passage.mirror.close()
        (copy,) = await passage.copies()
        assert (copy.metadata_sha256, copy.size_bytes) == (digest_of(METADATA), file.size_bytes)
        assert kinds(passage) == ["file"]

    wait(scene())


@pytest.mark.parametrize("order", ["METADATA first", "wheel first"])
def test_forged_ranges_lose_to_the_verified_wheel(order: str, caplog: pytest.LogCaptureFixture) -> None:
    """An upstream gives other METADATA by ranges than in the wheel: once that is stored, its own is served."""

    async def scene() -> None:
        client = Forger()
        passage = Passage(client=client)
        file = replace(offer_wheel(passage), size_bytes=None)
        client.forged = Wheel(metadata=METADATA.replace(b"description", b"DESCRIPTION")).build()
        if order == "wheel first":
            passage.client.chunk_gate = asyncio.Event()
            arriving = await passage.arriving(file)
            await passage.mirror.get_metadata(INDEX, file)
            passage.client.chunk_gate.set()
            await arriving.stored()
        else:
            assert b"DESCRIPTION" in await passage.mirror.get_metadata(INDEX, file)
            await settle()
            await passage.fetch(file)
        await settle()
        await asyncio.sleep(0.05)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        await passage.mirror.close()
        (copy,) = await passage.copies()
        assert copy.metadata_sha256 == digest_of(METADATA)
        await passage.assert_tidy()

    wait(scene())
    assert "an upstream gave other METADATA than its wheel has" in caplog.messages


def test_ranges_of_another_file_are_not_believed() -> None:
    """They tell another length than the page: the whole wheel is fetched and verified."""

    async def scene() -> None:
        client = Forger()
        passage = Passage(client=client)
        file = offer_wheel(passage)
        client.forged = Wheel(metadata=METADATA + b"and more").build()
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        assert kinds(passage)[-1] == "file"
        await passage.mirror.close()

    wait(scene())


def test_ranges_that_change_meanwhile_are_not_believed() -> None:
    """The second one is of a file of another length, or there are none any more."""

    class Fickle(MemoryUpstreams):
        async def get_part(self, origin: Origin, url: str, *, start: int, length: int) -> Part | None:
            part = await super().get_part(origin, url, start=start, length=length)
            if part is None or start < 0:
                return part
            return later.pop()(part)

    later: list[Callable[[Part], Part | None]] = [
        lambda _: None,
        lambda part: replace(part, total_bytes=part.total_bytes + 1),
    ]

    async def scene() -> None:
        for _ in range(2):
            passage = Passage(client=Fickle())
            file = replace(passage.offer(WHEEL, SCATTERED.build()), size_bytes=None)
            assert await passage.mirror.get_metadata(INDEX, file) == METADATA
            assert kinds(passage)[-1] == "file"
            await passage.mirror.close()

    wait(scene())
    assert later == []


def test_ranges_that_never_suffice_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the wheel is made, it takes a handful of requests at most; then the whole is fetched."""
    monkeypatch.setattr(wheel_metadata, "read_remote_metadata", lambda *_, **__: Wanted(0, 1))

    async def scene() -> None:
        passage = Passage()
        file = offer_wheel(passage)
        with pytest.raises(UpstreamFault, match="does not lie where"):
            await passage.mirror.get_metadata(INDEX, file)
        assert kinds(passage) == ["part"] * 6 + ["file"]
        await passage.mirror.close()

    wait(scene())


def test_metadata_that_cannot_be_compared_stays(caplog: pytest.LogCaptureFixture) -> None:
    """The stored wheel is unreadable, or the store is: the file itself is served all the same."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"no archive")
        passage.client.site.bytes_instead[f"{file.url}.metadata"] = METADATA
        copy = await passage.fetch(file)
        await passage.catalog.write(lambda tx: tx.copies.save(replace(copy, metadata_sha256=digest_of(METADATA))))
        await passage.mirror.close()
        sidecars = passage.mirror._sidecars
        await sidecars.confirm(file, replace(copy, metadata_sha256=digest_of(METADATA)))
        assert (await passage.copies())[0].metadata_sha256 == digest_of(METADATA)

    wait(scene())
    assert caplog.messages == ["METADATA could not be compared with its wheel"]


def test_a_wheel_that_nobody_can_read_has_no_metadata() -> None:
    """Ranges and the whole are tried; the error says what is the matter. The wheel itself can be had."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"no archive at all")
        with pytest.raises(UpstreamFault) as refusal:
            await passage.mirror.get_metadata(INDEX, file)
        assert refusal.value.code == "wheel-unreadable"
        await passage.mirror.close()
        (copy,) = await passage.copies()
        assert copy.metadata_sha256 is None
        assert copy.stored_at is not None

    wait(scene())
