"""The entries of a tar archive, if all readers see the same ones.

Walks the blocks itself, because `tarfile` hides how it resolved a contradiction.
Decides which kinds of entry there may be and how the extended headers of PAX and GNU
tar apply to the next entry. Does not judge paths and links (`sdist.py`, `links.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from strongroom.core.archive.fault import Fault, quoted
from strongroom.core.archive.gzip_stream import GzipStream
from strongroom.core.archive.limits import Limits
from strongroom.core.archive.tar_header import BLOCK, ZERO_BLOCK, TarHeader, parse_header
from strongroom.core.archive.tar_pax import PaxRecords, check_global, parse_pax


class EntryKind(Enum):
    """The kinds of entry that an sdist may have."""

    FILE = auto()
    DIRECTORY = auto()
    SYMLINK = auto()
    HARD_LINK = auto()


@dataclass(frozen=True, slots=True)
class TarEntry:
    """An entry with its path and target as the archive spells them. `content` is kept if it was asked for."""

    path: bytes
    kind: EntryKind
    target: bytes
    content: bytes | None = None


@dataclass(slots=True)
class _Pending:
    """What the extended headers in front of an entry say about it."""

    pax: PaxRecords | None = None
    long_name: bytes | None = None
    long_link: bytes | None = None

    def add(self, kind: bytes, raw: bytes) -> None:
        """Take one more extended header; raises `Fault` for the same kind twice."""
        if kind == b"g":
            check_global(raw)
        elif kind == b"x" and self.pax is None:
            self.pax = parse_pax(raw)
        elif kind == b"L" and self.long_name is None:
            self.long_name = _parse_long(raw)
        elif kind == b"K" and self.long_link is None:
            self.long_link = _parse_long(raw)
        else:
            raise Fault("tar-repeated-header", "An entry of the archive has the same extended header twice")


_EXTENSIONS = frozenset({b"x", b"g", b"L", b"K"})
_KINDS = {
    b"0": EntryKind.FILE,
    b"\x00": EntryKind.FILE,
    b"1": EntryKind.HARD_LINK,
    b"2": EntryKind.SYMLINK,
    b"5": EntryKind.DIRECTORY,
}


def walk_tar(stream: GzipStream, limits: Limits, *, is_wanted: Callable[[bytes, int], bool]) -> Iterator[TarEntry]:
    """Yield each entry up to the end of the archive; raises `Fault`.

    The content of a file is kept if `is_wanted(path, size_bytes)`, and passed over else.
    """
    pending: _Pending | None = None
    count = 0
    while (block := stream.read(BLOCK)) and block != ZERO_BLOCK:
        count += 1
        if count > limits.entries:
            raise Fault(
                "tar-too-many-entries",
                f"The archive has more than the {limits.entries} entries allowed",
                "Leave out what is not needed to build, or split the package.",
            )
        header = parse_header(block)
        if header.kind in _EXTENSIONS:
            pending = pending or _Pending()
            pending.add(header.kind, _read_extension(stream, header, limits=limits))
            continue
        if pending is not None:
            header = _apply(header, pending)
            pending = None
        yield _read_entry(stream, header, is_wanted=is_wanted)
    if pending is not None:
        raise Fault("tar-dangling-header", "The archive ends after an extended header, without its entry")
    if not stream.is_rest_zero():
        raise Fault("tar-trailing-data", "There is data after the end of the tar archive")


def _read_entry(stream: GzipStream, header: TarHeader, *, is_wanted: Callable[[bytes, int], bool]) -> TarEntry:
    kind = _check_kind(header)
    if kind is EntryKind.FILE and is_wanted(header.name, header.size_bytes):
        content = _read_data(stream, header.size_bytes)
        return TarEntry(header.name, kind, b"", content)
    _skip_data(stream, header.size_bytes)
    return TarEntry(header.name, kind, header.link_name)


def _check_kind(header: TarHeader) -> EntryKind:
    kind = _KINDS.get(header.kind)
    if kind is None:
        raise _wrong_kind(header)
    if kind is EntryKind.FILE and header.name.endswith(b"/"):
        # Old tar had no type for directories; readers of today differ in what they make of this.
        raise Fault(
            "tar-directory-file", f"The entry {quoted(header.name)} is a file by its type and a directory by its name"
        )
    if kind is not EntryKind.FILE and header.size_bytes:
        # Readers differ in whether they skip this data or read it as the next header.
        raise Fault("tar-link-data", f"The entry {quoted(header.name)} is a directory or link and has content")
    return kind


def _wrong_kind(header: TarHeader) -> Fault:
    shown = quoted(header.name)
    if header.kind in (b"3", b"4"):
        return Fault("tar-device", f"The entry {shown} is a device")
    if header.kind == b"6":
        return Fault("tar-fifo", f"The entry {shown} is a named pipe")
    if header.kind == b"S":
        return Fault("tar-sparse", f"The entry {shown} is a sparse file", "Pack it without --sparse.")
    return Fault("tar-entry-kind", f"The entry {shown} is neither file, directory nor link")


def _apply(header: TarHeader, pending: _Pending) -> TarHeader:
    """Return the header as its extended headers change it; raises `Fault` where they contradict."""
    pax = pending.pax or PaxRecords()
    if pax.size_bytes not in (None, header.size_bytes):
        raise Fault("tar-pax-size", f"The two sizes of {quoted(header.name)} contradict each other")
    if pax.path is not None and pending.long_name is not None:
        raise Fault("tar-two-long-names", f"The entry {quoted(header.name)} has two long names")
    if pax.link_path is not None and pending.long_link is not None:
        raise Fault("tar-two-long-names", f"The entry {quoted(header.name)} has two long link targets")
    return TarHeader(
        name=pax.path or pending.long_name or header.name,
        kind=header.kind,
        size_bytes=header.size_bytes,
        link_name=pax.link_path or pending.long_link or header.link_name,
    )


def _read_extension(stream: GzipStream, header: TarHeader, *, limits: Limits) -> bytes:
    if header.size_bytes > limits.pax_bytes:
        raise Fault("tar-pax-too-large", f"An extended header of the archive has {header.size_bytes} bytes")
    return _read_data(stream, header.size_bytes)


def _parse_long(raw: bytes) -> bytes:
    name, _, rest = raw.partition(b"\x00")
    if not name or rest.strip(b"\x00"):
        raise Fault("tar-long-name", "A long name in the archive is empty, or has data behind its end")
    return name


def _read_data(stream: GzipStream, size_bytes: int) -> bytes:
    data = stream.read(size_bytes)
    padding = -size_bytes % BLOCK
    if len(data) != size_bytes or stream.skip(padding) != padding:
        raise _truncated()
    return data


def _skip_data(stream: GzipStream, size_bytes: int) -> None:
    padded = size_bytes + -size_bytes % BLOCK
    if stream.skip(padded) != padded:
        raise _truncated()


def _truncated() -> Fault:
    return Fault("tar-truncated", "The tar archive ends in the middle of a file", "Upload the file again.")
