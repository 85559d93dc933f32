"""Which passwords are taken.

Decides on the length only: a limit in bytes, so that nobody can make the slow hash
slower. Does not hash (`ports.Passwords` does).
"""

from __future__ import annotations

from strongroom.core.errors import InvalidRequest

SHORTEST_BYTES = 12
LONGEST_BYTES = 256


def fits(password: str) -> bool:
    """Return whether the password has a length that a stored one can have."""
    return SHORTEST_BYTES <= len(password.encode("utf-8", "surrogatepass")) <= LONGEST_BYTES


def check_password(password: str) -> None:
    """Raise `InvalidRequest` when nobody should have this password."""
    if not fits(password):
        raise InvalidRequest(
            "password-length",
            "The password is too short or too long",
            f"Use {SHORTEST_BYTES} to {LONGEST_BYTES} bytes, such as four random words.",
        )
