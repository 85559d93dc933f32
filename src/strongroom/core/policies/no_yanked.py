"""Some indexes withhold what was yanked upstream, from those who pinned it too.

PEP 592 leaves a yanked file to those who pinned it, and so does an index without this
rule. What vanished upstream is kept as yanked, and judged alike.
"""

from __future__ import annotations

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rules import Rules

YANKED = "yanked"


def judge_yank(file: UpstreamFile, rules: Rules) -> Verdict:
    """Refuse a yanked file where none may come through."""
    if rules.takes_yanked or file.yank is None:
        return ALLOW
    because = f": {file.yank.reason}" if file.yank.reason else ""
    return Refuse(
        YANKED,
        f"{file.filename} was yanked upstream, and yanked files don't come through{because}",
        "Use another version, and renew the lock file that pins this one.",
    )
