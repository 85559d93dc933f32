"""What only a directory can do: modes, damage, a full disk, failing calls, leftovers of the dead."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from strongroom.adapters.blobs import files
from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.core.errors import StorageFault, StorageFull, StrongroomError, Unavailable
from strongroom.core.names import Sha256
from strongroom.ports import Incoming
from tests.contracts.test_blobs import digest_of, keep, listed

CONTENT = b"content" * 1000
SHA256 = digest_of(CONTENT)


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """Open a store."""
    return LocalBlobs(tmp_path / "data", minimum_free_bytes=0)


@pytest.fixture(autouse=True)
def no_descriptor_stays_open() -> Iterator[None]:
    """Compare the open files before and after."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 1  # the listing itself


def temporary_files(blobs: LocalBlobs, data: Path) -> list[str]:
    """Return what lies in `incoming/`."""
    return os.listdir(data / "data" / "incoming")


def run(work: Coroutine[object, object, None]) -> None:
    """Run the test's coroutine."""
    asyncio.run(work)


def test_a_blob_lies_under_its_digest_for_the_owner_alone(blobs: LocalBlobs, tmp_path: Path) -> None:
    """The path is made of the digest, nobody may write the file, and nobody else may read the directories."""
    assert asyncio.run(keep(blobs, CONTENT)) == SHA256
    path = tmp_path / "data" / "blobs" / "sha256" / SHA256[:2] / SHA256[2:4] / SHA256
    assert blobs.find_path(SHA256) == path
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert path.stat().st_nlink == 1
    for directory in (path.parent, path.parent.parent, tmp_path / "data" / "incoming"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert temporary_files(blobs, tmp_path) == []


def test_find_path_does_not_look(blobs: LocalBlobs) -> None:
    """The path of a missing blob is returned like any other."""
    assert not blobs.find_path(SHA256).exists()


def test_find_path_leads_nowhere_else(blobs: LocalBlobs) -> None:
    """What is no digest has no path, whatever row it comes from."""
    for name in ("../../../secret.key", "A" * 64, ""):
        with pytest.raises(StorageFault, match="no digest"):
            blobs.find_path(Sha256(name))


def test_what_arrives_is_private(blobs: LocalBlobs) -> None:
    """The temporary file can be read by its owner only, and lies on the same filesystem."""

    async def work() -> None:
        incoming = await blobs.receive()
        status = incoming.path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_dev == blobs.find_path(SHA256).parent.parent.parent.stat().st_dev
        await incoming.discard()

    run(work())


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], b"C" + CONTENT[1:], CONTENT + b"x"])
def test_a_damaged_blob_is_found_and_replaced(blobs: LocalBlobs, damage: bytes) -> None:
    """`get` never returns wrong bytes, and keeping the right ones again heals the blob."""
    asyncio.run(keep(blobs, CONTENT))
    path = blobs.find_path(SHA256)
    path.chmod(0o600)
    path.write_bytes(damage)
    with pytest.raises(StorageFault, match="other bytes"):
        asyncio.run(blobs.get(SHA256))
    assert asyncio.run(keep(blobs, CONTENT)) == SHA256
    assert asyncio.run(blobs.get(SHA256)) == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_a_right_blob_is_not_written_again(blobs: LocalBlobs) -> None:
    """Keeping the same bytes leaves the file that is there."""
    asyncio.run(keep(blobs, CONTENT))
    inode = blobs.find_path(SHA256).stat().st_ino
    asyncio.run(keep(blobs, CONTENT))
    asyncio.run(blobs.put(CONTENT))
    assert blobs.find_path(SHA256).stat().st_ino == inode


def test_too_little_free_space_is_refused_at_the_start(tmp_path: Path) -> None:
    """Nothing is written when the disk has less room than the minimum; small bytes still fit."""
    blobs = LocalBlobs(tmp_path / "data", minimum_free_bytes=2**62)
    with pytest.raises(StorageFull):
        asyncio.run(blobs.receive())
    assert temporary_files(blobs, tmp_path) == []
    assert asyncio.run(blobs.put(CONTENT)) == SHA256


def test_a_short_file_is_made_with_its_first_write(blobs: LocalBlobs, tmp_path: Path) -> None:
    """Before that there is nothing to remove, and once it is discarded it is not made any more."""

    async def work() -> None:
        written, unwritten = await blobs.receive(is_short=True), await blobs.receive(is_short=True)
        assert temporary_files(blobs, tmp_path) == []
        await written.write(CONTENT)
        assert await written.sha256() == SHA256
        assert temporary_files(blobs, tmp_path) == [written.path.name]
        assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
        await written.discard()
        await unwritten.discard()
        with pytest.raises(StorageFault):
            await unwritten.sha256()

    run(work())
    assert temporary_files(blobs, tmp_path) == []


