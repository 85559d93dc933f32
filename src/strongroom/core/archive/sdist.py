"""What makes an archive an sdist: one top directory with a PKG-INFO in it.

Decides on the tree of a .tar.gz or .zip sdist. The top directory may be called
anything, as installers don't care and old tools disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from strongroom.core.archive.fault import Fault, quoted
from strongroom.core.archive.gzip_stream import GzipStream
from strongroom.core.archive.limits import Limits
from strongroom.core.archive.links import check_hard_link, check_symlinks
from strongroom.core.archive.paths import PathSet, check_path, decode_path
from strongroom.core.archive.tar_walk import EntryKind, TarEntry, walk_tar
from strongroom.core.archive.zip_content import read_member, unpack_member
from strongroom.core.archive.zip_layout import ZipMember

_PKG_INFO = "PKG-INFO"


def read_tar_sdist(file: BinaryIO, size_bytes: int, *, limits: Limits) -> bytes:
    """Return PKG-INFO byte for byte, after every entry was checked; raises `Fault`."""
    stream = GzipStream(file, size_bytes, limits=limits)
    tree = _Tree(limits)
    for entry in walk_tar(stream, limits, is_wanted=lambda path, size: _is_pkg_info(path, size, limits=limits)):
        tree.add(entry)
    root = find_root(tree.paths)
    check_symlinks(tree.symlinks, tree.paths, root=root)
    tree.seen.check_directories()
    if f"{root}/{_PKG_INFO}" not in tree.kept:
        raise _no_pkg_info(root)
    return tree.kept[f"{root}/{_PKG_INFO}"]


def read_zip_sdist(file: BinaryIO, members: tuple[ZipMember, ...], *, limits: Limits) -> bytes:
    """Return PKG-INFO byte for byte, after every entry was checked; raises `Fault`."""
    root = find_root(member.path for member in members)
    content: bytes | None = None
    for member in members:
        if member.path == f"{root}/{_PKG_INFO}" and not member.is_directory:
            content = read_member(file, member, most_bytes=limits.metadata_bytes)
        else:
            for _ in unpack_member(file, member):
                pass
    if content is None:
        raise _no_pkg_info(root)
    return content


def find_root(paths: Iterable[str]) -> str:
    """Return the one top directory of all paths; raises `Fault`."""
    tops: set[str] = set()
    is_directory = False
    for path in paths:
        top, separator, _ = path.partition("/")
        tops.add(top)
        is_directory = is_directory or bool(separator)
    if len(tops) != 1 or not is_directory:
        raise Fault(
            "sdist-top-directory", f"The sdist has {len(tops)} entries at its top, and should have one directory"
        )
    return tops.pop()


class _Tree:
    """The entries of a tar archive as they come by."""

    def __init__(self, limits: Limits) -> None:
        self.seen = PathSet("tar-duplicate-name")
        self.paths: set[str] = set()
        self.symlinks: dict[str, str] = {}
        self.kept: dict[str, bytes] = {}
        self._files: set[str] = set()
        self._limits = limits

    def add(self, entry: TarEntry) -> None:
        """Take the next entry; raises `Fault`."""
        path = _plain(decode_path(entry.path))
        if path == "" and entry.kind is EntryKind.DIRECTORY:
            return  # "./", the directory that somebody packed from
        check_path(path, longest_bytes=self._limits.path_bytes)
        path = path.removesuffix("/")
        self.seen.add(path, is_directory=entry.kind is EntryKind.DIRECTORY)
        self.paths.add(path)
        if entry.kind is EntryKind.SYMLINK:
            self.symlinks[path] = decode_path(entry.target)
        elif entry.kind is EntryKind.HARD_LINK:
            check_hard_link(path, _plain(decode_path(entry.target)), files=self._files)
        elif entry.kind is EntryKind.FILE:
            self._files.add(path)
        if entry.content is not None:
            self.kept[path] = entry.content


def _plain(path: str) -> str:
    """Return the path without the `./` that `tar czf name.tar.gz ./name` puts in front."""
    while path.startswith("./"):
        path = path[2:]
    return "" if path == "." else path


def _is_pkg_info(path: bytes, size_bytes: int, *, limits: Limits) -> bool:
    parts = path.removeprefix(b"./").split(b"/")
    if len(parts) != 2 or parts[1] != _PKG_INFO.encode():
        return False
    if size_bytes > limits.metadata_bytes:
        raise Fault("entry-too-large", f"{quoted(path)} has {size_bytes} bytes", "Make it shorter and build again.")
    return True


def _no_pkg_info(root: str) -> Fault:
    return Fault("sdist-pkg-info-missing", f"The sdist has no {quoted(f'{root}/{_PKG_INFO}')}")
