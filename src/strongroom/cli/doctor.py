"""`strongroom doctor`: look at the machine, the data directory, the way in from the network, and the stores.

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
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from strongroom.cli.command import Command, wants_json
from strongroom.cli.exits import REFUSED, Ended
from strongroom.cli.output import print_json
from strongroom.cli.store import chosen_settings, has_store, run
from strongroom.core.errors import StrongroomError

if TYPE_CHECKING:  # takes long to import, and `--help` does not need it
    from strongroom.adapters.certificates import Certificate
    from strongroom.config import Settings
    from strongroom.core.caller import Caller
    from strongroom.ports import CatalogHealth
    from strongroom.services import Services

OLDEST_PYTHON = (3, 11)
_TOLERABLE_SKEW = timedelta(seconds=5)
_RENEW_WITHIN = timedelta(days=14)


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


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the two stores say of themselves; `blobs_fault` is None where all is well."""

    health: CatalogHealth
    serial: int
    changed_at: datetime | None
    blobs_fault: StrongroomError | None


@click.command(cls=Command)
def command() -> None:
    """Look at the machine and the store, and say what should be mended."""
    settings = chosen_settings()
    findings = [
        *_look_at_machine(settings),
        *_look_at_directory(settings),
        *look_at_proxies(settings),
        *look_at_tls(settings, now=datetime.now(UTC)),
        *_look_at_store(settings),
    ]
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
    yield from look_at_database(settings)


def look_at_database(settings: Settings) -> Iterator[Finding]:
    """Say whether somebody on the way to PostgreSQL could take its place."""
    from strongroom.adapters.sql.postgres_address import is_unverified

    if is_unverified(settings.database_url, environment=os.environ):
        found = "the PostgreSQL server is believed without proof: whoever is on the way to it could stand in for it"
        yield Finding("database", Grade.WARNING, found, "Add sslmode=verify-full to STRONGROOM_DATABASE.")


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


def look_at_proxies(settings: Settings) -> Iterator[Finding]:
    """Judge what is said about proxies: whose word is taken for a client's address."""
    everybody = [str(network) for network in settings.proxies if network.prefixlen == 0]
    if everybody:
        found = f"trusted_proxies is {everybody[0]}: every client may claim any address"
        yield Finding("proxies", Grade.FAULT, found, "Name only the networks that your proxies are in.")
    elif settings.public_url and not settings.proxies:
        found = "public_url names a proxy, but trusted_proxies names none: all clients seem to have its address"
        hint = "Set --trusted-proxies to the proxy's network, and let it send X-Forwarded-For; else tokens bound "
        yield Finding("proxies", Grade.WARNING, found, hint + "to networks, the log and /metrics cannot tell clients.")
    elif settings.proxies and not settings.public_url:
        found = "trusted_proxies names one, but public_url is empty: links lead past it"
        yield Finding("proxies", Grade.WARNING, found, "Set --public-url to the URL that clients use.")
    elif settings.proxies:
        yield Finding("proxies", Grade.GOOD, ", ".join(map(str, settings.proxies)))
    else:
        warned = "; one that adds no X-Forwarded-For would open /metrics" if settings.metrics_readers else ""
        yield Finding("proxies", Grade.GOOD, f"none, and none is expected{warned}")


def look_at_tls(settings: Settings, *, now: datetime) -> Iterator[Finding]:
    """Judge the certificate: key, names, validity; or say where tokens would travel in plain text."""
    from strongroom.adapters.certificates import TlsFiles, read_certificate

    if not settings.has_tls:
        yield _judge_plain_text(settings)
        return
    files = TlsFiles(Path(settings.tls_certificate), Path(settings.tls_key))
    if settings.tls_self_signed:
        folder = settings.directory / "tls"
        files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
        if not files.certificate.exists():
            yield Finding("TLS", Grade.GOOD, "the server makes its certificate at its next start")
            return
    try:
        certificate = read_certificate(files)
    except StrongroomError as error:
        yield Finding("TLS", Grade.FAULT, error.message, error.hint)
        return
    yield _judge_names(settings, certificate)
    yield _judge_validity(certificate, now=now)
    if files.key.stat().st_mode & 0o007:
        found = f"everybody on this machine can read {files.key}"
        yield Finding("TLS key", Grade.FAULT, found, f"Run: chmod o-rwx {files.key}")


def _judge_plain_text(settings: Settings) -> Finding:
    if settings.public_url.startswith("https://"):
        return Finding("TLS", Grade.GOOD, "the proxy's business")
    if settings.url_host in ("localhost", "::1") or settings.url_host.startswith("127."):
        return Finding("TLS", Grade.GOOD, "none, and only this machine can connect")
    hint = "Put a proxy with TLS in front (--public-url https://...), or give --tls-certificate and --tls-key."
    return Finding("TLS", Grade.WARNING, "none: tokens travel through the network in plain text", hint)


