"""METADATA of a wheel that lies elsewhere, from its end and a range or two, without the rest.

Decides which bytes are needed next and, when they are there, what METADATA is: by the
gate's own rules for ZIP files and wheels, so that no reader finds another METADATA in
the wheel. Fetches nothing. Looks into nothing else: a wheel is not accepted by this.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, cast

from strongroom.core.archive.fault import Fault
from strongroom.core.archive.limits import MIB, Limits
from strongroom.core.archive.paths import decode_path
from strongroom.core.archive.wheel import find_dist_info
from strongroom.core.archive.zip_content import read_member
from strongroom.core.archive.zip_end import EndRecord, read_end
from strongroom.core.archive.zip_layout import match_local, read_directory
from strongroom.core.archive.zip_records import FLAG_UTF8, CentralHeader, scan_central
from strongroom.core.distfile import DistributionName, parse_distribution_filename
from strongroom.core.errors import InvalidName, UpstreamFault
from strongroom.core.model import PackageType
from strongroom.core.names import Filename

TAIL_BYTES = 128 * 1024
"""How much of the end to fetch first: in most wheels METADATA and the directory lie there whole."""
_LARGEST_DIRECTORY = 32 * MIB
_LARGEST_FRAME = 30 + 2 * 0xFFFF + 24
"""A local header with the longest name and extra fields, and a ZIP64 data descriptor."""
_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of the wheel, and where they begin in it."""

    start: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """The bytes that are needed next: fetch them, and ask again with all pieces."""

    start: int
    length: int


class _Missing(Exception):
    """Bytes that are in no piece."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()
        self.wanted = wanted


class _Pieces:
    """What the gate needs of a file, of which only some pieces are there; reading others raises `_Missing`."""

    def __init__(self, pieces: Iterable[Piece], total_bytes: int) -> None:
        self._pieces = sorted(pieces, key=lambda piece: piece.start)
        self._total_bytes = total_bytes
        self._position = 0

    def seek(self, offset: int) -> int:
        self._position = offset
        return offset

    def read(self, size_bytes: int) -> bytes:
        position = self._position
        end = min(position + size_bytes, self._total_bytes)
        found: list[bytes] = []
        for piece in self._pieces:
            content = (
                piece.content[position - piece.start : end - piece.start] if piece.start <= position < end else b""
            )
            found.append(content)
            position += len(content)
        if position < end:
            raise _Missing(Wanted(position, min([end, *self._later(position)]) - position))
        self._position = max(self._position, position)
        return b"".join(found)

    def demand(self, start: int, length: int) -> None:
        """Raise `_Missing` now, for all of a range, rather than for one record of it after the other."""
        if length > 0:
            self.seek(start)
            self.read(length)

    def cut(self, start: int, length: int) -> bytes:
        """Return a range by itself; raises `_Missing`."""
        self.seek(start)
        return self.read(length)

    def _later(self, position: int) -> list[int]:
        return [piece.start for piece in self._pieces if piece.start > position]


class _Window:
    """One range of the file, with the file's offsets, in which small reads are quick."""

    def __init__(self, start: int, content: bytes) -> None:
        self._start = start
        self._file = BytesIO(content)
        self.read = self._file.read

    def seek(self, offset: int) -> int:
        return self._file.seek(offset - self._start) + self._start

    def tell(self) -> int:
        return self._file.tell() + self._start


def read_remote_metadata(
    filename: Filename, pieces: Iterable[Piece], *, total_bytes: int, limits: Limits = _DEFAULT_LIMITS
) -> bytes | Wanted:
    """Return METADATA byte for byte, or the bytes of the wheel that are needed first.

    Begin with the last `TAIL_BYTES`: then at most four more pieces are asked for, mostly one
    or none; give up when the same is asked for again. Raises `UpstreamFault`
    ("wheel-unreadable") for a wheel that breaks the rules of ZIP or of PEP 427.
    """
    file = _Pieces(pieces, total_bytes)
    try:
        return _read(file, parse_distribution_filename(filename), total_bytes=total_bytes, limits=limits)
    except _Missing as missing:
        return missing.wanted
    except InvalidName as error:
        reason = error.message
    except Fault as fault:
        reason = fault.verdict.reason
    raise UpstreamFault(
        "wheel-unreadable",
        f"METADATA cannot be read from the upstream's '{filename}': {reason}",
        "Installers can still fetch the whole file, if they can read it.",
    )


def _read(file: _Pieces, name: DistributionName, *, total_bytes: int, limits: Limits) -> bytes:
    if name.package_type is not PackageType.WHEEL:
        raise Fault("wheel-filename", "It is not a wheel")
    binary = cast(BinaryIO, file)  # of it the gate only seeks and reads a number of bytes; it tells in the directory
    end = read_end(binary, total_bytes)
    if end.entries > limits.entries or end.directory_size > _LARGEST_DIRECTORY:
        raise Fault("zip-too-many-entries", f"The archive has {end.entries} entries, more than allowed")
    headers, offsets = _read_directory(file.cut(end.directory_offset, end.directory_size), end)
    path, header = _find_metadata(headers, name)
    if max(header.common.packed_size, header.common.unpacked_size) > limits.metadata_bytes:
        raise Fault("entry-too-large", f"METADATA has more than the {limits.metadata_bytes} bytes allowed")
    before = min(_next_offset(offsets, header), end.directory_offset)
    if before - header.header_offset > header.common.packed_size + _LARGEST_FRAME:
        raise Fault("zip-gap", "There is data between METADATA and the entry behind it")
    file.demand(header.header_offset, before - header.header_offset)
    member, _ = match_local(binary, header, path=path, before=before)
    return read_member(binary, member, most_bytes=limits.metadata_bytes)


def _read_directory(content: bytes, end: EndRecord) -> tuple[Sequence[CentralHeader], Sequence[int]]:
    """Return all headers that may be of a `.dist-info`, and where every entry begins; raises `Fault`."""
    whole = cast(BinaryIO, _Window(end.directory_offset, content))
    found = scan_central(content, entries=end.entries, part=b".dist-info/")
    headers, passed = found or (read_directory(whole, end), [])  # which knows what is wrong with it
    return headers, passed + [header.header_offset for header in headers]


def _find_metadata(headers: Sequence[CentralHeader], name: DistributionName) -> tuple[str, CentralHeader]:
    """Return the one METADATA of the one `.dist-info`; raises `Fault`."""
    paths = [(_decode(header), header) for header in headers]
    wanted = f"{find_dist_info((path for path, _ in paths), name)}/METADATA"
    found = [(path, header) for path, header in paths if path == wanted]
    if len(found) != 1:
        raise Fault("metadata-missing", "It has no METADATA" if not found else "It has several METADATA")
    return found[0]


def _decode(header: CentralHeader) -> str:
    """Return the entry's path; raises `Fault` for what says falsely that it is UTF-8."""
    if header.common.name.isascii():  # in both
        return header.common.name.decode("ascii")
    if header.common.flags & FLAG_UTF8:
        return decode_path(header.common.name)
    # APPNOTE, appendix D: without the flag it is code page 437. The gate refuses what is not
    # ASCII then; here it is somebody else's wheel, and no such path is METADATA.
    return header.common.name.decode("cp437")


def _next_offset(offsets: Sequence[int], header: CentralHeader) -> int:
    """Return where the entry behind this one begins; raises `Fault` if two begin at one place."""
    if offsets.count(header.header_offset) > 1:
        raise Fault("zip-overlap", "Two entries of the ZIP file share bytes")
    return min([offset for offset in offsets if offset > header.header_offset], default=1 << 64)
