"""The one place where adapters meet services, and where the server is put together.

`open_store` is for whoever works on the store itself (the command line), `application`
for the server's workers. Whatever was opened here is closed here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from strongroom.adapters.blobs.local import LocalBlobs
from strongroom.adapters.clock import SystemClock
from strongroom.adapters.inspector.pages import ProcessPages
from strongroom.adapters.inspector.process import ProcessInspector
from strongroom.adapters.passwords import Argon2Passwords
from strongroom.adapters.seals import AesSeals
from strongroom.adapters.secrets import open_secrets
from strongroom.adapters.sql.catalog import open_catalog
from strongroom.adapters.upstream.late import LateClient
from strongroom.config import NO_UPSTREAM, Settings, load_settings
from strongroom.core.caller import Caller, operator
from strongroom.core.errors import ConfigurationFault, StorageFault, StorageFull, Unavailable
from strongroom.core.replica import PAGE_KEY
from strongroom.ports import Blobs, Catalog, Primary, Secrets
from strongroom.services import Services
from strongroom.services.accounts import Accounts
from strongroom.services.audit import Audit
from strongroom.services.backup import Backups
from strongroom.services.browse import Browse
from strongroom.services.download import Download
from strongroom.services.exemptions import Exemptions
from strongroom.services.explain import Explain
from strongroom.services.importing import Importing
from strongroom.services.indexes import Indexes
from strongroom.services.key import demand_same_key
from strongroom.services.mirror.asked import AskedCounter
from strongroom.services.mirror.mirror import Mirroring, Passage
from strongroom.services.mirror.name_lists import NameLists
from strongroom.services.mirror.names import UpstreamNames
from strongroom.services.mirror.outcomes import CountingClient
from strongroom.services.mirror.parts import Parts
from strongroom.services.ownership import Ownership
from strongroom.services.prefetch import Prefetch
from strongroom.services.promotion import Dependencies, Promotions
from strongroom.services.publish import Publish
from strongroom.services.releases import Releases
from strongroom.services.removing import Removing
from strongroom.services.replica import ChangeFeed, Follower, ReadOnlyReplica, Replica
from strongroom.services.replica.following import Stores
from strongroom.services.setup import Setup
from strongroom.services.shield import Shield
from strongroom.services.sign_in import SignIn
from strongroom.services.sweep import Sweep
from strongroom.services.tokens import Tokens
from strongroom.services.trial import Trial
from strongroom.services.turns import Turns
from strongroom.services.upkeep import Upkeep

if TYPE_CHECKING:  # these take their time to load, or need an extra
    from strongroom.adapters.blobs.bucket import BucketBlobs
    from strongroom.adapters.blobs.bucket_backups import BucketTarget
    from strongroom.adapters.certificates import TlsFiles
    from strongroom.worker import Job

_log = logging.getLogger(__name__)
_SWITCH_SECONDS = 0.0005
"""How long a thread that reads an upstream's page may keep the event loop waiting: ten times shorter than is usual.

Measured on two cores while pages of 4,000 files are read: 0.8 instead of 5.3 milliseconds each time.
"""
_GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""How many new objects make Python look for cycles, of which there are hardly any.

Measured while 70,000 lines of upstream pages are read: a tenth less processor time than with the usual 700.
"""


