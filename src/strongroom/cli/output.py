"""What a command prints: data on standard output, remarks on standard error.

Decides the shape of a table and of JSON. The fields are chosen in `views.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import click

from strongroom.cli.command import wants_json

View: TypeAlias = dict[str, object]


def remark(text: str) -> None:
    """Say something that is not data."""
    click.echo(text, err=True)


def print_json(data: object) -> None:
    """Print data as one JSON document."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_done(data: View, text: str) -> None:
    """Say what was done; print it as data only when JSON is wanted."""
    if wants_json():
        print_json(data)
    else:
        remark(text)


def print_list(data: Sequence[View], columns: Sequence[str], *, empty: str) -> None:
    """Print one line for each item, or a JSON list with all fields."""
    if wants_json():
        print_json(list(data))
    elif data:
        print_table([[_cell(item[column]) for column in columns] for item in data], header=columns)
    else:
        remark(empty)


def print_item(data: View) -> None:
    """Print one thing, a field a line, or as JSON."""
    if wants_json():
        print_json(data)
        return
    width = max(len(name) for name in data)
    for name, value in data.items():
        click.echo(f"{name.replace('_', ' ') + ':':<{width + 2}}{_cell(value)}".rstrip())


def print_table(rows: Iterable[Sequence[str]], *, header: Sequence[str]) -> None:
    """Print aligned columns below their names."""
    lines = [[name.replace("_", " ").upper() for name in header], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    match value:
        case None | "" | [] | ():
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return "; ".join(str(part) for part in value)
        case _:
            return str(value)
