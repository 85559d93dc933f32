"""Password hashing: its cost, its bounds, and what it does with strange hashes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Event
from typing import Literal

import pytest
from argon2 import PasswordHasher

from strongroom.adapters.passwords import Argon2Passwords
from strongroom.core.errors import StorageFault, TooMany

PASSWORD = "correct horse battery"


def test_a_password_matches_its_hash_and_no_other_does() -> None:
    """The hash names argon2id with the cost that was decided, and never repeats."""

    async def scenario() -> None:
        passwords = Argon2Passwords()
        one, two = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
        assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert one != two
        assert await passwords.verify(one, PASSWORD)
        assert not await passwords.verify(one, PASSWORD + "!")

    asyncio.run(scenario())


def test_nobody_has_no_password() -> None:
    """Without a hash the answer is no, after the same work."""
    assert not asyncio.run(Argon2Passwords().verify(None, PASSWORD))


def test_a_damaged_hash_is_a_fault_and_not_a_wrong_password() -> None:
    """Something is the matter with the catalog, and that is said."""
    with pytest.raises(StorageFault):
        asyncio.run(Argon2Passwords().verify("$argon2id$damaged", PASSWORD))


def test_more_than_the_queue_holds_are_sent_away() -> None:
    """At once, without work; those in the queue get their answer, and then there is room again."""

    async def scenario() -> None:
        passwords = Argon2Passwords(at_once=1, queue=2)
        waiting = [asyncio.create_task(passwords.verify(None, PASSWORD)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TooMany):
            await passwords.verify(None, PASSWORD)
        assert await asyncio.gather(*waiting) == [False, False, False]
        assert not await passwords.verify(None, PASSWORD)

    asyncio.run(scenario())


def test_a_cancelled_check_gives_its_place_back_when_its_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that hangs up neither fills the queue nor lets more run at once than were allowed."""
    began, may_end = Event(), Event()
    check = PasswordHasher.verify

    def check_slowly(hasher: PasswordHasher, *words: str) -> Literal[True]:
        began.set()
        may_end.wait(30)
        return check(hasher, *words)

    monkeypatch.setattr(PasswordHasher, "verify", check_slowly)

    async def scenario() -> None:
        passwords = Argon2Passwords(at_once=1, queue=0)
        task = asyncio.create_task(passwords.verify(None, PASSWORD))
        await asyncio.to_thread(began.wait, 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(TooMany):
            await passwords.verify(None, PASSWORD)
        may_end.set()
        for _ in range(300):
            with suppress(TooMany):
                assert not await passwords.verify(None, PASSWORD)
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the place was never given back")

    asyncio.run(scenario())
