"""Publishing: who may, where, and with which upload time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from strongroom.core.access import Right, Signed
from strongroom.core.caller import Caller
from strongroom.core.errors import (
    Forbidden,
    NotFound,
    Unauthenticated,
    UploadRefused,
)
from strongroom.core.events import Uploaded
from strongroom.ports import Transaction
from tests.archives.wheels import Wheel
from tests.factories import (
    MAIN,
    NOBODY,
    OPERATOR,
    STAGING,
    a_caller,
    a_grant,
    a_token,
    a_token_caller,
    a_user,
    an_administrator,
    an_index,
)
from tests.fakes import START
from tests.services.publishing import (
    CONTENT,
    NOTHING,
    Place,
    a_form,
    play,
    refused,
    upload,
)

_UPLOADER = a_grant(Right.READ, Right.UPLOAD)


@pytest.mark.parametrize(
    ("caller", "error"),
    [
        (NOBODY, Unauthenticated),
        (a_caller("bob"), NotFound),
        (a_caller("bob", a_grant(Right.READ)), Forbidden),
        (a_caller("bob", a_grant(Right.UPLOAD, index="staging")), NotFound),
        (a_caller("bob", a_grant(Right.READ, Right.UPLOAD, projects="other-*")), Forbidden),
        (a_caller("eve", _UPLOADER), Unauthenticated),
    ],
)
def test_who_may_not_upload_leaves_nothing(caller: Caller, error: type[Exception]) -> None:
    """Nobody; somebody without a right, with a lesser one, elsewhere, for other projects; a stranger."""

    async def scene(place: Place) -> None:
        grants = caller.principal.grants if isinstance(caller.principal, Signed) else ()
        await place.admit(a_user("bob"), *grants)
        with pytest.raises(error):
            await upload(place.publish, caller)
        assert await place.see() == NOTHING

    play(scene)


def test_no_archive_is_opened_for_somebody_elses_project() -> None:
    """Who may upload other projects hears 403 before the archive is read, whether the project exists or not."""

    async def scene(place: Place) -> None:
        grant = a_grant(Right.UPLOAD, projects="other-*")
        await place.admit(a_user("bob"), grant)
        with pytest.raises(Forbidden, match="user:bob may not upload the project 'demo' in the index 'main'"):
            await upload(place.publish, a_caller("bob", grant), content=b"nonsense")

    play(scene)


@pytest.mark.parametrize("loss", ["revoked", "disabled", "grant", "expired"])
def test_a_right_lost_while_the_bytes_came_publishes_nothing(loss: str) -> None:
    """The transaction looks again: token revoked, user disabled, grant removed, token expired meanwhile."""

    def lose(tx: Transaction) -> None:
        match loss:
            case "revoked":
                tx.tokens.replace(replace(token, revoked_at=START))
            case "disabled":
                tx.users.replace(a_user("bob", disabled=True))
            case "grant":
                tx.users.remove_grant(token.owner, _UPLOADER)

    async def scene(place: Place) -> None:
        await place.admit(a_user("bob"), _UPLOADER, token=token)
        async with place.publish.begin(a_token_caller(token, _UPLOADER), MAIN) as opened:
            await opened.write(CONTENT)
            await place.catalog.write(lose)
            if loss == "expired":
                place.clock.advance(timedelta(days=91))
            with pytest.raises((Unauthenticated, NotFound)):
                await opened.finish(a_form())
        assert await place.see() == NOTHING

    token = a_token()
    play(scene)


def test_a_missing_index_is_not_found() -> None:
    """Nothing can be published where there is no index."""

    async def scene(place: Place) -> None:
        async with place.publish.begin(OPERATOR, STAGING):
            pytest.fail("the upload was opened")

    assert isinstance(refused(scene), NotFound)


def test_an_index_without_uploads_refuses_before_the_bytes() -> None:
    """A mirror says so at once, without a lease."""

    async def scene() -> None:
        place = Place()
        await place.prepare(index=an_index(accepts_uploads=False))
        with pytest.raises(UploadRefused) as caught:
            async with place.publish.begin(OPERATOR, MAIN):
                pytest.fail("the upload was opened")
        assert caught.value.code == "index-takes-no-uploads"
        assert await place.see() == NOTHING

    asyncio.run(scene())


def test_an_administrator_may_set_the_upload_time() -> None:
    """An import keeps the file's time, says so in its event, and cannot reach into the future."""

    async def scene(place: Place) -> None:
        await place.admit(a_user("ada", admin=True))
        earlier = START - timedelta(days=400)
        published = await upload(place.publish, an_administrator(), uploaded_at=earlier)
        assert published.file.uploaded_at == earlier
        wheel = Wheel(version="2.0")
        later = START + timedelta(days=1)
        form = a_form(wheel.filename)
        ahead = await upload(place.publish, OPERATOR, content=wheel.build(), form=form, uploaded_at=later)
        assert ahead.file.uploaded_at == START
        assert [isinstance(event, Uploaded) and event.imported for event in (await place.see()).events] == [True, True]

    play(scene)


def test_nobody_else_may_set_the_upload_time() -> None:
    """A cooldown that believes upload times must be able to believe them."""

    async def scene(place: Place) -> None:
        await place.admit(a_user("bob"), _UPLOADER)
        with pytest.raises(Forbidden):
            await upload(place.publish, a_caller("bob", _UPLOADER), uploaded_at=START - timedelta(days=1))
        assert await place.see() == NOTHING

    play(scene)
