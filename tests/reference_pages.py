"""The pages of docs/ that are made from the program: commands, settings, REST paths.

`python -m tests.reference_pages` writes them; `test_docs.py` fails when they are old.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from strongroom.cli.main import cli
from strongroom.config import ENVIRONMENT_PREFIX, default_settings, describe_settings
from tests.access_matrix.demands import DEMANDS

_SETTINGS_HEAD = """# Settings

Made by `python -m tests.reference_pages`. A flag of `strongroom serve` counts before the variable, the variable before
the line in `strongroom.toml` (in the directory where the program starts), the line before the default.
Defaults are written as a variable takes them; in a line text stands in quotes. A switch is `yes`, `on`, `true`, `1`, or
it is `no`, `off`, `false`, `0`.

| line | variable | default | what it is |
|---|---|---|---|
"""

_URLS_HEAD = """# URLs

Made by `python -m tests.reference_pages`. Without an index in the path the default index is meant. What one may not
read is answered like what is missing. The API's requests and answers are described by `/api/v1/openapi.json`.

| path | methods | who may |
|---|---|---|
"""
_NEEDS = {
    "public": "anybody",
    "signed": "anybody signed in, as far as he may see or do",
    "server": "`administer` on the server",
    "server-index": "`administer` on the server",
    "upload": "`upload` on the project",
    "promote": "`read` on each project in the source, `upload` in the target",
    "promotion": "whoever reads its projects in the source, and has rights on them in the target",
    "promotion-decision": "`read` on its projects in the source, `manage` in the target",
    "exemption-list": "anybody signed in with `read` on the index, as far as he may read",
    "exemption-request": "anybody signed in with `read` on the project",
    "exemption": "anybody signed in with `read` on its project",
    "exemption-decision": "`manage` on the index; withdrawing: who asked for it",
    "own-user": "the user himself, or `administer` on the server",
    "own-password": "the user himself with a password, or `administer` on the server",
    "own-token": "the token's owner, or `administer` on the server",
    "own-rotation": "the token's owner, or `administer` on the server",
}
_OPEN_TO = {"/metrics": "`metrics_networks`"}
"""What a route's `open_networks` are, by its path."""

DOCS = Path(__file__).parent.parent / "docs"


def commands_page() -> str:
    """Return docs/commands.md."""
    sections = [f"## {path}\n\n```text\n{text}\n```\n" for path, text in _helps(cli, "strongroom", parent=None)]
    return "# Commands\n\nMade by `python -m tests.reference_pages` from the program's own help.\n\n" + "\n".join(
        sections
    )


def settings_page() -> str:
    """Return docs/settings.md."""
    rows = [
        f"| `{name}` | `{ENVIRONMENT_PREFIX}{name.upper()}` | {_shown(default)} | {describe_settings()[name]} |"
        for name, default in default_settings().items()
    ]
    return _SETTINGS_HEAD + "\n".join(rows) + "\n"


def urls_page() -> str:
    """Return docs/urls.md: the access matrix's table, which a test compares with the application's routes."""
    methods: dict[tuple[str, str], list[str]] = {}
    for (method, path), demand in DEMANDS.items():
        needed = _NEEDS.get(demand.on) or f"`{demand.right}` on the {demand.on}"
        if path in _OPEN_TO:
            needed += f"; without a token whoever {_OPEN_TO[path]} names"
        methods.setdefault((path, needed), []).append(method)
    rows = [f"| `{path}` | {', '.join(found)} | {needed} |" for (path, needed), found in methods.items()]
    return _URLS_HEAD + "\n".join(rows) + "\n"


def _helps(command: click.Command, path: str, *, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent, terminal_width=100)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _helps(child, f"{path} {name}", parent=context)


def _shown(default: str) -> str:
    return f"`{default}`" if default else "nothing"


PAGES = {"commands.md": commands_page, "settings.md": settings_page, "urls.md": urls_page}

if __name__ == "__main__":
    for filename, make in PAGES.items():
        (DOCS / filename).write_text(make())
