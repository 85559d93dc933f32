"""Overlays whose own part is in quarantine, or gone: page, download and explanation agree."""

from __future__ import annotations

import pytest

from strongroom.core.access import ProjectTarget
from strongroom.core.errors import Forbidden, NotFound
from strongroom.core.explanation import Answer
from strongroom.core.model import ProjectStatus, Tombstone
from strongroom.core.names import parse_filename
from strongroom.core.reservations import Hold
from strongroom.ports import Transaction
from tests.factories import DEMO, MAIN, STAGING, a_file, a_project, a_reservation, an_index, an_upstream_page
from tests.fakes import START
from tests.replacing import replace
from tests.services.passing import OLD, TARGET, Place, play

OWN = a_file("demo-9.0-py3-none-any.whl")


async def quarantine(place: Place) -> None:
    """Put the project of `main` in quarantine."""
    sick = replace(a_project(serial=4), status=ProjectStatus.QUARANTINED, status_reason="steals keys")
    await place.add(lambda tx: tx.projects.save(sick))


async def bury(place: Place) -> None:
    """Delete the file of `main`, and with it the project."""

    def change(tx: Transaction) -> None:
        tx.files.bury(Tombstone(MAIN, DEMO, OWN.filename, OWN.sha256, START))
        tx.projects.remove(MAIN, DEMO)

    await place.add(change)


def test_quarantine_of_an_overlay_stops_what_stands_below() -> None:
    """Nobody gets the upstream's file instead of the one that was found to be harmful, and no upstream is asked."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD, replace(OLD, filename=OWN.filename)))
        await place.own(OWN)
        await place.hold(a_reservation(hold=Hold.OVERLAY))
        assert await place.page() == [OLD.filename, OWN.filename]
        await quarantine(place)
        place.mirror.asked.clear()
        assert await place.page() == []
        with pytest.raises(Forbidden):
            await place.download.get_file(TARGET, OWN.filename)
        with pytest.raises(NotFound):
            await place.download.get_file(TARGET, OLD.filename)
        explained = await place.explain()
        assert explained.answer is Answer.OWN
        assert [(file.filename, file.code) for file in explained.files] == [(OWN.filename, "project-quarantined")]
        assert place.mirror.asked == []

    play(scene)


def test_quarantine_of_an_overlay_over_another_index_stops_both() -> None:
    """The same where the files below are another index's own."""

    async def scene(place: Place) -> None:
        await place.own(OWN)
        await place.own(a_file("demo-2.0-py3-none-any.whl", index="staging"))
        await place.hold(a_reservation(hold=Hold.OVERLAY))
        based = an_index(bases=("staging",))
        await place.add(lambda tx: tx.indexes.replace(based))
        assert len(await place.page()) == 2
        await quarantine(place)
        assert await place.page() == []
        with pytest.raises(NotFound):
            await place.download.get_file(TARGET, parse_filename("demo-2.0-py3-none-any.whl"))
        assert await place.page(ProjectTarget(STAGING, DEMO)) == ["demo-2.0-py3-none-any.whl"]

    play(scene, an_index("staging"))


def test_an_overlay_whose_files_are_deleted_shows_what_stands_below() -> None:
    """The page says what the files' own URLs and the explanation say."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD))
        await place.own(OWN)
        await place.hold(a_reservation(hold=Hold.OVERLAY))
        await bury(place)
        assert await place.page() == [OLD.filename]
        assert (await place.download.get_file(TARGET, OLD.filename)).upstream is not None
        assert [file.is_offered for file in (await place.explain()).files] == [True]

    play(scene)


def test_an_overlay_whose_files_are_deleted_shows_another_indexs() -> None:
    """And no upstream is asked."""

    async def scene(place: Place) -> None:
        await place.own(OWN)
        await place.own(a_file("demo-2.0-py3-none-any.whl", index="staging"))
        await place.hold(a_reservation(hold=Hold.OVERLAY))
        based = an_index(bases=("staging",))
        await place.add(lambda tx: tx.indexes.replace(based))
        await bury(place)
        assert await place.page() == ["demo-2.0-py3-none-any.whl"]
        assert place.mirror.asked == []

    play(scene, an_index("staging"))
