"""Files that come through an index: quarantined, vanished, judged late, and where their bytes are."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.errors import Forbidden
from strongroom.core.mirrored import Skipped
from strongroom.core.model import ProjectStatus
from strongroom.core.rules import Rules
from strongroom.core.upstream import Delivery
from strongroom.services.download import Elsewhere, FoundFile
from tests.factories import (
    MAIN,
    STAGING,
    a_copy,
    a_file,
    a_mirror,
    a_project,
    an_index,
    an_upstream,
    an_upstream_page,
)
from tests.fake_mirror import FakeArriving
from tests.fakes import START
from tests.replacing import replace
from tests.services.passing import OLD, PUBLIC, TARGET, Place, play


def test_a_quarantined_upstream_project_offers_nothing() -> None:
    """PEP 792, relayed: the page keeps its status and loses its files, the file's URL says why."""

    async def scene(place: Place) -> None:
        found = an_upstream_page("demo", OLD)
        place.mirror.add_page(replace(found, status=ProjectStatus.QUARANTINED, status_reason="malware"))
        page = await place.browse.get_project_page(TARGET)
        assert (page.files, page.status, page.status_reason) == ((), ProjectStatus.QUARANTINED, "malware")
        with pytest.raises(Forbidden) as refusal:
            await place.download.get_file(TARGET, OLD.filename)
        assert refusal.value.code == "project-quarantined"
        (explained,) = (await place.explain()).files
        assert (explained.is_offered, explained.code) == (False, "project-quarantined")

    play(scene)


def test_a_quarantined_own_project_is_explained() -> None:
    """The same for own files."""

    async def scene(place: Place) -> None:
        await place.own(a_file())
        held = replace(a_project(), status=ProjectStatus.QUARANTINED)
        await place.add(lambda tx: tx.projects.save(held))
        (explained,) = (await place.explain()).files
        assert (explained.is_offered, explained.code) == (False, "project-quarantined")

    play(scene)


def test_vanished_and_unusable_files_are_explained() -> None:
    """What the upstream took back stays for those who pinned it; what cannot be used is named with its reason."""

    async def scene(place: Place) -> None:
        gone = replace(OLD, vanished_at=START)
        page = replace(an_upstream_page("demo", gone), skipped=(Skipped("demo-1.0.exe", "it is no distribution"),))
        place.mirror.add_page(page)
        vanished, skipped = (await place.explain()).files
        assert (vanished.is_offered, vanished.code) == (True, "vanished")
        assert (skipped.is_offered, skipped.reason) == (False, "it is no distribution")

    play(scene)


def test_a_licence_is_looked_up_before_a_file_leaves() -> None:
    """The listing cannot know it before METADATA was read; the file's own URL reads it first."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD))
        place.mirror.metadata[OLD.filename] = b"Metadata-Version: 2.4\nLicense-Expression: GPL-3.0-only\n"
        assert await place.page() == [OLD.filename]
        with pytest.raises(Forbidden) as refusal:
            await place.download.get_file(TARGET, OLD.filename)
        assert "GPL-3.0-only" in refusal.value.message
        kept = replace(a_copy(), licence="GPL-3.0-only")
        await place.add(lambda tx: tx.copies.save(kept))
        assert await place.page() == []

    play(scene, rules=Rules(licences=("MIT",)))


def test_the_json_api_tells_nothing_of_a_licence_that_does_not_come_through() -> None:
    """It reads METADATA before anybody has, so it judges what it reads."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD))
        place.mirror.metadata[OLD.filename] = b"Metadata-Version: 2.4\nLicense-Expression: GPL-3.0-only\n"
        with pytest.raises(Forbidden) as refusal:
            await place.browse.get_release(TARGET)
        assert refusal.value.code == "licence"
        permitted = b"Metadata-Version: 2.4\nLicense-Expression: MIT\n"
        place.mirror.metadata[OLD.filename] = permitted
        assert (await place.browse.get_release(TARGET)).metadata == permitted

    play(scene, rules=Rules(licences=("MIT",)))


