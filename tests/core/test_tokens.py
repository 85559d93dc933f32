"""What a token looks like, and what is kept of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.core.names import TokenId
from strongroom.core.tokens import (
    ID_BYTES,
    SECRET_BYTES,
    TokenText,
    find_token_text,
    looks_like_token,
    make_token,
    secret_digest,
)

ids = st.binary(min_size=ID_BYTES, max_size=ID_BYTES)
secrets = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)


@given(ids, secrets)
def test_a_token_is_read_as_it_was_made(id_bytes: bytes, secret_bytes: bytes) -> None:
    """Rendering and reading give the same token, of the same length always."""
    made = make_token(id_bytes, secret_bytes)
    text = made.render()
    assert find_token_text(text) == made
    assert looks_like_token(text)
    assert len(text) == len("strongroom_") + 16 + 1 + 43 + 6


@given(ids, secrets, st.data())
def test_one_wrong_character_is_noticed_offline(id_bytes: bytes, secret_bytes: bytes, data: st.DataObject) -> None:
    """The checksum tells a mistyped token from a wrong one without a look at the catalog."""
    text = make_token(id_bytes, secret_bytes).render()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0aZ_-é").filter(lambda letter: letter != text[place]))
    assert find_token_text(text[:place] + letter + text[place + 1 :]) is None


@given(st.text())
def test_other_texts_are_no_tokens(text: str) -> None:
    """Nothing that was not made is read."""
    assert find_token_text(text) is None
    assert find_token_text(f"strongroom_{text}") is None


def test_two_secrets_differ_in_text_and_digest() -> None:
    """All 256 bits count."""
    one = make_token(bytes(ID_BYTES), bytes(SECRET_BYTES))
    other = make_token(bytes(ID_BYTES), bytes(SECRET_BYTES - 1) + b"\x01")
    assert one.token_id == other.token_id
    assert one.secret != other.secret
    assert secret_digest(b"key", one.secret) != secret_digest(b"key", other.secret)


def test_the_digest_depends_on_the_servers_key() -> None:
    """A stolen catalog without the key cannot be used to try secrets."""
    assert secret_digest(b"one key", "secret") != secret_digest(b"another", "secret")
    assert len(secret_digest(b"key", "secret")) == 32


def test_the_secret_does_not_show_in_a_repr() -> None:
    """A token in a log line or a traceback tells its id only."""
    assert repr(TokenText(TokenId("A" * 16), "hidden")) == f"TokenText({'A' * 16})"


@pytest.mark.parametrize(("id_length", "secret_length"), [(ID_BYTES - 1, SECRET_BYTES), (ID_BYTES, SECRET_BYTES + 1)])
def test_randomness_of_another_length_is_refused(id_length: int, secret_length: int) -> None:
    """A token is never made from less randomness than it promises."""
    with pytest.raises(ValueError, match="random bytes"):
        make_token(bytes(id_length), bytes(secret_length))


def test_an_ordinary_password_does_not_look_like_a_token() -> None:
    """Passwords and tokens are told apart by the prefix."""
    assert not looks_like_token("correct horse battery staple")
