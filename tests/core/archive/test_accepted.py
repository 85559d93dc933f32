"""What organisations really have is let through: the valid cousin of each refusal, and old habits."""

# ruff: noqa: E501  # tables: one sample a line
from __future__ import annotations

import io
from dataclasses import replace

import pytest

from strongroom.core.archive import Inspected, Limits, inspect_archive
from strongroom.core.model import PackageType
from strongroom.core.names import Filename
from strongroom.core.policy import Refuse
from tests.archives import Sdist, Wheel, metadata_of, record_line
from tests.archives.tars import (
    END,
    GNU,
    V7,
    TarEntry,
    build_tar,
    build_tar_gz,
    gzip_with_field,
    long_name,
    pax,
)
from tests.archives.wheels import MODULE
from tests.archives.zips import (
    DIRECTORY_MODE,
    SENTINEL,
    ZipEntry,
    build_zip,
    deflate,
    extra_field,
    unicode_path,
    with_descriptor,
    zip64_sizes,
)

PLAIN = Wheel()
INFO = PLAIN.directory
TOP = Sdist().top
MODULE_ENTRY = ZipEntry("demo/app.py", MODULE)
INIT_ENTRY = ZipEntry("demo/__init__.py")


def inspect(archive: bytes, filename: str) -> Inspected | Refuse:
    """Run the gate."""
    return inspect_archive(io.BytesIO(archive), Filename(filename))


def with_entry(entry: ZipEntry) -> bytes:
    """Return the plain wheel with the entry of that name replaced, or added."""
    entries = {old.name: old for old in PLAIN.entries()}
    return build_zip({**entries, entry.name: entry}.values())


def with_tar(*entries: TarEntry, end: bytes = END) -> bytes:
    """Return the plain sdist with more entries."""
    return build_tar_gz([*Sdist().entries(), *entries], end=end)


NAMES = [
    ("local version", Wheel(version="1.0+corp.3")),
    ("raw platform tag", Wheel(tag="cp311-cp311-linux_x86_64")),
    ("compressed tag set", Wheel(tag="cp39.cp310-abi3.none-manylinux_2_17_x86_64.manylinux2014_x86_64")),
    ("build tag", Wheel(tag="1_corp-py3-none-any", dist_info=INFO)),
    ("variant label", Wheel(tag="py3-none-any-cu126.x")),
    ("build tag and variant label", Wheel(tag="7-py3-none-any-cu126")),
    ("epoch", Wheel(version="1!2.0")),
    ("name not normalised", Wheel(name="Foo_Bar", dist_info="Foo_Bar-1.0.dist-info")),
    ("name with dots", Wheel(name="foo.bar")),
    (".dist-info spelt otherwise", Wheel(name="foo-bar", dist_info="Foo.Bar-1.0.dist-info")),
    ("version spelt otherwise", Wheel(version="1.0", dist_info="demo-1.0.0.dist-info")),
    ("version escaped by old tools", Wheel(version="1.0_1", dist_info="demo-1.0_1.dist-info", metadata=metadata_of("demo", "1.0-1"))),
]  # fmt: skip

