"""Files of upstreams on their way here: fetched once, verified, stored, and never half."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.core.errors import NotFound, StrongroomError, UpstreamFault
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.services.mirror import fetches
from strongroom.services.mirror.arrivals import HELD_BACK_BYTES
from strongroom.services.mirror.fetches import WRONG_FOR
from tests.factories import a_mirror, an_upstream
from tests.replacing import replace
from tests.services.house import wait
from tests.services.mirror.arriving import INDEX, LONG, SDIST, WHEEL, Passage, begin, digest_of, read_all, settle

SIZES = [0, 1, 100, HELD_BACK_BYTES - 1, HELD_BACK_BYTES, HELD_BACK_BYTES + 1, 256 * 1024, 512 * 1024, len(LONG)]


@pytest.mark.parametrize("size_bytes", SIZES)
@pytest.mark.parametrize("length", ["announced", "unknown"])
def test_a_file_arrives_whole_and_is_stored(size_bytes: int, length: str) -> None:
    """Its bytes reach who asked for it and the store; the row says so, and nothing else is left."""

    async def scene() -> None:
        passage, content = Passage(), LONG[:size_bytes]
        file = passage.offer(WHEEL, content)
        passage.client.site.has_lengths = length == "announced"
        file = file if length == "announced" else replace(file, size_bytes=None)
        arriving = await passage.arriving(file)
        assert arriving.size_bytes == (size_bytes if length == "announced" else None)
        assert await read_all(arriving) == content
        copy = await arriving.stored()
        now = passage.clock.now()
        expected = Copy(
            INDEX.name, file.project, file.filename, file.sha256, size_bytes, stored_at=now, last_used_at=now
        )
        assert copy == expected
        assert await passage.copies() == (expected,)
        assert await passage.blobs.get(file.sha256) == content
        assert await read_all(arriving) == content  # also for those who begin when all is over
        await passage.assert_tidy()

    wait(scene())


def test_a_stored_file_is_not_fetched_again() -> None:
    """The upstream may be gone by then."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"wheel")
        copy = await passage.fetch(file)
        passage.client.is_down = True
        assert await passage.mirror.open_file(INDEX, file) == copy
        assert await passage.mirror.find_copy(file) == copy
        assert passage.client.count("file") == 1

    wait(scene())


def test_a_file_whose_bytes_are_gone_from_the_store_is_fetched_again() -> None:
    """Where no local path shows it (a bucket), the row alone is not believed; then the row is right again."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"wheel")
        copy = await passage.fetch(file)
        await passage.blobs.remove(file.sha256)
        assert await passage.mirror.find_copy(file) == copy, "nobody looks before the bytes are wanted"
        assert await passage.fetch(file) == copy
        assert await passage.blobs.get(file.sha256) == b"wheel"
        assert passage.client.count("file") == 2
        assert await passage.mirror.open_file(INDEX, file) == copy
        assert passage.client.count("file") == 2
        await passage.assert_tidy()

    wait(scene())


def test_two_hundred_clients_share_one_fetch() -> None:
    """All get the same bytes, however they interleave, and the upstream is asked once."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, LONG)
        passage.client.delay_seconds = 0.0001

        async def client(number: int) -> bytes:
            await asyncio.sleep(number / 20_000)
            opened = await passage.mirror.open_file(INDEX, file)
            return await (passage.blobs.get(opened.sha256) if isinstance(opened, Copy) else read_all(opened))

        bodies = await asyncio.gather(*[client(number) for number in range(200)])
        assert all(body == LONG for body in bodies)
        assert passage.client.count("file") == 1
        await passage.mirror.close()
        await passage.assert_tidy()

    wait(scene())


def test_a_fetch_that_ended_a_moment_ago_is_not_repeated() -> None:
    """Whoever comes then begins by looking for what it has stored."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"wheel")
        copy = await passage.fetch(file)
        assert await passage.mirror.open_file(INDEX, file) == copy
        assert passage.client.count("file") == 1

    wait(scene())


def test_the_first_bytes_leave_before_the_last_ones_have_come() -> None:
    """A client reads while the upstream still sends; the end is held back."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, LONG[: 3 * HELD_BACK_BYTES])
        passage.client.chunk_gate = asyncio.Event()
        arriving = await passage.arriving(file)
        chunks = arriving.chunks()
        assert await anext(chunks) == LONG[:HELD_BACK_BYTES]
        following = begin(anext(chunks))
        await settle()
        assert not following.done()
        assert passage.blobs.digests() == set()
        passage.client.chunk_gate.set()
        rest = await following + b"".join([chunk async for chunk in chunks])
        assert rest == LONG[HELD_BACK_BYTES : 3 * HELD_BACK_BYTES]
        await arriving.stored()

    wait(scene())


