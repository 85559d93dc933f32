"""RECORD: the wheel's own list of its files, with their hashes and sizes.

Decides that the list and the archive hold the same files and that every hash is
right. Installers check little of it; a wheel that passes here installs the same
files everywhere.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strongroom.core.archive.fault import Fault, quoted

_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
_HAND_EDITED = "Don't change a wheel by hand: build it again, or repack it with `wheel pack`."


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """One line of RECORD. `size_bytes` is None where the line leaves it out."""

    algorithm: str
    digest: bytes
    size_bytes: int | None

    def check(self, path: str, chunks: Iterable[bytes]) -> None:
        """Hash the file's bytes; raises `Fault` unless they are the ones recorded."""
        digest = hashlib.new(self.algorithm)
        size = 0
        for chunk in chunks:
            size += len(chunk)
            digest.update(chunk)
        if digest.digest() != self.digest:
            raise Fault("record-hash", f"RECORD gives another hash for {quoted(path)}", _HAND_EDITED)
        if self.size_bytes not in (None, size):
            raise Fault("record-size", f"RECORD gives another size for {quoted(path)}", _HAND_EDITED)


Record = Mapping[str, RecordedFile]


def parse_record(raw: bytes, *, dist_info: str) -> Record:
    """Return the recorded files by path, without RECORD and its signatures; raises `Fault`."""
    try:
        rows = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        raise Fault("record-syntax", "RECORD is not a CSV file in UTF-8") from None
    exempt = unhashed_paths(dist_info)
    files: dict[str, RecordedFile] = {}
    for row in rows:
        if not row or row[0] in exempt:
            continue
        path, file = _parse_row(row)
        if files.setdefault(path, file) != file:
            raise Fault("record-duplicate", f"RECORD lists {quoted(path)} twice, differently", _HAND_EDITED)
    return files


def unhashed_paths(dist_info: str) -> frozenset[str]:
    """Return the paths that need no hash: "RECORD itself" and its signatures (PEP 427)."""
    return frozenset(f"{dist_info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s"))


def check_listing(record: Record, paths: Iterable[str], *, dist_info: str) -> None:
    """Raise `Fault` unless RECORD lists just the files that are in the wheel."""
    present = set(paths) - unhashed_paths(dist_info)
    for path in sorted(present - record.keys()):
        raise Fault("record-unlisted", f"{quoted(path)} is in the wheel but not in its RECORD", _HAND_EDITED)
    for path in sorted(record.keys() - present):
        raise Fault("record-absent", f"{quoted(path)} is in RECORD but not in the wheel", _HAND_EDITED)


def _parse_row(row: list[str]) -> tuple[str, RecordedFile]:
    if len(row) != 3:
        raise Fault("record-syntax", f"The line of RECORD for {quoted(row[0])} has not three fields")
    path, hash_field, size_field = row
    algorithm, separator, encoded = hash_field.partition("=")
    if not separator:
        raise Fault("record-no-hash", f"RECORD has no hash for {quoted(path)}", _HAND_EDITED)
    if algorithm not in _ALGORITHMS:
        raise Fault("record-weak-hash", f"RECORD uses {quoted(algorithm)} for {quoted(path)}; sha256 is the least")
    if size_field and not (size_field.isascii() and size_field.isdigit() and len(size_field) < 20):
        raise Fault("record-syntax", f"RECORD gives no number as the size of {quoted(path)}")
    return path, RecordedFile(algorithm, _decode_digest(encoded, path), int(size_field) if size_field else None)


def _decode_digest(encoded: str, path: str) -> bytes:
    # PEP 376 and 427: "urlsafe_b64encode_nopad"; some tools leave the padding on.
    bare = encoded.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Fault("record-syntax", f"The hash that RECORD gives for {quoted(path)} is not base64") from None
