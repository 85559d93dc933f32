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


def sample(title: str, wheel: Wheel, *, code: str) -> Sample:
    """Make a sample of a wheel."""
    return Sample(title, code, wheel.build, wheel.filename)


def of_files(title: str, files: Mapping[str, bytes | None], *, code: str) -> Sample:
    """Make a sample of a wheel with these files more, or less (None)."""
    return sample(title, Wheel(files=files), code=code)


def of_entry(title: str, entry: ZipEntry, *, code: str) -> Sample:
    """Make a sample of a wheel with this entry more."""
    return Sample(title, code, lambda: build_zip([*PLAIN.entries(), entry]), PLAIN.filename)


def of_record(title: str, record: Callable[[str], str], *, code: str) -> Sample:
    """Make a sample of a wheel with another RECORD."""
    return sample(title, Wheel(record=record), code=code)


def of_scripts(title: str, text: bytes, *, code: str) -> Sample:
    """Make a sample of a wheel with these entry points."""
    return of_files(title, {f"{INFO}/entry_points.txt": text}, code=code)


def of_metadata(title: str, metadata: bytes, *, code: str) -> Sample:
    """Make a sample of a wheel with this METADATA."""
    return sample(title, Wheel(metadata=metadata), code=code)


def of_name(title: str, filename: str, *, code: str) -> Sample:
    """Make a sample of a good wheel under a bad name."""
    return Sample(title, code, PLAIN.build, Filename(filename))


PATHS = [
    of_files("absolute path", {"/etc/cron.d/demo": b""}, code="path-absolute"),
    of_files("path that climbs out", {"demo/../../evil.py": b""}, code="path-parent"),
    of_files("path that is ..", {"..": b""}, code="path-parent"),
    of_files("backslash", {"demo\\evil.py": b""}, code="path-backslash"),
    of_files("Windows drive", {"C:evil.py": b""}, code="path-drive"),
    of_files("NUL in a path", {"demo/evil\x00.py": b""}, code="path-unprintable"),
    of_files("line break in a path", {"demo/evil\n.py": b""}, code="path-unprintable"),
    of_files("escape sequence in a path", {"demo/\x1b[31m.py": b""}, code="path-unprintable"),
    of_files("C1 control in a path", {"demo/\x9b.py": b""}, code="path-unprintable"),
    of_files("text direction override", {"demo/\u202eyp.exe": b""}, code="path-bidi"),
    of_files("dot segment", {"demo/./evil.py": b""}, code="path-not-plain"),
    of_files("empty segment", {"demo//evil.py": b""}, code="path-not-plain"),
    of_entry("empty path", ZipEntry(""), code="path-empty"),
    of_files("very long segment", {f"demo/{'a' * 256}.py": b""}, code="path-too-long"),
    of_files("very long path", {f"{'a' * 60}/" * 80 + "a.py": b""}, code="path-too-long"),
    of_files("very deep path", {"a/" * 101 + "a.py": b""}, code="path-too-deep"),
    of_files("paths that differ in case", {"demo/APP.py": b""}, code="path-case-collision"),
    of_files("paths that differ in case beyond ASCII", {"demo/straße.py": b"", "demo/STRASSE.py": b""}, code="path-case-collision"),
    of_files("paths that differ in normalisation", {"demo/\u00e9.py": b"", "demo/e\u0301.py": b""}, code="path-unicode-collision"),
    of_files("file as a directory", {"demo/app.py/evil.py": b""}, code="path-file-as-directory"),
    of_entry("symbolic link", ZipEntry("demo/link", b"/etc/passwd", mode=0o120777), code="entry-symlink"),
    of_entry("named pipe", ZipEntry("demo/pipe", mode=0o010644), code="entry-special"),
    of_entry("device", ZipEntry("demo/device", mode=0o020644), code="entry-special"),
    of_entry("directory by its mode only", ZipEntry("demo/sub", mode=0o040755), code="zip-directory-mode"),
    of_entry("directory with content", ZipEntry("demo/sub/", b"evil", mode=0o040755), code="zip-directory-data"),
]  # fmt: skip

