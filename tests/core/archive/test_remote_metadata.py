"""METADATA of a wheel that lies elsewhere: the same bytes as any ZIP reader finds, from few of the wheel's."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.core.archive import inspect_archive
from strongroom.core.archive.limits import Limits
from strongroom.core.archive.remote_metadata import TAIL_BYTES, Piece, Wanted, read_remote_metadata
from strongroom.core.errors import UpstreamFault
from strongroom.core.names import Filename
from strongroom.core.policy import Refuse
from tests.archives import MALFORMED_WHEELS, Sample, Wheel
from tests.archives.wheels import metadata_of
from tests.archives.zips import End, Fields, ZipEntry, build_zip, with_descriptor
from tests.replacing import replace

NAME = Wheel().filename
METADATA = Wheel().contents()["demo-1.0.dist-info/METADATA"]
ENTRIES = Wheel().entries()
MOST_PIECES = 6
LIGHT = [sample for sample in MALFORMED_WHEELS if not sample.is_heavy]


@dataclass(slots=True)
class Server:
    """Serves ranges of a wheel and remembers them."""

    wheel: bytes
    pieces: list[Piece] = field(default_factory=list)

    def fetch(self, start: int, length: int) -> None:
        """Serve one range."""
        assert start >= 0
        assert start + length <= len(self.wheel)
        assert length > 0
        self.pieces.append(Piece(start, self.wheel[start : start + length]))

    @property
    def fetched_bytes(self) -> int:
        """Return how much was served."""
        return sum(len(piece.content) for piece in self.pieces)


def read(
    wheel: bytes, filename: Filename = NAME, *, tail: int = TAIL_BYTES, limits: Limits | None = None
) -> tuple[bytes, Server]:
    """Read METADATA as a caller does; fails when it takes too many pieces."""
    server = Server(wheel)
    if wheel:
        server.fetch(max(0, len(wheel) - tail), min(tail, len(wheel)))
    while len(server.pieces) <= MOST_PIECES:
        step = read_remote_metadata(filename, server.pieces, total_bytes=len(wheel), limits=limits or Limits())
        if isinstance(step, bytes):
            return step, server
        server.fetch(step.start, step.length)
    raise AssertionError("it asks for too many pieces")


def zipped(contents: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED, wide: bool = False) -> bytes:
    """Make a ZIP file with the standard library, as build tools do; `wide` forces ZIP64 sizes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for path, data in contents.items():
            with archive.open(path, "w", force_zip64=wide) as entry:
                entry.write(data)
    return file.getvalue()


def big(**contents: bytes) -> Wheel:
    """Make a wheel with some thousand other files, so that little of it lies in its tail."""
    return Wheel(files={f"demo/module_{number:04}.py": b"pass\n" * 20 for number in range(2000)} | contents)


@given(
    data=st.data(),
    contents=st.dictionaries(st.text("abc/", min_size=1, max_size=6), st.binary(max_size=500), max_size=8),
    body=st.binary(max_size=4000),
    compression=st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]),
    wide=st.booleans(),
)
@settings(deadline=None)
def test_it_is_what_zipfile_reads(
    data: st.DataObject,
    contents: dict[str, bytes],
    body: bytes,
    compression: int,
    wide: bool,  # noqa: FBT001
) -> None:
    """Whatever else is in the wheel, wherever METADATA lies in it, and however much is fetched at first."""
    paths = data.draw(st.permutations(["demo-1.0.dist-info/METADATA", *contents]))
    everything = contents | {"demo-1.0.dist-info/METADATA": metadata_of("demo", "1.0") + body}
    wheel = zipped({path: everything[path] for path in paths}, compression=compression, wide=wide)
    tail = data.draw(st.integers(1, len(wheel)))

    found, server = read(wheel, tail=tail)

    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        assert found == archive.read("demo-1.0.dist-info/METADATA")
    assert server.fetched_bytes <= len(wheel)


def find(wheel: bytes, filename: Filename = NAME) -> bytes | None:
    """Return METADATA, or None where the wheel is refused."""
    with suppress(UpstreamFault):
        return read(wheel, filename)[0]
    return None


