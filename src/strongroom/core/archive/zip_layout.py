"""The entries of a ZIP file, if all readers see the same ones.

Some readers follow the central directory, others the local headers from the start.
Decides that both find the same entries with the same sizes, back to back, with
nothing before, between, after or on top of each other. Does not unpack
(`zip_content.py`) and does not know what a wheel is.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from strongroom.core.archive.fault import Fault, quoted
from strongroom.core.archive.limits import Limits
from strongroom.core.archive.paths import PathSet, check_path, decode_path
from strongroom.core.archive.zip_end import EndRecord, read_end
from strongroom.core.archive.zip_records import (
    DEFLATED,
    DESCRIPTOR_SIGNATURE,
    FLAG_DESCRIPTOR,
    FLAG_UTF8,
    LOCAL_SIGNATURE,
    STORED,
    CentralHeader,
    Header,
    LocalHeader,
    read_central,
    read_exactly,
    read_local,
)

_DOS_DIRECTORY = 0x10


@dataclass(frozen=True, slots=True)
class ZipMember:
    """An entry that both kinds of reader agree on. A directory's path has no trailing `/`."""

    path: str
    is_directory: bool
    is_stored: bool
    crc: int
    packed_size: int
    unpacked_size: int
    data_offset: int


def read_members(file: BinaryIO, size_bytes: int, *, limits: Limits) -> tuple[ZipMember, ...]:
    """Return the entries in the order of their data; raises `Fault`."""
    end = read_end(file, size_bytes)
    if end.entries > limits.entries:
        raise Fault(
            "zip-too-many-entries",
            f"The archive has {end.entries} entries, more than the {limits.entries} allowed",
            "Leave out what is not needed at run time, or split the package.",
        )
    headers = read_directory(file, end)
    paths = [_check_entry(header, limits) for header in headers]
    _check_paths(zip(paths, headers, strict=True))
    members = [
        match_local(file, header, path=path, before=end.directory_offset)
        for path, header in zip(paths, headers, strict=True)
    ]
    extents = sorted(
        (header.header_offset, member_end) for header, (_, member_end) in zip(headers, members, strict=True)
    )
    _check_extents(file, extents, directory_offset=end.directory_offset)
    _check_bomb([member for member, _ in members], size_bytes, limits=limits)
    return tuple(sorted((member for member, _ in members), key=lambda member: member.data_offset))


def read_directory(file: BinaryIO, end: EndRecord) -> list[CentralHeader]:
    """Return the entries of the central directory; raises `Fault`."""
    file.seek(end.directory_offset)
    headers: list[CentralHeader] = []
    while file.tell() < end.directory_end and len(headers) <= end.entries:
        headers.append(read_central(file))
    if len(headers) != end.entries:
        raise Fault("zip-entry-count", "The ZIP file's directory has another number of entries than its end says")
    if file.tell() != end.directory_end:
        raise Fault("zip-end-mismatch", "The ZIP file's directory does not end where its end record says")
    return headers


def _check_entry(header: CentralHeader, limits: Limits) -> str:
    """Return the entry's path as the archive spells it; raises `Fault`."""
    common = header.common
    path = decode_path(common.name, is_utf8=bool(common.flags & FLAG_UTF8))
    check_path(path, longest_bytes=limits.path_bytes)
    mode = header.attributes >> 16
    if stat.S_ISLNK(mode):
        raise Fault("entry-symlink", f"The entry {quoted(path)} is a symbolic link", "Store the file itself.")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Fault("entry-special", f"The entry {quoted(path)} is neither a file nor a directory")
    says_directory = stat.S_ISDIR(mode) or bool(header.attributes & _DOS_DIRECTORY)
    if says_directory and not path.endswith("/"):
        raise Fault("zip-directory-mode", f"The entry {quoted(path)} is a file by its name and a directory by its mode")
    if path.endswith("/") and common.unpacked_size:
        raise Fault("zip-directory-data", f"The directory {quoted(path)} has content")
    return path


def _check_paths(entries: Iterable[tuple[str, CentralHeader]]) -> None:
    seen = PathSet("zip-duplicate-name")
    names: set[str] = set()
    for path, _ in entries:
        if path in names:
            raise Fault("zip-duplicate-name", f"The path {quoted(path)} occurs twice")
        names.add(path)
        seen.add(path, is_directory=path.endswith("/"))
    seen.check_directories()