WHEELS = [
    ("scripts", Wheel(files={f"{INFO}/entry_points.txt": b"[console_scripts]\ndemo = demo.app:main\nd.e-f_2 = demo.app : main [x,y]\n"})),
    ("entry points as old setuptools wrote them", Wheel(files={f"{INFO}/entry_points.txt": b"\n    # a comment\n    [console_scripts]\n    demo = demo.app:main\n\n    "})),
    ("free names in other groups", Wheel(files={f"{INFO}/entry_points.txt": b"[mkdocs.plugins]\nmaterial/blog = a:b\nodd name = c\n"})),
    ("empty entry points", Wheel(files={f"{INFO}/entry_points.txt": b""})),
    ("vendored .dist-info", Wheel(files={"demo/_vendor/x-1.dist-info/METADATA": b"x"})),
    ("file larger than a step of unpacking", Wheel(files={"demo/zeros.bin": bytes(3 << 20), "demo/held.bin": bytes((1 << 18) + 243)})),
    ("top-level file", Wheel(files={"demo.pth": b"import demo\n"})),
    ("data schemes", Wheel(files={"demo-1.0.data/scripts/demo": b"#!python\n", "demo-1.0.data/data/etc/x": b""})),
    ("another project's .data", Wheel(files={"other.data/x": b"", "demo-1.0.data.txt": b""})),
    ("path in UTF-8", Wheel(files={"demo/ünï/日本.txt": b"x", "demo/a b, c.txt": b"y"})),
    ("many directories", Wheel(files={"a/" * 90 + "x.py": b""})),
    ("signature", Wheel(files={f"{INFO}/RECORD.jws": b"{}"}, record=lambda text: text.replace(record_line(f"{INFO}/RECORD.jws", b"{}"), f"{INFO}/RECORD.jws,,\n"))),
    ("signature not listed", Wheel(files={f"{INFO}/RECORD.p7s": b"x"}, record=lambda text: text.replace(record_line(f"{INFO}/RECORD.p7s", b"x"), ""))),
    ("RECORD that does not list itself", Wheel(record=lambda text: text.replace(f"{INFO}/RECORD,,\n", ""))),
    ("RECORD with a line for itself with a hash", Wheel(record=lambda text: text.replace("RECORD,,", "RECORD,sha256=x,1"))),
    ("RECORD with padding in hashes", Wheel(record=lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", MODULE).replace(",3", "=,3")))),
    ("RECORD without sizes", Wheel(record=lambda text: text.replace(f",{len(MODULE)}\n", ",\n"))),
    ("RECORD in CRLF", Wheel(record=lambda text: text.replace("\n", "\r\n"))),
    ("RECORD with an empty line and a repeated one", Wheel(record=lambda text: f"{text}\n{text}")),
    ("SHA-512", Wheel(record=lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", MODULE, algorithm="sha512")))),
    ("wheel of before version 1", Wheel(files={f"{INFO}/WHEEL": b"Wheel-Version: 0.9\n"})),
    ("old metadata", Wheel(metadata=metadata_of("demo", "1.0", metadata_version="1.0"))),
    ("new metadata", Wheel(metadata=metadata_of("demo", "1.0", metadata_version="2.6"))),
    ("private classifier and direct URL", Wheel(metadata=metadata_of("demo", "1.0", "Classifier: Private :: Do Not Upload", "Requires-Dist: x @ https://example.org/x.whl"))),
    ("metadata in Latin-1", Wheel(metadata=b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nAuthor: Zo\xeb\n")),
]  # fmt: skip

ZIPS = [
    ("stored", replace(MODULE_ENTRY, is_deflated=False)),
    ("empty and deflated", INIT_ENTRY),
    ("sizes behind the data", with_descriptor(MODULE_ENTRY)),
    ("sizes before and behind the data", replace(with_descriptor(MODULE_ENTRY), local=lambda told: told)),
    ("directory", ZipEntry("demo/", mode=DIRECTORY_MODE)),
    ("directory, deflated", ZipEntry("demo/sub/", mode=DIRECTORY_MODE, packed=deflate(b""))),
    ("no mode, as on Windows", replace(MODULE_ENTRY, mode=0)),
    ("deflate options", replace(MODULE_ENTRY, flags=0x0806)),
    ("Unicode path like the name", replace(MODULE_ENTRY, central=lambda told: replace(told, extra=unicode_path(told.name)))),
    ("times and owners", replace(MODULE_ENTRY, local=lambda told: replace(told, extra=extra_field(0x5455, b"\x00" * 5) * 2))),
    ("ZIP64 sizes without need", replace(MODULE_ENTRY, local=lambda told: replace(told, extra=zip64_sizes(told.unpacked, told.packed)))),
    ("ZIP64 sizes", replace(MODULE_ENTRY, local=lambda told: replace(told, packed=SENTINEL, unpacked=SENTINEL, extra=zip64_sizes(told.unpacked, told.packed)))),
]  # fmt: skip

EVIL = TarEntry(f"{TOP}/x.py", b"x")

TARS = [
    ("symbolic link inside", with_tar(TarEntry(f"{TOP}/docs/README", kind=b"2", link="../PKG-INFO"))),
    ("link to nothing", with_tar(TarEntry(f"{TOP}/docs/README", kind=b"2", link="./gone//x"))),
    ("chain of links inside", with_tar(TarEntry(f"{TOP}/a", kind=b"2", link="src"), TarEntry(f"{TOP}/b", kind=b"2", link="a/demo.py"))),
    ("hard link", with_tar(TarEntry(f"{TOP}/COPY", kind=b"1", link=f"{TOP}/PKG-INFO"))),
    ("directories, also repeated", with_tar(TarEntry(f"{TOP}/", kind=b"5"), TarEntry(f"{TOP}/src", kind=b"5"), TarEntry(f"{TOP}/src/", kind=b"5"))),
    ("directories that differ in case", with_tar(TarEntry(f"{TOP}/Doc/", kind=b"5"), TarEntry(f"{TOP}/doc/", kind=b"5"))),
    ("old kind of file", with_tar(replace(EVIL, kind=b"\x00", magic=V7))),
    ("GNU header", with_tar(replace(EVIL, magic=GNU))),
    ("GNU long name", with_tar(long_name(f"{TOP}/{'a' * 120}"), EVIL)),
    ("GNU long target", with_tar(long_name("../" * 2 + f"{TOP}/" * 3, kind=b"K"), TarEntry(f"{TOP}/a/b/c/d", kind=b"2", link="x"))),
    ("GNU long name and a PAX time", with_tar(pax({"mtime": "1.5"}), long_name(f"{TOP}/y"), EVIL)),
    ("prefix", with_tar(TarEntry("x.py", prefix=f"{TOP}/{'a' * 90}".encode()))),
    ("PAX path", with_tar(pax({"path": f"{TOP}/ü.py", "mtime": "1.5"}), EVIL)),
    ("PAX size that agrees", with_tar(pax({"size": "1"}), EVIL)),
    ("PAX in UTF-8, said so", with_tar(pax({"hdrcharset": "ISO-IR 10646 2000 UTF-8"}), EVIL)),
    ("comment of git", build_tar_gz([pax({"comment": "0" * 40}, kind=b"g"), *Sdist().entries()])),
    ("size as a binary number", with_tar(replace(EVIL, size=b"\x80" + bytes(10) + b"\x01"))),
    ("size padded with spaces", with_tar(replace(EVIL, size=b"          1 "))),
    ("checksum of signed bytes", with_tar(replace(EVIL, name=f"{TOP}/\u00fc", checksum=b"%06o\x00 " % (sum(replace(EVIL, name=f"{TOP}/\u00fc").pack()[:148]) + sum(replace(EVIL, name=f"{TOP}/\u00fc").pack()[156:512]) + 256 - 512)))),
    ("packed with ./ in front", build_tar_gz([TarEntry("./", kind=b"5"), TarEntry(".", kind=b"5"), *(replace(entry, name=f"./{entry.name!s}") for entry in Sdist().entries()), TarEntry(f"./{TOP}/x", kind=b"1", link=f"./{TOP}/PKG-INFO")])),
    ("no end mark", with_tar(end=b"")),
    ("long end", with_tar(end=bytes(10240))),
    ("gzip header with a name", gzip_with_field(build_tar(Sdist().entries()), b"demo-1.0.tar\x00", flag=0x08)),
]  # fmt: skip

SDISTS = [
    ("name with dots and capitals", "Foo.Bar-1.0.tar.gz", Sdist("Foo.Bar")),
    ("name with hyphens", "foo-bar-1.0.tar.gz", Sdist("foo-bar", metadata=metadata_of("Foo_Bar", "1.0"))),
    ("name that looks like a version", "demo-1-2.tar.gz", Sdist("demo-1", "2")),
    ("version with a hyphen", "demo-1-2.tar.gz", Sdist("demo", "1-2")),
    ("local version", "demo-1.0+corp.3.tar.gz", Sdist(version="1.0+corp.3")),
    ("zip", "demo-1.0.zip", Sdist(ending=".zip")),
    ("top directory of another name", "demo-1.0.tar.gz", Sdist("other", metadata=metadata_of("demo", "1.0"))),
    ("PKG-INFO in other places too", "demo-1.0.tar.gz", Sdist(files={"src/demo.egg-info/PKG-INFO": b"x"})),
]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "wheel"), [*NAMES, *WHEELS], ids=lambda value: value if isinstance(value, str) else ""
)
def test_wheels_are_accepted(title: str, wheel: Wheel) -> None:
    """A wheel with this habit is accepted, and its METADATA returned byte for byte."""
    outcome = inspect(wheel.build(), wheel.filename)

    assert isinstance(outcome, Inspected), (title, outcome)
    assert outcome.metadata == wheel.contents()[f"{wheel.directory}/METADATA"]
    assert outcome.package_type is PackageType.WHEEL


@pytest.mark.parametrize(("title", "entry"), ZIPS, ids=lambda value: value if isinstance(value, str) else "")
def test_zip_features_are_accepted(title: str, entry: ZipEntry) -> None:
    """A wheel with an entry like this is accepted."""
    outcome = inspect(with_entry(entry), PLAIN.filename)

    assert isinstance(outcome, Inspected), (title, outcome)


@pytest.mark.parametrize(("title", "archive"), TARS, ids=lambda value: value if isinstance(value, str) else "")
def test_tar_features_are_accepted(title: str, archive: bytes) -> None:
    """An sdist with an entry like this is accepted."""
    outcome = inspect(archive, Sdist().filename)

    assert outcome == Inspected(metadata_of("demo", "1.0"), PackageType.SDIST, "source"), title


@pytest.mark.parametrize(
    ("title", "filename", "sdist"), SDISTS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_sdists_are_accepted(title: str, filename: str, sdist: Sdist) -> None:
    """An sdist with this habit is accepted, and its PKG-INFO returned byte for byte."""
    outcome = inspect(sdist.build(), filename)

    assert isinstance(outcome, Inspected), (title, outcome)
    assert outcome.metadata == sdist.contents()[f"{sdist.top}/PKG-INFO"]


def test_zip64_end_records_are_accepted() -> None:
    """A wheel of more than 65,535 entries has ZIP64 end records; they are read where they agree."""
    plain = build_zip(PLAIN.entries(), end64=lambda end: end)
    filled = build_zip(
        PLAIN.entries(),
        end64=lambda end: end,
        end=lambda end: replace(end, entries=0xFFFF, size=SENTINEL, offset=SENTINEL, comment=b"hello"),
    )

    assert isinstance(inspect(plain, PLAIN.filename), Inspected)
    assert isinstance(inspect(filled, PLAIN.filename), Inspected)


def test_wide_descriptors_are_accepted() -> None:
    """A ZIP64 entry that was written as a stream gives its sizes in 64 bits."""
    entry = with_descriptor(MODULE_ENTRY)
    wide = entry.after[:8] + b"".join(
        int.from_bytes(entry.after[at : at + 4], "little").to_bytes(8, "little") for at in (8, 12)
    )
    changed = replace(
        entry,
        after=wide,
        local=lambda told: replace(told, crc=0, packed=SENTINEL, unpacked=SENTINEL, extra=zip64_sizes(0, 0)),
    )

    assert isinstance(inspect(with_entry(changed), PLAIN.filename), Inspected)


def test_python_tag_is_the_filename_s() -> None:
    """The python tag is returned as the filename has it."""
    wheel = Wheel(tag="cp39.cp310-abi3-linux_x86_64")

    outcome = inspect(wheel.build(), wheel.filename)

    assert isinstance(outcome, Inspected)
    assert outcome.python_tag == "cp39.cp310"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(entries=3), "too-many-entries"),
        (Limits(unpacked_bytes=100), "bomb-total"),
        (Limits(metadata_bytes=10), "entry-too-large"),
        (Limits(bomb_floor_bytes=0, bomb_ratio=0), "bomb-ratio"),
    ],
)
def test_limits_are_the_caller_s(limits: Limits, code: str) -> None:
    """The same archive that passes by default is refused under tighter limits."""
    for filename, archive in ((PLAIN.filename, PLAIN.build()), (Sdist().filename, with_tar(EVIL))):
        outcome = inspect_archive(io.BytesIO(archive), filename, limits=limits)

        assert isinstance(outcome, Refuse)
        assert code in outcome.code
