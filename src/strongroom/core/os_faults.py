"""What the operating system says when there is too little of something: it passes, and nothing is broken.

One wording for whichever part of the server meets it first. Does not catch anything.
"""

from __future__ import annotations

import errno

from strongroom.core.errors import StorageFull, Unavailable

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE})


def too_many_files(doing: str) -> Unavailable:
    """Return the error of whoever may open no further file; `doing` begins the sentence."""
    return Unavailable(
        "too-many-files",
        f"{doing} failed: the server has as many files open as it may",
        "Try again in a moment; if it stays, let the server open more files (LimitNOFILE, ulimit -n).",
    )


def disk_full(what: str) -> StorageFull:
    """Return the error of whoever finds no room on the disk that holds that."""
    return StorageFull("disk-full", f"The disk that holds {what} is full", "Free some space and try again.")
