"""Accepted archives are unambiguous: independent readers unpack the same tree from them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.core.archive import Inspected, inspect_archive
from strongroom.core.names import Filename
from tests.archives import MALFORMED_SDISTS, MALFORMED_WHEELS, Sample, Sdist, Wheel
from tests.archives.readers import (
    tar_by_tar,
    tar_by_tarfile,
    zip_by_directory,
    zip_by_stream,
    zip_by_unzip,
)
from tests.core.archive.test_accepted import NAMES, TARS, WHEELS, ZIPS, with_entry

SAMPLES = [sample for sample in (*MALFORMED_WHEELS, *MALFORMED_SDISTS) if not sample.is_heavy]
ACCEPTED_ZIPS = [wheel.build() for _, wheel in (*NAMES, *WHEELS)] + [with_entry(entry) for _, entry in ZIPS]


def is_accepted(archive: bytes, filename: Filename) -> bool:
    """Run the gate."""
    return isinstance(inspect_archive(io.BytesIO(archive), filename), Inspected)


@pytest.mark.parametrize("archive", ACCEPTED_ZIPS, ids=range(len(ACCEPTED_ZIPS)))
def test_zip_readers_agree(archive: bytes, tmp_path: Path) -> None:
    """A reader of the directory, a streaming one and unzip get the same files from an accepted wheel."""
    expected = zip_by_directory(archive)

    assert zip_by_stream(archive) == expected
    files = {path: content for path, content in expected.items() if not path.endswith("/")}
    assert zip_by_unzip(archive, tmp_path) == files


@pytest.mark.parametrize(("title", "archive"), TARS, ids=lambda value: value if isinstance(value, str) else "")
def test_tar_readers_agree(title: str, archive: bytes, tmp_path: Path) -> None:
    """`tarfile`, seeking and streaming, and GNU tar get the same files from an accepted sdist."""
    expected = tar_by_tarfile(archive, mode="gz")

    assert tar_by_tarfile(archive, mode="stream").keys() == expected.keys()
    unpacked = tar_by_tar(archive, tmp_path)
    assert {path: content for path, content in expected.items() if path in unpacked} == unpacked, title


@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_damage_that_passes_is_harmless(data: st.DataObject) -> None:
    """If a valid archive with changed bytes is accepted, readers still agree about its tree."""
    sources: list[Wheel | Sdist] = [Wheel(), Sdist(ending=".zip"), Sdist()]
    source = data.draw(st.sampled_from(sources))
    archive = bytearray(source.build())
    at = data.draw(st.integers(0, len(archive) - 1))
    archive[at] = data.draw(st.integers(0, 255))

    if not is_accepted(bytes(archive), source.filename):
        return

    if source.filename.endswith(".tar.gz"):
        assert tar_by_tarfile(bytes(archive), mode="gz") == source.contents()
    else:
        assert zip_by_stream(bytes(archive)) == zip_by_directory(bytes(archive)) == source.contents()


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_damage_does_not_heal_ambiguity(data: st.DataObject) -> None:
    """If a malformed archive with changed bytes is accepted, readers agree about its tree."""
    sample: Sample = data.draw(st.sampled_from(SAMPLES))
    archive = bytearray(sample.build())
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, max(0, len(archive) - 1)))
        archive[at : at + 1] = bytes([data.draw(st.integers(0, 255))])

    if not is_accepted(bytes(archive), sample.filename):
        return

    if sample.filename.endswith(".tar.gz"):
        seeking, streaming = (tar_by_tarfile(bytes(archive), mode=mode) for mode in ("gz", "stream"))
        assert seeking.keys() == streaming.keys()
    else:
        assert zip_by_stream(bytes(archive)) == zip_by_directory(bytes(archive))
