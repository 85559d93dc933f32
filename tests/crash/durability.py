"""The order of writes as a power failure would judge it, read from strace's log of one upload.

A killed process loses nothing that it has written, since the kernel still has it; a
machine without power does. So this checks what must be synced before what: a file
before it gets its name, the name's directory before the commit, the catalog's log
before the answer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

OPTIONS = ("-y", "-s", "32")
"""What strace must be told besides the calls: descriptors with their paths, and the first bytes of data."""
CALLS = (
    "openat", "write", "writev", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "link", "linkat", "mkdir", "mkdirat", "unlink",
)  # fmt: skip
_LINE = re.compile(r"^\d+ +(\w+)\(")
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_SYNCS = ("fsync", "fdatasync")
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
_QUOTED = re.compile(r'"([^"]*)"')


@dataclass(slots=True)
class _Disk:
    """What would be lost now, and what was found wrong so far."""

    data: str
    dirty_files: set[str] = field(default_factory=set)
    dirty_directories: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    blobs: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def name(self, path: str) -> None:
        """Note a name that appears in a directory."""
        parent = str(PurePosixPath(path).parent)
        self.dirty_directories[parent].add(path)

    def publish(self, source: str, target: str) -> None:
        """Note that a file gets another name."""
        if source in self.dirty_files:
            self.faults.append(f"{target} is named before its bytes are synced")
        self.name(target)
        self.blobs.add(target)

    def unsynced(self) -> list[str]:
        """Return the blobs' names and bytes that a power failure could take."""
        root = f"{self.data}/blobs"
        names = [
            name for directory, names in self.dirty_directories.items() if directory.startswith(root) for name in names
        ]
        return names + [path for path in self.dirty_files if path.startswith(root)]


def join_interrupted(lines: Iterable[str]) -> list[str]:
    """Return the log with one line a call: syncs where they end, all others where they begin."""
    joined: list[str] = []
    begun: dict[str, int] = {}
    for line in lines:
        if match := _BEGUN.match(line):
            begun[match[1]] = len(joined)
            joined.append(f"{match[1]} {match[2]}({match[3]}")
        elif (match := _RESUMED.match(line)) and match[1] in begun:
            place = begun.pop(match[1])
            whole = joined[place] + match[3]
            joined[place] = "" if match[2] in _SYNCS else whole
            joined += [whole] if match[2] in _SYNCS else []
        else:
            joined.append(line)
    return joined


def find_faults(lines: Iterable[str], data: str) -> list[str]:
    """Return what is out of order in the log of uploads to the store in `data`."""
    disk = _Disk(data)
    for line in lines:
        match = _LINE.match(line)
        if match is not None:
            _apply(disk, line, call=match[1])
    return disk.faults


def sync_lines(lines: list[str]) -> list[int]:
    """Return which lines the answer depends on: the last sync of each file and directory before it."""
    answer = next(number for number, line in enumerate(lines) if "ack " in line)
    last: dict[str, int] = {}
    for number, line in enumerate(lines[:answer]):
        call, descriptor = _LINE.match(line), _DESCRIPTOR.search(line)
        if call is not None and call[1] in _SYNCS and descriptor is not None:
            last[descriptor[1]] = number
    return sorted(last.values())


def _apply(disk: _Disk, line: str, *, call: str) -> None:
    if call in _SYNCS:
        _sync(disk, line)
    elif call in {"write", "writev", "pwrite64"}:
        _write(disk, line)
    elif call in {"link", "linkat", "rename", "renameat", "renameat2"}:
        quoted = _QUOTED.findall(line)
        if len(quoted) == 2:
            disk.publish(*quoted)
    elif call in {"mkdir", "mkdirat"} and " = 0" in line:
        disk.name(_QUOTED.findall(line)[0])
    elif call == "openat" and "O_CREAT" in line:
        _create(disk, _QUOTED.findall(line)[0])


def _create(disk: _Disk, path: str) -> None:
    if path.startswith(f"{disk.data}/blobs"):
        disk.name(path)
        disk.blobs.add(path)


def _write(disk: _Disk, line: str) -> None:
    descriptor = _DESCRIPTOR.search(line)
    if descriptor is None:
        return
    path = descriptor[1]
    if path.startswith(disk.data):
        disk.dirty_files.add(path)
        if path.endswith("-wal"):
            disk.faults += [f"the commit begins before {name} is synced" for name in disk.unsynced()]
    elif "ack " in line:
        disk.faults += [f"the answer leaves before {name} is synced" for name in disk.unsynced()]
        disk.faults += [
            f"the answer leaves before {path} is synced" for path in disk.dirty_files if path.endswith("-wal")
        ]
        if len(disk.blobs) < 2:
            disk.faults.append("the answer leaves before file and metadata have their names")


def _sync(disk: _Disk, line: str) -> None:
    descriptor = _DESCRIPTOR.search(line)
    if descriptor is None:
        return
    disk.dirty_files.discard(descriptor[1])
    disk.dirty_directories.pop(descriptor[1], None)
