"""The bytes of a ZIP file's entries, unpacked as a stream in constant memory.

Decides that an entry's data is what its header says: one complete deflate stream,
the right size, the right CRC. Does not judge what the bytes mean.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from strongroom.core.archive.fault import Fault, quoted
from strongroom.core.archive.zip_layout import ZipMember

_CHUNK = 1 << 18


def unpack_member(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    """Yield the entry's bytes; raises `Fault` at the latest after the last of them."""
    chunks = _read_packed(file, member) if member.is_stored else _inflate(file, member)
    crc = size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > member.unpacked_size:
            break
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if size != member.unpacked_size:
        raise Fault("zip-size-mismatch", f"The entry {quoted(member.path)} unpacks to another size than it says")
    if crc != member.crc:
        raise Fault("zip-crc", f"The checksum of {quoted(member.path)} is wrong", "Upload the file again.")


def read_member(file: BinaryIO, member: ZipMember, *, most_bytes: int) -> bytes:
    """Return the whole entry; raises `Fault` if it is longer than `most_bytes`."""
    if member.unpacked_size > most_bytes:
        raise Fault(
            "entry-too-large",
            f"{quoted(member.path)} has {member.unpacked_size} bytes, more than the {most_bytes} allowed",
            "Make it shorter and build again.",
        )
    return b"".join(unpack_member(file, member))


def _read_packed(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    file.seek(member.data_offset)
    left = member.packed_size
    while left and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def _inflate(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    for packed in _read_packed(file, member):
        pending = packed
        while pending and not stream.eof:
            yield _decompress(stream, pending, member=member)
            pending = stream.unconsumed_tail
        if pending or stream.unused_data:
            raise Fault("zip-deflate-rest", f"There is hidden data behind the compressed data of {quoted(member.path)}")
    while not stream.eof:
        # What zlib holds back after its last input, if the output was full before.
        chunk = _decompress(stream, b"", member=member)
        if not chunk and not stream.eof:
            raise Fault("zip-deflate", f"The compressed data of {quoted(member.path)} is cut short")
        yield chunk


def _decompress(stream: zlib._Decompress, packed: bytes, *, member: ZipMember) -> bytes:
    try:
        return stream.decompress(packed, _CHUNK)
    except zlib.error:
        raise Fault("zip-deflate", f"The compressed data of {quoted(member.path)} is damaged") from None
