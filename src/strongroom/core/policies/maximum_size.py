"""Files above a size don't come through.

Where the upstream's page does not tell a size, the listing lets the file pass, and it is
judged as soon as its bytes are here. Does not judge uploads (`max_upload_bytes`).
"""

from __future__ import annotations

from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rule_text import describe_size
from strongroom.core.rules import Rules

TOO_LARGE = "too-large"


def judge_size(file: UpstreamFile, rules: Rules, *, copy: Copy | None = None) -> Verdict:
    """Refuse a file that is known to be larger than the maximum."""
    size_bytes = _known_size(file, copy)
    if rules.max_size_bytes is None or size_bytes is None or size_bytes <= rules.max_size_bytes:
        return ALLOW
    return Refuse(
        TOO_LARGE,
        f"{file.filename} has {describe_size(size_bytes)}, and files come through "
        f"up to {describe_size(rules.max_size_bytes)}",
        "Use a smaller variant of it, if there is one.",
    )


def _known_size(file: UpstreamFile, copy: Copy | None) -> int | None:
    """Return the size of the stored bytes, which cannot be wrong, else what the page says."""
    if copy is not None and copy.stored_at is not None:
        return copy.size_bytes
    return file.size_bytes
