"""A filename, once used, never carries other bytes.

Decides on the file of that name and on the deleted one. Does not decide who may
upload, and lets the same bytes through, so that a retry is harmless.
"""

from __future__ import annotations

from strongroom.core.model import File, Tombstone
from strongroom.core.names import Filename, Sha256
from strongroom.core.policy import ALLOW, Refuse, Verdict

FILE_EXISTS = "file-exists"
FILENAME_DELETED = "filename-deleted"


def judge_filename(
    filename: Filename, sha256: Sha256, *, existing: File | None, tombstone: Tombstone | None
) -> Verdict:
    """Refuse a known filename with other bytes, and one whose file was deleted."""
    if existing is not None and existing.sha256 != sha256:
        # twine, poetry and pdm recognise these first words, PyPI's (`--skip-existing`).
        return Refuse(
            FILE_EXISTS,
            f"File already exists ({filename}), with other bytes",
            "Raise the version, or the build tag of a wheel; a filename is never used again.",
        )
    if existing is None and tombstone is not None:
        # PyPI's words. Not "already exists": a tool told to skip what exists must not skip this.
        return Refuse(
            FILENAME_DELETED,
            f"This filename was previously used by a file that has since been deleted ({filename})",
            "Raise the version, or the build tag of a wheel; a filename is never used again.",
        )
    return ALLOW
