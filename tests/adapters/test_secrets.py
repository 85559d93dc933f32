"""The server's key: made once, kept private, refused when it is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from strongroom.adapters.clock import SystemClock
from strongroom.adapters.secrets import KEY_FILE_NAME, open_secrets
from strongroom.core.errors import ConfigurationFault


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    """32 bytes that only the owner can read; opening it again gives the same keys."""
    first = open_secrets(tmp_path)
    path = tmp_path / KEY_FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert open_secrets(tmp_path).derive_key("audit") == first.derive_key("audit")
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE_NAME]


def test_many_openers_agree_on_one_key(tmp_path: Path) -> None:
    """Workers that start at the same moment: the first to write wins, the others read."""
    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(lambda _: open_secrets(tmp_path).derive_key("audit"), range(64)))
    assert len(keys) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == [KEY_FILE_NAME]


def test_each_purpose_and_each_store_has_its_own_key(tmp_path: Path) -> None:
    """Who learns one key learns no other."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, two = open_secrets(tmp_path / "a"), open_secrets(tmp_path / "b")
    keys = {secrets.derive_key(purpose) for secrets in (one, two) for purpose in ("audit", "tokens", "setup")}
    assert len(keys) == 6
    assert {len(key) for key in keys} == {32}
    assert (tmp_path / "a" / KEY_FILE_NAME).read_bytes() not in keys


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o660])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that mends it."""
    open_secrets(tmp_path)
    (tmp_path / KEY_FILE_NAME).chmod(mode)
    with pytest.raises(ConfigurationFault) as raised:
        open_secrets(tmp_path)
    assert raised.value.code == "secret-key-open"
    assert "chmod 600" in raised.value.hint


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    """It is never replaced: all tokens and the audit log depend on it."""
    path = tmp_path / KEY_FILE_NAME
    path.write_bytes(bytes(length))
    path.chmod(0o600)
    with pytest.raises(ConfigurationFault) as raised:
        open_secrets(tmp_path)
    assert raised.value.code == "secret-key-length"
    assert path.read_bytes() == bytes(length)


def test_a_missing_directory_is_said_in_words(tmp_path: Path) -> None:
    """No traceback about a path."""
    with pytest.raises(ConfigurationFault, match="cannot be used"):
        open_secrets(tmp_path / "missing")


def test_randomness_is_not_repeated(tmp_path: Path) -> None:
    """Of the length that was asked for."""
    secrets = open_secrets(tmp_path)
    assert len({secrets.token_bytes(32) for _ in range(100)}) == 100
    assert len(secrets.token_bytes(12)) == 12


def test_the_clock_tells_the_time_in_utc() -> None:
    """Aware, and now."""
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def put_key(path: Path, *, mode: int = 0o400) -> Path:
    """Make a key file as an operator does."""
    path.write_bytes(bytes(range(32)))
    path.chmod(mode)
    return path


def test_a_named_key_file_is_read_and_nothing_is_made(tmp_path: Path) -> None:
    """Two nodes with the same file and directories of their own have the same keys."""
    key_file = put_key(tmp_path / "shared.key")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, two = (open_secrets(tmp_path / name, key_file) for name in ("a", "b"))
    assert one.derive_key("audit") == two.derive_key("audit")
    assert not list((tmp_path / "a").iterdir())


def test_a_named_key_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """Each node would make another one; the hint says what to do."""
    with pytest.raises(ConfigurationFault) as raised:
        open_secrets(tmp_path, tmp_path / "shared.key")
    assert raised.value.code == "secret-key-missing"
    assert "/dev/urandom" in raised.value.hint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("mode", "is_taken"), [(0o440, True), (0o640, True), (0o660, False), (0o604, False)])
def test_a_named_key_file_may_be_read_by_a_group(tmp_path: Path, mode: int, *, is_taken: bool) -> None:
    """That is how container platforms give out secrets; nobody else may read it, and no group write it."""
    key_file = put_key(tmp_path / "shared.key", mode=mode)
    if is_taken:
        assert open_secrets(tmp_path, key_file).derive_key("audit")
        return
    with pytest.raises(ConfigurationFault) as raised:
        open_secrets(tmp_path, key_file)
    assert raised.value.code == "secret-key-open"


def test_a_key_file_that_is_no_file_is_said_in_words(tmp_path: Path) -> None:
    """A directory, as container engines make one where a mounted file is missing."""
    with pytest.raises(ConfigurationFault) as raised:
        open_secrets(tmp_path, tmp_path)
    assert raised.value.code == "secret-key-unreadable"
