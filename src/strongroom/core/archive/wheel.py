"""What makes a ZIP file a wheel: PEP 427's files, and that they agree with its name.

Decides on the layout, WHEEL, METADATA, RECORD and entry points. The framing of the
ZIP file has been checked before (`zip_layout.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import BinaryIO

from packaging.version import Version

from strongroom.core.archive.entry_points import check_entry_points
from strongroom.core.archive.fault import Fault, quoted
from strongroom.core.archive.limits import Limits
from strongroom.core.archive.record import Record, check_listing, parse_record
from strongroom.core.archive.zip_content import read_member, unpack_member
from strongroom.core.archive.zip_layout import ZipMember
from strongroom.core.distfile import DistributionName
from strongroom.core.errors import InvalidName
from strongroom.core.names import normalize_project_name, parse_version

_DIST_INFO = ".dist-info"
_DATA_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
_WHEEL_VERSION = re.compile(rb"^Wheel-Version:[ \t]*(\d{1,9})\.(\d{1,9})[ \t\r]*$", re.IGNORECASE | re.MULTILINE)


def read_wheel(file: BinaryIO, members: tuple[ZipMember, ...], *, name: DistributionName, limits: Limits) -> bytes:
    """Return METADATA byte for byte, after every file was checked; raises `Fault`."""
    files = {member.path: member for member in members if not member.is_directory}
    dist_info = find_dist_info(files, name)
    _check_data_schemes(files, dist_info.removesuffix(_DIST_INFO))
    wheel = _require(files, f"{dist_info}/WHEEL", code="wheel-file-missing")
    _check_wheel_version(read_member(file, wheel, most_bytes=limits.metadata_bytes))
    metadata = _require(files, f"{dist_info}/METADATA", code="metadata-missing")
    content = read_member(file, metadata, most_bytes=limits.metadata_bytes)
    if entry_points := files.get(f"{dist_info}/entry_points.txt"):
        check_entry_points(read_member(file, entry_points, most_bytes=limits.entry_points_bytes))
    listing = _require(files, f"{dist_info}/RECORD", code="record-missing")
    record = parse_record(read_member(file, listing, most_bytes=limits.record_bytes), dist_info=dist_info)
    check_listing(record, files, dist_info=dist_info)
    _check_content(file, members, record=record)
    return content


def _check_content(file: BinaryIO, members: tuple[ZipMember, ...], *, record: Record) -> None:
    for member in members:
        chunks = unpack_member(file, member)
        recorded = record.get(member.path)
        if recorded is not None and not member.is_directory:
            recorded.check(member.path, chunks)
        else:
            for _ in chunks:
                pass


def _require(files: dict[str, ZipMember], path: str, *, code: str) -> ZipMember:
    if path not in files:
        raise Fault(code, f"The wheel has no {quoted(path)}")
    return files[path]


def find_dist_info(paths: Iterable[str], name: DistributionName) -> str:
    """Return the one top-level `.dist-info` directory; raises `Fault` if it is not this wheel's."""
    tops = {path.partition("/")[0] for path in paths if "/" in path}
    found = sorted(top for top in tops if top.lower().endswith(_DIST_INFO))
    if not found:
        raise Fault("wheel-dist-info-missing", "The wheel has no .dist-info directory")
    if len(found) > 1:
        raise Fault("wheel-dist-info-many", f"The wheel has {len(found)} .dist-info directories")
    dist_info = found[0]
    project, _, version = dist_info[: -len(_DIST_INFO)].rpartition("-")
    if not dist_info.endswith(_DIST_INFO) or normalize_project_name(project) != name.project:
        raise Fault("wheel-dist-info-name", f"The directory {quoted(dist_info)} belongs to another project")
    if not _is_version(version, name.version):
        raise Fault("wheel-dist-info-version", f"The directory {quoted(dist_info)} belongs to another version")
    return dist_info


def _is_version(raw: str, version: Version) -> bool:
    for spelling in (raw, raw.replace("_", "-")):
        try:
            return parse_version(spelling) == version
        except InvalidName:
            continue
    return False


def _check_data_schemes(paths: Iterable[str], stem: str) -> None:
    """PEP 427: "the directories within .data are the installation schemes"."""
    for path in paths:
        top, _, rest = path.partition("/")
        scheme, separator, _ = rest.partition("/")
        if top == f"{stem}.data" and not (separator and scheme in _DATA_SCHEMES):
            raise Fault("wheel-data-scheme", f"No installer knows where to put {quoted(path)}")


def _check_wheel_version(wheel: bytes) -> None:
    found = _WHEEL_VERSION.findall(wheel)
    if len(found) != 1:
        raise Fault("wheel-version", "WHEEL must give one Wheel-Version")
    if int(found[0][0]) > 1:
        raise Fault("wheel-version", "The wheel's format is newer than version 1, the newest that installers read")