def _judge_names(settings: Settings, certificate: Certificate) -> Finding:
    host = settings.url_host
    shown = ", ".join(certificate.names) or "no name at all"
    if host in ("0.0.0.0", "::") or certificate.covers(host):  # noqa: S104 - compared with, not listened on
        return Finding("TLS names", Grade.GOOD, shown)
    hint = f"Use a certificate that names {host}, or set --public-url to the name that clients use."
    return Finding("TLS names", Grade.FAULT, f"the certificate is for {shown}, clients ask for {host}", hint)


def _judge_validity(certificate: Certificate, *, now: datetime) -> Finding:
    until = f"{certificate.valid_until:%Y-%m-%d %H:%M} UTC"
    renew = "Renew it, then restart the server: it reads the files when a worker starts."
    if now >= certificate.valid_until:
        return Finding("TLS validity", Grade.FAULT, f"the certificate ended at {until}", renew)
    if now < certificate.valid_from:
        found = f"the certificate begins at {certificate.valid_from:%Y-%m-%d %H:%M} UTC, which is still to come"
        return Finding("TLS validity", Grade.FAULT, found, "Check this machine's clock.")
    if certificate.valid_until - now < _RENEW_WITHIN:
        return Finding("TLS validity", Grade.WARNING, f"the certificate ends at {until}", renew)
    return Finding("TLS validity", Grade.GOOD, f"until {until}")


def _look_at_store(settings: Settings) -> Iterator[Finding]:
    from strongroom.adapters.sql.migrate import HEAD

    if not has_store(settings):
        yield Finding("store", Grade.WARNING, "there is none yet", "The first start of the server makes it.")
        return
    yield _try("secret key", lambda: _read_key(settings))
    try:
        facts = _read_store()
    except StrongroomError as error:
        yield Finding("catalog", Grade.FAULT, error.message, error.hint)
        return
    yield from judge_catalog(facts, schema=HEAD)
    yield judge_clock(facts, now=datetime.now(UTC))
    if facts.blobs_fault is None:
        yield Finding("blobs", Grade.GOOD, "they take bytes")
    else:
        yield Finding("blobs", Grade.FAULT, facts.blobs_fault.message, facts.blobs_fault.hint)


def judge_catalog(facts: StoreFacts, *, schema: str) -> Iterator[Finding]:
    """Say whether the catalog can be worked with."""
    if not facts.health.is_writable:
        hint = "Name the primary instead of a standby, or give the server's user write access to the database file."
        yield Finding("catalog", Grade.FAULT, "it can be read, but takes no writes", hint)
    elif not facts.health.is_migrated:
        yield Finding("catalog", Grade.FAULT, "its schema is older than this program's", "Restart the server.")
    else:
        yield Finding("catalog", Grade.GOOD, f"schema {schema}, serial {facts.serial}")


def judge_clock(facts: StoreFacts, *, now: datetime) -> Finding:
    """Hold this machine's clock against the database's, and against the last change: time does not run backwards."""
    hint = "Let all machines keep their clocks by NTP (chrony, systemd-timesyncd); tokens expire by them."
    skew = now - facts.health.at
    if abs(skew) > _TOLERABLE_SKEW:
        word = "ahead of" if skew > timedelta() else "behind"
        found = f"this machine is {abs(skew).total_seconds():.0f} seconds {word} the database"
        return Finding("clock", Grade.FAULT, found, hint)
    if facts.changed_at is not None and facts.changed_at - now > _TOLERABLE_SKEW:
        found = f"the last change was written at {facts.changed_at:%Y-%m-%d %H:%M:%S} UTC, which is still to come"
        return Finding("clock", Grade.FAULT, found, hint)
    return Finding("clock", Grade.GOOD, f"{abs(skew).total_seconds():.1f} seconds from the database's")


def _read_store() -> StoreFacts:
    async def look(services: Services, _caller: Caller) -> StoreFacts:
        health = await services.catalog.check()
        latest = await services.catalog.read(lambda tx: tx.events.latest(1))
        fault = None
        try:
            await services.blobs.check()
        except StrongroomError as error:
            fault = error
        newest = latest[0] if latest else None
        return StoreFacts(health, newest.serial if newest else 0, newest.at if newest else None, fault)

    return run(look)


def _read_key(settings: Settings) -> str:
    from strongroom.adapters.secrets import open_secrets

    open_secrets(settings.directory, settings.key_path)
    return "only its owner can read it"


def _try(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, Grade.GOOD, look())
    except StrongroomError as error:
        return Finding(what, Grade.FAULT, error.message, error.hint)