@asynccontextmanager
async def open_store(settings: Settings, *, is_taking_over: bool = False) -> AsyncIterator[Services]:
    """Open the stores and yield the use cases; raises `ConfigurationFault`, `Unavailable`.

    Refuses the blobs of another catalog, unless the use case is the one that takes them over.
    """
    make_data_directory(settings.directory)
    secrets = open_secrets(settings.directory, settings.key_path)
    async with AsyncExitStack() as stack:
        store = await asyncio.to_thread(open_catalog, settings.database_url, chain_key=secrets.derive_key("audit"))
        stack.push_async_callback(store.close)
        await demand_same_key(store, secrets)
        catalog = ReadOnlyReplica(store)  # for all but those that a replica's own upkeep needs
        blobs = open_blobs(settings)
        clock, passwords = SystemClock(), Argon2Passwords()
        ownership = Ownership(store, blobs, clock, secrets, settings.places)
        if not is_taking_over:
            await _settle(ownership)
        inspector = ProcessInspector()
        stack.push_async_callback(inspector.close)
        passage = _open_passage(settings, catalog=store, blobs=blobs, secrets=secrets)
        stack.push_async_callback(passage.parts.client.close)
        stack.push_async_callback(passage.mirror.close)
        mirror, names = passage.mirror, passage.names
        stores = Stores(store, blobs, clock, secrets, passage.parts.seals)
        follower = Follower(stores, lambda url, token: _open_primary(url, token, secrets=secrets))
        stack.push_async_callback(follower.close)
        publish = Publish(catalog, blobs, inspector, clock, secrets, settings.max_upload_bytes, names)
        yield Services(
            catalog=catalog,
            blobs=blobs,
            clock=clock,
            secrets=secrets,
            accounts=Accounts(catalog, passwords, clock),
            audit=Audit(catalog, secrets),
            backups=Backups(store, store, blobs, clock, secrets),
            browse=Browse(catalog, blobs, mirror, passage.asked, clock),
            change_feed=ChangeFeed(catalog, blobs, secrets),
            download=Download(catalog, blobs, mirror, clock),
            exemptions=Exemptions(catalog, secrets, clock),
            explain=Explain(catalog, mirror, clock),
            importing=Importing(publish),
            indexes=Indexes(catalog, clock, passage.parts.seals),
            ownership=ownership,
            passage=passage,
            prefetch=Prefetch(catalog, mirror, clock),
            promotions=Promotions(catalog, clock, secrets, Dependencies(catalog, blobs, clock, mirror), names),
            publish=publish,
            releases=Releases(catalog, clock),
            replica=Replica(follower),
            setup=Setup(catalog, secrets, clock),
            shield=Shield(catalog, clock, names),
            sign_in=SignIn(catalog, secrets, passwords, clock),
            sweep=Sweep(store, blobs, clock, Removing(store, blobs, clock), blobs),
            tokens=Tokens(catalog, secrets, clock),
            trial=Trial(catalog, clock),
            turns=Turns(store, clock),
            upkeep=Upkeep(catalog, blobs, clock),
        )


async def _settle(ownership: Ownership) -> None:
    """See whose the blobs are; where that cannot be seen yet, nothing is removed until a later look shows it."""
    try:
        await ownership.settle()
    except (StorageFault, StorageFull, Unavailable) as fault:
        _log.warning("whose the stored files are cannot be seen", extra={"fields": {"why": fault.sentence}})


def open_blobs(settings: Settings) -> LocalBlobs | BucketBlobs:
    """Return where the files are; a bucket is asked nothing yet. Raises `ConfigurationFault`, `StorageFault`."""
    if not settings.blobs:
        return LocalBlobs(settings.directory, settings.min_free_bytes)
    try:
        from strongroom.adapters.blobs.bucket import BucketBlobs
        from strongroom.adapters.blobs.bucket_store import open_bucket
    except ImportError:
        raise _bucket_fault("Files are to be kept in a bucket") from None
    bucket = open_bucket(settings.blobs)
    return BucketBlobs(bucket, settings.directory, minimum_free_bytes=settings.min_free_bytes)


def open_bucket_target(url: str) -> BucketTarget:
    """Return a bucket as a target of backups; it is asked nothing yet. Raises `ConfigurationFault`."""
    try:
        from strongroom.adapters.blobs.bucket_backups import BucketTarget
        from strongroom.adapters.blobs.bucket_store import open_bucket
    except ImportError:
        raise _bucket_fault("The target is a bucket") from None
    return BucketTarget(open_bucket(url))


def _bucket_fault(reason: str) -> ConfigurationFault:
    told = f"{reason}, and the library for that is not installed"
    return ConfigurationFault("bucket-extra", told, "Install `strongroom[bucket]`.")


