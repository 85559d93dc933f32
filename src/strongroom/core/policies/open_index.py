"""Some indexes take no uploads: a mirror, a frozen one.

Does not decide who may upload to the others.
"""

from __future__ import annotations

from strongroom.core.model import Index
from strongroom.core.policy import ALLOW, Refuse, Verdict


def judge_index(index: Index) -> Verdict:
    """Refuse if the index takes no uploads."""
    if index.accepts_uploads:
        return ALLOW
    return Refuse(
        "index-takes-no-uploads",
        f"The index '{index.name}' takes no uploads",
        "Publish to another index; 'strongroom index list' shows which ones take uploads.",
    )
