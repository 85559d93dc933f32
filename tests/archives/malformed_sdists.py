"""Sdists that readers see differently, that reach outside, or that are bombs."""

# ruff: noqa: E501  # a table: one sample a line
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from random import Random

from strongroom.core.names import Filename
from tests.archives.sample import Sample
from tests.archives.sdists import Sdist
from tests.archives.tars import (
    BLOCK,
    END,
    GNU,
    TarEntry,
    build_tar,
    build_tar_gz,
    gzip_with_extra,
    gzipped,
    gzipped_zeros,
    long_name,
    octal,
    pax,
    pax_line,
)
from tests.archives.wheels import metadata_of
from tests.archives.zips import ZipEntry, build_zip

PLAIN = Sdist()
BYTES = PLAIN.build()
TAR = build_tar(PLAIN.entries())
TOP = PLAIN.top
MIB = 1 << 20
ZIPPED = Sdist(ending=".zip")
EVIL = TarEntry(f"{TOP}/evil.py", b"evil")


def sample(title: str, build: Callable[[], bytes], *, code: str) -> Sample:
    """Make a sample of the plain sdist's name."""
    return Sample(title, code, build, PLAIN.filename)


def of_entries(title: str, code: str, *entries: TarEntry) -> Sample:
    """Make a sample of an sdist with these entries more."""
    return sample(title, lambda: build_tar_gz([*PLAIN.entries(), *entries]), code=code)


def of_pax(title: str, records: Mapping[str, str | bytes], *, code: str, entry: TarEntry = EVIL) -> Sample:
    """Make a sample of an sdist with an extended header in front of one more entry."""
    return of_entries(title, code, pax(records), entry)


def of_raw_pax(title: str, raw: bytes, *, code: str) -> Sample:
    """Make a sample of an sdist with an extended header of these bytes."""
    return of_entries(title, code, TarEntry("PaxHeaders/x", raw, b"x"), EVIL)


def link(name: str, target: str | bytes, *, kind: bytes = b"2") -> TarEntry:
    """Return a symbolic link (or a hard link) below the top directory."""
    return TarEntry(f"{TOP}/{name}", kind=kind, link=target)


def of_zip(title: str, entries: Iterable[ZipEntry], *, code: str) -> Sample:
    """Make a sample of a .zip sdist."""
    kept = list(entries)
    return Sample(title, code, lambda: build_zip(kept), ZIPPED.filename)


def zip_entries() -> list[ZipEntry]:
    """Return the entries of the plain .zip sdist."""
    return [ZipEntry(path, data) for path, data in ZIPPED.contents().items()]


def with_zeros(mebibytes: int, *, noise_mebibytes: int = 0) -> bytes:
    """Return an sdist with a file of zeros, and one behind it that does not compress."""
    head = b"".join(entry.pack() for entry in PLAIN.entries())
    zeros = TarEntry(f"{TOP}/zeros.bin", size=octal(mebibytes * MIB)).pack()
    noise = TarEntry(f"{TOP}/noise.bin", Random(0).randbytes(noise_mebibytes * MIB)).pack()
    return gzipped_zeros(head + zeros, mebibytes, tail=noise + END)


GZIP = [
    sample("empty file", lambda: b"", code="gzip-truncated"),
    sample("not gzip", lambda: b"<!doctype html>" * 40, code="gzip-header"),
    sample("tar archive without gzip", lambda: TAR, code="gzip-header"),
    sample("cut short", lambda: BYTES[:-12], code="gzip-truncated"),
    sample("cut inside the checksum", lambda: BYTES[:-2], code="gzip-truncated"),
    sample("wrong gzip checksum", lambda: BYTES[:-8] + b"\x00" * 4 + BYTES[-4:], code="gzip-crc"),
    sample("wrong length", lambda: BYTES[:-4] + b"\x00" * 4, code="gzip-crc"),
    sample("damaged data", lambda: BYTES[:10] + b"\xff" * 40 + BYTES[50:], code="gzip-damaged"),
    sample("two gzip members", lambda: gzipped(TAR[:BLOCK]) + gzipped(TAR[BLOCK:]), code="gzip-multi-member"),
    sample("a second archive behind", lambda: BYTES + BYTES, code="gzip-multi-member"),
    sample("trailing data", lambda: BYTES + b"more", code="gzip-trailing-data"),
    sample("trailing zero bytes", lambda: BYTES + bytes(512), code="gzip-trailing-data"),
    sample("ZIP file behind", lambda: BYTES + ZIPPED.build(), code="polyglot"),
    sample("ZIP file in the gzip header", lambda: gzip_with_extra(TAR, ZIPPED.build()), code="polyglot"),
    sample("extra field in the gzip header", lambda: gzip_with_extra(TAR, b"hello"), code="gzip-extra-field"),
    sample("gzip in gzip", lambda: gzipped(BYTES * 4), code="tar-checksum"),
    sample("text in gzip", lambda: gzipped(b"hello" * 200), code="tar-checksum"),
    sample("gzip bomb", lambda: with_zeros(2000), code="tar-bomb-ratio"),
    sample("gzip bomb in front of noise", lambda: with_zeros(400, noise_mebibytes=10), code="tar-bomb-ratio"),
]

