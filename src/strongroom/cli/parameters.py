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
from typing import TypeVar

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


def parsed(name: str, parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return the type, for click, of text that a function of the core parses; `name` is what help calls it."""

    def convert(raw: str) -> T:
        try:
            return parse(raw)
        except StrongroomError as error:
            raise click.BadParameter(error.sentence) from error
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    convert.__name__ = name
    return convert


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


def parse_cooldown(raw: str) -> timedelta:
    """Read 3d, 12h, or off (no time at all); raises `ValueError`."""
    return timedelta(0) if raw == "off" else parse_duration(raw)


def parse_named(raw: str) -> Named:
    """Read PROJECT or PROJECT==VERSION; raises `InvalidName`."""
    project, equals, version = raw.partition("==")
    return Named(names.parse_project_name(project.strip()), names.parse_version(version.strip()) if equals else None)


def _parse_network(raw: str) -> Network:
    try:
        return ip_network(raw, strict=False)
    except ValueError:
        raise ValueError(f"{raw!r} is not a network; write it as 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32") from None


INDEX = parsed("INDEX", names.parse_index_name)
USER = parsed("NAME", names.parse_user_name)
TOKEN_ID = parsed("ID", names.parse_token_id)
PROJECT = parsed("PROJECT", names.parse_project_name)
PATTERN = parsed("GLOB", names.parse_project_pattern)
FILENAME = parsed("FILENAME", names.parse_filename)
NAMED = parsed("PROJECT==VERSION", parse_named)
NETWORK = parsed("CIDR", _parse_network)
LIFETIME = parsed("TIME", parse_lifetime)
DURATION = parsed("TIME", parse_duration)
COOLDOWN = parsed("TIME", parse_cooldown)
RIGHT = click.Choice([right.value for right in Right])
