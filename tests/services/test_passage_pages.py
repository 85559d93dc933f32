"""Pages and explanations of what comes through: what is known of a file later, and files under an overlay."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.access import ProjectTarget
from strongroom.core.explanation import Answer
from strongroom.core.reservations import Hold
from strongroom.core.rules import Rules
from tests.factories import DEMO, STAGING, a_copy, a_file, a_reservation, an_index, an_upstream_page
from tests.replacing import replace
from tests.services.passing import OLD, Place, play


@pytest.mark.parametrize(
    ("rules", "code"),
    [(Rules(max_size_bytes=1000), "too-large"), (Rules(takes_unknown_licences=False), "licence")],
    ids=["size", "licence"],
)
def test_what_a_page_could_not_tell_is_judged_once_it_is_known(rules: Rules, code: str) -> None:
    """A size or a licence that was found out later hides the file in the listing, as explain says."""

    async def scene(place: Place) -> None:
        file = replace(OLD, size_bytes=None, has_upstream_metadata=True)
        place.mirror.add_page(an_upstream_page("demo", file))
        assert await place.page() == [file.filename]
        copy = replace(a_copy(), size_bytes=1001, licence="")
        await place.add(lambda tx: tx.copies.save(copy))
        assert await place.page() == []
        (explained,) = (await place.explain()).files
        assert (explained.is_offered, explained.code) == (False, code)

    play(scene, rules=rules)


def test_files_of_both_indexes_of_an_overlay_are_explained() -> None:
    """The index above, then what it does not cover of the one below."""

    async def scene(place: Place) -> None:
        for index in ("staging", "main"):
            await place.own(a_file(index=index))
        await place.own(a_file("demo-1.0.tar.gz", index="main"))
        await place.hold(a_reservation("demo", index="staging", hold=Hold.OVERLAY))
        target = ProjectTarget(STAGING, DEMO)
        explained = await place.explain(target)
        assert explained.answer is Answer.OVERLAY
        assert [file.filename for file in explained.files] == [*await place.page(target)]
        assert len(explained.files) == 2

    play(scene, an_index("staging", bases=("main",)))


def test_an_upstream_file_under_an_own_one_is_explained() -> None:
    """It is covered, whatever the rules say of it; the page is said to be older than a moment."""

    async def scene(place: Place) -> None:
        await place.own(a_file(OLD.filename))
        await place.hold(a_reservation("demo", hold=Hold.OVERLAY))
        for minutes, said in ((0, "just now"), (1, "a minute ago"), (7, "7 minutes ago")):
            asked_at = place.clock.now() - timedelta(minutes=minutes)
            place.mirror.add_page(replace(an_upstream_page("demo", OLD), fetched_at=asked_at))
            explained = await place.explain()
            assert explained.sentence.endswith(f"; 'public' found it upstream {said}")
        assert [(file.is_offered, file.code) for file in explained.files] == [(True, ""), (False, "overlaid")]

    play(scene)
