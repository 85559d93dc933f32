"""Which paths an archive may contain, and which two of them are the same file somewhere.

Decides on names alone: absolute paths, `..`, backslashes, drive letters, and names
that fall together on a file system that folds case or normalises Unicode. Does not
follow links (`links.py`) and knows nothing of the container's format.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from strongroom.core.archive.fault import RENAME, Fault, quoted

_LONGEST_SEGMENT_BYTES = 255
_DEEPEST = 100
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_ORDINARY = re.compile(r"(?:(?!\.{1,2}/)[\w.+@ -]{1,100}/){0,20}(?!\.{1,2}/?$)[\w.+@ -]{1,100}/?", re.ASCII)
_DRIVE = re.compile(r"[A-Za-z]:")


def decode_path(raw: bytes, *, is_utf8: bool = True) -> str:
    """Return the path as text; raises `Fault` for bytes that readers decode differently."""
    try:
        return raw.decode("utf-8" if is_utf8 else "ascii")
    except UnicodeDecodeError:
        raise Fault("path-encoding", f"The path {quoted(raw)} is not marked and encoded as UTF-8", RENAME) from None


def check_path(path: str, *, longest_bytes: int) -> None:
    """Raise `Fault` unless `path` is a plain relative path; a trailing `/` marks a directory."""
    if len(path) <= longest_bytes and _ORDINARY.fullmatch(path):
        return  # what nearly all paths are, in one step: an archive may have 100,000
    shown = quoted(path)
    if not path:
        raise Fault("path-empty", "An entry has no name")
    if _UNPRINTABLE.search(path):
        raise Fault("path-unprintable", f"The path {shown} has control characters", RENAME)
    if _BIDI.search(path):
        raise Fault("path-bidi", f"The path {shown} has characters that reverse how it is displayed", RENAME)
    if "\\" in path:
        raise Fault("path-backslash", f"The path {shown} has a backslash, which Windows reads as a separator", RENAME)
    if path.startswith("/"):
        raise Fault("path-absolute", f"The path {shown} is absolute")
    if _DRIVE.match(path):
        raise Fault("path-drive", f"The path {shown} begins like a Windows drive", RENAME)
    _check_segments(path, longest_bytes)


def _check_segments(path: str, longest_bytes: int) -> None:
    shown = quoted(path)
    segments = path.removesuffix("/").split("/")
    if ".." in segments:
        raise Fault("path-parent", f"The path {shown} climbs out of its directory with '..'")
    if "." in segments or "" in segments:
        raise Fault("path-not-plain", f"The path {shown} has an empty or '.' segment")
    if len(segments) > _DEEPEST:
        raise Fault("path-too-deep", f"The path {shown} is more than {_DEEPEST} directories deep", RENAME)
    longest = max(len(segment.encode()) for segment in segments)
    if longest > _LONGEST_SEGMENT_BYTES or len(path.encode()) > longest_bytes:
        raise Fault("path-too-long", f"The path {shown} is longer than file systems allow", RENAME)


class PathSet:
    """The paths seen so far; adding one that another file system would merge raises `Fault`."""

    def __init__(self, duplicate_code: str) -> None:
        self._duplicate_code = duplicate_code
        self._folded: dict[str, str] = {}
        self._directories: set[str] = set()

    def add(self, path: str, *, is_directory: bool = False) -> None:
        """Take a path; raises `Fault` if it meets an earlier one, here or on a folding file system.

        Directories may repeat and may differ in case: merging them loses nothing.
        """
        plain = path.removesuffix("/")
        key = plain.lower() if plain.isascii() else unicodedata.normalize("NFC", plain).casefold()
        earlier = self._folded.get(key)
        if earlier is not None and not (is_directory and earlier in self._directories):
            self._refuse(earlier, plain)
        self._folded.setdefault(key, plain)
        if is_directory:
            self._directories.add(plain)

    def check_directories(self) -> None:
        """Raise `Fault` if a file's path is also the directory of another entry."""
        files = {path for path in self._folded.values() if path not in self._directories}
        for path in self._folded.values():
            for parent in parents(path):
                if parent in files:
                    raise Fault(
                        "path-file-as-directory",
                        f"{quoted(parent)} is a file, and {quoted(path)} needs it to be a directory",
                    )

    def _refuse(self, earlier: str, path: str) -> None:
        pair = f"{quoted(earlier)} and {quoted(path)}"
        if earlier == path:
            raise Fault(self._duplicate_code, f"The path {quoted(path)} occurs twice")
        if unicodedata.normalize("NFC", earlier) == unicodedata.normalize("NFC", path):
            raise Fault("path-unicode-collision", f"{pair} differ only in how accents are encoded", RENAME)
        raise Fault("path-case-collision", f"{pair} are the same file where case is ignored", RENAME)


def parents(path: str) -> Iterable[str]:
    """Yield the directories above `path`, nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