@pytest.mark.parametrize("sample", LIGHT, ids=lambda sample: sample.title)
def test_a_malformed_wheel_is_not_misread(sample: Sample) -> None:
    """It is refused, or METADATA is what `zipfile` reads: the fault is then in another part of the wheel."""
    wheel = sample.build()
    found = find(wheel, sample.filename)
    if found is not None:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            entries = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            assert [archive.read(name) for name in entries] == [found]


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_wheel_is_refused_or_unharmed(data: st.DataObject) -> None:
    """A few changed bytes end in a refusal, or METADATA is what `zipfile` finds too."""
    wheel = bytearray(Wheel().build())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(wheel)))
        wheel[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    found = find(bytes(wheel))
    if found is not None:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            assert found == archive.read("demo-1.0.dist-info/METADATA")


def test_the_tail_is_mostly_enough() -> None:
    """Where METADATA and the directory lie in the tail, nothing more is asked for."""
    found, server = read(zipped(Wheel().contents()))
    assert found == METADATA
    assert len(server.pieces) == 1


def test_a_large_wheel_takes_two_ranges_more_at_most() -> None:
    """The rest of a long directory, and METADATA in front of everything."""
    contents = big().contents()
    ordered = {"demo-1.0.dist-info/METADATA": METADATA} | contents
    wheel = zipped(ordered, compression=zipfile.ZIP_STORED)
    found, server = read(wheel)
    assert found == METADATA
    assert len(server.pieces) <= 3
    assert server.fetched_bytes < len(wheel) / 2
    assert server.pieces[-1] == Piece(0, wheel[: len(server.pieces[-1].content)])
    assert len(server.pieces[-1].content) < 1000


def test_pieces_may_overlap_and_come_in_any_order() -> None:
    """What counts is which bytes are there."""
    wheel = Wheel().build()
    half = len(wheel) // 2
    pieces = [Piece(half - 5, wheel[half - 5 :]), Piece(0, wheel[:half]), Piece(10, wheel[10:20])]
    assert read_remote_metadata(NAME, pieces, total_bytes=len(wheel)) == METADATA


def test_without_pieces_the_end_is_asked_for() -> None:
    """The end of the file, where the directory's place stands."""
    wheel = Wheel().build()
    assert read_remote_metadata(NAME, [], total_bytes=len(wheel)) == Wanted(0, len(wheel))


def test_a_gap_between_pieces_is_asked_for_alone() -> None:
    """What is there is not fetched twice."""
    wheel = Wheel().build()
    pieces = [Piece(0, wheel[:50]), Piece(90, wheel[90:])]
    assert read_remote_metadata(NAME, pieces, total_bytes=len(wheel)) == Wanted(50, 40)


def test_a_data_descriptor_is_understood() -> None:
    """Sizes behind the data, as tools that write streams give them."""
    entries = [with_descriptor(entry) if "METADATA" in str(entry.name) else entry for entry in ENTRIES]
    assert read(build_zip(entries))[0] == METADATA


def refusal(wheel: bytes, filename: Filename = NAME, *, limits: Limits | None = None) -> str:
    """Return why the wheel is refused."""
    with pytest.raises(UpstreamFault) as raised:
        read(wheel, filename, limits=limits)
    assert raised.value.code == "wheel-unreadable"
    assert filename in raised.value.message
    assert raised.value.hint
    return raised.value.message


def test_another_wheels_metadata_is_refused() -> None:
    """The `.dist-info` directory must be the one of the filename."""
    assert "another project" in refusal(Wheel(dist_info="other-1.0.dist-info").build())
    assert "another version" in refusal(Wheel(dist_info="demo-2.0.dist-info").build())
    assert "no .dist-info" in refusal(zipped({"demo/METADATA": METADATA}))


def test_several_or_no_metadata_are_refused() -> None:
    """Readers would differ in which one they take."""
    twice = [ZipEntry("demo-1.0.dist-info/METADATA", b"x"), *ENTRIES]
    assert "several METADATA" in refusal(build_zip(twice))
    assert "no METADATA" in refusal(Wheel(files={"demo-1.0.dist-info/METADATA": None}).build())


def test_what_is_no_wheel_is_refused() -> None:
    """By its name, before anything is asked for."""
    for filename in ("demo-1.0.tar.gz", "demo-1.0.zip", "demo-1.whl"):
        with pytest.raises(UpstreamFault):
            read_remote_metadata(Filename(filename), [], total_bytes=100)


def test_limits() -> None:
    """Long METADATA, long directories and many entries are refused before they are fetched."""
    wheel = Wheel(metadata=metadata_of("demo", "1.0") + bytes(300_000)).build()
    assert "more than the 290000 bytes allowed" in refusal(wheel, limits=replace(Limits(), metadata_bytes=290_000))
    assert "more than allowed" in refusal(Wheel().build(), limits=replace(Limits(), entries=4))
    size = 40 << 20
    pieces = [Piece(size - 70_000, bytes(70_000)), Piece(size, End(entries=1, size=size, offset=0).pack())]
    with pytest.raises(UpstreamFault, match="more than allowed"):
        read_remote_metadata(NAME, pieces, total_bytes=size + 22)


def test_a_hole_behind_metadata_is_refused() -> None:
    """It is not fetched: METADATA ends where the next entry begins."""
    entries = [replace(entry, after=bytes(200_000)) if "METADATA" in str(entry.name) else entry for entry in ENTRIES]
    assert "data between METADATA" in refusal(build_zip(entries))


def test_two_entries_at_one_place_are_refused() -> None:
    """One of them lies about where it is."""
    offset = Wheel().build().index(b"PK\x03\x04", 1)

    def move(fields: Fields) -> Fields:
        return replace(fields, offset=offset)

    entries = [replace(entry, central=move) for entry in ENTRIES[1:3]]
    assert "share bytes" in refusal(build_zip([ENTRIES[0], *entries, *ENTRIES[3:]]))


def test_an_entry_behind_the_directory_is_refused() -> None:
    """Its place is checked before it is asked for."""

    def move(fields: Fields) -> Fields:
        return replace(fields, offset=1 << 30)

    entries = [replace(entry, central=move) if "METADATA" in str(entry.name) else entry for entry in ENTRIES]
    assert "lies behind the directory" in refusal(build_zip(entries))


def test_paths_in_other_encodings_do_not_matter() -> None:
    """An old wheel may hold a path that is not marked as UTF-8; one that is marked so must be it."""
    odd = ZipEntry("demo/d\u00e4ta.txt".encode("cp437"), b"x", flags=0)
    assert read(build_zip([odd, *ENTRIES]))[0] == METADATA
    assert "UTF-8" in refusal(build_zip([replace(odd, flags=0x0800), *ENTRIES]))
    second = replace(odd, name="d\u00e4ta.dist-info/METADATA".encode("cp437"))
    assert "2 .dist-info" in refusal(build_zip([second, *ENTRIES]))


def test_the_gate_agrees() -> None:
    """What the gate finds in a wheel that it accepts is what is found from afar."""
    wheel = big().build()
    inspected = inspect_archive(io.BytesIO(wheel), NAME)
    assert not isinstance(inspected, Refuse)
    assert read(wheel)[0] == inspected.metadata
