"""Names in bodies and queries: parsed at the door, described by their patterns.

Each type is the core's own; its schema tells a client what the `parse_` function
takes. A name that does not parse is a 422 with the core's sentence. Names in paths
are in `places.py`: there a malformed name is a thing that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Annotated, TypeVar

from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from strongroom.core.access import Network
from strongroom.core.errors import InvalidName
from strongroom.core.names import (
    LONGEST_VERSION,
    RESERVED_INDEX_NAMES,
    TOKEN_USER_NAMES,
    IndexName,
    ProjectName,
    ProjectPattern,
    UserName,
    parse_index_name,
    parse_project_name,
    parse_project_pattern,
    parse_user_name,
    parse_version,
)
from strongroom.core.rule_text import parse_versions
from strongroom.http.api.faults import NAME_FAULT

S = TypeVar("S")
T = TypeVar("T")

INDEX_SCHEMA: dict[str, object] = {
    "type": "string",
    "pattern": "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$",
    "not": {"enum": sorted(RESERVED_INDEX_NAMES)},
    "examples": ["main"],
}
PROJECT_SCHEMA: dict[str, object] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$",
    "examples": ["acme-billing"],
}
USER_SCHEMA: dict[str, object] = {
    "type": "string",
    "pattern": "^[a-z0-9]([a-z0-9._@+-]{0,62}[a-z0-9])?$",
    "not": {"enum": sorted(TOKEN_USER_NAMES)},
    "examples": ["bob"],
}
PATTERN_SCHEMA: dict[str, object] = {
    "type": "string",
    "pattern": "^[A-Za-z0-9._*?-]{1,128}$",
    "description": "A project's name, or a pattern over normalised names with * and ?.",
    "examples": ["acme-*"],
}


def _any_case(*words: str) -> str:
    """Return a pattern for the words in whatever case: JSON Schema's patterns have no flags."""
    return "|".join("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in words)


_PRE_RELEASE = rf"[._-]?({_any_case('alpha', 'a', 'beta', 'b', 'preview', 'pre', 'c', 'rc')})[._-]?[0-9]*"
_POST_RELEASE = rf"-[0-9]+|[._-]?({_any_case('post', 'rev', 'r')})[._-]?[0-9]*"
_DEV_RELEASE = rf"[._-]?{_any_case('dev')}[._-]?[0-9]*"
_LOCAL = r"\+[A-Za-z0-9]+([._-][A-Za-z0-9]+)*"
VERSION_SCHEMA: dict[str, object] = {
    "type": "string",
    # PEP 440, appendix B, in one group a part.
    "pattern": rf"^[vV]?([0-9]+!)?[0-9]+(\.[0-9]+)*({_PRE_RELEASE})?({_POST_RELEASE})?({_DEV_RELEASE})?({_LOCAL})?$",
    "maxLength": LONGEST_VERSION,
    "examples": ["1.2.0"],
}
_CLAUSE = r"(==|!=|<=|>=|<|>)[0-9]{1,6}(\.[0-9]{1,6}){0,4}"
VERSIONS_SCHEMA: dict[str, object] = {
    "type": "string",
    "pattern": rf"^({_CLAUSE}(,{_CLAUSE}){{0,5}})?$",
    "examples": ["==1.2.0"],
}
_GROUP = "[0-9a-fA-F]{1,4}"
_V4_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V6_LENGTH = "(12[0-8]|1[01][0-9]|[1-9]?[0-9])"
NETWORK_SCHEMA: dict[str, object] = {
    "description": "An IPv4 or IPv6 network in CIDR notation, or one address.",
    "anyOf": [
        {"type": "string", "pattern": rf"^{_V4_BYTE}(\.{_V4_BYTE}){{3}}(/(3[0-2]|[12]?[0-9]))?$"},
        {"type": "string", "format": "ipv6"},
        {"type": "string", "pattern": rf"^(({_GROUP}:){{7}}{_GROUP}|({_GROUP}:){{1,7}}:|::)/{_V6_LENGTH}$"},
    ],
    "examples": ["10.0.0.0/8"],
}


class Body(BaseModel):
    """What a client sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """What the server answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _parsed(parse: Callable[[S], T]) -> Callable[[S], T]:
    """Return the function as pydantic wants it: its refusal becomes a validation error."""

    def validate(raw: S) -> T:
        try:
            return parse(raw)
        except InvalidName as fault:
            raise PydanticCustomError(
                NAME_FAULT, "{sentence}", {"code": fault.code, "sentence": fault.sentence}
            ) from None

    return validate


def _parse_network(raw: object) -> Network:
    try:
        return ip_network(raw if isinstance(raw, str) and "%" not in raw else "", strict=False)
    except ValueError:
        raise InvalidName(
            "network", f"{ascii(raw)[:60]} is not a network", "Write it as 10.0.0.0/8 or 2001:db8::/32."
        ) from None


def _parse_version(raw: object) -> Version:
    return parse_version(raw if isinstance(raw, str) else "")


def _parse_versions(raw: object) -> SpecifierSet:
    return parse_versions(raw if isinstance(raw, str) else "?")


IndexField = Annotated[IndexName, AfterValidator(_parsed(parse_index_name)), WithJsonSchema(INDEX_SCHEMA)]
ProjectField = Annotated[ProjectName, AfterValidator(_parsed(parse_project_name)), WithJsonSchema(PROJECT_SCHEMA)]
UserField = Annotated[UserName, AfterValidator(_parsed(parse_user_name)), WithJsonSchema(USER_SCHEMA)]
PatternField = Annotated[ProjectPattern, AfterValidator(_parsed(parse_project_pattern)), WithJsonSchema(PATTERN_SCHEMA)]
NetworkField = Annotated[Network, PlainValidator(_parsed(_parse_network)), WithJsonSchema(NETWORK_SCHEMA)]
VersionField = Annotated[Version, PlainValidator(_parsed(_parse_version)), WithJsonSchema(VERSION_SCHEMA)]
VersionsField = Annotated[SpecifierSet, PlainValidator(_parsed(_parse_versions)), WithJsonSchema(VERSIONS_SCHEMA)]
Time = Annotated[
    AwareDatetime,
    PlainSerializer(lambda time: _rfc3339(time), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-01-05T12:00:00Z"]}),
]
"""RFC 3339 in UTC, with Z."""


def read_whole(raw: object) -> object:
    """Return JSON Schema's integer as one: 30.0 is one too."""
    return int(raw) if isinstance(raw, float) and raw.is_integer() else raw


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