def _open_primary(url: str, token: str, *, secrets: Secrets) -> Primary:
    from strongroom.adapters.replica.client import HttpPrimary  # its library takes half a second to load

    return HttpPrimary(url, token, key=secrets.derive_key(PAGE_KEY))


def _open_passage(settings: Settings, *, catalog: Catalog, blobs: Blobs, secrets: Secrets) -> Passage:
    """Put together what comes through from upstreams; nothing is asked of them yet."""
    client = CountingClient(
        LateClient(networks=settings.allowed_networks, seconds=settings.upstream_seconds, is_offline=settings.offline)
    )
    clock = SystemClock()
    seals, remover = AesSeals(secrets), Removing(catalog, blobs, clock)
    pages = ProcessPages()
    parts = Parts(catalog, blobs, client, seals, clock, secrets, remover, pages, settings.offline, settings.is_alone)
    mirror = Mirroring.of(parts)
    return Passage(
        parts=parts,
        mirror=mirror,
        names=UpstreamNames(catalog, blobs, mirror.pages.find_unwritten),
        lists=NameLists(parts),
        asked=AskedCounter(catalog, clock),
        outcomes=client.counts,
    )


def make_data_directory(path: Path) -> None:
    """Make the data directory, or refuse one that cannot be written to; raises `ConfigurationFault`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise _data_fault(path, fault.strerror or str(fault)) from None
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise _data_fault(path, "this user may not write there")


def _data_fault(path: Path, reason: str) -> ConfigurationFault:
    return ConfigurationFault(
        "data-directory",
        f"The data directory {path.absolute()} cannot be used: {reason}",
        "Give its owner's user write access, or choose another directory with --data.",
    )


async def prepare(settings: Settings) -> str | None:
    """Make the store ready for its workers: schema, first index, and while nobody is administrator, the link.

    Returns the secret of the one-time link, or None when there is an administrator.
    """
    async with open_store(settings) as services:
        caller = local_operator()
        if await services.replica.find_followed() is not None:
            return None  # indexes and administrators come from the primary
        await fill_store(services, caller, settings=settings)
        link = await services.setup.issue_link(caller)
        return None if link is None else link.secret


async def fill_store(services: Services, caller: Caller, *, settings: Settings) -> None:
    """Make the first index of an empty catalog; raises `ConfigurationFault` where another key was quicker.

    Two nodes that come first at once find no log to hold their keys against. After this
    there is one, and whose key has not begun it writes nothing more.
    """
    await services.indexes.ensure_first(caller, lambda: first_upstream(settings))
    await demand_same_key(services.catalog, services.secrets)


def first_upstream(settings: Settings) -> str | None:
    """Return the URL that a new catalog's first `public` index mirrors, None if it shall have none."""
    from strongroom.adapters.upstream.default import default_upstream_url

    if settings.default_upstream == NO_UPSTREAM:
        return None
    return settings.default_upstream or default_upstream_url()


def local_operator() -> Caller:
    """Return whoever runs this process, as the event log names him."""
    import getpass

    try:
        return operator(getpass.getuser())
    except (KeyError, OSError):
        return operator(str(os.getuid()))


def open_tls(settings: Settings) -> TlsFiles | None:
    """Return the files that TLS needs, None without TLS; raises `ConfigurationFault` for any that cannot be used."""
    if not settings.has_tls:
        return None
    from strongroom.adapters.certificates import TlsFiles, open_self_signed, read_certificate  # takes long to load

    if settings.tls_self_signed:
        make_data_directory(settings.directory)
        return open_self_signed(settings.directory / "tls", settings.url_host)
    files = TlsFiles(Path(settings.tls_certificate), Path(settings.tls_key))
    read_certificate(files)
    return files


