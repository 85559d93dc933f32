"""Encryption of what must be used again: an upstream's credentials at rest.

AES-256-GCM (NIST SP 800-38D) under a key derived from the server's own, with a random
nonce for each text. A sealed text begins with a version byte, so that another way can
come later. Does not decide what is sealed. `cryptography` is loaded when the first text
is sealed or unsealed: a start needs neither.
"""

from __future__ import annotations

from strongroom.core.errors import StorageFault
from strongroom.ports import Secrets

PURPOSE = "upstream credentials"
_VERSION = b"\x01"
_NONCE_BYTES = 12


class AesSeals:
    """Implements `ports.Seals`."""

    def __init__(self, secrets: Secrets) -> None:
        """Derive the key."""
        self._secrets = secrets
        self._key = secrets.derive_key(PURPOSE)

    def seal(self, text: str) -> bytes:
        """Return version, nonce and what AES-GCM makes of the text."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self._secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._key).encrypt(nonce, text.encode(), _VERSION)

    def unseal(self, sealed: bytes) -> str:
        """Return the text; raises `StorageFault` when it was sealed with another key or changed."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            if version != _VERSION:
                raise InvalidTag
            return AESGCM(self._key).decrypt(nonce, rest, version).decode()
        except (InvalidTag, ValueError):
            raise StorageFault(
                "seal-broken",
                "Stored credentials cannot be read: they were sealed with another key, or changed",
                "Restore secret.key from its backup, or set the upstream's user name and password again.",
            ) from None
