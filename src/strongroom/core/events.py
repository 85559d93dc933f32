"""What happened: one fact for each change, kept in a hash chain.

Audit log, caches and later webhooks and statistics all read these; the event log
is also the outbox, since it is written in the transaction of the change. Does not
decide who may read them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

import msgspec

from strongroom.core.errors import InvalidRequest
from strongroom.core.names import Filename, IndexName, ProjectName, ProjectPattern, Sha256, TokenId, UserName


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """The root of all events; `kind` is the class's tag."""


class IndexCreated(_Event, frozen=True, tag="index-created"):
    """An index was made."""

    index: IndexName
    accepts_uploads: bool = True
    anonymous_read: bool = False
    bases: tuple[IndexName, ...] = ()
    upstream: str = ""
    rules: str = ""
    forbids_reserved: bool = False
    needs_approval: bool = False
    downloads: str = "auto"


class IndexChanged(_Event, frozen=True, tag="index-changed"):
    """An index's settings were changed to these. `upstream` names no credentials, `rules` is JSON.

    `new_credentials` tells that the upstream's credentials were set, to others than before.
    """

    index: IndexName
    accepts_uploads: bool = True
    anonymous_read: bool = False
    bases: tuple[IndexName, ...] = ()
    upstream: str = ""
    rules: str = ""
    forbids_reserved: bool = False
    needs_approval: bool = False
    downloads: str = "auto"
    new_credentials: bool = False


class IndexDeleted(_Event, frozen=True, tag="index-deleted"):
    """An empty index was removed."""

    index: IndexName


class Uploaded(_Event, frozen=True, tag="uploaded"):
    """A file was published. `imported` tells that its time comes from elsewhere."""

    index: IndexName
    project: ProjectName
    version: str
    filename: Filename
    sha256: Sha256
    size_bytes: int
    imported: bool = False


class Yanked(_Event, frozen=True, tag="yanked"):
    """Files of a release were yanked (PEP 592)."""

    index: IndexName
    project: ProjectName
    version: str
    filenames: tuple[Filename, ...]
    reason: str = ""


class Unyanked(_Event, frozen=True, tag="unyanked"):
    """Files of a release are offered again."""

    index: IndexName
    project: ProjectName
    version: str
    filenames: tuple[Filename, ...]


class Deleted(_Event, frozen=True, tag="deleted"):
    """Files were deleted; their names stay taken. Without a version: the whole project."""

    index: IndexName
    project: ProjectName
    filenames: tuple[Filename, ...]
    version: str | None = None


class StatusChanged(_Event, frozen=True, tag="status-changed"):
    """A project's PEP 792 status was set."""

    index: IndexName
    project: ProjectName
    status: str
    reason: str = ""


class NameHeld(_Event, frozen=True, tag="name-held"):
    """An index reserved a name or a prefix, claimed a name that exists upstream, or laid its files over it."""

    index: IndexName
    pattern: ProjectPattern
    hold: str
    reason: str = ""


class NameReleased(_Event, frozen=True, tag="name-released"):
    """An index let go of a name or a prefix; its own files keep deciding for their names."""

    index: IndexName
    pattern: ProjectPattern
    hold: str


class ExemptionRequested(_Event, frozen=True, tag="exemption-requested"):
    """Somebody asked that a rule lets versions of a project through."""

    index: IndexName
    project: ProjectName
    exemption: str
    versions: str
    code: str
    expires_at: str
    reason: str = ""


class ExemptionDecided(_Event, frozen=True, tag="exemption-decided"):
    """An exemption was approved, refused or withdrawn."""

    index: IndexName
    project: ProjectName
    exemption: str
    decision: str
    expires_at: str
    reason: str = ""


class PromotionRequested(_Event, frozen=True, tag="promotion-requested"):
    """A release waits to be promoted into `index`: one event for each release of the promotion."""

    index: IndexName
    project: ProjectName
    version: str
    filenames: tuple[Filename, ...]
    source: IndexName
    promotion: str
    reason: str = ""


class Promoted(_Event, frozen=True, tag="promoted"):
    """A release of `source` is offered in `index` too: one event for each release of the promotion."""

    index: IndexName
    project: ProjectName
    version: str
    filenames: tuple[Filename, ...]
    source: IndexName
    promotion: str
    reason: str = ""


class PromotionRefused(_Event, frozen=True, tag="promotion-refused"):
    """A promotion that waited was refused: one event for each release of it."""

    index: IndexName
    project: ProjectName
    version: str
    promotion: str
    reason: str = ""


class PromotionUndone(_Event, frozen=True, tag="promotion-undone"):
    """A promoted release was taken back out of `index`: one event for each release of the promotion."""

    index: IndexName
    project: ProjectName
    version: str
    filenames: tuple[Filename, ...]
    promotion: str
    reason: str = ""


class UserCreated(_Event, frozen=True, tag="user-created"):
    """An account was made, with these first grants."""

    user: UserName
    is_administrator: bool = False
    grants: tuple[str, ...] = ()


