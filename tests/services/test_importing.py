"""Importing a directory: what goes in, in which order, and what is told of each file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.core.access import Right
from strongroom.core.caller import Caller
from strongroom.core.errors import Forbidden, InvalidRequest, NotFound, StorageFull
from strongroom.core.names import IndexName
from strongroom.services.importing import Importing, Result, Step
from tests.archives.sdists import Sdist
from tests.archives.wheels import Wheel
from tests.factories import MAIN, OPERATOR, STAGING, a_caller, a_grant, a_user
from tests.fakes import START
from tests.services.publishing import CONTENT, NOTHING, OTHER_CONTENT, WHEEL, Place, WatchedBlobs, play

_SDIST = Sdist()
_OLD = datetime(2019, 3, 1, 8, 30, tzinfo=UTC)
_OLDER = datetime(2018, 3, 1, 8, 30, tzinfo=UTC)


def put(path: Path, content: bytes, *, at: datetime = _OLD) -> None:
    """Write a file with that modification time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))


def fill(directory: Path) -> None:
    """Write what an old package directory holds: nested, with files that are no distributions."""
    put(directory / WHEEL.filename, CONTENT)
    put(directory / "deep" / "er" / _SDIST.filename, _SDIST.build(), at=_OLDER)
    put(directory / "README.txt", b"packages of the company")
    put(directory / "demo-1.0.tar.gz.asc", b"signature")
    put(directory / "index.html", b"<a>")
    put(directory / ".cache" / "hidden-1.0.tar.gz", b"left by a program")


async def run(
    place: Place,
    directory: Path,
    *,
    caller: Caller = OPERATOR,
    index: IndexName = MAIN,
    tell: Callable[[Step, asyncio.Event], None] | None = None,
) -> list[Step]:
    """Import the directory and return what was told."""
    importing = Importing(place.publish)
    steps: list[Step] = []
    stop = asyncio.Event()

    def take(step: Step) -> None:
        steps.append(step)
        if tell is not None:
            tell(step, stop)

    await importing.run(caller, index, found=await importing.scan(directory), tell=take, stop=stop)
    return steps


def results(steps: list[Step]) -> dict[str, Result]:
    """Return what became of each filename."""
    return {step.candidate.path.name: step.result for step in steps}


def test_distributions_are_found_at_any_depth_oldest_first(tmp_path: Path) -> None:
    """Other files are counted, hidden directories are not looked into."""
    fill(tmp_path)
    found = asyncio.run(Importing(Place().publish).scan(tmp_path))
    assert [candidate.path.name for candidate in found.candidates] == [_SDIST.filename, WHEEL.filename]
    assert found.ignored == 3
    assert found.size_bytes == len(CONTENT) + len(_SDIST.build())


def test_a_misnamed_distribution_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    """An archive whose name says no version is reported with the reason, and the rest goes in."""
    put(tmp_path / "demo-latest.tar.gz", b"anything")
    put(tmp_path / WHEEL.filename, CONTENT)

    async def scene(place: Place) -> list[Step]:
        return await run(place, tmp_path)

    steps = play(scene)

    assert results(steps) == {WHEEL.filename: Result.IMPORTED, "demo-latest.tar.gz": Result.REFUSED}
    assert [step.code for step in steps if step.result is Result.REFUSED] == ["sdist-filename"]


def test_what_is_no_directory_is_said(tmp_path: Path) -> None:
    """A mistyped path is an error and not an empty import."""
    with pytest.raises(InvalidRequest, match="is not a directory"):
        asyncio.run(Importing(Place().publish).scan(tmp_path / "nowhere"))


def test_files_keep_their_times(tmp_path: Path) -> None:
    """The modification time becomes the upload time; the event says that it was an import."""
    fill(tmp_path)

    async def scene(place: Place) -> None:
        steps = await run(place, tmp_path)
        assert results(steps) == {WHEEL.filename: Result.IMPORTED, _SDIST.filename: Result.IMPORTED}
        seen = await place.see()
        assert {file.filename: file.uploaded_at for file in seen.files} == {
            WHEEL.filename: _OLD,
            _SDIST.filename: _OLDER,
        }
        assert [getattr(event, "imported", False) for event in seen.events] == [True, True]
        assert (seen.leases, seen.temporary) == ((), 0)

    play(scene)


def test_a_second_import_skips_what_is_there(tmp_path: Path) -> None:
    """Nothing changes, and nothing is copied: no temporary file is made."""
    fill(tmp_path)

    async def scene(place: Place) -> None:
        await run(place, tmp_path)
        before = await place.see()
        place.blobs = WatchedBlobs(capacity_bytes=0)
        again = await run(place, tmp_path)
        assert set(results(again).values()) == {Result.PRESENT}
        assert await place.see() == replace(before, blobs=0)

    play(scene)


