"""Publishing by many at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.core.errors import (
    FileExists,
)
from tests.archives.wheels import Wheel
from tests.factories import (
    OPERATOR,
)
from tests.services.publishing import (
    CONTENT,
    OTHER_CONTENT,
    Place,
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
