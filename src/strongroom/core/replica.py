"""What a replica hears from the server that it follows, and what it keeps of it.

A page of the change feed holds the events after a serial, and the rows that they are
about as these stand now. So a row may be newer than the page's last event; then a later
page brings it again. Decides whether a page continues the replica's own log. Does not
load, fetch or store anything.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from strongroom.core.errors import Conflict, StorageFault
from strongroom.core.events import Entry, chain_hash, encode_event, entry_body
from strongroom.core.replica_rows import Rows, are_about, demand_names
from strongroom.core.touched import touched_by, unite

FORMAT = 1
MOST_EVENTS = 1000
PAGE_KEY = "replica page"
"""What the key is derived for with which a page is signed."""
NONCE_HEADER = "Strongroom-Nonce"
SIGNATURE_HEADER = "Strongroom-Signature"
PRIMARY_SILENT = "primary-silent"
"""The code of the error for a primary to which there is no connection, or that says nothing."""
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


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a replica is behind its primary.

    `behind`: for how long changes may be missing, None for one that never had all of them;
    `lacking`: how many blobs it lists and does not have, because its primary had none.
    """

    behind: timedelta | None
    lacking: int = 0


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
    that were chained with another key, or changed, and for rows that they are not about.
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
    if not are_about(page.rows, unite(touched_by(entry.event) for entry in page.entries)):
        raise StorageFault(
            "replica-rows",
            f"The primary sent rows after change {since} that its changes are not about",
            "Nothing of it was stored. Run the same version of Strongroom on both servers.",
        )


_KEY_HINT = (
    "Copy secret.key from the primary's data directory into this one; "
    "if it is the same, run `strongroom audit verify` on the primary."
)


def sign_page(key: bytes, body: bytes, *, nonce: str) -> str:
    """Return what proves that a holder of the key gave these bytes as the answer to this one question (RFC 2104)."""
    return hmac.new(key, nonce.encode() + b"\n" + body, hashlib.sha256).hexdigest()


def check_signature(key: bytes, body: bytes, *, nonce: str, signature: str | None) -> None:
    """Return if the bytes were signed so; raises `Conflict` for none, `StorageFault` for another signature."""
    if not signature:
        raise Conflict(
            "replica-version",
            "The primary does not sign its change feed",
            "Run the same version of Strongroom on both servers; update the replica first.",
        )
    if not hmac.compare_digest(sign_page(key, body, nonce=nonce).encode(), signature.encode()):
        raise StorageFault("replica-key", "The primary's answer was not signed with this key", _KEY_HINT)


def encode_page(page: Page) -> bytes:
    """Return the page as JSON."""
    return _encoder.encode(page)


def decode_page(data: bytes) -> Page:
    """Read what `encode_page` wrote; raises `Conflict` when it was written by another version of the program."""
    try:
        page = _decoder.decode(data)
        if page.format == FORMAT:
            return _checked(page)
        reason = f"format {page.format}"
    except (msgspec.MsgspecError, ValueError) as fault:
        reason = str(fault)
    raise Conflict(
        "replica-version",
        f"The primary's change feed cannot be read ({reason})",
        "Run the same version of Strongroom on both servers; update the replica first.",
    )


def _checked(page: Page) -> Page:
    """Return the page, if its names and networks are what they should be; raises `ValueError`."""
    demand_names(page.rows, Rows)
    for row in page.rows.tokens:
        row.token()
    return page


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
