"""What goes wrong while a file arrives: cuts, clients who leave, a full disk, the end of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from strongroom.adapters.upstream import faults
from strongroom.adapters.upstream.memory import MemoryUpstreams
from strongroom.core.errors import StorageFull, Unavailable, UpstreamFault
from strongroom.core.mirrored import UpstreamFile
from strongroom.ports import Body, Missing, Origin
from strongroom.services.mirror import later
from strongroom.services.mirror.arrivals import HELD_BACK_BYTES
from strongroom.services.mirror.fetches import AT_ONCE
from tests.factories import a_mirror
from tests.replacing import replace
from tests.services.house import wait
from tests.services.mirror.arriving import INDEX, LONG, WHEEL, Passage, begin, read_all, settle

CUT = faults.cut("files.upstream.example", 1, announced_bytes=2)
STALLED = faults.timed_out("files.upstream.example", "sent nothing for 10 seconds")


@dataclass(slots=True)
class ScriptedBody:
    """A body made of pieces, of faults in between, and of gates that must be opened first."""

    steps: tuple[bytes | Exception | asyncio.Event, ...]
    size_bytes: int | None = None
    url: str = "https://files.upstream.example/"
    content_type: str = ""
    etag: str | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Go through the script."""
        for step in self.steps:
            await asyncio.sleep(0)
            match step:
                case bytes():
                    yield step
                case asyncio.Event():
                    await step.wait()
                case Exception():
                    raise step


class Script(MemoryUpstreams):
    """An upstream that answers each fetch with the next body."""

    def __init__(self, bodies: list[ScriptedBody]) -> None:
        super().__init__()
        self.bodies = bodies
        self.opened = 0
        self.closed = 0

    @asynccontextmanager
    async def open_file(self, origin: Origin, url: str) -> AsyncIterator[Body | Missing]:
        """Open the next body, and count those that were closed again."""
        self.opened += 1
        try:
            yield self.bodies.pop(0)
        finally:
            self.closed += 1


def scripted(*bodies: ScriptedBody) -> tuple[Passage, UpstreamFile, Script]:
    """Make a passage whose upstream follows the script, and the file that it promises."""
    script = Script(list(bodies))
    passage = Passage(client=script)
    return passage, passage.offer(WHEEL, LONG), script


