"""`strongroom doctor`: look at the machine, the data directory and the store.

Decides what is worth a warning and what is a fault. Makes no store and removes
nothing, but opens the store there is, which brings its schema up to date.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import click

from strongroom.cli.command import Command, wants_json
from strongroom.cli.exits import REFUSED, Ended
from strongroom.cli.output import print_json
from strongroom.cli.store import chosen_settings, has_store, run
from strongroom.core.errors import StrongroomError

if TYPE_CHECKING:  # takes long to import, and `--help` does not need it
    from strongroom.config import Settings

OLDEST_PYTHON = (3, 11)


class Grade(StrEnum):
    """How good a finding is."""

    GOOD = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    grade: Grade
    found: str
    hint: str = ""


@click.command(cls=Command)
def command() -> None:
    """Look at the machine and the store, and say what should be mended."""
    settings = chosen_settings()
    findings = [*_look_at_machine(settings), *_look_at_directory(settings), *_look_at_store(settings)]
    if wants_json():
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{finding.grade + ':':<9} {finding.what}: {finding.found}")
            if finding.hint:
                click.echo(f"{'':<9} {finding.hint}")
    faults = sum(finding.grade is Grade.FAULT for finding in findings)
    if faults:
        raise Ended(REFUSED, code="doctor-faults", message=f"Things to mend: {faults}", hint="See above.")


def _look_at_machine(settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        yield Finding("Python", Grade.GOOD, version)
    else:
        yield Finding("Python", Grade.FAULT, version, "Use Python 3.11 or newer.")
    if settings.database_url.startswith("sqlite"):
        yield _judge_sqlite(sqlite3.sqlite_version_info)


def _judge_sqlite(version: tuple[int, ...]) -> Finding:
    from strongroom.adapters.sql.sqlite import has_wal_reset_bug

    shown = ".".join(map(str, version))
    if not has_wal_reset_bug((version[0], version[1], version[2])):
        return Finding("SQLite", Grade.GOOD, shown)
    return Finding(
        "SQLite",
        Grade.WARNING,
        f"{shown}, and 3.7.0 to 3.51.2 can damage a database that two connections write to at the same moment",
        "Strongroom lets one write at a time, so it is safe as long as no other program writes to the file.",
    )


def _look_at_directory(settings: Settings) -> Iterator[Finding]:
    from strongroom.adapters.sql.network_filesystem import find_network_filesystem

    path = settings.directory
    if not path.is_dir():
        hint = "The first start of the server makes it; or name another with --data."
        yield Finding("data directory", Grade.WARNING, f"{path} does not exist", hint)
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "data directory", Grade.WARNING, f"{path} is open to others (mode {mode:04o})", f"Run: chmod 700 {path}"
        )
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data directory", Grade.FAULT, f"{path} cannot be written to", "Run this as its owner.")
    else:
        yield Finding("data directory", Grade.GOOD, str(path))
    network = find_network_filesystem(path)
    if network is None:
        yield Finding("filesystem", Grade.GOOD, "local")
    else:
        grade = Grade.FAULT if settings.database_url.startswith("sqlite") else Grade.WARNING
        yield Finding("filesystem", grade, f"{network}, over the network", "Move the directory to a local disk.")
    free = shutil.disk_usage(path).free
    enough = free >= settings.min_free_bytes
    yield Finding(
        "free space",
        Grade.GOOD if enough else Grade.WARNING,
        f"{free // 2**20} MiB",
        "" if enough else f"Uploads stop below {settings.min_free_bytes // 2**20} MiB.",
    )


def _look_at_store(settings: Settings) -> Iterator[Finding]:
    from strongroom.adapters.sql.migrate import HEAD

    if not has_store(settings):
        yield Finding("store", Grade.WARNING, "there is none yet", "The first start of the server makes it.")
        return
    yield _try("secret key", lambda: _read_key(settings))
    yield _try("catalog", lambda: f"schema {HEAD}, serial {_read_serial()}")


def _read_key(settings: Settings) -> str:
    from strongroom.adapters.secrets import open_secrets

    open_secrets(settings.directory, settings.key_path)
    return "only its owner can read it"


def _read_serial() -> int:
    return run(lambda services, _caller: services.catalog.read(lambda tx: tx.events.serial()))


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, Grade.GOOD, look())
    except StrongroomError as error:
        return Finding(what, Grade.FAULT, error.message, error.hint)
