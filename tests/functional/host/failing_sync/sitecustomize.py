"""Python reads this at its start: `os.fsync` fails like a disk that lost a write, while a certain file is there."""

import errno
import os
import typing

_REAL = os.fsync


def _fsync(fd: typing.Any) -> None:  # Any: whatever the real one takes
    if os.path.exists(os.environ["STRONGROOM_TEST_LOSES_WRITES"]):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    _REAL(fd)


os.fsync = _fsync