STRUCTURE = [
    sample("no .dist-info", Wheel(dist_info="demo-1.0.egg-info"), code="wheel-dist-info-missing"),
    of_files("two .dist-info", {"other-1.0.dist-info/METADATA": b""}, code="wheel-dist-info-many"),
    sample(".dist-info of another project", Wheel(dist_info="other-1.0.dist-info"), code="wheel-dist-info-name"),
    sample(".dist-info with a longer name", Wheel(dist_info="demo_more-1.0.dist-info"), code="wheel-dist-info-name"),
    sample(".dist-info of another version", Wheel(dist_info="demo-1.1.dist-info"), code="wheel-dist-info-version"),
    sample(".dist-info of no version", Wheel(dist_info="demo-latest.dist-info"), code="wheel-dist-info-version"),
    sample(".dist-info in capitals", Wheel(dist_info="demo-1.0.DIST-INFO"), code="wheel-dist-info-name"),
    of_files("no WHEEL", {f"{INFO}/WHEEL": None}, code="wheel-file-missing"),
    of_files("no METADATA", {f"{INFO}/METADATA": None}, code="metadata-missing"),
    of_files("no RECORD", {f"{INFO}/RECORD": None}, code="record-missing"),
    of_files("METADATA in capitals only", {f"{INFO}/METADATA": None, f"{INFO}/Metadata": b""}, code="metadata-missing"),
    of_files("WHEEL without version", {f"{INFO}/WHEEL": b"Generator: tests\n"}, code="wheel-version"),
    of_files("WHEEL with two versions", {f"{INFO}/WHEEL": WHEEL + b"Wheel-Version: 2.0\n"}, code="wheel-version"),
    of_files("WHEEL of version 2", {f"{INFO}/WHEEL": b"Wheel-Version: 2.0\n"}, code="wheel-version"),
    of_files("unknown .data directory", {"demo-1.0.data/stdlib/os.py": b""}, code="wheel-data-scheme"),
    of_files("file in .data", {"demo-1.0.data/evil.py": b""}, code="wheel-data-scheme"),
    of_files("huge METADATA", {f"{INFO}/METADATA": bytes(range(256)) * 40_000}, code="entry-too-large"),
]  # fmt: skip

