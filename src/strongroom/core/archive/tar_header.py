"""A tar header: 512 bytes to values, as POSIX ustar and GNU tar define them.

Decides whether a single header is well formed and means the same to every reader.
Does not know what comes before or after it (`tar_walk.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from strongroom.core.archive.fault import Fault, quoted

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)

_USTAR = b"ustar\x0000"
_GNU = b"ustar  \x00"
_V7 = bytes(8)
_OCTAL = re.compile(rb" *([0-7]*)[ \x00]*")
_CHECKSUM = slice(148, 156)
_PREFIX = slice(345, 500)


@dataclass(frozen=True, slots=True)
class TarHeader:
    """The fields of a header that decide what is unpacked where. `kind` is the type flag."""

    name: bytes
    kind: bytes
    size_bytes: int
    link_name: bytes


def parse_header(block: bytes) -> TarHeader:
    """Return the header in `block`; raises `Fault`."""
    if len(block) < BLOCK:
        raise Fault("tar-truncated", "The tar archive ends in the middle of a block", "Upload the file again.")
    if not has_checksum(block):
        raise Fault("tar-checksum", "The file is not a tar archive, or is damaged")
    name = _text(block[0:100])
    prefix = _text(block[_PREFIX])
    magic = block[257:265]
    if magic not in (_USTAR, _GNU, _V7):
        raise Fault("tar-magic", f"The entry {quoted(name)} is of a kind of tar that is not known")
    if prefix and magic != _USTAR:
        raise Fault("tar-prefix", f"Readers disagree about the directory of {quoted(name)}")
    if prefix:
        name = prefix + b"/" + name
    return TarHeader(name, block[156:157], _parse_size(block[124:136], name), _text(block[157:257]))


def has_checksum(block: bytes) -> bool:
    """Say whether the block's checksum makes it a tar header."""
    told = _OCTAL.fullmatch(block[_CHECKSUM])
    if len(block) < BLOCK or told is None or not told[1]:
        return False
    # The field itself counts as eight spaces.
    unsigned = sum(block) - sum(block[_CHECKSUM]) + 8 * 32
    if int(told[1], 8) == unsigned:
        return True
    # Some old programs summed signed bytes.
    return int(told[1], 8) == unsigned - 256 * sum(byte > 127 for byte in block)


def _text(field: bytes) -> bytes:
    return field.partition(b"\x00")[0]


def _parse_size(field: bytes, name: bytes) -> int:
    if field[0] == 0x80:
        size = int.from_bytes(field[1:], "big")
        if size < 1 << 63:
            return size
    else:
        told = _OCTAL.fullmatch(field)
        if told is not None:
            return int(told[1] or b"0", 8)
    raise Fault("tar-size", f"The size of {quoted(name)} is not a number that all readers read alike")
