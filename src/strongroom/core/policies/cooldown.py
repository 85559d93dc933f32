"""A public file must have been upstream for some time before it comes through.

Most malicious releases are found within days. Counts from the upstream's upload time;
where the upstream tells none, from when this server first saw the file. Does not judge
own files.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rules import Rules

TOO_YOUNG = "too-young"


def judge_age(file: UpstreamFile, rules: Rules, *, now: datetime) -> Verdict:
    """Refuse a file that is younger than the cooldown."""
    if rules.cooldown is None:
        return ALLOW
    born = file.first_seen_at if file.uploaded_at is None else file.uploaded_at
    until = born + rules.cooldown
    if now >= until:
        return ALLOW
    since = "was first seen here" if file.uploaded_at is None else "was uploaded"
    return Refuse(
        TOO_YOUNG,
        f"{file.filename} {since} on {_shown(born)}, and public files come through after {_days(rules.cooldown)}",
        f"It comes through by itself on {_shown(until)}. If it cannot wait, ask for an exemption: "
        f"strongroom exemption request {file.project}=={file.version} --reason ...",
        until=until,
    )


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _days(span: timedelta) -> str:
    hours = span // timedelta(hours=1)
    return f"{hours // 24} days" if hours % 24 == 0 and hours != 24 else f"{hours} hours"