BLOCKS = [
    sample("cut inside a header", lambda: gzipped(TAR[:700]), code="tar-truncated"),
    sample("cut inside a file", lambda: gzipped(build_tar([replace(EVIL, size=octal(9999))], end=b"")), code="tar-truncated"),
    sample("data behind the end", lambda: build_tar_gz(PLAIN.entries(), end=END + b"more"), code="tar-trailing-data"),
    sample("second archive behind the end", lambda: build_tar_gz(PLAIN.entries(), end=END + TAR), code="tar-trailing-data"),
    sample("entry behind one zero block", lambda: build_tar_gz(PLAIN.entries(), end=bytes(BLOCK) + EVIL.pack() + END), code="tar-trailing-data"),
    of_entries("wrong checksum", "tar-checksum", replace(EVIL, checksum=b"000001\x00 ")),
    of_entries("no checksum", "tar-checksum", replace(EVIL, checksum=b" " * 8)),
    of_entries("unknown magic", "tar-magic", replace(EVIL, magic=b"ustar\x0099")),
    of_entries("GNU header with a prefix", "tar-prefix", replace(EVIL, magic=GNU, prefix=b"evil")),
    of_entries("size in letters", "tar-size", replace(EVIL, size=b"0000000000x\x00")),
    of_entries("size with an underscore", "tar-size", replace(EVIL, size=b"0000000_004\x00")),
    of_entries("negative size", "tar-size", replace(EVIL, size=b"\xff" * 12)),
    of_entries("enormous size", "tar-size", replace(EVIL, size=b"\x80" + b"\x7f" * 11)),
    of_entries("size beyond the end", "tar-truncated", replace(EVIL, size=b"\x80" + bytes(4) + b"\x7f" * 7)),
    of_entries("character device", "tar-device", replace(EVIL, kind=b"3", data=b"")),
    of_entries("block device", "tar-device", replace(EVIL, kind=b"4", data=b"")),
    of_entries("named pipe", "tar-fifo", replace(EVIL, kind=b"6", data=b"")),
    of_entries("GNU sparse file", "tar-sparse", replace(EVIL, kind=b"S", magic=GNU)),
    of_entries("volume header", "tar-entry-kind", replace(EVIL, kind=b"V", data=b"")),
    of_entries("part of a volume", "tar-entry-kind", replace(EVIL, kind=b"M")),
    of_entries("contiguous file", "tar-entry-kind", replace(EVIL, kind=b"7")),
    of_entries("Solaris extended header", "tar-entry-kind", replace(EVIL, kind=b"X")),
    of_entries("unknown kind", "tar-entry-kind", replace(EVIL, kind=b"?")),
    of_entries("file called like a directory", "tar-directory-file", replace(EVIL, name=f"{TOP}/sub/")),
    of_entries("directory with content", "tar-link-data", replace(EVIL, name=f"{TOP}/sub/", kind=b"5")),
    of_entries("symbolic link with content", "tar-link-data", replace(EVIL, kind=b"2", link="PKG-INFO")),
    of_entries("hard link with content", "tar-link-data", replace(EVIL, kind=b"1", link=f"{TOP}/PKG-INFO")),
    sample("many entries", lambda: gzipped(TarEntry(f"{TOP}/", kind=b"5").pack() * 100_001), code="tar-too-many-entries"),
]  # fmt: skip

