"""Publishing a file, in the order of writes that no crash can break (DESIGN section 5).

A lease, the bytes in a temporary file, the look into the archive, durable blobs, and
one short transaction that makes all of it visible. HTTP, pages and import publish
through this. Does not know the upload form's spelling (`http/upload_fields.py`) nor
the rules (`core/upload.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from strongroom.core.access import (
    IndexTarget,
    Principal,
    ProjectTarget,
    Right,
    Signed,
    demand,
    demand_upload,
    may_somewhere,
    not_found,
)
from strongroom.core.attestations import build_provenance
from strongroom.core.caller import Caller, list_nameable, open_indexes
from strongroom.core.distfile import parse_distribution_filename, read_distribution
from strongroom.core.errors import StorageFault, StrongroomError, TooLarge
from strongroom.core.lookalikes import find_lookalikes
from strongroom.core.model import File, Index, Lease
from strongroom.core.names import Filename, IndexName, ProjectName, Sha256
from strongroom.core.policies.declaration import Digests
from strongroom.core.policies.open_index import judge_index
from strongroom.core.policies.upstream_name import Namesakes
from strongroom.core.policy import Refuse
from strongroom.core.renewal import renew
from strongroom.core.sources import has_or_holds, walk
from strongroom.core.upload import (
    AlreadyThere,
    Arrival,
    Draft,
    Facts,
    Outcome,
    Plan,
    Publication,
    Published,
    Sidecars,
    UploadForm,
    describe_uploader,
    judge_arrival,
    plan_upload,
    refusal_error,
)
from strongroom.ports import Blobs, Catalog, Clock, Incoming, Inspector, KnownNames, Secrets, Transaction

LEASE_LIFETIME = timedelta(hours=24)
"""Longer than any upload may take; after it the sweep may remove what the upload left."""

_BATCH_BYTES = 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Publish:
    """The use case of publishing: begin, write the bytes, finish."""

    catalog: Catalog
    blobs: Blobs
    inspector: Inspector
    clock: Clock
    secrets: Secrets
    limit_bytes: int
    known_names: KnownNames | None = None

    @asynccontextmanager
    async def begin(
        self, caller: Caller, index: IndexName, *, uploaded_at: datetime | None = None
    ) -> AsyncIterator[Upload]:
        """Open an upload; unless it is finished, nothing of it stays behind.

        `uploaded_at`, if the file is to count as uploaded earlier, needs an administrator.
        Raises `Unauthenticated`, `Forbidden`, `NotFound`, `UploadRefused`, `StorageFull`.
        """
        intent = Intent(caller, index, uploaded_at)
        lease = Lease(self.secrets.token_bytes(16).hex(), self.clock.now() + LEASE_LIFETIME)
        await self.catalog.write(lambda tx: self._open(tx, intent, lease=lease))
        upload: Upload | None = None
        try:
            incoming = await self.blobs.receive()
            upload = Upload(self, intent, lease=lease, incoming=incoming)
            try:
                yield upload
            finally:
                await incoming.discard()
        finally:
            if upload is None or upload.holds_lease:
                await self._release(lease)

    async def find_file(self, index: IndexName, filename: Filename) -> File | None:
        """Return what is published under that name, so that an import can skip it; judges no right."""
        return await self.catalog.read(lambda tx: tx.files.find(index, filename))

    def _open(self, tx: Transaction, intent: Intent, *, lease: Lease) -> None:
        verdict = judge_index(_admit(tx, intent, project=None, now=self.clock.now()))
        if isinstance(verdict, Refuse):
            raise refusal_error(verdict)
        tx.leases.add(lease)

    async def _release(self, lease: Lease) -> None:
        try:
            await self.catalog.write(lambda tx: tx.leases.remove(lease.lease_id))
        except StrongroomError as fault:
            _log.warning(
                "a lease is left to expire", extra={"fields": {"lease_id": lease.lease_id, "code": fault.code}}
            )


@dataclass(frozen=True, slots=True)
class Intent:
    """Who uploads where, and the time of the upload if it is not now."""

    caller: Caller
    index: IndexName
    uploaded_at: datetime | None


class Upload:
    """One upload between its beginning and its end."""

    def __init__(self, publish: Publish, intent: Intent, *, lease: Lease, incoming: Incoming) -> None:
        self._publish = publish
        self._intent = intent
        self.holds_lease = True
        """Nobody has removed its lease yet, as far as is known."""
        self._lease = lease
        self._incoming = incoming
        self._own_lookalikes: tuple[str, ...] | None = None
        """Names here that look like this one; None unless it is new to the index."""
        self._nameable: frozenset[IndexName] = frozenset()
        """The indexes whose upstreams the uploader may hear of."""
        self._namesakes: Namesakes | None = None
        self._batch = bytearray()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._blake2b = hashlib.blake2b(digest_size=32)

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes of the file; raises `TooLarge`, `StorageFull`, `StorageFault`."""
        limit_bytes = self._publish.limit_bytes
        if self._incoming.size_bytes + len(self._batch) + len(chunk) > limit_bytes:
            raise TooLarge(
                "file-too-large",
                f"The file is larger than the {limit_bytes} bytes that this server takes",
                "Make the distribution smaller, or ask whoever runs this server to raise the limit.",
            )
        self._batch += chunk
        if len(self._batch) >= _BATCH_BYTES:
            await self._flush()

    async def finish(self, form: UploadForm) -> Published:
        """Publish what was written; raises `UploadRefused`, `FileExists`, and what `begin` raises."""
        arrival = await self._arrive(form)
        early = await self._publish.catalog.read(lambda tx: self._judge_early(tx, arrival))
        if early is not None and await self._is_stored(early.file):
            return early
        await self._look_up(arrival)
        metadata = await self._inspect(arrival)
        provenance = self._provenance(form)
        draft = Draft(
            distribution=read_distribution(arrival.filename, metadata),
            arrival=arrival,
            sidecars=Sidecars(_sha256(metadata), _sha256(provenance) if provenance else None),
        )
        await self._publish.catalog.read(lambda tx: self._plan(tx, draft))  # refuses before any bytes are kept
        await self._keep(draft, [part for part in (metadata, provenance) if part is not None])
        published = await self._publish.catalog.write(lambda tx: self._commit(tx, draft))
        for text in published.remarks:
            _log.warning("a new name: %s", text, extra={"fields": {"index": self._intent.index}})
        self.holds_lease = published.outcome is not Outcome.CREATED
        return published

    async def _flush(self) -> None:
        data = bytes(self._batch)
        self._batch.clear()
        await self._incoming.write(data)
        await asyncio.to_thread(self._hash, data)

    def _hash(self, data: bytes) -> None:
        self._md5.update(data)
        self._blake2b.update(data)

    async def _arrive(self, form: UploadForm) -> Arrival:
        await self._flush()
        digests = Digests(await self._incoming.sha256(), self._md5.hexdigest(), self._blake2b.hexdigest())
        return Arrival(form.filename, form.declared, digests, self._incoming.size_bytes)

    def _judge_early(self, tx: Transaction, arrival: Arrival) -> Published | None:
        """Refuse, or find the same bytes, before the archive is read; the filename says which project."""
        project = _named(arrival)
        index = _admit(tx, self._intent, project=project, now=self._publish.clock.now())
        facts = _load_facts(tx, index, project=project, filename=arrival.filename)
        verdict = judge_arrival(arrival, facts)
        if isinstance(verdict, Refuse):
            raise refusal_error(verdict)
        if facts.project is None:
            self._own_lookalikes = _find_own_lookalikes(tx, index, project=project, reader=self._intent.caller)
            self._nameable = list_nameable(self._intent.caller, project, start=index, indexes=tx.indexes.list())
        return Published(Outcome.UNCHANGED, verdict.file) if isinstance(verdict, AlreadyThere) else None

    async def _is_stored(self, file: File) -> bool:
        """Return whether the store has what the row promises: the same upload again mends what was lost."""
        blobs = self._publish.blobs
        if await blobs.find_size(file.sha256) == file.size_bytes and (
            file.metadata_sha256 is None or await blobs.find_size(file.metadata_sha256) is not None
        ):
            return True
        _log.warning("the bytes of a published file were lost, and are kept anew", extra=_named_fields(file))
        return False

    async def _look_up(self, arrival: Arrival) -> None:
        """Find out who else is called so, if the name is new to the index; sends nothing upstream.

        What the index held when the upload began counts, so that a name which is released
        meanwhile is still taken.
        """
        if self._publish.known_names is None or self._own_lookalikes is None:
            return
        known = await self._publish.known_names.look_up(_named(arrival), nameable=self._nameable)
        lookalikes = tuple(sorted({*self._own_lookalikes, *known.lookalikes}))
        self._namesakes = Namesakes(known.upstreams, known.is_certain, lookalikes, known.is_elsewhere)

    async def _inspect(self, arrival: Arrival) -> bytes:
        inspected = await self._publish.inspector.inspect(
            self._incoming.path, arrival.filename, size_bytes=arrival.size_bytes
        )
        if isinstance(inspected, Refuse):
            raise refusal_error(inspected)
        return inspected.metadata

    def _provenance(self, form: UploadForm) -> bytes | None:
        if form.attestations is None:
            return None
        provenance = build_provenance(form.attestations)
        if provenance is None:
            _log.info(
                "attestations ignored: not a JSON array of PEP 740 objects",
                extra={"fields": {"filename": form.filename}},
            )
        return provenance

    def _plan(self, tx: Transaction, draft: Draft) -> Plan | AlreadyThere:
        """Judge all of it, as this transaction sees the caller and the index."""
        project, filename = draft.distribution.project, draft.arrival.filename
        now = self._publish.clock.now()
        index = _admit(tx, self._intent, project=project, now=now)
        backdated = self._intent.uploaded_at
        publication = Publication(
            uploaded_by=describe_uploader(self._intent.caller.principal),
            uploaded_at=now if backdated is None else min(backdated, now),
            imported=backdated is not None,
        )
        facts = _load_facts(tx, index, project=project, filename=filename)
        if self._namesakes is not None and not has_or_holds(index.name, tx.name_facts(project)):
            facts = replace(facts, namesakes=self._namesakes)
        plan = plan_upload(draft, facts, publication=publication)
        if isinstance(plan, Refuse):
            raise refusal_error(plan)
        return plan

    async def _keep(self, draft: Draft, sidecars: list[bytes]) -> None:
        """Make the bytes durable; the lease names them first, so that the sweep leaves them alone."""
        wanted = (draft.arrival.digests.sha256, *(_sha256(part) for part in sidecars))
        lease = replace(self._lease, sha256=wanted)
        await self._publish.catalog.write(lambda tx: self._name_blobs(tx, lease))
        kept = [await self._publish.blobs.keep(self._incoming)]
        kept += [await self._publish.blobs.put(part) for part in sidecars]
        if tuple(kept) != wanted:
            raise StorageFault("blob-digest", "The blob store kept other bytes than the ones that arrived")

    def _name_blobs(self, tx: Transaction, lease: Lease) -> None:
        tx.demand_not_removed(lease.sha256, now=self._publish.clock.now())
        tx.leases.replace(lease)

    def _commit(self, tx: Transaction, draft: Draft) -> Published:
        """Make it visible: the only point where anybody can see the file."""
        plan = self._plan(tx, draft)
        if isinstance(plan, AlreadyThere):
            return Published(Outcome.UNCHANGED, plan.file)
        serial = tx.events.append(plan.event, at=self._publish.clock.now(), actor=self._intent.caller.actor)
        file = plan.file(serial)
        tx.projects.save(plan.project(serial))
        tx.files.add(file)
        tx.leases.end(self._lease.lease_id)  # without it the sweep may have taken the bytes
        return Published(Outcome.CREATED, file, plan.remarks)