@pytest.mark.parametrize("fault", ["no room", "no descriptor"])
def test_a_short_file_that_cannot_be_made_is_refused_at_its_first_write(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the error that another has at its start, and nothing is left of it."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    blobs = LocalBlobs(tmp_path / "data", minimum_free_bytes=2**62 if fault == "no room" else 0)

    async def work() -> None:
        incoming = await blobs.receive(is_short=True)
        await incoming.write(CONTENT)
        with monkeypatch.context() as patch:
            if fault == "no descriptor":
                patch.setattr(os, "open", refuse)
            with pytest.raises(StorageFull if fault == "no room" else Unavailable):
                await incoming.sha256()
        with pytest.raises(StorageFault):
            await blobs.keep(incoming)
        await incoming.discard()

    run(work())
    assert temporary_files(blobs, tmp_path) == []


def test_only_old_temporary_files_are_purged(blobs: LocalBlobs, tmp_path: Path) -> None:
    """A file that nobody has written to for long goes, one that is being written stays, and so do the blobs."""

    async def work() -> None:
        await blobs.put(CONTENT)
        dead, alive = await blobs.receive(), await blobs.receive()
        long_ago = time.time() - 7200
        os.utime(dead.path, (long_ago, long_ago))
        assert await blobs.purge_incoming(datetime.now(UTC) - timedelta(hours=1)) == 1
        assert not dead.path.exists()
        assert alive.path.exists()
        await dead.discard()
        await alive.discard()
        assert [info.sha256 for info in await listed(blobs)] == [SHA256]

    run(work())


def test_what_a_killed_process_left_is_purged_before_its_time(blobs: LocalBlobs, tmp_path: Path) -> None:
    """Its lock went with it; an upload that pauses for minutes is left alone, and so is a file of a moment ago."""

    async def work() -> None:
        pausing = await blobs.receive()
        incoming = pausing.path.parent
        left, recent = incoming / "left", incoming / "recent"
        left.write_bytes(b"half of a wheel")
        recent.write_bytes(b"made a moment ago, and not locked yet")
        minutes_ago = time.time() - 300
        for path in (pausing.path, left):
            os.utime(path, (minutes_ago, minutes_ago))
        assert await blobs.purge_incoming(datetime.now(UTC) - timedelta(hours=24)) == 1
        assert not left.exists()
        assert pausing.path.exists()
        assert recent.exists()
        await pausing.discard()

    run(work())


def test_a_listing_passes_over_strange_files(blobs: LocalBlobs) -> None:
    """A file that is not called like a digest is not ours."""
    asyncio.run(blobs.put(CONTENT))
    for folder in blobs.find_path(SHA256).parents[:2]:
        (folder / "lost+found").write_bytes(b"")
    infos = asyncio.run(listed(blobs))
    assert [info.sha256 for info in infos] == [SHA256]


def test_a_file_that_would_take_the_last_space_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while it arrives: many large ones at once must not take the room that the catalog needs."""
    left_bytes = [1000]
    monkeypatch.setattr(files, "free_bytes", lambda _: left_bytes[0])
    blobs = LocalBlobs(tmp_path / "data", minimum_free_bytes=500)

    async def scene() -> None:
        incoming = await blobs.receive()
        await incoming.write(b"x" * 10)
        await incoming.sha256()
        left_bytes[0] = 499
        await incoming.write(b"y" * 10)
        with pytest.raises(StorageFull):
            await incoming.sha256()
        with pytest.raises(StorageFault):
            await blobs.keep(incoming)
        await incoming.discard()
        assert not incoming.path.exists()
        assert await blobs.get(await blobs.put(b"small")) == b"small"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageFault)],
)
@pytest.mark.parametrize("call", ["os.write", "os.fsync", "os.link", "os.fchmod"])
def test_a_failing_call_keeps_nothing(
    blobs: LocalBlobs, tmp_path: Path, call: str, number: int, expected: type[StrongroomError]
) -> None:
    """Whichever call fails, the upload is refused with the right error and never retried."""

    async def work() -> None:
        incoming = await blobs.receive()
        await incoming.write(CONTENT)
        with mock.patch(call, side_effect=OSError(number, "no")) as failing, pytest.raises(expected):
            await blobs.keep(incoming)
        assert failing.call_count == 1
        with pytest.raises(StorageFault):
            await blobs.keep(incoming)
        await incoming.discard()
        assert await listed(blobs) == []
        assert await keep(blobs, CONTENT) == SHA256

    run(work())
    assert temporary_files(blobs, tmp_path) == []


def test_a_failed_directory_sync_is_not_an_acknowledgement(blobs: LocalBlobs) -> None:
    """When only the last step fails the blob may be there, but the upload is refused."""
    asyncio.run(blobs.put(b"makes no shard of ours"))

    async def work() -> None:
        incoming = await blobs.receive()
        await incoming.write(CONTENT)
        results: list[OSError | None] = [None, None, None, OSError(errno.EIO, "no")]
        with mock.patch("os.fsync", side_effect=results), pytest.raises(StorageFault):
            await blobs.keep(incoming)
        await incoming.discard()

    run(work())


def test_short_writes_are_continued(blobs: LocalBlobs) -> None:
    """A call that takes only some of the bytes is followed by one for the rest."""
    really_write = os.write

    def write_a_little(descriptor: int, data: memoryview) -> int:
        return really_write(descriptor, data[:1000])

    with mock.patch("os.write", write_a_little):
        assert asyncio.run(keep(blobs, CONTENT)) == SHA256
    assert asyncio.run(blobs.get(SHA256)) == CONTENT


def test_the_order_of_the_steps(blobs: LocalBlobs) -> None:
    """The file is synced before it gets its name, the name's directories before and after it."""
    steps: list[str] = []

    def noting(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object) -> object:
            target = os.readlink(f"/proc/self/fd/{given[0]}") if isinstance(given[0], int) else ""
            steps.append(f"{name} {'directory' if Path(target).is_dir() and target else 'file'}")
            return real(*given)

        return call

    with mock.patch("os.fsync", noting("fsync", os.fsync)), mock.patch("os.link", noting("link", os.link)):
        asyncio.run(blobs.put(CONTENT))
        asyncio.run(blobs.put(CONTENT))
    new_shard = ["fsync file", "fsync directory", "fsync directory", "link file", "fsync directory"]
    existing_blob = ["fsync file", "link file", "fsync file", "fsync directory"]
    assert steps == new_shard + existing_blob


def test_a_blob_that_vanishes_meanwhile_is_kept_after_all(blobs: LocalBlobs) -> None:
    """When the blob is removed between finding its name taken and looking into it, it is linked again."""
    asyncio.run(blobs.put(CONTENT))
    really_link = os.link

    def link_then_remove(source: Path, target: Path) -> None:
        try:
            really_link(source, target)
        except FileExistsError:
            Path(target).unlink()
            raise

    with mock.patch("os.link", link_then_remove):
        assert asyncio.run(keep(blobs, CONTENT)) == SHA256
    assert asyncio.run(blobs.get(SHA256)) == CONTENT


def test_a_cancelled_upload_can_be_discarded(blobs: LocalBlobs, tmp_path: Path) -> None:
    """Discarding waits for the thread that is still writing, and leaves no file and no descriptor."""

    async def upload(incoming: Incoming) -> None:
        while True:
            await incoming.write(CONTENT * 200)

    async def work() -> None:
        incoming = await blobs.receive()
        task = asyncio.create_task(upload(incoming))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await incoming.discard()

    run(work())
    assert temporary_files(blobs, tmp_path) == []


def test_a_broken_directory_is_a_fault(tmp_path: Path) -> None:
    """A store cannot be opened where a file is in the way."""
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(StorageFault):
        LocalBlobs(tmp_path / "data")


def test_a_parent_that_may_not_be_read_is_no_reason_to_stop(tmp_path: Path) -> None:
    """Somebody else made the data directory there and lets us pass, as /srv with mode 0711 does."""
    really_open = os.open

    def open_unless_parent(path: Path, flags: int, *mode: int) -> int:
        if path == tmp_path:
            raise PermissionError(errno.EACCES, "no")
        return really_open(path, flags, *mode)

    with mock.patch("os.open", open_unless_parent):
        assert asyncio.run(LocalBlobs(tmp_path / "data").put(CONTENT)) == SHA256


def test_unreadable_blobs_are_faults(blobs: LocalBlobs) -> None:
    """An error while opening or reading is never an empty answer."""
    asyncio.run(blobs.put(CONTENT))

    async def consume(stream: AsyncIterator[bytes]) -> list[bytes]:
        return [chunk async for chunk in stream]

    with mock.patch("os.pread", side_effect=OSError(errno.EIO, "no")), pytest.raises(StorageFault):
        asyncio.run(consume(blobs.stream(SHA256, 0, stop=10)))
    directory = Sha256("f" * 64)
    blobs.find_path(directory).mkdir(parents=True)
    with pytest.raises(StorageFault):
        asyncio.run(blobs.get(directory))


def test_a_blob_that_keeps_vanishing_is_a_fault(blobs: LocalBlobs) -> None:
    """Keeping does not try for ever when the name is always taken by nothing."""
    with mock.patch("os.link", side_effect=FileExistsError), pytest.raises(StorageFault, match="comes and goes"):
        asyncio.run(blobs.put(CONTENT))