def test_readers_need_not_wait_for_the_disk() -> None:
    """Verified bytes are given out while they are being stored."""

    async def scene() -> None:
        passage = Passage()
        passage.blobs.keep_gate = asyncio.Event()
        arriving = await passage.arriving(passage.offer(WHEEL, LONG))
        assert await read_all(arriving) == LONG
        await settle()
        assert await passage.copies() == ()
        assert len(await passage.leases()) == 1
        passage.blobs.keep_gate.set()
        assert (await arriving.stored()).size_bytes == len(LONG)
        await passage.assert_tidy()

    wait(scene())


def test_a_slow_reader_reads_what_has_left_the_memory() -> None:
    """From the temporary file, also when it has got its final name meanwhile, or from the store."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, LONG)
        arriving = await passage.arriving(file)
        slow = arriving.chunks()
        begun = await anext(slow)
        await arriving.stored()
        assert begun + b"".join([chunk async for chunk in slow]) == LONG
        assert await read_all(arriving) == LONG
        assert passage.client.count("file") == 1

    wait(scene())


@pytest.mark.parametrize("size_bytes", SIZES)
def test_on_a_directory_it_is_the_same(tmp_path: Path, size_bytes: int) -> None:
    """The real store gathers what it writes, and gives its file another name at the end: no reader notices."""

    async def scene() -> None:
        content = LONG[:size_bytes]
        passage = Passage(store=LocalBlobs(tmp_path, 0))
        file = passage.offer(WHEEL, content)
        arriving = await passage.arriving(file)
        slow = arriving.chunks()
        first = await anext(slow, b"")
        bodies = await asyncio.gather(*[read_all(arriving) for _ in range(20)])
        await arriving.stored()
        assert all(body == content for body in bodies)
        assert first + b"".join([chunk async for chunk in slow]) == content
        assert await read_all(arriving) == content
        assert [path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == [file.sha256]
        assert list((tmp_path / "incoming").iterdir()) == []
        assert await passage.leases() == ()

    wait(scene())


@pytest.mark.parametrize("left", [None, b"wh", b"wheels"])
def test_bytes_that_are_gone_are_fetched_again(tmp_path: Path, left: bytes | None) -> None:
    """Somebody removed them from the directory, or something cut them; the row alone is no file."""

    async def scene() -> None:
        store = LocalBlobs(tmp_path, 0)
        passage = Passage(store=store)
        file = passage.offer(WHEEL, b"wheel")
        await passage.fetch(file)
        await store.remove(file.sha256)
        if left is not None:
            store.find_path(file.sha256).write_bytes(left)
        found = await passage.mirror.find_copy(file)
        assert found is not None
        assert found.stored_at is None
        await passage.fetch(file)
        assert await store.get(file.sha256) == b"wheel"
        assert passage.client.count("file") == 2

    wait(scene())


async def ask(passage: Passage, file: UpstreamFile) -> tuple[bytes, StrongroomError | None]:
    """Be a client: return the bytes that he has in the end, and the error that he met."""
    received = b""
    try:
        opened = await passage.mirror.open_file(INDEX, file)
        assert not isinstance(opened, Copy)
        async for chunk in opened.chunks():
            received += chunk
    except StrongroomError as fault:
        return received, fault
    return received, None


WRONG = [
    pytest.param(LONG[:-1] + b"x", LONG, "upstream-digest", id="last byte"),
    pytest.param(b"x" + LONG[1:], LONG, "upstream-digest", id="first byte"),
    pytest.param(b"x", b"y", "upstream-digest", id="one byte"),
    pytest.param(LONG + b"x", LONG, "upstream-size", id="one byte more"),
    pytest.param(LONG[:-1], LONG, "upstream-size", id="one byte less"),
    pytest.param(b"", b"y", "upstream-size", id="nothing"),
    pytest.param(b"<html>", LONG, "upstream-size", id="a page instead"),
]


@pytest.mark.parametrize(("content", "promised", "code"), WRONG)
@pytest.mark.parametrize("length", ["announced", "unknown"])
def test_nobody_gets_a_whole_wrong_file(content: bytes, promised: bytes, code: str, length: str) -> None:
    """A hundred clients: all get an error, none all of the bytes; nothing is stored, and the upstream asked once."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, content, promised=promised)
        passage.client.site.has_lengths = length == "announced"
        for taken in await asyncio.gather(*[ask(passage, file) for _ in range(100)]):
            received, fault = taken
            assert isinstance(fault, UpstreamFault)
            assert fault.code == code
            assert len(received) <= max(len(promised) - HELD_BACK_BYTES, 0)
            assert content.startswith(received)
        assert passage.client.count("file") == 1
        await passage.assert_nothing_stored()

    wait(scene())


