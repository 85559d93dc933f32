"""Other readers of archives, to compare: what each of them would unpack from the same bytes."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

Tree = dict[str, bytes]


def zip_by_directory(archive: bytes) -> Tree:
    """Read as pip does: `zipfile` follows the central directory."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {info.filename: file.read(info) for info in file.infolist()}


def zip_by_stream(archive: bytes) -> Tree:
    """Read as a streaming installer does: local headers from the start, nothing else."""
    tree: Tree = {}
    at = 0
    while archive[at : at + 4] == b"PK\x03\x04":
        _, _, flags, method, _, _, _, packed, _, name_length, extra_length = struct.unpack_from(
            "<4sHHHHHIIIHH", archive, at
        )
        name = archive[at + 30 : at + 30 + name_length].decode()
        extra = archive[at + 30 + name_length :][:extra_length]
        at += 30 + name_length + extra_length
        if packed == 0xFFFFFFFF:
            packed = struct.unpack_from("<Q", extra, 12)[0]
        if method == 8:
            stream = zlib.decompressobj(-15)
            tree[name] = stream.decompress(archive[at:])
            assert stream.eof
            packed = len(archive) - at - len(stream.unused_data)
        else:
            tree[name] = archive[at : at + packed]
        at += packed
        if flags & 8:
            at += 24 if extra[:2] == b"\x01\x00" else 16
    return tree


def zip_by_unzip(archive: bytes, folder: Path) -> Tree:
    """Read with Info-ZIP's unzip."""
    path = folder / "archive.zip"
    path.write_bytes(archive)
    subprocess.run(
        ["unzip", "-q", path, "-d", folder / "out"], check=True, capture_output=True, env={"LC_ALL": "C.UTF-8"}
    )
    return _read_folder(folder / "out")


def tar_by_tarfile(archive: bytes, *, mode: str) -> Tree:
    """Read with `tarfile`: mode `gz` seeks, `stream` does not."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz" if mode == "gz" else "r|gz") as file:
        tree: Tree = {}
        for info in file:
            content = file.extractfile(info) if info.isfile() or (info.islnk() and mode == "gz") else None
            tree[info.name.removeprefix("./")] = content.read() if content else b""
        return tree


def tar_by_tar(archive: bytes, folder: Path) -> Tree:
    """Read with GNU tar."""
    (folder / "out").mkdir()
    subprocess.run(
        ["tar", "-xf", "-", "-C", folder / "out"], input=gzip.decompress(archive), check=True, capture_output=True
    )
    return _read_folder(folder / "out")


def _read_folder(folder: Path) -> Tree:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