def _admit(tx: Transaction, intent: Intent, *, project: ProjectName | None, now: datetime) -> Index:
    """Return the index if the caller may upload there, as the transaction sees his rights now.

    Without a project he must be allowed to upload at least one. Raises `Unauthenticated`,
    `Forbidden`, `NotFound`.
    """
    principal = _refreshed(tx, intent.caller, now=now)
    indexes = tx.indexes.list()
    if intent.uploaded_at is not None:
        demand(principal, Right.ADMINISTER, target=IndexTarget(intent.index), open_indexes=open_indexes(indexes))
    if project is not None:
        demand_upload(principal, ProjectTarget(intent.index, project), open_indexes=open_indexes(indexes))
    elif not may_somewhere(principal, Right.UPLOAD, index=intent.index):
        demand(principal, Right.UPLOAD, target=IndexTarget(intent.index), open_indexes=open_indexes(indexes))
    index = tx.indexes.find(intent.index)
    if index is None:
        raise not_found()
    return index


def _refreshed(tx: Transaction, caller: Caller, *, now: datetime) -> Principal:
    principal = caller.principal
    if not isinstance(principal, Signed):
        return principal
    return renew(
        caller,
        tx.users.find(principal.user),
        grants=tx.users.list_grants(principal.user),
        token=None if principal.token_id is None else tx.tokens.find(principal.token_id),
        now=now,
    )