@pytest.mark.parametrize("announced", [True, False])
def test_a_size_that_only_the_bytes_tell_is_judged(announced: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Where the page says no size, the upstream's answer does, or the bytes themselves."""

    async def scene(place: Place) -> None:
        file = replace(OLD, size_bytes=None)
        place.mirror.add_page(an_upstream_page("demo", file))
        copy = replace(a_copy(), size_bytes=1001)
        arriving = FakeArriving([b"a"], 1001 if announced else None, copy)
        arriving.released.set()
        place.mirror.arriving[file.filename] = arriving
        found = await place.download.get_file(TARGET, file.filename)
        with pytest.raises(Forbidden) as refusal:
            await place.download.open_bytes(found)
        assert refusal.value.code == "too-large"

    play(scene, rules=Rules(max_size_bytes=1000))


def test_a_size_that_nobody_knows_is_judged_before_a_client_is_sent_elsewhere() -> None:
    """Without copies no bytes would come here, so these do; a copy that was just stored is judged as well."""

    async def scene(place: Place) -> None:
        redirecting = a_mirror(upstream=an_upstream(delivery=Delivery.REDIRECT), rules=Rules(max_size_bytes=1000))
        await place.add(lambda tx: tx.indexes.replace(redirecting))
        file = replace(OLD, size_bytes=None)
        place.mirror.add_page(an_upstream_page("demo", file))
        found = await place.download.get_file(TARGET, file.filename)
        for size_bytes in (1001, 999):
            place.mirror.arriving[file.filename] = FakeArriving([b"a"], size_bytes, a_copy())
            if size_bytes > 1000:
                with pytest.raises(Forbidden):
                    await place.download.open_bytes(found)
            else:
                assert await place.download.open_bytes(found) is place.mirror.arriving[file.filename]
        place.mirror.copies[PUBLIC, file.filename] = replace(a_copy(), size_bytes=1001)
        for look in (place.download.find_stored, place.download.open_bytes):
            with pytest.raises(Forbidden) as refusal:
                await look(found)
            assert refusal.value.code == "too-large"
        place.mirror.add_page(an_upstream_page("demo", OLD))
        place.mirror.copies.clear()
        assert isinstance(await place.download.open_bytes(FoundFile(OLD, redirecting)), Elsewhere)

    play(scene)


def test_bytes_come_from_the_copy_or_the_fetch_or_elsewhere() -> None:
    """A stored copy counts only with the page's digest; without copies the client is sent to the upstream."""

    async def scene(place: Place) -> None:
        arriving = FakeArriving([b"a"], 1, a_copy())
        place.mirror.arriving[OLD.filename] = arriving
        found = FoundFile(OLD, a_mirror())
        assert await place.download.open_bytes(found) is arriving
        place.mirror.copies[PUBLIC, OLD.filename] = replace(a_copy(), stored_at=None)
        assert await place.download.open_bytes(found) is arriving
        redirecting = a_mirror(upstream=an_upstream(delivery=Delivery.REDIRECT))
        assert await place.download.open_bytes(FoundFile(OLD, redirecting)) == Elsewhere(OLD.url)
        place.mirror.copies[PUBLIC, OLD.filename] = a_copy()
        assert await place.download.open_bytes(FoundFile(OLD, redirecting)) == a_copy()

    play(scene)


def test_the_list_shows_own_names_and_what_was_asked_of_upstreams() -> None:
    """Names of all bases, each once, and not the hundreds of thousands that nobody here wants."""

    async def scene(place: Place) -> None:
        await place.own(a_file("demo-0.1-py3-none-any.whl"))
        await place.add(lambda tx: tx.upstream_pages.save(an_upstream_page("other")))
        await place.add(lambda tx: tx.upstream_pages.save(an_upstream_page("demo")))
        projects = await place.browse.get_project_list(MAIN)
        assert [(entry.name, entry.serial) for entry in projects.entries] == [("demo", 3), ("other", 0)]
        assert projects.valid_until == START + timedelta(minutes=1)
        alone = await place.browse.get_project_list(STAGING)
        assert (alone.entries, alone.valid_until) == ((), None)

    play(scene, an_index("staging"))
