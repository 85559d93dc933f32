"""What comes through an index: browse, download and explain agree on whose a name is and which files show."""

from __future__ import annotations

from datetime import timedelta

import pytest

from strongroom.core.access import ProjectTarget, Right
from strongroom.core.errors import Forbidden, NotFound, UpstreamFault
from strongroom.core.explanation import Answer
from strongroom.core.mirrored import UpstreamFile
from strongroom.core.model import File
from strongroom.core.names import parse_filename, parse_index_name
from strongroom.core.reservations import Hold
from tests.factories import (
    DEMO,
    MAIN,
    STAGING,
    a_caller,
    a_file,
    a_grant,
    a_mirror,
    a_reservation,
    an_exemption,
    an_index,
    an_upstream_file,
    an_upstream_page,
)
from tests.fakes import START
from tests.replacing import replace
from tests.services.passing import COOLDOWN, OLD, PUBLIC, TARGET, YOUNG, Place, play


def test_what_nobody_owns_comes_from_the_upstream_less_what_the_rules_hide() -> None:
    """The page, the file's own URL and the explanation say the same; the page ends when the next file is old enough."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD, YOUNG))
        page = await place.browse.get_project_page(TARGET)
        assert [file.filename for file in page.files] == [OLD.filename]
        assert (page.index, page.serial, page.valid_until) == (MAIN, 0, START + timedelta(minutes=10))
        found = await place.download.get_file(TARGET, OLD.filename)
        assert (found.file, found.upstream, found.valid_until) == (
            OLD,
            a_mirror(rules=COOLDOWN),
            START + timedelta(minutes=1),
        )
        with pytest.raises(Forbidden) as refusal:
            await place.download.get_file(TARGET, YOUNG.filename)
        explained = await place.explain()
        assert (explained.answer, explained.owner) == (Answer.UPSTREAM, PUBLIC)
        shown, hidden = explained.files
        assert (shown.filename, shown.is_offered, shown.code) == (OLD.filename, True, "")
        assert (hidden.is_offered, hidden.code, hidden.rule_of) == (False, refusal.value.code, PUBLIC)
        assert (hidden.reason, hidden.hint) == (refusal.value.message, refusal.value.hint)
        assert hidden.until == START + timedelta(hours=71)

    play(scene)


def test_a_file_comes_through_by_itself_and_the_page_ends_in_time() -> None:
    """An hour before, it is hidden, and the page says until when it holds."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", YOUNG))
        place.clock.advance(timedelta(hours=71, minutes=-1))
        assert (await place.browse.get_project_page(TARGET)).valid_until == place.clock.now() + timedelta(seconds=5)
        place.clock.advance(timedelta(minutes=1))
        assert await place.page() == [YOUNG.filename]

    play(scene)


def test_an_exemption_opens_page_and_file_and_lapses_by_itself() -> None:
    """It is in force at the next request and over at its end, which the page knows."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", YOUNG))
        granted = replace(an_exemption(versions="==2.0"), expires_at=START + timedelta(minutes=2))
        assert await place.page() == []
        await place.add(lambda tx: tx.exemptions.add(granted))
        page = await place.browse.get_project_page(TARGET)
        assert [file.filename for file in page.files] == [YOUNG.filename]
        assert page.valid_until == granted.expires_at
        assert (await place.download.get_file(TARGET, YOUNG.filename)).file == YOUNG
        (explained,) = (await place.explain()).files
        assert (explained.is_offered, explained.code) == (True, "exempted")
        place.clock.advance(timedelta(minutes=2))
        assert await place.page() == []
        with pytest.raises(Forbidden):
            await place.download.get_file(TARGET, YOUNG.filename)

    play(scene)


def test_an_owned_name_is_never_asked_upstream() -> None:
    """Through no index, in no spelling, and not after its last file is gone either."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD))
        own = a_file("demo-0.1-py3-none-any.whl")
        await place.own(own)
        assert await place.page() == [own.filename]
        with pytest.raises(NotFound):
            await place.download.get_file(TARGET, OLD.filename)
        for index in ("public", "staging"):
            with pytest.raises(NotFound):
                await place.page(ProjectTarget(parse_index_name(index), DEMO))
        explained = await place.explain(ProjectTarget(PUBLIC, DEMO))
        assert explained.answer is Answer.WITHHELD
        assert "'main'" in explained.sentence
        assert (await place.explain()).answer is Answer.OWN
        assert place.mirror.asked == []
        assert place.asked.names == []

    play(scene, a_mirror("staging"))


@pytest.mark.parametrize("start", ["public", "closed"])
@pytest.mark.parametrize("hold", [None, Hold.RESERVED])
def test_who_may_not_read_the_holder_learns_nothing_of_it(start: str, hold: Hold | None) -> None:
    """The explanation is the same, word by word, as that of a name of nobody's, with an upstream or without."""

    async def scene(place: Place) -> None:
        target = ProjectTarget(parse_index_name(start), DEMO)
        grants = (a_grant(Right.READ, index=start), a_grant(Right.READ, index="main", projects="other-*"))
        caller = a_caller("bob", *grants)
        of_nobody = await place.explainer.explain(caller, target)
        if hold is None:
            await place.own(a_file("demo-0.1-py3-none-any.whl"))
        else:
            await place.hold(a_reservation("de*", hold=hold))
        place.mirror.asked.clear()
        assert await place.explainer.explain(caller, target) == of_nobody
        assert of_nobody.answer is Answer.NOWHERE
        assert "an index that you may not read" in of_nobody.sentence
        assert "main" not in str(of_nobody)
        assert (await place.explain(target)).answer is Answer.WITHHELD
        assert place.mirror.asked == []
        with pytest.raises(NotFound):
            await place.explainer.explain(caller, TARGET)

    play(scene, an_index("closed"))


