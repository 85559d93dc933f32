"""METADATA and provenance of upstream files: relayed where they can be trusted, else read from the wheel.

Decides whose METADATA counts: what lies in the stored wheel, else what the upstream
relays under a digest that its page promises, else what ranges of the wheel hold. A
relayed METADATA without a digest is not trusted. What came by ranges is compared with the
wheel as soon as that is stored and verified. Does not verify attestations: clients do.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

import msgspec

from strongroom.core.access import not_found
from strongroom.core.archive import Limits
from strongroom.core.errors import StorageFault, StrongroomError, UpstreamFault, UpstreamTimeout
from strongroom.core.licences import read_licence
from strongroom.core.mirrored import Copy, UpstreamFile
from strongroom.core.model import Index, PackageType
from strongroom.core.names import Filename, IndexName, Sha256
from strongroom.core.upstream import Delivery
from strongroom.ports import Arriving, Missing, Part
from strongroom.services.mirror.copies import Keeping, KeptCopies
from strongroom.services.mirror.flights import Flights
from strongroom.services.mirror.later import LaterKeeping
from strongroom.services.mirror.parts import Parts
from strongroom.services.mirror.sidecar_saving import Sidecar, SidecarSaver
from strongroom.services.mirror.wheel_metadata import read_by_ranges

MOST_METADATA_BYTES = Limits().metadata_bytes
MOST_PROVENANCE_BYTES = 4 * 1024 * 1024
_UNUSABLE_PARTS = frozenset({"wheel-unreadable", "upstream-malformed"})
"""With these an upstream has answered, and not with the part that was asked for: the whole wheel may still be right."""
SHORT_BYTES = 512 * 1024
"""Most wheels are shorter; one that a resolver passes over costs this much of the disk at most."""
_PARSED_AT_ONCE_BYTES = 64 * 1024
"""Up to this size METADATA is parsed in the event loop: it takes less than handing it to a thread."""
_log = logging.getLogger(__name__)

OpenFile = Callable[[Index, UpstreamFile], Awaitable[Copy | Arriving]]


class Kind(StrEnum):
    """What is kept beside a file."""

    METADATA = "METADATA"
    PROVENANCE = "provenance"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that is kept beside a file, of which upstream."""

    kind: Kind
    index: Index
    file: UpstreamFile

    @property
    def key(self) -> tuple[Kind, IndexName, Filename, Sha256]:
        """Return what tells it from all others."""
        return self.kind, self.file.index, self.file.filename, self.file.sha256


@dataclass(frozen=True, slots=True)
class Found:
    """The bytes, and whether they are surely the file's own (`is_proven`)."""

    content: bytes
    is_proven: bool = True