def test_without_any_length_a_wrong_file_is_found_too() -> None:
    """Neither page nor answer say it; the digest decides, the end is held back."""

    async def scene() -> None:
        passage = Passage()
        passage.client.site.has_lengths = False
        file = replace(passage.offer(WHEEL, LONG, promised=LONG[:-1]), size_bytes=None)
        received, fault = await ask(passage, file)
        assert fault is not None
        assert fault.code == "upstream-digest"
        assert len(received) <= len(LONG) - HELD_BACK_BYTES
        await passage.assert_nothing_stored()

    wait(scene())


def test_both_digests_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """In the error and once in the log, so that somebody can find out who is wrong."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"evil", promised=b"good")
        _, fault = await ask(passage, file)
        assert fault is not None
        assert digest_of(b"evil") in fault.message
        assert digest_of(b"good") in fault.message
        await settle()

    wait(scene())
    (record,) = caplog.records
    assert digest_of(b"evil") in str(vars(record)["fields"])


def test_wrong_bytes_are_not_asked_for_again_at_once() -> None:
    """A crowd that comes in turns does not fetch a large wrong file each time; after a while it is tried again."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"evil", promised=b"good")
        await ask(passage, file)
        _, fault = await ask(passage, file)
        assert isinstance(fault, UpstreamFault)
        assert passage.client.count("file") == 1
        passage.offer(WHEEL, b"good")
        passage.clock.advance(WRONG_FOR)
        assert await ask(passage, file) == (b"good", None)
        assert passage.client.count("file") == 2

    wait(scene())


def test_wrong_bytes_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upstream with thousands of wrong files does not fill the memory."""
    monkeypatch.setattr(fetches, "_MOST_WRONG", 2)

    async def scene() -> None:
        passage = Passage()
        files = [passage.offer(f"demo-{number}.tar.gz", b"evil", promised=b"good") for number in range(3)]
        for file in (*files, *reversed(files)):
            await ask(passage, file)
        assert passage.client.count("file") == 5
        await passage.assert_nothing_stored()

    wait(scene())


@pytest.mark.parametrize("length", ["announced", "unknown"])
def test_more_than_the_limit_is_refused(length: str) -> None:
    """Announced: before anything is read. Otherwise: as soon as it is too much."""

    async def scene() -> None:
        passage = Passage(limit_bytes=len(LONG) - 1)
        passage.client.site.has_lengths = length == "announced"
        file = replace(passage.offer(WHEEL, LONG), size_bytes=None)
        received, fault = await ask(passage, file)
        assert fault is not None
        assert fault.code == "upstream-size"
        assert len(received) < len(LONG)
        await passage.assert_nothing_stored()

    wait(scene())


def test_a_file_that_the_upstream_has_no_longer_is_not_found() -> None:
    """Its page lists it, its host answers 404."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"wheel")
        passage.client.site.bytes_instead.clear()
        _, fault = await ask(passage, file)
        assert isinstance(fault, NotFound)
        await passage.assert_nothing_stored()

    wait(scene())


@pytest.mark.parametrize("switch", ["is_down", "is_timing_out"])
def test_an_upstream_that_fails_is_a_clean_error(switch: str) -> None:
    """It comes before any body begins; the next client asks anew."""

    async def scene() -> None:
        passage = Passage()
        file = passage.offer(WHEEL, b"wheel")
        setattr(passage.client, switch, True)
        with pytest.raises(UpstreamFault):
            await passage.mirror.open_file(INDEX, file)
        assert passage.client.count("file") == 1
        await passage.assert_nothing_stored()
        setattr(passage.client, switch, False)
        assert await ask(passage, file) == (b"wheel", None)

    wait(scene())


def test_an_offline_index_serves_what_it_has_and_asks_for_nothing() -> None:
    """The rest is an error that says so."""

    async def scene() -> None:
        passage = Passage()
        offline = a_mirror(upstream=replace(an_upstream(), is_offline=True))
        kept, other = passage.offer(WHEEL, b"wheel"), passage.offer(SDIST, b"sdist")
        copy = await passage.fetch(kept)
        assert await passage.mirror.open_file(offline, kept) == copy
        with pytest.raises(UpstreamFault) as refusal:
            await passage.mirror.open_file(offline, other)
        assert refusal.value.code == "offline"
        assert passage.client.count("file") == 1
        await passage.assert_tidy()

    wait(scene())
