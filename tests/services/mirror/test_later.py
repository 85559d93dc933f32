"""What came from upstreams is kept in a lull, together; at once for whoever waits for it, and before it is too much."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from strongroom.core.errors import StorageFault, Unavailable
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.names import Sha256
from strongroom.services.mirror import later, lull
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.later import LaterKeeping, Wish
from strongroom.services.mirror.lull import Lull
from strongroom.services.mirror.writes import Writes
from tests.factories import an_upstream_file, sha256_of
from tests.replacing import replace
from tests.services.house import until, wait
from tests.services.mirror.arriving import Passage, settle

LONG_SECONDS = 600.0


class Desk:
    """A keeper on a passage's stores."""

    def __init__(self, quiet_seconds: float = LONG_SECONDS) -> None:
        self.passage = Passage()
        self.copies = KeptCopies(self.passage.parts, Writes(self.passage.catalog))
        self.keeper = LaterKeeping(self.copies, Lull(quiet_seconds))
        self.leases_seen: list[int] = []
        self.together: list[int] = []
        self._keep_all, self.copies.keep_all = self.copies.keep_all, self._counted  # type: ignore[method-assign]

    def begin(
        self, number: int, *, fault: Exception | None = None, gate: asyncio.Event | None = None, held_bytes: int = 0
    ) -> tuple[Wish, asyncio.Task[Copy]]:
        """Wish to keep the METADATA of a wheel; with a fault its bytes cannot be stored."""
        content = f"METADATA {number}"
        sha256 = sha256_of(content)

        async def store() -> Sha256:
            if gate is not None:
                await gate.wait()
            if fault is not None:
                raise fault
            self.leases_seen.append(len(await self.passage.catalog.read(lambda tx: tx.leases.list())))
            return await self.passage.blobs.put(content.encode())

        keeping = Keeping(sha256, store, partial(replace, metadata_sha256=sha256))
        wish = Wish(an_upstream_file(f"demo-{number}-py3-none-any.whl"), keeping, held_bytes)
        return wish, asyncio.ensure_future(self.keeper.keep(wish))

    async def kept(self) -> set[str]:
        """Return the names of the files of which something is kept."""
        return {copy.filename for copy in await self.passage.copies()}

    async def _counted(self, wanted: Sequence[tuple[UpstreamFile, Keeping]]) -> list[Copy]:
        self.together.append(len(wanted))
        return await self._keep_all(wanted)


def test_many_are_kept_under_one_lease_in_one_transaction() -> None:
    """When it is quiet; before that nothing is written."""

    async def scene() -> None:
        desk = Desk(0.05)
        mark = desk.passage.catalog.change_mark()
        begun = [desk.begin(number) for number in range(30)]
        await settle()
        assert await desk.kept() == set()
        for wish, keeping in begun:
            assert (await keeping).filename == wish.file.filename
        assert await desk.kept() == {wish.file.filename for wish, _ in begun}
        assert desk.passage.catalog.change_mark() == mark + 2
        assert (set(desk.leases_seen), desk.together) == ({1}, [30])
        await desk.passage.assert_tidy()

    wait(scene())


def test_whoever_waits_for_one_does_not_wait_for_the_others() -> None:
    """Neither if he comes with it, nor if he comes later."""

    async def scene() -> None:
        desk = Desk()
        (_, patient), (wish, wanted) = desk.begin(1), desk.begin(2)
        await settle()
        assert desk.together == []
        desk.keeper.hurry(wish)
        await wanted
        urgent, _ = desk.begin(3)
        desk.keeper.hurry(urgent)
        await until(lambda: desk.together == [1, 1])
        assert not patient.done()
        await desk.keeper.close()
        assert desk.together == [1, 1, 1]
        assert (await patient).filename == "demo-1-py3-none-any.whl"

    wait(scene())


