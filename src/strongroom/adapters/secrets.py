"""Randomness of the machine, and the server's own key in a file.

Decides how the key is made, kept and refused. What is derived from it for which
purpose is said by those who ask, and whether it is the catalog's, by `services/key.py`.
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
_NOBODY_ELSE = 0o077
_GROUP_MAY_READ = 0o037
"""Who has to stay out of a key file that was put there: container platforms give secrets to a group."""


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


def open_secrets(directory: Path, key_file: Path | None = None) -> FileSecrets:
    """Read the key from its file, or from the directory, where it is made when there is none.

    A file that was named is not made: nodes that each made a key would not understand
    each other. Raises `ConfigurationFault`.
    """
    path = key_file or directory / KEY_FILE_NAME
    try:
        if key_file is not None:
            return FileSecrets(_read_key(path, forbidden=_GROUP_MAY_READ))
        if not path.exists():
            _make_key(path, os.urandom(_KEY_BYTES))
        return FileSecrets(_read_key(path, forbidden=_NOBODY_ELSE))
    except FileNotFoundError as error:
        if key_file is None:
            raise _unusable(path, error) from error
        raise ConfigurationFault(
            "secret-key-missing",
            f"There is no key file {path}",
            "Copy the one that the other nodes use (secret.key in the data directory of the first). "
            f"For the very first node make one: (umask 077; head -c {_KEY_BYTES} /dev/urandom > {path})",
        ) from error
    except OSError as error:
        raise _unusable(path, error) from error


def read_key(path: Path) -> bytes:
    """Return the key of a file, for a backup that shall carry it; raises `ConfigurationFault`."""
    try:
        return _read_key(path, forbidden=_GROUP_MAY_READ)
    except OSError as error:
        raise _unusable(path, error) from error


def plant_key(path: Path, key: bytes) -> None:
    """Put a key from a backup where there is none yet; raises `ConfigurationFault`."""
    try:
        _make_key(path, key)
    except OSError as error:
        raise _unusable(path, error) from error


def _make_key(path: Path, key: bytes) -> None:
    """Write the key beside its place and link it there: it appears whole, and the first of two writers wins."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
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


def _unusable(path: Path, error: OSError) -> ConfigurationFault:
    return ConfigurationFault(
        "secret-key-unreadable",
        f"The key file {path} cannot be used: {error.strerror}",
        "Start the program as the user who may read it.",
    )


def _read_key(path: Path, *, forbidden: int) -> bytes:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        key = file.read(_KEY_BYTES + 1)
    if mode & forbidden:
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
