"""PAX records: the extended headers of a tar archive.

Decides which keys are taken, and refuses those that make readers see different
files: sizes that differ from the header (CVE-2025-62518), sparse maps, other
character sets. Times, owners and comments are passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from strongroom.core.archive.fault import Fault

_LENGTH = re.compile(rb"([1-9][0-9]{0,9}) ")
_UTF8 = b"ISO-IR 10646 2000 UTF-8"


@dataclass(frozen=True, slots=True)
class PaxRecords:
    """The keys that matter, None where the header did not have them."""

    path: bytes | None = None
    link_path: bytes | None = None
    size_bytes: int | None = None


def parse_pax(raw: bytes) -> PaxRecords:
    """Return the records of an extended header; raises `Fault`."""
    records = _split(raw)
    if any(key.startswith(b"GNU.sparse") for key in records):
        raise Fault("tar-sparse", "The archive has a sparse file", "Pack it without --sparse.")
    if records.get(b"hdrcharset", _UTF8) != _UTF8:
        raise Fault("tar-pax-charset", "The archive has a path that is not UTF-8")
    return PaxRecords(
        path=_nonempty(records, b"path"),
        link_path=_nonempty(records, b"linkpath"),
        size_bytes=_parse_size(records.get(b"size")),
    )


def check_global(raw: bytes) -> None:
    """Raise `Fault` if a global header, such as git's with its comment, changes entries."""
    records = parse_pax(raw)
    if records != PaxRecords():
        raise Fault("tar-pax-global", "The archive gives one path or size for all its entries")


def _split(raw: bytes) -> dict[bytes, bytes]:
    """Split into POSIX's `length key=value` lines, where the length counts the whole line, itself included."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(raw):
        length = _LENGTH.match(raw, at)
        end = at + int(length[1]) if length else 0
        if length is None or not length.end() < end <= len(raw) or raw[end - 1 : end] != b"\n":
            raise Fault("tar-pax-syntax", "An extended header of the archive is malformed")
        key, separator, value = raw[length.end() : end - 1].partition(b"=")
        if not separator or not key:
            raise Fault("tar-pax-syntax", "An extended header of the archive is malformed")
        if key in records:
            raise Fault("tar-pax-duplicate", "An extended header of the archive gives a key twice")
        records[key] = value
        at = end
    return records


def _nonempty(records: dict[bytes, bytes], key: bytes) -> bytes | None:
    value = records.get(key)
    if value == b"" or (value is not None and b"\x00" in value):
        raise Fault("tar-pax-syntax", "An extended header of the archive gives an empty path or one with NUL")
    return value


def _parse_size(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise Fault("tar-pax-syntax", "An extended header of the archive gives no number as a size")
    return int(value)
