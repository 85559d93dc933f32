"""`strongroom config`: the settings that are in force."""

from __future__ import annotations

import re

import click
import msgspec

from strongroom.cli.command import Group
from strongroom.cli.output import print_item
from strongroom.cli.store import chosen_settings

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^:/@]*):.*@")
_PASSWORD_IN_QUERY = re.compile(r"(password=)[^&]*", re.IGNORECASE)


@click.group(cls=Group)
def group() -> None:
    """Show the settings."""


@group.command()
def show() -> None:
    """Show each setting: flags, then STRONGROOM_* variables, then strongroom.toml, then defaults."""
    values = msgspec.to_builtins(chosen_settings())
    shown = {name: _redact(value) if isinstance(value, str) else value for name, value in values.items()}
    print_item(shown)


def _redact(value: str) -> str:
    return _PASSWORD_IN_QUERY.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1:***@", value)) if "://" in value else value
