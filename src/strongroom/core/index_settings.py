"""What somebody wants changed about an index, and what the index is afterwards.

Decides which changes make sense together, which bases are possible, and what the
event log says of an index. Does not decide who may change it (`services/indexes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import TypeVar, assert_never
from urllib.parse import urlsplit

import msgspec

from strongroom.core.errors import Conflict, InvalidRequest
from strongroom.core.model import Downloads, Index
from strongroom.core.names import IndexName
from strongroom.core.rule_text import check_rules
from strongroom.core.rules import NO_RULES, Rules
from strongroom.core.sources import walk
from strongroom.core.upstream import Delivery, Upstream

MOST_INDEXES = 16
"""The most indexes that one name may be looked for in, the asked one included."""
T = TypeVar("T")
_LONGEST_FRESHNESS = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs in at an upstream (HTTP Basic)."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Removed:
    """In the place of a value: take away what is there."""


REMOVED = Removed()


@dataclass(frozen=True, slots=True)
class UpstreamChanges:
    """The settings of an upstream to change; None stays as it is.

    A first `url` makes the upstream. `credentials` are forgotten when the URL goes to
    another server and none are given with it.
    """

    url: str | None = None
    credentials: Credentials | Removed | None = None
    freshness: timedelta | None = None
    delivery: Delivery | None = None
    is_offline: bool | None = None


@dataclass(frozen=True, slots=True)
class IndexChanges:
    """The settings of an index to change; None stays as it is."""

    accepts_uploads: bool | None = None
    anonymous_read: bool | None = None
    bases: tuple[IndexName, ...] | None = None
    upstream: UpstreamChanges | Removed | None = None
    rules: Rules | None = None
    forbids_reserved: bool | None = None
    needs_approval: bool | None = None
    downloads: Downloads | None = None


NO_CHANGES = IndexChanges()


def change_index(index: Index, changes: IndexChanges, *, sealed: bytes | None = None) -> Index:
    """Return the index with the changes made; `sealed` are the new credentials. Raises `InvalidRequest`.

    `changes.upstream.url` was checked before (`upstream_url.py`).
    """
    changed = replace(
        index,
        accepts_uploads=_first(changes.accepts_uploads, index.accepts_uploads),
        anonymous_read=_first(changes.anonymous_read, index.anonymous_read),
        bases=_first(changes.bases, index.bases),
        rules=index.rules if changes.rules is None else check_rules(changes.rules),
        forbids_reserved=_first(changes.forbids_reserved, index.forbids_reserved),
        needs_approval=_first(changes.needs_approval, index.needs_approval),
        downloads=_first(changes.downloads, index.downloads),
    )
    match changes.upstream:
        case None:
            return changed
        case Removed():
            return replace(changed, upstream=None)
        case UpstreamChanges():
            return replace(changed, upstream=_change_upstream(index, changes.upstream, sealed=sealed))
        case _:  # pragma: no cover
            assert_never(changes.upstream)


def demand_possible_bases(index: Index, others: Mapping[IndexName, Index]) -> None:
    """Raise `InvalidRequest` or `Conflict` unless the index can be based on what it names.

    `others` are all indexes; an earlier state of this one among them does not count.
    """
    for base in index.bases:
        if base == index.name:
            raise InvalidRequest("base-itself", f"The index '{base}' cannot be its own base", "Name other indexes.")
        if base not in others:
            raise InvalidRequest(
                "base-unknown", f"There is no index '{base}' to be a base", "See `strongroom index list`."
            )
    if len(set(index.bases)) < len(index.bases):
        raise InvalidRequest("base-twice", f"A base of '{index.name}' is named twice", "Name each base once.")
    indexes = {**others, index.name: index}
    for base in index.bases:
        if any(route.end.name == index.name for route in walk(indexes[base], indexes)):
            raise Conflict(
                "base-cycle",
                f"The index '{base}' is itself based on '{index.name}', so it cannot be a base of it",
                f"Take '{index.name}' out of that chain first; `strongroom index show {base}` shows its bases.",
            )
    for start in indexes.values():
        reached = [route.end.name for route in walk(start, indexes)]
        if index.name in reached and len(reached) > MOST_INDEXES:
            raise Conflict(
                "base-chain",
                f"'{start.name}' would reach {len(reached)} indexes, and {MOST_INDEXES} are the most",
                "Base it on fewer indexes: each of them is asked for each name.",
            )


def goes_elsewhere(earlier: Index, later: Index) -> bool:
    """Return whether the files of another upstream would stand under what is kept of the earlier one."""
    if earlier.upstream is None:
        return False
    return later.upstream is None or later.upstream.url != earlier.upstream.url


def describe_upstream(upstream: Upstream | None) -> str:
    """Say for the event log what the upstream is: never its credentials, only that there are some."""
    if upstream is None:
        return ""
    settings = [upstream.url]
    if upstream.credentials is not None:
        settings.append("with credentials")
    settings.append(f"fresh for {upstream.freshness // timedelta(seconds=1)} s")
    if upstream.delivery is Delivery.REDIRECT:
        settings.append("by redirect")
    if upstream.is_offline:
        settings.append("offline")
    return ", ".join(settings)


def describe_rules(rules: Rules) -> str:
    """Return the rules that are not at their defaults as canonical JSON; empty when all are."""
    named = {item.name: getattr(rules, item.name) for item in fields(rules)}
    unusual = {name: value for name, value in named.items() if value != getattr(NO_RULES, name)}
    return msgspec.json.encode(unusual, order="sorted").decode() if unusual else ""


def demand_sensible_credentials(credentials: Credentials) -> None:
    """Raise `InvalidRequest` unless HTTP Basic can carry them (RFC 7617: no colon in the name, no controls)."""
    text = credentials.username + credentials.password
    if ":" in credentials.username or not text.isprintable() or not 0 < len(text) <= 2000:
        raise InvalidRequest(
            "upstream-credentials",
            "These credentials cannot be sent: a user name has no colon, and neither part has control characters",
            "Give the user name and the password, or a token as the password.",
        )


def _change_upstream(index: Index, changes: UpstreamChanges, *, sealed: bytes | None) -> Upstream:
    earlier = index.upstream
    if earlier is None and changes.url is None:
        raise InvalidRequest(
            "index-no-upstream", f"The index '{index.name}' has no upstream to change", "Give its URL with it."
        )
    if changes.freshness is not None and not timedelta(0) <= changes.freshness <= _LONGEST_FRESHNESS:
        raise InvalidRequest("freshness", "A page cannot be fresh for so long", "Choose a time from 0 to 365 days.")
    before = earlier or Upstream(changes.url or "")
    url = changes.url or before.url
    return Upstream(
        url=url,
        credentials=_kept_credentials(before, url, changes=changes, sealed=sealed),
        freshness=_first(changes.freshness, before.freshness),
        delivery=_first(changes.delivery, before.delivery),
        is_offline=_first(changes.is_offline, before.is_offline),
    )


def _first(wanted: T | None, earlier: T) -> T:
    return earlier if wanted is None else wanted


def _kept_credentials(before: Upstream, url: str, *, changes: UpstreamChanges, sealed: bytes | None) -> bytes | None:
    """Return the credentials to keep: never those of one server for another."""
    if sealed is not None:
        return sealed
    if isinstance(changes.credentials, Removed) or urlsplit(url)[:2] != urlsplit(before.url)[:2]:
        return None
    return before.credentials