def run_server(settings: Settings, tls: TlsFiles | None = None) -> None:
    """Serve until SIGTERM or SIGINT; the workers read the settings from the environment."""
    from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from strongroom.http.metrics_board import remove_old_boards
    from strongroom.http.server import Server

    remove_old_boards(settings.directory)
    Server(
        "strongroom.bootstrap:application",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop if os.name == "posix" else Loops.auto,
        websockets=False,
        http=HTTPModes.http1,  # to tell HTTP/2 apart, granian would wait for a first byte, and that without a deadline
        http1_settings=HTTP1Settings(header_read_timeout=settings.header_seconds * 1000),
        workers_kill_timeout=settings.drain_seconds,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
        ssl_cert=None if tls is None else tls.certificate,
        ssl_key=None if tls is None else tls.key,
        ssl_protocol_min=SSLProtocols.tls12,
    ).serve()


async def run_worker(settings: Settings) -> None:
    """Do the jobs that one process does for all, in turns with all others, until SIGTERM or SIGINT."""
    from strongroom.http.log import configure_logging
    from strongroom.http.service_manager import READY, tell_service_manager
    from strongroom.worker import at_work, until_told_to_stop

    configure_logging()
    async with open_store(settings) as services, at_work(_upkeep_jobs(services, settings, are_shared=True)):
        tell_service_manager(READY)
        await until_told_to_stop()


def _upkeep_jobs(services: Services, settings: Settings, *, are_shared: bool) -> tuple[Job, ...]:
    from strongroom.worker import ownership_job, shared_jobs

    own, cache_bytes = ownership_job(services.ownership), settings.upstream_cache_bytes
    if not are_shared:
        return (own,)
    return (own, *shared_jobs(services.turns, services.sweep, passage=services.passage, cache_bytes=cache_bytes))


def application() -> ASGIApp:
    """Return the ASGI application of one worker; its stores are opened at its start-up event."""
    from strongroom.http.entrance import Entrance
    from strongroom.http.log import configure_logging

    settings = load_settings()
    configure_logging()
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    return Entrance(lambda: open_application(settings), prefix=settings.root_path)


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[ASGIApp]:
    """Open the stores and yield the application on them."""
    from strongroom.http.assembly import Parts, assemble
    from strongroom.http.body import BodyDeadlines
    from strongroom.http.metrics_board import Board, server_directory
    from strongroom.http.service_manager import announce
    from strongroom.http.watch import Watched
    from strongroom.worker import Job, at_work, own_jobs, replica_jobs

    board = Board(server_directory(settings.directory, os.getppid()))
    async with open_store(settings) as services:
        parts = Parts(
            services=services,
            default_index=settings.index,
            trusted_proxies=settings.proxies,
            public_url=settings.public_url or None,
            prefix=settings.root_path,
            cache_bytes=settings.cache_bytes,
            body_deadlines=BodyDeadlines(
                window_seconds=float(settings.stall_seconds), total_seconds=float(settings.body_seconds)
            ),
            board=board,
            metrics_networks=settings.metrics_readers,
            version=version("strongroom"),
            free_bytes=lambda: shutil.disk_usage(settings.directory).free,
        )
        assembled = assemble(parts)
        await assembled.cache.refresh()
        jobs = (
            *own_jobs(
                services.catalog,
                assembled.authenticator.take_last_used,
                sweep=services.sweep,
                passage=services.passage,
            ),
            *_upkeep_jobs(services, settings, are_shared=settings.jobs),
            *(replica_jobs(services.turns, services.replica) if await services.replica.find_followed() else ()),
        )
        sampling = Job("write down the numbers", 1, assembled.meters.sample, first_seconds=1)
        address = assembled.authenticator.address if settings.access_log else None
        async with at_work((*jobs, sampling)):
            building = asyncio.create_task(assembled.api.prepare())  # FastAPI loads while the first pages are served
            announcing = asyncio.create_task(announce(settings.host, settings.port))
            is_from_proxy = assembled.authenticator.is_from_proxy
            yield Watched(assembled.app, board.cells, address=address, is_from_proxy=is_from_proxy)
            announcing.cancel()
            await assembled.readiness.close()
            await building
    board.close()