def test_a_cut_that_nobody_saw_is_repaired() -> None:
    """As long as no client has any bytes, the file is fetched once more, from the beginning."""

    async def scene() -> None:
        begun = LONG[: HELD_BACK_BYTES // 2]
        passage, file, script = scripted(ScriptedBody((begun, CUT)), ScriptedBody((LONG,)))
        file = replace(file, size_bytes=None)
        assert await read_all(await passage.arriving(file)) == LONG
        assert (await passage.fetch(file)).size_bytes == len(LONG)
        assert (script.opened, script.closed) == (2, 2)
        await passage.assert_tidy()

    wait(scene())


@pytest.mark.parametrize("second", [ScriptedBody((CUT,)), ScriptedBody((LONG[:-1],), size_bytes=len(LONG) - 1)])
def test_a_second_failure_is_final(second: ScriptedBody) -> None:
    """Another cut, or another length than the first time; nothing is stored."""

    async def scene() -> None:
        passage, file, script = scripted(ScriptedBody((b"begun", CUT)), second)
        with pytest.raises(UpstreamFault):
            await read_all(await passage.arriving(replace(file, size_bytes=None)))
        await settle()
        assert script.closed == 2
        await passage.assert_nothing_stored()

    wait(scene())


def test_a_cut_that_a_client_saw_ends_his_body_and_the_next_one_starts_anew() -> None:
    """He has bytes already, and cannot be given others."""

    async def scene() -> None:
        gate = asyncio.Event()
        passage, file, script = scripted(ScriptedBody((LONG[:HELD_BACK_BYTES], gate, CUT)), ScriptedBody((LONG,)))
        chunks = (await passage.arriving(file)).chunks()
        assert await anext(chunks) == LONG[:HELD_BACK_BYTES]
        gate.set()
        with pytest.raises(UpstreamFault, match="announced"):
            await anext(chunks)
        await settle()
        await passage.assert_nothing_stored()
        assert script.opened == 1
        assert await read_all(await passage.arriving(file)) == LONG

    wait(scene())


def test_a_stalled_upstream_is_not_waited_for_twice() -> None:
    """The client's own patience is hardly longer."""

    async def scene() -> None:
        passage, file, script = scripted(ScriptedBody((b"begun", STALLED)))
        with pytest.raises(UpstreamFault, match="sent nothing"):
            await read_all(await passage.arriving(file))
        await settle()
        assert script.opened == 1
        await passage.assert_nothing_stored()

    wait(scene())


@pytest.mark.parametrize("size_bytes", [len(LONG) + 1, len(LONG) - 1])
def test_an_answer_that_announces_another_length_is_not_read(size_bytes: int) -> None:
    """The page promised another one."""

    async def scene() -> None:
        passage, file, _ = scripted(ScriptedBody((AssertionError("it was read"),), size_bytes=size_bytes))
        with pytest.raises(UpstreamFault, match="announces") as refusal:
            await passage.mirror.open_file(INDEX, file)
        assert refusal.value.code == "upstream-size"
        await passage.assert_nothing_stored()

    wait(scene())


def test_the_fetch_goes_on_when_its_first_client_leaves() -> None:
    """Before the answer or in the middle of the body: those who came later get all of it."""

    async def scene() -> None:
        opening, middle = asyncio.Event(), asyncio.Event()
        passage, file, script = scripted(
            ScriptedBody((LONG[: 2 * HELD_BACK_BYTES], middle, LONG[2 * HELD_BACK_BYTES :]))
        )
        passage.blobs.receive_gate = opening
        leaving = begin(passage.mirror.open_file(INDEX, file))
        await settle()
        leaving.cancel()
        opening.set()
        arriving = await passage.arriving(file)
        reading = begin(read_all(arriving))
        await settle()
        reading.cancel()
        last = begin(read_all(await passage.arriving(file)))
        await settle()
        middle.set()
        assert await last == LONG
        assert (await arriving.stored()).size_bytes == len(LONG)
        assert script.opened == 1
        assert reading.cancelled()
        await passage.assert_tidy()

    wait(scene())


def test_a_file_that_nobody_waits_for_any_more_is_stored_all_the_same() -> None:
    """The next one will want it."""

    async def scene() -> None:
        passage, file, _ = scripted(ScriptedBody((LONG,)))
        leaving = begin(passage.mirror.open_file(INDEX, file))
        await asyncio.sleep(0)
        leaving.cancel()
        await settle()
        assert [copy.size_bytes for copy in await passage.copies()] == [len(LONG)]
        await passage.assert_tidy()

    wait(scene())


@pytest.mark.parametrize("where", ["temporary file", "body", "store"])
def test_the_end_of_the_server_leaves_nothing_behind(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it meets the fetch; whoever follows is told, and nothing new begins."""
    monkeypatch.setattr(later, "_CLOSING_SECONDS", 0.05)

    async def scene() -> None:
        never = asyncio.Event()
        steps = (b"begun", never) if where == "body" else (LONG,)
        passage, file, script = scripted(ScriptedBody(steps))
        passage.blobs.receive_gate = asyncio.Event() if where == "temporary file" else None
        passage.blobs.keep_gate = never if where == "store" else None
        stored = begin(stored_of(passage, file))
        await settle()
        if passage.blobs.receive_gate is not None:
            asyncio.get_running_loop().call_later(0.01, passage.blobs.receive_gate.set)
        await passage.mirror.close()
        with pytest.raises(Unavailable, match="stopping"):
            await stored
        with pytest.raises(Unavailable, match="stopping"):
            await passage.mirror.open_file(INDEX, file)
        assert script.opened == script.closed
        assert len(passage.blobs.temporary) == 1
        await passage.assert_nothing_stored()

    wait(scene())


async def stored_of(passage: Passage, file: UpstreamFile) -> object:
    """Open the file and wait until it is stored."""
    return await (await passage.arriving(file)).stored()


def test_a_full_disk_is_said_before_the_upstream_is_asked() -> None:
    """There is no room for a temporary file."""

    async def scene() -> None:
        passage = Passage(capacity_bytes=0)
        with pytest.raises(StorageFull):
            await passage.mirror.open_file(INDEX, passage.offer(WHEEL, LONG))
        assert passage.client.asked == []
        await passage.assert_nothing_stored()

    wait(scene())


def test_a_disk_that_gets_full_breaks_the_file_off() -> None:
    """Nothing of it stays."""

    async def scene() -> None:
        passage = Passage(capacity_bytes=len(LONG) - 1)
        arriving = await passage.arriving(passage.offer(WHEEL, LONG))
        with pytest.raises(StorageFull):
            await read_all(arriving)
        with pytest.raises(StorageFull):
            await arriving.stored()
        await passage.assert_nothing_stored()

    wait(scene())


def test_so_many_fetches_run_at_once_and_no_more() -> None:
    """The others wait for their turn, and get it."""

    async def scene() -> None:
        passage = Passage()
        passage.client.gate = asyncio.Event()
        files = [passage.offer(f"demo-{number}-py3-none-any.whl", b"%d" % number) for number in range(AT_ONCE + 3)]
        fetching = begin(asyncio.gather(*[passage.fetch(file) for file in files]))
        await settle()
        assert passage.client.count("file") == AT_ONCE
        passage.client.gate.set()
        assert len(await fetching) == AT_ONCE + 3
        assert len(await passage.copies()) == AT_ONCE + 3
        await passage.assert_tidy()

    wait(scene())


def test_an_upstream_that_trickles_keeps_only_its_own_files_waiting() -> None:
    """Its fetches have their turns to themselves."""

    async def scene() -> None:
        passage, other = Passage(), a_mirror("other")
        passage.client.gate = asyncio.Event()
        files = [passage.offer(f"demo-{number}-py3-none-any.whl", b"%d" % number) for number in range(AT_ONCE + 1)]
        fetching = begin(asyncio.gather(*[passage.fetch(file) for file in files]))
        await settle()
        wanted = replace(passage.offer("other-1-py3-none-any.whl", b"other"), index=other.name)
        opening = begin(passage.mirror.open_file(other, wanted))
        await settle()
        assert passage.client.count("file") == AT_ONCE + 1
        passage.client.gate.set()
        await opening
        assert len(await fetching) == AT_ONCE + 1

    wait(scene())


@pytest.mark.parametrize(
    ("length", "is_short"), [(0, True), (1, True), (65536, True), (65537, False), (200_000, False)]
)
def test_of_a_short_file_nobody_has_a_byte_before_it_is_written(*, length: int, is_short: bool) -> None:
    """So its temporary file may be made with the first write: what that raises is answered like any fault."""

    async def scene() -> None:
        passage = Passage()
        content = LONG[:length]
        file = passage.offer(WHEEL, content)
        assert (await passage.fetch(file)).size_bytes == length
        assert passage.blobs.short == [is_short]
        unsized = replace(passage.offer("other-1.0-py3-none-any.whl", content), size_bytes=None)
        assert (await passage.fetch(unsized)).size_bytes == length
        assert passage.blobs.short == [is_short, False]

    wait(scene())