def _named(arrival: Arrival) -> ProjectName:
    """Return the project that the filename names; raises `UploadRefused`."""
    version = arrival.declared.version
    return parse_distribution_filename(
        arrival.filename, name=arrival.declared.project, version=None if version is None else str(version)
    ).project


def _named_fields(file: File) -> dict[str, object]:
    return {"fields": {"index": file.index, "filename": file.filename, "sha256": file.sha256}}


def _find_own_lookalikes(
    tx: Transaction, index: Index, *, project: ProjectName, reader: Caller
) -> tuple[str, ...] | None:
    """Return the names here that look like a new one, as far as the reader may know of them.

    None for a name that the index had, or holds.
    """
    facts = tx.name_facts(project)
    if has_or_holds(index.name, facts):
        return None
    reached = [route.end.name for route in walk(index, facts.indexes)]
    alike = find_lookalikes(project, (item.name for place in reached for item in tx.projects.list(place)))
    opened = open_indexes(facts.indexes.values())
    return tuple(name for name in alike if reader.may(Right.READ, ProjectTarget(index.name, name), opened=opened))


def _load_facts(tx: Transaction, index: Index, *, project: ProjectName, filename: Filename) -> Facts:
    return Facts(
        index=index,
        project=tx.projects.find(index.name, project),
        file=tx.files.find(index.name, filename),
        tombstone=tx.files.find_tombstone(index.name, filename),
    )


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
