"""Wheels whose ZIP framing is sound and whose paths or files are not."""

# ruff: noqa: E501  # a table: one sample a line
from __future__ import annotations

from collections.abc import Callable, Mapping

from strongroom.core.names import Filename
from tests.archives.malformed_zips import MALFORMED_ZIPS
from tests.archives.sample import Sample
from tests.archives.wheels import MODULE, WHEEL, Wheel, metadata_of, record_line
from tests.archives.zips import ZipEntry, build_zip

PLAIN = Wheel()
INFO = PLAIN.directory


def sample(title: str, code: str, wheel: Wheel) -> Sample:
    """Make a sample of a wheel."""
    return Sample(title, code, wheel.build, wheel.filename)


def of_files(title: str, code: str, files: Mapping[str, bytes | None]) -> Sample:
    """Make a sample of a wheel with these files more, or less (None)."""
    return sample(title, code, Wheel(files=files))


def of_entry(title: str, code: str, entry: ZipEntry) -> Sample:
    """Make a sample of a wheel with this entry more."""
    return Sample(title, code, lambda: build_zip([*PLAIN.entries(), entry]), PLAIN.filename)


def of_record(title: str, code: str, record: Callable[[str], str]) -> Sample:
    """Make a sample of a wheel with another RECORD."""
    return sample(title, code, Wheel(record=record))


def of_scripts(title: str, code: str, text: bytes) -> Sample:
    """Make a sample of a wheel with these entry points."""
    return of_files(title, code, {f"{INFO}/entry_points.txt": text})


def of_metadata(title: str, code: str, metadata: bytes) -> Sample:
    """Make a sample of a wheel with this METADATA."""
    return sample(title, code, Wheel(metadata=metadata))


def of_name(title: str, code: str, filename: str) -> Sample:
    """Make a sample of a good wheel under a bad name."""
    return Sample(title, code, PLAIN.build, Filename(filename))


PATHS = [
    of_files("absolute path", "path-absolute", {"/etc/cron.d/demo": b""}),
    of_files("path that climbs out", "path-parent", {"demo/../../evil.py": b""}),
    of_files("path that is ..", "path-parent", {"..": b""}),
    of_files("backslash", "path-backslash", {"demo\\evil.py": b""}),
    of_files("Windows drive", "path-drive", {"C:evil.py": b""}),
    of_files("NUL in a path", "path-unprintable", {"demo/evil\x00.py": b""}),
    of_files("line break in a path", "path-unprintable", {"demo/evil\n.py": b""}),
    of_files("escape sequence in a path", "path-unprintable", {"demo/\x1b[31m.py": b""}),
    of_files("C1 control in a path", "path-unprintable", {"demo/\x9b.py": b""}),
    of_files("text direction override", "path-bidi", {"demo/\u202eyp.exe": b""}),
    of_files("dot segment", "path-not-plain", {"demo/./evil.py": b""}),
    of_files("empty segment", "path-not-plain", {"demo//evil.py": b""}),
    of_entry("empty path", "path-empty", ZipEntry("")),
    of_files("very long segment", "path-too-long", {f"demo/{'a' * 256}.py": b""}),
    of_files("very long path", "path-too-long", {f"{'a' * 60}/" * 80 + "a.py": b""}),
    of_files("very deep path", "path-too-deep", {"a/" * 101 + "a.py": b""}),
    of_files("paths that differ in case", "path-case-collision", {"demo/APP.py": b""}),
    of_files("paths that differ in case beyond ASCII", "path-case-collision", {"demo/straße.py": b"", "demo/STRASSE.py": b""}),
    of_files("paths that differ in normalisation", "path-unicode-collision", {"demo/\u00e9.py": b"", "demo/e\u0301.py": b""}),
    of_files("file as a directory", "path-file-as-directory", {"demo/app.py/evil.py": b""}),
    of_entry("symbolic link", "entry-symlink", ZipEntry("demo/link", b"/etc/passwd", mode=0o120777)),
    of_entry("named pipe", "entry-special", ZipEntry("demo/pipe", mode=0o010644)),
    of_entry("device", "entry-special", ZipEntry("demo/device", mode=0o020644)),
    of_entry("directory by its mode only", "zip-directory-mode", ZipEntry("demo/sub", mode=0o040755)),
    of_entry("directory with content", "zip-directory-data", ZipEntry("demo/sub/", b"evil", mode=0o040755)),
]  # fmt: skip

STRUCTURE = [
    sample("no .dist-info", "wheel-dist-info-missing", Wheel(dist_info="demo-1.0.egg-info")),
    of_files("two .dist-info", "wheel-dist-info-many", {"other-1.0.dist-info/METADATA": b""}),
    sample(".dist-info of another project", "wheel-dist-info-name", Wheel(dist_info="other-1.0.dist-info")),
    sample(".dist-info with a longer name", "wheel-dist-info-name", Wheel(dist_info="demo_more-1.0.dist-info")),
    sample(".dist-info of another version", "wheel-dist-info-version", Wheel(dist_info="demo-1.1.dist-info")),
    sample(".dist-info of no version", "wheel-dist-info-version", Wheel(dist_info="demo-latest.dist-info")),
    sample(".dist-info in capitals", "wheel-dist-info-name", Wheel(dist_info="demo-1.0.DIST-INFO")),
    of_files("no WHEEL", "wheel-file-missing", {f"{INFO}/WHEEL": None}),
    of_files("no METADATA", "metadata-missing", {f"{INFO}/METADATA": None}),
    of_files("no RECORD", "record-missing", {f"{INFO}/RECORD": None}),
    of_files("METADATA in capitals only", "metadata-missing", {f"{INFO}/METADATA": None, f"{INFO}/Metadata": b""}),
    of_files("WHEEL without version", "wheel-version", {f"{INFO}/WHEEL": b"Generator: tests\n"}),
    of_files("WHEEL with two versions", "wheel-version", {f"{INFO}/WHEEL": WHEEL + b"Wheel-Version: 2.0\n"}),
    of_files("WHEEL of version 2", "wheel-version", {f"{INFO}/WHEEL": b"Wheel-Version: 2.0\n"}),
    of_files("unknown .data directory", "wheel-data-scheme", {"demo-1.0.data/stdlib/os.py": b""}),
    of_files("file in .data", "wheel-data-scheme", {"demo-1.0.data/evil.py": b""}),
    of_files("huge METADATA", "entry-too-large", {f"{INFO}/METADATA": bytes(range(256)) * 40_000}),
]  # fmt: skip

