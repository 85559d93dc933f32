"""The rows of a page of the change feed, and what a replica takes of them.

The page is signed, so the rows are the primary's own. They are checked all the same:
each name in them goes through the parser that it went through at the primary's door, and
a row that none of the page's events is about is refused. Does not load or store anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from functools import cache
from ipaddress import ip_network
from itertools import repeat
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from strongroom.core.access import Grant, Scope, Token
from strongroom.core.errors import InvalidName
from strongroom.core.exemptions import Exemption
from strongroom.core.model import File, Index, Project, Tombstone, User
from strongroom.core.names import (
    Filename,
    IndexName,
    ProjectName,
    ProjectPattern,
    Sha256,
    TokenId,
    UserName,
    parse_filename,
    parse_index_name,
    parse_project_name,
    parse_project_pattern,
    parse_sha256,
    parse_token_id,
    parse_user_name,
)
from strongroom.core.promotions import Promotion
from strongroom.core.reservations import Reservation
from strongroom.core.touched import ProjectKey, Touched


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
            needed |= needed_by(file)
        return needed


def needed_by(file: File) -> dict[Sha256, int | None]:
    """Return the blobs that the file needs, with their sizes where it says them."""
    sidecars = (file.metadata_sha256, file.provenance_sha256)
    return {sha256: None for sha256 in sidecars if sha256 is not None} | {file.sha256: file.size_bytes}


def are_about(rows: Rows, touched: Touched) -> bool:
    """Return whether each row is one that the events touched; a token's descendants come with it."""
    users = {row.user.name for row in rows.users}
    return (
        _indexes_of(rows) <= {*touched.indexes}
        and {*((row.index, row.name) for row in rows.projects), *rows.lost_projects} <= {*touched.projects}
        and {(file.index, file.filename) for file in rows.files} <= {*touched.files}
        and {(buried.index, buried.filename) for buried in rows.tombstones} <= {*touched.files}
        and (touched.everybody or users <= {*touched.users})
        and {row.token_id for row in rows.tokens} <= _with_descendants(touched.tokens, rows.tokens)
        and {row.exemption_id for row in rows.exemptions} <= {*touched.exemptions}
        and {row.promotion_id for row in rows.promotions} <= {*touched.promotions}
    )


def _indexes_of(rows: Rows) -> set[IndexName]:
    held = (row.index for row in rows.reservations)
    return {*(index.name for index in rows.indexes), *rows.lost_indexes, *rows.holders, *held}


def _with_descendants(named: Collection[TokenId], rows: Collection[TokenRow]) -> set[TokenId]:
    family, grown = {*named}, True
    while grown:
        made = {row.token_id for row in rows if row.parent in family} - family
        family |= made
        grown = bool(made)
    return family


def demand_names(value: object, kind: Any) -> None:  # Any: a type hint
    """Return if each name in the value, which is of that kind, is as its parser gives it; raises `InvalidName`."""
    if value is None or kind in _PLAIN:
        return
    parse = _PARSERS.get(kind)
    if parse is not None:
        if parse(str(value)) != value:
            raise InvalidName("name", f"{ascii(value)[:80]} is not a name as the server writes it")
    elif get_origin(kind) in (Union, UnionType):
        for option in get_args(kind):  # None was let through, so one kind of names is left
            demand_names(value, option)
    elif isinstance(value, tuple | frozenset):
        kinds = get_args(kind)
        of_each = repeat(kinds[0]) if Ellipsis in kinds or isinstance(value, frozenset) else kinds
        for item, its_kind in zip(value, of_each, strict=False):
            demand_names(item, its_kind)
    elif is_dataclass(value) or isinstance(value, msgspec.Struct):
        parts: type = type(value)
        for name, hint in _hints(parts).items():
            demand_names(getattr(value, name), hint)


@cache
def _hints(kind: type) -> Mapping[str, Any]:  # Any: type hints
    return get_type_hints(kind)


_PLAIN = frozenset({str, int, bool, bytes, float, datetime})
_PARSERS: Mapping[object, Callable[[str], str]] = {
    Filename: parse_filename,
    IndexName: parse_index_name,
    ProjectName: parse_project_name,
    ProjectPattern: parse_project_pattern,
    Sha256: parse_sha256,
    TokenId: parse_token_id,
    UserName: parse_user_name,
}