RECORDS = [
    of_record("wrong hash", lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", b" " * len(MODULE))), code="record-hash"),
    of_record("wrong size", lambda text: text.replace(f",{len(MODULE)}\n", ",7\n"), code="record-size"),
    of_record("unlisted file", lambda text: text.replace(record_line("demo/app.py", MODULE), ""), code="record-unlisted"),
    of_record("listed file that is missing", lambda text: text + record_line("demo/gone.py", b""), code="record-absent"),
    of_record("listed file outside", lambda text: text + record_line("../evil.py", b""), code="record-absent"),
    of_record("no hash", lambda text: text.replace(record_line("demo/app.py", MODULE), "demo/app.py,,\n"), code="record-no-hash"),
    of_record("MD5", lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", MODULE, algorithm="md5")), code="record-weak-hash"),
    of_record("SHA-1", lambda text: text.replace(record_line("demo/app.py", MODULE), record_line("demo/app.py", MODULE, algorithm="sha1")), code="record-weak-hash"),
    of_record("two fields", lambda text: f"{text}demo/app.py,\n", code="record-syntax"),
    of_record("size in letters", lambda text: text.replace(f",{len(MODULE)}\n", ",ten\n"), code="record-syntax"),
    of_record("hash not base64", lambda text: text.replace("sha256=", "sha256=!"), code="record-syntax"),
    of_record("RECORD not UTF-8", lambda text: f"{text}demo/\udcff.py,,\n", code="record-syntax"),
    of_record("RECORD with a huge field", lambda text: f"{text}{'a' * 140_000},,\n", code="record-syntax"),
    of_record("line twice, differently", lambda text: text + record_line("demo/app.py", b""), code="record-duplicate"),
]  # fmt: skip

SCRIPTS = [
    of_scripts("script outside", b"[console_scripts]\n../../evil = demo.app:main\n", code="entry-points-name"),
    of_scripts("script with an absolute path", b"[gui_scripts]\n/bin/sh = demo.app:main\n", code="entry-points-name"),
    of_scripts("script called ..", b"[console_scripts]\n.. = demo.app:main\n", code="entry-points-name"),
    of_scripts("script hidden in an indented section", b"[x]\na = b:c\n  [console_scripts]\n  ../evil = d:e\n", code="entry-points-name"),
    of_scripts("script hidden in a continued value", b"[console_scripts]\ndemo = demo.app:main\n  ../evil = d:e\n", code="entry-points-name"),
    of_scripts("script that is code", b"[console_scripts]\ndemo = demo; import os\n", code="entry-points-target"),
    of_scripts("script without target", b"[console_scripts]\ndemo\n", code="entry-points-syntax"),
    of_scripts("line without = in another group", b"[demo.plugins]\nname: demo.app\n", code="entry-points-syntax"),
    of_scripts("script with an empty target", b"[console_scripts]\ndemo =\n", code="entry-points-target"),
    of_scripts("readers disagree", b"[x]\na = b:c\n  [console_scripts]\n  demo = demo.app:main\n", code="entry-points-ambiguous"),
    of_scripts("script twice", b"[console_scripts]\ndemo = demo.app:main\ndemo = demo.evil:main\n", code="entry-points-duplicate"),
    of_scripts("no section", b"demo = demo.app:main\n", code="entry-points-syntax"),
    of_scripts("not UTF-8", b"[console_scripts]\nd\xe4mo = demo.app:main\n", code="entry-points-encoding"),
]  # fmt: skip

METADATA = [
    of_metadata("metadata of another project", metadata_of("other", "1.0"), code="metadata-name"),
    of_metadata("metadata of another version", metadata_of("demo", "1.0.1"), code="metadata-version"),
    of_metadata("metadata without a name", b"Metadata-Version: 2.1\nVersion: 1.0\n", code="metadata-name-missing"),
    of_metadata("metadata with two names", metadata_of("demo", "1.0", "Name: other"), code="metadata-name-missing"),
    of_metadata("metadata with an odd name", metadata_of("demo/../x", "1.0"), code="metadata-name-invalid"),
    of_metadata("metadata without a version", b"Metadata-Version: 2.1\nName: demo\n", code="metadata-version-missing"),
    of_metadata("metadata with two versions", metadata_of("demo", "1.0", "Version: 2.0"), code="metadata-version-missing"),
    of_metadata("metadata with an odd version", metadata_of("demo", "latest"), code="metadata-version-invalid"),
    of_metadata("metadata with a huge version", metadata_of("demo", "1" * 5000), code="metadata-version-invalid"),
    of_metadata("metadata without its own version", b"Name: demo\nVersion: 1.0\n", code="metadata-format"),
    of_metadata("metadata of the future", metadata_of("demo", "1.0", metadata_version="3.0"), code="metadata-format"),
    of_metadata("empty metadata", b"", code="metadata-format"),
    of_name("too few parts", "demo-1.0-any.whl", code="wheel-filename"),
    of_name("too many parts", "demo-1.0-1-py3-none-any-x-y.whl", code="wheel-filename"),
    of_name("odd variant label", "demo-1.0-py3-none-any-X.whl", code="wheel-filename"),
    of_name("odd version", "demo-latest-py3-none-any.whl", code="filename-version"),
    of_name("odd name", "_demo-1.0-py3-none-any.whl", code="project-name"),
]  # fmt: skip

MALFORMED_WHEELS = [*MALFORMED_ZIPS, *PATHS, *STRUCTURE, *RECORDS, *SCRIPTS, *METADATA]
