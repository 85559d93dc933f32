"""METADATA and provenance of upstream files: byte-exact, from whoever can be trusted, or not at all."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.core.errors import NotFound, UpstreamFault
from strongroom.core.mirrored import UpstreamFile
from strongroom.ports import Origin, Part
from strongroom.services.mirror.sidecars import metadata_url
from tests.archives.wheels import Wheel, metadata_of
from tests.factories import a_mirror, an_upstream
from tests.services.house import wait
from tests.services.mirror.arriving import INDEX, SDIST, WHEEL, Passage, begin, digest_of, settle

METADATA = metadata_of("demo", "1.0", "License-Expression: mit", "X-Odd: \u00fc\r")
LARGE = {f"demo/{number}.py": bytes(f"# {number}\n" * 900, "ascii") for number in range(900)}
PROVENANCE = b'{"version": 1,  "attestation_bundles": []}'


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


def offer_wheel(passage: Passage, *, relayed: bytes | None = None, promised: bytes | None = None) -> UpstreamFile:
    """Offer a wheel; with `promised`, its page advertises METADATA of that digest, and `relayed` is what comes."""
    file = passage.offer(WHEEL, Wheel(metadata=METADATA).build())
    if relayed is not None:
        passage.client.site.bytes_instead[f"{file.url}.metadata"] = relayed
    if promised is not None:
        file = replace(file, has_upstream_metadata=True, metadata_sha256=digest_of(promised))
    return file


def offer_provenance(passage: Passage, content: bytes | None) -> UpstreamFile:
    """Offer a wheel that has provenance."""
    file = replace(offer_wheel(passage), provenance_url="https://upstream.example/provenance")
    if content is not None:
        passage.client.site.bytes_instead["https://upstream.example/provenance"] = content
    return file


def kinds(passage: Passage) -> list[str]:
    """Return what the upstream was asked for, in order."""
    return [asked.kind for asked in passage.client.asked]


def test_metadata_with_a_promised_digest_is_relayed_and_kept() -> None:
    """One small request; the row learns the digest and the licence, and the second client asks nobody."""

    async def scene() -> None:
        passage = Passage()
        file = offer_wheel(passage, relayed=METADATA, promised=METADATA)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        found = await passage.mirror.find_copy(file)  # at once, though it is not written yet
        assert found is not None
        assert (found.metadata_sha256, found.licence, found.stored_at) == (digest_of(METADATA), "MIT", None)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        await passage.mirror.close()
        assert await passage.copies() == (found,)
        assert passage.blobs.digests() == {digest_of(METADATA)}
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        assert kinds(passage) == ["small"]
        await passage.assert_tidy()

    wait(scene())


def test_two_hundred_clients_share_one_request() -> None:
    """Whoever comes while it is fetched or written down gets the same bytes; one who leaves cancels nothing."""

    async def scene() -> None:
        passage = Passage()
        file = offer_wheel(passage, relayed=METADATA, promised=METADATA)
        passage.client.gate = asyncio.Event()
        first = begin(passage.mirror.get_metadata(INDEX, file))
        await settle()
        others = [begin(passage.mirror.get_metadata(INDEX, file)) for _ in range(199)]
        first.cancel()
        await settle()
        passage.client.gate.set()
        assert set(await asyncio.gather(*others)) == {METADATA}
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        assert kinds(passage) == ["small"]
        await passage.mirror.close()
        await passage.assert_tidy()

    wait(scene())


@pytest.mark.parametrize(
    ("relayed", "promised"),
    [(b"Name: evil", METADATA), (None, METADATA), (b"Name: evil", None)],
    ids=["wrong digest", "missing", "no digest promised"],
)
def test_metadata_that_cannot_be_trusted_is_read_from_the_wheel(relayed: bytes | None, promised: bytes | None) -> None:
    """By ranges, without the rest of the wheel; what was relayed is kept nowhere."""

    async def scene() -> None:
        passage = Passage()
        file = replace(offer_wheel(passage, relayed=relayed, promised=promised), has_upstream_metadata=True)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        await passage.mirror.close()
        assert passage.blobs.digests() == {digest_of(METADATA)}
        assert "file" not in kinds(passage)

    wait(scene())


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


def test_an_sdist_has_the_metadata_that_is_promised_or_none() -> None:
    """It is not built to find out; what comes without its digest is not served."""

    async def scene() -> None:
        passage = Passage()
        plain = passage.offer(SDIST, b"sdist")
        for file in (plain, replace(plain, has_upstream_metadata=True)):
            with pytest.raises(NotFound):
                await passage.mirror.get_metadata(INDEX, file)
        assert kinds(passage) == []
        promised = replace(plain, has_upstream_metadata=True, metadata_sha256=digest_of(METADATA))
        with pytest.raises(UpstreamFault, match="does not have"):
            await passage.mirror.get_metadata(INDEX, promised)
        passage.client.site.bytes_instead[f"{plain.url}.metadata"] = b"Name: evil"
        with pytest.raises(UpstreamFault, match="sent other METADATA"):
            await passage.mirror.get_metadata(INDEX, promised)
        passage.client.site.bytes_instead[f"{plain.url}.metadata"] = METADATA
        assert await passage.mirror.get_metadata(INDEX, promised) == METADATA
        await passage.mirror.close()

    wait(scene())


@pytest.mark.parametrize("switch", ["is_down", "is_timing_out"])
def test_an_upstream_that_fails_is_a_clean_error_and_kept_metadata_is_served(switch: str) -> None:
    """A stalled one is not asked a second time for the same."""

    async def scene() -> None:
        passage = Passage()
        kept = offer_wheel(passage, relayed=METADATA, promised=METADATA)
        await passage.mirror.get_metadata(INDEX, kept)
        await passage.mirror.close()
        passage = passage.restarted()
        setattr(passage.client, switch, True)
        assert await passage.mirror.get_metadata(INDEX, kept) == METADATA
        other = replace(kept, filename=passage.offer("demo-2.0-py3-none-any.whl", b"").filename)
        with pytest.raises(UpstreamFault):
            await passage.mirror.get_metadata(INDEX, other)
        assert kinds(passage) == (["small", "small"] if switch == "is_timing_out" else ["small", "small", "part"])
        await passage.mirror.close()
        await passage.assert_tidy()

    wait(scene())


def test_kept_metadata_that_is_gone_is_fetched_again(caplog: pytest.LogCaptureFixture) -> None:
    """The row names a blob that somebody removed."""

    async def scene() -> None:
        passage = Passage()
        file = offer_wheel(passage, relayed=METADATA, promised=METADATA)
        await passage.mirror.get_metadata(INDEX, file)
        await passage.mirror.close()
        await passage.blobs.remove(digest_of(METADATA))
        passage = passage.restarted()
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        await passage.mirror.close()
        assert passage.blobs.digests() == {digest_of(METADATA)}

    wait(scene())
    assert "what was kept beside a file is gone" in caplog.messages


def test_a_store_that_is_full_does_not_keep_metadata_from_anybody(caplog: pytest.LogCaptureFixture) -> None:
    """It is served, the log says why it is not kept, and the next client has it fetched again."""

    async def scene() -> None:
        passage = Passage(capacity_bytes=1)
        file = offer_wheel(passage, relayed=METADATA, promised=METADATA)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        await settle()
        assert await passage.mirror.find_copy(file) is None
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        assert kinds(passage) == ["small", "small"]
        await passage.mirror.close()
        await passage.assert_nothing_stored()

    wait(scene())
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_the_end_of_the_server_keeps_what_has_come_and_breaks_off_the_rest() -> None:
    """Nobody is left waiting, and no lease is left."""

    async def scene() -> None:
        passage = Passage()
        came = offer_wheel(passage, relayed=METADATA, promised=METADATA)
        await passage.mirror.get_metadata(INDEX, came)
        passage.client.gate = asyncio.Event()
        coming = begin(passage.mirror.get_provenance(INDEX, offer_provenance(passage, PROVENANCE)))
        await settle()
        await passage.mirror.close()
        with pytest.raises(asyncio.CancelledError):
            await coming
        assert passage.blobs.digests() == {digest_of(METADATA)}
        await passage.assert_tidy()

    wait(scene())


def test_provenance_is_relayed_byte_for_byte_and_kept() -> None:
    """Clients verify it, so it is not changed; METADATA of the same file stays what it is."""

    async def scene() -> None:
        passage = Passage()
        file = offer_provenance(passage, PROVENANCE)
        await passage.mirror.get_metadata(INDEX, file)
        for _ in range(2):
            assert await passage.mirror.get_provenance(INDEX, file) == PROVENANCE
        await passage.mirror.close()
        (copy,) = await passage.copies()
        assert (copy.provenance_sha256, copy.metadata_sha256) == (digest_of(PROVENANCE), digest_of(METADATA))
        passage = passage.restarted()
        passage.client.is_down = True
        assert await passage.mirror.get_provenance(INDEX, file) == PROVENANCE
        assert kinds(passage).count("small") == 1

    wait(scene())


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"", b"[]", b"{}", b'{"attestation_bundles": 1}', b"\xff", b"[" * 100_000, b'"x"'],
    ids=["HTML", "empty", "array", "no bundles", "bundles that are none", "no text", "nested", "text"],
)
def test_what_is_no_provenance_is_refused(content: bytes) -> None:
    """And kept nowhere."""

    async def scene() -> None:
        passage = Passage()
        with pytest.raises(UpstreamFault, match="PEP 740"):
            await passage.mirror.get_provenance(INDEX, offer_provenance(passage, content))
        await passage.mirror.close()
        await passage.assert_nothing_stored()

    wait(scene())


def test_a_file_without_provenance_has_none() -> None:
    """Its page names none, or the upstream has it no longer."""

    async def scene() -> None:
        passage = Passage()
        for file in (offer_wheel(passage), offer_provenance(passage, None)):
            with pytest.raises(NotFound):
                await passage.mirror.get_provenance(INDEX, file)
        assert kinds(passage) == ["small"]

    wait(scene())


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/x-1.whl", "https://a.example/x-1.whl.metadata"),
        ("https://a.example/x-1.whl?sig=a/b&c=1", "https://a.example/x-1.whl.metadata?sig=a/b&c=1"),
        ("https://a.example/x-1.whl#sha256=0", "https://a.example/x-1.whl.metadata"),
        ("https://a.example/p/x-1%2Bcu.whl", "https://a.example/p/x-1%2Bcu.whl.metadata"),
    ],
)
def test_the_metadata_lies_behind_the_path(url: str, expected: str) -> None:
    """PEP 658: the file's URL "with a .metadata file extension added to it"; a signature stays where it is."""
    assert metadata_url(url) == expected
