"""Which filesystem a directory lies on, from the kernel's list of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.adapters.sql.network_filesystem import find_network_filesystem


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["/dev/sda1 / ext4 rw 0 0"], None),
        (["server:/x / nfs rw 0 0"], "nfs"),
        (["//server/x / cifs rw 0 0"], "cifs"),
        (["me@host: / fuse.sshfs rw 0 0"], "fuse.sshfs"),
        (["share / 9p rw 0 0"], "9p"),
        (["/dev/fuse / fuse.mergerfs rw 0 0"], None),
        (["overlay / overlay rw 0 0", "server:/x {here} nfs4 rw 0 0"], "nfs4"),
        (["server:/x / nfs rw 0 0", "/dev/sda1 {here} xfs rw 0 0"], None),
        (["server:/x {here} nfs rw 0 0", "tmpfs {here} tmpfs rw 0 0"], None),
        (["tmpfs {here} tmpfs rw 0 0", "server:/x {here} nfs rw 0 0"], "nfs"),
        (["/dev/sda1 / ext4 rw 0 0", "server:/x {here}/elsewhere nfs rw 0 0"], None),
        (["/dev/sda1 / ext4 rw 0 0", "server:/x {here}/dat nfs rw 0 0"], None),
        (["garbage", "", "/dev/sda1 / ext4 rw 0 0"], None),
    ],
)
def test_the_deepest_and_last_mount_counts(tmp_path: Path, lines: list[str], expected: str | None) -> None:
    """The mount nearest to the directory decides, and of two on the same point the later."""
    mounts = tmp_path / "mounts"
    mounts.write_text("\n".join(line.format(here=tmp_path) for line in lines))
    assert find_network_filesystem(tmp_path / "data", mounts=mounts) == expected


def test_a_mount_point_may_hold_spaces(tmp_path: Path) -> None:
    """The kernel's octal escapes are undone."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path}/my\\040data nfs rw 0 0\n")
    assert find_network_filesystem(tmp_path / "my data", mounts=mounts) == "nfs"
    assert find_network_filesystem(tmp_path / "my", mounts=mounts) is None


def test_a_link_is_followed(tmp_path: Path) -> None:
    """What counts is where the directory really is."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path}/remote nfs rw 0 0\n")
    (tmp_path / "remote").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "remote")
    assert find_network_filesystem(tmp_path / "link" / "data", mounts=mounts) == "nfs"


def test_a_system_without_the_list_finds_nothing(tmp_path: Path) -> None:
    """Where the kernel has no such list, nothing is refused."""
    assert find_network_filesystem(tmp_path, mounts=tmp_path / "missing") is None
    assert find_network_filesystem(tmp_path) is None