def match_local(file: BinaryIO, central: CentralHeader, *, path: str, before: int) -> tuple[ZipMember, int]:
    """Return the member and where it ends; raises `Fault` if its local header says otherwise."""
    common = central.common
    if central.header_offset >= before:
        raise Fault("zip-local-header", f"The entry {quoted(path)} lies behind the directory that lists it")
    file.seek(central.header_offset)
    local = read_local(file)
    _check_agreement(local, common)
    data_offset = central.header_offset + local.size_bytes
    member = ZipMember(
        path=path.removesuffix("/"),
        is_directory=path.endswith("/"),
        is_stored=common.method == STORED,
        crc=common.crc,
        packed_size=common.packed_size,
        unpacked_size=common.unpacked_size,
        data_offset=data_offset,
    )
    end = data_offset + common.packed_size
    if end > before:
        raise Fault("zip-overlap", f"The data of {quoted(path)} runs into the ZIP file's directory")
    if common.flags & FLAG_DESCRIPTOR:
        file.seek(end)
        end += _check_descriptor(file, common, is_wide=local.has_zip64)
    return member, end


def _check_agreement(local: LocalHeader, central: Header) -> None:
    shown = quoted(central.name)
    told = local.common
    if told.name != central.name:
        raise Fault("zip-local-central-mismatch", f"The entry {shown} has another name in front of its data")
    if (told.flags, told.method) != (central.flags, central.method):
        raise Fault("zip-local-central-mismatch", f"The two headers of {shown} contradict each other")
    if central.method == STORED and central.packed_size != central.unpacked_size:
        raise Fault("zip-size-mismatch", f"The entry {shown} is not compressed and has two sizes")
    sizes = (told.crc, told.packed_size, told.unpacked_size)
    if sizes == (central.crc, central.packed_size, central.unpacked_size):
        return
    if central.flags & FLAG_DESCRIPTOR and sizes == (0, 0, 0):
        return
    raise Fault("zip-local-central-mismatch", f"The two headers of {shown} give different sizes or checksums")


def _check_descriptor(file: BinaryIO, header: Header, *, is_wide: bool) -> int:
    """Return the size of the data descriptor at the file's position; raises `Fault`.

    A reader without the central directory finds the end of deflated data by itself,
    but can only guess the end of stored data.
    """
    if header.method != DEFLATED:
        raise Fault("zip-data-descriptor", f"The entry {quoted(header.name)} is stored and gives its size afterwards")
    layout = struct.Struct("<4sIQQ" if is_wide else "<4sIII")
    expected = (DESCRIPTOR_SIGNATURE, header.crc, header.packed_size, header.unpacked_size)
    if layout.unpack(read_exactly(file, layout.size)) != expected:
        raise Fault("zip-data-descriptor", f"The sizes after the data of {quoted(header.name)} are wrong")
    return layout.size


def _check_extents(file: BinaryIO, extents: list[tuple[int, int]], *, directory_offset: int) -> None:
    """Raise `Fault` unless the entries fill the file from its start to the directory."""
    position = 0
    for start, end in [*extents, (directory_offset, directory_offset)]:
        if start < position:
            raise Fault("zip-overlap", "Two entries of the ZIP file share bytes")
        if start > position:
            _refuse_gap(file, position)
        position = end


def _refuse_gap(file: BinaryIO, position: int) -> None:
    file.seek(position)
    if file.read(4) == LOCAL_SIGNATURE:
        raise Fault("zip-unlisted-entry", "The ZIP file has an entry that its directory does not list")
    if position == 0:
        raise Fault("zip-prefix-data", "There is data in front of the ZIP file's first entry")
    raise Fault("zip-gap", "There is data between the entries of the ZIP file")


def _check_bomb(members: list[ZipMember], size_bytes: int, *, limits: Limits) -> None:
    unpacked = sum(member.unpacked_size for member in members)
    if unpacked > limits.unpacked_bytes:
        raise Fault("zip-bomb-total", f"The archive unpacks to {unpacked} bytes, over the limit", "Split the package.")
    if unpacked > limits.bomb_floor_bytes and unpacked > limits.bomb_ratio * size_bytes:
        raise Fault(
            "zip-bomb-ratio",
            f"The archive unpacks to {unpacked // size_bytes} times its size",
            "Don't ship files of zeros; make them at run time.",
        )