class Sidecars:
    """What lies beside upstream files. One per worker process."""

    def __init__(self, parts: Parts, copies: KeptCopies, *, later: LaterKeeping, open_file: OpenFile) -> None:
        self._parts = parts
        self._copies = copies
        self._open_file = open_file
        self._loads: Flights[bytes] = Flights()
        self._saver = SidecarSaver(copies, later, self.confirm)

    async def get_metadata(self, index: Index, file: UpstreamFile) -> bytes:
        """Return METADATA, byte for byte as in the wheel; raises `NotFound` where there is none, `UpstreamFault`."""
        return await self._get(Wanted(Kind.METADATA, index, file))

    async def get_provenance(self, index: Index, file: UpstreamFile) -> bytes:
        """Return the PEP 740 provenance object; raises `NotFound` where there is none, `UpstreamFault`."""
        return await self._get(Wanted(Kind.PROVENANCE, index, file))

    async def confirm(self, file: UpstreamFile, copy: Copy) -> None:
        """Compare METADATA that is kept without proof with what lies in the stored wheel, and let the wheel win."""
        if copy.stored_at is None or copy.metadata_sha256 in (None, file.metadata_sha256):
            return
        fields = {"index": file.index, "filename": file.filename}
        try:
            content = await self._read_stored(copy)
            if _digest(content) != copy.metadata_sha256:
                _log.warning("an upstream gave other METADATA than its wheel has", extra={"fields": fields})
                await self._copies.keep(file, self._prepare(Kind.METADATA, content))
        except StrongroomError as fault:
            fields |= {"code": fault.code, "cause": fault.message}
            _log.warning("METADATA could not be compared with its wheel", extra={"fields": fields})

    async def close(self) -> None:
        """Break off what is being fetched, and wait until all that came is written."""
        await self._loads.close()
        await self._saver.close()

    async def _get(self, wanted: Wanted) -> bytes:
        return await self._loads.join(wanted.key, lambda: self._load(wanted))

    async def _find_kept(self, wanted: Wanted, copy: Copy | None) -> bytes | None:
        unsaved = self._saver.find(wanted.key)
        if unsaved is not None or copy is None:
            return unsaved
        sha256 = copy.metadata_sha256 if wanted.kind is Kind.METADATA else copy.provenance_sha256
        if sha256 is None:
            return None
        try:
            return await self._parts.blobs.get(sha256)
        except StorageFault as fault:  # it can be fetched again
            _log.warning("what was kept beside a file is gone", extra={"fields": _describe(wanted, fault)})
            return None

    async def _load(self, wanted: Wanted) -> bytes:
        copy = await self._copies.find(wanted.file)
        kept = await self._find_kept(wanted, copy)
        if kept is not None:
            return kept
        match wanted.kind:
            case Kind.METADATA:
                found = await self._find_metadata(wanted, copy)
            case Kind.PROVENANCE:
                found = Found(await self._fetch_provenance(wanted))
        keeping = self._prepare(wanted.kind, found.content)
        sidecar = Sidecar(wanted.file, wanted.kind, found.content, keeping, found.is_proven)
        self._saver.save(wanted.key, sidecar)
        return found.content

    async def _find_metadata(self, wanted: Wanted, copy: Copy | None) -> Found:
        """Ask the sources in the order of trust, then of cost."""
        if copy is not None and copy.stored_at is not None and _is_wheel(wanted.file):
            return Found(await self._read_stored(copy))
        found = await self._fetch_relayed(wanted)
        if found is None and not _is_short(wanted):
            found = await self._read_ranges(wanted)
        found = found or await self._read_whole(wanted)
        if found is None:
            raise not_found()
        return found

    async def _fetch_relayed(self, wanted: Wanted) -> Found | None:
        """Return the upstream's own METADATA, if its page promises a digest and it has that."""
        file = wanted.file
        if not file.has_upstream_metadata or file.metadata_sha256 is None:
            return None
        origin = self._parts.origin(wanted.index)
        try:
            content = await self._parts.client.get_small(
                origin, metadata_url(file.url), limit_bytes=MOST_METADATA_BYTES
            )
        except UpstreamTimeout:
            raise
        except UpstreamFault as fault:
            broken = fault
        else:
            if isinstance(content, bytes) and _digest(content) == file.metadata_sha256:
                return Found(content)
            is_missing = isinstance(content, Missing)
            what = "does not have the METADATA that" if is_missing else "sent other METADATA than"
            broken = _not_as_promised(file, f"{what} its page promises")
        if not _is_wheel(file):
            raise broken
        _log.info("METADATA is taken from the wheel itself", extra={"fields": _describe(wanted, broken)})
        return None

    async def _read_ranges(self, wanted: Wanted) -> Found | None:
        """Read METADATA out of a wheel that is not here, if the upstream gives ranges of a readable one."""
        file = wanted.file
        if not _is_wheel(file):
            return None
        origin = self._parts.origin(wanted.index)

        async def read(start: int, length: int) -> Part | None:
            part = await self._parts.client.get_part(origin, file.url, start=start, length=length)
            is_another = part is not None and file.size_bytes not in (None, part.total_bytes)
            return None if is_another else part

        try:
            content = await read_by_ranges(file.filename, read)
        except UpstreamFault as fault:
            if fault.code not in _UNUSABLE_PARTS:
                raise
            _log.info("METADATA is taken from the whole wheel", extra={"fields": _describe(wanted, fault)})
            return None
        return None if content is None else Found(content, is_proven=False)

    async def _read_whole(self, wanted: Wanted) -> Found | None:
        """Fetch and store the wheel, and read METADATA there."""
        if not _is_wheel(wanted.file):
            return None
        opened = await self._open_file(wanted.index, wanted.file)
        if not isinstance(opened, Copy) and _is_short(wanted):
            return Found(await _read_arrived(wanted.file, opened))
        copy = opened if isinstance(opened, Copy) else await opened.stored()
        return Found(await self._read_stored(copy))

    async def _read_stored(self, copy: Copy) -> bytes:
        async def read(start: int, length: int) -> Part:
            start = max(copy.size_bytes + start, 0) if start < 0 else start
            stop = min(start + length, copy.size_bytes)
            chunks = [chunk async for chunk in self._parts.blobs.stream(copy.sha256, start, stop=stop)]
            return Part(b"".join(chunks), start, copy.size_bytes)

        content = await read_by_ranges(copy.filename, read)
        assert content is not None  # the store has ranges of everything
        return content

    async def _fetch_provenance(self, wanted: Wanted) -> bytes:
        url = wanted.file.provenance_url
        if url is None:
            raise not_found()
        origin = self._parts.origin(wanted.index)
        content = await self._parts.client.get_small(origin, url, limit_bytes=MOST_PROVENANCE_BYTES)
        if isinstance(content, Missing):
            raise not_found()
        if not is_provenance(content):
            raise _not_as_promised(wanted.file, "sent something else than a provenance object (PEP 740)")
        return content

    def _prepare(self, kind: Kind, content: bytes) -> Keeping:
        sha256 = _digest(content)
        licence: str | None = None

        async def store() -> Sha256:
            """Read the licence only now: nobody who waits for METADATA waits for that."""
            nonlocal licence
            if kind is Kind.METADATA:
                is_short = len(content) <= _PARSED_AT_ONCE_BYTES
                licence = read_licence(content) if is_short else await asyncio.to_thread(read_licence, content)
            return await self._parts.blobs.put(content)

        def change(copy: Copy) -> Copy:
            if kind is Kind.METADATA:
                return replace(copy, metadata_sha256=sha256, licence=licence)
            return replace(copy, provenance_sha256=sha256)

        return Keeping(sha256, store=store, change=change)


