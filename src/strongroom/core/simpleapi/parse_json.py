"""A project page of the JSON Simple API (PEP 691, 700, 714, 740, 792), as upstreams really write it.

Decides how the fields are found: missing and null are alike, old spellings are read, a
line of a wrong shape is told apart from a page of a wrong shape. Believes nothing
(`listed.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from strongroom.core.mirrored import Skipped
from strongroom.core.model import Yank
from strongroom.core.simpleapi.contents import MOST_FILES, Contents, bad_page, check_api_version, too_many
from strongroom.core.simpleapi.listed import Columns, Listed, pick_hash, skip

_METADATA_KEYS = ("core-metadata", "dist-info-metadata", "data-dist-info-metadata")
"""PEP 714's, PEP 658's, and the one that PyPI writes by mistake."""
_NULL = msgspec.Raw(b"null")


class _Hashes(msgspec.Struct, gc=False):
    sha256: str | None = None


class _Line(msgspec.Struct, rename="kebab", gc=False):
    """A file's line in the shape that nearly all have; what does not fit is read field by field.

    Any: what upstreams write there is judged line by line.
    """

    filename: str
    url: str
    hashes: _Hashes
    requires_python: str | None = None
    yanked: bool | str | None = None
    upload_time: str | None = None
    size: Any = None
    provenance: str | None = None
    core_metadata: Any = None
    dist_info_metadata: Any = None
    data_dist_info_metadata: Any = None


class _UsualPage(msgspec.Struct):
    files: list[_Line]
    meta: msgspec.Raw = _NULL
    status: msgspec.Raw = msgspec.field(name="project-status", default=_NULL)


class _Page(msgspec.Struct):
    files: list[msgspec.Raw]
    meta: msgspec.Raw = _NULL
    status: msgspec.Raw = msgspec.field(name="project-status", default=_NULL)


_decode_usual_page = msgspec.json.Decoder(_UsualPage).decode
_decode_any_page = msgspec.json.Decoder(_Page).decode
_decode_fields = msgspec.json.Decoder(dict[str, object]).decode


def read_json(content: bytes) -> Contents:
    """Return what the page holds; raises `UpstreamFault`."""
    try:
        page = _decode_page(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        cause = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise bad_page(f"is not a JSON object with a list of files ({cause})") from None
    if len(page.files) > MOST_FILES:
        raise too_many()
    meta = _decode_object(page.meta)
    version = meta.get("api-version")
    check_api_version(version if isinstance(version, str) else None)
    status, reason = _read_status(page.status, meta)
    lines = _read_lines(page.files) if isinstance(page, _Page) else _read_columns(page.files)
    return Contents(lines=lines, status=status, status_reason=reason)


def _decode_page(content: bytes) -> _UsualPage | _Page:
    """Return the page, with each line for itself if only one of them is of another shape than usual."""
    try:
        return _decode_usual_page(content)
    except msgspec.ValidationError:
        return _decode_any_page(content)


def _read_columns(files: list[_Line]) -> Columns:
    metadata = [_pick_metadata(line) for line in files]
    return Columns(
        [line.filename for line in files],
        [line.url for line in files],
        [line.hashes.sha256 for line in files],
        [line.requires_python for line in files],
        [_read_yank(line.yanked) if line.yanked else None for line in files],
        [told is True or isinstance(told, dict) for told in metadata],
        [pick_hash(told) if isinstance(told, dict) else None for told in metadata],
        [line.upload_time for line in files],
        [line.size if type(line.size) is int else None for line in files],
        [line.provenance for line in files],
    )


def _pick_metadata(line: _Line) -> object:
    if line.core_metadata is not None:
        return line.core_metadata
    return line.dist_info_metadata if line.dist_info_metadata is not None else line.data_dist_info_metadata


def _read_lines(files: list[msgspec.Raw]) -> Iterator[Listed | Skipped]:
    for raw in files:
        fields = _decode_object(raw)
        filename, url = fields.get("filename"), fields.get("url")
        if isinstance(filename, str) and isinstance(url, str):
            yield _read_line(filename, url, fields=fields)
        else:
            yield skip(filename if isinstance(filename, str) else "", "The upstream's line has no filename or no URL")


def _read_line(filename: str, url: str, *, fields: Mapping[str, object]) -> Listed:
    hashes = fields.get("hashes")
    size = fields.get("size")
    metadata = next((fields[key] for key in _METADATA_KEYS if fields.get(key) is not None), None)
    return Listed(
        filename=filename,
        url=url,
        sha256=pick_hash(hashes) if isinstance(hashes, dict) else None,
        requires_python=_text(fields.get("requires-python")),
        yank=_read_yank(fields.get("yanked")),
        has_metadata=metadata is True or isinstance(metadata, dict),
        metadata_sha256=pick_hash(metadata) if isinstance(metadata, dict) else None,
        uploaded_at=_text(fields.get("upload-time")),
        size_bytes=size if isinstance(size, int) and not isinstance(size, bool) else None,
        provenance_url=_text(fields.get("provenance")),
    )


def _read_yank(value: object) -> Yank | None:
    """PEP 691: "yanked ... either a boolean ... or an arbitrary, but non-empty, string"."""
    if not value:
        return None
    return Yank(value if isinstance(value, str) else "")


def _read_status(raw: msgspec.Raw, meta: Mapping[str, object]) -> tuple[str | None, str | None]:
    """PEP 792 puts the status at the top level; its living copy's example shows it in `meta`."""
    try:
        told = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        told = None
    if told is None:
        told = meta.get("project-status")
    if isinstance(told, dict):
        return _text(told.get("status")), _text(told.get("reason"))
    return _text(told), _text(meta.get("project-status-reason"))


def _decode_object(raw: msgspec.Raw) -> dict[str, object]:
    """Return the object; an empty one for anything else."""
    try:
        return _decode_fields(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
