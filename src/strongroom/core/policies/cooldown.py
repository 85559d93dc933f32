"""A public file must have been upstream for some time before it comes through.

Most malicious releases are found within days. Counts from the upstream's upload time;
where the upstream tells none, from when this server first saw the file. A time in the
future counts as it is, so that no wrong clock lets a file through early. Does not judge
own files.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from strongroom.core.mirrored import UpstreamFile
from strongroom.core.policy import ALLOW, Refuse, Verdict
from strongroom.core.rule_text import describe_span
from strongroom.core.rules import Rules

TOO_YOUNG = "too-young"
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def judge_age(file: UpstreamFile, rules: Rules, *, now: datetime) -> Verdict:
    """Refuse a file that is younger than the cooldown; one that is exactly as old passes."""
    if not rules.cooldown:
        return ALLOW
    born = file.first_seen_at if file.uploaded_at is None else file.uploaded_at
    if now - born >= rules.cooldown:  # a difference cannot overflow, the sum can
        return ALLOW
    until = _add(born, rules.cooldown)
    since = "was first seen here (its upstream tells no time)" if file.uploaded_at is None else "was uploaded"
    return Refuse(
        TOO_YOUNG,
        f"{file.filename} {since} on {_shown(born)}, and public files come through "
        f"{describe_span(rules.cooldown)} later",
        f"It comes through by itself on {_shown(until)}.",
        until=until,
    )


def tell_old_enough(files: Sequence[UpstreamFile], cooldown: timedelta, *, now: datetime) -> list[bool]:
    """Return of each file whether `judge_age` surely lets it pass: one comparison each, since a page has thousands."""
    try:
        last_birth = now - cooldown
    except OverflowError:
        return [False] * len(files)
    return [(file.uploaded_at or file.first_seen_at) <= last_birth for file in files]


def _add(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment + span
    except OverflowError:
        return _END_OF_TIME


def _shown(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'minutes')} UTC"
