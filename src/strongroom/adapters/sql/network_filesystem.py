"""Whether a directory lies on a network filesystem, where SQLite's locks and shared memory do not hold.

Reads the kernel's list of mounts, so it knows only Linux; elsewhere it finds nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")

_NETWORK_TYPES = frozenset(
    {
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse",
        "fuse.glusterfs", "fuse.goofys", "fuse.juicefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs",
    }
)  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")


def find_network_filesystem(directory: Path, *, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the network filesystem that holds the directory, or None for a local one."""
    target = directory.resolve()
    found: tuple[int, str] | None = None
    for mount_point, kind in _read_mounts(mounts):
        if target.is_relative_to(mount_point):
            depth = len(mount_point.parts)
            if found is None or depth >= found[0]:  # a later mount on the same point hides the earlier one
                found = (depth, kind)
    return found[1] if found is not None and found[1] in _NETWORK_TYPES else None


def _read_mounts(mounts: Path) -> list[tuple[Path, str]]:
    try:
        text = mounts.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return []
    fields = [line.split(" ") for line in text.splitlines()]
    return [(Path(_unescape(field[1])), field[2]) for field in fields if len(field) > 2]


def _unescape(raw: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), raw)