async def _read_arrived(file: UpstreamFile, arriving: Arriving) -> bytes:
    """Read METADATA as soon as the bytes are the promised ones, while they are being stored."""
    await arriving.verified()
    content = b"".join([chunk async for chunk in arriving.chunks()])

    async def read(start: int, length: int) -> Part:
        start = max(len(content) + start, 0) if start < 0 else start
        return Part(content[start : start + length], start, len(content))

    found = await read_by_ranges(file.filename, read)
    assert found is not None  # memory has ranges of everything
    return found


def metadata_url(url: str) -> str:
    """Return where PEP 658 puts the METADATA of a file: `.metadata` behind the path, before the query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path}.metadata", fragment=""))


def is_provenance(content: bytes) -> bool:
    """Return whether it is a JSON object with the bundles that PEP 740 requires; their content is the client's."""
    try:
        return bool(_decode_provenance(content))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False


class _Provenance(msgspec.Struct):
    """PEP 740: "attestation_bundles is a required JSON array"."""

    attestation_bundles: list[msgspec.Raw]


_decode_provenance = msgspec.json.Decoder(_Provenance).decode


def _not_as_promised(file: UpstreamFile, what: str) -> UpstreamFault:
    return UpstreamFault(
        "upstream-sidecar",
        f"The upstream {what} for {file.filename}",
        "Try again later; if it stays so, tell whoever runs the upstream.",
    )


def _is_wheel(file: UpstreamFile) -> bool:
    return file.package_type is PackageType.WHEEL


def _is_short(wanted: Wanted) -> bool:
    """Return whether the whole file may be kept and comes as soon as a range: it spares the next client the wait."""
    size_bytes, upstream = wanted.file.size_bytes, wanted.index.upstream
    keeps_copies = upstream is not None and upstream.delivery is Delivery.CACHE
    return keeps_copies and size_bytes is not None and size_bytes <= SHORT_BYTES


def _digest(content: bytes) -> Sha256:
    return Sha256(hashlib.sha256(content).hexdigest())


def _describe(wanted: Wanted, fault: StrongroomError) -> dict[str, object]:
    return {
        "index": wanted.file.index,
        "filename": wanted.file.filename,
        "kind": wanted.kind,
        "code": fault.code,
        "cause": fault.message,
    }