EXTENSIONS = [
    of_pax("PAX size hides an archive", {"size": "1024"}, code="tar-pax-size"),
    of_pax("PAX size of zero", {"size": "0"}, code="tar-pax-size"),
    of_pax("PAX size in letters", {"size": "4x"}, code="tar-pax-syntax"),
    of_pax("PAX sparse file", {"GNU.sparse.major": "1"}, code="tar-sparse"),
    of_pax("PAX in another character set", {"hdrcharset": "BINARY"}, code="tar-pax-charset"),
    of_pax("PAX path empty", {"path": ""}, code="tar-pax-syntax"),
    of_pax("PAX path with NUL", {"path": f"{TOP}/a\x00b"}, code="tar-pax-syntax"),
    of_pax("PAX path absolute", {"path": "/etc/cron.d/demo"}, code="path-absolute"),
    of_raw_pax("PAX line too long", b"99 path=x\n", code="tar-pax-syntax"),
    of_raw_pax("PAX line too short", b"2 path=x\n", code="tar-pax-syntax"),
    of_raw_pax("PAX line without a length", b"path=x\n", code="tar-pax-syntax"),
    of_raw_pax("PAX line without a key", pax_line(b"", b"x"), code="tar-pax-syntax"),
    of_raw_pax("PAX line without an end", b"9 path=xy", code="tar-pax-syntax"),
    of_raw_pax("PAX key twice", pax_line(b"path", b"a") + pax_line(b"path", b"b"), code="tar-pax-duplicate"),
    of_entries("global path", "tar-pax-global", pax({"path": "x"}, kind=b"g"), EVIL),
    of_entries("global size", "tar-pax-global", pax({"size": "4"}, kind=b"g"), EVIL),
    of_pax("huge PAX header", {"comment": "a" * 2 * MIB}, code="tar-pax-too-large"),
    of_entries("PAX header without entry", "tar-dangling-header", pax({"path": f"{TOP}/x"})),
    of_entries("two PAX headers", "tar-repeated-header", pax({"path": f"{TOP}/x"}), pax({"mtime": "1"}), EVIL),
    of_entries("two GNU long names", "tar-repeated-header", long_name(f"{TOP}/x"), long_name(f"{TOP}/y"), EVIL),
    of_entries("long names of PAX and GNU", "tar-two-long-names", pax({"path": f"{TOP}/x"}), long_name(f"{TOP}/y"), EVIL),
    of_entries("long targets of PAX and GNU", "tar-two-long-names", pax({"linkpath": "a"}), long_name("b", kind=b"K"), link("l", "c")),
    of_entries("GNU long name with more behind", "tar-long-name", long_name(f"{TOP}/x\x00/../../evil"), EVIL),
    of_entries("GNU long name empty", "tar-long-name", long_name(""), EVIL),
    of_entries("GNU long name without entry", "tar-dangling-header", long_name(f"{TOP}/x")),
]  # fmt: skip