class UserChanged(_Event, frozen=True, tag="user-changed"):
    """An account was disabled or enabled, or its password was set."""

    user: UserName
    change: str


class GrantAdded(_Event, frozen=True, tag="grant-added"):
    """A user was given rights."""

    user: UserName
    grant: str


class GrantRemoved(_Event, frozen=True, tag="grant-removed"):
    """A user lost rights."""

    user: UserName
    grant: str


class TokenIssued(_Event, frozen=True, tag="token-issued"):
    """A token was made, good from these networks or everywhere. `replaces` is the token that it was rotated from."""

    token: TokenId
    owner: UserName
    label: str = ""
    scope: tuple[str, ...] = ()
    expires_at: str = ""
    networks: tuple[str, ...] = ()
    replaces: TokenId | None = None


class TokenRevoked(_Event, frozen=True, tag="token-revoked"):
    """A token was revoked, from the next request on."""

    token: TokenId
    owner: UserName


class SetupLinkIssued(_Event, frozen=True, tag="setup-link-issued"):
    """A one-time link for the first administrator was printed."""

    expires_at: str


class ReplicaPromoted(_Event, frozen=True, tag="replica-promoted"):
    """This server stopped following another one and takes changes itself; `level_at`: when it last had all of it."""

    primary: str
    level_at: str = ""


class BlobsAdopted(_Event, frozen=True, tag="blobs-adopted"):
    """The operator said that the stored files in that place are this catalog's, which nothing showed."""

    blobs: str


Event = (
    IndexCreated
    | IndexChanged
    | IndexDeleted
    | Uploaded
    | Yanked
    | Unyanked
    | Deleted
    | StatusChanged
    | NameHeld
    | NameReleased
    | ExemptionRequested
    | ExemptionDecided
    | PromotionRequested
    | Promoted
    | PromotionRefused
    | PromotionUndone
    | UserCreated
    | UserChanged
    | GrantAdded
    | GrantRemoved
    | TokenIssued
    | TokenRevoked
    | SetupLinkIssued
    | ReplicaPromoted
    | BlobsAdopted
)

AccessEvent = (
    IndexCreated
    | IndexChanged
    | IndexDeleted
    | UserCreated
    | UserChanged
    | GrantAdded
    | GrantRemoved
    | TokenIssued
    | TokenRevoked
)
"""Events about who may do what."""

ProjectEvent = (
    Uploaded
    | Yanked
    | Unyanked
    | Deleted
    | StatusChanged
    | ExemptionRequested
    | ExemptionDecided
    | PromotionRequested
    | Promoted
    | PromotionRefused
    | PromotionUndone
)
"""Events about `event.project`: its pages may look different afterwards, in each index that gets it from there."""

SourceEvent = IndexCreated | IndexChanged | IndexDeleted | NameHeld | NameReleased
"""Events after which names may come from other sources, or through other rules, in every index."""


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who did it, from where, with which client, as `access.describe` names them."""

    name: str
    address: str = ""
    client: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its place in the chain. `serial` counts changes from 1 on.

    `says_more` tells that the store holds something else beside it: a project by which
    it would not be found, or words in its text that no reading of it shows.
    """

    serial: int
    at: datetime
    actor: Actor
    event: Event
    chain_hash: bytes
    says_more: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """An entry's place in the chain: keep one elsewhere, and a log that was cut or rewritten shows."""

    serial: int
    chain_hash: bytes

    def __str__(self) -> str:
        """Render it as `parse_head` reads it."""
        return f"{self.serial}:{self.chain_hash.hex()}"


def parse_head(raw: str) -> Head:
    """Read `SERIAL:HASH`; raises `InvalidRequest`."""
    match = _HEAD.fullmatch(raw)
    if match is None:
        raise InvalidRequest("audit-head", "This is not the head of an audit log", "Write it as it was printed.")
    return Head(int(match[1]), bytes.fromhex(match[2]))


FIRST_HASH = bytes(32)
"""What the first entry is chained to."""

_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})", re.ASCII)
_encoder = msgspec.json.Encoder(order="sorted")
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode_event(event: Event) -> str:
    """Return the event's canonical JSON: sorted keys, no spaces."""
    return _encoder.encode(event).decode()


def decode_event(text: str) -> Event:
    """Read what `encode_event` wrote; raises `msgspec.ValidationError`."""
    return _decoder.decode(text)


def entry_body(*, serial: int, at: datetime, actor: Actor, event_json: str) -> bytes:
    """Return the canonical JSON of an entry, which the chain covers."""
    return _encoder.encode([serial, at.isoformat(), actor, event_json])


def chain_hash(key: bytes, previous: bytes, *, body: bytes) -> bytes:
    """Return HMAC-SHA256(key, previous hash | the entry's body), 32 bytes.

    The key keeps somebody who can write to the catalog, but does not hold the
    server's key, from rewriting history with matching hashes.
    """
    return hmac.new(key, previous + body, hashlib.sha256).digest()
