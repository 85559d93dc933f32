"""Values on the command line: text becomes a type of the core, or a usage error.

Decides how a lifetime, a network and `PROJECT==VERSION` are written. What a name
may look like is decided by `core/names.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import TypeVar, cast

import click
from packaging.version import Version

from strongroom.core import names
from strongroom.core.access import Network, Right
from strongroom.core.errors import StrongroomError
from strongroom.core.names import ProjectName

T = TypeVar("T")
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_LIFETIME = re.compile(r"([0-9]{1,6})([mhdwy])", re.ASCII)


class Parsed(click.ParamType[T]):
    """Text that a function of the core parses."""

    def __init__(self, name: str, parse: Callable[[str], T]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Return the parsed value; ends with a usage error."""
        if not isinstance(value, str):
            return cast("T", value)  # click converts defaults twice
        try:
            return self._parse(value)
        except StrongroomError as error:
            self.fail(error.sentence, param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, slots=True)
class Named:
    """`PROJECT` or `PROJECT==VERSION`."""

    project: ProjectName
    version: Version | None


def parse_lifetime(raw: str) -> timedelta | None:
    """Read 30m, 12h, 90d, 2w, 1y, or never (None); raises `ValueError`."""
    if raw == "never":
        return None
    return parse_duration(raw)


def parse_duration(raw: str) -> timedelta:
    """Read 30m, 12h, 90d, 2w, 1y, or 0; raises `ValueError`."""
    if raw == "0":
        return timedelta(0)
    match = _LIFETIME.fullmatch(raw)
    if match is None:
        raise ValueError(f"{raw!r} is not a time; write it as 30m, 12h, 90d, 2w or 1y")
    return int(match[1]) * _UNITS[match[2]]


def parse_named(raw: str) -> Named:
    """Read PROJECT or PROJECT==VERSION; raises `InvalidName`."""
    project, equals, version = raw.partition("==")
    return Named(names.parse_project_name(project.strip()), names.parse_version(version.strip()) if equals else None)


def _parse_network(raw: str) -> Network:
    try:
        return ip_network(raw, strict=False)
    except ValueError:
        raise ValueError(f"{raw!r} is not a network; write it as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32") from None


INDEX = Parsed("INDEX", names.parse_index_name)
USER = Parsed("NAME", names.parse_user_name)
TOKEN_ID = Parsed("ID", names.parse_token_id)
PROJECT = Parsed("PROJECT", names.parse_project_name)
PATTERN = Parsed("GLOB", names.parse_project_pattern)
FILENAME = Parsed("FILENAME", names.parse_filename)
NAMED = Parsed("PROJECT==VERSION", parse_named)
NETWORK = Parsed("CIDR", _parse_network)
LIFETIME = Parsed("TIME", parse_lifetime)
DURATION = Parsed("TIME", parse_duration)
RIGHT = click.Choice([right.value for right in Right])