TREES = [
    of_entries("absolute path", "path-absolute", replace(EVIL, name="/etc/cron.d/demo")),
    of_entries("path that climbs out", "path-parent", replace(EVIL, name=f"{TOP}/../../evil")),
    of_entries("prefix that climbs out", "path-parent", replace(EVIL, prefix=b"..")),
    of_entries("backslash", "path-backslash", replace(EVIL, name=f"{TOP}\\evil")),
    of_entries("Windows drive", "path-drive", replace(EVIL, name="C:evil")),
    of_entries("line break", "path-unprintable", replace(EVIL, name=f"{TOP}/a\nb")),
    of_entries("path not UTF-8", "path-encoding", replace(EVIL, name=TOP.encode() + b"/\xff")),
    of_entries("dot segment", "path-not-plain", replace(EVIL, name=f"{TOP}/./evil")),
    of_entries("no name", "path-empty", replace(EVIL, name="")),
    of_entries("file twice", "tar-duplicate-name", EVIL, EVIL),
    of_entries("file and link of one name", "tar-duplicate-name", EVIL, link("evil.py", "PKG-INFO")),
    of_entries("paths that differ in case", "path-case-collision", EVIL, replace(EVIL, name=f"{TOP}/EVIL.py")),
    of_entries("paths that differ in normalisation", "path-unicode-collision", replace(EVIL, name=f"{TOP}/\u00e9"), replace(EVIL, name=f"{TOP}/e\u0301")),
    of_entries("file as a directory", "path-file-as-directory", EVIL, replace(EVIL, name=f"{TOP}/evil.py/x")),
    of_entries("two top directories", "sdist-top-directory", replace(EVIL, name="other/evil.py")),
    sample("no top directory", lambda: build_tar_gz([TarEntry("PKG-INFO", metadata_of("demo", "1.0"))]), code="sdist-top-directory"),
    sample("empty archive", lambda: build_tar_gz([]), code="sdist-top-directory"),
    sample("no PKG-INFO", Sdist(files={"PKG-INFO": None}).build, code="sdist-pkg-info-missing"),
    sample("PKG-INFO deeper only", Sdist(files={"PKG-INFO": None, "demo.egg-info/PKG-INFO": b""}).build, code="sdist-pkg-info-missing"),
    sample("PKG-INFO is a link", lambda: build_tar_gz([*Sdist(files={"PKG-INFO": None, "x": b""}).entries(), link("PKG-INFO", "x")]), code="sdist-pkg-info-missing"),
    sample("huge PKG-INFO", Sdist(metadata=bytes(range(256)) * 40_000).build, code="entry-too-large"),
    of_entries("link out of the archive", "tar-link-escape", link("l", "../../etc/passwd")),
    of_entries("link to the neighbour", "tar-link-escape", link("l", "../other")),
    of_entries("chain of links that climbs out", "tar-link-escape", TarEntry(f"{TOP}/a/b/", kind=b"5"), link("a/b/up", "../.."), link("l", "a/b/up/../../etc")),
    of_entries("top directory is a link", "tar-through-link", TarEntry(TOP, kind=b"2", link="/etc")),
    of_entries("absolute link", "tar-link-absolute", link("l", "/etc/passwd")),
    of_entries("link to a Windows drive", "tar-link-absolute", link("l", "C:\\Windows")),
    of_entries("link without a target", "tar-link-target", link("l", "")),
    of_entries("link that leads to itself", "tar-link-loop", link("a", "b"), link("b", "a")),
    of_entries("file behind a link", "tar-through-link", link("sub", "src"), TarEntry(f"{TOP}/sub/x.py")),
    of_entries("hard link out of the archive", "tar-hard-link", link("l", "/etc/passwd", kind=b"1")),
    of_entries("hard link to a later file", "tar-hard-link", link("l", f"{TOP}/evil.py", kind=b"1"), EVIL),
    of_entries("hard link to a link", "tar-hard-link", link("s", "PKG-INFO"), link("l", f"{TOP}/s", kind=b"1")),
]  # fmt: skip

NAMES = [
    sample("metadata of another project", Sdist(metadata=metadata_of("other", "1.0")).build, code="metadata-name"),
    sample("metadata of another version", Sdist(metadata=metadata_of("demo", "2.0")).build, code="metadata-version"),
    sample("metadata without a version", Sdist(metadata=b"Name: demo\nVersion: 1.0\n").build, code="metadata-format"),
    Sample("filename without a version", "sdist-filename", PLAIN.build, Filename("demo.tar.gz")),
    Sample("filename with an odd version", "sdist-filename", PLAIN.build, Filename("demo-latest.tar.gz")),
    of_zip("zip: two top directories", [*zip_entries(), ZipEntry("other/x.py")], code="sdist-top-directory"),
    of_zip("zip: no PKG-INFO", [ZipEntry(f"{TOP}/setup.py")], code="sdist-pkg-info-missing"),
    of_zip("zip: symbolic link", [*zip_entries(), ZipEntry(f"{TOP}/l", b"x", mode=0o120777)], code="entry-symlink"),
    Sample("zip: tar archive called .zip", "polyglot", lambda: TAR, ZIPPED.filename),
    Sample("zip: trailing data", "zip-trailing-data", lambda: ZIPPED.build() + b"more", ZIPPED.filename),
]  # fmt: skip

MALFORMED_SDISTS = [*GZIP, *BLOCKS, *EXTENSIONS, *TREES, *NAMES]
