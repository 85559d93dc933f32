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


def sample(title: str, code: str, build: Callable[[], bytes]) -> Sample:
    """Make a sample of the plain sdist's name."""
    return Sample(title, code, build, PLAIN.filename)


def of_entries(title: str, code: str, *entries: TarEntry) -> Sample:
    """Make a sample of an sdist with these entries more."""
    return sample(title, code, lambda: build_tar_gz([*PLAIN.entries(), *entries]))


def of_pax(title: str, code: str, records: Mapping[str, str | bytes], *, entry: TarEntry = EVIL) -> Sample:
    """Make a sample of an sdist with an extended header in front of one more entry."""
    return of_entries(title, code, pax(records), entry)


def of_raw_pax(title: str, code: str, raw: bytes) -> Sample:
    """Make a sample of an sdist with an extended header of these bytes."""
    return of_entries(title, code, TarEntry("PaxHeaders/x", raw, b"x"), EVIL)


def link(name: str, target: str | bytes, *, kind: bytes = b"2") -> TarEntry:
    """Return a symbolic link (or a hard link) below the top directory."""
    return TarEntry(f"{TOP}/{name}", kind=kind, link=target)


def of_zip(title: str, code: str, entries: Iterable[ZipEntry]) -> Sample:
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
    return gzipped_zeros(head + zeros, mebibytes, noise + END)


GZIP = [
    sample("empty file", "gzip-truncated", lambda: b""),
    sample("not gzip", "gzip-header", lambda: b"<!doctype html>" * 40),
    sample("tar archive without gzip", "gzip-header", lambda: TAR),
    sample("cut short", "gzip-truncated", lambda: BYTES[:-12]),
    sample("cut inside the checksum", "gzip-truncated", lambda: BYTES[:-2]),
    sample("wrong gzip checksum", "gzip-crc", lambda: BYTES[:-8] + b"\x00" * 4 + BYTES[-4:]),
    sample("wrong length", "gzip-crc", lambda: BYTES[:-4] + b"\x00" * 4),
    sample("damaged data", "gzip-damaged", lambda: BYTES[:10] + b"\xff" * 40 + BYTES[50:]),
    sample("two gzip members", "gzip-multi-member", lambda: gzipped(TAR[:BLOCK]) + gzipped(TAR[BLOCK:])),
    sample("a second archive behind", "gzip-multi-member", lambda: BYTES + BYTES),
    sample("trailing data", "gzip-trailing-data", lambda: BYTES + b"more"),
    sample("trailing zero bytes", "gzip-trailing-data", lambda: BYTES + bytes(512)),
    sample("ZIP file behind", "polyglot", lambda: BYTES + ZIPPED.build()),
    sample("ZIP file in the gzip header", "polyglot", lambda: gzip_with_extra(TAR, ZIPPED.build())),
    sample("gzip in gzip", "tar-checksum", lambda: gzipped(BYTES * 4)),
    sample("text in gzip", "tar-checksum", lambda: gzipped(b"hello" * 200)),
    sample("gzip bomb", "tar-bomb-ratio", lambda: with_zeros(2000)),
    sample("gzip bomb in front of noise", "tar-bomb-ratio", lambda: with_zeros(400, noise_mebibytes=10)),
]

BLOCKS = [
    sample("cut inside a header", "tar-truncated", lambda: gzipped(TAR[:700])),
    sample("cut inside a file", "tar-truncated", lambda: gzipped(build_tar([replace(EVIL, size=octal(9999))], end=b""))),
    sample("data behind the end", "tar-trailing-data", lambda: build_tar_gz(PLAIN.entries(), end=END + b"more")),
    sample("second archive behind the end", "tar-trailing-data", lambda: build_tar_gz(PLAIN.entries(), end=END + TAR)),
    sample("entry behind one zero block", "tar-trailing-data", lambda: build_tar_gz(PLAIN.entries(), end=bytes(BLOCK) + EVIL.pack() + END)),
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
    sample("many entries", "tar-too-many-entries", lambda: gzipped(TarEntry(f"{TOP}/", kind=b"5").pack() * 100_001)),
]  # fmt: skip

