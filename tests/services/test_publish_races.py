"""Publishing by many at once."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.memory.catalog import MemoryCatalog
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.core.errors import Conflict, FileExists, Unavailable
from strongroom.core.names import Sha256
from strongroom.core.removals import make_removal
from strongroom.ports import Incoming, Transaction
from tests.archives.wheels import Wheel
from tests.factories import (
    OPERATOR,
)
from tests.services.publishing import (
    CONTENT,
    OTHER_CONTENT,
    Place,
    WatchedBlobs,
    a_form,
    play,
    upload,
)


async def _race(place: Place, contents: list[bytes]) -> Counter[str]:
    async def attempt(content: bytes) -> str:
        try:
            published = await upload(place.publish, OPERATOR, content=content)
        except FileExists:
            return "exists"
        return published.outcome.value

    return Counter(await asyncio.gather(*(attempt(content) for content in contents)))


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
def test_of_64_uploads_of_one_filename_one_wins(on_disk: bool, tmp_path: Path) -> None:  # noqa: FBT001  # parametrized
    """32 with the same bytes are all accepted, 32 with others all refused, or the other way round; one event."""

    async def scene() -> None:
        place = Place()
        if on_disk:
            catalog = open_catalog(f"sqlite:///{tmp_path / 'catalog.sqlite3'}", chain_key=bytes(32))
            place = Place(catalog=catalog, blobs=LocalBlobs(tmp_path, 0))
        try:
            await place.prepare()
            outcomes = await _race(place, [CONTENT, OTHER_CONTENT] * 32)
            assert outcomes == {"created": 1, "unchanged": 31, "exists": 32}
            seen = await place.see()
            assert len(seen.files) == len(seen.events) == 1
            assert (seen.leases, seen.temporary) == ((), 0)
            assert await _race(place, [CONTENT] * 4 + [OTHER_CONTENT] * 4) == {"unchanged": 4, "exists": 4}
        finally:
            await place.catalog.close()

    asyncio.run(scene())


def test_64_different_files_at_once_are_all_published() -> None:
    """Each has its own event and serial; the project's serial is the last of them."""

    async def scene(place: Place) -> None:
        wheels = [Wheel(version=f"1.{minor}") for minor in range(64)]
        await asyncio.gather(
            *(upload(place.publish, OPERATOR, content=wheel.build(), form=a_form(wheel.filename)) for wheel in wheels)
        )
        seen = await place.see()
        assert sorted(file.serial for file in seen.files) == list(range(1, 65))
        assert [project.serial for project in seen.projects] == [64]
        assert len({file.sha256 for file in seen.files}) == 64

    play(scene)


class Meddled(WatchedBlobs):
    """Blobs beside which something happens while they are kept."""

    def __init__(self, happen: Callable[[Transaction], None]) -> None:
        super().__init__()
        self._happen = happen
        self.catalog = MemoryCatalog()

    async def keep(self, incoming: Incoming) -> Sha256:
        """Keep, and let it happen."""
        kept = await super().keep(incoming)
        await self.catalog.write(self._happen)
        return kept


def test_an_upload_whose_lease_was_ended_is_not_acknowledged() -> None:
    """The sweep of a node with a wrong clock may have taken its bytes: nothing is published, and a retry is."""

    def end_all(tx: Transaction) -> None:
        for lease in tx.leases.list():
            tx.leases.remove(lease.lease_id)

    async def scene(place: Place) -> None:
        with pytest.raises(Conflict):
            await upload(place.publish, OPERATOR)
        assert (await place.see()).files == ()
        assert (await place.see()).events == ()
        await upload(replace(place.publish, blobs=WatchedBlobs()), OPERATOR)

    blobs = Meddled(end_all)
    play(scene, Place(catalog=blobs.catalog, blobs=blobs))


def test_bytes_that_are_being_removed_are_asked_for_again() -> None:
    """An upload of them relies on nothing that is about to go, leaves nothing, and passes when the removal is over."""

    async def scene(place: Place) -> None:
        removal = make_removal("x", [sha256_of_bytes(CONTENT)], now=place.clock.now())
        await place.catalog.write(lambda tx: tx.leases.add(removal))
        before = await place.see()
        with pytest.raises(Unavailable) as raised:
            await upload(place.publish, OPERATOR)
        assert raised.value.code == "being-removed"
        assert await place.see() == before
        await place.catalog.write(lambda tx: tx.leases.remove(removal.lease_id))
        await upload(place.publish, OPERATOR)

    play(scene)


def sha256_of_bytes(content: bytes) -> Sha256:
    """Return the digest of bytes."""
    return Sha256(hashlib.sha256(content).hexdigest())
