"""What people write freely: the reason of a yank, the label of a token.

Decides what such a text may hold. Does not escape: renderers do.
"""

from __future__ import annotations

from strongroom.core.errors import InvalidRequest

LONGEST_REMARK = 500


def parse_remark(raw: str) -> str:
    """Return the text on one line; raises `InvalidRequest` when it is too long or not printable."""
    text = " ".join(raw.split())
    if len(text) > LONGEST_REMARK:
        raise InvalidRequest("text-length", f"The text has {len(text)} characters", f"Use at most {LONGEST_REMARK}.")
    if not text.isprintable():
        raise InvalidRequest("text-characters", "The text holds characters that cannot be printed", "Leave them out.")
    return text