EXTENSIONS = [
    of_pax("PAX size hides an archive", "tar-pax-size", {"size": "1024"}),
    of_pax("PAX size of zero", "tar-pax-size", {"size": "0"}),
    of_pax("PAX size in letters", "tar-pax-syntax", {"size": "4x"}),
    of_pax("PAX sparse file", "tar-sparse", {"GNU.sparse.major": "1"}),
    of_pax("PAX in another character set", "tar-pax-charset", {"hdrcharset": "BINARY"}),
    of_pax("PAX path empty", "tar-pax-syntax", {"path": ""}),
    of_pax("PAX path with NUL", "tar-pax-syntax", {"path": f"{TOP}/a\x00b"}),
    of_pax("PAX path absolute", "path-absolute", {"path": "/etc/cron.d/demo"}),
    of_raw_pax("PAX line too long", "tar-pax-syntax", b"99 path=x\n"),
    of_raw_pax("PAX line too short", "tar-pax-syntax", b"2 path=x\n"),
    of_raw_pax("PAX line without a length", "tar-pax-syntax", b"path=x\n"),
    of_raw_pax("PAX line without a key", "tar-pax-syntax", pax_line(b"", b"x")),
    of_raw_pax("PAX line without an end", "tar-pax-syntax", b"9 path=xy"),
    of_raw_pax("PAX key twice", "tar-pax-duplicate", pax_line(b"path", b"a") + pax_line(b"path", b"b")),
    of_entries("global path", "tar-pax-global", pax({"path": "x"}, kind=b"g"), EVIL),
    of_entries("global size", "tar-pax-global", pax({"size": "4"}, kind=b"g"), EVIL),
    of_pax("huge PAX header", "tar-pax-too-large", {"comment": "a" * 2 * MIB}),
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
    sample("no top directory", "sdist-top-directory", lambda: build_tar_gz([TarEntry("PKG-INFO", metadata_of("demo", "1.0"))])),
    sample("empty archive", "sdist-top-directory", lambda: build_tar_gz([])),
    sample("no PKG-INFO", "sdist-pkg-info-missing", Sdist(files={"PKG-INFO": None}).build),
    sample("PKG-INFO deeper only", "sdist-pkg-info-missing", Sdist(files={"PKG-INFO": None, "demo.egg-info/PKG-INFO": b""}).build),
    sample("PKG-INFO is a link", "sdist-pkg-info-missing", lambda: build_tar_gz([*Sdist(files={"PKG-INFO": None, "x": b""}).entries(), link("PKG-INFO", "x")])),
    sample("huge PKG-INFO", "entry-too-large", Sdist(metadata=bytes(range(256)) * 40_000).build),
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
    sample("metadata of another project", "metadata-name", Sdist(metadata=metadata_of("other", "1.0")).build),
    sample("metadata of another version", "metadata-version", Sdist(metadata=metadata_of("demo", "2.0")).build),
    sample("metadata without a version", "metadata-format", Sdist(metadata=b"Name: demo\nVersion: 1.0\n").build),
    Sample("filename without a version", "sdist-filename", PLAIN.build, Filename("demo.tar.gz")),
    Sample("filename with an odd version", "sdist-filename", PLAIN.build, Filename("demo-latest.tar.gz")),
    of_zip("zip: two top directories", "sdist-top-directory", [*zip_entries(), ZipEntry("other/x.py")]),
    of_zip("zip: no PKG-INFO", "sdist-pkg-info-missing", [ZipEntry(f"{TOP}/setup.py")]),
    of_zip("zip: symbolic link", "entry-symlink", [*zip_entries(), ZipEntry(f"{TOP}/l", b"x", mode=0o120777)]),
    Sample("zip: tar archive called .zip", "polyglot", lambda: TAR, ZIPPED.filename),
    Sample("zip: trailing data", "zip-trailing-data", lambda: ZIPPED.build() + b"more", ZIPPED.filename),
]  # fmt: skip

MALFORMED_SDISTS = [*GZIP, *BLOCKS, *EXTENSIONS, *TREES, *NAMES]
