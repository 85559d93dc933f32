"""The bytes of a .gz file, unpacked as a stream in constant memory.

Decides that the file is one gzip member, complete, with nothing behind it, and not a
bomb. Readers differ in what they do with a second member or with trailing data.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from strongroom.core.archive.fault import Fault
from strongroom.core.archive.limits import MIB, Limits

_CHUNK = 1 << 18
_GZIP_BITS = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
_FLAG_EXTRA = 0x04
_EARLY_EXCESS = 256 * MIB
_ZEROS_HINT = "Don't ship files of zeros; make them at run time."


class GzipStream:
    """Unpacks a .gz file from its start. `size_bytes` is the packed size of the whole file."""

    def __init__(self, file: BinaryIO, size_bytes: int, *, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._size_bytes = size_bytes
        self._stream = zlib.decompressobj(_GZIP_BITS)
        self._buffer = memoryview(b"")
        self._taken = 0
        self._unpacked = 0
        _check_header(file)
        file.seek(0)

    def read(self, size_bytes: int) -> bytes:
        """Return the next bytes, fewer only at the end; raises `Fault`."""
        parts: list[memoryview] = []
        left = size_bytes
        while left and self._fill():
            parts.append(self._buffer[:left])
            self._buffer = self._buffer[left:]
            left -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size_bytes: int) -> int:
        """Pass over the next bytes and return how many there were; raises `Fault`."""
        left = size_bytes
        while left and self._fill():
            taken = min(left, len(self._buffer))
            self._buffer = self._buffer[taken:]
            left -= taken
        return size_bytes - left

    def is_rest_zero(self) -> bool:
        """Read to the end, checksum included, and say whether only zeros were left; raises `Fault`."""
        while self._fill():
            if bytes(self._buffer).strip(b"\x00"):
                return False
            self._buffer = memoryview(b"")
        return True

    def _fill(self) -> bool:
        """Make the buffer non-empty; False at the end of the file."""
        while not self._buffer and not self._stream.eof:
            self._advance()
        return bool(self._buffer)

    def _advance(self) -> None:
        """Unpack some more into the buffer, which may stay empty."""
        packed = self._stream.unconsumed_tail
        if not packed:
            packed = self._file.read(_CHUNK)
            self._taken += len(packed)
        chunk = self._unpack(packed)
        if self._stream.eof:
            self._check_end()
        elif not packed and not chunk:
            raise Fault("gzip-truncated", "The .tar.gz file is cut short", "Upload the file again.")
        self._unpacked += len(chunk)
        self._check_bomb()
        self._buffer = memoryview(chunk)

    def _unpack(self, packed: bytes) -> bytes:
        try:
            return self._stream.decompress(packed, _CHUNK)
        except zlib.error as error:
            if "incorrect header check" in str(error):
                raise Fault("gzip-header", "The file is called .tar.gz and is not gzip") from None
            if "check" in str(error):
                raise Fault("gzip-crc", "The checksum of the .tar.gz file is wrong", "Upload it again.") from None
            raise Fault("gzip-damaged", "The .tar.gz file is damaged", "Upload the file again.") from None

    def _check_end(self) -> None:
        rest = self._stream.unused_data or self._file.read(len(_MAGIC))
        if rest.startswith(_MAGIC):
            raise Fault("gzip-multi-member", "The .tar.gz file consists of several gzip files")
        if rest:
            raise Fault("gzip-trailing-data", "There is data after the end of the .tar.gz file")

    def _check_bomb(self) -> None:
        limits = self._limits
        if self._unpacked > limits.unpacked_bytes:
            raise Fault("tar-bomb-total", "The archive unpacks to more than the limit", "Split the package.")
        if self._unpacked <= limits.bomb_floor_bytes:
            return
        is_bomb = self._unpacked > limits.bomb_ratio * self._size_bytes
        # Far ahead of what was read so far: don't unpack a large bomb to its end to be sure.
        is_racing = self._unpacked > limits.bomb_ratio * self._taken + _EARLY_EXCESS
        if is_bomb or is_racing:
            raise Fault("tar-bomb-ratio", "The archive unpacks to many times its size", _ZEROS_HINT)


def _check_header(file: BinaryIO) -> None:
    file.seek(0)
    head = file.read(4)
    # Room for another format's data, and `tarfile` reading a pipe loses its place behind it.
    if head.startswith(_MAGIC) and head[3:] and head[3] & _FLAG_EXTRA:
        raise Fault("gzip-extra-field", "The header of the .tar.gz file has an extra field")