RECORDS = [
    of_record("wrong hash", "record-hash", lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", b" " * len(MODULE)))),
    of_record("wrong size", "record-size", lambda text: text.replace(f",{len(MODULE)}\n", ",7\n")),
    of_record("unlisted file", "record-unlisted", lambda text: text.replace(record_line("demo/app.py", MODULE), "")),
    of_record("listed file that is missing", "record-absent", lambda text: text + record_line("demo/gone.py", b"")),
    of_record("listed file outside", "record-absent", lambda text: text + record_line("../evil.py", b"")),
    of_record("no hash", "record-no-hash", lambda text: text.replace(record_line("demo/app.py", MODULE), "demo/app.py,,\n")),
    of_record("MD5", "record-weak-hash", lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", MODULE, algorithm="md5"))),
    of_record("SHA-1", "record-weak-hash", lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", MODULE, algorithm="sha1"))),
    of_record("two fields", "record-syntax", lambda text: f"{text}demo/app.py,\n"),
    of_record("size in letters", "record-syntax", lambda text: text.replace(f",{len(MODULE)}\n", ",ten\n")),
    of_record("hash not base64", "record-syntax", lambda text: text.replace("sha256=", "sha256=!")),
    of_record("RECORD not UTF-8", "record-syntax", lambda text: f"{text}demo/\udcff.py,,\n"),
    of_record("RECORD with a huge field", "record-syntax", lambda text: f"{text}{'a' * 140_000},,\n"),
    of_record("line twice, differently", "record-duplicate", lambda text: text + record_line("demo/app.py", b"")),
]  # fmt: skip

SCRIPTS = [
    of_scripts("script outside", "entry-points-name", b"[console_scripts]\n../../evil = demo.app:main\n"),
    of_scripts("script with an absolute path", "entry-points-name", b"[gui_scripts]\n/bin/sh = demo.app:main\n"),
    of_scripts("script called ..", "entry-points-name", b"[console_scripts]\n.. = demo.app:main\n"),
    of_scripts("script hidden in an indented section", "entry-points-name", b"[x]\na = b:c\n  [console_scripts]\n  ../evil = d:e\n"),
    of_scripts("script hidden in a continued value", "entry-points-name", b"[console_scripts]\ndemo = demo.app:main\n  ../evil = d:e\n"),
    of_scripts("script that is code", "entry-points-target", b"[console_scripts]\ndemo = demo; import os\n"),
    of_scripts("script without target", "entry-points-target", b"[console_scripts]\ndemo\n"),
    of_scripts("readers disagree", "entry-points-ambiguous", b"[x]\na = b:c\n  [console_scripts]\n  demo = demo.app:main\n"),
    of_scripts("script twice", "entry-points-duplicate", b"[console_scripts]\ndemo = demo.app:main\ndemo = demo.evil:main\n"),
    of_scripts("no section", "entry-points-syntax", b"demo = demo.app:main\n"),
    of_scripts("not UTF-8", "entry-points-encoding", b"[console_scripts]\nd\xe4mo = demo.app:main\n"),
]  # fmt: skip

METADATA = [
    of_metadata("metadata of another project", "metadata-name", metadata_of("other", "1.0")),
    of_metadata("metadata of another version", "metadata-version", metadata_of("demo", "1.0.1")),
    of_metadata("metadata without a name", "metadata-name-missing", b"Metadata-Version: 2.1\nVersion: 1.0\n"),
    of_metadata("metadata with two names", "metadata-name-missing", metadata_of("demo", "1.0", "Name: other")),
    of_metadata("metadata with an odd name", "metadata-name-invalid", metadata_of("demo/../x", "1.0")),
    of_metadata("metadata without a version", "metadata-version-missing", b"Metadata-Version: 2.1\nName: demo\n"),
    of_metadata("metadata with two versions", "metadata-version-missing", metadata_of("demo", "1.0", "Version: 2.0")),
    of_metadata("metadata with an odd version", "metadata-version-invalid", metadata_of("demo", "latest")),
    of_metadata("metadata without its own version", "metadata-format", b"Name: demo\nVersion: 1.0\n"),
    of_metadata("metadata of the future", "metadata-format", metadata_of("demo", "1.0", metadata_version="3.0")),
    of_metadata("empty metadata", "metadata-format", b""),
    of_name("too few parts", "wheel-filename", "demo-1.0-any.whl"),
    of_name("too many parts", "wheel-filename", "demo-1.0-1-py3-none-any-x-y.whl"),
    of_name("odd variant label", "wheel-filename", "demo-1.0-py3-none-any-X.whl"),
    of_name("odd version", "filename-version", "demo-latest-py3-none-any.whl"),
    of_name("odd name", "project-name", "_demo-1.0-py3-none-any.whl"),
]  # fmt: skip

MALFORMED_WHEELS = [*MALFORMED_ZIPS, *PATHS, *STRUCTURE, *RECORDS, *SCRIPTS, *METADATA]
