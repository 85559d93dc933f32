"""The archive gate: is this file the wheel or sdist that its name says, and safe to unpack.

Decides by reading alone; nothing is ever unpacked to a disk, built, imported or run.
Does not decide who may upload, nor anything that depends on other files. Time and
memory are the caller's to limit: the file may be hostile.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

from strongroom.core.archive.fault import Fault
from strongroom.core.archive.limits import Limits
from strongroom.core.archive.sdist import read_tar_sdist, read_zip_sdist
from strongroom.core.archive.tar_header import BLOCK, has_checksum
from strongroom.core.archive.wheel import read_wheel
from strongroom.core.archive.zip_end import has_zip_end
from strongroom.core.archive.zip_layout import read_members
from strongroom.core.distfile import DistributionName, parse_distribution_filename, read_distribution
from strongroom.core.errors import InvalidName, UploadRefused
from strongroom.core.model import PackageType
from strongroom.core.names import Filename
from strongroom.core.policy import Refuse

_DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the gate learned: METADATA or PKG-INFO byte for byte, and what the filename says."""

    metadata: bytes
    package_type: PackageType
    python_tag: str


def inspect_archive(file: BinaryIO, filename: Filename, *, limits: Limits = _DEFAULT_LIMITS) -> Inspected | Refuse:
    """Read the whole archive and return its metadata, or the first rule that it breaks.

    `file` must be seekable and is left at any position.
    """
    try:
        name = parse_distribution_filename(filename)
        metadata = _read_metadata(file, filename, name=name, limits=limits)
        read_distribution(filename, metadata)
    except Fault as fault:
        return fault.verdict
    except (InvalidName, UploadRefused) as error:
        return Refuse(error.code, error.message, error.hint)
    return Inspected(metadata, name.package_type, name.python_tag)


def _read_metadata(file: BinaryIO, filename: Filename, *, name: DistributionName, limits: Limits) -> bytes:
    size_bytes = file.seek(0, io.SEEK_END)
    if filename.endswith(".tar.gz"):
        if has_zip_end(file, size_bytes):
            raise _polyglot()
        return read_tar_sdist(file, size_bytes, limits=limits)
    file.seek(0)
    if has_checksum(file.read(BLOCK)):
        raise _polyglot()
    members = read_members(file, size_bytes, limits=limits)
    if name.package_type is PackageType.WHEEL:
        return read_wheel(file, members, name=name, limits=limits)
    return read_zip_sdist(file, members, limits=limits)


def _polyglot() -> Fault:
    return Fault("polyglot", "The file is a ZIP file and a tar archive at once")
