"""Credentials at rest."""

from __future__ import annotations

import pytest

from strongroom.adapters.seals import AesSeals
from strongroom.core.errors import StorageFault
from strongroom.ports import Seals
from tests.fakes import FakeSeals, SeededSecrets

CREDENTIALS = "mirror:pässwörd:with:colons"


@pytest.mark.parametrize("text", ["", CREDENTIALS, "x" * 10_000])
def test_what_is_sealed_comes_back(text: str) -> None:
    """The text is what it was, and its bytes are nowhere in what is kept."""
    seals = AesSeals(SeededSecrets())
    sealed = seals.seal(text)
    assert seals.unseal(sealed) == text
    assert not text or text.encode() not in sealed


def test_the_same_text_is_never_sealed_alike() -> None:
    """Nobody sees that two upstreams have the same password."""
    seals = AesSeals(SeededSecrets())
    assert len({seals.seal(CREDENTIALS) for _ in range(100)}) == 100


def test_another_key_opens_nothing() -> None:
    """A restored catalog without its key says what to do, and does not show the text."""
    sealed = AesSeals(SeededSecrets("one")).seal(CREDENTIALS)
    with pytest.raises(StorageFault) as caught:
        AesSeals(SeededSecrets("two")).unseal(sealed)
    assert caught.value.code == "seal-broken"
    assert "secret.key" in caught.value.hint
    assert CREDENTIALS not in str(caught.value.sentence)


def test_no_byte_can_be_changed() -> None:
    """Each changed, missing or further byte is noticed, the version's too."""
    seals = AesSeals(SeededSecrets())
    sealed = seals.seal(CREDENTIALS)
    changed = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    cut = [sealed[:length] for length in range(len(sealed))]
    for wrong in (*changed, *cut, sealed + b"\0"):
        with pytest.raises(StorageFault):
            seals.unseal(wrong)


@pytest.mark.parametrize("seals", [AesSeals(SeededSecrets()), FakeSeals()], ids=["aes", "fake"])
def test_the_fake_is_like_the_real_one(seals: Seals) -> None:
    """Both give the text back and refuse what they did not seal."""
    assert seals.unseal(seals.seal(CREDENTIALS)) == CREDENTIALS
    with pytest.raises(StorageFault):
        seals.unseal(b"something else")
