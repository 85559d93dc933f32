"""METADATA and provenance of upstream files: byte-exact, from whoever can be trusted, or not at all."""

from __future__ import annotations

import asyncio
import logging

import pytest

from strongroom.core.errors import NotFound, UpstreamFault
from strongroom.core.mirrored import UpstreamFile
from strongroom.services.mirror import sidecars
from strongroom.services.mirror.sidecars import metadata_url
from tests.replacing import replace
from tests.services.house import wait
from tests.services.mirror.arriving import INDEX, METADATA, SDIST, Passage, begin, digest_of, kinds, offer_wheel, settle

PROVENANCE = b'{"version": 1,  "attestation_bundles": []}'


@pytest.fixture(autouse=True)
def _no_short_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no wheel be so short that it is fetched whole at once."""
    monkeypatch.setattr(sidecars, "SHORT_BYTES", 0)


def offer_provenance(passage: Passage, content: bytes | None) -> UpstreamFile:
    """Offer a wheel that has provenance."""
    file = replace(offer_wheel(passage), provenance_url="https://upstream.example/provenance")
    if content is not None:
        passage.client.site.bytes_instead["https://upstream.example/provenance"] = content
    return file


def test_metadata_with_a_promised_digest_is_relayed_and_kept() -> None:
    """One small request; the row learns the digest and the licence, and the second client asks nobody."""

    async def scene() -> None:
        passage = Passage()
        file = offer_wheel(passage, relayed=METADATA, promised=METADATA)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        found = await passage.mirror.find_copy(file)  # at once, though it is not written yet
        assert found is not None
        assert (found.metadata_sha256, found.licence, found.stored_at) == (digest_of(METADATA), None, None)
        assert await passage.mirror.get_metadata(INDEX, file) == METADATA
        await passage.mirror.close()
        assert await passage.copies() == (replace(found, licence="MIT"),)
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


def test_a_store_that_is_full_does_not_keep_metadata_from_anybody(
    caplog: pytest.LogCaptureFixture,
) -> None:
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
