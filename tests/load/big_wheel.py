"""Wheels of any size that are never held: a few members around as many zeros as wanted, stored, all digests right."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.crash.wheel import WHEEL_FILE, render_record

ZEROS = bytes(1024 * 1024)
_LOCAL, _CENTRAL, _END = 0x04034B50, 0x02014B50, 0x06054B50
_DATE = (2020 - 1980) << 9 | 2 << 5 | 2
_MODE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class BigWheel:
    """A wheel as what comes before its zeros, how many these are, and what comes after."""

    project: str
    version: str
    head: bytes
    zeros: int
    tail: bytes

    @property
    def filename(self) -> str:
        """Return the wheel's filename."""
        return f"{self.project}-{self.version}-py3-none-any.whl"

    @property
    def size_bytes(self) -> int:
        """Return the size of the whole file."""
        return len(self.head) + self.zeros + len(self.tail)

    def chunks(self) -> Iterator[bytes]:
        """Yield the file."""
        yield self.head
        yield from zeros(self.zeros)
        yield self.tail

    def sha256(self) -> str:
        """Compute the digest."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Member:
    path: bytes
    crc32: int
    size_bytes: int

    def header(self) -> bytes:
        """Return the local header."""
        return struct.pack("<I5H3I2H", _LOCAL, 20, 0, 0, 0, _DATE, *self._sizes(), len(self.path), 0) + self.path

    def entry(self, offset: int) -> bytes:
        """Return the entry of the central directory."""
        fixed = struct.pack(
            "<I6H3I5H2I",
            _CENTRAL,
            3 << 8 | 20,
            20,
            0,
            0,
            0,
            _DATE,
            *self._sizes(),
            len(self.path),
            0,
            0,
            0,
            0,
            _MODE,
            offset,
        )
        return fixed + self.path

    def _sizes(self) -> tuple[int, int, int]:
        return self.crc32, self.size_bytes, self.size_bytes


def zeros(count: int) -> Iterator[bytes]:
    """Yield that many zero bytes."""
    for _ in range(count // len(ZEROS)):
        yield ZEROS
    yield ZEROS[: count % len(ZEROS)]


def make_big_wheel(project: str, version: str, *, size_bytes: int) -> BigWheel:
    """Make a wheel of about that size; project and version must be plain (`big`, `1.0`)."""
    info = f"{project}-{version}.dist-info"
    small = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": WHEEL_FILE,
    }
    crc32, digest = _digests_of_zeros(size_bytes)
    rows = {f"{project}_data.bin": (digest, size_bytes)}
    rows |= {path: (hashlib.sha256(data).digest(), len(data)) for path, data in small.items()}
    small[f"{info}/RECORD"] = render_record(rows, info)
    big = _Member(f"{project}_data.bin".encode(), crc32, size_bytes)
    head = big.header()
    tail, directory = b"", big.entry(0)
    for path, data in small.items():
        member = _Member(path.encode(), zlib.crc32(data), len(data))
        directory += member.entry(len(head) + size_bytes + len(tail))
        tail += member.header() + data
    count = len(small) + 1
    end = struct.pack("<I4H2IH", _END, 0, 0, count, count, len(directory), len(head) + size_bytes + len(tail), 0)
    return BigWheel(project, version, head, size_bytes, tail + directory + end)


@cache
def _digests_of_zeros(count: int) -> tuple[int, bytes]:
    crc32, digest = 0, hashlib.sha256()
    for chunk in zeros(count):
        crc32 = zlib.crc32(chunk, crc32)
        digest.update(chunk)
    return crc32, digest.digest()
