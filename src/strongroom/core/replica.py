"""What a replica hears from the server that it follows, and what it keeps of it.

A page of the change feed holds the events after a serial, and the rows that they are
about as these stand now. So a row may be newer than the page's last event; then a later
page brings it again. Decides whether a page continues the replica's own log. Does not
load, fetch or store anything.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.access import Grant, Scope, Token
from strongroom.core.errors import Conflict, StorageFault
from strongroom.core.events import Entry, chain_hash, encode_event, entry_body
from strongroom.core.exemptions import Exemption
from strongroom.core.model import File, Index, Project, Tombstone, User
from strongroom.core.names import IndexName, Sha256, TokenId, UserName
from strongroom.core.promotions import Promotion
from strongroom.core.reservations import Reservation
from strongroom.core.touched import ProjectKey

FORMAT = 1
MOST_EVENTS = 1000
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""`level_at` of a replica that never had all that its primary had."""


@dataclass(frozen=True, slots=True)
class Followed:
    """The server that this one is a replica of.

    `credentials` is a token of it, sealed. `serial` is the last change that is here; at
    `level_at` everything was here that the primary had acknowledged.
    """

    url: str
    credentials: bytes = field(repr=False)
    serial: int = 0
    level_at: datetime = NEVER

    def behind(self, now: datetime) -> timedelta | None:
        """Return for how long the primary's changes may be missing here; None: it never had all of them."""
        return None if self.level_at == NEVER else max(now - self.level_at, timedelta(0))


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token on the wire, its networks as text."""

    token_id: TokenId
    owner: UserName
    label: str
    digest: bytes
    scope: Scope
    created_at: datetime
    expires_at: datetime | None
    networks: tuple[str, ...]
    revoked_at: datetime | None
    last_used_at: datetime | None
    parent: TokenId | None

    @classmethod
    def of(cls, token: Token) -> TokenRow:
        """Return the token's row."""
        fields = {name: getattr(token, name) for name in cls.__struct_fields__ if name != "networks"}
        return cls(**fields, networks=tuple(str(network) for network in token.networks))

    def token(self) -> Token:
        """Return the token; raises `ValueError` for networks that are none."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "networks"}
        return Token(**fields, networks=tuple(ip_network(text) for text in self.networks))


class UserRow(msgspec.Struct, frozen=True, kw_only=True):
    """A user with all his grants."""

    user: User
    grants: tuple[Grant, ...]


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Rows as they stand. Of a `lost` index or project there is none any more.

    `holders` are the indexes whose reservations are all here.
    """

    indexes: tuple[Index, ...] = ()
    lost_indexes: tuple[IndexName, ...] = ()
    holders: tuple[IndexName, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    projects: tuple[Project, ...] = ()
    lost_projects: tuple[ProjectKey, ...] = ()
    files: tuple[File, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    users: tuple[UserRow, ...] = ()
    tokens: tuple[TokenRow, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    promotions: tuple[Promotion, ...] = ()

    def needed_blobs(self) -> dict[Sha256, int | None]:
        """Return the blobs that the files need, with their sizes where the files say them."""
        needed: dict[Sha256, int | None] = {}
        for file in self.files:
            needed[file.sha256] = file.size_bytes
            for sidecar in (file.metadata_sha256, file.provenance_sha256):
                if sidecar is not None:
                    needed.setdefault(sidecar, None)
        return needed


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the change feed: what came after the event `since`, whose hash is `since_hash`.

    `head` is the last serial that the primary has.
    """

    format: int
    since: int
    since_hash: bytes
    head: int
    entries: tuple[Entry, ...]
    rows: Rows

    @property
    def serial(self) -> int:
        """Return the serial up to which this page leads."""
        return self.entries[-1].serial if self.entries else self.since

    @property
    def is_last(self) -> bool:
        """Return whether the primary has nothing after it."""
        return self.serial >= self.head


def check_page(page: Page, *, key: bytes, since: int, since_hash: bytes) -> None:
    """Return if the page continues the log that ends with `since`, each entry chained with the key.

    Raises `Conflict` for another server's log or an older one, `StorageFault` for entries
    that were chained with another key, or changed.
    """
    if page.since != since or page.head < since or not hmac.compare_digest(page.since_hash, since_hash):
        raise Conflict(
            "replica-diverged",
            f"The primary's log is not the one that this replica copied up to change {since}",
            "It was restored from a backup, or is another server: follow it with a new, empty data directory.",
        )
    previous = since_hash
    for serial, entry in enumerate(page.entries, start=since + 1):
        text = encode_event(entry.event)
        body = entry_body(serial=entry.serial, at=entry.at, actor=entry.actor, event_json=text)
        if entry.serial != serial or not hmac.compare_digest(chain_hash(key, previous, body=body), entry.chain_hash):
            raise StorageFault("replica-key", f"Change {serial} of the primary was not signed with this key", _KEY_HINT)
        previous = entry.chain_hash


_KEY_HINT = (
    "Copy secret.key from the primary's data directory into this one; "
    "if it is the same, run `strongroom audit verify` on the primary."
)


def encode_page(page: Page) -> bytes:
    """Return the page as JSON."""
    return _encoder.encode(page)


def decode_page(data: bytes) -> Page:
    """Read what `encode_page` wrote; raises `Conflict` when it was written by another version of the program."""
    try:
        page = _decoder.decode(data)
        if page.format == FORMAT:
            return page
        reason = f"format {page.format}"
    except (msgspec.MsgspecError, ValueError) as fault:
        reason = str(fault)
    raise Conflict(
        "replica-version",
        f"The primary's change feed cannot be read ({reason})",
        "Run the same version of Strongroom on both servers; update the replica first.",
    )


def _encode_value(value: object) -> str:
    if isinstance(value, Version | SpecifierSet):
        return str(value)
    raise TypeError(f"a page of the change feed holds no {type(value).__name__}")


def _decode_value(kind: type, value: Any) -> Any:  # Any: msgspec's own signature
    if kind in (Version, SpecifierSet):
        return kind(value)
    raise TypeError(f"a page of the change feed holds no {kind.__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_encode_value)
_decoder = msgspec.json.Decoder(Page, dec_hook=_decode_value)