def test_each_refusal_is_told_and_ends_nothing(tmp_path: Path) -> None:
    """A misnamed wheel, a broken archive, other bytes under a known name; the good ones go in."""
    put(tmp_path / WHEEL.filename, CONTENT, at=_OLDER)
    put(tmp_path / "copy" / WHEEL.filename, OTHER_CONTENT)
    put(tmp_path / "demo.whl", CONTENT)
    put(tmp_path / "broken-1.0.tar.gz", b"not gzip")
    good = Wheel("good")
    put(tmp_path / good.filename, good.build(), at=START)

    async def scene(place: Place) -> None:
        steps = await run(place, tmp_path)
        told = {str(step.candidate.path.relative_to(tmp_path)): step.code for step in steps}
        assert told.pop("demo.whl") == "wheel-filename"
        assert told.pop("broken-1.0.tar.gz") == "gzip-header"
        assert told.pop(f"copy/{WHEEL.filename}") == "file-exists"
        assert set(told.values()) == {""}
        assert all(step.reason for step in steps if step.result is Result.REFUSED)
        assert {file.filename for file in (await place.see()).files} == {WHEEL.filename, good.filename}

    play(scene)


def test_a_file_that_vanishes_is_a_refusal(tmp_path: Path) -> None:
    """The directory may change while it is imported."""
    fill(tmp_path)

    async def scene(place: Place) -> None:
        importing = Importing(place.publish)
        found = await importing.scan(tmp_path)
        (tmp_path / WHEEL.filename).unlink()
        steps: list[Step] = []
        await importing.run(OPERATOR, MAIN, found=found, tell=steps.append, stop=asyncio.Event())
        assert results(steps) == {WHEEL.filename: Result.REFUSED, _SDIST.filename: Result.IMPORTED}
        assert {step.code for step in steps} == {"", "unreadable"}
        assert (await place.see()).leases == ()

    play(scene)


def test_an_import_can_be_stopped_and_repeated(tmp_path: Path) -> None:
    """Files at hand are finished, no further one is begun; the next run does the rest."""
    wheels = [Wheel(version=f"1.{minor}") for minor in range(20)]
    for minor, wheel in enumerate(wheels):
        put(tmp_path / wheel.filename, wheel.build(), at=_OLD + timedelta(days=minor))

    async def scene(place: Place) -> None:
        first = await run(place, tmp_path, tell=lambda _step, stop: stop.set())
        assert 1 <= len(first) <= 2
        assert len((await place.see()).files) == len(first)
        assert (await place.see()).leases == ()
        second = await run(place, tmp_path)
        assert len(second) == 20
        assert sum(step.result is Result.PRESENT for step in second) == len(first)
        assert len((await place.see()).files) == 20

    play(scene)


def test_a_missing_index_ends_the_import(tmp_path: Path) -> None:
    """It is no fault of a file."""
    fill(tmp_path)

    async def scene(place: Place) -> None:
        with pytest.raises(NotFound):
            await run(place, tmp_path, index=STAGING)
        assert await place.see() == NOTHING

    play(scene)


def test_a_full_disk_ends_the_import(tmp_path: Path) -> None:
    """All further files would fail alike."""
    fill(tmp_path)

    async def scene(place: Place) -> None:
        with pytest.raises(StorageFull):
            await run(place, tmp_path)
        assert await place.see() == NOTHING

    play(scene, Place(blobs=WatchedBlobs(capacity_bytes=100)))


def test_only_an_administrator_imports(tmp_path: Path) -> None:
    """To set upload times is to rewrite history, and who may only upload may not."""
    fill(tmp_path)
    grant = a_grant(Right.READ, Right.UPLOAD)

    async def scene(place: Place) -> None:
        await place.admit(a_user("bob"), grant)
        with pytest.raises(Forbidden):
            await run(place, tmp_path, caller=a_caller("bob", grant))
        assert await place.see() == NOTHING

    play(scene)


def test_a_time_in_the_future_becomes_now(tmp_path: Path) -> None:
    """A wrong clock on the old server does not hide files from resolvers that ask for older ones."""
    put(tmp_path / WHEEL.filename, CONTENT, at=START + timedelta(days=1))

    async def scene(place: Place) -> None:
        await run(place, tmp_path)
        assert [file.uploaded_at for file in (await place.see()).files] == [START]

    play(scene)
