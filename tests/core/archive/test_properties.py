"""Properties of the gate: nothing crashes it, nothing valid is refused, nothing accepted is ambiguous."""

from __future__ import annotations

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from strongroom.core.archive import Inspected, inspect_archive
from strongroom.core.names import Filename
from strongroom.core.policy import Refuse
from tests.archives import MALFORMED_SDISTS, MALFORMED_WHEELS, Sdist, Wheel
from tests.archives.tars import TarEntry, build_tar_gz, gzipped, long_name, pax
from tests.archives.zips import ZipEntry, build_zip, with_descriptor

FILENAMES = st.sampled_from([Wheel().filename, Sdist().filename, Sdist(ending=".zip").filename])
SEGMENTS = st.text("abcxyzABC019_+@ é日-", min_size=1, max_size=8).filter(lambda text: text.strip() == text)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)
CONTENTS = st.dictionaries(PATHS, st.binary(max_size=300), max_size=6)
VALID = {
    Wheel().filename: Wheel(files={"demo/data.bin": bytes(range(256))}).build(),
    Sdist().filename: gzipped(b"".join(entry.pack() for entry in Sdist().entries()) + bytes(1024)),
    Sdist(ending=".zip").filename: Sdist(ending=".zip").build(),
}
SEEDS = [sample for sample in (*MALFORMED_WHEELS, *MALFORMED_SDISTS) if not sample.is_heavy]


def inspect(archive: bytes, filename: Filename) -> Inspected | Refuse:
    """Run the gate."""
    return inspect_archive(io.BytesIO(archive), filename)


def is_distinct(contents: dict[str, bytes]) -> bool:
    """Say whether no two paths meet on a file system that folds case, nor a file and a directory."""
    folded = {path.casefold() for path in contents}
    parents = {"/".join(path.split("/")[:depth]) for path in folded for depth in range(1, path.count("/") + 1)}
    return len(folded) == len(contents) and not folded & parents


@given(archive=st.binary(max_size=2000), filename=FILENAMES)
@settings(deadline=None)
def test_random_bytes_are_refused(archive: bytes, filename: Filename) -> None:
    """Whatever the bytes are, the gate answers, and it refuses."""
    assert isinstance(inspect(archive, filename), Refuse)


@given(data=st.data(), filename=FILENAMES)
@settings(max_examples=400, deadline=None)
def test_damaged_archives_get_an_answer(data: st.DataObject, filename: Filename) -> None:
    """A valid archive with a few bytes changed, cut out or put in is judged without a crash."""
    archive = bytearray(VALID[filename])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(archive)))
        length = data.draw(st.integers(0, 8))
        archive[start : start + length] = data.draw(st.binary(max_size=8))

    assert isinstance(inspect(bytes(archive), filename), Inspected | Refuse)


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_malformed_archives_get_an_answer(data: st.DataObject) -> None:
    """A malformed archive with further damage is judged without a crash."""
    sample = data.draw(st.sampled_from(SEEDS))
    archive = bytearray(sample.build())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(archive)))
        archive[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))

    assert isinstance(inspect(bytes(archive), sample.filename), Inspected | Refuse)


@given(block=st.binary(max_size=1500), tail=st.sampled_from([b"", bytes(1024)]))
@settings(deadline=None)
def test_random_tar_blocks_get_an_answer(block: bytes, tail: bytes) -> None:
    """Random blocks inside sound gzip are judged without a crash."""
    head = b"".join(entry.pack() for entry in Sdist().entries())

    outcome = inspect(gzipped(head + block + tail), Sdist().filename)

    assert isinstance(outcome, Inspected | Refuse)


