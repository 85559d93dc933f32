"""What a token looks like and how its secret is kept.

`strongroom_<id>_<secret><checksum>`: 16, 43 and 6 characters of base62. The prefix
lets secret scanners find leaked tokens, the CRC32 checksum lets anybody tell a
mistyped token from a wrong one offline, the id finds the row without a search.
256 bits of randomness need no slow hash: the row keeps HMAC-SHA256(server key,
secret). Makes no randomness itself and stores nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from dataclasses import dataclass

from strongroom.core.names import TokenId

PREFIX = "strongroom"
ID_BYTES = 12
SECRET_BYTES = 32
_ID_LENGTH, _SECRET_LENGTH, _CHECKSUM_LENGTH = 16, 43, 6
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(
    rf"{PREFIX}_([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class TokenText:
    """A token as its owner holds it."""

    token_id: TokenId
    secret: str

    def render(self) -> str:
        """Return the text that goes into a password field."""
        body = f"{PREFIX}_{self.token_id}_{self.secret}"
        return body + _checksum(body)

    def __repr__(self) -> str:
        """Hide the secret."""
        return f"TokenText({self.token_id})"


def make_token(id_bytes: bytes, secret_bytes: bytes) -> TokenText:
    """Make a token from `ID_BYTES` and `SECRET_BYTES` random bytes."""
    if len(id_bytes) != ID_BYTES or len(secret_bytes) != SECRET_BYTES:
        raise ValueError("a token needs 12 random bytes for its id and 32 for its secret")
    return TokenText(TokenId(_base62(id_bytes, _ID_LENGTH + 1)[-_ID_LENGTH:]), _base62(secret_bytes, _SECRET_LENGTH))


def looks_like_token(text: str) -> bool:
    """Return whether the text is meant to be a token, well-formed or not."""
    return text.startswith(f"{PREFIX}_")


def find_token_text(text: str) -> TokenText | None:
    """Read a token; None if its form or its checksum is wrong."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        return None
    token_id, secret, checksum = match.groups()
    if _checksum(text[:-_CHECKSUM_LENGTH]) != checksum:
        return None
    return TokenText(TokenId(token_id), secret)


def secret_digest(key: bytes, secret: str) -> bytes:
    """Return what the catalog keeps of a secret: HMAC-SHA256, 32 bytes."""
    return hmac.new(key, secret.encode(), hashlib.sha256).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()).to_bytes(4, "big"), _CHECKSUM_LENGTH)


def _base62(data: bytes, length: int) -> str:
    number = int.from_bytes(data, "big")
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
