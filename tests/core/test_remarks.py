"""What people write freely."""

from __future__ import annotations

import pytest

from strongroom.core.errors import InvalidRequest
from strongroom.core.passwords import check_password, fits
from strongroom.core.remarks import LONGEST_REMARK, parse_remark


@pytest.mark.parametrize(
    ("raw", "expected"), [("", ""), ("  it\n is\tbad ", "it is bad"), ("ä < b", "ä < b"), ("x" * 500, "x" * 500)]
)
def test_a_remark_becomes_one_line(raw: str, expected: str) -> None:
    """Spaces and line ends are folded; nothing is escaped here."""
    assert parse_remark(raw) == expected


@pytest.mark.parametrize("raw", ["x" * (LONGEST_REMARK + 1), "nul\0", "bell\a", "\udc80", "\u202e"])
def test_a_remark_that_cannot_be_kept_is_refused(raw: str) -> None:
    """What is too long, breaks a database or turns text around."""
    with pytest.raises(InvalidRequest):
        parse_remark(raw)


@pytest.mark.parametrize(
    ("password", "good"),
    [("x" * 11, False), ("x" * 12, True), ("ä" * 6, True), ("x" * 256, True), ("x" * 257, False), ("ä" * 129, False)],
)
def test_a_password_has_twelve_to_256_bytes(password: str, *, good: bool) -> None:
    """Bytes, not characters: what is hashed is bounded."""
    assert fits(password) is good
    if good:
        check_password(password)
    else:
        with pytest.raises(InvalidRequest, match="too short or too long"):
            check_password(password)