@pytest.mark.parametrize("why", ["many", "much memory"])
def test_too_much_is_not_kept_waiting(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is kept then; what comes afterwards waits as long as ever."""
    monkeypatch.setattr(later, "_MOST_WAITING", 3 if why == "many" else 1000)
    monkeypatch.setattr(later, "_MOST_BYTES", 30 if why == "much memory" else 1000)

    async def scene() -> None:
        desk = Desk()
        begun = [desk.begin(number, held_bytes=10)[1] for number in range(2)]
        await settle()
        assert desk.together == []
        begun.append(desk.begin(3, held_bytes=10)[1])
        await asyncio.gather(*begun)
        assert desk.together == [3]
        _, another = desk.begin(4)
        await settle()
        assert not another.done()
        await desk.keeper.close()
        await another

    wait(scene())


def test_nothing_waits_longer_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the upstreams are."""
    monkeypatch.setattr(lull, "MOST_SECONDS", 0.05)

    async def scene() -> None:
        desk = Desk()
        _, keeping = desk.begin(1)
        await keeping

    wait(scene())


def test_nothing_waits_longer_because_others_are_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time counts from when it came, not from when the last one was kept."""
    monkeypatch.setattr(lull, "MOST_SECONDS", 0.1)

    async def scene() -> None:
        desk = Desk()
        _, patient = desk.begin(0)
        for number in range(1, 31):
            wish, keeping = desk.begin(number)
            await settle()
            desk.keeper.hurry(wish)
            await keeping
            await asyncio.sleep(0.01)
        assert patient.done()
        await desk.keeper.close()

    wait(scene())


def test_many_are_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that other writers do not wait long."""
    monkeypatch.setattr(later, "_TOGETHER", 2)

    async def scene() -> None:
        desk = Desk(0)
        await asyncio.gather(*(desk.begin(number)[1] for number in range(5)))
        assert desk.together == [2, 2, 1]

    wait(scene())


def test_closing_keeps_at_once_what_waits() -> None:
    """Also what comes while it closes; a keeper without work closes too."""

    async def scene() -> None:
        await Desk().keeper.close()
        desk = Desk()
        _, first = desk.begin(1)
        await settle()
        closing = asyncio.ensure_future(desk.keeper.close())
        _, second = desk.begin(2)
        await closing
        await asyncio.gather(first, second)
        assert len(await desk.kept()) == 2

    wait(scene())


def test_closing_does_not_wait_for_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told, and no lease is left."""
    monkeypatch.setattr(later, "_CLOSING_SECONDS", 0.05)
    monkeypatch.setattr(later, "_TOGETHER", 1)

    async def scene() -> None:
        desk = Desk()
        begun = [desk.begin(number, gate=asyncio.Event())[1] for number in range(2)]
        await settle()
        await desk.keeper.close()
        for keeping in begun:
            with pytest.raises(asyncio.CancelledError):
                await keeping
        assert await desk.kept() == set()
        await desk.passage.assert_tidy()

    wait(scene())


@pytest.mark.parametrize("fault", [StorageFault("blob-fault", "No"), ZeroDivisionError("ours")])
def test_one_that_cannot_be_stored_spoils_no_other(fault: Exception) -> None:
    """Only its own giver is told, unless he is gone."""

    async def scene() -> None:
        desk = Desk(0)
        begun = [desk.begin(number)[1] for number in range(3)]
        (_, bad), (_, gone) = desk.begin(3, fault=fault), desk.begin(4, fault=fault)
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(type(fault)):
            await bad
        await asyncio.gather(*begun)
        assert len(await desk.kept()) == 3
        await desk.passage.assert_tidy()

    wait(scene())


def test_a_catalog_that_cannot_be_reached_is_asked_once() -> None:
    """Each by itself would fail as well, and take long; what comes later is kept as ever."""

    async def scene() -> None:
        desk = Desk(0)
        begun = [desk.begin(number, fault=Unavailable("catalog-busy", "Busy"))[1] for number in range(3)]
        for keeping in begun:
            with pytest.raises(Unavailable):
                await keeping
        assert desk.together == [3]
        await desk.begin(4)[1]

    wait(scene())