@given(
    metadata=st.binary(max_size=400), head=st.sampled_from([b"", b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"])
)
def test_random_metadata_gets_an_answer(metadata: bytes, head: bytes) -> None:
    """Random bytes as METADATA, also behind a sound beginning, are judged without a crash."""
    wheel = Wheel(metadata=head + metadata)

    assert isinstance(inspect(wheel.build(), wheel.filename), Inspected | Refuse)


@given(text=st.text("[]=:;# \n\tabc./console_scripts", max_size=80))
@example(text="[:]\n:")
@settings(deadline=None)
def test_accepted_scripts_are_file_names(text: str) -> None:
    """Whatever entry_points.txt says, importlib.metadata finds no script that leaves its directory."""
    from importlib.metadata import EntryPoints

    raw = "[console_scripts]\n" + text
    wheel = Wheel(files={f"{Wheel().directory}/entry_points.txt": raw.encode()})
    if isinstance(inspect(wheel.build(), wheel.filename), Refuse):
        return

    found = EntryPoints._from_text(raw)  # type: ignore[attr-defined]  # the parser behind `entry_points()`

    assert not [entry for entry in found if entry.group == "console_scripts" and "/" in entry.name]


@given(contents=CONTENTS.filter(is_distinct), data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_valid_wheels_are_accepted_and_read_alike(contents: dict[str, bytes], data: st.DataObject) -> None:
    """Any wheel of plain files is accepted, and `zipfile` unpacks the same tree from it."""
    wheel = Wheel(files={f"pkg/{path}": content for path, content in contents.items()})
    entries = data.draw(st.permutations(wheel.entries()))
    kinds = [data.draw(st.sampled_from(["deflated", "stored", "streamed"])) for _ in entries]

    archive = build_zip(_as(entry, kind) for entry, kind in zip(entries, kinds, strict=True))

    assert isinstance(inspect(archive, wheel.filename), Inspected)
    with zipfile.ZipFile(io.BytesIO(archive)) as unpacked:
        assert {info.filename: unpacked.read(info) for info in unpacked.infolist()} == wheel.contents()


@given(contents=CONTENTS.filter(is_distinct), data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_valid_sdists_are_accepted_and_read_alike(contents: dict[str, bytes], data: st.DataObject) -> None:
    """Any sdist of plain files is accepted, and `tarfile` unpacks the same tree from it."""
    sdist = Sdist(files={f"pkg/{path}": content for path, content in contents.items()})
    entries: list[TarEntry] = []
    for entry in sdist.entries():
        match data.draw(st.sampled_from(["plain", "pax", "gnu"])):
            case "pax":
                entries += [pax({"path": entry.name, "mtime": "1.5"}), TarEntry("short", entry.data)]
            case "gnu":
                entries += [long_name(entry.name), TarEntry("short", entry.data)]
            case _:
                entries.append(entry)
    archive = build_tar_gz(entries)

    assert isinstance(inspect(archive, sdist.filename), Inspected)
    with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
        files = {info.name: unpacked.extractfile(info) for info in unpacked.getmembers()}
        assert {path: file.read() for path, file in files.items() if file} == sdist.contents()


@pytest.mark.parametrize("writer", ["zipfile", "tarfile-gnu", "tarfile-pax", "tarfile-ustar"])
def test_what_python_writes_is_accepted(writer: str) -> None:
    """Archives of the standard library's own writers are accepted."""
    if writer == "zipfile":
        archive, filename = _zipped(Wheel().contents()), Wheel().filename
    else:
        kinds = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}
        contents = {**Sdist().contents(), f"{Sdist().top}/{'a' * 90}/{'b' * 90}.txt": b"x"}
        archive, filename = _tarred(contents, format=kinds[writer.removeprefix("tarfile-")]), Sdist().filename

    assert isinstance(inspect(archive, filename), Inspected)


@pytest.mark.parametrize("command", [["unzip", "-l"], ["tar", "--force-local", "-tzf"]], ids=["unzip", "tar"])
def test_other_programs_list_the_same_files(command: list[str], tmp_path: Path) -> None:
    """`unzip` and GNU tar list the files that were packed, without a warning."""
    is_zip = command[0] == "unzip"
    source = Wheel(files={"demo/ü.txt": b"x"}) if is_zip else Sdist(files={"ü.txt": b"x"})
    path = tmp_path / source.filename
    path.write_bytes(source.build())

    listing = subprocess.run([*command, path], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})

    assert listing.stderr == b""
    for name in source.contents():
        assert name.encode() in listing.stdout or "ü" in name


def _as(entry: ZipEntry, kind: str) -> ZipEntry:
    if kind == "streamed":
        return with_descriptor(entry)
    return ZipEntry(entry.name, entry.data, is_deflated=kind == "deflated")


def _zipped(contents: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("demo")
        for path, content in contents.items():
            with archive.open(path, "w", force_zip64=path.endswith("METADATA")) as entry:
                entry.write(content)
    return file.getvalue()


def _tarred(contents: dict[str, bytes], *, format: int) -> bytes:  # noqa: A002  # tarfile's own word
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=format) as archive:
        for path, content in contents.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            info.mtime = 1.5 if format == tarfile.PAX_FORMAT else 1  # PAX has fractions
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()
