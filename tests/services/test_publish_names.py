"""The shield at upload: the first file of a name that exists upstream needs a claim."""

from __future__ import annotations

import logging

import pytest

from strongroom.core.access import Grant, Right
from strongroom.core.caller import Caller
from strongroom.core.errors import UploadRefused
from strongroom.core.model import Index, Project, Tombstone
from strongroom.core.names import IndexName
from strongroom.core.reservations import Hold, Reservation
from strongroom.core.upload import Outcome
from strongroom.ports import NameKnowledge, Transaction
from strongroom.services.publish import Publish
from tests.factories import (
    DEMO,
    MAIN,
    OPERATOR,
    a_caller,
    a_file,
    a_grant,
    a_mirror,
    a_project,
    a_reservation,
    a_user,
    an_index,
    sha256_of,
)
from tests.fakes import START
from tests.services.promoting import FakeNames
from tests.services.publishing import CONTENT, WHEEL, Place, a_form, play, refused, upload

PUBLIC_HAS_IT = NameKnowledge(upstreams=("public",), is_certain=True)


def publish_with(place: Place, names: FakeNames) -> Publish:
    """Return the use case, which looks names up."""
    return Publish(place.catalog, place.blobs, place.inspector, place.clock, place.secrets, place.limit_bytes, names)


def knowing(**known: NameKnowledge) -> FakeNames:
    """Return what upstreams are known to have."""
    names = FakeNames()
    names.known.update(known)
    return names


async def fill(place: Place, *things: Index | Project | Reservation | Tombstone) -> None:
    """Store things without an event."""

    def change(tx: Transaction) -> None:
        for thing in things:
            match thing:
                case Index():
                    tx.indexes.add(thing)
                case Project():
                    tx.projects.save(thing)
                case Reservation():
                    tx.reservations.save(thing)
                case Tombstone():
                    tx.projects.save(a_project(thing.project, index=thing.index))
                    tx.files.add(a_file(thing.filename, index=thing.index))
                    tx.files.bury(thing)
                    tx.projects.remove(thing.index, thing.project)

    await place.catalog.write(change)


def test_a_new_name_that_exists_upstream_is_refused_without_a_trace() -> None:
    """Before the archive is kept; the sentence names the index and the command that claims the name."""
    names = knowing(demo=PUBLIC_HAS_IT)

    async def scene(place: Place) -> object:
        await fill(place, a_mirror())
        return await upload(publish_with(place, names), OPERATOR)

    error = refused(scene)
    assert isinstance(error, UploadRefused)
    assert error.code == "name-exists-upstream"
    assert "'public'" in error.message
    assert "strongroom name claim demo --index main" in error.hint
    assert names.asked == ["demo"]


