"""Randomness of the machine, and the server's own key in a file.

Decides how the key is made, kept and refused. What is derived from it for which
purpose is said by those who ask.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from contextlib import suppress
from pathlib import Path

from strongroom.core.errors import ConfigurationFault

KEY_FILE_NAME = "secret.key"
_KEY_BYTES = 32


class FileSecrets:
    """Implements `ports.Secrets`."""

    def __init__(self, key: bytes) -> None:
        """Take the server's key; `open_secrets` reads it from its file."""
        self._key = key

    def token_bytes(self, length: int) -> bytes:
        """Return that many random bytes."""
        return os.urandom(length)

    def derive_key(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose, derived from the server's key."""
        return hmac.new(self._key, b"strongroom key: " + purpose.encode(), hashlib.sha256).digest()


def open_secrets(directory: Path) -> FileSecrets:
    """Read the key in the directory, or make it; raises `ConfigurationFault`."""
    path = directory / KEY_FILE_NAME
    try:
        if not path.exists():
            _make_key(path)
        return FileSecrets(_read_key(path))
    except OSError as error:
        raise ConfigurationFault(
            "secret-key-unreadable",
            f"The key file {path} cannot be used: {error.strerror}",
            "Start the program as the owner of the data directory.",
        ) from error


def _make_key(path: Path) -> None:
    """Write the key beside its place and link it there: it appears whole, and the first of two writers wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _read_key(path: Path) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        key = file.read(_KEY_BYTES + 1)
    if mode & 0o077:
        raise ConfigurationFault(
            "secret-key-open",
            f"The key file {path} can be read by others (mode {mode:04o})",
            f"If nobody saw it: chmod 600 {path}. Otherwise all tokens must be made anew.",
        )
    if len(key) != _KEY_BYTES:
        raise ConfigurationFault(
            "secret-key-length",
            f"The key file {path} does not hold {_KEY_BYTES} bytes",
            "Restore it from a backup: the tokens and the audit log depend on it.",
        )
    return key
