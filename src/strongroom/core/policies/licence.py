"""Only files under permitted licences come through.

The licence is in a file's METADATA, which no page shows. So the listing lets a file pass
whose METADATA nobody has read yet, and whoever serves the file or its METADATA reads it
first (`screening.needs_metadata`). A file without METADATA states no licence. Does not
read METADATA (`licences.py`).
"""

from __future__ import annotations

from strongroom.core.licences import is_permitted
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rules import Rules

LICENCE = "licence"


def judge_licence(file: UpstreamFile, rules: Rules, *, copy: Copy | None) -> Verdict:
    """Refuse a file whose known licence is not permitted, or that is known to state none."""
    licence = find_licence(file, copy)
    if licence is None:
        return ALLOW
    if not licence:
        return ALLOW if rules.takes_unknown_licences else _refuse_unknown(file)
    if not rules.licences or is_permitted(licence, rules.licences):
        return ALLOW
    return Refuse(
        LICENCE,
        f"{file.filename} is licensed under {licence}, and these come through: {', '.join(rules.licences)}",
        "Use a project or a version under one of them.",
    )


def find_licence(file: UpstreamFile, copy: Copy | None) -> str | None:
    """Return the file's licence: empty when it states none, None while its METADATA is unread."""
    if copy is not None and copy.licence is not None:
        return copy.licence
    return None if file.serves_metadata else ""


def _refuse_unknown(file: UpstreamFile) -> Refuse:
    return Refuse(
        LICENCE,
        f"{file.filename} states no licence that could be recognised, and such files don't come through",
        "Read its licence; if it is one that you may use, an exemption says so.",
    )