@pytest.mark.parametrize(
    ("grants", "bases", "named"),
    [
        ((a_grant(Right.UPLOAD, index="main"),), (), False),
        ((a_grant(Right.UPLOAD, index="main"),), ("public",), True),
        ((a_grant(Right.UPLOAD, index="main"), a_grant(Right.READ, index="team")), (), True),
        ((a_grant(Right.UPLOAD, index="main"), a_grant(Right.READ, index="team", projects="other")), (), False),
    ],
    ids=["a stranger to it", "main is based on it", "reads it through team", "reads something else there"],
)
def test_only_an_upstream_that_the_uploader_may_know_of_is_named(
    grants: tuple[Grant, ...],
    bases: tuple[str, ...],
    named: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The name is refused all the same: readers of the other index would lose it."""
    names = knowing(demo=PUBLIC_HAS_IT)

    async def scene(place: Place) -> object:
        await fill(place, a_mirror(), an_index("team", bases=("public",)))
        await place.catalog.write(lambda tx: tx.indexes.replace(an_index(bases=bases)))
        await place.catalog.write(lambda tx: tx.users.add(a_user("bob")))
        for grant in grants:
            await place.catalog.write(lambda tx, grant=grant: tx.users.add_grant(a_user("bob").name, grant))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        return await upload(publish_with(place, names), a_caller("bob", *grants))

    error = refused(scene)
    assert error.code == "name-exists-upstream"
    assert ("'public'" in error.message) == named
    assert ("another index of this server" in error.message) != named


@pytest.mark.parametrize(
    "held",
    [
        a_reservation("demo"),
        a_reservation("de*"),
        a_reservation("demo", hold=Hold.CLAIMED),
        a_reservation("demo", hold=Hold.OVERLAY),
    ],
    ids=["reserved", "prefix", "claimed", "overlay"],
)
def test_a_held_name_is_taken_and_not_looked_up(held: Reservation) -> None:
    """Somebody said already that it is the index's own."""
    names = knowing(demo=PUBLIC_HAS_IT)

    async def scene(place: Place) -> None:
        await fill(place, held)
        published = await upload(publish_with(place, names), OPERATOR)
        assert (published.outcome, published.remarks) == (Outcome.CREATED, ())
        assert names.asked == []

    play(scene)


def test_anothers_hold_is_no_hold_here() -> None:
    """The claim of one index does not open the name in another."""
    names = knowing(demo=PUBLIC_HAS_IT)

    async def scene(place: Place) -> object:
        return await upload(publish_with(place, names), OPERATOR)

    async def with_other(place: Place) -> None:
        await fill(place, an_index("staging"), a_reservation("demo", index="staging", hold=Hold.CLAIMED))
        with pytest.raises(UploadRefused):
            await scene(place)
        assert (await place.see()).files == ()

    play(with_other)


def test_a_known_project_is_never_looked_up() -> None:
    """Whoever publishes his next version waits for no list, and a name that appears upstream later changes nothing."""
    names = knowing(demo=PUBLIC_HAS_IT)

    async def scene(place: Place) -> None:
        await fill(place, a_project())
        assert (await upload(publish_with(place, names), OPERATOR)).remarks == ()
        assert names.asked == []

    play(scene)


def test_a_name_with_deleted_files_is_still_the_indexs() -> None:
    """Its tombstones keep it."""
    names = knowing(demo=PUBLIC_HAS_IT)
    old = a_file("demo-0.1.tar.gz")

    async def scene(place: Place) -> None:
        await fill(place, Tombstone(MAIN, DEMO, old.filename, sha256_of("demo-0.1.tar.gz"), START))
        assert (await upload(publish_with(place, names), OPERATOR)).outcome is Outcome.CREATED
        assert names.asked == []

    play(scene)


def test_a_new_name_of_nobodys_is_taken_silently() -> None:
    """With all lists here there is nothing to say; the next file is not looked up."""
    names = knowing()

    async def scene(place: Place) -> None:
        publish = publish_with(place, names)
        assert (await upload(publish, OPERATOR)).remarks == ()
        again = await upload(publish, OPERATOR)
        assert (again.outcome, again.remarks) == (Outcome.UNCHANGED, ())
        assert names.asked == ["demo"]

    play(scene)


def test_without_the_lists_a_new_name_is_taken_and_said(caplog: pytest.LogCaptureFixture) -> None:
    """To the uploader and in the log."""
    names = knowing(demo=NameKnowledge((), is_certain=False))

    async def scene(place: Place) -> None:
        published = await upload(publish_with(place, names), OPERATOR)
        assert published.outcome is Outcome.CREATED
        assert published.remarks == (
            "Whether 'demo' exists upstream too could not be checked: the list of an upstream's names is not here yet.",
        )
        assert await place.catalog.read(lambda tx: tx.files.count(MAIN)) == 1

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert [record.getMessage() for record in caplog.records] == [
        "a new name: Whether 'demo' exists upstream too could not be checked: "
        "the list of an upstream's names is not here yet."
    ]


def test_lookalikes_are_taken_and_said() -> None:
    """Those upstream, and those of the index and its bases; each once."""
    names = knowing(demo=NameKnowledge((), is_certain=True, lookalikes=("d-emo", "dem0")))

    async def scene(place: Place) -> None:
        await place.catalog.write(lambda tx: tx.indexes.replace(an_index(bases=["public"])))
        await fill(place, a_mirror(), a_project("dem0"), a_project("de-mo", index="public"), a_project("other"))
        assert (await upload(publish_with(place, names), OPERATOR)).remarks == (
            "'demo' is easily taken for 'd-emo', 'de-mo' and 'dem0'.",
        )

    play(scene)


@pytest.mark.parametrize(
    ("rights", "is_told"), [((Right.UPLOAD, Right.READ), True), ((Right.UPLOAD,), False)], ids=["reader", "uploader"]
)
def test_lookalikes_tell_nobody_of_names_that_he_may_not_read(
    rights: tuple[Right, ...],
    is_told: bool,  # noqa: FBT001 - a case
) -> None:
    """What one may not read does not exist."""

    async def scene(place: Place) -> None:
        grant = a_grant(*rights, index="main")
        await place.admit(a_user("bob"), grant)
        await fill(place, a_project("dem0"))
        caller: Caller = a_caller("bob", grant)
        remarks = (await upload(publish_with(place, knowing()), caller)).remarks
        assert remarks == (("'demo' is easily taken for 'dem0'.",) if is_told else ())

    play(scene)


def test_a_hold_that_comes_during_the_upload_counts() -> None:
    """Somebody reserves the name between the first look and the commit: it is nobody's first upload any more."""
    names = knowing(demo=PUBLIC_HAS_IT)

    async def scene(place: Place) -> None:
        class Claiming(FakeNames):
            """Claims the name while it is looked up."""

            async def look_up(
                self, project: str, *, with_lookalikes: bool = True, nameable: frozenset[IndexName] | None = None
            ) -> NameKnowledge:
                """Claim it."""
                await fill(place, a_reservation("demo", hold=Hold.CLAIMED))
                return await names.look_up(DEMO, with_lookalikes=with_lookalikes, nameable=nameable)

        async with publish_with(place, Claiming()).begin(OPERATOR, MAIN) as opened:
            await opened.write(CONTENT)
            assert (await opened.finish(a_form(WHEEL.filename))).remarks == ()

    play(scene)
