"""What a lock file wants: `pylock.toml` (PEP 751), `uv.lock`, or a list of requirements.

Decides which of the formats a file has, and what of it comes from an index: the project
itself, checkouts, directories and direct URLs are left out. Chooses nothing: all wheels
that a lock file names are wanted, for whichever machine.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

from packaging.pylock import (
    Package,
    PackageSdist,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.specifiers import SpecifierSet

from strongroom.core.errors import InvalidName
from strongroom.core.names import (
    DISTRIBUTION_ENDINGS,
    parse_filename,
    parse_project_name,
    parse_sha256,
    parse_version,
)
from strongroom.core.requirements import parse_requirements
from strongroom.core.wanted import Wanted, unreadable

_LARGEST_BYTES = 64 << 20
_LOCK_AGAIN = "Lock again with the tool that wrote it; it must be as that tool leaves it."
_EXPORT = "Write a pylock.toml instead, such as with 'uv export --format pylock.toml' or 'pip lock'."


def parse_lockfile(content: bytes, *, filename: str) -> tuple[Wanted, ...]:
    """Return what the file wants; raises `InvalidRequest` that names the line or the entry.

    A name that ends in `.toml` or `.lock` says that it is TOML; all others are lists of
    requirements.
    """
    if len(content) > _LARGEST_BYTES:
        raise unreadable(filename, f"it has more than {_LARGEST_BYTES >> 20} MiB", hint="Is this the lock file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise unreadable(f"Line {line} of {filename}", "it is not UTF-8", hint="Save the file as UTF-8.") from None
    if not filename.lower().endswith((".toml", ".lock")):
        return parse_requirements(text, filename=filename)
    document = _parse_toml(text, filename)
    if "lock-version" in document:
        return _read_pylock(document, filename)
    if isinstance(document.get("package"), list) and isinstance(document.get("version"), int):
        return _read_uv(document, filename)
    raise unreadable(filename, "it is neither a pylock.toml nor a uv.lock", hint=_EXPORT)


def _parse_toml(text: str, filename: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise unreadable(filename, f"it is not TOML: {error}", hint=_LOCK_AGAIN) from None
    except (RecursionError, ValueError):
        raise unreadable(filename, "it is not TOML that can be read", hint=_LOCK_AGAIN) from None


def _read_pylock(document: Mapping[str, object], filename: str) -> tuple[Wanted, ...]:
    try:
        lock = Pylock.from_dict(document)
    except PylockUnsupportedVersionError as error:
        raise unreadable(filename, str(error), hint="Write it with lock-version 1.0.") from None
    except (PylockValidationError, RecursionError) as error:
        raise unreadable(filename, str(error) or "it is nested too deeply", hint=_LOCK_AGAIN) from None
    return tuple(
        _read_pylock_package(package, f"packages[{position}] of {filename}")
        for position, package in enumerate(lock.packages)
        if package.wheels or package.sdist
    )


def _read_pylock_package(package: Package, where: str) -> Wanted:
    files: list[PackageWheel | PackageSdist] = list(package.wheels or ())
    files += [package.sdist] if package.sdist else []
    try:
        return _make(
            package.name,
            str(package.version) if package.version else None,
            files=[(file.filename, file.hashes.get("sha256")) for file in files],
            marker=str(package.marker or ""),
        )
    except (InvalidName, PylockValidationError) as error:
        raise unreadable(where, str(error), hint=_LOCK_AGAIN) from None


def _read_uv(document: Mapping[str, object], filename: str) -> tuple[Wanted, ...]:
    if document["version"] != 1:
        raise unreadable(filename, f"it is a uv.lock of version {document['version']}; 1 is understood", hint=_EXPORT)
    wanted: list[Wanted] = []
    for position, package in enumerate(_tables(document["package"])):
        # The project itself, and what comes from a checkout, a directory or a URL, have other sources.
        if "registry" in _table(package.get("source")):
            try:
                wanted.append(_read_uv_package(package))
            except InvalidName as error:
                raise unreadable(f"package[{position}] of {filename}", error.message, hint=_LOCK_AGAIN) from None
    return tuple(wanted)


def _read_uv_package(package: Mapping[str, object]) -> Wanted:
    version = _text(package.get("version"))
    files = [*_tables(package.get("wheels")), *_tables([package.get("sdist")])]
    markers = package.get("resolution-markers")
    return _make(
        _text(package.get("name")),
        version or None,
        files=[(_uv_filename(file), _text(file.get("hash")).partition("sha256:")[2]) for file in files],
        marker=" or ".join(f"({marker})" for marker in markers) if isinstance(markers, list) else "",
    )


def _uv_filename(file: Mapping[str, object]) -> str:
    url = _text(file.get("url"))
    path = unquote(url.partition("#")[0].partition("?")[0]) if url else _text(file.get("path"))
    return _text(file.get("filename")) or path.rpartition("/")[2]


def _make(name: str, version: str | None, *, files: Iterable[tuple[str, str | None]], marker: str) -> Wanted:
    """Return the entry; raises `InvalidName`. Files of kinds that no index here holds are left out."""
    pinned = parse_version(version) if version is not None else None
    taken = [(filename, sha256) for filename, sha256 in files if filename.endswith(DISTRIBUTION_ENDINGS)]
    return Wanted(
        project=parse_project_name(name),
        version=pinned,
        specifier=SpecifierSet(f"=={pinned}" if pinned else ""),
        filenames=tuple(parse_filename(filename) for filename, _ in taken),
        sha256s=tuple(parse_sha256(sha256) for _, sha256 in taken if sha256),
        marker=marker,
    )


def _tables(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