def test_who_may_not_read_the_holder_learns_nothing_of_it_under_an_overlay() -> None:
    """What stands below the overlay is missing in the same way."""

    async def scene(place: Place) -> None:
        await place.own(a_file("demo-0.1-py3-none-any.whl", index="team"))
        await place.hold(a_reservation(index="team", hold=Hold.OVERLAY))
        target = ProjectTarget(parse_index_name("team"), DEMO)
        caller = a_caller("bob", a_grant(Right.READ, index="team"))
        of_nobody = await place.explainer.explain(caller, target)
        await place.own(a_file("demo-0.2-py3-none-any.whl"))
        assert await place.explainer.explain(caller, target) == of_nobody
        assert [file.filename for file in of_nobody.files] == ["demo-0.1-py3-none-any.whl"]
        assert "main" not in str(of_nobody)

    play(scene, an_index("team", bases=("public",)))


@pytest.mark.parametrize("pattern", ["demo", "de*"])
def test_a_reserved_name_is_missing_or_forbidden_as_the_index_says(pattern: str) -> None:
    """404 by default; 403 where uv must not go on to the next index."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD))
        await place.hold(a_reservation(pattern))
        with pytest.raises(NotFound):
            await place.page()
        assert (await place.explain()).answer is Answer.RESERVED
        closed = replace(an_index(bases=("public",)), forbids_reserved=True)
        await place.add(lambda tx: tx.indexes.replace(closed))
        with pytest.raises(Forbidden) as refusal:
            await place.page()
        assert refusal.value.code == "name-reserved"
        assert place.mirror.asked == []

    play(scene)


def test_an_overlay_shows_both_and_the_own_file_wins() -> None:
    """A patched fork stands over the upstream's files; each file comes from where it is."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD, replace(OLD, filename=parse_filename("demo-1.5.tar.gz"))))
        own = a_file("demo-1.0-py3-none-any.whl")
        await place.own(own)
        await place.hold(a_reservation(hold=Hold.OVERLAY))
        page = await place.browse.get_project_page(TARGET)
        assert [(file.filename, isinstance(file, UpstreamFile)) for file in page.files] == [
            (own.filename, False),
            ("demo-1.5.tar.gz", True),
        ]
        assert (await place.download.get_file(TARGET, own.filename)).upstream is None
        assert (await place.download.get_file(TARGET, parse_filename("demo-1.5.tar.gz"))).upstream is not None
        explained = await place.explain()
        assert explained.answer is Answer.OVERLAY
        assert len(explained.files) == 3
        place.mirror.pages.clear()
        assert await place.page() == [own.filename]

    play(scene)


def test_an_overlay_over_a_base_shows_both() -> None:
    """The next source may be another index's own files."""

    async def scene(place: Place) -> None:
        await place.own(a_file("demo-1.0-py3-none-any.whl", index="staging"))
        await place.own(a_file("demo-2.0-py3-none-any.whl"))
        await place.hold(a_reservation(index="staging", hold=Hold.OVERLAY))
        target = ProjectTarget(STAGING, DEMO)
        assert await place.page(target) == ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]
        below = await place.download.get_file(target, parse_filename("demo-2.0-py3-none-any.whl"))
        assert isinstance(below.file, File)
        assert below.file.index == MAIN
        assert place.mirror.asked == []

    play(scene, an_index("staging", bases=("main",)))


def test_the_first_upstream_that_has_a_name_answers_alone() -> None:
    """Files of two upstreams never stand under one name; where the first fails, the second is not asked."""

    async def scene(place: Place) -> None:
        place.mirror.add_page(an_upstream_page("demo", OLD))
        second = an_upstream_file("demo-9.0-py3-none-any.whl", index="mirror")
        place.mirror.add_page(an_upstream_page("demo", second, index="mirror"))
        both = an_index("both", bases=("public", "mirror"))
        await place.add(lambda tx: tx.indexes.add(both))
        target = ProjectTarget(both.name, DEMO)
        assert await place.page(target) == [OLD.filename]
        with pytest.raises(NotFound):
            await place.download.get_file(target, second.filename)
        del place.mirror.pages[PUBLIC, DEMO]
        assert await place.page(target) == [second.filename]
        place.mirror.fault = UpstreamFault("upstream-status", "It answered 503")
        place.mirror.asked.clear()
        with pytest.raises(UpstreamFault):
            await place.page(target)
        assert place.mirror.asked == [(PUBLIC, DEMO)]
        assert "It answered 503" in (await place.explain(target)).sentence

    play(scene, a_mirror("mirror"))


def test_a_name_that_nobody_has_is_remembered() -> None:
    """The report of such names is fed by what clients ask for."""

    async def scene(place: Place) -> None:
        with pytest.raises(NotFound):
            await place.page()
        assert place.asked.names == [(MAIN, DEMO)]
        explained = await place.explain()
        assert (explained.owner, explained.files) == (None, ())
        assert "it was not found upstream" in explained.sentence

    play(scene)


def test_what_is_asked_of_an_index_without_upstream_is_nowhere() -> None:
    """The explanation says that there is nobody to ask; an index that does not exist is not found."""

    async def scene(place: Place) -> None:
        explained = await place.explain(ProjectTarget(STAGING, DEMO))
        assert explained.answer is Answer.NOWHERE
        with pytest.raises(NotFound):
            await place.explain(ProjectTarget(parse_index_name("gone"), DEMO))
        with pytest.raises(NotFound):
            await place.page(ProjectTarget(parse_index_name("gone"), DEMO))
        with pytest.raises(NotFound):
            await place.download.get_file(ProjectTarget(parse_index_name("gone"), DEMO), OLD.filename)

    play(scene, an_index("staging"))
